//! Calls to hooks: where no client's URL may lead, and without a trace in the log.

use super::*;
use crate::config::Hook;

fn hook(url: &str) -> Hook {
    Hook { url: Url::parse(url).unwrap(), timeout: Duration::from_secs(5), api_key: None }
}

async fn ask(fetch: &Fetch, url: &str) -> Result<Answered, FetchError> {
    fetch.ask_hook(&hook(url), "id", b"{\"a\":1}".to_vec()).await
}

/// The same place is still out of bounds for what others choose, although there is a connection to it.
#[tokio::test]
async fn a_hook_may_be_on_this_machine_and_opens_it_to_nobody_else() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, seen) = request(&listener).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        (stream, listener, seen)
    });
    let (fetch, url) = (fetch(&config()), format!("http://127.0.0.1:{port}/hook?a=b"));
    let answered = ask(&fetch, &url).await.unwrap();
    assert_eq!((answered.status, &*answered.body), (200, &b"{}"[..]));
    let (mut stream, listener, seen) = server.await.unwrap();
    assert!(seen.starts_with("POST /hook?a=b HTTP/1.1\r\n") && seen.contains("x-request-id: id\r\n"), "{seen}");
    assert!(matches!(get(&fetch, &url).await, Err(FetchError::Refused(_))));
    assert!(!fetch.may_call(&url));
    assert!(is_untouched(&listener).await);
    let mut more = [0; 1];
    let came = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut more)).await;
    assert!(came.is_err(), "something came over the hook's connection: {came:?}");
}

/// A URL may have a password or a key in it; errors end in the log.
#[tokio::test]
async fn what_went_wrong_does_not_tell_the_url() {
    let (listener, port) = listen().await;
    let broken = tokio::spawn(async move {
        let (mut stream, seen) = request(&listener).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{").await.unwrap();
        seen
    });
    for place in [format!("127.0.0.1:{port}"), "127.0.0.1:1".to_owned(), "no-such-host.invalid".to_owned()] {
        let error =
            ask(&fetch(&config()), &format!("http://someone:hunter2@{place}/hunter2?hunter2")).await.unwrap_err();
        assert!(matches!(error, FetchError::Unreachable(_)), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    }
    // RFC 7617: what stands in the URL is for the hook.
    assert!(broken.await.unwrap().contains("authorization: Basic c29tZW9uZTpodW50ZXIy\r\n"));
}

/// Nothing of an answer is kept beyond what it may have.
#[tokio::test]
async fn a_long_answer_is_cut_short_however_it_announces_itself() {
    for head in ["content-length: 300000\r\n\r\n", "\r\n"] {
        let (listener, port) = listen().await;
        tokio::spawn(async move {
            let (mut stream, _) = request(&listener).await;
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes()).await;
            while stream.write_all(&[b' '; 8192]).await.is_ok() {}
        });
        let outcome = ask(&fetch(&config()), &format!("http://127.0.0.1:{port}/")).await;
        assert!(matches!(outcome, Err(FetchError::TooLarge)), "{outcome:?}");
    }
}

//! A bench for server-side request forgery: names that lead elsewhere than they did, answers that lead elsewhere than was
//! asked, and servers that never come to an end (security-cases.md DR-13 to DR-22).

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// One address of this machine may be called, all others are inside.
fn one_allowed() -> Clients {
    Clients { allowed_networks: vec!["127.0.0.1/32".parse().unwrap()], ..config() }
}

/// A resolver that gives these answers one after the other, and the last for ever; and how often it was asked.
fn resolving(config: &Clients, answers: &[&[&str]]) -> (Fetch, Arc<AtomicUsize>) {
    let answers: Vec<Vec<IpAddr>> =
        answers.iter().map(|answer| answer.iter().map(|address| address.parse().unwrap()).collect()).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let turn = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let answer = answers[turn].clone();
        Box::pin(async move { Ok(answer) })
    });
    (Fetch::with_lookup(config, &lookup).unwrap(), asked)
}

/// A listener on another address of this machine than the one that may be called, on the same port.
async fn pair() -> (TcpListener, TcpListener, u16) {
    loop {
        let (allowed, port) = listen().await;
        if let Ok(inside) = TcpListener::bind(("127.0.0.2", port)).await {
            return (allowed, inside, port);
        }
    }
}

const CLOSING: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";

/// The answer that was judged is the one that is connected to; the next call is judged anew.
#[tokio::test]
async fn a_name_that_rebinds_is_judged_at_every_call() {
    let (allowed, inside, port) = pair().await;
    let (fetch, asked) = resolving(&one_allowed(), &[&["127.0.0.1"], &["127.0.0.2"], &["169.254.169.254"], &["::1"]]);
    let url = format!("http://rebind.example:{port}/");
    let server = tokio::spawn(answer(allowed, CLOSING));
    assert_eq!(get(&fetch, &url).await.unwrap().status, 200);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "looked up once for one call");
    server.await.unwrap();
    for _ in 0..3 {
        assert!(matches!(get(&fetch, &url).await, Err(FetchError::Refused(_))));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    assert!(is_untouched(&inside).await);
}

/// Of several addresses only the fit ones are tried, also where none of them answers.
#[tokio::test]
async fn a_name_with_a_fit_address_opens_no_other() {
    let (allowed, inside, port) = pair().await;
    let (fetch, _) = resolving(&one_allowed(), &[&["127.0.0.2", "127.0.0.1", "::ffff:127.0.0.2"]]);
    let url = format!("http://mixed.example:{port}/");
    let server = tokio::spawn(answer(allowed, CLOSING));
    assert_eq!(get(&fetch, &url).await.unwrap().status, 200);
    server.await.unwrap();
    assert!(matches!(get(&fetch, &url).await, Err(FetchError::Unreachable(_))));
    assert!(is_untouched(&inside).await);
}

/// DR-13: an address in another dress is the same address.
#[tokio::test]
async fn a_name_that_leads_to_a_mapped_or_tunnelled_address_is_refused() {
    for address in [
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "::",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
        "0.0.0.0",
        "100.100.100.200",
        "224.0.0.1",
    ] {
        let (fetch, asked) = resolving(&config(), &[&[address]]);
        let result = get(&fetch, "https://rp.example/").await;
        assert!(matches!(result, Err(FetchError::Refused(_))), "{address}: {result:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{address}");
    }
    let (nowhere, _) = resolving(&config(), &[&[]]);
    assert!(get(&nowhere, "https://rp.example/").await.is_err());
}

/// DR-16: whatever an answer says of another place, nobody goes there, and there is no document.
#[tokio::test]
async fn a_redirect_leads_to_no_document() {
    for (status, place) in [
        (301, "http://169.254.169.254/latest/meta-data/"),
        (302, "http://127.0.0.2/"),
        (303, "https://8.8.8.8/"),
        (307, "file:///etc/passwd"),
        (308, "gopher://127.0.0.1/"),
    ] {
        let (listener, port) = listen().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = request(&listener).await;
            let body = "{\"keys\":[]}";
            let response =
                format!("HTTP/1.1 {status} Moved\r\nlocation: {place}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(response.as_bytes()).await.unwrap();
            listener
        });
        let fetch = fetch(&loopback_allowed());
        let keys =
            fetch.key_set(&format!("http://127.0.0.1:{port}/jwks"), None, crate::clock::Timestamp::default()).await;
        assert!(keys.is_none(), "{status}");
        assert!(is_untouched(&server.await.unwrap()).await);
    }
}

/// DR-19: heads that never end, and bodies that would grow.
#[tokio::test]
async fn an_endless_or_growing_answer_is_cut_off() {
    let mut fetch = fetch(&loopback_allowed());
    fetch.total = Duration::from_secs(2);
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = request(&listener).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        let mut sent = 0_usize;
        while stream.write_all(b"x-more: 0123456789012345678901234567890123456789\r\n").await.is_ok() {
            sent += 1;
            assert!(sent < 1_000_000, "nobody hangs up");
        }
    });
    assert!(get(&fetch, &format!("http://127.0.0.1:{port}/")).await.is_err());
    server.await.unwrap();

    // A bomb stays what it is: nothing is unpacked, and nothing was said of being able to.
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, seen) = request(&listener).await;
        assert!(!seen.contains("accept-encoding"), "{seen}");
        let bomb = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&bomb).await.unwrap();
    });
    assert_eq!(get(&fetch, &format!("http://127.0.0.1:{port}/")).await.unwrap().body.len(), 10);
    server.await.unwrap();
}

/// DR-14: what a registration may name at all, without looking anything up.
#[test]
fn names_of_the_inside_are_told_from_names_of_the_internet() {
    let strict = fetch(&config());
    for url in ["https://rp.example/jwks", "https://rp.example:8443/", "https://8.8.8.8/", "https://local.example/"] {
        assert!(strict.may_call(url), "{url}");
    }
    let inside = [
        "https://postgres:5432/",
        "https://postgres/",
        "https://localhost/",
        "https://localhost./",
        "https://a.local/",
        "https://metadata.google.internal/",
        "https://router.home.arpa/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "nonsense",
        "http://rp.example/",
        "https://user@rp.example/",
        "https://rp.example:22/",
        "https://169.254.169.254/",
    ];
    for url in inside {
        assert!(!strict.may_call(url), "{url}");
    }
    let near = fetch(&loopback_allowed());
    assert!(near.may_call("http://127.0.0.1:8080/") && near.may_call("https://app.internal/"));
    assert!(!near.may_call("https://10.0.0.1/") && !near.may_call("https://169.254.169.254/"));
}

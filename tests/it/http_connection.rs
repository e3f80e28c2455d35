//! Connections and what stands at their start: sizes, patience, hosts, framing (RFC 9110, RFC 9112), sent byte by byte.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::Server;
use crate::support::raw::read;

/// What is too large is refused by its size, and nobody else notices.
#[tokio::test]
async fn ht_04_oversized_heads_are_refused() {
    let server = Server::start().await;
    let head = |target: &str, more: &str| format!("GET {target} HTTP/1.1\r\nHost: {{host}}\r\n{more}\r\n");
    let long = "a".repeat(64 * 1024);
    let many = "x-a: y\r\n".repeat(10_000);
    for (what, request, statuses) in [
        ("a header of 64 KiB", head("/health/alive", &format!("x: {long}\r\n")), &[431][..]),
        ("10,000 headers", head("/health/alive", &many), &[431]),
        ("a target of 20 KiB", head(&format!("/oauth2/auth?a={}", &long[..20_000]), ""), &[414]),
        ("a target of 1 MiB", head(&format!("/oauth2/auth?a={}", "a".repeat(1 << 20)), ""), &[414, 431]),
        ("a cookie of 64 KiB", head("/health/alive", &format!("cookie: a={long}\r\n")), &[431]),
    ] {
        let answer = server.raw_text(&request).await;
        assert!(statuses.contains(&answer.status()), "{what}: {}", answer.text);
        assert_eq!(answer.answers(), 1, "{what}");
        assert_eq!(server.get("/health/alive").await.status, 200, "{what}");
    }
}

/// Slow loris: headers that dribble, and connections that never say a word, are closed; others are served meanwhile.
#[tokio::test]
async fn ht_05_slow_and_silent_connections_are_closed() {
    let server = Server::with(|config| config.limits.header_read_timeout = Duration::from_millis(300)).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(server.address()).await.unwrap());
    }
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    let dribble = async {
        for byte in b"GET /health/alive HTTP/1.1\r\nHost: x\r\n" {
            if slow.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        read(&mut slow, Duration::from_secs(2)).await
    };
    let started = Instant::now();
    let others = async {
        assert_eq!(server.get("/health/alive").await.status, 200);
        started.elapsed()
    };
    let (slow, waited) = futures_util::join!(dribble, others);
    assert!(slow.closed && !slow.text.contains(" 200 "), "{slow:?}");
    assert!(waited < Duration::from_millis(250), "{waited:?}");
    for stream in &mut silent {
        assert!(read(stream, Duration::from_secs(2)).await.closed);
    }
    assert!(started.elapsed() < Duration::from_secs(4));
}

/// A kept connection without requests ends; the number of connections has a bound, and waiting ones get their turn.
#[tokio::test]
async fn ht_07_idle_connections_end() {
    let server = Server::with(|config| {
        config.limits.idle_timeout = Duration::from_millis(300);
        config.limits.header_read_timeout = Duration::from_millis(300);
        config.limits.connections = 8;
    })
    .await;
    let mut kept = TcpStream::connect(server.address()).await.unwrap();
    kept.write_all(format!("GET /health/alive HTTP/1.1\r\nHost: {}\r\n\r\n", server.address()).as_bytes())
        .await
        .unwrap();
    let answer = read(&mut kept, Duration::from_secs(2)).await;
    assert!(answer.closed && answer.status() == 200, "{answer:?}");
    let mut hoard = Vec::new();
    for _ in 0..30 {
        hoard.push(TcpStream::connect(server.address()).await.unwrap());
    }
    let fresh = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    assert_eq!(fresh.get(server.url("/health/alive")).send().await.unwrap().status(), 200, "its turn comes");
    drop(hoard);
}

/// RFC 9112 section 3.2, RFC 9110 section 7.4: for whom a request is, is said once and must be us.
#[tokio::test]
async fn ht_14_the_host_is_ours_and_named_once() {
    let server = Server::start().await;
    for (request, status) in [
        ("GET /health/alive HTTP/1.1\r\nHost: {host}\r\n\r\n", 200),
        ("GET /userinfo HTTP/1.1\r\nHost: {host}\r\n\r\n", 401),
        ("GET http://{host}/userinfo HTTP/1.1\r\nHost: {host}\r\n\r\n", 401),
        ("GET /userinfo HTTP/1.1\r\n\r\n", 400),
        ("GET /userinfo HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n", 400),
        ("GET /userinfo HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n", 400),
        ("GET /userinfo HTTP/1.1\r\nHost: \r\n\r\n", 400),
        ("GET /userinfo HTTP/1.1\r\nHost: evil@{host}\r\n\r\n", 400),
        ("GET /userinfo HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        ("GET /userinfo HTTP/1.1\r\nHost: {host}.evil.example\r\n\r\n", 421),
        ("GET http://evil.example/userinfo HTTP/1.1\r\nHost: {host}\r\n\r\n", 421),
        ("GET http://{host}/userinfo HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
    ] {
        let answer = server.raw_text(request).await;
        assert!(answer.status() == status || (status == 421 && answer.status() == 400), "{request}: {}", answer.text);
        assert!(!answer.text.contains("evil"), "{request}: {}", answer.text);
    }
    let headers =
        "Host: {host}\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\nX-Original-URL: /admin\r\n";
    for path in ["/.well-known/openid-configuration", "/oauth2/sessions/logout", "/oauth2/auth?client_id=x"] {
        let answer = server.raw_text(&format!("GET {path} HTTP/1.1\r\n{headers}\r\n")).await;
        assert!(answer.status() != 0 && !answer.text.contains("evil"), "{path}: {}", answer.text);
    }
}

/// RFC 9112 section 6.3: a body whose length can be read in two ways is refused, and the connection closed, so that no
/// second request hides in the first.
#[tokio::test]
async fn ht_17_no_request_hides_in_another() {
    let server = Server::start().await;
    let hidden = "GET /health/alive HTTP/1.1\r\nHost: {host}\r\nX-Hidden: 1\r\n\r\n";
    let post = "POST /oauth2/token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    for (what, head) in [
        ("two lengths", "Content-Length: 5\r\nContent-Length: 0\r\n\r\n"),
        ("two lengths in one", "Content-Length: 5, 0\r\n\r\n"),
        ("a signed length", "Content-Length: +5\r\n\r\n"),
        ("a negative length", "Content-Length: -5\r\n\r\n"),
        ("a length in hex", "Content-Length: 0x5\r\n\r\n"),
        ("an odd coding", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("chunked is not last", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("space before the colon", "Content-Length : 5\r\n\r\n"),
        ("a folded line", "Content-Length: 0\r\nX-A: b\r\n c\r\n\r\n"),
        ("a bad chunk size", "Transfer-Encoding: chunked\r\n\r\nzz\r\n0\r\n\r\n"),
        ("a huge chunk size", "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n0\r\n\r\n"),
        ("NUL in a header", "Content-Length: 0\r\nX-A: b\0c\r\n\r\n"),
        ("a bare CR", "Content-Length: 0\r\nX-A: b\rX-B: c\r\n\r\n"),
    ] {
        let answer = server.raw_text(&format!("{post}{head}{hidden}")).await;
        assert_eq!(answer.answers(), 1, "{what}: {}", answer.text);
        assert!(answer.status() == 400 && answer.closed, "{what}: closed {} {}", answer.closed, answer.text);
    }
    // Both lengths: the chunks rule, or nothing does; what follows is never the body's continuation.
    let both = format!("{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}");
    let answer = server.raw_text(&both).await;
    assert!(matches!(answer.status(), 400 | 401), "{}", answer.text);
    let extension = format!("{post}Transfer-Encoding: chunked\r\n\r\n1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(1 << 20));
    let answer = server.raw_text(&extension).await;
    assert!(answer.status() == 400 && answer.closed, "a chunk extension of 1 MiB: {}", answer.text);
}

/// No other protocol comes in by the door of this one.
#[tokio::test]
async fn ht_19_upgrades_are_not_taken() {
    let server = Server::start().await;
    for upgrade in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
    ] {
        let answer = server.raw_text(&format!("GET /health/alive HTTP/1.1\r\nHost: {{host}}\r\n{upgrade}\r\n")).await;
        assert_eq!(answer.status(), 200, "it is answered as if nothing had been asked: {}", answer.text);
        assert!(!answer.text.to_lowercase().contains("upgrade"), "{}", answer.text);
    }
}

/// Expect, pipelining, half-close: in order, by size first, and nothing half done.
#[tokio::test]
async fn ht_20_expectations_pipelines_and_half_closes() {
    let server = Server::start().await;
    let expect = "POST /oauth2/token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                  Content-Length: 10000000\r\nExpect: 100-continue\r\n\r\n";
    let answer = server.raw_text(expect).await;
    assert_eq!(answer.status(), 413, "before the body: {}", answer.text);
    let pipelined = "GET /health/alive HTTP/1.1\r\nHost: {host}\r\n\r\n".repeat(200);
    let answer = server.raw_text(&pipelined).await;
    assert_eq!((answer.answers(), answer.text.matches(" 200 OK").count()), (200, 200));
    // The client has said all and listens.
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let ask = format!("GET /health/alive HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    stream.write_all(ask.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read(&mut stream, Duration::from_secs(2)).await;
    assert!(answer.closed && answer.status() == 200, "{answer:?}");
    // The client goes in the middle of its body.
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let half = "POST /oauth2/token HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\ngrant_type=";
    stream.write_all(half.replace("{host}", &server.address()).as_bytes()).await.unwrap();
    drop(stream);
    assert_eq!(server.get("/health/alive").await.status, 200);
}

/// CWE-348: a PROXY line of a peer that nobody trusts is no request.
#[tokio::test]
async fn ht_34_a_proxy_line_is_refused() {
    let server = Server::start().await;
    for start in [
        "PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n".as_bytes(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x7f\0\0\x01\0\x01\0\x02",
    ] {
        let mut bytes = start.to_vec();
        bytes.extend_from_slice(format!("GET /health/alive HTTP/1.1\r\nHost: {}\r\n\r\n", server.address()).as_bytes());
        let answer = server.raw(&bytes).await;
        assert!(answer.closed && matches!(answer.status(), 0 | 400), "{answer:?}");
    }
}

/// What is sent over the limit is refused by its length, and while it is read.
#[tokio::test]
async fn ht_20_a_body_has_a_bound() {
    let server = Server::start().await;
    let long = "a".repeat(70_000);
    for path in
        ["/oauth2/token", "/oauth2/revoke", "/oauth2/introspect", "/login", "/consent", "/logout", "/oauth2/auth"]
    {
        let answer = server.post(path, &[("a", &long)]).await;
        assert_eq!(answer.status, 413, "{path}: {}", answer.body);
        let raw = format!(
            "POST {path} HTTP/1.1\r\nHost: {{host}}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
            long.len()
        );
        let answer = server.raw_text(&raw).await;
        assert_eq!(answer.status(), 413, "{path}: {}", answer.text);
    }
}

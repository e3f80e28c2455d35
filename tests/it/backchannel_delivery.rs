//! How logout tokens get to clients, whatever those do: security-cases.md LO-19 and F-50.

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::backchannel_logout::signed_in;
use crate::support::{RelyingParty, Server};

/// LO-19, F-50: whatever the client does, the person is signed out at once; the client is told again until it has
/// answered with success, and what it answers leads nowhere.
#[tokio::test]
async fn lo_19_a_client_that_fails_is_told_again() {
    let server = Server::with_relying_parties(|config| {
        config.logout.back_channel.timeout = Duration::from_secs(1);
    })
    .await;
    let rp = RelyingParty::start().await;
    let elsewhere = rp.url("/elsewhere");
    rp.slow_down("/slow", Duration::from_secs(30));
    rp.reply(move |call| match &*call.path {
        "/error" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "/redirect" => (StatusCode::FOUND, [("location", elsewhere.clone())]).into_response(),
        "/permanent" => (StatusCode::PERMANENT_REDIRECT, [("location", elsewhere.clone())]).into_response(),
        "/refuses" => (StatusCode::BAD_REQUEST, "{\"error\":\"invalid_request\"}").into_response(),
        "/huge" => (StatusCode::INTERNAL_SERVER_ERROR, "x".repeat(20_000_000)).into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    });
    let paths = ["slow", "error", "redirect", "permanent", "refuses", "huge", "fine"];
    let mut browser = server.browser();
    for id in paths {
        server.told_client(id, &rp.url(&format!("/{id}")), json!({})).await;
        server.tokens_for(&mut browser, id, "openid", "alice").await;
    }
    server.told_client("down", "http://127.0.0.1:1/out", json!({})).await;
    server.told_client("down2", "http://127.0.0.1:9999/out", json!({})).await;
    server.tokens_for(&mut browser, "down", "openid", "alice").await;
    server.tokens_for(&mut browser, "down2", "openid", "alice").await;

    let began = Instant::now();
    let done = browser.logout().await;
    assert!(done.body.contains("You are signed out") && began.elapsed() < Duration::from_secs(1), "{began:?}");
    server.until_logout_tokens("state=delivered", 1).await;
    let failed = |tokens: &[Value]| tokens.iter().filter(|token| token.get("failure").is_some()).count();
    let pending = loop {
        let pending = server.logout_tokens("state=pending").await;
        if failed(&pending) == 8 {
            break pending;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{pending:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for (client, failure) in [
        ("slow", "the client did not answer in time"),
        ("error", "the client answered with the status 500"),
        ("redirect", "the client answered with the status 302"),
        ("permanent", "the client answered with the status 308"),
        ("refuses", "the client answered with the status 400"),
        ("huge", "the client answered with the status 500"),
        ("down", "the call is not allowed: the port is not one of web servers"),
        ("down2", "no answer could be had"),
    ] {
        let token = pending.iter().find(|token| token["client_id"] == client).unwrap();
        assert_eq!((&token["failure"], &token["attempts"]), (&json!(failure), &json!(1)), "{client}");
    }
    assert!(rp.calls("/elsewhere").is_empty());

    // They have come to their senses. `jti` is the same, so that who has seen it knows; its times are new.
    rp.reply(|_| StatusCode::OK.into_response());
    rp.slow_down("/slow", Duration::ZERO);
    server.pass(7);
    server.until_logout_tokens("state=delivered", paths.len()).await;
    for path in ["/slow", "/error", "/redirect", "/permanent", "/refuses", "/huge"] {
        let calls = rp.calls(path);
        let [first, second] = &*calls else { panic!("{path}: {calls:?}") };
        assert_eq!(first.claim("jti"), second.claim("jti"), "{path}");
        let (first, second) = (first.claims(), second.claims());
        assert!(first["exp"].as_i64().unwrap() < second["iat"].as_i64().unwrap() + 120, "{path}");
        assert_eq!(second["iat"], server.clock.now().seconds());
    }
    assert_eq!(rp.calls("/fine").len(), 1);
}

/// The pauses grow, and the end is an end: `logout.back_channel.retry_for`.
#[tokio::test]
async fn lo_19_a_client_that_never_answers_is_given_up() {
    let server = Server::with_relying_parties(|config| {
        config.logout.back_channel.retry_for = Duration::from_mins(5);
    })
    .await;
    let rp = RelyingParty::start().await;
    rp.reply(|_| StatusCode::SERVICE_UNAVAILABLE.into_response());
    let (mut browser, _) = signed_in(&server, &rp).await;
    let began = server.clock.now();
    browser.logout().await;
    let mut waits = Vec::new();
    for attempt in 1.. {
        rp.until("/out", attempt).await;
        let token = loop {
            let token = server.logout_tokens("client_id=rp").await.remove(0);
            if token["attempts"] == attempt && token.get("failure").is_some() {
                break token;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        if token["state"] == "failed" {
            assert!(token.get("next_attempt_at").is_none());
            break;
        }
        let next = token["next_attempt_at"].as_str().unwrap();
        let next = hydrant::clock::Timestamp::parse_rfc3339(next).unwrap();
        let wait = next.since(server.clock.now()).as_secs();
        waits.push(wait);
        // The list has whole seconds.
        server.pass(wait + 2);
    }
    for (wait, expected) in waits.iter().zip([5_u64, 15, 45, 135]) {
        assert!((expected * 9 / 10 - 1..=expected * 11 / 10).contains(wait), "{waits:?}");
    }
    assert_eq!(waits.len(), 4, "{waits:?}");
    assert!(server.clock.now().since(began) < Duration::from_mins(5));
    // For good: not when time goes on either.
    server.pass(3600);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(rp.calls("/out").len(), 5);
    assert_eq!(server.logout_tokens("state=failed").await.len(), 1);
    let page = server.get_admin("/admin/metrics/prometheus").await.body;
    for line in [
        "hydrant_logout_tokens_total{outcome=\"given_up\"} 1",
        "hydrant_logout_tokens_total{outcome=\"failed\"} 4",
        "hydrant_logout_tokens_total{outcome=\"delivered\"} 0",
        "hydrant_logout_tokens_pending 0",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
}

/// A client that hangs delays nobody else, however much it is to be told: it gets so many attempts at once and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lo_19_a_client_that_hangs_delays_nobody_else() {
    let server = Server::with_relying_parties(|config| {
        config.logout.back_channel.timeout = Duration::from_mins(1);
    })
    .await;
    let (hanging, well) = (RelyingParty::start().await, RelyingParty::start().await);
    hanging.slow_down("/out", Duration::from_mins(2));
    server.told_client("hanging", &hanging.url("/out"), json!({})).await;
    server.told_client("well", &well.url("/out"), json!({})).await;
    for _ in 0..12 {
        server.tokens_for(&mut server.browser(), "hanging", "openid", "alice").await;
    }
    let alice = server.subject("alice").await;
    let ended = server.admin(Method::DELETE, &format!("/oauth2/auth/sessions/login?subject={alice}"), None).await;
    assert_eq!(ended.status, 204);
    hanging.until("/out", 4).await;
    let mut slowest = Duration::ZERO;
    for round in 1..=5 {
        let tokens = server.tokens_for(&mut server.browser(), "well", "openid", "bob").await;
        let began = Instant::now();
        assert_eq!(server.end_session(&tokens).await.status, 204);
        well.until("/out", round).await;
        slowest = slowest.max(began.elapsed());
    }
    println!("beside a client that hangs the slowest of 5 logout tokens came after {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert_eq!(hanging.calls("/out").len(), 4, "logout.back_channel.per_host");
}

/// Hosts that answer, but slowly, are not in the way of one that is quick either, however many they are.
#[tokio::test]
async fn lo_19_many_slow_clients_delay_nobody_who_is_quick() {
    let server = Server::with_relying_parties(|_| {}).await;
    let well = RelyingParty::start().await;
    server.told_client("well", &well.url("/out"), json!({})).await;
    let leave = async |round| {
        let tokens = server.tokens_for(&mut server.browser(), "well", "openid", "bob").await;
        let began = Instant::now();
        assert_eq!(server.end_session(&tokens).await.status, 204);
        well.until("/out", round).await;
        began.elapsed()
    };
    leave(1).await;
    let mut browser = server.browser();
    let mut slow = Vec::new();
    for number in 0..60 {
        let (host, id) = (RelyingParty::start().await, format!("slow{number}"));
        host.slow_down("/out", Duration::from_secs(3));
        server.told_client(&id, &host.url("/out"), json!({})).await;
        server.tokens_for(&mut browser, &id, "openid", "alice").await;
        slow.push(host);
    }
    browser.logout().await;
    let told = || slow.iter().filter(|host| !host.calls("/out").is_empty()).count();
    let mut slowest = Duration::ZERO;
    for round in 2..=5 {
        slowest = slowest.max(leave(round).await);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    println!("beside 60 slow clients, of which {} were told, the slowest of 4 came after {slowest:?}", told());
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!((1..60).contains(&told()), "they were told meanwhile, and not yet all: {}", told());
    for host in &slow {
        host.until("/out", 1).await;
    }
}

/// What is registered when it is sent counts: another URI is called; none ends it; a client that is gone takes it along.
#[tokio::test]
async fn the_uri_of_the_moment_counts() {
    let server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    rp.reply(|call| match &*call.path {
        "/out" => StatusCode::BAD_GATEWAY.into_response(),
        _ => StatusCode::OK.into_response(),
    });
    let (mut browser, _) = signed_in(&server, &rp).await;
    let uri = |uri: &str| json!([{ "op": "replace", "path": "/backchannel_logout_uri", "value": uri }]);
    let patch = async |uri: Value| server.admin(Method::PATCH, "/clients/rp", Some(&uri)).await;
    browser.logout().await;
    rp.until("/out", 1).await;
    assert_eq!(patch(uri(&rp.url("/new"))).await.status, 200);
    server.pass(7);
    rp.until("/new", 1).await;
    server.until_logout_tokens("state=delivered", 1).await;

    assert_eq!(patch(uri(&rp.url("/out"))).await.status, 200);
    server.tokens_for(&mut browser, "rp", "openid", "alice").await;
    browser.logout().await;
    rp.until("/out", 2).await;
    assert_eq!(patch(uri("")).await.status, 200);
    server.pass(7);
    let failed = server.until_logout_tokens("state=failed", 1).await;
    assert_eq!(failed[0]["failure"], "the client has no backchannel_logout_uri any more");

    assert_eq!(patch(uri(&rp.url("/out"))).await.status, 200);
    server.tokens_for(&mut browser, "rp", "openid", "alice").await;
    browser.logout().await;
    rp.until("/out", 3).await;
    server.delete_client("rp").await;
    assert_eq!(server.logout_tokens("").await, Vec::<Value>::new());
    assert_eq!(server.database.count("session_clients").await, 0);
}

/// A scheme is a scheme in whatever case it is written (RFC 3986 section 3.1), on either database.
#[tokio::test]
async fn a_uri_in_capitals_is_called_too() {
    let server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    server.told_client("loud", &rp.url("/loud").replace("http:", "HTTP:"), json!({})).await;
    for how in ["logout", "password"] {
        let mut browser = server.browser();
        server.tokens_for(&mut browser, "loud", "openid", "alice").await;
        let alice = server.subject("alice").await;
        match how {
            "logout" => drop(browser.logout().await),
            _ => assert!(server.app().store.set_password(&alice, "", server.ending()).await.unwrap()),
        }
        server.until_logout_tokens("state=delivered", if how == "logout" { 1 } else { 2 }).await;
    }
    assert_eq!(rp.calls("/loud").len(), 2);
}

/// F-50, LO-19: connections that are reset, and answers that never end: only the status counts, and of what follows it no
/// more is read than a decent answer has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_50_what_follows_the_status_is_not_waited_for() {
    let server = Server::with_relying_parties(|_| {}).await;
    let endless = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let resetting = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = |listener: &tokio::net::TcpListener| format!("http://{}/out", listener.local_addr().unwrap());
    server.told_client("endless", &address(&endless), json!({})).await;
    server.told_client("resetting", &address(&resetting), json!({})).await;
    let sent = tokio::spawn(async move {
        let (mut stream, _) = endless.accept().await.unwrap();
        let mut request = [0; 16 * 1024];
        let _ = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        let mut sent = 0_usize;
        while stream.write_all(b"400\r\n").await.is_ok() && stream.write_all(&[b'x'; 1024]).await.is_ok() {
            let _ = stream.write_all(b"\r\n").await;
            sent += 1024;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sent
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = resetting.accept().await {
            stream.set_zero_linger().unwrap();
            drop(stream);
        }
    });
    let mut browser = server.browser();
    server.tokens_for(&mut browser, "endless", "openid", "alice").await;
    server.tokens_for(&mut browser, "resetting", "openid", "alice").await;
    browser.logout().await;
    server.until_logout_tokens("client_id=endless&state=delivered", 1).await;
    let sent = tokio::time::timeout(Duration::from_secs(5), sent).await.unwrap().unwrap();
    assert!(sent < 1_000_000, "{sent} bytes of a body that does not count were taken");
    let began = Instant::now();
    loop {
        let pending = server.logout_tokens("client_id=resetting&state=pending").await;
        if pending[0].get("failure").is_some() {
            assert_eq!(pending[0]["failure"], "no answer could be had");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{pending:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

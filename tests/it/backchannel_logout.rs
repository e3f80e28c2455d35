//! What clients are told when a session has ended: OpenID Connect Back-Channel Logout 1.0, security-cases.md LO-19, LO-20.

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Browser, RelyingParty, Server, Tokens, race, unverified, verify_with};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Alice in a browser that is signed in to `rp`, which wants to be told at `/out`.
async fn signed_in<'a>(server: &'a Server, rp: &RelyingParty) -> (Browser<'a>, Tokens) {
    server.told_client("rp", &rp.url("/out"), json!({})).await;
    let mut browser = server.browser();
    let tokens = server.tokens_for(&mut browser, "rp", "openid", "alice").await;
    (browser, tokens)
}

/// Sections 2.4 and 2.5: a form with the logout token and nothing else, signed by a published key, with these claims.
#[tokio::test]
async fn the_client_of_a_session_gets_a_logout_token() {
    let server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    let (mut browser, tokens) = signed_in(&server, &rp).await;
    let id_token = tokens.claims();
    browser.logout().await;
    let calls = rp.until("/out", 1).await;
    let [call] = &*calls else { panic!("{calls:?}") };
    assert_eq!(call.method, Method::POST);
    assert_eq!(call.headers["content-type"], "application/x-www-form-urlencoded");
    let token = call.token();
    let header = unverified(&token, 0);
    assert_eq!(header["typ"], "logout+jwt");
    let (_, claims) = verify_with(&server.jwks().await, &token, &server.issuer, "rp");
    assert_eq!((&claims["sub"], &claims["sid"]), (&id_token["sub"], &id_token["sid"]));
    assert_eq!(claims["iss"], server.issuer);
    assert_eq!(claims["aud"], json!(["rp"]));
    let now = server.clock.now().seconds();
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(now), &json!(now + 120)));
    assert_eq!(claims["events"], json!({ EVENT: {} }));
    assert!(claims["jti"].as_str().is_some_and(|jti| !jti.is_empty()) && !claims.contains_key("nonce"));
    assert_eq!(claims.len(), 8, "{claims:?}");
    let told = server.until_logout_tokens("state=delivered", 1).await;
    assert_eq!(told[0]["id"], claims["jti"]);
    assert_eq!((&told[0]["client_id"], &told[0]["sid"]), (&json!("rp"), &claims["sid"]));
    assert_eq!(told[0]["attempts"], 1);
    assert!(told[0].get("failure").is_none() && told[0].get("next_attempt_at").is_none(), "{}", told[0]);
}

/// A logout token is no ID token (LO-11): it proves nothing at the logout endpoint, nor as a hint.
#[tokio::test]
async fn lo_11_a_logout_token_is_no_hint() {
    let server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    let (mut browser, _) = signed_in(&server, &rp).await;
    browser.logout().await;
    let token = rp.until("/out", 1).await[0].token();
    let url = server.url(&format!("/oauth2/sessions/logout?id_token_hint={token}"));
    server.browser().get(&url).await.assert_page(400, "invalid_request");
}

/// LO-20: of five clients the two that the person has used are told, each once, also when everybody signs out at once.
#[tokio::test]
async fn lo_20_only_the_clients_of_the_session_are_told_and_each_once() {
    let server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    for id in ["one", "two2", "three", "four", "five"] {
        server.told_client(id, &rp.url(&format!("/{id}")), json!({})).await;
    }
    for round in 1..=4 {
        let mut browser = server.browser();
        let one = server.tokens_for(&mut browser, "one", "openid", "alice").await;
        let three = server.tokens_for(&mut browser, "three", "openid", "alice").await;
        // Once more: a client is told once, however often it was visited.
        server.tokens_for(&mut browser, "three", "openid", "alice").await;
        // Somebody else's session, and another of hers.
        server.tokens_for(&mut server.browser(), "two2", "openid", "bob").await;
        server.tokens_for(&mut server.browser(), "four", "openid", "alice").await;
        let hints = [one.id_token.unwrap(), three.id_token.unwrap()];
        let answers = race(32, |racer| {
            let url = server.url(&format!("/oauth2/sessions/logout?id_token_hint={}", hints[racer % 2]));
            browser.visit(&url)
        })
        .await;
        assert!(answers.iter().all(|answer| answer.status < 400), "{answers:?}");
        rp.until("/one", round).await;
        rp.until("/three", round).await;
        server.until_logout_tokens("state=delivered", 2 * round).await;
    }
    assert_eq!(server.logout_tokens("").await.len(), 8, "each client once a session");
    for (path, calls) in [("/one", 4), ("/three", 4), ("/two2", 0), ("/four", 0), ("/five", 0)] {
        assert_eq!(rp.calls(path).len(), calls, "{path}");
    }
    let sids: std::collections::BTreeSet<_> = rp.calls("/one").iter().map(|call| call.claim("sid")).collect();
    assert_eq!(sids.len(), 4, "a sid is never used again");
}

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

/// Who has registered nothing is told nothing, and costs nothing.
#[tokio::test]
async fn a_client_without_a_logout_uri_leaves_no_trace() {
    let server = Server::with_relying_parties(|_| {}).await;
    let mut browser = server.signed_in("alice").await;
    assert_eq!(server.database.count("session_clients").await, 0);
    browser.logout().await;
    assert_eq!(server.database.count("logout_tokens").await, 0);
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

/// The client learns of it though everything that it was given has long been swept; and of a logout URI that it has
/// registered since.
#[tokio::test]
async fn a_client_is_told_for_as_long_as_the_session_lives() {
    let server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    let (mut browser, _) = signed_in(&server, &rp).await;
    server.told_client("late", &rp.url("/late"), json!({ "backchannel_logout_uri": "" })).await;
    server.pass(5 * 3600);
    server.app().store.sweep(server.clock.now()).await.unwrap();
    assert_eq!(server.database.count("grants").await, 0, "the test needs them gone");
    server.tokens_for(&mut browser, "late", "openid", "alice").await;
    let uri = json!([{ "op": "add", "path": "/backchannel_logout_uri", "value": rp.url("/late") }]);
    assert_eq!(server.admin(Method::PATCH, "/clients/late", Some(&uri)).await.status, 200);
    browser.logout().await;
    rp.until("/out", 1).await;
    rp.until("/late", 1).await;
}

/// The outbox empties itself, and a session that expires leaves nothing behind and tells nobody.
#[tokio::test]
async fn what_is_over_is_swept() {
    let server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    let (mut browser, _) = signed_in(&server, &rp).await;
    browser.logout().await;
    server.until_logout_tokens("state=delivered", 1).await;
    server.tokens_for(&mut browser, "rp", "openid", "alice").await;
    assert_eq!(server.database.count("session_clients").await, 1);
    server.pass(7 * 24 * 3600 - 60);
    server.app().store.sweep(server.clock.now()).await.unwrap();
    assert_eq!(server.database.count("sessions").await, 0);
    assert_eq!(server.database.count("session_clients").await, 0);
    assert_eq!(server.database.count("logout_tokens").await, 1, "a week is for looking what became of it");
    server.pass(120);
    server.app().store.sweep(server.clock.now()).await.unwrap();
    assert_eq!(server.database.count("logout_tokens").await, 0);
    assert_eq!(rp.calls("/out").len(), 1);
}

/// The list has its filters and pages, and refuses what it does not know.
#[tokio::test]
async fn an_administrator_sees_what_became_of_it() {
    let server = Server::with_relying_parties(|_| {}).await;
    let rp = RelyingParty::start().await;
    rp.reply(|call| match &*call.path {
        "/bad" => StatusCode::NOT_FOUND.into_response(),
        _ => StatusCode::OK.into_response(),
    });
    server.told_client("good", &rp.url("/good"), json!({})).await;
    server.told_client("bad", &rp.url("/bad"), json!({})).await;
    for username in ["alice", "bob"] {
        let mut browser = server.browser();
        for client in ["good", "bad"] {
            server.tokens_for(&mut browser, client, "openid", username).await;
        }
        browser.logout().await;
    }
    server.until_logout_tokens("state=delivered", 2).await;
    let bob = server.subject("bob").await;
    for (query, expected) in [
        ("client_id=good", 2),
        ("client_id=bad&state=pending", 2),
        ("client_id=bad&state=delivered", 0),
        ("client_id=nobody", 0),
        ("state=failed", 0),
        (&*format!("subject={bob}"), 2),
        (&*format!("subject={bob}&client_id=bad"), 1),
    ] {
        assert_eq!(server.logout_tokens(query).await.len(), expected, "{query}");
    }
    let first = server.admin(Method::GET, "/logout-tokens?page_size=3", None).await;
    let next = first.header("link").unwrap().split(", ").find(|link| link.contains("rel=\"next\"")).unwrap();
    let next = next.trim_start_matches('<').split('>').next().unwrap().to_owned();
    let rest = server.get_admin(&next).await.json();
    assert_eq!((first.json().as_array().unwrap().len(), rest.as_array().unwrap().len()), (3, 1));
    for query in ["state=lost", "state=pending&state=failed", "page_size=0", "page_token=x"] {
        server.admin(Method::GET, &format!("/logout-tokens?{query}"), None).await.assert_error(400, "invalid_request");
    }
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

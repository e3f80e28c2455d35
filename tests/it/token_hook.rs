//! Token hooks through HTTP: when they are asked, how, and what a call costs others (hydra.md section 6.9,
//! security-cases.md RE-13, RE-14).

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::IntoResponse as _;
use hydrant::config::{self, ApiKey, ApiKeyPlace};
use hydrant::secret::Secret;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::jwt_bearer;
use crate::support::{Authorize, Hook, SECRET, Server, VERIFIER, free_port, race, unverified};

const CALLBACK: &str = "https://rp.example/cb";
const OFFLINE: &str = "openid offline";

async fn server(hook: &Hook) -> Server {
    Server::with(|config| config.oauth2.token_hook = Some(hook.config())).await
}

/// Every grant of the token endpoint asks, and nothing else does.
#[tokio::test]
async fn every_grant_asks_the_token_hook_and_only_a_refresh_the_other() {
    let (hook, refresh_hook) = (Hook::start().await, Hook::start().await);
    let server = Server::with(|config| {
        config.oauth2.token_hook = Some(hook.config());
        config.oauth2.refresh_token_hook = Some(refresh_hook.config());
    })
    .await;
    let calls = || (hook.calls(), refresh_hook.calls());
    let code = server.code_for(&Authorize::web().set("scope", OFFLINE)).await;
    assert_eq!(calls(), (0, 0), "the authorization endpoint gives no tokens here");
    let tokens = server.token(&code).await.tokens();
    assert_eq!(calls(), (1, 0));
    let next = server.refresh("web", tokens.refresh()).await.tokens();
    assert_eq!(calls(), (2, 1));
    let own = server.client_tokens("svc", &[]).await;
    assert_eq!(calls(), (3, 1));
    let signer = jwt_bearer::setting(&server).await;
    let assertion = signer.sign(&jwt_bearer::claims(&server));
    let asserted = jwt_bearer::exchange(&server, "exchanger", &assertion, &[]).await.tokens();
    assert_eq!(calls(), (4, 1));
    for token in [&next.access_token, &own.access_token, &asserted.access_token] {
        server.introspect(token).await;
        server.revoke("web", token).await;
    }
    server.userinfo(&next.access_token).await;
    assert_eq!(calls(), (4, 1));
}

/// A hook hears of an assertion before it is spent, is not asked about one that is, and what it says is in the token.
#[tokio::test]
async fn an_assertion_is_spent_after_the_hook_was_asked() {
    let hook = Hook::start().await;
    let server = server(&hook).await;
    let signer = jwt_bearer::setting(&server).await;
    jwt_bearer::exchanger(&server, "jwt", json!({ "access_token_strategy": "jwt" })).await;
    let assertion = signer.sign(&jwt_bearer::claims(&server));
    hook.say(403, "");
    jwt_bearer::exchange(&server, "exchanger", &assertion, &[]).await.assert_error(403, "access_denied");
    hook.say(200, json!({ "session": { "access_token": { "tenant": "x" } } }));
    let given = jwt_bearer::exchange(&server, "exchanger", &assertion, &[]).await.tokens();
    let told = server.introspect(&given.access_token).await;
    assert_eq!((&told.rest["sub"], &told.rest["ext"]), (&json!("alice"), &json!({ "tenant": "x" })));
    assert_eq!(hook.calls(), 2);
    jwt_bearer::exchange(&server, "exchanger", &assertion, &[]).await.assert_error(400, "invalid_grant");
    assert_eq!(hook.calls(), 2);
    let given = jwt_bearer::exchange(&server, "jwt", &signer.sign(&jwt_bearer::claims(&server)), &[]).await.tokens();
    assert_eq!(unverified(&given.access_token, 1)["ext"], json!({ "tenant": "x" }));
    let told = server.introspect(&given.access_token).await;
    assert_eq!((&told.rest["sub"], &told.rest["ext"]), (&json!("alice"), &json!({ "tenant": "x" })));
}

/// Who could not get tokens anyway is refused as ever, and the hook never hears of it.
#[tokio::test]
async fn nobody_is_asked_about_what_is_refused_anyway() {
    let hook = Hook::start().await;
    let server = server(&hook).await;
    let fresh = || async { server.code_for(&Authorize::web().set("scope", OFFLINE)).await };
    let (code, other, late) = (fresh().await, fresh().await, fresh().await);
    server.redeem("two", &code, CALLBACK, Some(VERIFIER)).await.assert_error(400, "invalid_grant");
    server.redeem("web", &code, "https://rp.example/other", Some(VERIFIER)).await.assert_error(400, "invalid_grant");
    server.redeem("web", &code, CALLBACK, None).await.assert_error(400, "invalid_grant");
    server.redeem("web", &code, CALLBACK, Some("short")).await.assert_error(400, "invalid_grant");
    server.token("hyc_nothing").await.assert_error(400, "invalid_grant");
    let unauthenticated = [("grant_type", "authorization_code"), ("code", &code), ("client_id", "web")];
    server.post("/oauth2/token", &unauthenticated).await.assert_error(401, "invalid_client");
    server
        .post_as("svc", "/oauth2/token", &[("grant_type", "client_credentials"), ("scope", "admin")])
        .await
        .assert_error(400, "invalid_scope");
    // CP-17: the third wrong verifier kills a code, with or without a hook.
    for _ in 0..3 {
        server
            .redeem("web", &other, CALLBACK, Some(&VERIFIER.replace('a', "b")))
            .await
            .assert_error(400, "invalid_grant");
    }
    server.token(&other).await.assert_error(400, "invalid_grant");
    server.pass(601);
    server.token(&late).await.assert_error(400, "invalid_grant");
    assert_eq!(hook.calls(), 0);

    let (code, replayed) = (fresh().await, fresh().await);
    let tokens = server.token(&code).await.tokens();
    let first = server.token(&replayed).await.tokens();
    assert_eq!(hook.calls(), 2);
    server.token(&replayed).await.assert_error(400, "invalid_grant");
    assert!(!server.introspect(&first.access_token).await.active, "a replay revokes what the code gave");
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    server.refresh("two", tokens.refresh()).await.assert_error(400, "invalid_grant");
    let wide =
        [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("scope", "openid offline email")];
    server.post_as("web", "/oauth2/token", &wide).await.assert_error(400, "invalid_scope");
    let path = format!("/users/{}", server.subject("alice").await);
    let mut alice = server.admin(Method::GET, &path, None).await.json();
    alice["disabled"] = json!(true);
    assert_eq!(server.admin(Method::PUT, &path, Some(&alice)).await.status, 200);
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    assert_eq!(hook.calls(), 2);
}

/// RT: reuse is judged as without a hook, and does not ask one.
#[tokio::test]
async fn a_repeat_within_the_grace_gets_what_the_first_got_and_reuse_kills() {
    let hook = Hook::start().await;
    let server = server(&hook).await;
    let first = server.tokens_with(OFFLINE).await;
    hook.say(200, json!({ "session": { "access_token": { "n": 1 } } }));
    let next = server.refresh("web", first.refresh()).await.tokens();
    assert_eq!(hook.calls(), 2);
    hook.say(200, json!({ "session": { "access_token": { "n": 2 } } }));
    let again = server.refresh("web", first.refresh()).await.tokens();
    assert_eq!((again.refresh(), hook.calls()), (next.refresh(), 2));
    assert_eq!(server.introspect(&again.access_token).await.rest["ext"], json!({ "n": 1 }));
    hook.say(403, "");
    server.refresh("web", first.refresh()).await.tokens();
    server.pass(11);
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    assert!(!server.introspect(&next.access_token).await.active);
    assert_eq!(hook.calls(), 2);
}

/// A call for each request, over a connection that is there already.
#[tokio::test]
async fn connections_are_used_again() {
    let hook = Hook::start().await;
    let server = server(&hook).await;
    for status in [204, 200, 403, 500].repeat(5) {
        hook.say(status, if status == 204 { "" } else { "{}" });
        server.post_as("svc", "/oauth2/token", &[("grant_type", "client_credentials")]).await;
    }
    assert_eq!((hook.calls(), hook.connections()), (20, 1));
}

/// A key in a header or in a cookie; the request's id; JSON; and nothing of the client's own headers.
#[tokio::test]
async fn the_hook_can_tell_that_it_is_us() {
    for (place, header, expected) in
        [(ApiKeyPlace::Header, "x-key", "k3y"), (ApiKeyPlace::Cookie, "cookie", "x-key=k3y")]
    {
        let hook = Hook::start().await;
        let api_key = Some(ApiKey { place, name: "x-key".to_owned(), value: Secret::new("k3y") });
        let server = Server::with(|config| {
            config.oauth2.token_hook = Some(Box::new(config::Hook { api_key, ..*hook.config() }));
        })
        .await;
        let request = server.http.post(server.url("/oauth2/token")).basic_auth("svc", Some(SECRET));
        let request = request.header("x-request-id", "one-of-many").header("cookie", "a=b");
        assert_eq!(request.form(&[("grant_type", "client_credentials")]).send().await.unwrap().status(), 200);
        let headers = hook.last().headers;
        assert_eq!(headers[header], expected);
        assert_eq!(headers["x-request-id"], "one-of-many");
        assert_eq!(
            (&headers["content-type"], &headers["accept"]),
            (&"application/json; charset=UTF-8".parse().unwrap(), &"application/json".parse().unwrap())
        );
        assert!(!headers.contains_key("authorization") && headers.get_all("cookie").iter().count() <= 1);
    }
}

/// A hook that is just being started anew is waited for a moment: what has not reached it is sent again.
#[tokio::test]
async fn a_connection_that_could_not_be_made_is_tried_again() {
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/hook").parse().unwrap();
    let server = Server::with(|config| {
        config.oauth2.token_hook = Some(Box::new(config::Hook { url, timeout: Duration::from_secs(5), api_key: None }));
    })
    .await;
    let late = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Hook::on(TcpListener::bind(("127.0.0.1", port)).await.unwrap())
    });
    server.client_tokens("svc", &[]).await;
    assert_eq!(late.await.unwrap().calls(), 1);
}

/// What has reached it may have been acted on, and is never sent again.
#[tokio::test]
async fn a_request_that_was_sent_is_not_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
    let server = Server::with(|config| {
        config.oauth2.token_hook = Some(Box::new(config::Hook { url, timeout: Duration::from_secs(5), api_key: None }));
    })
    .await;
    let came = tokio::spawn(async move {
        let mut came = 0;
        while let Ok(Ok((mut stream, _))) = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await {
            came += 1;
            let mut request = [0; 64];
            stream.read_exact(&mut request).await.unwrap();
            stream.shutdown().await.unwrap();
        }
        came
    });
    let answer = server.post_as("svc", "/oauth2/token", &[("grant_type", "client_credentials")]).await;
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(came.await.unwrap(), 1);
}

/// CO-01: of many who present a code at once each may ask the hook, and one gets tokens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn co_01_of_many_who_redeem_a_code_one_gets_tokens() {
    let hook = Hook::start().await;
    let server = Arc::new(server(&hook).await);
    let code = server.code_for(&Authorize::web().set("scope", OFFLINE)).await;
    hook.slow_down(Duration::from_millis(50));
    let answers = race(32, |_| {
        let (server, code) = (Arc::clone(&server), code.clone());
        async move { server.token(&code).await }
    })
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 31));
    for answer in lost {
        answer.assert_error(400, "invalid_grant");
    }
    assert!((1..=32).contains(&hook.calls()), "{}", hook.calls());
}

/// CO-02: one successor, and the claims of the one who made it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn co_02_many_refreshes_at_once_get_one_successor_with_one_hooks_claims() {
    let hook = Hook::start().await;
    let server = Arc::new(server(&hook).await);
    let first = server.tokens_with(OFFLINE).await;
    let count = std::sync::atomic::AtomicU32::new(0);
    hook.answer(move |_| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        axum::Json(json!({ "session": { "access_token": { "n": n } } })).into_response()
    });
    hook.slow_down(Duration::from_millis(50));
    let answers = race(32, |_| {
        let (server, token) = (Arc::clone(&server), first.refresh().to_owned());
        async move { server.refresh("web", &token).await }
    })
    .await;
    let next = answers[0].tokens();
    let ext = server.introspect(&next.access_token).await.rest["ext"].clone();
    assert!(ext["n"].is_u64(), "{ext}");
    for answer in &answers {
        let tokens = answer.tokens();
        assert_eq!(tokens.refresh(), next.refresh());
        assert_eq!(server.introspect(&tokens.access_token).await.rest["ext"], ext);
    }
}

/// RE-13: a hook that hangs holds nothing that others need, be it a connection to the database or a lane.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn re_13_while_a_hook_hangs_the_database_is_free() {
    let hook = Hook::start().await;
    let server = Arc::new(server(&hook).await);
    assert!(server.config().database.max_connections <= 4);
    let mut browser = server.signed_in("alice").await;
    let token = server.tokens_with(OFFLINE).await.access_token;
    let mut codes = Vec::new();
    for _ in 0..8 {
        codes.push(browser.code(&Authorize::web().set("scope", OFFLINE), "alice").await);
    }
    hook.slow_down(Duration::from_secs(3));
    let began = Instant::now();
    let hanging: Vec<_> = codes
        .into_iter()
        .map(|code| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.token(&code).await })
        })
        .collect();
    hook.until(9).await;
    let waited = Instant::now();
    assert!(server.introspect(&token).await.active);
    assert_eq!(server.userinfo(&token).await.status, 200);
    browser.code(&Authorize::web(), "alice").await;
    server.signed_in("bob").await;
    assert!(waited.elapsed() < Duration::from_secs(1), "{:?}", waited.elapsed());
    assert!(began.elapsed() < Duration::from_secs(3), "the hook does not hang any more");
    for answer in hanging {
        answer.await.unwrap().tokens();
    }
}

/// Whoever does not wait for the answer has spent nothing.
#[tokio::test]
async fn a_client_that_goes_away_while_the_hook_is_asked_keeps_its_code() {
    let hook = Hook::start().await;
    let server = server(&hook).await;
    let code = server.code_for(&Authorize::web()).await;
    hook.slow_down(Duration::from_millis(500));
    assert!(tokio::time::timeout(Duration::from_millis(200), server.token(&code)).await.is_err());
    assert_eq!(hook.calls(), 1);
    tokio::time::sleep(Duration::from_millis(600)).await;
    hook.slow_down(Duration::ZERO);
    server.token(&code).await.tokens();
}

/// TI-08: what the hook takes is not taken from the token, and a code that ends meanwhile has ended.
#[tokio::test]
async fn ti_08_tokens_live_from_when_they_are_issued() {
    let hook = Hook::start().await;
    let server = server(&hook).await;
    let clock = server.clock.clone();
    hook.answer(move |_| {
        clock.pass(Duration::from_secs(4));
        axum::http::StatusCode::NO_CONTENT.into_response()
    });
    let code = server.code_for(&Authorize::web().set("scope", OFFLINE)).await;
    let first = server.token(&code).await.tokens();
    let next = server.refresh("web", first.refresh()).await.tokens();
    assert_eq!(next.claims()["iat"], server.clock.now().seconds());
    server.pass(next.expires_in - 1);
    assert!(server.introspect(&next.access_token).await.active);
    server.pass(1);
    assert!(!server.introspect(&next.access_token).await.active);
    let code = server.code_for(&Authorize::web()).await;
    server.pass(598);
    server.token(&code).await.assert_error(400, "invalid_grant");
}

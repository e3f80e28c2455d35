//! Token hooks that refuse, fail, hang or talk nonsense: no token is issued, and nothing is spent (security-cases.md
//! RE-14, F-51).

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hydrant::config;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Answer, Authorize, Hook, Server, Site, unverified};

const OFFLINE: &str = "openid offline";

/// More patience than a quick answer needs, less than a test has.
const PATIENCE: Duration = Duration::from_millis(700);

async fn server(hook: &Hook) -> Server {
    Server::with(|config| config.oauth2.token_hook = Some(hook.within(PATIENCE))).await
}

/// A body that goes on for ever.
fn endless() -> Body {
    Body::from_stream(futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1024]))))
}

/// A body that begins and never ends.
fn stuck() -> Body {
    use futures_util::StreamExt as _;
    let begin = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    Body::from_stream(begin.chain(futures_util::stream::pending()))
}

/// A body that breaks off.
fn broken() -> Body {
    let pieces = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))];
    Body::from_stream(futures_util::stream::iter(pieces))
}

#[expect(clippy::needless_pass_by_value, reason = "a body is handed over")]
fn text(body: impl ToString) -> Body {
    Body::from(body.to_string())
}

const DENIED: (u16, &str) = (403, "access_denied");
const WRONG: (u16, &str) = (500, "server_error");
const AWAY: (u16, &str) = (503, "temporarily_unavailable");

type Fails = Box<dyn Fn() -> Response + Send + Sync>;

/// Each way to fail, and what the client is told.
fn failures() -> Vec<(&'static str, (u16, &'static str), Fails)> {
    let fails = |status: u16, body: fn() -> Body| -> Fails {
        Box::new(move || (StatusCode::from_u16(status).unwrap(), body()).into_response())
    };
    vec![
        ("refused", DENIED, fails(403, || text("{\"error\":\"no\"}"))),
        ("refused at length", DENIED, fails(403, endless)),
        ("refused and stuck", DENIED, fails(403, stuck)),
        ("400", WRONG, fails(400, Body::empty)),
        ("401", WRONG, fails(401, Body::empty)),
        ("404", WRONG, fails(404, || text("not here"))),
        ("201", WRONG, fails(201, || text("{\"session\":{}}"))),
        ("500", WRONG, fails(500, || text("{\"session\":{}}"))),
        ("500 at length", WRONG, fails(500, endless)),
        ("429", AWAY, fails(429, Body::empty)),
        ("502", AWAY, fails(502, || text("<html>"))),
        ("503", AWAY, fails(503, Body::empty)),
        ("504", AWAY, fails(504, Body::empty)),
        ("not JSON", WRONG, fails(200, || text("OK"))),
        ("a list", WRONG, fails(200, || text("[]"))),
        ("null", WRONG, fails(200, || text("null"))),
        ("half", WRONG, fails(200, || text("{\"session\":{\"access_token\":{"))),
        ("a list of claims", WRONG, fails(200, || text("{\"session\":{\"access_token\":[]}}"))),
        ("a text of claims", WRONG, fails(200, || text("{\"session\":{\"id_token\":\"x\"}}"))),
        (
            "too deep",
            WRONG,
            fails(200, || {
                text(format!("{{\"session\":{{\"id_token\":{{\"a\":{}{}}}}}}}", "[".repeat(10_000), "]".repeat(10_000)))
            }),
        ),
        (
            "too many claims",
            WRONG,
            fails(200, || text(json!({ "session": { "access_token": { "a": "x".repeat(16 * 1024) } } }))),
        ),
        (
            "too large an ID token",
            WRONG,
            fails(200, || text(json!({ "session": { "id_token": { "a": "x".repeat(13 * 1024) } } }))),
        ),
        ("too large", WRONG, fails(200, || text(" ".repeat(300 * 1024)))),
        ("endless", WRONG, fails(200, endless)),
        ("stuck", AWAY, fails(200, stuck)),
        ("broken off", AWAY, fails(200, broken)),
        ("silent", AWAY, fails(200, Body::empty)),
    ]
}

/// Asserts the error, and that nothing of the hook's is in it.
#[track_caller]
fn assert_refused(answer: &Answer, name: &str, (status, code): (u16, &str)) {
    assert_eq!(answer.status, status, "{name}: {}", answer.body);
    answer.assert_error(status, code);
    assert_eq!(answer.header("retry-after").is_some(), status == 503, "{name}");
    assert!(!answer.body.contains("token\":") && !answer.body.contains("127.0.0.1"), "{name}: {}", answer.body);
}

/// One code and one refresh token survive every failure, and are good afterwards.
#[tokio::test]
async fn f_51_re_14_a_hook_that_fails_costs_neither_the_code_nor_the_refresh_token() {
    let hook = Hook::start().await;
    let server = server(&hook).await;
    let mut browser = server.signed_in("alice").await;
    let request = Authorize::web().set("scope", OFFLINE);
    let first = server.token(&browser.code(&request, "alice").await).await.tokens();
    let code = browser.code(&request, "alice").await;
    for (name, expected, answer) in failures() {
        hook.slow_down(if name == "silent" { 10 * PATIENCE } else { Duration::ZERO });
        hook.answer(move |_| answer());
        for is_refresh in [false, true] {
            let (calls, began) = (hook.calls(), Instant::now());
            let answer =
                if is_refresh { server.refresh("web", first.refresh()).await } else { server.token(&code).await };
            assert_refused(&answer, name, expected);
            assert_eq!(hook.calls(), calls + 1, "{name}");
            assert!(began.elapsed() < PATIENCE + Duration::from_millis(500), "{name}: {:?}", began.elapsed());
        }
        assert!(server.introspect(&first.access_token).await.active, "{name}");
        let own = server.post_as("svc", "/oauth2/token", &[("grant_type", "client_credentials")]).await;
        if name != "too large an ID token" {
            assert_refused(&own, name, expected);
        }
    }
    hook.slow_down(Duration::ZERO);
    hook.say(204, "");
    let tokens = server.token(&code).await.tokens();
    assert!(!server.introspect(&tokens.access_token).await.rest.contains_key("ext"));
    server.refresh("web", first.refresh()).await.tokens();
}

/// Where it says to go instead, nobody goes.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (hook, site) = (Hook::start().await, Site::start().await);
    site.put("/", json!({ "session": {} }));
    let server = server(&hook).await;
    for status in [301, 302, 303, 307, 308] {
        let location = site.url("/");
        hook.answer(move |_| (StatusCode::from_u16(status).unwrap(), [("location", location.clone())]).into_response());
        let answer = server.post_as("svc", "/oauth2/token", &[("grant_type", "client_credentials")]).await;
        assert_refused(&answer, "redirect", WRONG);
    }
    assert_eq!(site.visits(), 0);
}

/// One that is not there, and one that takes connections and nothing else.
#[tokio::test]
async fn a_hook_that_is_away_is_no_reason_to_issue_a_token() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deaf = listener.local_addr().unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for address in [deaf, gone] {
        let url = format!("http://{address}/").parse().unwrap();
        let server = Server::with(|config| {
            config.oauth2.refresh_token_hook = Some(Box::new(config::Hook { url, timeout: PATIENCE, api_key: None }));
        })
        .await;
        let first = server.tokens_with(OFFLINE).await;
        let began = Instant::now();
        assert_refused(&server.refresh("web", first.refresh()).await, "away", AWAY);
        assert!(began.elapsed() < 2 * PATIENCE, "{:?}", began.elapsed());
        assert!(server.introspect(first.refresh()).await.active);
        server.client_tokens("svc", &[]).await;
    }
}

/// A sealed token has a longest length, beyond which nobody could use it.
#[tokio::test]
async fn claims_that_a_clients_own_token_has_no_room_for_are_refused() {
    let hook = Hook::start().await;
    let server = server(&hook).await;
    let ask = || server.post_as("svc", "/oauth2/token", &[("grant_type", "client_credentials")]);
    hook.say(200, json!({ "session": { "access_token": { "a": "x".repeat(8 * 1024) } } }));
    assert_refused(&ask().await, "too long", WRONG);
    hook.say(200, json!({ "session": { "access_token": { "a": "x".repeat(5 * 1024) } } }));
    let tokens = ask().await.tokens();
    assert_eq!(server.introspect(&tokens.access_token).await.rest["ext"]["a"].as_str().unwrap().len(), 5 * 1024);
}

/// What fits an ID token is given, however close.
#[tokio::test]
async fn large_claims_that_fit_are_given_and_kept() {
    let hook = Hook::start().await;
    let server = server(&hook).await;
    hook.say(200, json!({ "session": { "id_token": { "a": "x".repeat(10 * 1024) } } }));
    let first = server.tokens_with(OFFLINE).await;
    hook.say(204, "");
    let next = server.refresh("web", first.refresh()).await.tokens();
    assert_eq!(unverified(next.id_token.as_deref().unwrap(), 1)["a"].as_str().unwrap().len(), 10 * 1024);
}

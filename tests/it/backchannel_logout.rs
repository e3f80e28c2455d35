//! What clients are told when a session has ended: OpenID Connect Back-Channel Logout 1.0, security-cases.md LO-19, LO-20.

use axum::http::{Method, StatusCode};
use axum::response::IntoResponse as _;
use serde_json::json;

use crate::support::{Browser, RelyingParty, Server, Tokens, race, unverified, verify_with};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Alice in a browser that is signed in to `rp`, which wants to be told at `/out`.
pub async fn signed_in<'a>(server: &'a Server, rp: &RelyingParty) -> (Browser<'a>, Tokens) {
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

/// Who has registered nothing is told nothing, and costs nothing.
#[tokio::test]
async fn a_client_without_a_logout_uri_leaves_no_trace() {
    let server = Server::with_relying_parties(|_| {}).await;
    let mut browser = server.signed_in("alice").await;
    assert_eq!(server.database.count("session_clients").await, 0);
    browser.logout().await;
    assert_eq!(server.database.count("logout_tokens").await, 0);
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

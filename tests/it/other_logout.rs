//! Signing out by another app, and by the administrator: hydra.md sections 2.9 and 3.6, security-cases.md LO.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::apps::Asked;
use crate::support::{Authorize, Browser, Server, Tokens};

fn alice() -> Value {
    json!({ "subject": "alice@crm", "remember": true, "identity_provider_session_id": "idp-7" })
}

async fn signed_in(server: &Server) -> (Browser<'_>, Tokens) {
    let mut browser = server.browser();
    let answer = browser.app_journey(server, &Authorize::web(), alice(), json!({})).await;
    let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
    (browser, tokens)
}

fn rp_initiated(server: &Server, tokens: &Tokens) -> String {
    let hint = tokens.id_token.as_deref().unwrap();
    server.url(&format!(
        "/oauth2/sessions/logout?id_token_hint={hint}&post_logout_redirect_uri=https%3A%2F%2Frp.example%2Fout&state=s-1"
    ))
}

/// The app is told the request without the token, and what that has proven beside it.
fn without_hint(url: &str) -> String {
    let (path, query) = url.split_once('?').unwrap();
    let rest: Vec<_> = query.split('&').filter(|pair| !pair.starts_with("id_token_hint=")).collect();
    format!("{path}?{}", rest.join("&"))
}

/// A client's logout goes by way of the app, whose own session has to end too.
#[tokio::test]
async fn a_client_signs_out_by_way_of_the_app() {
    let server = Server::with_apps().await;
    let (mut browser, tokens) = signed_in(&server).await;
    let url = rp_initiated(&server, &tokens);
    let answer = browser.get(&url).await;
    let challenge = Asked::Logout.challenge(&answer);
    let asked = server.asked(Asked::Logout, &challenge).await.json();
    for (name, value) in [
        ("challenge", json!(challenge)),
        ("subject", json!("alice@crm")),
        ("sid", tokens.claims()["sid"].clone()),
        ("rp_initiated", json!(true)),
        ("request_url", json!(without_hint(&url))),
        ("requested_at", json!(server.clock.now().rfc3339())),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    assert_eq!(asked["client"]["client_id"], "web");
    assert!(server.introspect(&tokens.access_token).await.active, "nothing has ended yet");
    let location = server.accept(Asked::Logout, &challenge, json!({})).await;
    assert!(server.introspect(&tokens.access_token).await.active, "not before the browser is back");
    let answer = browser.get(&location).await;
    assert_eq!(answer.location().as_deref(), Some("https://rp.example/out?state=s-1"));
    assert!(browser.cookie("session").is_none(), "the browser forgets it");
    assert!(!server.introspect(&tokens.access_token).await.active);
    assert_eq!(server.database.count("sessions").await, 0);
    // Twice is as good as once.
    assert_eq!(browser.get(&location).await.location().as_deref(), Some("https://rp.example/out?state=s-1"));
    // Where there is nothing to sign out from, nobody is asked.
    assert_eq!(browser.get(&url).await.location().as_deref(), Some("https://rp.example/out?state=s-1"));
}

/// A person's logout, without a client.
#[tokio::test]
async fn a_person_signs_out_by_way_of_the_app() {
    let server = Server::with_apps().await;
    let (mut browser, tokens) = signed_in(&server).await;
    // Who has proven nothing is not shown: its `skip_logout_consent` would make of a link a logout (LO-02).
    let answer = browser.get(&server.url("/oauth2/sessions/logout?client_id=web")).await;
    let challenge = Asked::Logout.challenge(&answer);
    let asked = server.asked(Asked::Logout, &challenge).await.json();
    assert_eq!((&asked["rp_initiated"], &asked["subject"]), (&json!(false), &json!("alice@crm")));
    assert!(asked.get("client").is_none(), "{asked}");
    let rejected = server.answer(Asked::Logout, "reject", &challenge, &json!({})).await;
    assert_eq!((rejected.status, rejected.body.as_str()), (204, ""));
    assert!(server.introspect(&tokens.access_token).await.active);
    let location = server.accept(Asked::Logout, &challenge, json!({})).await;
    let answer = browser.get(&location).await;
    assert_eq!(answer.location(), Some(server.url("/logout/done")));
    assert!(!server.introspect(&tokens.access_token).await.active);
    assert!(browser.cookie("session").is_none());
}

/// LO-02: only the browser that has asked is signed out.
#[tokio::test]
async fn a_logout_verifier_is_for_the_browser_that_began() {
    let server = Server::with_apps().await;
    let (mut browser, tokens) = signed_in(&server).await;
    let (mut other, others) = signed_in(&server).await;
    let answer = browser.get(&server.url("/oauth2/sessions/logout")).await;
    let challenge = Asked::Logout.challenge(&answer);
    let location = server.accept(Asked::Logout, &challenge, json!({})).await;
    other.get(&location).await.assert_page(403, "request_forbidden");
    assert!(server.introspect(&tokens.access_token).await.active);
    assert!(server.introspect(&others.access_token).await.active);
    // A challenge is no verifier.
    browser
        .get(&server.url(&format!("/oauth2/sessions/logout?logout_verifier={challenge}")))
        .await
        .assert_page(404, "not_found");
    browser.get(&server.url("/logout?logout_challenge=x")).await.assert_page(404, "not_found");
}

/// A challenge has an end; one that is none is told apart.
#[tokio::test]
async fn an_old_or_unknown_logout_is_refused() {
    let server = Server::with_apps().await;
    let (mut browser, _) = signed_in(&server).await;
    let answer = browser.get(&server.url("/oauth2/sessions/logout")).await;
    let challenge = Asked::Logout.challenge(&answer);
    for wrong in ["x", &challenge[1..]] {
        server.asked(Asked::Logout, wrong).await.assert_error(404, "not_found");
        server.answer(Asked::Logout, "accept", wrong, &json!({})).await.assert_error(404, "not_found");
    }
    server.asked(Asked::Logout, "").await.assert_error(400, "invalid_request");
    server.pass(30 * 60 + 1);
    server.asked(Asked::Logout, &challenge).await.assert_error(401, "request_unauthorized");
    server.answer(Asked::Logout, "reject", &challenge, &json!({})).await.assert_error(401, "request_unauthorized");
}

/// A token of a session elsewhere, in a browser that has none: the app is asked, and that session ends.
#[tokio::test]
async fn a_hint_ends_a_session_elsewhere() {
    let server = Server::with_apps().await;
    let (_, tokens) = signed_in(&server).await;
    let mut browser = server.browser();
    let answer = browser.get(&rp_initiated(&server, &tokens)).await;
    let location = server.accept(Asked::Logout, &Asked::Logout.challenge(&answer), json!({})).await;
    let answer = browser.get(&location).await;
    assert_eq!(answer.location().as_deref(), Some("https://rp.example/out?state=s-1"));
    assert!(!server.introspect(&tokens.access_token).await.active);
}

/// LO-22: by the administrator: one session or all of a person, never everybody's.
#[tokio::test]
async fn lo_22_an_administrator_ends_sessions_by_name() {
    let server = Server::with_apps().await;
    let delete =
        async |query: &str| server.admin(Method::DELETE, &format!("/oauth2/auth/sessions/login{query}"), None).await;
    let (mut browser, first) = signed_in(&server).await;
    let (_, second) = signed_in(&server).await;
    let (_, third) = signed_in(&server).await;
    for query in ["", "?subject=", "?sid=", "?subject=a&sid=b", "?subject=a&subject=b"] {
        delete(query).await.assert_error(400, "invalid_request");
    }
    for query in ["?subject=nobody", "?sid=x", "?sid=0198f000-0000-7000-8000-000000000000"] {
        assert_eq!(delete(query).await.status, 204, "{query}");
    }
    assert_eq!(server.database.count("sessions").await, 3);
    let sid = first.claims()["sid"].as_str().unwrap().to_owned();
    assert_eq!(delete(&format!("?sid={sid}")).await.status, 204);
    let active = async |tokens: &Tokens| server.introspect(&tokens.access_token).await.active;
    assert_eq!((active(&first).await, active(&second).await), (false, true));
    browser.get(&Authorize::web().set("prompt", "none").url(&server)).await.assert_back(&server, 302, "login_required");
    assert_eq!(delete("?subject=alice@crm").await.status, 204);
    assert_eq!((active(&second).await, active(&third).await), (false, false));
    assert_eq!(server.database.count("sessions").await, 0);
}

/// Where somebody is signed in, newest first, by pages; with what the login app has said of it.
#[tokio::test]
async fn sessions_are_listed() {
    let server = Server::with_apps().await;
    let list =
        async |query: &str| server.admin(Method::GET, &format!("/oauth2/auth/sessions/login{query}"), None).await;
    list("").await.assert_error(400, "invalid_request");
    assert_eq!(list("?subject=alice@crm").await.json(), json!([]));
    let (_, first) = signed_in(&server).await;
    server.pass(1);
    let (_, second) = signed_in(&server).await;
    let listed = list("?subject=alice@crm").await.json();
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, [second.claims()["sid"].clone(), first.claims()["sid"].clone()]);
    let one = &listed[0];
    assert_eq!((&one["subject"], &one["remember"]), (&json!("alice@crm"), &json!(true)));
    assert_eq!(one["identity_provider_session_id"], "idp-7");
    assert_eq!(one["authenticated_at"], server.clock.now().rfc3339());
    assert_eq!((&one["address"], one.get("used_at")), (&json!("127.0.0.1"), None));
    assert!(!listed.to_string().contains("null"), "{listed}");
    let page = list("?subject=alice@crm&page_size=1").await;
    assert_eq!(page.json().as_array().unwrap().len(), 1);
    assert!(page.header("link").unwrap().contains("rel=\"next\""));
    server.pass(721 * 3600);
    assert_eq!(list("?subject=alice@crm").await.json(), json!([]), "what has ended is not listed");
}

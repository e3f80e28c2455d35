//! What was answered stays, also when the process is killed at that moment (security-cases.md F-41 and I8): each step is
//! acknowledged, the process gets SIGKILL, and another on the same database has the effect.

use reqwest::Method;
use serde_json::json;

use crate::support::{Authorize, PASSWORD, Server};

#[tokio::test]
async fn f_41_no_acknowledged_token_is_lost_or_comes_back() {
    let (server, mut process) = Server::outside(&[]).await;
    let mut browser = server.browser();
    let request = Authorize::web().set("scope", "openid offline");

    // The redirect with the code: it can be redeemed.
    let code = browser.code(&request, "alice").await;
    process.kill_and_restart().await;
    let tokens = server.token(&code).await.tokens();

    // The exchange: what it gave is alive, and the code is spent.
    let spent = browser.code(&request, "alice").await;
    let of_spent = server.token(&spent).await.tokens();
    process.kill_and_restart().await;
    for token in [&tokens.access_token, tokens.refresh(), &of_spent.access_token] {
        assert!(server.introspect(token).await.active);
    }
    assert_eq!(server.userinfo(&tokens.access_token).await.status, 200);
    server.token(&spent).await.assert_error(400, "invalid_grant");
    process.kill_and_restart().await;
    assert!(!server.introspect(&of_spent.access_token).await.active, "the replay has revoked, and that stays");

    // The rotation: an answer that was lost is given again, and once the successor was used, the old one is dead.
    let second = server.refresh("web", tokens.refresh()).await.tokens();
    process.kill_and_restart().await;
    let again = server.refresh("web", tokens.refresh()).await.tokens();
    assert_eq!(again.refresh_token, second.refresh_token);
    let third = server.refresh("web", second.refresh()).await.tokens();
    process.kill_and_restart().await;
    assert!(server.introspect(third.refresh()).await.active && !server.introspect(tokens.refresh()).await.active);
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    process.kill_and_restart().await;
    assert!(!server.introspect(third.refresh()).await.active, "the reuse has revoked the grant, and that stays");

    // The revocation of a grant, and of a client's own token.
    let tokens = server.token(&browser.code(&request, "alice").await).await.tokens();
    let own = server.client_tokens("svc", &[]).await;
    assert_eq!(server.revoke("web", tokens.refresh()).await.status, 200);
    assert_eq!(server.revoke("svc", &own.access_token).await.status, 200);
    process.kill_and_restart().await;
    for token in [&tokens.access_token, tokens.refresh(), &own.access_token] {
        assert!(!server.introspect(token).await.active, "what was revoked is alive again");
    }
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn f_41_no_acknowledged_decision_is_lost() {
    let (server, mut process) = Server::outside(&[]).await;
    let mut browser = server.browser();
    let request = Authorize::web().set("scope", "openid email");

    // The login: the flow goes on to the consent.
    let page = browser.authorize(&request).await;
    let signed_in = browser.submit_login(&page, "alice", PASSWORD).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.body);
    process.kill_and_restart().await;
    let page = browser.follow(signed_in).await;

    // The consent, which is to be remembered: the flow goes on to its end.
    let challenge = page.field("consent_challenge");
    let fields = [
        ("consent_challenge", challenge.as_str()),
        ("action", "accept"),
        ("remember", "true"),
        ("grant_scope", "openid"),
        ("grant_scope", "email"),
    ];
    let agreed = browser.post(&server.url("/consent"), &fields).await;
    assert_eq!(agreed.status, 303, "{}", agreed.body);
    process.kill_and_restart().await;
    let answer = browser.follow(agreed).await;
    let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
    assert_eq!(tokens.scope, "openid email");

    // Both are remembered: the next request leads to the client without a page.
    process.kill_and_restart().await;
    let silent = browser.authorize(&request.clone().set("prompt", "none")).await;
    assert!(silent.parameter("code").is_some(), "{:?} {}", silent.location(), silent.body);

    // The logout: nobody is signed in, and the session's tokens are dead.
    browser.logout().await;
    process.kill_and_restart().await;
    let silent = browser.authorize(&request.clone().set("prompt", "none")).await;
    silent.assert_back(&server, 302, "login_required");
    assert!(!server.introspect(&tokens.access_token).await.active);
    let stolen = server.userinfo(&tokens.access_token).await;
    assert_eq!(stolen.error(), (401, "invalid_token".to_owned()));
}

#[tokio::test]
async fn f_41_no_acknowledged_change_of_an_operator_is_lost() {
    let (server, mut process) = Server::outside(&[]).await;
    let tokens = server.tokens_with("openid offline").await;

    let body = json!({ "client_id": "robot", "grant_types": ["client_credentials"], "scope": "a" });
    let created = server.admin(Method::POST, "/clients", Some(&body)).await;
    assert_eq!(created.status, 201, "{}", created.body);
    process.kill_and_restart().await;
    let secret = created.json()["client_secret"].as_str().unwrap().to_owned();
    let token = server.http.post(server.url("/oauth2/token")).basic_auth("robot", Some(&secret));
    let token = token.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
    assert_eq!(token.status(), 200);
    let token: serde_json::Value = token.json().await.unwrap();
    let token = token["access_token"].as_str().unwrap();
    assert!(server.introspect(token).await.active);

    server.delete_client("robot").await;
    process.kill_and_restart().await;
    server.admin(Method::GET, "/clients/robot", None).await.assert_error(404, "not_found");
    assert!(!server.introspect(token).await.active);

    let users = server.admin(Method::GET, "/users", None).await.json();
    let mut alice = users.as_array().unwrap().iter().find(|user| user["username"] == "alice").unwrap().clone();
    alice["disabled"] = json!(true);
    let path = format!("/users/{}", alice["id"].as_str().unwrap());
    assert_eq!(server.admin(Method::PUT, &path, Some(&alice)).await.status, 200);
    process.kill_and_restart().await;
    for token in [&tokens.access_token, tokens.refresh()] {
        assert!(!server.introspect(token).await.active, "a disabled person's token is alive");
    }
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let refused = browser.login(&page, "alice", PASSWORD, false).await;
    assert!(refused.has_field("login_challenge"), "{} {:?}", refused.status, refused.location());
}

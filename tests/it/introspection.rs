//! Introspection through HTTP, on both ports: RFC 7662.

use serde_json::json;

use crate::support::{Answer, Authorize, SECRET, Server, VERIFIER};

const INACTIVE: &str = r#"{"active":false}"#;

#[track_caller]
fn assert_inactive(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, INACTIVE));
}

#[track_caller]
fn assert_active(answer: &Answer) {
    assert_eq!((answer.status, &answer.json()["active"]), (200, &json!(true)), "{}", answer.body);
}

/// RFC 7662 section 2.2: what a resource server needs to know.
#[tokio::test]
async fn a_live_token_is_described() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline profile").await;
    let told = server.introspect_as("web", &tokens.access_token).await.json();
    let now = server.clock.now().seconds();
    assert_eq!(
        told,
        json!({
            "active": true, "scope": "openid offline profile", "client_id": "web", "username": "alice",
            "sub": server.subject("alice").await, "exp": now + 3600, "iat": now, "nbf": now, "aud": [],
            "iss": server.issuer, "token_type": "Bearer", "token_use": "access_token",
        })
    );
    let by_admin = server.introspect(&tokens.access_token).await;
    assert_eq!(json!(by_admin.rest)["sub"], told["sub"]);
}

/// RFC 7662 section 2.1: who may not ask is not told anything; the endpoint can be switched off.
#[tokio::test]
async fn in_01_nobody_asks_without_authentication() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid").await;
    let fields = [("token", tokens.access_token.as_str())];
    server.post("/oauth2/introspect", &fields).await.assert_error(401, "invalid_client");
    let named = [fields[0], ("client_id", "web")];
    server.post("/oauth2/introspect", &named).await.assert_error(401, "invalid_client");
    let bearer = server.http.post(server.url("/oauth2/introspect")).bearer_auth(&tokens.access_token).form(&fields);
    Answer::of(bearer.send().await.unwrap()).await.assert_error(401, "invalid_client");
    let off = Server::with(|config| config.oauth2.public_introspection = false).await;
    off.introspect_as("web", "x").await.assert_error(404, "not_found");
    let metadata = off.get("/.well-known/openid-configuration").await.json();
    assert!(metadata.get("introspection_endpoint").is_none(), "{metadata}");
}

/// A public client is nobody in particular: it sees its own tokens and no other.
#[tokio::test]
async fn in_02_a_public_client_sees_its_own_tokens_only() {
    let server = Server::start().await;
    let request = Authorize::of("spa", "https://spa.example/cb").set("scope", "openid offline");
    let code = server.code_for(&request).await;
    let own = server.redeem("spa", &code, "https://spa.example/cb", Some(VERIFIER)).await.tokens();
    assert_active(&server.introspect_as("spa", &own.access_token).await);
    assert_active(&server.introspect_as("spa", own.refresh()).await);
    let other = server.tokens_with("openid offline").await;
    assert_inactive(&server.introspect_as("spa", &other.access_token).await);
    assert_inactive(&server.introspect_as("spa", other.refresh()).await);
    assert_inactive(&server.introspect_as("spa", &server.client_tokens("svc", &[]).await.access_token).await);
}

/// IN-03, RFC 7662 section 2.2: unknown, expired, revoked and malformed are one answer.
#[tokio::test]
async fn in_03_every_dead_token_looks_the_same() {
    let server = Server::start().await;
    let expired = server.tokens_with("openid offline").await;
    server.pass(3600);
    let revoked = server.tokens_with("openid").await;
    server.revoke("web", &revoked.access_token).await;
    let code = server.code_for(&Authorize::web()).await;
    let id_token = revoked.id_token.as_deref().unwrap();
    let cut = &revoked.access_token[..20];
    for token in [expired.access_token.as_str(), &revoked.access_token, &code, id_token, "x", "ä", cut, "a b"] {
        assert_inactive(&server.introspect_as("web", token).await);
        let path = format!("{}/admin/oauth2/introspect", server.admin);
        let request = server.http.post(path).form(&[("token", token)]);
        assert_inactive(&Answer::of(request.send().await.unwrap()).await);
    }
    assert_active(&server.introspect_as("web", expired.refresh()).await);
    server.post_as("web", "/oauth2/introspect", &[]).await.assert_error(400, "invalid_request");
    let twice = [("token", "a"), ("token", "b")];
    server.post_as("web", "/oauth2/introspect", &twice).await.assert_error(400, "invalid_request");
}

/// RFC 7662 section 4: a resource server learns of the tokens that are meant for it.
#[tokio::test]
async fn in_04_a_token_for_another_audience_is_inactive() {
    let server = Server::start().await;
    let tokens = server.client_tokens("svc", &[("audience", "https://api.example/v1")]).await;
    let seen = server.introspect_as("rs1", &tokens.access_token).await;
    assert_active(&seen);
    assert_eq!(seen.json()["aud"], json!(["https://api.example/v1"]));
    assert_inactive(&server.introspect_as("rs2", &tokens.access_token).await);
    assert!(server.introspect(&tokens.access_token).await.active);
}

/// RFC 7662 section 4: a refresh token opens nothing at a resource server, and must not look as if it did.
#[tokio::test]
async fn in_05_a_refresh_token_is_none_of_a_resource_servers_business() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline").await;
    assert_active(&server.introspect_as("rs1", &tokens.access_token).await);
    assert_inactive(&server.introspect_as("rs1", tokens.refresh()).await);
    for told in [
        json!(server.introspect(tokens.refresh()).await.rest),
        server.introspect_as("web", tokens.refresh()).await.json(),
    ] {
        assert_eq!(told["token_use"], "refresh_token");
        assert!(told.get("token_type").is_none(), "{told}");
    }
}

/// IN-06: `scope` asks whether the token has it all, as in Hydra.
#[tokio::test]
async fn in_06_a_token_without_the_wanted_scope_is_inactive_on_the_admin_port() {
    let server = Server::start().await;
    let token = server.tokens_with("openid email").await.access_token;
    for (scope, active) in
        [("", true), ("openid", true), ("email openid", true), ("openid profile", false), ("e", false)]
    {
        let path = format!("{}/admin/oauth2/introspect", server.admin);
        let request = server.http.post(path).form(&[("token", token.as_str()), ("scope", scope)]);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.json()["active"], json!(active), "{scope}");
    }
}

/// RFC 7662 section 2.1: POST, and the token is no part of the URL.
#[tokio::test]
async fn in_11_the_token_stands_in_the_body_of_a_post() {
    let server = Server::start().await;
    let token = server.tokens_with("openid").await.access_token;
    let path = format!("/oauth2/introspect?token={token}");
    server.get(&path).await.assert_error(405, "invalid_request");
    server.post_as("web", &path, &[]).await.assert_error(400, "invalid_request");
    let admin = server.http.get(format!("{}/admin{path}", server.admin)).send().await.unwrap();
    assert_eq!(admin.status(), 405);
}

/// RFC 7662 section 4; RFC 9701: a signed answer is not offered, so the plain one is given.
#[tokio::test]
async fn in_13_in_14_the_answer_is_plain_json_that_nobody_keeps() {
    let server = Server::start().await;
    let token = server.tokens_with("openid").await.access_token;
    for token in [token.as_str(), "x"] {
        let request = server.http.post(server.url("/oauth2/introspect")).basic_auth("web", Some(SECRET));
        let request = request.header("accept", "application/token-introspection+jwt").form(&[("token", token)]);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
        assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{:?}", answer.headers);
        assert!(answer.json()["active"].is_boolean());
    }
}

/// A client is told the name that a person signs in with where it may have the profile; an operator always.
#[tokio::test]
async fn the_username_is_one_of_the_claims_of_profile() {
    let server = Server::start().await;
    for (scope, told) in [("openid", false), ("openid profile", true)] {
        let tokens = server.tokens_with(scope).await;
        let by_client = server.introspect_as("web", &tokens.access_token).await.json();
        assert_eq!(by_client.get("username").is_some(), told, "{scope}: {by_client}");
        assert_eq!(server.introspect(&tokens.access_token).await.rest["username"], "alice");
    }
}

//! The client credentials grant through HTTP: RFC 6749 section 4.4.

use reqwest::Method;
use serde_json::json;

use crate::support::{PASSWORD, Server};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// RFC 6749 section 4.4.3, RFC 9068 section 2.2: there is nobody whom an ID token or a refresh token could be about, and
/// the subject is the client.
#[tokio::test]
async fn tc_25_nothing_of_a_users_comes_from_client_credentials() {
    let server = Server::start().await;
    let tokens = server.client_tokens("svc", &[("scope", "openid offline photos.read")]).await;
    assert!(tokens.id_token.is_none() && tokens.refresh_token.is_none());
    assert_eq!(tokens.scope, "photos.read");
    let told = server.introspect(&tokens.access_token).await;
    assert!(told.active);
    assert_eq!((&told.rest["sub"], &told.rest["client_id"]), (&json!("svc"), &json!("svc")));
    assert_eq!(told.rest["token_use"], "access_token");
    assert!(!told.rest.contains_key("username"));
    assert_eq!(server.userinfo(&tokens.access_token).await.error(), (401, "invalid_token".to_owned()));
}

/// RFC 9700 section 4.15: a client must not be able to pass for a person.
#[tokio::test]
async fn tc_26_a_client_id_is_never_a_subject() {
    let server = Server::start().await;
    let alice = server.subject("alice").await;
    let client = json!({ "client_id": alice, "grant_types": ["client_credentials"], "response_types": [] });
    server.admin(Method::POST, "/clients", Some(&client)).await.assert_error(409, "conflict");
    // The server makes subjects, whatever is sent.
    let user = json!({ "id": "svc", "sub": "svc", "username": "svc", "password": PASSWORD });
    let answer = server.admin(Method::POST, "/users", Some(&user)).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let user = json!({ "username": "svc", "password": PASSWORD });
    let answer = server.admin(Method::POST, "/users", Some(&user)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_ne!(answer.json()["id"], "svc");
    assert!(server.app().store.user(&hydrant::id::Subject::new("svc")).await.unwrap().is_none());
}

/// RFC 6749 section 3.3, RFC 8707 section 2: no more than what the client is registered for.
#[tokio::test]
async fn tc_25_scope_and_audience_are_those_of_the_registration() {
    let server = Server::start().await;
    let ask = |field| server_ask(&server, field);
    ask(("scope", "admin")).await.assert_error(400, "invalid_scope");
    ask(("scope", "photos.read admin")).await.assert_error(400, "invalid_scope");
    ask(("scope", "photos")).await.assert_error(400, "invalid_scope");
    ask(("scope", "photos.read\u{7}")).await.assert_error(400, "invalid_scope");
    ask(("audience", "https://other.example")).await.assert_error(400, "invalid_request");
    ask(("audience", "https://api.example/v1 https://other.example")).await.assert_error(400, "invalid_request");
    ask(("resource", "https://other.example")).await.assert_error(400, "invalid_target");
    let tokens = server.client_tokens("svc", &[("audience", "https://api.example/v1")]).await;
    assert_eq!(server.introspect(&tokens.access_token).await.rest["aud"], json!(["https://api.example/v1"]));
    let plain = server.client_tokens("svc", &[]).await;
    assert_eq!((plain.scope.as_str(), plain.token_type.as_str(), plain.expires_in), ("", "bearer", 3600));
}

async fn server_ask(server: &Server, field: (&str, &str)) -> crate::support::Answer {
    server.post_as("svc", "/oauth2/token", &[GRANT, field]).await
}

/// RFC 6749 section 4.4: "MUST only be used by confidential clients", and by those registered for it.
#[tokio::test]
async fn tc_25_only_clients_registered_for_it_may() {
    let server = Server::start().await;
    server.post_as("web", "/oauth2/token", &[GRANT]).await.assert_error(400, "unauthorized_client");
    server.post_as("spa", "/oauth2/token", &[GRANT]).await.assert_error(400, "unauthorized_client");
}

/// CVE-2023-0091: what is deleted has no live tokens, and a later client of the same name does not inherit them.
#[tokio::test]
async fn in_08_the_tokens_of_a_deleted_client_are_dead() {
    let server = Server::start().await;
    let tokens = server.client_tokens("svc", &[]).await;
    assert!(server.introspect(&tokens.access_token).await.active);
    server.delete_client("svc").await;
    assert!(!server.introspect(&tokens.access_token).await.active);
    server.pass(1);
    server.client("svc", json!({ "grant_types": ["client_credentials"], "response_types": [] })).await;
    assert!(!server.introspect(&tokens.access_token).await.active);
    let anew = server.client_tokens("svc", &[]).await;
    assert!(server.introspect(&anew.access_token).await.active);
}

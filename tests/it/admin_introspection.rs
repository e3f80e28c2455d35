//! `POST /admin/oauth2/introspect` (RFC 7662; hydra.md section 3.7) and the probes of the admin port.

use serde_json::json;

use crate::support::{Answer, Server};

async fn introspect(server: &Server, path: &str, form: &[(&str, &str)]) -> Answer {
    let request = server.http.post(format!("{}{path}", server.admin)).form(form);
    Answer::of(request.send().await.unwrap()).await
}

/// hydra.md appendix A6.
#[tokio::test]
async fn a_living_token_is_told_in_full() {
    let server = Server::start().await;
    let now = server.clock.now().seconds();
    let tokens = server.tokens_with("openid offline").await;
    let told = introspect(&server, "/admin/oauth2/introspect", &[("token", &tokens.access_token)]).await;
    assert_eq!(told.header("cache-control"), Some("no-store"));
    assert_eq!(
        told.json(),
        json!({
            "active": true, "scope": "openid offline", "client_id": "web", "sub": server.subject("alice").await,
            "exp": now + 3600, "iat": now, "nbf": now, "username": "alice", "aud": [], "iss": server.issuer,
            "token_type": "Bearer", "token_use": "access_token",
        })
    );
    let refresh = introspect(&server, "/oauth2/introspect/", &[("token", tokens.refresh())]).await.json();
    assert_eq!((&refresh["active"], &refresh["token_use"]), (&json!(true), &json!("refresh_token")));
    assert!(refresh.get("token_type").is_none());
}

/// A token that is expired, revoked, short of scope or no token is told by one and the same body.
#[tokio::test]
async fn of_any_other_token_nothing_is_told() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline").await;
    let token = tokens.access_token.as_str();
    let path = "/admin/oauth2/introspect";
    let with_scope = introspect(&server, path, &[("token", token), ("scope", "openid")]).await;
    assert_eq!(with_scope.json()["active"], true);
    for form in [vec![("token", "garbage")], vec![("token", token), ("scope", "openid photos.read")]] {
        assert_eq!(introspect(&server, path, &form).await.body, r#"{"active":false}"#, "{form:?}");
    }
    server.pass(3601);
    assert_eq!(introspect(&server, path, &[("token", token)]).await.body, r#"{"active":false}"#);
    assert_eq!(server.revoke("web", tokens.refresh()).await.status, 200);
    assert_eq!(introspect(&server, path, &[("token", tokens.refresh())]).await.body, r#"{"active":false}"#);
}

#[tokio::test]
async fn what_is_no_question_is_refused() {
    let server = Server::start().await;
    introspect(&server, "/admin/oauth2/introspect", &[]).await.assert_error(400, "invalid_request");
    let get = server.http.get(format!("{}/admin/oauth2/introspect?token=x", server.admin));
    let get = Answer::of(get.send().await.unwrap()).await;
    get.assert_error(405, "invalid_request");
    assert_eq!(get.header("allow"), Some("POST"));
}

/// AD-01: the public port has none of it.
#[tokio::test]
async fn the_admin_api_is_not_on_the_public_port() {
    let server = Server::start().await;
    for path in ["/admin/clients", "/clients", "/admin/users", "/users", "//admin/clients", "/%61dmin/clients"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_probes_answer_under_both_names() {
    let server = Server::start().await;
    for path in ["/health/alive", "/health/ready", "/admin/health/alive", "/admin/health/ready"] {
        let answer = Answer::of(server.http.get(format!("{}{path}", server.admin)).send().await.unwrap()).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "status": "ok" })), "{path}");
    }
    let version = server.http.get(format!("{}/admin/version", server.admin)).send().await.unwrap();
    assert_eq!(Answer::of(version).await.json()["version"], env!("CARGO_PKG_VERSION"));
    // Without its database it is alive, not ready, and says so: why, only to the operator.
    server.app().store.close().await;
    let ready = server.http.get(format!("{}/health/ready", server.admin)).send().await.unwrap();
    let ready = Answer::of(ready).await;
    assert_eq!(ready.status, 503);
    assert!(ready.json()["errors"]["database"].is_string(), "{}", ready.body);
    let public = server.get("/health/ready").await;
    public.assert_error(503, "temporarily_unavailable");
    assert_eq!(server.get("/health/alive").await.status, 200);
}

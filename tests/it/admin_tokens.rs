//! `DELETE /admin/oauth2/tokens`: everything that a client was given ends at once (hydra.md section 3.7).

use reqwest::Method;
use serde_json::json;

use crate::support::{Authorize, Server};

#[tokio::test]
async fn everything_of_one_client_is_dead_at_once() {
    let server = Server::start().await;
    server
        .client(
            "jwt",
            json!({ "grant_types": ["client_credentials"], "response_types": [], "access_token_strategy": "jwt" }),
        )
        .await;
    let tokens = server.tokens_with("openid offline").await;
    let code = server.code_for(&Authorize::web()).await;
    let (own, jwt) = (server.client_tokens("svc", &[]).await, server.client_tokens("jwt", &[]).await);
    for id in ["web", "svc", "jwt"] {
        assert_eq!(server.admin(Method::DELETE, &format!("/oauth2/tokens?client_id={id}"), None).await.status, 204);
    }
    for token in [&tokens.access_token, tokens.refresh(), &own.access_token, &jwt.access_token] {
        assert!(!server.introspect(token).await.active);
    }
    server.userinfo(&tokens.access_token).await.assert_error(401, "invalid_token");
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    server.token(&code).await.assert_error(400, "invalid_grant");

    // What they get afterwards is alive, in the same moment too.
    let tokens = server.tokens_with("openid offline").await;
    let (own, jwt) = (server.client_tokens("svc", &[]).await, server.client_tokens("jwt", &[]).await);
    for token in [&tokens.access_token, tokens.refresh(), &own.access_token, &jwt.access_token] {
        assert!(server.introspect(token).await.active);
    }
    // And ends with the next call, also where the clock was set back meanwhile.
    server.back(3600);
    assert_eq!(server.admin(Method::DELETE, "/oauth2/tokens?client_id=svc", None).await.status, 204);
    assert!(!server.introspect(&own.access_token).await.active);
    let next = server.client_tokens("svc", &[]).await;
    assert!(server.introspect(&next.access_token).await.active && server.introspect(&jwt.access_token).await.active);
}

/// AD-10: nothing is ended by leaving out whose it is; and as in Hydra, who is not there has nothing.
#[tokio::test]
async fn ad_10_nothing_is_deleted_by_omission() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline").await;
    for query in ["", "?client_id=", "?client=web", "?client_id=web&client_id=svc", "?client_id=%00web%FF"] {
        let answer = server.admin(Method::DELETE, &format!("/oauth2/tokens{query}"), None).await;
        answer.assert_error(400, "invalid_request");
    }
    for id in ["nobody", "WEB", "%C3%A4", "web%20"] {
        assert_eq!(
            server.admin(Method::DELETE, &format!("/oauth2/tokens?client_id={id}"), None).await.status,
            204,
            "{id}"
        );
    }
    assert!(server.introspect(&tokens.access_token).await.active);
    assert_eq!(server.get("/admin/oauth2/tokens?client_id=web").await.status, 404, "AD-01");
}

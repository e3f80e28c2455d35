//! The revocation endpoint through HTTP: RFC 7009.

use crate::support::{Authorize, Server, VERIFIER};

const OFFLINE: &str = "openid offline";

/// RFC 7009 section 2.1: with the refresh token go all access tokens of the same grant.
#[tokio::test]
async fn rv_01_a_revoked_refresh_token_takes_its_grant_with_it() {
    let server = Server::start().await;
    let tokens = server.tokens_with(OFFLINE).await;
    let answer = server.revoke("web", tokens.refresh()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    assert!(!server.introspect(&tokens.access_token).await.active);
    assert!(!server.introspect(tokens.refresh()).await.active);
    assert_eq!(server.userinfo(&tokens.access_token).await.error(), (401, "invalid_token".to_owned()));
}

/// As in Hydra, an access token takes its refresh token along; a client's own token goes alone.
#[tokio::test]
async fn rv_02_a_revoked_access_token_is_dead() {
    let server = Server::start().await;
    let tokens = server.tokens_with(OFFLINE).await;
    let others = server.tokens_with(OFFLINE).await;
    assert_eq!(server.revoke("web", &tokens.access_token).await.status, 200);
    assert!(!server.introspect(&tokens.access_token).await.active);
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    assert!(server.introspect(&others.access_token).await.active, "another grant's");

    let (one, two) = (server.client_tokens("svc", &[]).await, server.client_tokens("svc", &[]).await);
    assert_eq!(server.revoke("svc", &one.access_token).await.status, 200);
    assert!(!server.introspect(&one.access_token).await.active);
    assert!(server.introspect(&two.access_token).await.active);
}

/// RV-03, RFC 7009 section 2.2: what is dead, unknown or not ours is answered like what was just revoked, and a spent
/// refresh token still ends its grant.
#[tokio::test]
async fn rv_03_a_token_that_needs_no_revoking_is_200() {
    let server = Server::start().await;
    let first = server.tokens_with(OFFLINE).await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    let code = server.code_for(&Authorize::web()).await;
    for token in ["x", "hya_", "hyr_AAAA", &"a".repeat(20_000), "ä", &code, first.id_token.as_deref().unwrap()] {
        let answer = server.revoke("web", token).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{token}");
    }
    assert!(server.introspect(&second.access_token).await.active);
    server.token(&code).await.tokens();
    assert_eq!(server.revoke("web", first.refresh()).await.status, 200);
    assert!(!server.introspect(&second.access_token).await.active);
    for _ in 0..2 {
        assert_eq!(server.revoke("web", second.refresh()).await.status, 200);
    }
}

/// RV-06, RFC 7009 section 2.1: the hint is only a hint; a wrong or unknown one makes no difference.
#[tokio::test]
async fn rv_06_a_wrong_hint_does_not_save_a_token() {
    let server = Server::start().await;
    for hint in ["access_token", "refresh_token", "id_token", "nonsense"] {
        let tokens = server.tokens_with(OFFLINE).await;
        for token in [tokens.refresh(), &tokens.access_token] {
            let answer = server.post_as("web", "/oauth2/revoke", &[("token", token), ("token_type_hint", hint)]).await;
            assert_eq!(answer.status, 200, "{hint}");
            assert!(!server.introspect(token).await.active, "{hint}");
        }
    }
}

/// RFC 7009 section 2.1: whose token it is not, may not revoke it; a public client is not even told that.
#[tokio::test]
async fn rv_04_another_clients_token_is_not_revoked() {
    let server = Server::start().await;
    let tokens = server.tokens_with(OFFLINE).await;
    let own = server.client_tokens("svc", &[]).await;
    for token in [tokens.refresh(), &tokens.access_token, &own.access_token] {
        server.revoke("evil", token).await.assert_error(400, "unauthorized_client");
        let silent = server.revoke("spa", token).await;
        assert_eq!((silent.status, silent.body.as_str()), (200, ""));
        assert!(server.introspect(token).await.active);
    }
    server.refresh("web", tokens.refresh()).await.tokens();
}

/// A public client ends its own.
#[tokio::test]
async fn rv_04_a_public_client_revokes_its_own() {
    let server = Server::start().await;
    let request = Authorize::of("spa", "https://spa.example/cb").set("scope", OFFLINE);
    let code = server.code_for(&request).await;
    let tokens = server.redeem("spa", &code, "https://spa.example/cb", Some(VERIFIER)).await.tokens();
    assert_eq!(server.revoke("spa", &tokens.access_token).await.status, 200);
    assert!(!server.introspect(tokens.refresh()).await.active);
}

/// RFC 7009 section 2.1: without client authentication nothing happens.
#[tokio::test]
async fn rv_05_nobody_revokes_without_authentication() {
    let server = Server::start().await;
    let tokens = server.tokens_with(OFFLINE).await;
    let fields = [("token", tokens.refresh())];
    server.post("/oauth2/revoke", &fields).await.assert_error(401, "invalid_client");
    let named = [("token", tokens.refresh()), ("client_id", "web")];
    server.post("/oauth2/revoke", &named).await.assert_error(401, "invalid_client");
    let wrong = server.http.post(server.url("/oauth2/revoke")).basic_auth("web", Some("wrong")).form(&fields);
    crate::support::Answer::of(wrong.send().await.unwrap()).await.assert_error(401, "invalid_client");
    assert!(server.introspect(tokens.refresh()).await.active);
}

/// RFC 7009 sections 2.1 and 2.3: one token, in the body of a POST; no JSONP.
#[tokio::test]
async fn rv_07_the_token_stands_once_in_the_body() {
    let server = Server::start().await;
    let tokens = server.tokens_with(OFFLINE).await;
    let token = tokens.access_token.as_str();
    server.post_as("web", "/oauth2/revoke", &[]).await.assert_error(400, "invalid_request");
    server.post_as("web", "/oauth2/revoke", &[("token", "")]).await.assert_error(400, "invalid_request");
    let twice = [("token", token), ("token", "b")];
    server.post_as("web", "/oauth2/revoke", &twice).await.assert_error(400, "invalid_request");
    let in_url = format!("/oauth2/revoke?token={token}");
    server.get(&in_url).await.assert_error(405, "invalid_request");
    server.post_as("web", &in_url, &[]).await.assert_error(400, "invalid_request");
    assert!(server.introspect(token).await.active);
    let answer = server.post_as("web", "/oauth2/revoke", &[("token", token), ("callback", "x")]).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
}

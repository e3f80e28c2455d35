//! The authorization code grant through HTTP: RFC 6749 section 4.1, RFC 7636.

use crate::support::{Authorize, Server, VERIFIER};

/// The main job: a person signs in, and the client learns who it is.
#[tokio::test]
async fn a_person_signs_in_to_a_client() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let code = browser.code(&Authorize::web().set("scope", "openid offline_access email"), "alice").await;
    let tokens = server.token(&code).await.tokens();
    assert_eq!((tokens.token_type.as_str(), tokens.expires_in), ("bearer", 3600));
    let subject = server.subject("alice").await;
    assert_eq!(tokens.claims()["sub"], subject.as_str());
    assert!(tokens.refresh_token.is_some());
    let userinfo = server.userinfo(&tokens.access_token).await;
    assert_eq!(
        userinfo.json(),
        serde_json::json!({ "sub": subject, "email": "alice@example.com", "email_verified": true })
    );
}

/// CP-01, RFC 6749 section 4.1.2: "The client MUST NOT use the authorization code more than once."
#[tokio::test]
async fn cp_01_a_replayed_code_revokes_what_it_gave() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::web().set("scope", "openid offline")).await;
    let first = server.token(&code).await.tokens();
    assert_eq!(server.userinfo(&first.access_token).await.status, 200);
    server.token(&code).await.assert_error(400, "invalid_grant");
    assert_eq!(server.userinfo(&first.access_token).await.error(), (401, "invalid_token".to_owned()));
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    let _ = VERIFIER;
}

//! A key that somebody else may have: security-cases.md row JK-07, over two servers on one database.

use hydrant::keys::{ID_TOKEN_SET, SEAL_SET};

use crate::key_rotation::{RS256, kids, pair, rotate, signed_by, soon, states};
use crate::support::{Authorize, process};

/// JK-07: a revoked signing key is out of the published set at once, another signs at once, and no hint that it signed is
/// taken, on any replica. The `ETag` moves with the body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jk_07_a_revoked_signing_key_is_believed_by_nobody() {
    let servers = pair(|_| {}).await;
    let token = servers[0].tokens_with("openid").await.id_token.unwrap();
    let hint = Authorize::web().set("id_token_hint", &token);
    let kid = signed_by(&servers[0]).await;
    for server in &servers {
        assert_eq!(server.ask(&hint).await.get.status, 302);
    }
    let etag = servers[0].get("/.well-known/jwks.json").await.header("etag").unwrap().to_owned();
    // Whether a successor waits already or not, it takes over now.
    for waits in [false, true] {
        let kid = signed_by(&servers[0]).await;
        if waits {
            rotate(&servers[0], RS256).await;
        }
        let app = servers[0].app();
        let revoked = app.keys.revoke(&app.store, &kid, servers[0].clock.now()).await.unwrap().unwrap();
        let published = kids(&servers[0]).await;
        assert_eq!(published, [revoked.in_use.clone().unwrap()]);
        assert_eq!(signed_by(&servers[0]).await, published[0]);
        soon("the other replica does not know", async || kids(&servers[1]).await == published).await;
        assert_eq!(signed_by(&servers[1]).await, published[0]);
        assert!(app.keys.revoke(&app.store, &kid, servers[0].clock.now()).await.unwrap().is_none(), "twice");
    }
    for server in &servers {
        server.assert_back(&hint, "invalid_request").await;
        let logout = server.get(&format!("/oauth2/sessions/logout?id_token_hint={token}")).await;
        assert_eq!((logout.status, logout.location()), (400, None), "{}", logout.body);
    }
    assert_ne!(servers[0].get("/.well-known/jwks.json").await.header("etag"), Some(etag.as_str()));
    let states: Vec<_> = states(&servers[0], ID_TOKEN_SET).await.into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["active", "revoked", "revoked"]);
    let rows = servers[0].app().store.keys().await.unwrap();
    assert!(rows.iter().any(|row| row.id == kid && row.private_sealed.is_empty()), "its private part is forgotten");
}

/// JK-07 for a key that seals: tokens, codes and cookies of it are worth nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jk_07_what_a_revoked_key_sealed_is_worth_nothing() {
    let servers = pair(|_| {}).await;
    let mut browser = servers[0].signed_in("alice").await;
    let silent = Authorize::web().set("prompt", "none");
    let code = browser.authorize(&silent).await.parameter("code").unwrap();
    let tokens = servers[0].tokens_with("openid offline").await;
    let own = servers[0].client_tokens("svc", &[]).await;
    let rows = servers[0].app().store.keys().await.unwrap();
    let kid = rows.iter().find(|row| row.key_set == SEAL_SET).unwrap().id.clone();
    // By the command line: every running server is told.
    let ran = process::run(servers[0].database.dsn(), &["key", "revoke", "--dev", "--format", "json", "--", &kid], "");
    assert_eq!(ran.json()["kid"], kid, "{}", ran.stderr);
    for server in &servers {
        soon("a token that was sealed with a revoked key is alive", async || {
            !server.introspect(&own.access_token).await.active
        })
        .await;
        assert!(!server.introspect(&tokens.access_token).await.active);
        assert_eq!(server.userinfo(&tokens.access_token).await.status, 401);
        server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
        server.token(&code).await.assert_error(400, "invalid_grant");
    }
    let answer = browser.authorize(&silent).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("login_required"), "the session's cookie is of no use");
    // And all begins anew.
    let anew = servers[0].tokens_with("openid offline").await;
    assert!(servers[1].introspect(&anew.access_token).await.active);
}

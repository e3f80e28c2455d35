//! Time: clocks that differ, jump and stop; lifetimes that are true. security-cases.md group TI.

use std::time::Duration;

use hydrant::clock::Clock;
use serde_json::json;

use crate::support::{Authorize, Database, Server, VERIFIER};

const OFFLINE: &str = "openid offline";

/// A server whose clock stands `seconds` before that of `other`.
async fn behind(other: &Server, seconds: u64) -> Server {
    let clock = Clock::manual();
    let gap = other.clock.now().since(clock.now());
    clock.pass(gap.saturating_sub(Duration::from_secs(seconds)));
    Server::on(other.database.clone(), clock, |_| {}).await
}

/// Replicas whose clocks are half a minute apart serve every flow together, whichever does which step.
#[tokio::test]
async fn ti_02_replicas_half_a_minute_apart_serve_every_flow() {
    let database = Database::new().await;
    let clock = Clock::manual();
    clock.pass(Duration::from_secs(30));
    let ahead = Server::on(database, clock, |_| {}).await;
    let behind = behind(&ahead, 30).await;
    assert!(ahead.clock.now().since(behind.clock.now()) >= Duration::from_secs(29));
    for (this, that) in [(&ahead, &behind), (&behind, &ahead)] {
        let code = this.code_for(&Authorize::web().set("scope", OFFLINE)).await;
        let first = that.token(&code).await.tokens();
        assert!(this.introspect(&first.access_token).await.active);
        assert_eq!(that.userinfo(&first.access_token).await.status, 200);
        assert_eq!(this.userinfo(&first.access_token).await.status, 200);
        let second = this.refresh("web", first.refresh()).await.tokens();
        let third = that.refresh("web", second.refresh()).await.tokens();
        this.refresh("web", third.refresh()).await.tokens();
        let own = this.client_tokens("svc", &[]).await;
        assert!(that.introspect(&own.access_token).await.active);
        assert!(this.introspect(&own.access_token).await.active);
    }
}

/// A lost answer: the client asks the other replica. The ten seconds of the grace are by two clocks, so they may differ
/// by less than that.
#[tokio::test]
async fn ti_02_replicas_some_seconds_apart_repeat_a_lost_answer() {
    let clock = Clock::manual();
    clock.pass(Duration::from_secs(5));
    let ahead = Server::on(Database::new().await, clock, |_| {}).await;
    let behind = behind(&ahead, 5).await;
    for (this, that) in [(&ahead, &behind), (&behind, &ahead)] {
        let first = ahead.tokens_with(OFFLINE).await;
        let second = this.refresh("web", first.refresh()).await.tokens();
        assert_eq!(that.refresh("web", first.refresh()).await.tokens().refresh(), second.refresh());
        that.refresh("web", second.refresh()).await.tokens();
    }
}

/// A client that the replica in front has just registered is served by the one behind.
#[tokio::test]
async fn ti_02_a_client_that_is_registered_ahead_is_served_behind() {
    let clock = Clock::manual();
    clock.pass(Duration::from_secs(30));
    let ahead = Server::on(Database::new().await, clock, |_| {}).await;
    let behind = behind(&ahead, 30).await;
    let uri = "https://new.example/cb";
    ahead
        .client(
            "new",
            json!({
                "redirect_uris": [uri], "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
                "scope": OFFLINE,
            }),
        )
        .await;
    let own = behind.client_tokens("new", &[]).await;
    let code = behind.code_for(&Authorize::of("new", uri).set("scope", OFFLINE)).await;
    let tokens = behind.redeem("new", &code, uri, Some(VERIFIER)).await.tokens();
    for server in [&ahead, &behind] {
        assert!(server.introspect(&own.access_token).await.active);
        assert!(server.introspect(&tokens.access_token).await.active);
    }
    behind.refresh("new", tokens.refresh()).await.tokens();
}

/// RT-13 between replicas: what a client has lost by the clock behind can not be refreshed by the clock ahead.
#[tokio::test]
async fn ti_02_a_scope_that_was_lost_behind_is_lost_ahead() {
    let clock = Clock::manual();
    clock.pass(Duration::from_secs(30));
    let ahead = Server::on(Database::new().await, clock, |_| {}).await;
    let behind = behind(&ahead, 30).await;
    let tokens = ahead.tokens_with("openid offline email").await;
    behind.change_client("web", |client| client["scope"] = json!(OFFLINE)).await;
    behind.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_scope");
}

/// CVE-2026-9802: a clock that is set back revives nothing that was spent or revoked, and opens no window again.
#[tokio::test]
async fn ti_04_a_clock_that_jumps_back_revives_nothing() {
    let server = Server::start().await;
    let revoked = server.tokens_with(OFFLINE).await;
    server.revoke("web", &revoked.access_token).await;
    let own = server.client_tokens("svc", &[]).await;
    server.revoke("svc", &own.access_token).await;
    let code = server.code_for(&Authorize::web().set("scope", OFFLINE)).await;
    let from_code = server.token(&code).await.tokens();
    let first = server.tokens_with(OFFLINE).await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    server.pass(60);
    let lasting = server.tokens_with(OFFLINE).await;
    server.back(3600);
    for token in [&revoked.access_token, revoked.refresh(), &own.access_token, &first.access_token] {
        assert!(!server.introspect(token).await.active);
    }
    // Nothing that is alive is lost either.
    assert!(server.introspect(&lasting.access_token).await.active);
    assert_eq!(server.userinfo(&lasting.access_token).await.status, 200);
    let lasting = server.refresh("web", lasting.refresh()).await.tokens();
    assert!(server.introspect(&lasting.access_token).await.active);
    // New ones are as good as ever: for people and for clients.
    let anew = server.tokens_with(OFFLINE).await;
    assert!(server.introspect(&anew.access_token).await.active);
    assert!(server.introspect(&server.client_tokens("svc", &[]).await.access_token).await.active);
    // The window of the repeat was open an hour from now: it is not open.
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    assert!(!server.introspect(second.refresh()).await.active);
    server.token(&code).await.assert_error(400, "invalid_grant");
    assert!(!server.introspect(&from_code.access_token).await.active);
}

/// I3: tokens expire by the clock that is there; the sweep takes no evidence, and after the correction all is as before.
#[tokio::test]
async fn ti_05_a_clock_that_jumps_forward_takes_no_evidence() {
    let server = Server::start().await;
    let first = server.tokens_with(OFFLINE).await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    let other = server.tokens_with(OFFLINE).await;
    for jump in [3600, 24 * 3600] {
        server.pass(jump);
        server.app().store.sweep(server.clock.now()).await.unwrap();
        assert!(!server.introspect(&second.access_token).await.active);
        assert_eq!(server.userinfo(&second.access_token).await.error(), (401, "invalid_token".to_owned()));
        server.back(i64::try_from(jump).unwrap());
    }
    server.pass(11);
    assert!(server.introspect(second.refresh()).await.active);
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    server.refresh("web", second.refresh()).await.assert_error(400, "invalid_grant");
    server.refresh("web", other.refresh()).await.tokens();
    let anew = server.tokens_with(OFFLINE).await;
    assert!(server.introspect(&anew.access_token).await.active);
}

/// RFC 6749 section 5.1: a token lives as long as `expires_in` says, and no longer.
#[tokio::test]
async fn ti_08_expires_in_is_true() {
    let server = Server::with(|config| config.ttl.access_token = Duration::from_secs(90)).await;
    server.change_client("two", |client| client["authorization_code_grant_access_token_lifespan"] = json!("45s")).await;
    let web = server.tokens_with("openid").await;
    let code = server.code_for(&Authorize::of("two", "https://two.example/cb")).await;
    let two = server.redeem("two", &code, "https://two.example/cb", Some(VERIFIER)).await.tokens();
    let svc = server.client_tokens("svc", &[]).await;
    assert_eq!((web.expires_in, two.expires_in, svc.expires_in), (90, 45, 90));
    let issued = server.clock.now().seconds();
    for (tokens, wait) in [(&two, 44), (&web, 45), (&svc, 0)] {
        server.pass(wait);
        let told = server.introspect(&tokens.access_token).await;
        assert!(told.active, "one second before");
        assert_eq!(told.rest["exp"], issued + i64::try_from(tokens.expires_in).unwrap());
    }
    server.pass(1);
    for tokens in [&two, &web, &svc] {
        assert!(!server.introspect(&tokens.access_token).await.active);
    }
}

/// The sweep keeps what a replay is known by, for as long as anything of the grant may be alive.
#[tokio::test]
async fn ti_10_a_spent_token_is_known_after_the_sweep() {
    let server = Server::start().await;
    let day = 24 * 3600;
    let first = server.tokens_with(OFFLINE).await;
    let mut current = server.refresh("web", first.refresh()).await.tokens();
    for _ in 0..4 {
        server.pass(20 * day);
        server.app().store.sweep(server.clock.now()).await.unwrap();
        current = server.refresh("web", current.refresh()).await.tokens();
    }
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    assert!(!server.introspect(current.refresh()).await.active);
    server.refresh("web", current.refresh()).await.assert_error(400, "invalid_grant");
}

/// A code's replay is known after the sweep as well.
#[tokio::test]
async fn ti_10_a_replayed_code_is_known_after_the_sweep() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::web().set("scope", OFFLINE)).await;
    let first = server.token(&code).await.tokens();
    server.pass(7 * 24 * 3600);
    server.app().store.sweep(server.clock.now()).await.unwrap();
    let second = server.refresh("web", first.refresh()).await.tokens();
    server.token(&code).await.assert_error(400, "invalid_grant");
    assert!(!server.introspect(&second.access_token).await.active);
}

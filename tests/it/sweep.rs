//! The sweep: what has expired leaves, what is alive or still speaks against a thief stays.

use std::sync::Arc;

use hydrant::clock::Timestamp;

use crate::support::{Authorize, Database, PASSWORD, Server, VERIFIER};

async fn sweep(server: &Server) -> u64 {
    server.app().store.sweep(server.clock.now()).await.unwrap()
}

async fn counts(server: &Server) -> [i64; 5] {
    let mut counts = [0; 5];
    for (count, table) in counts.iter_mut().zip(["grants", "interactions", "sessions", "revoked_tokens", "consents"]) {
        *count = server.database.count(table).await;
    }
    counts
}

async fn remember(server: &Server, username: &str, expires_at: Option<Timestamp>) {
    let subject = server.subject(username).await;
    let now = server.clock.now().millis();
    let end = expires_at.map_or_else(|| "NULL".to_owned(), |at| at.millis().to_string());
    let consent = format!(
        "INSERT INTO consents (subject, client_id, scope, audience, granted_at, expires_at)
         VALUES ('{subject}', 'two', 'openid', '[]', {now}, {end})"
    );
    assert_eq!(server.database.execute(&consent).await, 1);
}

/// Every table that fills by itself empties by itself, and nothing leaves before its time.
#[tokio::test]
async fn expired_rows_of_every_table_leave() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let page = browser.login(&page, "alice", PASSWORD, false).await;
    let code = browser.consent(&page, &["openid"], false).await.parameter("code").unwrap();
    let token = server.post_as("svc", "/oauth2/token", &[("grant_type", "client_credentials")]).await.tokens();
    assert_eq!(server.revoke("svc", &token.access_token).await.status, 200);
    remember(&server, "alice", Some(server.clock.now() + std::time::Duration::from_mins(1))).await;
    remember(&server, "bob", None).await;
    assert_eq!(counts(&server).await, [1, 1, 1, 1, 2]);
    sweep(&server).await;
    assert_eq!(counts(&server).await, [1, 1, 1, 1, 2], "all is alive");
    assert_eq!(server.token(&code).await.status, 200);
    server.pass(61);
    sweep(&server).await;
    assert_eq!(counts(&server).await, [1, 1, 1, 1, 1], "the consent that had an end");
    server.pass(30 * 60);
    sweep(&server).await;
    assert_eq!(counts(&server).await, [1, 0, 1, 1, 1], "the flow's challenges have expired");
    server.pass(3600);
    sweep(&server).await;
    assert_eq!(counts(&server).await, [0, 0, 1, 0, 1], "the tokens have");
    server.pass(11 * 3600);
    sweep(&server).await;
    assert_eq!(counts(&server).await, [0, 0, 0, 0, 1], "and the session; a consent without an end stays");
}

/// A code that was never redeemed leaves when neither it nor its flow's verifier could be used again.
#[tokio::test]
async fn an_unused_code_leaves() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::web()).await;
    server.pass(10 * 60);
    sweep(&server).await;
    assert_eq!(server.database.count("grants").await, 1, "its verifier could still be replayed");
    server.token(&code).await.assert_error(400, "invalid_grant");
    server.pass(31 * 60);
    sweep(&server).await;
    assert_eq!(server.database.count("grants").await, 0);
    server.token(&code).await.assert_error(400, "invalid_grant");
}

/// The same where its client could have got a refresh token that lasts for a month.
#[tokio::test]
async fn an_unused_code_for_a_refresh_token_leaves_no_later() {
    let server = Server::start().await;
    let ask = Authorize::web().set("scope", "openid offline");
    let unused = server.code_for(&ask).await;
    let tokens = server.token(&server.code_for(&ask).await).await.tokens();
    for (minutes, left) in [(39, 2), (2, 1)] {
        server.pass(minutes * 60);
        sweep(&server).await;
        assert_eq!(server.database.count("grants").await, left);
    }
    server.token(&unused).await.assert_error(400, "invalid_grant");
    assert_eq!(server.refresh("web", tokens.refresh()).await.status, 200, "the other one was redeemed");
}

/// A code that nobody redeems does not take along what was given with it at the authorization endpoint.
#[tokio::test]
async fn an_unused_code_leaves_after_the_token_beside_it() {
    let server = Server::with_every_response_type().await;
    let ask = Authorize::of("front", "https://rp.example/cb").set("response_type", "code token");
    let response = server.browser().journey(&ask, "alice").await.response();
    for (minutes, is_good) in [(59, true), (2, false)] {
        server.pass(minutes * 60);
        sweep(&server).await;
        assert_eq!(server.introspect(&response["access_token"]).await.active, is_good);
        assert_eq!(server.database.count("grants").await, i64::from(is_good));
    }
    server
        .redeem("front", &response["code"], "https://rp.example/cb", Some(VERIFIER))
        .await
        .assert_error(400, "invalid_grant");
}

/// What a code and the refreshes of a day change has no index: neither moves the row's end.
#[tokio::test]
async fn a_row_keeps_its_end_while_it_is_late_enough() {
    let server = Server::start().await;
    for scope in ["openid", "openid offline"] {
        let ends = async || server.database.column("SELECT CAST(max(expires_at) AS TEXT) FROM grants").await.remove(0);
        let code = server.code_for(&Authorize::web().set("scope", scope)).await;
        let inserted = ends().await;
        server.pass(9 * 60 + 59);
        let tokens = server.token(&code).await.tokens();
        assert_eq!(ends().await, inserted, "{scope}");
        if scope != "openid" {
            server.pass(86_399);
            let tokens = server.refresh("web", tokens.refresh()).await.tokens();
            assert_eq!(ends().await, inserted);
            server.pass(602);
            server.refresh("web", tokens.refresh()).await.tokens();
            assert_ne!(ends().await, inserted, "then it does");
        }
    }
}

/// Lifetimes that were made longer while a code waited count when it is redeemed.
#[tokio::test]
async fn a_row_lasts_as_long_as_the_tokens_that_were_given() {
    let database = Database::new().await;
    let short = Server::on(database.clone(), hydrant::clock::Clock::manual(), |config| {
        config.ttl.access_token = std::time::Duration::from_mins(1);
        config.ttl.refresh_token = Some(std::time::Duration::from_mins(1));
    })
    .await;
    let long = Server::on(database, short.clock.clone(), |_| {}).await;
    let codes =
        [short.code_for(&Authorize::web()).await, short.code_for(&Authorize::web().set("scope", "offline")).await];
    let access = long.token(&codes[0]).await.tokens();
    let refresh = long.token(&codes[1]).await.tokens();
    long.pass(3599);
    sweep(&long).await;
    assert!(long.introspect(&access.access_token).await.active);
    long.pass(30 * 86_400 - 3600);
    sweep(&long).await;
    assert_eq!(long.refresh("web", refresh.refresh()).await.status, 200);
}

/// What was foreseen and not given keeps no row.
#[tokio::test]
async fn a_row_goes_with_the_tokens_that_were_given() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::web().set("scope", "openid offline")).await;
    server.change_client("web", |client| client["grant_types"] = serde_json::json!(["authorization_code"])).await;
    let tokens = server.token(&code).await.tokens();
    assert_eq!(tokens.refresh_token, None);
    for (seconds, left) in [(3599, 1), (1, 0)] {
        server.pass(seconds);
        sweep(&server).await;
        assert_eq!(server.database.count("grants").await, left);
    }
}

/// A sweep by a clock that was ahead does not keep later ones from what it has passed by.
#[tokio::test]
async fn a_clock_that_was_ahead_leaves_no_code() {
    let server = Server::start().await;
    server.app().store.sweep(server.clock.now() + std::time::Duration::from_hours(5)).await.unwrap();
    server.code_for(&Authorize::web().set("scope", "openid offline")).await;
    server.pass(41 * 60);
    sweep(&server).await;
    assert_eq!(server.database.count("grants").await, 0);
}

/// The walk along what may have been left unredeemed is made in stretches, reaches the end, and takes nothing else; a
/// process that begins anew looks a day back.
#[tokio::test]
async fn unused_codes_among_many_leave() {
    let database = Database::new().await;
    let server = Server::on(database.clone(), hydrant::clock::Clock::manual(), |_| {}).await;
    server.code_for(&Authorize::web().set("scope", "openid offline")).await;
    let columns = "client_id, subject, session_id, scope, audience, authenticated_at, amr, code_expires_at, \
                   code_failures, refresh_generation, created_at, ends_at, expires_at, unredeemed_until";
    for (bit, letter) in ('a'..='m').enumerate() {
        let double = format!("INSERT INTO grants (id, {columns}) SELECT id || '{letter}', {columns} FROM grants");
        assert_eq!(database.execute(&double).await, 1 << bit);
    }
    database.execute("UPDATE grants SET unredeemed_until = unredeemed_until + length(id)").await;
    let redeemed =
        database.execute("UPDATE grants SET code_redeemed_at = 1 WHERE id LIKE '%h%k%' OR id LIKE '%i'").await;
    server.pass(12 * 3600);
    let anew = Server::on(database.clone(), server.clock.clone(), |_| {}).await;
    let swept = sweep(&anew).await;
    let left = i64::try_from(redeemed).unwrap();
    assert!(left > 1000 && swept > 1000);
    assert_eq!(
        (database.count("grants").await, database.count("grants WHERE code_redeemed_at IS NULL").await),
        (left, 0)
    );
}

/// A grant that is refreshed lives on; its earlier refresh tokens are still known as used.
#[tokio::test]
async fn the_evidence_of_reuse_stays_as_long_as_the_grant() {
    let server = Server::start().await;
    let first = server.tokens_with("openid offline").await;
    let mut latest = first.clone();
    for _ in 0..3 {
        server.pass(20 * 86_400);
        sweep(&server).await;
        latest = server.refresh("web", latest.refresh()).await.tokens();
    }
    sweep(&server).await;
    assert_eq!(server.userinfo(&latest.access_token).await.status, 200);
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    assert_eq!(server.userinfo(&latest.access_token).await.status, 401, "the reuse was noticed");
    server.refresh("web", latest.refresh()).await.assert_error(400, "invalid_grant");
    sweep(&server).await;
    assert_eq!(server.database.count("grants").await, 1, "and it is remembered that it was");
}

/// A refresh token that nobody used any more: the row leaves after it.
#[tokio::test]
async fn an_idle_grant_leaves() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline").await;
    server.pass(30 * 86_400 - 1);
    sweep(&server).await;
    let tokens = server.refresh("web", tokens.refresh()).await.tokens();
    server.pass(30 * 86_400);
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    server.pass(86_400 * 2);
    sweep(&server).await;
    assert_eq!(server.database.count("grants").await, 0);
}

/// `ttl.grant`: however often it is refreshed, it ends; then it leaves.
#[tokio::test]
async fn a_grant_leaves_at_its_absolute_end() {
    let server = Server::with(|config| config.ttl.grant = std::time::Duration::from_hours(40 * 24)).await;
    let mut tokens = server.tokens_with("openid offline").await;
    server.pass(20 * 86_400);
    tokens = server.refresh("web", tokens.refresh()).await.tokens();
    server.pass(20 * 86_400 - 1);
    sweep(&server).await;
    tokens = server.refresh("web", tokens.refresh()).await.tokens();
    assert_eq!(server.userinfo(&tokens.access_token).await.status, 200);
    server.pass(1);
    assert_eq!(server.userinfo(&tokens.access_token).await.status, 401);
    sweep(&server).await;
    assert_eq!(server.database.count("grants").await, 0);
}

/// More than one batch leaves in one sweep; it says how many rows went.
#[tokio::test]
async fn many_rows_leave_in_batches() {
    let server = Server::start().await;
    let (store, now) = (&server.app().store, server.clock.now());
    let soon = now + std::time::Duration::from_mins(1);
    for number in 0..1201 {
        store.revoke_token(hydrant::id::TokenId::new(now), soon).await.unwrap();
        if number == 600 {
            store.revoke_token(hydrant::id::TokenId::new(now), soon + std::time::Duration::from_mins(1)).await.unwrap();
        }
    }
    remember(&server, "alice", Some(soon)).await;
    server.pass(60);
    assert_eq!(sweep(&server).await, 1202);
    assert_eq!(counts(&server).await, [0, 0, 0, 1, 0]);
    assert_eq!(sweep(&server).await, 0);
}

/// Two replicas sweep one database at once: nothing breaks, nothing stays.
#[tokio::test]
async fn two_servers_sweep_one_database() {
    let database = Database::new().await;
    let one = Server::on(database.clone(), hydrant::clock::Clock::manual(), |_| {}).await;
    let two = Server::on(database, one.clock.clone(), |_| {}).await;
    let later = one.clock.now() + std::time::Duration::from_mins(1);
    for _ in 0..300 {
        one.app().store.revoke_token(hydrant::id::TokenId::new(one.clock.now()), later).await.unwrap();
    }
    one.pass(60);
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let sweeps = [&one, &two].map(|server| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            sweep(server).await
        }
    });
    let swept: u64 = futures_util::future::join_all(sweeps).await.into_iter().sum();
    assert_eq!((swept, one.database.count("revoked_tokens").await), (300, 0));
}

//! What an operator's PostgreSQL may be set to: isolation, time zone, a role that may not change the schema. On SQLite there
//! is nothing of this to set, and those tests return at once. And keys that change between one token and the next.

use std::sync::Arc;
use std::time::Duration;

use hydrant::clock::Clock;
use hydrant::jose::Algorithm;
use hydrant::keys::{KeyUse, Purpose};

use crate::support::{Authorize, Database, Server, race, verify_with};

const RACERS: usize = 32;

/// The name of a PostgreSQL database, as statements write it.
fn name(database: &Database) -> Option<String> {
    database.is_postgres().then(|| database.dsn().rsplit_once('/').unwrap().1.to_owned())
}

/// DB-14: what is spent once is spent once at every isolation level; a conflict is tried again or told (503), never two
/// winners.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_14_one_winner_at_every_isolation_level() {
    for level in ["read committed", "repeatable read", "serializable"] {
        let database = Database::new().await;
        let Some(name) = name(&database) else { return };
        database.execute(&format!("ALTER DATABASE {name} SET default_transaction_isolation = '{level}'")).await;
        let clock = Clock::manual();
        let servers = [
            Arc::new(Server::on(database.clone(), clock.clone(), |_| {}).await),
            Arc::new(Server::on(database.clone(), clock, |_| {}).await),
        ];
        let code = servers[0].code_for(&Authorize::web().set("scope", "openid offline")).await;
        let answers = race(RACERS, |racer| {
            let (server, code) = (Arc::clone(&servers[racer % 2]), code.clone());
            async move { server.token(&code).await.status }
        })
        .await;
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{level}: {answers:?}");
        assert!(answers.iter().all(|status| [200, 400, 503].contains(status)), "{level}: {answers:?}");

        let tokens = servers[0].tokens_with("openid offline").await;
        let answers = race(RACERS, |racer| {
            let (server, token) = (Arc::clone(&servers[racer % 2]), tokens.refresh().to_owned());
            async move {
                let answer = server.refresh("web", &token).await;
                (answer.status, answer.json()["refresh_token"].as_str().map(str::to_owned))
            }
        })
        .await;
        assert!(answers.iter().all(|(status, _)| [200, 503].contains(status)), "{level}: {answers:?}");
        let mut successors: Vec<_> = answers.into_iter().filter_map(|(_, successor)| successor).collect();
        successors.dedup();
        assert_eq!(successors.len(), 1, "{level}: one live successor");
    }
}

/// DB-08: times are ours, whatever zone the database keeps.
#[tokio::test]
async fn db_08_the_databases_time_zone_does_not_matter() {
    let database = Database::new().await;
    let Some(name) = name(&database) else { return };
    database.execute(&format!("ALTER DATABASE {name} SET timezone = 'Asia/Kathmandu'")).await;
    let server = Server::on(database, Clock::manual(), |_| {}).await;
    let tokens = server.tokens_with("openid offline").await;
    assert_eq!(tokens.claims()["iat"], server.clock.now().seconds());
    server.pass(tokens.expires_in - 1);
    assert!(server.introspect(&tokens.access_token).await.active);
    server.pass(2);
    assert!(!server.introspect(&tokens.access_token).await.active);
}

/// DB-17: once migrated, the server needs no right to change the schema.
#[tokio::test]
async fn db_17_a_role_without_ddl_is_enough() {
    let database = Database::new().await;
    let Some(name) = name(&database) else { return };
    let role = format!("role_{name}");
    for statement in [
        format!("CREATE ROLE {role} LOGIN"),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"),
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC".to_owned(),
    ] {
        database.execute(&statement).await;
    }
    let dsn = database.dsn().replace("postgres@", &format!("{role}@"));
    assert_ne!(dsn, database.dsn());
    let server = Server::on(database, Clock::manual(), |config| {
        config.database.dsn = hydrant::secret::Secret::new(dsn);
    })
    .await;
    let tokens = server.tokens_with("openid offline").await;
    let next = server.refresh("web", tokens.refresh()).await.tokens();
    assert_eq!(server.revoke("web", next.refresh()).await.status, 200);
    assert!(server.app().store.sweep(server.clock.now() + Duration::from_hours(24 * 400)).await.unwrap() > 0);
}

/// CO-10, in turns and not at once: across rotations by either replica every token verifies against what both publish when
/// it is issued, and earlier tokens go on doing so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn co_10_in_turns_tokens_verify_across_rotations() {
    let (database, clock) = (Database::new().await, Clock::manual());
    let servers =
        [Server::on(database.clone(), clock.clone(), |_| {}).await, Server::on(database, clock.clone(), |_| {}).await];
    let mut browsers = [servers[0].signed_in("alice").await, servers[1].signed_in("alice").await];
    let mut kids = std::collections::HashSet::new();
    let mut issued = Vec::new();
    for round in 0..6 {
        let rotating = &servers[round % 2];
        let rs256 = Purpose::Sign(KeyUse::IdToken, Algorithm::Rs256);
        rotating.app().keys.rotate(&rotating.app().store, rs256, clock.now()).await.unwrap();
        for (server, browser) in servers.iter().zip(&mut browsers) {
            // What the replicas tell each other arrives in its own time; a relying party reads the keys when it gets a token.
            let code = browser.code(&Authorize::web(), "alice").await;
            let token = server.token(&code).await.tokens().id_token.unwrap();
            for publisher in &servers {
                let (header, _) = verify_with(&publisher.jwks().await, &token, &server.issuer, "web");
                kids.insert(header.kid.unwrap());
            }
            issued.push((token, server.issuer.clone()));
        }
        for (token, issuer) in &issued {
            verify_with(&servers[0].jwks().await, token, issuer, "web");
        }
        clock.pass(Duration::from_mins(6));
        for server in &servers {
            server.app().keys.load(&server.app().store, clock.now()).await.unwrap();
        }
    }
    assert!(kids.len() > 1, "no key took over: {kids:?}");
}

/// A migration by the next version adds columns while this one serves: what it has prepared is prepared anew, and at most
/// the request that finds out is told to come back.
#[tokio::test]
async fn a_migration_under_way_is_survived() {
    let server = Server::start().await;
    let database = &server.database;
    if !database.is_postgres() {
        return;
    }
    let first = server.tokens_with("openid offline").await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    for table in ["clients", "users", "sessions", "consents", "grants", "keys"] {
        database.execute(&format!("ALTER TABLE {table} ADD COLUMN of_the_next_version BIGINT")).await;
    }
    server.forget_client("web").await;
    let mut told_to_come_back = 0;
    let mut tokens = second;
    for _ in 0..40 {
        let answer = server.refresh("web", tokens.refresh()).await;
        match answer.status {
            200 => tokens = answer.tokens(),
            503 => told_to_come_back += 1,
            _ => panic!("{} {}", answer.status, answer.body),
        }
        let again = server.browser().authorize(&Authorize::web()).await;
        told_to_come_back += u32::from(again.status == 503);
    }
    assert!(told_to_come_back <= 4, "{told_to_come_back} of 80");
    assert!(server.introspect(&tokens.access_token).await.active);
    server.tokens_with("openid").await;
}

/// A plan that is made while a table is all but empty is kept when it has grown: none of those on the hot paths may read a
/// whole table, however small.
#[tokio::test]
async fn hot_statements_read_by_index_from_the_first_on() {
    let server = Server::start().await;
    if !server.database.is_postgres() {
        return;
    }
    for _ in 0..8 {
        let tokens = server.tokens_with("openid offline").await;
        assert!(server.introspect(&tokens.access_token).await.active);
        server.refresh("web", tokens.refresh()).await.tokens();
    }
    // A connection tells of what it has read once it has been idle for a while.
    let whole = "SELECT CAST(COALESCE(sum(seq_scan), 0) AS TEXT) || ' of ' || CAST(COALESCE(sum(idx_scan), 0) AS TEXT)
                   FROM pg_stat_user_tables WHERE relname IN ('grants', 'interactions', 'sessions', 'consents')";
    let mut told = String::new();
    for _ in 0..100 {
        told = server.database.column(whole).await.remove(0);
        if !told.ends_with(" of 0") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(told.starts_with("0 of ") && !told.ends_with(" of 0"), "whole tables read: {told} by index");
}

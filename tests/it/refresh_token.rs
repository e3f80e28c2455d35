//! The refresh token grant through HTTP: RFC 6749 section 6, RFC 9700 section 4.14.

use std::time::Duration;

use hydrant::clock::Clock;
use hydrant::config::ScopeStrategy;
use serde_json::json;

use crate::support::{Authorize, Database, Server, Tokens, VERIFIER};

const OFFLINE: &str = "openid offline profile email";

async fn narrowed(server: &Server, token: &str, scope: &str) -> crate::support::Answer {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
    server.post_as("web", "/oauth2/token", &fields).await
}

async fn assert_dead(server: &Server, tokens: &[&Tokens]) {
    for tokens in tokens {
        assert!(!server.introspect(&tokens.access_token).await.active);
        assert!(!server.introspect(tokens.refresh()).await.active);
    }
}

/// RFC 9700 section 4.14.2: a new one each time, and what came with the old one ends with it.
#[tokio::test]
async fn rt_01_a_refresh_rotates() {
    let server = Server::start().await;
    let first = server.tokens_with(OFFLINE).await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    assert_ne!(first.refresh(), second.refresh());
    assert_ne!(first.access_token, second.access_token);
    assert_eq!(second.scope, OFFLINE);
    assert_dead(&server, &[&first]).await;
    assert!(server.introspect(&second.access_token).await.active);
    // OpenID Connect Core section 12.2: the same person, client and login; no nonce.
    let (before, after) = (first.claims(), second.claims());
    for claim in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(before[claim], after[claim], "{claim}");
    }
    assert!(!after.contains_key("nonce"));
}

/// RFC 9700 section 4.14.2, RFC 6819 section 5.2.2.3: who has an old token is not the client.
#[tokio::test]
async fn rt_02_reuse_of_a_spent_token_kills_the_family() {
    let server = Server::start().await;
    let first = server.tokens_with(OFFLINE).await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    let third = server.refresh("web", second.refresh()).await.tokens();
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &[&first, &second, &third]).await;
    server.refresh("web", third.refresh()).await.assert_error(400, "invalid_grant");
}

/// RT-03: the refusal of the reuse does not take its revocation back.
#[tokio::test]
async fn rt_03_the_revocation_outlives_the_refusal_and_the_process() {
    let mut server = Server::start().await;
    let first = server.tokens_with(OFFLINE).await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    server.pass(11);
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    server.stop().await;
    server.resume().await;
    assert_dead(&server, &[&first, &second]).await;
    server.refresh("web", second.refresh()).await.assert_error(400, "invalid_grant");
}

/// A lost answer or two tabs do no harm: the same successor again, for ten seconds, and then it is reuse.
#[tokio::test]
async fn rt_05_a_repeat_within_the_grace_gets_the_same_successor() {
    let server = Server::start().await;
    let first = server.tokens_with(OFFLINE).await;
    let lost = server.refresh("web", first.refresh()).await.tokens();
    server.pass(10);
    let again = server.refresh("web", first.refresh()).await.tokens();
    assert_eq!(lost.refresh(), again.refresh());
    assert!(server.introspect(&again.access_token).await.active);
    server.pass(1);
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &[&lost, &again]).await;
}

/// The grace ends with the use of the successor: who comes with the old token then is somebody else.
#[tokio::test]
async fn rt_05_the_grace_ends_when_the_successor_is_used() {
    let server = Server::start().await;
    let first = server.tokens_with(OFFLINE).await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    let third = server.refresh("web", second.refresh()).await.tokens();
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &[&third]).await;
}

/// Without a grace every repeat is reuse.
#[tokio::test]
async fn rt_06_without_a_grace_a_repeat_is_reuse() {
    let server = Server::with(|config| config.oauth2.refresh_grace = Duration::ZERO).await;
    let first = server.tokens_with(OFFLINE).await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &[&second]).await;
}

/// CVE-2026-9802: what was spent stays spent over a restart.
#[tokio::test]
async fn rt_07_a_restart_forgets_nothing() {
    let mut server = Server::start().await;
    let first = server.tokens_with(OFFLINE).await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    let third = server.refresh("web", second.refresh()).await.tokens();
    server.stop().await;
    server.resume().await;
    assert!(server.introspect(&third.access_token).await.active);
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &[&third]).await;
}

/// RFC 6749 section 6: the token is bound to its client, and another's attempt is no reuse.
#[tokio::test]
async fn rt_08_another_clients_refresh_token_is_refused_and_not_spent() {
    let server = Server::start().await;
    let first = server.tokens_with(OFFLINE).await;
    server.refresh("evil", first.refresh()).await.assert_error(400, "invalid_grant");
    server.refresh("spa", first.refresh()).await.assert_error(400, "invalid_grant");
    let second = server.refresh("web", first.refresh()).await.tokens();
    server.pass(60);
    server.refresh("evil", first.refresh()).await.assert_error(400, "invalid_grant");
    assert!(server.introspect(&second.access_token).await.active);
}

/// RFC 9700 section 2.2.2: the refresh tokens of public clients rotate.
#[tokio::test]
async fn rt_10_a_public_clients_refresh_token_rotates() {
    let server = Server::start().await;
    let request = Authorize::of("spa", "https://spa.example/cb").set("scope", OFFLINE);
    let code = server.code_for(&request).await;
    let first = server.redeem("spa", &code, "https://spa.example/cb", Some(VERIFIER)).await.tokens();
    let second = server.refresh("spa", first.refresh()).await.tokens();
    assert_ne!(first.refresh(), second.refresh());
    server.pass(11);
    server.refresh("spa", first.refresh()).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &[&second]).await;
}

/// RFC 6749 section 6: never more than what was granted, and asking for it spends nothing. RT-12: less is fine, and the
/// next refresh may have the whole again.
#[tokio::test]
async fn rt_11_a_scope_may_narrow_and_never_widen() {
    let server = Server::start().await;
    let first = server.tokens_with("openid offline email").await;
    for scope in ["openid profile email admin", "openid offline email profile", "admin", "openid\u{7f}", "\""] {
        let answer = narrowed(&server, first.refresh(), scope).await;
        assert_eq!(answer.error(), (400, "invalid_scope".to_owned()), "{scope}");
    }
    assert!(server.introspect(&first.access_token).await.active, "spent");
    let second = narrowed(&server, first.refresh(), "openid").await.tokens();
    assert_eq!(second.scope, "openid");
    assert_eq!(server.introspect(&second.access_token).await.rest["scope"], "openid");
    let subject = server.subject("alice").await;
    assert_eq!(server.userinfo(&second.access_token).await.json(), json!({ "sub": subject }));
    let third = narrowed(&server, second.refresh(), "email").await.tokens();
    assert_eq!((third.scope.as_str(), third.id_token.is_none()), ("email", true));
    assert_eq!(server.userinfo(&third.access_token).await.error(), (403, "insufficient_scope".to_owned()));
    let fourth = server.refresh("web", third.refresh()).await.tokens();
    assert_eq!(fourth.scope, "openid offline email");
}

/// Hydra re-checks the registration at every refresh; what the client has lost is refused, and nothing is spent.
#[tokio::test]
async fn rt_13_what_the_client_has_lost_can_not_be_refreshed() {
    let server = Server::start().await;
    let first = server.tokens_with("openid offline email").await;
    server.pass(5);
    server.change_client("web", |client| client["scope"] = json!("openid offline")).await;
    server.refresh("web", first.refresh()).await.assert_error(400, "invalid_scope");
    server.change_client("web", |client| client["grant_types"] = json!(["authorization_code"])).await;
    server.refresh("web", first.refresh()).await.assert_error(400, "unauthorized_client");
    server
        .change_client("web", |client| {
            client["scope"] = json!("openid offline email");
            client["grant_types"] = json!(["authorization_code", "refresh_token"]);
        })
        .await;
    let second = server.refresh("web", first.refresh()).await.tokens();
    // A part that it still has, it may have.
    server.change_client("web", |client| client["scope"] = json!("openid offline")).await;
    assert_eq!(narrowed(&server, second.refresh(), "openid").await.tokens().scope, "openid");
}

/// The same where the operator reads registered scopes more narrowly now: the first refresh and the later ones.
#[tokio::test]
async fn rt_13_what_the_configuration_has_taken_can_not_be_refreshed() {
    let database = Database::new().await;
    let wildcard = Server::on(database.clone(), Clock::manual(), |config| {
        config.strategies.scope = ScopeStrategy::Wildcard;
    })
    .await;
    wildcard.change_client("web", |client| client["scope"] = json!("openid offline photos.*")).await;
    wildcard.pass(3600);
    let mut tokens = wildcard.tokens_with("openid offline photos.read").await;
    let exact = Server::on(database, wildcard.clock.clone(), |config| {
        config.strategies.scope = ScopeStrategy::Exact;
    })
    .await;
    for _ in 0..2 {
        exact.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_scope");
        tokens = wildcard.refresh("web", tokens.refresh()).await.tokens();
    }
}

/// A disabled person has no live tokens (RT-15), nor a deleted one.
#[tokio::test]
async fn rt_15_a_disabled_person_can_not_be_refreshed() {
    let server = Server::start().await;
    for (method, body) in [
        (reqwest::Method::PUT, Some(json!({ "username": "alice", "email": "alice@example.com", "disabled": true }))),
        (reqwest::Method::DELETE, None),
    ] {
        let username = if body.is_some() { "alice" } else { "bob" };
        let request = Authorize::web().set("scope", OFFLINE);
        let code = server.browser().code(&request, username).await;
        let tokens = server.token(&code).await.tokens();
        let subject = server.subject(username).await;
        let answer = server.admin(method, &format!("/users/{subject}"), body.as_ref()).await;
        assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.body);
        server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
        assert_dead(&server, &[&tokens]).await;
        assert_eq!(server.userinfo(&tokens.access_token).await.error(), (401, "invalid_token".to_owned()));
    }
}

/// design.md section 9: a logout takes the session's tokens with it, but not what was meant to outlive it
/// (OpenID Connect Core section 11); and never another person's.
#[tokio::test]
async fn rt_16_a_logout_takes_what_was_not_offline() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let online = browser.code(&Authorize::web().set("scope", "openid"), "alice").await;
    let online = server.token(&online).await.tokens();
    let offline = browser.code(&Authorize::web().set("scope", "openid offline_access"), "alice").await;
    let offline = server.token(&offline).await.tokens();
    let bob = server.browser().code(&Authorize::web().set("scope", "openid"), "bob").await;
    let bob = server.token(&bob).await.tokens();
    assert!(online.refresh_token.is_none());
    let hint = online.id_token.as_deref().unwrap();
    browser.get(&server.url(&format!("/oauth2/sessions/logout?id_token_hint={hint}"))).await;
    assert!(!server.introspect(&online.access_token).await.active);
    assert!(server.introspect(&bob.access_token).await.active);
    assert!(server.introspect(&offline.access_token).await.active);
    server.refresh("web", offline.refresh()).await.tokens();
}

/// RFC 9700 section 4.14.2: unused for too long, and at the absolute end however often it was used.
#[tokio::test]
async fn rt_17_a_refresh_token_ends_when_idle_and_absolutely() {
    let day = 24 * 3600;
    let server = Server::with(|config| {
        config.ttl.refresh_token = Some(Duration::from_secs(7 * day));
        config.ttl.grant = Duration::from_secs(20 * day);
    })
    .await;
    let idle = server.tokens_with(OFFLINE).await;
    let mut used = server.tokens_with(OFFLINE).await;
    let ends = server.clock.now().seconds() + i64::try_from(20 * day).unwrap();
    server.pass(7 * day - 1);
    assert!(server.introspect(idle.refresh()).await.active);
    server.pass(1);
    server.refresh("web", idle.refresh()).await.assert_error(400, "invalid_grant");
    assert!(!server.introspect(idle.refresh()).await.active);
    server.refresh("web", used.refresh()).await.assert_error(400, "invalid_grant");

    used = server.tokens_with(OFFLINE).await;
    let ends = ends + i64::try_from(7 * day).unwrap();
    for _ in 0..3 {
        server.pass(6 * day);
        used = server.refresh("web", used.refresh()).await.tokens();
        assert!(server.introspect(used.refresh()).await.rest["exp"].as_i64().unwrap() <= ends);
    }
    // The last hour of the grant is also the last of its access tokens.
    server.pass(2 * day - 60);
    let last = server.refresh("web", used.refresh()).await.tokens();
    assert!(last.expires_in <= 60, "{}", last.expires_in);
    server.pass(60);
    server.refresh("web", last.refresh()).await.assert_error(400, "invalid_grant");
    assert_dead(&server, &[&last]).await;
}

/// OpenID Connect Core section 11: only to who asks for it and may have it.
#[tokio::test]
async fn rt_19_no_refresh_token_unless_it_is_asked_for() {
    let server = Server::start().await;
    assert!(server.tokens_with("openid email").await.refresh_token.is_none());
    for scope in ["openid offline", "openid offline_access", "offline"] {
        assert!(server.tokens_with(scope).await.refresh_token.is_some(), "{scope}");
    }
    server.change_client("web", |client| client["grant_types"] = json!(["authorization_code"])).await;
    assert!(server.tokens_with("openid offline").await.refresh_token.is_none());
}

/// OpenID Connect Core section 11: offline access takes a consent. The person's own, and where they leave it out there is
/// none; or that of the operator, who alone can mark a client as first-party.
#[tokio::test]
async fn rt_20_offline_access_takes_a_consent() {
    let server = Server::start().await;
    let request = Authorize::web().set("scope", "openid offline_access");
    let mut browser = server.browser();
    let page = browser.authorize(&request).await;
    let page = browser.login(&page, "alice", crate::support::PASSWORD, false).await;
    let code = browser.consent(&page, &["openid"], false).await.parameter("code").unwrap();
    let tokens = server.token(&code).await.tokens();
    assert_eq!((tokens.scope.as_str(), tokens.refresh_token), ("openid", None));

    server.change_client("web", |client| client["skip_consent"] = json!(true)).await;
    let first_party = browser.authorize(&request).await.parameter("code").unwrap();
    assert!(server.token(&first_party).await.tokens().refresh_token.is_some());
}

/// RFC 6749 section 10.4: a refresh token can not be guessed, nor made from another, nor be of another kind.
#[tokio::test]
async fn rt_22_every_changed_byte_of_a_refresh_token_is_refused() {
    let server = Server::start().await;
    let elsewhere = Server::start().await.tokens_with(OFFLINE).await;
    let code = server.code_for(&Authorize::web().set("scope", OFFLINE)).await;
    let first = server.token(&code).await.tokens();
    let token = first.refresh();
    server.refresh("web", "").await.assert_error(400, "invalid_request");
    let mut wrong = vec![
        "x".to_owned(),
        "a".repeat(30_000),
        token[..token.len() - 1].to_owned(),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}A"),
        format!("{token}="),
        first.access_token.clone(),
        first.id_token.clone().unwrap(),
        code,
        elsewhere.refresh().to_owned(),
        first.access_token.replacen("hya_", "hyr_", 1),
    ];
    wrong.extend((0..token.len()).map(|at| {
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &token[..at], &token[at + 1..])
    }));
    for wrong in &wrong {
        let answer = server.refresh("web", wrong).await;
        assert_eq!(answer.error(), (400, "invalid_grant".to_owned()), "{wrong}");
    }
    server.refresh("web", token).await.tokens();
}

//! Audience and resource (Hydra's `audience`, RFC 8707), scope strategies, and lifetimes by client and grant type.

use hydrant::config::ScopeStrategy;
use serde_json::{Value, json};

use crate::support::{Authorize, Server, Tokens, VERIFIER};

const URI: &str = "https://rp.example/cb";
const API: &str = "https://api.example/v1";
const OTHER: &str = "https://other.example";

async fn redeem(server: &Server, client: &str, request: &Authorize, more: &[(&str, &str)]) -> crate::support::Answer {
    let code = server.browser().code(request, "alice").await;
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", URI),
        ("code_verifier", VERIFIER),
    ];
    fields.extend(more);
    server.post_as(client, "/oauth2/token", &fields).await
}

async fn aud(server: &Server, tokens: &Tokens) -> Value {
    server.introspect(&tokens.access_token).await.rest["aud"].clone()
}

/// RFC 8707 section 2.2: at the token endpoint, these alone of those that were granted; and the code is not spent by asking
/// for more.
#[tokio::test]
async fn a_resource_narrows_and_never_widens() {
    let server = Server::start().await;
    server.front_client("api", json!({})).await;
    let both =
        Authorize::of("api", URI).set("scope", "openid offline_access").add("resource", API).add("resource", OTHER);
    let all = redeem(&server, "api", &both, &[]).await.tokens();
    assert_eq!(aud(&server, &all).await, json!([API, OTHER]));
    let one = redeem(&server, "api", &both, &[("resource", OTHER)]).await.tokens();
    assert_eq!(aud(&server, &one).await, json!([OTHER]));
    let refreshed = server.refresh("api", one.refresh()).await.tokens();
    assert_eq!(aud(&server, &refreshed).await, json!([API, OTHER]), "a refresh that names none has what was granted");

    let only = Authorize::of("api", URI).set("scope", "openid offline_access").add("resource", API);
    let code = server.browser().code(&only, "alice").await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", URI),
        ("code_verifier", VERIFIER),
    ];
    let more: Vec<_> = fields.iter().copied().chain([("resource", OTHER)]).collect();
    server.post_as("api", "/oauth2/token", &more).await.assert_error(400, "invalid_target");
    let tokens = server.post_as("api", "/oauth2/token", &fields).await.tokens();
    let more = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("resource", OTHER)];
    server.post_as("api", "/oauth2/token", &more).await.assert_error(400, "invalid_target");
    server.refresh("api", tokens.refresh()).await.tokens();
}

/// A consent that is remembered covers the audience that it was given for, and no other.
#[tokio::test]
async fn a_remembered_consent_covers_its_audience() {
    let server = Server::start().await;
    server.front_client("api", json!({})).await;
    let ask = |audience: &str| Authorize::of("api", URI).set("audience", audience);
    let mut browser = server.browser();
    browser.journey(&ask(API), "alice").await;
    assert!(browser.authorize(&ask(API)).await.parameter("code").is_some());
    assert!(browser.authorize(&Authorize::of("api", URI)).await.parameter("code").is_some(), "less is covered");
    assert!(browser.authorize(&ask(OTHER)).await.has_field("consent_challenge"));
    browser.journey(&ask(OTHER), "alice").await;
    let both = format!("{API} {OTHER}");
    assert!(browser.authorize(&ask(&both)).await.parameter("code").is_some(), "both are remembered");
}

/// `strategies.scope`: exact, wildcard, hierarchic.
#[tokio::test]
async fn scope_strategies() {
    for (strategy, allowed, refused) in [
        (ScopeStrategy::Exact, vec!["photos", "files.*"], vec!["photos.read", "files.read", "photosx"]),
        (
            ScopeStrategy::Wildcard,
            vec!["photos", "files.read", "files.read.own"],
            vec!["photos.read", "files", "files."],
        ),
        (
            ScopeStrategy::Hierarchic,
            vec!["photos", "photos.read", "photos.read.own"],
            vec!["photosx", "photos.", "files.read", "phot"],
        ),
    ] {
        let server = Server::with(|config| config.strategies.scope = strategy).await;
        let client = json!({ "grant_types": ["client_credentials"], "response_types": [], "scope": "photos files.*" });
        server.client("s", client).await;
        let ask = async |scope: &str| {
            server.post_as("s", "/oauth2/token", &[("grant_type", "client_credentials"), ("scope", scope)]).await
        };
        for scope in allowed {
            assert_eq!(ask(scope).await.tokens().scope, scope, "{strategy:?}");
        }
        for scope in refused {
            ask(scope).await.assert_error(400, "invalid_scope");
        }
    }
}

/// hydra.md section 1.12: each of the client's own lifespans goes before `ttl.*`.
#[tokio::test]
async fn a_client_has_lifetimes_of_its_own() {
    let server = Server::start().await;
    let own = json!({
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "authorization_code_grant_access_token_lifespan": "1m", "authorization_code_grant_id_token_lifespan": "2m",
        "authorization_code_grant_refresh_token_lifespan": "3m", "refresh_token_grant_access_token_lifespan": "4m",
        "refresh_token_grant_id_token_lifespan": "5m", "refresh_token_grant_refresh_token_lifespan": "6m",
        "client_credentials_grant_access_token_lifespan": "7m",
    });
    server.front_client("own", own).await;
    let life = |tokens: &Tokens| {
        let claims = tokens.claims();
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };
    let ask = Authorize::of("own", URI).set("scope", "openid offline_access");
    let first = redeem(&server, "own", &ask, &[]).await.tokens();
    assert_eq!((first.expires_in, life(&first)), (60, 120));
    server.pass(179);
    let second = server.refresh("own", first.refresh()).await.tokens();
    assert_eq!((second.expires_in, life(&second)), (240, 300));
    server.pass(359);
    let third = server.refresh("own", second.refresh()).await.tokens();
    server.pass(361);
    server.refresh("own", third.refresh()).await.assert_error(400, "invalid_grant");
    assert_eq!(server.client_tokens("own", &[]).await.expires_in, 420);
    let stale = redeem(&server, "own", &ask, &[]).await.tokens();
    server.pass(181);
    server.refresh("own", stale.refresh()).await.assert_error(400, "invalid_grant");
}

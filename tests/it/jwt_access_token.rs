//! JWT access tokens: RFC 9068, as alive and as revocable as sealed ones.

use hydrant::config::{AccessTokenStrategy, ScopeClaim};
use hydrant::jose::{Algorithm, Expect, KeySet, SigningKey};
use serde_json::{Map, Value, json};

use crate::support::{Authorize, Server, Tokens, VERIFIER, unverified};

const URI: &str = "https://rp.example/cb";

async fn server() -> Server {
    let server = Server::start().await;
    server.front_client("jwt", json!({ "access_token_strategy": "jwt" })).await;
    let robot = json!({
        "grant_types": ["client_credentials"], "response_types": [], "scope": "photos.read",
        "audience": ["https://api.example/v1"], "access_token_strategy": "jwt",
    });
    server.client("robot", robot).await;
    server
}

async fn tokens(server: &Server, request: &Authorize) -> Tokens {
    let code = server.browser().code(request, "alice").await;
    server.redeem("jwt", &code, URI, Some(VERIFIER)).await.tokens()
}

fn request() -> Authorize {
    Authorize::of("jwt", URI).set("scope", "openid offline_access photos.read")
}

/// As a resource server checks it (RFC 9068 section 4).
async fn verified(server: &Server, token: &str) -> Map<String, Value> {
    let set = KeySet::parse(server.jwks().await.to_string().as_bytes()).unwrap();
    set.verify(token, &Expect { algs: &Algorithm::ALL, typ: &["at+jwt"], typ_optional: false }).unwrap().claims
}

/// RFC 9068 section 2: header and claims.
#[tokio::test]
async fn it_says_what_rfc_9068_says() {
    let server = server().await;
    let given = tokens(&server, &request().set("audience", "https://api.example/v1")).await;
    let header = unverified(&given.access_token, 0);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("RS256")));
    let claims = verified(&server, &given.access_token).await;
    let (id, now) = (given.claims(), server.clock.now().seconds());
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!(server.issuer), &id["sub"]));
    assert_eq!((&claims["aud"], &claims["client_id"]), (&json!(["https://api.example/v1"]), &json!("jwt")));
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(now), &json!(now + 3600)));
    assert_eq!(claims["scope"], "openid offline_access photos.read");
    assert_eq!(claims["scp"], json!(["openid", "offline_access", "photos.read"]), "Hydra's list of the same");
    assert_eq!((&claims["acr"], &claims["amr"], &claims["auth_time"]), (&id["acr"], &id["amr"], &id["auth_time"]));
    assert!(claims["jti"].is_string() && claims.values().all(|value| !value.is_null()), "{claims:?}");
    let other = tokens(&server, &request()).await;
    assert_ne!(unverified(&other.access_token, 1)["jti"], claims["jti"]);
    // Without an audience it is for the server itself: a client's own ID tokens have its id there.
    assert_eq!(unverified(&other.access_token, 1)["aud"], json!([server.issuer]));
    assert_ne!(unverified(given.id_token.as_deref().unwrap(), 0)["kid"], header["kid"], "JK-10");
    assert!(given.refresh_token.as_deref().unwrap().starts_with("hyr_"), "refresh tokens stay sealed");
}

/// `strategies.*`: the server's default, the client's own choice, where the scope stands, what signs.
#[tokio::test]
async fn the_strategies_are_the_operators() {
    for (claim, scope, scp) in [(ScopeClaim::List, false, true), (ScopeClaim::String, true, false)] {
        let server = Server::with(|config| {
            config.strategies.access_token = AccessTokenStrategy::Jwt;
            config.strategies.scope_claim = claim;
            config.strategies.access_token_alg = "ES256".to_owned();
        })
        .await;
        server.front_client("sealed", json!({ "access_token_strategy": "opaque" })).await;
        let given = server.tokens_with("openid photos.read").await;
        let claims = verified(&server, &given.access_token).await;
        assert_eq!((claims.contains_key("scope"), claims.contains_key("scp")), (scope, scp));
        assert_eq!(unverified(&given.access_token, 0)["alg"], "ES256");
        assert!(server.introspect(&given.access_token).await.active);
        let code = server.browser().code(&Authorize::of("sealed", URI), "alice").await;
        let opaque = server.redeem("sealed", &code, URI, Some(VERIFIER)).await.tokens();
        assert!(opaque.access_token.starts_with("hya_"));
    }
}

/// Introspection and userinfo take it like a sealed one.
#[tokio::test]
async fn it_is_taken_wherever_a_sealed_one_is() {
    let server = server().await;
    let given = tokens(&server, &request().set("scope", "openid email")).await;
    let told = server.userinfo(&given.access_token).await.json();
    assert_eq!(told["email"], "alice@example.com");
    let introspected = server.introspect(&given.access_token).await;
    let claims = verified(&server, &given.access_token).await;
    assert!(introspected.active);
    for name in ["sub", "client_id", "exp", "iat", "iss"] {
        assert_eq!(introspected.rest[name], claims[name], "{name}");
    }
    assert_eq!(
        (&introspected.rest["scope"], &introspected.rest["token_use"]),
        (&json!("openid email"), &json!("access_token"))
    );
    let own = server.client_tokens("robot", &[("scope", "photos.read"), ("audience", "https://api.example/v1")]).await;
    let claims = verified(&server, &own.access_token).await;
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("robot"), &json!(["https://api.example/v1"])));
    assert!(!claims.contains_key("auth_time") && !claims.contains_key("gid"));
    assert!(server.introspect(&own.access_token).await.active);
    assert_eq!(server.userinfo(&own.access_token).await.error(), (401, "invalid_token".to_owned()));
}

/// It ends in every way in which a sealed one does: time, revocation, rotation, its grant, its client, its session.
#[tokio::test]
async fn it_ends_like_a_sealed_one() {
    let server = server().await;
    let active = async |token: &str| server.introspect(token).await.active;
    let first = tokens(&server, &request()).await;
    let second = server.refresh("jwt", first.refresh()).await.tokens();
    assert!(!active(&first.access_token).await && active(&second.access_token).await, "RT-01");
    assert_eq!(server.revoke("jwt", &second.access_token).await.status, 200);
    assert!(!active(&second.access_token).await);
    server.refresh("jwt", second.refresh()).await.assert_error(400, "invalid_grant");

    let own = server.client_tokens("robot", &[]).await;
    let kept = server.client_tokens("robot", &[]).await;
    assert_eq!(server.revoke("web", &own.access_token).await.error(), (400, "unauthorized_client".to_owned()));
    assert_eq!(server.revoke("robot", &own.access_token).await.status, 200);
    assert!(!active(&own.access_token).await && active(&kept.access_token).await);

    let third = tokens(&server, &request()).await;
    server.pass(3601);
    assert!(!active(&third.access_token).await && !active(&kept.access_token).await);
    let last = server.client_tokens("robot", &[]).await;
    server.delete_client("robot").await;
    assert!(!active(&last.access_token).await);
}

/// CA-25 and RFC 9068 section 4: what was signed for something else, or by somebody else, is no access token.
#[tokio::test]
async fn nothing_else_is_an_access_token() {
    let server = server().await;
    let given = tokens(&server, &request()).await;
    let claims = verified(&server, &given.access_token).await;
    let (stranger, _) = SigningKey::generate(Algorithm::Rs256).unwrap();
    let forged = stranger.sign("at+jwt", &claims).unwrap();
    let unsigned = hydrant::jose::unsecured("at+jwt", &claims).unwrap();
    let mut parts: Vec<_> = given.access_token.split('.').collect();
    let empty = format!("{}.{}.", parts[0], parts[1]);
    parts.swap(0, 1);
    let swapped = parts.join(".");
    for token in [given.id_token.as_deref().unwrap(), &forged, &unsigned, &empty, &swapped, "a.b.c", ".."] {
        assert!(!server.introspect(token).await.active, "{token}");
        assert_eq!(server.userinfo(token).await.status, 401, "{token}");
    }
    // And an access token is no hint.
    let hint = Authorize::web().set("id_token_hint", &given.access_token);
    server.assert_back(&hint, "invalid_request").await;
}

/// Less than was granted stands in the token itself, and introspection says the same.
#[tokio::test]
async fn a_narrowed_one_says_so() {
    let server = server().await;
    let first = tokens(&server, &request().set("audience", "https://api.example/v1 https://other.example")).await;
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", first.refresh()),
        ("scope", "photos.read"),
        ("resource", "https://other.example"),
    ];
    let narrowed = server.post_as("jwt", "/oauth2/token", &fields).await.tokens();
    let claims = verified(&server, &narrowed.access_token).await;
    assert_eq!((&claims["scope"], &claims["aud"]), (&json!("photos.read"), &json!(["https://other.example"])));
    let introspected = server.introspect(&narrowed.access_token).await.rest;
    assert_eq!(
        (&introspected["scope"], &introspected["aud"]),
        (&json!("photos.read"), &json!(["https://other.example"]))
    );
}

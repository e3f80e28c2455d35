//! The JWT bearer grant through HTTP: RFC 7523 section 2.1. What comes of an assertion that is good, and how long it lasts;
//! which assertions are good is in `jwt_bearer_assertion.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hydrant::jose::{Algorithm, Expect, KeySet};
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin_trusted_issuers::{ISSUERS, trust};
use crate::support::signer::Signer;
use crate::support::{Answer, Database, PASSWORD, Server, Tokens};

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub const ISSUER: &str = "https://idp.example";

/// A client of the grant, `exchanger`, and an issuer that is trusted for `alice`.
pub async fn setting(server: &Server) -> Signer {
    exchanger(server, "exchanger", json!({})).await;
    let signer = Signer::es256();
    trust(server, &signer, json!({ "scope": ["photos.read", "openid", "offline"] })).await;
    signer
}

pub async fn exchanger(server: &Server, id: &str, changes: Value) {
    let mut client = json!({
        "grant_types": [GRANT], "response_types": [], "scope": "openid offline photos.read photos.write",
        "audience": ["https://api.example/v1"],
    });
    client.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    server.client(id, client).await;
}

/// The claims of a good assertion.
pub fn claims(server: &Server) -> Value {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let now = server.clock.now().seconds();
    json!({
        "iss": ISSUER, "sub": "alice", "aud": server.issuer, "iat": now, "exp": now + 300,
        "jti": format!("jti-{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
    })
}

pub async fn exchange(server: &Server, client: &str, assertion: &str, more: &[(&str, &str)]) -> Answer {
    let fields = [&[("grant_type", GRANT), ("assertion", assertion)][..], more].concat();
    server.post_as(client, "/oauth2/token", &fields).await
}

async fn tokens(server: &Server, signer: &Signer, scope: &str) -> Tokens {
    exchange(server, "exchanger", &signer.sign(&claims(server)), &[("scope", scope)]).await.tokens()
}

/// RFC 7521 section 4.1: an access token for the subject of the assertion, and nothing else; nobody has signed in.
#[tokio::test]
async fn an_assertion_is_exchanged_for_a_token_of_its_subject() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    let given = tokens(&server, &signer, "openid offline photos.read").await;
    assert!(given.id_token.is_none() && given.refresh_token.is_none());
    assert_eq!((given.scope.as_str(), given.token_type.as_str(), given.expires_in), ("photos.read", "bearer", 3600));
    assert!(given.access_token.starts_with("hya_"));
    let told = server.introspect(&given.access_token).await;
    assert!(told.active);
    let now = server.clock.now().seconds();
    for (name, expected) in [
        ("sub", json!("alice")),
        ("client_id", json!("exchanger")),
        ("scope", json!("photos.read")),
        ("aud", json!([])),
        ("iat", json!(now)),
        ("exp", json!(now + 3600)),
        ("token_use", json!("access_token")),
        ("token_type", json!("Bearer")),
    ] {
        assert_eq!(told.rest[name], expected, "{name}");
    }
    assert!(!told.rest.contains_key("username") && !told.rest.contains_key("ext"));
    assert_eq!(server.userinfo(&given.access_token).await.error(), (403, "insufficient_scope".to_owned()));
    assert_eq!(server.database.count("grants").await, 0, "nothing is written but the jti");
    assert_eq!(server.database.count("used_jtis").await, 1);

    let assertion = signer.sign(&claims(&server));
    let answer = exchange(&server, "exchanger", &assertion, &[("audience", "https://api.example/v1")]).await.tokens();
    assert_eq!(answer.scope, "", "nothing was asked for");
    let told = server.introspect_as("rs1", &answer.access_token).await.json();
    assert_eq!((&told["active"], &told["aud"]), (&json!(true), &json!(["https://api.example/v1"])));
    assert_eq!(server.introspect_as("rs2", &answer.access_token).await.json()["active"], false, "it is for another");
    server.pass(3600);
    assert!(!server.introspect(&given.access_token).await.active);
}

/// RFC 9068: the same as a JWT.
#[tokio::test]
async fn the_token_may_be_a_jwt() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    exchanger(&server, "jwt", json!({ "access_token_strategy": "jwt", "subject_type": "public" })).await;
    let assertion = signer.sign(&claims(&server));
    let more = [("scope", "photos.read"), ("resource", "https://api.example/v1")];
    let given = exchange(&server, "jwt", &assertion, &more).await.tokens();
    let set = KeySet::parse(server.jwks().await.to_string().as_bytes()).unwrap();
    let expect = Expect { algs: &Algorithm::ALL, typ: &["at+jwt"], typ_optional: false };
    let said = set.verify(&given.access_token, &expect).unwrap().claims;
    assert_eq!([&said["sub"], &said["client_id"], &said["scope"]], ["alice", "jwt", "photos.read"]);
    assert_eq!(said["aud"], json!(["https://api.example/v1"]));
    let told = server.introspect(&given.access_token).await;
    assert_eq!((told.active, &told.rest["sub"]), (true, &json!("alice")));
    assert_eq!(server.userinfo(&given.access_token).await.error(), (403, "insufficient_scope".to_owned()));
    assert_eq!(server.revoke("jwt", &given.access_token).await.status, 200);
    assert!(!server.introspect(&given.access_token).await.active);
}

/// hydra.md section 1.12: the client's own lifespan.
#[tokio::test]
async fn its_lifespan_is_the_clients() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    exchanger(&server, "short", json!({ "jwt_bearer_grant_access_token_lifespan": "5m" })).await;
    let given = exchange(&server, "short", &signer.sign(&claims(&server)), &[]).await.tokens();
    assert_eq!(given.expires_in, 300);
    server.pass(299);
    assert!(server.introspect(&given.access_token).await.active);
    server.pass(1);
    assert!(!server.introspect(&given.access_token).await.active);
}

/// What ends such a token: its revocation, its client, a user of that id. What does not: the end of the trust.
#[tokio::test]
async fn a_token_ends_by_itself_and_not_with_the_trust() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    let (one, two) = (tokens(&server, &signer, "").await, tokens(&server, &signer, "").await);
    server.revoke("web", &one.access_token).await.assert_error(400, "unauthorized_client");
    assert_eq!(server.revoke("exchanger", &one.access_token).await.status, 200);
    assert!(!server.introspect(&one.access_token).await.active);
    assert!(server.introspect(&two.access_token).await.active, "it alone");

    let listed = server.admin(Method::GET, ISSUERS, None).await.json();
    let path = format!("{ISSUERS}/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!(server.admin(Method::DELETE, &path, None).await.status, 204);
    assert!(server.introspect(&two.access_token).await.active);
    let refused = exchange(&server, "exchanger", &signer.sign(&claims(&server)), &[]).await;
    refused.assert_error(400, "invalid_grant");

    server.delete_client("exchanger").await;
    assert!(!server.introspect(&two.access_token).await.active);
    server.pass(1);
    exchanger(&server, "exchanger", json!({})).await;
    assert!(!server.introspect(&two.access_token).await.active, "a later client of that name has none of them");
}

/// The subject may be a user of the server's, who then can be shut out; or anybody else.
#[tokio::test]
async fn a_user_who_is_disabled_is_refused() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    trust(&server, &signer, json!({ "issuer": "https://any.example", "subject": "", "allow_any_subject": true })).await;
    let about = |subject: &str| {
        let mut claims = claims(&server);
        claims["iss"] = json!("https://any.example");
        claims["sub"] = json!(subject);
        signer.sign(&claims)
    };
    let (bob, disabled) = (server.subject("bob").await, server.subject("disabled").await);
    exchange(&server, "exchanger", &about(disabled.as_str()), &[]).await.assert_error(400, "invalid_grant");
    let given = exchange(&server, "exchanger", &about(bob.as_str()), &[]).await.tokens();
    let told = server.introspect(&given.access_token).await;
    assert_eq!((told.active, &told.rest["sub"]), (true, &json!(bob)));
    let body = json!({ "username": "bob", "disabled": true });
    assert_eq!(server.admin(Method::PUT, &format!("/users/{bob}"), Some(&body)).await.status, 200);
    assert!(!server.introspect(&given.access_token).await.active);
    exchange(&server, "exchanger", &about(bob.as_str()), &[]).await.assert_error(400, "invalid_grant");
    // A new password ends what was given before it, as it does for sessions and grants.
    let alice = server.subject("alice").await;
    let given = exchange(&server, "exchanger", &about(alice.as_str()), &[]).await.tokens();
    server.pass(1);
    let body = json!({ "username": "alice", "password": format!("{PASSWORD} anew") });
    assert_eq!(server.admin(Method::PUT, &format!("/users/{alice}"), Some(&body)).await.status, 200);
    assert!(!server.introspect(&given.access_token).await.active);
    // RFC 9700 section 4.15: a client must not pass for a person, nor a person for a client.
    for client in ["svc", "exchanger"] {
        exchange(&server, "exchanger", &about(client), &[]).await.assert_error(400, "invalid_grant");
    }
}

/// RFC 7523 section 2.1, hydra.md section 6.8: the client proves who it is, and is registered for the grant.
#[tokio::test]
async fn only_clients_registered_for_it_may() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    exchanger(&server, "spa-like", json!({ "token_endpoint_auth_method": "none" })).await;
    let assertion = signer.sign(&claims(&server));
    for client in ["web", "svc", "spa"] {
        exchange(&server, client, &assertion, &[]).await.assert_error(400, "unauthorized_client");
    }
    let fields = [("grant_type", GRANT), ("assertion", assertion.as_str())];
    server.post("/oauth2/token", &fields).await.assert_error(401, "invalid_client");
    let public = [&fields[..], &[("client_id", "spa-like")]].concat();
    server.post("/oauth2/token", &public).await.assert_error(400, "unauthorized_client");
    let wrong = server.http.post(server.url("/oauth2/token")).basic_auth("exchanger", Some("wrong")).form(&fields);
    Answer::of(wrong.send().await.unwrap()).await.assert_error(401, "invalid_client");
    // None of them has spent it.
    exchange(&server, "exchanger", &assertion, &[]).await.tokens();
    let none = [("grant_type", GRANT)];
    server.post_as("exchanger", "/oauth2/token", &none).await.assert_error(400, "invalid_request");
}

/// TX-11, TX-13: within what the issuer is trusted for and within what the client is registered for. Several trusts do not
/// add up.
#[tokio::test]
async fn tx_11_scope_is_the_trusts_and_the_clients() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    let ask = async |scope: &str| {
        let assertion = signer.sign(&claims(&server));
        exchange(&server, "exchanger", &assertion, &[("scope", scope)]).await
    };
    ask("photos.write").await.assert_error(400, "invalid_scope");
    ask("photos.read photos.write").await.assert_error(400, "invalid_scope");
    ask("admin").await.assert_error(400, "invalid_scope");
    ask("photos.read\u{7}").await.assert_error(400, "invalid_scope");
    trust(&server, &signer, json!({ "subject": "", "allow_any_subject": true, "scope": ["photos.write"] })).await;
    assert_eq!(ask("photos.write").await.tokens().scope, "photos.write");
    assert_eq!(ask("photos.read").await.tokens().scope, "photos.read");
    ask("photos.read photos.write").await.assert_error(400, "invalid_scope");
    let assertion = signer.sign(&claims(&server));
    let refused = exchange(&server, "exchanger", &assertion, &[("audience", "https://other.example")]).await;
    refused.assert_error(400, "invalid_request");
    let refused = exchange(&server, "exchanger", &assertion, &[("resource", "https://other.example")]).await;
    refused.assert_error(400, "invalid_target");
    // A trust may use the server's wildcards.
    trust(&server, &signer, json!({ "subject": "bob", "scope": ["photos.*"] })).await;
    let mut about_bob = claims(&server);
    about_bob["sub"] = json!("bob");
    let more = [("scope", "photos.read photos.write")];
    let given = exchange(&server, "exchanger", &signer.sign(&about_bob), &more).await.tokens();
    assert_eq!(given.scope, "photos.read photos.write");
}

/// I9: while the database is away nothing is said of an assertion, and none is spent.
#[tokio::test]
async fn a_database_that_is_away_is_503() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    let assertion = signer.sign(&claims(&server));
    let other = Server::on(server.database.clone(), server.clock.clone(), |_| {}).await;
    // So that the client is known.
    exchange(&server, "exchanger", &signer.sign(&claims(&server)), &[]).await.tokens();
    server.app().store.close().await;
    exchange(&server, "exchanger", &assertion, &[]).await.assert_error(503, "temporarily_unavailable");
    let mut claims = claims(&other);
    claims["aud"] = json!(other.issuer);
    exchange(&other, "exchanger", &signer.sign(&claims), &[]).await.tokens();
}

/// Two replicas of one issuer; an access token of the one is the other's.
#[tokio::test]
async fn replicas_know_each_others_tokens() {
    let database = Database::new().await;
    let one = Arc::new(Server::on(database.clone(), hydrant::clock::Clock::manual(), |_| {}).await);
    let issuer = one.issuer.clone();
    let two = Server::on(database, one.clock.clone(), |config| config.urls.issuer = issuer).await;
    let signer = setting(&one).await;
    let given = tokens(&one, &signer, "photos.read").await;
    assert!(two.introspect(&given.access_token).await.active);
}

//! The keys of clients: `jwks` and `jwks_uri` (RFC 7591 section 2), fetched when they are needed and no more often.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hydrant::config::Config;
use hydrant::jose::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::signer::{Signer, assertion, proof};
use crate::support::{Answer, Server, Site, race};

/// Lets the server call this machine, as an operator does whose clients are in a network of his own.
fn with_loopback(config: &mut Config) {
    config.clients.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    config.limits.request_timeout = Duration::from_secs(30);
}

/// `jwtu` of security-cases.md.
async fn jwtu(server: &Server, uri: &str) {
    let client = json!({
        "client_id": "jwtu", "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"],
        "response_types": [], "scope": "photos.read", "jwks_uri": uri,
    });
    let made = server.admin(Method::POST, "/clients", Some(&client)).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

async fn token(server: &Server, signer: &Signer) -> Answer {
    send(server, &signer.sign(&assertion(server, "jwtu"))).await
}

async fn send(server: &Server, assertion: &str) -> Answer {
    let [kind, own] = proof(assertion);
    server.post("/oauth2/token", &[("grant_type", "client_credentials"), kind, own]).await
}

/// With another `kid` each time, as a stranger sends it.
async fn by_a_stranger(server: &Server, number: usize) -> u16 {
    let stranger = Signer::es256();
    let header = json!({ "alg": "ES256", "kid": format!("random-{number}") });
    send(server, &stranger.sign_as(&header, &assertion(server, "jwtu"))).await.status
}

#[tokio::test]
async fn keys_are_fetched_once_and_kept_for_an_hour() {
    let (server, site, signer) = (Server::with(with_loopback).await, Site::start().await, Signer::es256());
    site.put("/jwks", signer.jwks());
    jwtu(&server, &site.url("/jwks")).await;
    assert_eq!(site.visits(), 1, "looked at when the client is registered");
    for _ in 0..5 {
        token(&server, &signer).await.tokens();
    }
    assert_eq!(site.visits(), 1);
    server.pass(3600);
    token(&server, &signer).await.tokens();
    assert_eq!(site.visits(), 2);
}

/// RFC 7517 section 5: a client rotates its keys by publishing a new one.
#[tokio::test]
async fn a_new_key_is_found_at_once_and_an_old_one_is_gone_in_an_hour() {
    let (server, site) = (Server::with(with_loopback).await, Site::start().await);
    let (old, new) = (Signer::es256(), Signer::new(Algorithm::EdDsa));
    site.put("/jwks", old.jwks());
    jwtu(&server, &site.url("/jwks")).await;
    token(&server, &old).await.tokens();
    site.put("/jwks", json!({ "keys": [old.jwk(), new.jwk()] }));
    token(&server, &new).await.tokens();
    token(&server, &old).await.tokens();
    assert_eq!(site.visits(), 2);
    site.put("/jwks", new.jwks());
    token(&server, &old).await.tokens();
    server.pass(3600);
    assert_eq!(token(&server, &old).await.status, 401);
    token(&server, &new).await.tokens();
}

/// CA-32: a thousand made-up key ids are at most one call a minute, and the client goes on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ca_32_a_storm_of_unknown_keys_is_one_call_a_minute() {
    let (server, site, signer) = (Arc::new(Server::with(with_loopback).await), Site::start().await, Signer::es256());
    site.put("/jwks", signer.jwks());
    jwtu(&server, &site.url("/jwks")).await;
    for minute in 1..=2 {
        let before = site.visits();
        for batch in 0..16 {
            let answers = race(32, |racer| {
                let server = Arc::clone(&server);
                async move { by_a_stranger(&server, batch * 32 + racer).await }
            })
            .await;
            assert_eq!(answers, [401; 32]);
            token(&server, &signer).await.tokens();
        }
        assert_eq!(site.visits() - before, 1, "minute {minute}");
        server.pass(61);
    }
}

/// What can not be had is not asked for again and again; what was had is not lost.
#[tokio::test]
async fn a_failure_is_remembered_for_a_minute() {
    let (server, site, signer) = (Server::with(with_loopback).await, Site::start().await, Signer::es256());
    site.put_as("/jwks", 500, "");
    jwtu(&server, &site.url("/jwks")).await;
    for _ in 0..5 {
        let answer = token(&server, &signer).await;
        answer.assert_error(503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some() && !answer.body.contains(&site.base), "{}", answer.body);
    }
    assert_eq!(site.visits(), 1);
    site.put("/jwks", signer.jwks());
    token(&server, &signer).await.assert_error(503, "temporarily_unavailable");
    server.pass(60);
    token(&server, &signer).await.tokens();
    for broken in ["not json", "[]", "{}", r#"{"keys":1}"#] {
        site.put("/jwks", broken);
        server.pass(3700);
        token(&server, &signer).await.tokens();
    }
    site.put("/jwks", format!("{}{}", signer.jwks(), " ".repeat(70_000)));
    server.pass(3700);
    token(&server, &signer).await.tokens();
}

/// A client whose site hangs keeps nobody waiting but itself, and itself only as long as there are no keys at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_hangs_holds_nothing_else_up() {
    let (server, site, signer) = (Arc::new(Server::with(with_loopback).await), Site::start().await, Signer::es256());
    site.put("/jwks", signer.jwks());
    jwtu(&server, &site.url("/jwks")).await;
    site.slow_down(Duration::from_mins(1));
    let hanging = tokio::spawn({
        let server = Arc::clone(&server);
        async move { by_a_stranger(&server, 0).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    token(&server, &signer).await.tokens();
    server.post_as("svc", "/oauth2/token", &[("grant_type", "client_credentials")]).await.tokens();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(hanging.await.unwrap(), 401);
}

/// OpenID Connect Registration section 9: the server is not sent into its own network.
#[tokio::test]
async fn the_servers_own_network_is_out_of_bounds() {
    let (server, site, signer) = (Server::start().await, Site::start().await, Signer::es256());
    site.put("/jwks", signer.jwks());
    jwtu(&server, &site.url("/jwks")).await;
    let answer = token(&server, &signer).await;
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(site.visits(), 0);
    let sector = json!({ "redirect_uris": ["https://a.example/cb"], "sector_identifier_uri": site.url("/sector") });
    site.put("/sector", json!(["https://a.example/cb"]));
    let refused = server.admin(Method::POST, "/clients", Some(&sector)).await;
    refused.assert_error(400, "invalid_client_metadata");
    assert_eq!(site.visits(), 0);
}

/// Keys by value: those that are registered now, and no others.
#[tokio::test]
async fn registered_keys_change_with_the_registration() {
    let server = Server::start().await;
    let (old, new) = (Signer::es256(), Signer::es256());
    let client = json!({
        "client_id": "jwtu", "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"],
        "response_types": [], "jwks": old.jwks(),
    });
    assert_eq!(server.admin(Method::POST, "/clients", Some(&client)).await.status, 201);
    token(&server, &old).await.tokens();
    assert_eq!(token(&server, &new).await.status, 401);
    server.change_client("jwtu", |client| client["jwks"] = new.jwks()).await;
    assert_eq!(token(&server, &old).await.status, 401);
    token(&server, &new).await.tokens();
}

/// OpenID Connect Core section 8.1: a sector lists everybody who is in it.
#[tokio::test]
async fn a_sector_lists_every_redirect_uri() {
    let (server, site) = (Server::with(with_loopback).await, Site::start().await);
    let uris = ["https://a.example/cb", "https://b.example/cb"];
    let client = |uris: &[&str]| json!({ "redirect_uris": uris, "sector_identifier_uri": site.url("/sector") });
    let create = async |uris: &[&str]| server.admin(Method::POST, "/clients", Some(&client(uris))).await;
    for document in [
        Value::Null,
        json!({}),
        json!("x"),
        json!([1]),
        json!([]),
        json!([uris[0]]),
        json!([uris[0], "https://b.example/CB"]),
    ] {
        site.put("/sector", &document);
        let answer = create(&uris).await;
        assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()), "{document}: {}", answer.body);
        assert!(answer.body.contains("sector_identifier_uri") && !answer.body.contains(&site.base), "{}", answer.body);
    }
    site.put_as("/sector", 404, json!(uris));
    create(&uris).await.assert_error(400, "invalid_client_metadata");
    site.put("/sector", json!([uris[1], "https://c.example/cb", uris[0]]));
    let made = create(&uris).await;
    assert_eq!(made.status, 201, "{}", made.body);
    // What has not changed is not looked at again: its site may be down.
    site.put_as("/sector", 500, "");
    let id = made.json()["client_id"].as_str().unwrap().to_owned();
    server.change_client(&id, |client| client["client_name"] = json!("Renamed")).await;
    let path = format!("/clients/{id}");
    let changed = client(&["https://a.example/cb", "https://evil.example/cb"]);
    server.admin(Method::PUT, &path, Some(&changed)).await.assert_error(400, "invalid_client_metadata");
}

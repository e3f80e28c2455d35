//! The published keys and their rotation: RFC 7517, RFC 7638, OpenID Connect Core section 10.1.1.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use hydrant::cli::serve;
use hydrant::clock::Clock;
use hydrant::config::Config;
use hydrant::jose::Algorithm;
use hydrant::keys::{ID_TOKEN_SET, KeyUse, Purpose, Rotated};
use hydrant::seal::SystemSeal;
use hydrant::secret::{Secret, sha256};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::support::{Answer, Authorize, Database, Server, free_port, verify_with};

async fn kid(server: &Server) -> String {
    let id_token = server.tokens_with("openid").await.id_token.unwrap();
    server.verify(&id_token, "web").await.0.kid.unwrap()
}

/// The keys that sign.
fn kids(jwks: &Value) -> Vec<&str> {
    let keys = jwks["keys"].as_array().unwrap().iter().filter(|key| key["use"] == "sig");
    keys.map(|key| key["kid"].as_str().unwrap()).collect()
}

const RS256: Purpose = Purpose::Sign(KeyUse::IdToken, Algorithm::Rs256);

async fn rotate(server: &Server) {
    let app = server.app();
    let rotated = app.keys.rotate(&app.store, RS256, server.clock.now()).await.unwrap();
    assert!(matches!(rotated, Rotated::Made(_)), "{rotated:?}");
}

/// What the server does by itself every half minute.
async fn tend(server: &Server) {
    let (app, now) = (server.app(), server.clock.now());
    app.keys.tend(&app.store, now).await.unwrap();
    app.keys.load(&app.store, now).await.unwrap();
}

/// JK-01, RFC 7517 section 4: only what is public, and no symmetric key.
#[tokio::test]
async fn jk_01_nothing_private_is_published() {
    let server = Server::start().await;
    rotate(&server).await;
    let jwks = server.jwks().await;
    let keys = jwks["keys"].as_array().unwrap();
    let kinds: Vec<_> = keys.iter().map(|key| [&key["kty"], &key["use"], &key["alg"]]).collect();
    let rs256 = ["RSA", "sig", "RS256"];
    let mut encryption = [["RSA", "enc", "RSA-OAEP-256"], ["EC", "enc", "ECDH-ES"]];
    if kinds[2][0] == "EC" {
        encryption.reverse();
    }
    assert_eq!(kinds, [rs256, rs256, encryption[0], encryption[1]], "those that sign stand first");
    for key in keys {
        let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        match key["kty"].as_str().unwrap() {
            "RSA" => {
                assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"], "{key}");
                assert!(URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap().len() >= 256);
            }
            _ => assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"], "{key}"),
        }
    }
    let discovery = server.get("/.well-known/openid-configuration").await;
    let fault = server.get("/.well-known/jwks.json/x").await;
    for body in [discovery.body, fault.body] {
        assert!(!body.contains("\"d\"") && !body.contains("PRIVATE"), "{body}");
    }
}

/// JK-02, JK-11: a key is published for twice as long as caches may keep the set before it signs, and stays until what
/// it signed has expired.
#[tokio::test]
async fn jk_02_a_key_is_published_before_it_signs() {
    let server = Server::start().await;
    let max_age = server.config().keys.max_age.as_secs();
    let old = kid(&server).await;
    let old_token = server.tokens_with("openid").await.id_token.unwrap();
    rotate(&server).await;
    let jwks = server.jwks().await;
    let new = kids(&jwks).into_iter().find(|kid| *kid != old).unwrap().to_owned();
    server.pass(2 * max_age - 1);
    assert_eq!(kid(&server).await, old, "a cache may still have the set without the new one");
    let last = server.tokens_with("openid").await.id_token.unwrap();
    server.pass(1);
    assert_eq!(kid(&server).await, new);
    server.verify(&old_token, "web").await;
    tend(&server).await;
    server.pass(server.config().ttl.id_token.as_secs());
    tend(&server).await;
    server.verify(&last, "web").await;
    let hint = Authorize::web().set("id_token_hint", &last);
    assert_eq!(server.ask(&hint).await.get.status, 302);
    // A client keeps the ID token for as long as the session, to name it at the logout.
    server.pass(server.config().ttl.authentication_session.as_secs() - server.config().ttl.id_token.as_secs());
    tend(&server).await;
    assert_eq!(server.ask(&hint).await.get.status, 302);
    server.pass(3601);
    tend(&server).await;
    assert_eq!(kids(&server.jwks().await), [new.as_str()], "nothing that it signed is of use");
    server.assert_back(&hint, "invalid_request").await;
}

/// JK-02 for the keys that seal: what was sealed before a rotation opens after it, also on a replica that was asleep.
#[tokio::test]
async fn sealed_strings_outlive_a_rotation() {
    let server = Server::start().await;
    let other = Server::on(server.database.clone(), server.clock.clone(), |_| {}).await;
    let before = server.tokens_with("openid offline").await;
    let (app, now) = (server.app(), server.clock.now());
    app.keys.rotate(&app.store, Purpose::Seal, now).await.unwrap();
    server.pass(2 * server.config().keys.max_age.as_secs());
    app.keys.load(&app.store, server.clock.now()).await.unwrap();
    assert_eq!(server.userinfo(&before.access_token).await.status, 200);
    let after = server.refresh("web", before.refresh()).await.tokens();
    assert_ne!(after.access_token[4..10], before.access_token[4..10], "another key seals by now");
    assert_eq!(
        other.userinfo(&after.access_token).await.status,
        200,
        "it reads the keys when a string names a new one"
    );
}

/// JK-05: replicas that start together on an empty database make one key set.
#[tokio::test]
async fn jk_05_eight_first_starts_make_one_key_set() {
    let (database, clock) = (Database::empty().await, Clock::manual());
    let start = || Server::on(database.clone(), clock.clone(), |config| config.database.max_connections = 2);
    let servers = join_all((0..8).map(|_| start())).await;
    let first = servers[0].jwks().await;
    assert_eq!(kids(&first).len(), 1);
    for server in &servers {
        assert_eq!(server.jwks().await, first);
    }
    let tokens = servers[0].tokens_with("openid").await;
    verify_with(&servers[7].jwks().await, tokens.id_token.as_deref().unwrap(), &servers[0].issuer, "web");
    for server in &servers {
        assert_eq!(server.userinfo(&tokens.access_token).await.status, 200, "one sealing key");
    }
}

/// JK-08, RFC 7638: a key's id is its thumbprint.
#[tokio::test]
async fn jk_08_a_kid_is_a_thumbprint() {
    let server = Server::start().await;
    rotate(&server).await;
    let jwks = server.jwks().await;
    for key in jwks["keys"].as_array().unwrap() {
        let members = match key["kty"].as_str().unwrap() {
            "RSA" => format!(r#"{{"e":{},"kty":"RSA","n":{}}}"#, key["e"], key["n"]),
            _ => format!(r#"{{"crv":{},"kty":"EC","x":{},"y":{}}}"#, key["crv"], key["x"], key["y"]),
        };
        assert_eq!(key["kid"], URL_SAFE_NO_PAD.encode(sha256(members.as_bytes())));
    }
}

/// JK-11: caches keep the documents for half the lead of a rotation at most; any site may read them, without cookies.
#[tokio::test]
async fn jk_11_the_documents_can_be_kept() {
    let server = Server::start().await;
    let lead = 2 * server.config().keys.max_age.as_secs();
    for path in
        ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
    {
        let answer = server.get(path).await;
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        let age = answer.header("cache-control").unwrap().strip_prefix("public, max-age=").unwrap();
        assert!((1..=lead / 2).contains(&age.parse().unwrap()), "{path}: {age}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        assert_eq!(answer.header("set-cookie"), None, "{path}");
        let etag = answer.header("etag").unwrap().to_owned();
        for (given, status) in
            [(etag.clone(), 304), (format!("W/{etag}, \"x\""), 304), ("*".to_owned(), 304), ("\"x\"".to_owned(), 200)]
        {
            let headers =
                HeaderMap::from_iter([(reqwest::header::IF_NONE_MATCH, HeaderValue::from_str(&given).unwrap())]);
            let again = Answer::of(server.http.get(server.url(path)).headers(headers).send().await.unwrap()).await;
            assert_eq!((again.status, again.body.is_empty()), (status, status == 304), "{path} {given}");
            assert_eq!(again.header("etag"), Some(etag.as_str()), "{path}");
        }
    }
    let before = server.get("/.well-known/jwks.json").await.header("etag").unwrap().to_owned();
    rotate(&server).await;
    assert_ne!(server.get("/.well-known/jwks.json").await.header("etag"), Some(before.as_str()));
}

/// JK-11: they answer from memory while the database is down; what needs it says 503.
#[tokio::test]
async fn jk_11_the_documents_answer_without_a_database() {
    let server = Server::start().await;
    let access_token = server.tokens_with("openid").await.access_token;
    server.app().store.close().await;
    assert_eq!(kids(&server.jwks().await).len(), 1);
    assert_eq!(server.get("/.well-known/openid-configuration").await.status, 200);
    assert_eq!(server.userinfo(&access_token).await.status, 503);
}

/// Another start on the same database; what it says if it can not.
async fn start(server: &Server, secrets: &[&str]) -> Result<Vec<String>, String> {
    let mut config: Config = server.config().clone();
    config.serve.public.port = free_port();
    config.serve.admin.port = free_port();
    config.secrets.system = secrets.iter().map(|secret| Secret::new(*secret)).collect();
    let mut running = serve::start(config, server.clock.clone()).await.unwrap();
    let ready = tokio::time::timeout(Duration::from_secs(20), running.ready()).await.unwrap();
    let app = running.app().clone();
    let kids = app.keys.live().map(|keys| {
        let jwks: Value = serde_json::from_slice(&keys.jwks).unwrap();
        self::kids(&jwks).into_iter().map(str::to_owned).collect()
    });
    running.stop().await;
    ready.map(|()| kids.unwrap()).map_err(|error| format!("{error:#}"))
}

const NEW: &str = "a new system secret of an operator";

fn own_secret(server: &Server) -> String {
    server.config().secrets.system[0].expose().to_owned()
}

/// JK-13: private keys are sealed where they lie, and a start with a wrong secret says so and makes no second set.
#[tokio::test]
async fn jk_13_keys_are_sealed_at_rest() {
    let server = Server::start().await;
    let rows = server.app().store.keys().await.unwrap();
    let jwks = server.jwks().await;
    for row in &rows {
        assert!(!row.private_sealed.contains("PRIVATE"));
        let bytes = URL_SAFE_NO_PAD.decode(&row.private_sealed).unwrap();
        for key in jwks["keys"].as_array().unwrap().iter().filter(|key| key["kty"] == "RSA") {
            let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
            assert!(!bytes.windows(32).any(|window| window == &modulus[..32]), "a private key has its modulus in it");
        }
    }
    let error = start(&server, &[NEW]).await.unwrap_err();
    assert!(error.contains("secrets.system") && !error.contains(NEW), "{error}");
    assert_eq!(server.app().store.keys().await.unwrap().len(), rows.len());
    assert_eq!(start(&server, &[&own_secret(&server)]).await.unwrap(), kids(&jwks));
}

/// JK-13: a sealed key is bound to its row; moved to another it does not open.
#[tokio::test]
async fn jk_13_a_sealed_key_does_not_move() {
    let server = Server::start().await;
    let own = own_secret(&server);
    rotate(&server).await;
    let rows = server.app().store.keys().await.unwrap();
    let signing: Vec<_> = rows.iter().filter(|row| row.key_set == ID_TOKEN_SET).collect();
    let (from, to) = (&signing[0], &signing[1]);
    let moved = format!("UPDATE keys SET private_sealed = '{}' WHERE id = '{}'", from.private_sealed, to.id);
    assert_eq!(server.database.execute(&moved).await, 1);
    let error = start(&server, &[&own]).await.unwrap_err();
    assert!(error.contains(&to.id), "{error}");
}

/// JK-14: the first system secret seals, all of them open; the old one is taken out too early, and the start says which
/// key needs it.
#[tokio::test]
async fn jk_14_system_secrets_rotate() {
    let server = Server::start().await;
    let own = own_secret(&server);
    let jwks = server.jwks().await;
    assert_eq!(start(&server, &[NEW, &own]).await.unwrap(), kids(&jwks));
    let error = start(&server, &[NEW]).await.unwrap_err();
    assert!(error.contains("secrets.system") && error.contains("opens"), "{error}");

    let mut config: Config = server.config().clone();
    config.secrets.system = vec![Secret::new(NEW), Secret::new(own.as_str())];
    let keys = hydrant::keys::Keys::new(&config);
    keys.rotate(&server.app().store, RS256, server.clock.now()).await.unwrap();
    let newest = server.app().store.keys().await.unwrap().into_iter().find(|row| row.key_set == ID_TOKEN_SET).unwrap();
    let identity = format!("keys/{ID_TOKEN_SET}/{}", newest.id);
    let opens =
        |secret: &str| SystemSeal::new(&[Secret::new(secret)]).open(&identity, &newest.private_sealed).is_some();
    assert_eq!((opens(NEW), opens(&own)), (true, false));
    assert_eq!(start(&server, &[NEW, &own]).await.unwrap().len(), 2);
    assert!(start(&server, &[NEW]).await.is_err() && start(&server, &[&own]).await.is_err());
}

//! `/admin/keys`: Hydra's JSON Web Key sets (hydra.md section 3.4), those that the server signs with among them.

use std::sync::Arc;

use hydrant::jose::{Algorithm, has_private_members};
use hydrant::keys::{ACCESS_TOKEN_SET, ID_TOKEN_SET, REQUEST_OBJECT_SET, SEAL_SET};
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin_clients::has_null;
use crate::key_rotation::{self, pair, signed_by, soon};
use crate::support::signer::Signer;
use crate::support::{Answer, Authorize, Server, race};

pub const ID_TOKENS: &str = "/keys/hydra.openid.id-token";

pub async fn call(server: &Server, method: Method, path: &str, body: Option<Value>) -> Answer {
    let answer = server.admin(method.clone(), path, body.as_ref()).await;
    if let Ok(body) = serde_json::from_str::<Value>(&answer.body) {
        assert!(!has_null(&body) && !has_private_members(&body), "AD-07: {method} {path}: {body}");
    }
    answer
}

pub async fn make(server: &Server, set: &str, body: Value) -> Value {
    let made = call(server, Method::POST, &format!("/keys/{set}"), Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()["keys"][0].clone()
}

/// The kids of a set as it is shown.
pub async fn kids(server: &Server, set: &str) -> Vec<String> {
    let shown = call(server, Method::GET, &format!("/keys/{set}"), None).await;
    if shown.status == 404 {
        return Vec::new();
    }
    shown.json()["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

pub async fn published(server: &Server) -> Vec<String> {
    let jwks = server.jwks().await;
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// What the server does by itself once caches have had their time.
pub async fn let_it_take_over(server: &Server) {
    server.pass(server.config().keys.publish_ahead.as_secs());
    let (app, now) = (server.app(), server.clock.now());
    app.keys.tend(&app.store, now).await.unwrap();
    app.keys.load(&app.store, now).await.unwrap();
}

#[tokio::test]
async fn a_key_is_made_shown_and_deleted() {
    let server = Server::start().await;
    let asked = json!({ "alg": "ES256", "use": "sig", "kid": "first" });
    let made = call(&server, Method::POST, "/keys/mine", Some(asked.clone())).await;
    assert_eq!((made.status, made.location().as_deref()), (201, Some("/admin/keys/mine/first")), "{}", made.body);
    let key = made.json()["keys"][0].clone();
    let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!([&key["alg"], &key["use"], &key["kid"], &key["kty"]], ["ES256", "sig", "first", "EC"]);
    let shown = call(&server, Method::GET, "/keys/mine/first", None).await;
    assert_eq!((shown.status, shown.json()), (200, json!({ "keys": [key] })));

    server.pass(1);
    let second = make(&server, "mine", json!({ "alg": "RS256", "use": "", "kid": "" })).await;
    assert_eq!((second["kid"].as_str().unwrap().len(), &second["use"]), (43, &json!("sig")), "its thumbprint");
    assert_eq!(kids(&server, "mine").await, [second["kid"].as_str().unwrap(), "first"], "the newest first");
    call(&server, Method::POST, "/keys/mine", Some(asked.clone())).await.assert_error(409, "conflict");
    // A name is one key's on the whole server, because sets are published together.
    call(&server, Method::POST, "/keys/other", Some(asked)).await.assert_error(409, "conflict");

    assert_eq!(call(&server, Method::DELETE, "/keys/mine/first", None).await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        call(&server, method, "/keys/mine/first", None).await.assert_error(404, "not_found");
    }
    make(&server, "mine", json!({ "alg": "EdDSA", "kid": "first" })).await;
    assert_eq!(call(&server, Method::DELETE, "/keys/mine", None).await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        call(&server, method, "/keys/mine", None).await.assert_error(404, "not_found");
    }
    // What events tell of them stays.
    let dump = server.database.dump().await;
    let traces: Vec<_> = dump.lines().filter(|line| !line.starts_with("events: ") && line.contains("mine")).collect();
    assert_eq!(traces, [""; 0]);
}

/// hydra.md section 3.4: which algorithms there are.
#[tokio::test]
async fn every_algorithm_but_secrets_makes_a_key() {
    let server = Server::start().await;
    for alg in Algorithm::ALL {
        let key = make(&server, "mine", json!({ "alg": alg.as_str() })).await;
        assert_eq!(key["alg"], alg.as_str());
    }
    assert_eq!(kids(&server, "mine").await.len(), Algorithm::ALL.len());
    for (body, word) in [
        (json!({ "alg": "HS256", "use": "sig", "kid": "x" }), "Unsupported key algorithm"),
        (json!({ "alg": "HS512" }), "Unsupported key algorithm"),
        (json!({ "alg": "none" }), "Unsupported key algorithm"),
        (json!({ "alg": "RSA-OAEP" }), "Unsupported key algorithm"),
        (json!({ "kid": "x" }), "Unsupported key algorithm"),
        (json!({ "alg": "RS256", "use": "enc" }), "use"),
    ] {
        for set in ["mine", ID_TOKEN_SET] {
            let refused = call(&server, Method::POST, &format!("/keys/{set}"), Some(body.clone())).await;
            refused.assert_error(400, "invalid_request");
            assert!(refused.body.contains(word), "{}", refused.body);
        }
    }
}

/// JK-08: a chosen kid or name is short and plain.
#[tokio::test]
async fn jk_08_a_name_of_another_form_is_refused() {
    let server = Server::start().await;
    let long = "k".repeat(10 * 1024);
    for kid in ["a/b", "..", "../../etc/passwd", "a b", "a\"b", "a'b", "é", "a\u{0}", "a\nb", &long] {
        for set in ["mine", ID_TOKEN_SET] {
            let asked = json!({ "alg": "ES256", "kid": kid });
            let refused = call(&server, Method::POST, &format!("/keys/{set}"), Some(asked)).await;
            refused.assert_error(400, "invalid_request");
        }
    }
    for set in ["a%2Fb", "%2E%2E", "a%20b", "%00", &long[..200]] {
        let asked = json!({ "alg": "ES256" });
        let refused = call(&server, Method::POST, &format!("/keys/{set}"), Some(asked)).await;
        assert!([400, 404].contains(&refused.status), "{set}: {}", refused.body);
        assert_eq!(call(&server, Method::GET, &format!("/keys/{set}"), None).await.status, 404, "{set}");
    }
}

/// What seals everything, and what decrypts request objects, is nobody's business.
#[tokio::test]
async fn the_servers_other_sets_are_not_there() {
    let server = Server::start().await;
    let jwk = Signer::es256().private_jwk();
    let before = server.app().store.keys().await.unwrap().len();
    for set in [SEAL_SET, REQUEST_OBJECT_SET, "hydrant.of-the-future"] {
        let kid = server.app().store.keys().await.unwrap().into_iter().find(|row| row.key_set == set);
        let kid = kid.map_or("x".to_owned(), |row| row.id);
        for (method, path, body) in [
            (Method::GET, format!("/keys/{set}"), None),
            (Method::POST, format!("/keys/{set}"), Some(json!({ "alg": "ES256" }))),
            (Method::PUT, format!("/keys/{set}"), Some(json!({ "keys": [jwk] }))),
            (Method::DELETE, format!("/keys/{set}"), None),
            (Method::GET, format!("/keys/{set}/{kid}"), None),
            (Method::PUT, format!("/keys/{set}/{kid}"), Some(jwk.clone())),
            (Method::DELETE, format!("/keys/{set}/{kid}"), None),
        ] {
            let answer = call(&server, method.clone(), &path, body).await;
            assert_eq!(answer.error(), (404, "not_found".to_owned()), "{method} {path}");
        }
    }
    assert_eq!(server.app().store.keys().await.unwrap().len(), before);
    server.tokens_with("openid").await;
}

/// JK-02: a POST to a set that the server signs with is a rotation; the name is the one that was chosen.
#[tokio::test]
async fn jk_02_a_key_of_the_servers_is_published_before_it_signs() {
    let server = Server::start().await;
    let old = signed_by(&server).await;
    assert_eq!(kids(&server, ID_TOKEN_SET).await, [old.as_str()]);
    let made = make(&server, ID_TOKEN_SET, json!({ "alg": "RS256", "use": "sig", "kid": "chosen-1" })).await;
    assert_eq!(made["kid"], "chosen-1");
    assert!(published(&server).await.contains(&"chosen-1".to_owned()));
    assert_eq!(signed_by(&server).await, old);
    // Without a name it is the one that waits already.
    assert_eq!(make(&server, ID_TOKEN_SET, json!({ "alg": "RS256" })).await["kid"], "chosen-1");
    let_it_take_over(&server).await;
    assert_eq!(signed_by(&server).await, "chosen-1");
    assert_eq!(kids(&server, ID_TOKEN_SET).await, ["chosen-1", &old], "what the old one signed still verifies");
    // The first for an algorithm has nobody to wait for.
    let es256 = make(&server, ID_TOKEN_SET, json!({ "alg": "ES256" })).await;
    let client = json!({
        "redirect_uris": ["https://rp.example/cb"], "scope": "openid", "id_token_signed_response_alg": "ES256",
    });
    server.client("es256", client).await;
    let code = server.browser().code(&Authorize::of("es256", "https://rp.example/cb"), "alice").await;
    let verifier = Some(crate::support::VERIFIER);
    let tokens = server.redeem("es256", &code, "https://rp.example/cb", verifier).await.tokens();
    let (header, _) = server.verify(tokens.id_token.as_deref().unwrap(), "es256").await;
    assert_eq!(header.kid.as_deref(), es256["kid"].as_str());
}

/// JK-04: of 32 that add the same name one does; of 32 that only want a successor all get the same one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jk_04_racers_make_one_key() {
    let servers = pair(|_| {}).await;
    for (set, kid) in [("mine", "one"), (ID_TOKEN_SET, "two")] {
        let answers = race(32, |racer| {
            let server = Arc::clone(&servers[racer % 2]);
            async move {
                let asked = json!({ "alg": "ES256", "kid": kid });
                server.admin(Method::POST, &format!("/keys/{set}"), Some(&asked)).await.status
            }
        });
        let mut answers = answers.await;
        answers.sort_unstable();
        assert_eq!(answers, [&[201][..], &[409; 31]].concat(), "{set}");
    }
    let answers = race(32, |racer| {
        let server = Arc::clone(&servers[racer % 2]);
        async move { make(&server, ID_TOKEN_SET, json!({ "alg": "RS256" })).await["kid"].clone() }
    });
    let answers = answers.await;
    assert!(answers.iter().all(|kid| *kid == answers[0]), "{answers:?}");
    let rs256 = call(&servers[0], Method::GET, ID_TOKENS, None).await.json();
    let rs256 = rs256["keys"].as_array().unwrap().iter().filter(|key| key["alg"] == "RS256").count();
    assert_eq!(rs256, 2, "the one in use and its successor");
}

/// JK-07: DELETE revokes a key that the server signs with, and another signs at once, on every replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jk_07_a_deleted_key_of_the_servers_is_revoked() {
    let servers = pair(|_| {}).await;
    let server = &servers[0];
    let token = server.tokens_with("openid").await.id_token.unwrap();
    let hint = Authorize::web().set("id_token_hint", &token);
    assert_eq!(server.ask(&hint).await.get.status, 302);
    let old = signed_by(server).await;
    let path = format!("{ID_TOKENS}/{old}");
    assert_eq!(call(server, Method::DELETE, &path, None).await.status, 204);
    server.assert_back(&hint, "invalid_request").await;
    let new = kids(server, ID_TOKEN_SET).await;
    assert_eq!(new.len(), 1);
    assert_ne!(new[0], old);
    assert_eq!(signed_by(server).await, new[0]);
    soon("the other replica does not know", async || key_rotation::kids(&servers[1]).await == new).await;
    assert_eq!(signed_by(&servers[1]).await, new[0]);
    for method in [Method::GET, Method::DELETE] {
        call(server, method, &path, None).await.assert_error(404, "not_found");
    }
    // Its name is spent.
    let asked = json!({ "alg": "RS256", "kid": old });
    call(server, Method::POST, ID_TOKENS, Some(asked)).await.assert_error(409, "conflict");

    // The same for the whole set: each algorithm that it had has a new key.
    make(server, ID_TOKEN_SET, json!({ "alg": "ES256" })).await;
    let before = kids(server, ID_TOKEN_SET).await;
    assert_eq!(call(server, Method::DELETE, ID_TOKENS, None).await.status, 204);
    let after = kids(server, ID_TOKEN_SET).await;
    assert!(after.len() == 2 && after.iter().all(|kid| !before.contains(kid)), "{before:?} {after:?}");
    assert!(after.contains(&signed_by(server).await));
    assert_eq!(kids(server, ACCESS_TOKEN_SET).await, [""; 0]);
    call(server, Method::DELETE, "/keys/hydra.jwt.access-token", None).await.assert_error(404, "not_found");
}

/// hydra.md section 1.11: `webfinger.jwks.broadcast_keys` publishes sets of the operator's, which vouch for nothing of ours.
#[tokio::test]
async fn a_set_is_published_where_the_configuration_says_so() {
    let server = Server::with(|config| config.keys.broadcast = vec!["theirs".to_owned(), "unborn".to_owned()]).await;
    let theirs = Signer::es256();
    let mut jwk = theirs.jwk();
    jwk["kid"] = json!("theirs-1");
    let before = server.get("/.well-known/jwks.json").await.header("etag").unwrap().to_owned();
    // Another server's public key is enough to publish it.
    let put = call(&server, Method::PUT, "/keys/theirs", Some(json!({ "keys": [jwk] }))).await;
    assert_eq!((put.status, put.json()), (200, json!({ "keys": [jwk] })), "{}", put.body);
    make(&server, "mine", json!({ "alg": "ES256", "kid": "mine-1" })).await;
    let published = server.jwks().await;
    let keys = published["keys"].as_array().unwrap();
    assert!(keys.contains(&jwk) && !published.to_string().contains("mine-1"), "{published}");
    assert_ne!(server.get("/.well-known/jwks.json").await.header("etag"), Some(before.as_str()));
    let sig = keys.iter().map(|key| key["use"] == "sig").collect::<Vec<_>>();
    assert!(sig.is_sorted_by(|a, b| a >= b), "those for signatures come first: {sig:?}");

    let claims = json!(server.tokens_with("openid").await.claims());
    let forged = theirs.sign_as(&json!({ "alg": "ES256", "kid": "theirs-1", "typ": "JWT" }), &claims);
    server.assert_back(&Authorize::web().set("id_token_hint", &forged), "invalid_request").await;
    let access_token = theirs.sign_as(&json!({ "alg": "ES256", "kid": "theirs-1", "typ": "at+jwt" }), &claims);
    assert!(!server.introspect(&access_token).await.active);

    assert_eq!(call(&server, Method::DELETE, "/keys/theirs", None).await.status, 204);
    assert_eq!(server.get("/.well-known/jwks.json").await.header("etag"), Some(before.as_str()));
}

/// Nobody is told that there are no keys because the database is away.
#[tokio::test]
async fn a_database_that_is_away_is_503() {
    let server = Server::start().await;
    let jwk = Signer::es256().private_jwk();
    let kid = jwk["kid"].as_str().unwrap().to_owned();
    server.app().store.close().await;
    for (method, path, body) in [
        (Method::GET, "/keys/mine".to_owned(), None),
        (Method::GET, "/keys/mine/x".to_owned(), None),
        (Method::POST, "/keys/mine".to_owned(), Some(json!({ "alg": "ES256" }))),
        (Method::PUT, "/keys/mine".to_owned(), Some(json!({ "keys": [jwk] }))),
        (Method::PUT, format!("/keys/mine/{kid}"), Some(jwk)),
        (Method::DELETE, "/keys/mine".to_owned(), None),
        (Method::DELETE, "/keys/mine/x".to_owned(), None),
    ] {
        let answer = call(&server, method.clone(), &path, body).await;
        assert_eq!(answer.error(), (503, "temporarily_unavailable".to_owned()), "{method} {path}");
    }
}

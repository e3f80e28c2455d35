//! The keys that clients encrypt request objects to: RFC 9101 section 6.1, over two servers on one database.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hydrant::clock::Clock;
use hydrant::jose::{ContentEncryption, Encrypter, KeyManagement, KeySet};
use hydrant::keys::{Purpose, REQUEST_OBJECT_SET, Rotated};
use serde_json::Value;

use crate::key_rotation::{pair, rotate, soon, states, tend};
use crate::support::{Database, Server, race};

const OAEP: Purpose = Purpose::Decrypt(KeyManagement::RsaOaep256);

/// What a client makes for the keys that are published now.
async fn encrypted(server: &Server, alg: KeyManagement, text: &str) -> String {
    let set = KeySet::parse(server.get("/.well-known/jwks.json").await.body.as_bytes()).unwrap();
    let encrypter = Encrypter::of(&set, alg, ContentEncryption::A256Gcm).unwrap();
    encrypter.encrypt(text.as_bytes(), Some("JWT"), None).unwrap()
}

fn decrypted(server: &Server, token: &str) -> Option<String> {
    let live = server.app().keys.live().unwrap();
    live.decrypt(token).ok().map(|decrypted| String::from_utf8(decrypted.plaintext.to_vec()).unwrap())
}

/// The keys of the set that are published, by their algorithm.
async fn published(server: &Server) -> Vec<(String, String)> {
    let jwks = server.jwks().await;
    let keys = jwks["keys"].as_array().unwrap().iter().filter(|key| key["use"] == "enc");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    keys.map(|key| (text(&key["alg"]), text(&key["kid"]))).collect()
}

/// Keys for the two algorithms that clients are sure to have are there from the first start; any other is made by the one
/// who is first of many to need it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_encrypt_with_every_algorithm() {
    let servers = pair(|_| {}).await;
    for alg in [KeyManagement::RsaOaep256, KeyManagement::EcdhEs] {
        let token = encrypted(&servers[0], alg, "of the first start").await;
        assert_eq!(decrypted(&servers[1], &token).as_deref(), Some("of the first start"), "{alg}");
    }
    for alg in [KeyManagement::RsaOaep, KeyManagement::EcdhEsA128Kw, KeyManagement::EcdhEsA256Kw] {
        let kids: HashSet<String> = race(32, |racer| {
            let server = Arc::clone(&servers[racer % 2]);
            async move {
                let app = server.app();
                let live = app.keys.ensure_decryption(&app.store, alg, server.clock.now()).await.unwrap();
                live.decryption_keys().find(|key| key.alg() == alg).unwrap().kid().to_owned()
            }
        })
        .await
        .into_iter()
        .collect();
        assert_eq!(kids.len(), 1, "{alg}");
        let token = encrypted(&servers[0], alg, "on demand").await;
        for server in &servers {
            assert_eq!(decrypted(server, &token).as_deref(), Some("on demand"), "{alg}");
        }
    }
    let published = published(&servers[0]).await;
    assert_eq!(published.iter().map(|(_, kid)| kid).collect::<HashSet<_>>().len(), KeyManagement::ALL.len());
}

/// A successor is encrypted to at once; the key before it is not published any more once it has taken over, and goes on
/// decrypting what clients made of an older copy of the set.
#[tokio::test]
async fn an_old_key_decrypts_until_it_retires() {
    let server = Server::with(|config| config.keys.rotation_interval = None).await;
    let old = encrypted(&server, KeyManagement::RsaOaep256, "old").await;
    let Rotated::Made(made) = rotate(&server, OAEP).await else { panic!("nothing was made") };
    let oaep = async || -> Vec<String> {
        let published = published(&server).await.into_iter();
        published.filter(|(alg, _)| alg == "RSA-OAEP-256").map(|(_, kid)| kid).collect()
    };
    assert_eq!((oaep().await.len(), oaep().await[0] == made.kid), (2, true), "newest first");
    let new = encrypted(&server, KeyManagement::RsaOaep256, "new").await;
    server.clock.pass(server.config().keys.publish_ahead);
    tend(&server).await;
    assert_eq!(oaep().await, [made.kid]);
    server.clock.pass(Duration::from_hours(24));
    tend(&server).await;
    for (token, text) in [(&old, "old"), (&new, "new")] {
        assert_eq!(decrypted(&server, token).as_deref(), Some(text));
    }
    server.clock.pass(Duration::from_hours(2));
    tend(&server).await;
    assert_eq!((decrypted(&server, &old), decrypted(&server, &new).as_deref()), (None, Some("new")));
    let refusal = server.app().keys.live().unwrap().decrypt(&old).unwrap_err();
    assert!(refusal.is_unknown_key());
    let states = states(&server, REQUEST_OBJECT_SET).await;
    assert!(states.contains(&("RSA-OAEP-256".to_owned(), "retired")), "{states:?}");
}

/// A replica that has not read a new key yet says that it does not know it, so that it may look; a key that names another's
/// algorithm, and no JWE at all, are refused and nothing is looked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_key_is_told_from_a_wrong_token() {
    let servers = pair(|_| {}).await;
    let stranger = Server::on(Database::empty().await, Clock::manual(), |_| {}).await;
    let foreign = encrypted(&stranger, KeyManagement::EcdhEs, "x").await;
    let own = encrypted(&servers[0], KeyManagement::EcdhEs, "x").await;
    let live = servers[0].app().keys.live().unwrap();
    assert!(live.decrypt(&foreign).unwrap_err().is_unknown_key());
    let broken = format!("{}AAAA", &own[..own.len() - 4]);
    let signed = servers[0].tokens_with("openid").await.id_token.unwrap();
    for token in [broken.as_str(), &signed, "a.b.c", "", "....", &own[..own.len() - 30]] {
        assert!(!live.decrypt(token).unwrap_err().is_unknown_key(), "{token}");
    }
    rotate(&servers[0], Purpose::Decrypt(KeyManagement::EcdhEs)).await;
    let token = encrypted(&servers[0], KeyManagement::EcdhEs, "x").await;
    soon("the other replica does not decrypt", async || decrypted(&servers[1], &token).is_some()).await;
}

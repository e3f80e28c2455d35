//! Request objects that are encrypted to the server, and those that it fetches: RFC 9101 sections 5.2 and 6.1, OpenID Connect
//! Core section 6.2.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hydrant::config::Config;
use hydrant::jose::{ContentEncryption, Encrypter, KeyManagement};
use hydrant::secret::sha256;
use serde_json::json;

use crate::request_object::{assert_granted, assert_login_required, by_reference, by_value, object, register};
use crate::support::signer::{Signer, unsigned};
use crate::support::{Server, Site};

fn with_loopback(config: &mut Config) {
    config.clients.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
}

/// RFC 9101 section 6.1: to a key of ours, with a signature inside.
#[tokio::test]
async fn an_object_may_be_encrypted_to_the_server() {
    let server = Server::start().await;
    let signer = Signer::es256();
    for (number, alg) in KeyManagement::ALL.into_iter().enumerate() {
        let id = format!("enc{number}");
        let registered = json!({ "jwks": signer.jwks(), "request_object_encryption_alg": alg.as_str() });
        register(&server, &id, registered).await;
        let jwt = signer.sign(&object(&server, &id, &json!({})));
        for enc in ContentEncryption::ALL {
            let encrypted = encrypt(&server, alg, enc, &jwt).await;
            // Without an `enc` registered it is A128CBC-HS256 (OpenID Connect Dynamic Client Registration section 2).
            match enc == ContentEncryption::A128CbcHs256 {
                true => drop(assert_granted(&server, &by_value(&id, &encrypted)).await),
                false => server.assert_page(&by_value(&id, &encrypted), 400, "invalid_request_object").await,
            }
        }
    }
    register(&server, "free", json!({ "jwks": signer.jwks() })).await;
    let claims = object(&server, "free", &json!({}));
    for enc in ContentEncryption::ALL {
        let encrypted = encrypt(&server, KeyManagement::EcdhEs, enc, &signer.sign(&claims)).await;
        assert_granted(&server, &by_value("free", &encrypted)).await;
    }
    // CA-35, CVE-2026-9793: that something is encrypted says nothing of who wrote it.
    for inside in [claims.to_string(), unsigned(&claims), Signer::es256().sign(&claims), "x".to_owned()] {
        let encrypted = encrypt(&server, KeyManagement::RsaOaep256, ContentEncryption::A128Gcm, &inside).await;
        server.assert_page(&by_value("free", &encrypted), 400, "invalid_request_object").await;
    }
    let good = encrypt(&server, KeyManagement::RsaOaep256, ContentEncryption::A128Gcm, &signer.sign(&claims)).await;
    let twice = encrypt(&server, KeyManagement::EcdhEs, ContentEncryption::A128Gcm, &good).await;
    server.assert_page(&by_value("free", &twice), 400, "invalid_request_object").await;
    for at in [10, good.len() / 2, good.len() - 2] {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        server.assert_page(&by_value("free", &changed), 400, "invalid_request_object").await;
    }
    let bad = encrypt(
        &server,
        KeyManagement::RsaOaep256,
        ContentEncryption::A128Gcm,
        &signer.sign(&object(&server, "free", &json!({ "exp": 1 }))),
    )
    .await;
    server.assert_back(&by_value("free", &bad), "invalid_request_object").await;
}

/// RFC 7519 section 11.2: where `none` is registered, what is encrypted need not be signed.
#[tokio::test]
async fn an_encrypted_object_is_unsigned_where_none_is_registered() {
    let server = Server::with(|config| config.oidc.request_unsigned = true).await;
    register(&server, "none", json!({ "request_object_signing_alg": "none" })).await;
    let claims = object(&server, "none", &json!({}));
    for inside in [claims.to_string(), unsigned(&claims)] {
        let encrypted = encrypt(&server, KeyManagement::EcdhEs, ContentEncryption::A256Gcm, &inside).await;
        assert_granted(&server, &by_value("none", &encrypted)).await;
    }
    for inside in ["[]".to_owned(), r#"{"a":1,"a":1}"#.to_owned(), Signer::es256().sign(&claims)] {
        let encrypted = encrypt(&server, KeyManagement::EcdhEs, ContentEncryption::A256Gcm, &inside).await;
        server.assert_page(&by_value("none", &encrypted), 400, "invalid_request_object").await;
    }
}

/// To the key that the server publishes for this.
async fn encrypt(server: &Server, alg: KeyManagement, enc: ContentEncryption, inside: &str) -> String {
    let published = server.jwks().await;
    let key =
        published["keys"].as_array().unwrap().iter().find(|key| key["use"] == "enc" && key["alg"] == alg.as_str());
    let key = serde_json::from_value(key.unwrap_or_else(|| panic!("{alg} is not in {published}")).clone()).unwrap();
    Encrypter::new(&key, alg, enc).unwrap().encrypt(inside.as_bytes(), Some("JWT"), None).unwrap()
}

/// OpenID Connect Core section 6.2.
#[tokio::test]
async fn a_request_uri_is_fetched_from_where_it_is_registered() {
    let (server, site) = (Server::with(with_loopback).await, Site::start().await);
    let signer = Signer::es256();
    let uris = [site.url("/r"), site.url("/gone"), site.url("/large"), site.url("/junk")];
    register(&server, "ro", json!({ "jwks": signer.jwks(), "request_uris": uris })).await;
    site.put("/r", signer.sign(&object(&server, "ro", &json!({}))));
    for _ in 0..3 {
        assert_granted(&server, &by_reference("ro", &uris[0])).await;
    }
    assert_eq!(site.visits(), 1, "kept");
    server.pass(60);
    site.put("/r", signer.sign(&object(&server, "ro", &json!({ "prompt": "none" }))));
    assert_login_required(&server, &by_reference("ro", &uris[0])).await;
    assert_eq!(site.visits(), 2);
    site.put("/large", "x".repeat(17 * 1024));
    site.put("/junk", "x");
    let before = site.visits();
    for uri in [
        &uris[1],
        &uris[2],
        &site.url("/r?x=1"),
        &site.url("/R"),
        &format!("{}#fragment", uris[0]),
        &site.url("/other"),
        &"https://evil.example/r".to_owned(),
        &"urn:ietf:params:oauth:request_uri:abc".to_owned(),
        &"file:///etc/passwd".to_owned(),
        &format!("https://rp.example/{}", "r".repeat(500)),
    ] {
        server.assert_page(&by_reference("ro", uri), 400, "invalid_request_uri").await;
    }
    assert_eq!(site.visits() - before, 2, "only what is registered is called, and once where it failed");
    server.assert_page(&by_reference("ro", &uris[3]), 400, "invalid_request_object").await;
}

/// SSRF: what is registered still has to be somewhere that the server may call.
#[tokio::test]
async fn a_request_uri_does_not_lead_into_the_servers_own_network() {
    let (server, site) = (Server::start().await, Site::start().await);
    let signer = Signer::es256();
    register(&server, "ro", json!({ "jwks": signer.jwks(), "request_uris": [site.url("/r")] })).await;
    site.put("/r", signer.sign(&object(&server, "ro", &json!({}))));
    server.assert_page(&by_reference("ro", &site.url("/r")), 400, "invalid_request_uri").await;
    assert_eq!(site.visits(), 0);
}

/// OpenID Connect Core section 6.2: the fragment says what the content is.
#[tokio::test]
async fn ro_13_a_fragment_binds_the_content() {
    let (server, site) = (Server::with(with_loopback).await, Site::start().await);
    let signer = Signer::es256();
    let jwt = signer.sign(&object(&server, "ro", &json!({})));
    let hash = URL_SAFE_NO_PAD.encode(sha256(jwt.as_bytes()));
    let uris = [format!("{}#{hash}", site.url("/a")), format!("{}#{hash}", site.url("/b"))];
    register(&server, "ro", json!({ "jwks": signer.jwks(), "request_uris": uris })).await;
    site.put("/a", &jwt);
    site.put("/b", signer.sign(&object(&server, "ro", &json!({ "scope": "openid profile" }))));
    assert_granted(&server, &by_reference("ro", &uris[0])).await;
    server.assert_page(&by_reference("ro", &uris[1]), 400, "invalid_request_uri").await;
}

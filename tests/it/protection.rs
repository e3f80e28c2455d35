//! How ID tokens and userinfo are signed, authenticated by the client's secret, and encrypted: OpenID Connect Core sections
//! 10.1 and 10.2, with the client's registered algorithms.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hydrant::jose::{Algorithm, ContentEncryption, DecryptionKey, Expect, KeyManagement, KeySet, MacAlgorithm, MacKey};
use serde_json::{Map, Value, json};

use crate::support::{Answer, Authorize, Server, Tokens, VERIFIER, unverified};

const URI: &str = "https://rp.example/cb";

/// Registers a client over the admin port, as an operator does; its secret.
async fn register(server: &Server, id: &str, more: &Value) -> String {
    let mut client = json!({
        "client_id": id, "redirect_uris": [URI], "scope": "openid offline_access email",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = server.admin(reqwest::Method::POST, "/clients", Some(&client)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["client_secret"].as_str().unwrap_or_default().to_owned()
}

async fn tokens(server: &Server, id: &str, secret: &str) -> Tokens {
    let request = Authorize::of(id, URI).set("scope", "openid offline_access email");
    let code = server.browser().code(&request, "alice").await;
    redeem(server, id, secret, &code).await.tokens()
}

async fn redeem(server: &Server, id: &str, secret: &str, code: &str) -> Answer {
    let fields =
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", URI), ("code_verifier", VERIFIER)];
    let request = server.http.post(server.url("/oauth2/token")).basic_auth(id, Some(secret)).form(&fields);
    Answer::of(request.send().await.unwrap()).await
}

/// The claims of a token by the published keys.
async fn verified(server: &Server, token: &str, alg: Algorithm) -> Map<String, Value> {
    let set = KeySet::parse(server.jwks().await.to_string().as_bytes()).unwrap();
    let expect = Expect { algs: &[alg], typ: &["JWT"], typ_optional: false };
    set.verify(token, &expect).unwrap().claims
}

fn at_hash(alg: Algorithm, token: &str) -> String {
    let hash = aws_lc_rs::digest::digest(alg.hash_alg(), token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

/// ID-01, ID-05, DI-05: every asymmetric algorithm that discovery names, by a key of its own, with the hash of its size; and
/// by a refresh as well. Keys are made when a client first needs them.
#[tokio::test]
async fn id_01_every_algorithm_signs_what_registered_it() {
    let server = Server::start().await;
    let document = server.get("/.well-known/openid-configuration").await.json();
    let mut kids = Vec::new();
    for alg in Algorithm::ALL {
        assert!(document["id_token_signing_alg_values_supported"].as_array().unwrap().contains(&json!(alg.as_str())));
        let id = format!("by-{alg}");
        let secret = register(&server, &id, &json!({ "id_token_signed_response_alg": alg.as_str() })).await;
        let given = tokens(&server, &id, &secret).await;
        let id_token = given.id_token.as_deref().unwrap();
        let header = unverified(id_token, 0);
        assert_eq!((&header["alg"], &header["typ"]), (&json!(alg.as_str()), &json!("JWT")));
        let claims = verified(&server, id_token, alg).await;
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(server.issuer), &json!([id])));
        assert_eq!(claims["at_hash"], at_hash(alg, &given.access_token), "{alg}");
        kids.push(header["kid"].clone());
        // Also by jsonwebtoken, which has all of them but one.
        if alg != Algorithm::Es512 {
            server.verify(id_token, &id).await;
        }
        let fields = [("grant_type", "refresh_token"), ("refresh_token", given.refresh())];
        let request = server.http.post(server.url("/oauth2/token")).basic_auth(&id, Some(&secret)).form(&fields);
        let again = Answer::of(request.send().await.unwrap()).await.tokens();
        assert_eq!(unverified(again.id_token.as_deref().unwrap(), 0)["alg"], alg.as_str());
    }
    kids.sort_by_key(Value::to_string);
    kids.dedup();
    assert_eq!(kids.len(), Algorithm::ALL.len(), "JK-10: one key, one algorithm");
}

/// OpenID Connect Core section 10.1: by the client's own secret, and no published key.
#[tokio::test]
async fn a_mac_is_of_the_clients_secret() {
    let server = Server::start().await;
    for alg in MacAlgorithm::ALL {
        let id = format!("by-{alg}");
        let more =
            json!({ "id_token_signed_response_alg": alg.as_str(), "userinfo_signed_response_alg": alg.as_str() });
        let secret = register(&server, &id, &more).await;
        let given = tokens(&server, &id, &secret).await;
        let key = MacKey::new(alg, secret.as_bytes()).unwrap();
        let id_token = given.id_token.as_deref().unwrap();
        let claims = key.verify(id_token, &["JWT"], false).unwrap();
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(server.issuer), &json!([id])));
        assert!(MacKey::new(alg, "x".repeat(64).as_bytes()).unwrap().verify(id_token, &["JWT"], false).is_err());
        let userinfo = server.userinfo(&given.access_token).await;
        assert_eq!(userinfo.header("content-type"), Some("application/jwt"));
        assert_eq!(key.verify(&userinfo.body, &["JWT"], false).unwrap()["sub"], claims["sub"]);
        // It can come back as a hint.
        let mut browser = server.browser();
        browser.journey(&Authorize::of(&id, URI), "alice").await;
        let hint = Authorize::of(&id, URI).set("prompt", "none").set("id_token_hint", id_token);
        assert!(browser.authorize(&hint).await.parameter("code").is_some());
        let forged = key.sign("JWT", &json!({ "iss": server.issuer, "sub": "x", "aud": "web", "iat": 1 })).unwrap();
        let answer = browser.authorize(&hint.set("id_token_hint", &forged)).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "of another client's name");
    }
}

/// TC-10: a secret that has expired vouches for nothing.
#[tokio::test]
async fn tc_10_an_expired_secret_makes_no_hint() {
    let server = Server::start().await;
    let secret = register(&server, "mac", &json!({ "id_token_signed_response_alg": "HS256" })).await;
    let mut browser = server.browser();
    let request = Authorize::of("mac", URI);
    let code = browser.code(&request, "alice").await;
    let given = redeem(&server, "mac", &secret, &code).await.tokens();
    let hint = request.set("prompt", "none").set("id_token_hint", given.id_token.as_deref().unwrap());
    assert!(browser.authorize(&hint).await.parameter("code").is_some());
    let past = format!("UPDATE clients SET secret_expires_at = {} WHERE id = 'mac'", server.clock.now().seconds() - 1);
    assert_eq!(server.database.execute(&past).await, 1);
    server.forget_client("mac").await;
    assert_eq!(browser.authorize(&hint).await.parameter("error").as_deref(), Some("invalid_request"));
}

/// ID-01: without a signature only where the operator offers it, the client asks for it, and the token endpoint gives it.
#[tokio::test]
async fn id_01_none_only_when_offered_registered_and_by_code() {
    let unsigned = json!({ "client_id": "plain", "redirect_uris": [URI], "id_token_signed_response_alg": "none" });
    let strict = Server::start().await;
    let refused = strict.admin(reqwest::Method::POST, "/clients", Some(&unsigned)).await;
    refused.assert_error(400, "invalid_client_metadata");
    let server = Server::with(|config| {
        config.oidc.signing_algs.push("none".to_owned());
        config.oauth2.response_types = hydrant::config::ResponseType::ALL.to_vec();
    })
    .await;
    let mut front = unsigned.clone();
    front["response_types"] = json!(["code", "code id_token"]);
    front["grant_types"] = json!(["authorization_code", "implicit"]);
    server.admin(reqwest::Method::POST, "/clients", Some(&front)).await.assert_error(400, "invalid_client_metadata");
    let secret = register(&server, "plain", &json!({ "id_token_signed_response_alg": "none" })).await;
    let given = tokens(&server, "plain", &secret).await;
    let id_token = given.id_token.as_deref().unwrap();
    assert!(id_token.ends_with('.') && unverified(id_token, 0)["alg"] == "none", "{id_token}");
    let claims = given.claims();
    assert_eq!((&claims["iss"], claims.get("at_hash")), (&json!(server.issuer), None));
    // It vouches for nobody.
    let mut browser = server.browser();
    browser.journey(&Authorize::of("plain", URI), "alice").await;
    let hint = Authorize::of("plain", URI).set("prompt", "none").set("id_token_hint", id_token);
    assert_eq!(browser.authorize(&hint).await.parameter("error").as_deref(), Some("invalid_request"));
}

/// UI-14: signed userinfo has `iss` and `aud`, and is no ID token.
#[tokio::test]
async fn ui_14_userinfo_can_be_signed() {
    let server = Server::start().await;
    for alg in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let id = format!("by-{alg}");
        let secret = register(&server, &id, &json!({ "userinfo_signed_response_alg": alg.as_str() })).await;
        let given = tokens(&server, &id, &secret).await;
        for post in [false, true] {
            let request = match post {
                true => server.http.post(server.url("/userinfo")),
                false => server.http.get(server.url("/userinfo")),
            };
            let answer = Answer::of(request.bearer_auth(&given.access_token).send().await.unwrap()).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/jwt")));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let claims = verified(&server, &answer.body, alg).await;
            assert_eq!((&claims["iss"], &claims["aud"]), (&json!(server.issuer), &json!(id)));
            assert_eq!((&claims["sub"], &claims["email"]), (&given.claims()["sub"], &json!("alice@example.com")));
            let hint = Authorize::of(&id, URI).set("id_token_hint", &answer.body);
            let refused = server.browser().authorize(&hint).await;
            assert_eq!(refused.parameter("error").as_deref(), Some("invalid_request"));
        }
    }
    let plain = server.tokens_with("openid").await;
    let answer = server.userinfo(&plain.access_token).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// OpenID Connect Core section 10.2: signed, then encrypted to the client's key, by every algorithm that discovery names.
#[tokio::test]
async fn what_is_encrypted_opens_with_the_clients_key() {
    let server = Server::start().await;
    let document = server.get("/.well-known/openid-configuration").await.json();
    for what in ["id_token", "userinfo"] {
        let named =
            |part: &str| document[format!("{what}_encryption_{part}_values_supported")].as_array().unwrap().len();
        assert_eq!((named("alg"), named("enc")), (KeyManagement::ALL.len(), ContentEncryption::ALL.len()));
    }
    for (nth, alg) in KeyManagement::ALL.into_iter().enumerate() {
        let (key, _) = DecryptionKey::generate(alg).unwrap();
        let jwks = json!({ "keys": [key.public_jwk()] });
        for enc in ContentEncryption::ALL {
            let id = format!("to-{nth}-{enc}");
            let more = json!({
                "jwks": jwks, "id_token_encrypted_response_alg": alg.as_str(), "id_token_encrypted_response_enc": enc.as_str(),
                "userinfo_encrypted_response_alg": alg.as_str(), "userinfo_encrypted_response_enc": enc.as_str(),
                "userinfo_signed_response_alg": if nth % 2 == 0 { "RS256" } else { "none" },
            });
            let secret = register(&server, &id, &more).await;
            let given = tokens(&server, &id, &secret).await;
            let outer = given.id_token.as_deref().unwrap();
            let header = unverified(outer, 0);
            assert_eq!((&header["alg"], &header["enc"]), (&json!(alg.as_str()), &json!(enc.as_str())));
            assert_eq!((&header["cty"], &header["kid"]), (&json!("JWT"), &json!(key.kid())));
            let opened = key.decrypt(outer, &[enc]).unwrap();
            let inner = std::str::from_utf8(&opened.plaintext).unwrap();
            let claims = verified(&server, inner, Algorithm::Rs256).await;
            assert_eq!(claims["aud"], json!([id]));
            let answer = server.userinfo(&given.access_token).await;
            assert_eq!(answer.header("content-type"), Some("application/jwt"));
            let told = key.decrypt(&answer.body, &[enc]).unwrap();
            let told: Map<String, Value> = if nth % 2 == 0 {
                verified(&server, std::str::from_utf8(&told.plaintext).unwrap(), Algorithm::Rs256).await
            } else {
                serde_json::from_slice(&told.plaintext).unwrap()
            };
            assert_eq!(told["sub"], claims["sub"], "{alg} {enc}");
        }
    }
}

/// ID-13: nobody who asked for encryption is answered in the clear: without a key there is no registration, and where the key
/// is lost later there is no token, and the code is still good.
#[tokio::test]
async fn id_13_encryption_is_never_left_out() {
    let server = Server::start().await;
    let (key, _) = DecryptionKey::generate(KeyManagement::EcdhEs).unwrap();
    let jwks = json!({ "keys": [key.public_jwk()] });
    for metadata in [
        json!({ "id_token_encrypted_response_alg": "RSA-OAEP" }),
        json!({ "id_token_encrypted_response_alg": "RSA1_5", "jwks": jwks }),
        json!({ "id_token_encrypted_response_alg": "dir", "jwks": jwks }),
        json!({ "id_token_encrypted_response_alg": "PBES2-HS256+A128KW", "jwks": jwks }),
        json!({ "id_token_encrypted_response_alg": "RSA-OAEP-256", "jwks": jwks }),
        json!({ "id_token_encrypted_response_alg": "ECDH-ES", "id_token_encrypted_response_enc": "A192GCM-X", "jwks": jwks }),
        json!({ "id_token_encrypted_response_enc": "A256GCM", "jwks": jwks }),
        json!({ "userinfo_encrypted_response_alg": "ECDH-ES" }),
    ] {
        let mut client = json!({ "redirect_uris": [URI] });
        client.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        let answer = server.admin(reqwest::Method::POST, "/clients", Some(&client)).await;
        answer.assert_error(400, "invalid_client_metadata");
    }
    let secret =
        register(&server, "sealed", &json!({ "id_token_encrypted_response_alg": "ECDH-ES", "jwks": jwks })).await;
    let code = server.browser().code(&Authorize::of("sealed", URI), "alice").await;
    let replace = |from: &str, to: &str| {
        format!("UPDATE clients SET metadata = replace(metadata, '{from}', '{to}') WHERE id = 'sealed'")
    };
    let (fit, unfit) = (r#""use":"enc""#, r#""use":"sig""#);
    assert_eq!(server.database.execute(&replace(fit, unfit)).await, 1);
    server.forget_client("sealed").await;
    redeem(&server, "sealed", &secret, &code).await.assert_error(500, "server_error");
    assert_eq!(server.database.execute(&replace(unfit, fit)).await, 1);
    server.forget_client("sealed").await;
    let given = redeem(&server, "sealed", &secret, &code).await.tokens();
    assert!(key.decrypt(given.id_token.as_deref().unwrap(), &[ContentEncryption::A128CbcHs256]).is_ok());
}

/// ID-01: what the operator does not offer any more is not used any more, and costs the client nothing.
#[tokio::test]
async fn id_01_an_algorithm_that_was_withdrawn_is_not_used() {
    let server = Server::start().await;
    let secret = register(&server, "es", &json!({ "id_token_signed_response_alg": "ES256" })).await;
    let code = server.browser().code(&Authorize::of("es", URI), "alice").await;
    let without = Server::on(server.database.clone(), server.clock.clone(), |config| {
        config.oidc.signing_algs = vec!["RS256".to_owned()];
    })
    .await;
    redeem(&without, "es", &secret, &code).await.assert_error(500, "server_error");
    let given = redeem(&server, "es", &secret, &code).await.tokens();
    assert_eq!(unverified(given.id_token.as_deref().unwrap(), 0)["alg"], "ES256", "the code was not spent");
}

/// LO-02: a client whose secret is a key can make hints itself, so they sign nobody out who was never there.
#[tokio::test]
async fn lo_02_a_hint_that_a_client_can_make_itself_proves_little() {
    let server = Server::start().await;
    let secret = register(&server, "mac", &json!({ "id_token_signed_response_alg": "HS256" })).await;
    let key = MacKey::new(MacAlgorithm::Hs256, secret.as_bytes()).unwrap();
    let subject = server.subject("alice").await;
    let mut browser = server.signed_in("alice").await;
    let session = server.database.column("SELECT id FROM sessions").await[0].clone();
    let other = session.replace(|c: char| c.is_ascii_digit(), "0");
    let logout = |hint: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("id_token_hint", hint).finish();
        server.url(&format!("/oauth2/sessions/logout?{query}"))
    };
    for sid in [&session, &other] {
        let claims = json!({ "iss": server.issuer, "sub": subject, "aud": ["mac"], "sid": sid, "iat": 1 });
        let answer = browser.get(&logout(&key.sign("JWT", &claims).unwrap())).await;
        assert!(
            answer.location().unwrap().contains("logout_challenge="),
            "the person is asked: {:?}",
            answer.location()
        );
        assert!(browser.authorize(&Authorize::web()).await.parameter("code").is_some(), "still signed in");
    }
    // With something that the session has given it, it is this session's client.
    let code = browser.code(&Authorize::of("mac", URI), "alice").await;
    let given = redeem(&server, "mac", &secret, &code).await.tokens();
    browser.get(&logout(given.id_token.as_deref().unwrap())).await;
    assert!(browser.authorize(&Authorize::web()).await.has_field("login_challenge"));
    // At the authorization endpoint it counts with its own client alone.
    let hint = Authorize::web().set("id_token_hint", given.id_token.as_deref().unwrap());
    server.assert_back(&hint, "invalid_request").await;
}

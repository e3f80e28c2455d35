//! Client assertions as they are written and signed: algorithms, keys, headers, serialisations (RFC 7515, RFC 8725). Group
//! CA of security-cases.md; what they say is in `client_assertion.rs`.

use hydrant::jose::Algorithm;
use reqwest::Method;
use serde_json::json;

use crate::client_assertion::{assert_accepted, assert_refused, by_key, jwtc, token, with};
use crate::support::Server;
use crate::support::signer::{Signer, assertion, decode, encode, mac, unsigned};

/// RFC 8725 section 3.1.
#[tokio::test]
async fn ca_01_unsigned_is_refused() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let claims = assertion(&server, "jwtc");
    assert_refused(&token(&server, &unsigned(&claims)).await, "none");
    for alg in [json!("none"), json!("None"), json!("NONE"), json!("nOnE"), json!(null), json!(0), json!("")] {
        let jwt = signer.sign_as(&json!({ "alg": alg }), &claims);
        let (message, _) = jwt.rsplit_once('.').unwrap();
        for tried in [&jwt, &format!("{message}.")] {
            assert_refused(&token(&server, tried).await, &format!("{alg} {tried}"));
        }
    }
    assert_refused(&token(&server, &signer.sign_as(&json!({}), &claims)).await, "no alg");
    assert_accepted(&token(&server, &signer.sign(&claims)).await, "nothing of that has spent the jti");
}

/// CVE-2015-9235: a public key is no secret, whatever the header says.
#[tokio::test]
async fn ca_02_a_public_key_is_no_secret() {
    let server = Server::start().await;
    let signer = Signer::new(Algorithm::Rs256);
    by_key(&server, "rsa", &signer.jwks(), json!({ "token_endpoint_auth_signing_alg": "RS256" })).await;
    by_key(&server, "any", &signer.jwks(), json!({})).await;
    let jwk = signer.jwk();
    let modulus = jwk["n"].as_str().unwrap();
    // SubjectPublicKeyInfo of a 2048-bit key with the exponent 65537 (RFC 8017 appendix A.1.1)
    let prefix = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let der = [bytes(prefix), decode(modulus), bytes("0203010001")].concat();
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
    for client in ["rsa", "any"] {
        for secret in [
            pem.as_bytes(),
            pem.trim().as_bytes(),
            &der,
            jwk.to_string().as_bytes(),
            modulus.as_bytes(),
            &decode(modulus),
        ] {
            for alg in ["HS256", "HS512"] {
                assert_refused(&token(&server, &mac(alg, secret, &assertion(&server, client))).await, alg);
            }
        }
        assert_accepted(&token(&server, &signer.sign(&assertion(&server, client))).await, client);
    }
}

/// RFC 8725 section 3.1: without a registered algorithm, each of the list by a key that is for it.
#[tokio::test]
async fn ca_04_without_a_registered_algorithm_the_keys_decide() {
    let server = Server::start().await;
    let algs = [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256];
    let signers = algs.map(Signer::new);
    let keys: Vec<_> = signers.iter().map(Signer::jwk).collect();
    by_key(&server, "any", &json!({ "keys": keys }), json!({})).await;
    for signer in &signers {
        let jwt = signer.sign(&assertion(&server, "any"));
        assert_accepted(&token(&server, &jwt).await, signer.kid());
    }
    by_key(&server, "one", &json!({ "keys": keys }), json!({ "token_endpoint_auth_signing_alg": "ES384" })).await;
    for (signer, alg) in signers.iter().zip(algs) {
        let answer = token(&server, &signer.sign(&assertion(&server, "one"))).await;
        assert_eq!(answer.status == 200, alg == Algorithm::Es384, "{alg}: {}", answer.body);
    }
}

/// RFC 7517 sections 4.2 to 4.4.
#[tokio::test]
async fn ca_05_a_key_serves_what_it_is_for() {
    let server = Server::start().await;
    let (p256, p384, rsa) = (Signer::es256(), Signer::new(Algorithm::Es384), Signer::new(Algorithm::Rs256));
    let mut bound = rsa.jwk();
    bound["alg"] = json!("RS512");
    let mut encrypting = p256.jwk();
    encrypting["use"] = json!("enc");
    encrypting.as_object_mut().unwrap().remove("alg");
    let mut deriving = p256.jwk();
    deriving["key_ops"] = json!(["deriveBits"]);
    for name in ["use", "alg"] {
        deriving.as_object_mut().unwrap().remove(name);
    }
    for (client, key, signer, alg) in [
        ("p384", p384.jwk(), &p384, "ES256"),
        ("ec", p256.jwk(), &p256, "EdDSA"),
        ("bound", bound, &rsa, "RS256"),
        ("encrypting", encrypting, &p256, "ES256"),
        ("deriving", deriving, &p256, "ES256"),
    ] {
        by_key(&server, client, &json!({ "keys": [key] }), json!({})).await;
        let jwt = signer.sign_as(&json!({ "alg": alg }), &assertion(&server, client));
        assert_refused(&token(&server, &jwt).await, client);
    }
    let jwt = rsa.sign_as(&json!({ "alg": "RS512" }), &assertion(&server, "bound"));
    assert_accepted(&token(&server, &jwt).await, "RS512, as the key says");
}

/// RFC 8725 section 3.5: a weak key, and one that is large enough to be an attack, is refused when it is registered.
#[tokio::test]
async fn ca_07_a_weak_key_is_not_registered() {
    let server = Server::start().await;
    let good = Signer::new(Algorithm::Rs256).jwk();
    let modulus = |bits: usize, last: u8| {
        let mut bytes = vec![0xa5_u8; bits / 8];
        *bytes.last_mut().unwrap() = last;
        encode(bytes)
    };
    for (name, value) in [
        ("n", json!(modulus(512, 1))),
        ("n", json!(modulus(1024, 1))),
        ("n", json!(modulus(2048, 2))),
        ("n", json!(modulus(65_536, 1))),
        ("e", json!(encode([1]))),
        ("e", json!(encode([1, 0, 0]))),
        ("d", json!(encode([1; 256]))),
    ] {
        let mut key = good.clone();
        key[name] = value;
        let client = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [key] } });
        let answer = server.admin(Method::POST, "/clients", Some(&client)).await;
        assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()), "{name}: {}", answer.body);
    }
    let symmetric = json!({ "kty": "oct", "k": encode([7; 32]) });
    let client = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [symmetric] } });
    server.admin(Method::POST, "/clients", Some(&client)).await.assert_error(400, "invalid_client_metadata");
}

/// RFC 8725 section 3.10.
#[tokio::test]
async fn ca_08_a_kid_is_compared_and_nothing_else() {
    let server = Server::start().await;
    let signers: Vec<_> = (0..3).map(|_| Signer::es256()).collect();
    let keys: Vec<_> = signers.iter().map(Signer::jwk).collect();
    by_key(&server, "many", &json!({ "keys": keys }), json!({})).await;
    for kid in [
        json!("../../etc/passwd"),
        json!("' OR 1=1--"),
        json!("x".repeat(8000)),
        json!("\u{0}"),
        json!(""),
        json!(1),
        json!({}),
        json!([signers[0].kid()]),
        json!(null),
        json!(signers[1].kid()),
    ] {
        let jwt = signers[0].sign_as(&json!({ "alg": "ES256", "kid": kid }), &assertion(&server, "many"));
        assert_refused(&token(&server, &jwt).await, &kid.to_string());
    }
    let jwt = signers[2].sign_as(&json!({ "alg": "ES256" }), &assertion(&server, "many"));
    assert_accepted(&token(&server, &jwt).await, "without a kid each fitting key is tried");
    let stranger = Signer::es256();
    for header in [
        json!({ "alg": "ES256", "jwk": stranger.jwk() }),
        json!({ "alg": "ES256", "jku": "http://127.0.0.1:1/jwks" }),
        json!({ "alg": "ES256", "x5u": "http://127.0.0.1:1/x", "kid": signers[0].kid() }),
    ] {
        let jwt = stranger.sign_as(&header, &assertion(&server, "many"));
        assert_refused(&token(&server, &jwt).await, &header.to_string());
    }
}

/// RFC 7515 section 4.1.11; RFC 7797 section 6.
#[tokio::test]
async fn ca_10_ca_11_critical_extensions_are_refused() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    for header in [
        r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"ES256","crit":["exp"]}"#,
        r#"{"alg":"ES256","crit":[]}"#,
        r#"{"alg":"ES256","crit":["foo"],"foo":1}"#,
        r#"{"alg":"ES256","crit":"exp"}"#,
        r#"{"alg":"ES256","b64":false}"#,
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
    ] {
        let jwt = signer.sign_text(header, &assertion(&server, "jwtc").to_string());
        assert_refused(&token(&server, &jwt).await, header);
    }
    let claims = assertion(&server, "jwtc").to_string();
    let twice = claims.replacen('{', r#"{"iss":"jwtc","#, 1);
    let jwt = signer.sign_text(r#"{"alg":"ES256"}"#, &twice);
    assert_refused(&token(&server, &jwt).await, "a claim twice");
}

/// RFC 7515 section 7.1: one spelling, or a spent token could be sent again in another.
#[tokio::test]
async fn ca_13_only_the_strict_compact_form_is_read() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let good = signer.sign(&assertion(&server, "jwtc"));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let stray = alphabet.as_bytes()[alphabet.find(last).unwrap() ^ 1];
    for odd in [
        json!({ "payload": payload, "protected": header, "signature": signature }).to_string(),
        message.to_owned(),
        format!("{good}."),
        format!("{good}.x"),
        format!("{good}.x.y"),
        format!("{good}="),
        format!("{good}=="),
        format!("{good}\n"),
        format!(" {good}"),
        good.replacen('.', ".\n", 1),
        format!("{}{}", &good[..good.len() - 1], char::from(stray)),
        format!("{message}."),
        format!("{message}.{}", signature.replace(['-', '_'], "+")) + "/",
    ] {
        assert_refused(&token(&server, &odd).await, &odd);
    }
    assert_accepted(&token(&server, &good).await, "as it was made");
}

/// CVE-2025-61920.
#[tokio::test]
async fn ca_14_size_comes_before_everything() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let large = with(assertion(&server, "jwtc"), &json!({ "more": "x".repeat(20_000) }));
    token(&server, &signer.sign(&large)).await.assert_error(400, "invalid_request");
    let header = json!({ "alg": "ES256", "more": "x".repeat(20_000) });
    token(&server, &signer.sign_as(&header, &assertion(&server, "jwtc"))).await.assert_error(400, "invalid_request");
    let deep = assertion(&server, "jwtc").to_string().replacen(
        '{',
        &format!("{{\"deep\":{}1{},", "[".repeat(40), "]".repeat(40)),
        1,
    );
    assert_refused(&token(&server, &signer.sign_text(r#"{"alg":"ES256"}"#, &deep)).await, "depth");
    let most = with(assertion(&server, "jwtc"), &json!({ "more": "x".repeat(11_000) }));
    assert_accepted(&token(&server, &signer.sign(&most)).await, "below 16 KiB");
}

/// CA-35: what is encrypted is not signed by anybody.
#[tokio::test]
async fn ca_35_an_encrypted_token_is_no_assertion() {
    let server = Server::start().await;
    jwtc(&server).await;
    for header in [
        json!({ "alg": "RSA1_5", "enc": "A128GCM" }),
        json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 1_000_000_000 }),
        json!({ "alg": "RSA-OAEP-256", "enc": "A128GCM", "zip": "DEF" }),
        json!({ "alg": "dir", "enc": "A128GCM" }),
    ] {
        let claims = encode(assertion(&server, "jwtc").to_string());
        let token_ =
            format!("{}.{}.{}.{claims}.{}", encode(header.to_string()), encode("k"), encode("iv"), encode("t"));
        assert_refused(&token(&server, &token_).await, &header.to_string());
    }
}

/// CA-31: the same claims under another signature are the same assertion.
#[tokio::test]
async fn ca_31_another_signature_is_no_other_assertion() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let claims = assertion(&server, "jwtc");
    let (first, second) = (signer.sign(&claims), signer.sign(&claims));
    assert_ne!(first, second, "ECDSA is randomised");
    assert_accepted(&token(&server, &first).await, "the first");
    assert_refused(&token(&server, &second).await, "signed anew");
    // (r, n - s) fits as well, by the nature of ECDSA.
    let order = decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");
    let (message, signature) = first.rsplit_once('.').unwrap();
    let mut bytes = decode(signature);
    let mut borrow = 0_i16;
    for at in (0..32).rev() {
        let difference = i16::from(order[at]) - i16::from(bytes[32 + at]) - borrow;
        borrow = i16::from(difference < 0);
        bytes[32 + at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    assert_refused(&token(&server, &format!("{message}.{}", encode(bytes))).await, "n - s");
}

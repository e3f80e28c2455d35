//! JWE as a whole: the specifications' tokens, every algorithm with every other, and what is refused (CA-35).

use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::jose::{Jwk, KeySet, Refusal, decode, encode, has_private_members, peek, vectors};

const ALL: &[ContentEncryption] = &ContentEncryption::ALL;

fn key(alg: KeyManagement, jwk: &Value) -> DecryptionKey {
    DecryptionKey::from_pkcs8(alg, &vectors::pkcs8(jwk)).unwrap()
}

fn generated(alg: KeyManagement) -> DecryptionKey {
    DecryptionKey::generate(alg).unwrap().0
}

fn encrypter(key: &DecryptionKey, enc: ContentEncryption) -> Encrypter {
    Encrypter::new(&key.public_jwk(), key.alg(), enc).unwrap()
}

fn header(token: &str) -> Value {
    serde_json::from_slice(&decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

fn with_header(token: &str, header: &str) -> String {
    format!("{}.{}", encode(header), token.split_once('.').unwrap().1)
}

/// RFC 7516 appendix A.1, RFC 7520 sections 5.2, 5.4 and 5.5.
#[test]
fn the_tokens_of_the_specifications_decrypt() {
    use ContentEncryption::{A128CbcHs256, A128Gcm, A256Gcm};
    let a1 = "The true sign of intelligence is not knowledge but imagination.";
    let cookbook = vectors::RFC7520_5_PAYLOAD;
    for (alg, enc, jwk, token, plaintext) in [
        (KeyManagement::RsaOaep, A256Gcm, vectors::rfc7516_a1(), vectors::RFC7516_A1_TOKEN, a1),
        (KeyManagement::RsaOaep, A256Gcm, vectors::rfc7520_5_2(), vectors::RFC7520_5_2_TOKEN, cookbook),
        (KeyManagement::EcdhEsA128Kw, A128Gcm, vectors::rfc7520_5_4(), vectors::RFC7520_5_4_TOKEN, cookbook),
        (KeyManagement::EcdhEs, A128CbcHs256, vectors::rfc7520_5_5(), vectors::RFC7520_5_5_TOKEN, cookbook),
    ] {
        let decrypted = key(alg, &jwk).decrypt(token, &[enc]).unwrap();
        assert_eq!(std::str::from_utf8(&decrypted.plaintext).unwrap(), plaintext);
        assert_eq!(decrypted.enc, enc);
        let others: Vec<_> = ContentEncryption::ALL.into_iter().filter(|other| *other != enc).collect();
        assert!(key(alg, &jwk).decrypt(token, &others).unwrap_err().reason().contains("encryption"));
    }
}

#[test]
fn tokens_made_elsewhere_decrypt() {
    for (alg, jwk, token) in [
        (KeyManagement::RsaOaep256, vectors::rfc7516_a1(), vectors::RSA_OAEP_256),
        (KeyManagement::EcdhEsA256Kw, vectors::rfc7520_5_4(), vectors::P384_A256KW),
        (KeyManagement::EcdhEs, vectors::rfc7515_a4(), vectors::P521_DIRECT),
        (KeyManagement::EcdhEsA128Kw, vectors::rfc8037_a6(), vectors::X25519_A128KW),
    ] {
        let decrypted = key(alg, &jwk).decrypt(token, ALL).unwrap();
        assert_eq!(decrypted.plaintext.as_slice(), b"Made elsewhere.", "{alg}");
    }
}

/// RFC 7517 appendix A: the key for encryption, as it is published and as its owner has it.
#[test]
fn the_key_of_rfc_7517_is_encrypted_to() {
    let document = json!({ "keys": [vectors::rfc7517_a1(), vectors::rfc7638()] });
    let set = KeySet::strict(&document).unwrap();
    let alg = KeyManagement::EcdhEs;
    let token = Encrypter::of(&set, alg, ContentEncryption::A128Gcm).unwrap().encrypt(b"text", None, None).unwrap();
    assert_eq!(header(&token)["kid"], "1");
    let own = key(alg, &vectors::rfc7517_a2_ec());
    assert_eq!(own.decrypt(&token, ALL).unwrap().plaintext.as_slice(), b"text");
    // The other one is for RS256.
    assert!(Encrypter::of(&set, KeyManagement::RsaOaep, ContentEncryption::A128Gcm).is_err());
    assert!(KeySet::strict(&json!({ "keys": [vectors::rfc7517_a2_ec()] })).is_err());
}

#[test]
fn every_algorithm_goes_with_every_encryption_and_curve() {
    for alg in KeyManagement::ALL {
        let keys = if alg.takes(&vectors::rfc7638()) {
            vec![generated(alg), key(alg, &vectors::rfc7520_5_2())]
        } else {
            let curves = [vectors::rfc7520_5_4(), vectors::rfc7520_5_5(), vectors::rfc7515_a4(), vectors::rfc8037_a6()];
            [generated(alg)].into_iter().chain(curves.iter().map(|jwk| key(alg, jwk))).collect()
        };
        for key in keys {
            for enc in ContentEncryption::ALL {
                for plaintext in [&b""[..], b"x", b"sixteen bytes..!", &[0xa5; 3000]] {
                    let token = encrypter(&key, enc).encrypt(plaintext, Some("JWT"), Some("at+jwt")).unwrap();
                    let decrypted = key.decrypt(&token, &[enc]).unwrap();
                    assert_eq!(decrypted.plaintext.as_slice(), plaintext, "{alg} {enc}");
                    assert_eq!((decrypted.cty.as_deref(), decrypted.typ.as_deref()), (Some("JWT"), Some("at+jwt")));
                }
            }
        }
    }
}

#[test]
fn a_header_has_what_the_recipient_needs_and_no_more() {
    let key = generated(KeyManagement::EcdhEs);
    let token = encrypter(&key, ContentEncryption::A256Gcm).encrypt(b"", None, None).unwrap();
    let epk = header(&token)["epk"].clone();
    assert_eq!(
        header(&token),
        json!({ "alg": "ECDH-ES", "enc": "A256GCM", "kid": key.kid(), "epk": { "kty": "EC", "crv": "P-256",
                "x": epk["x"], "y": epk["y"] } })
    );
    assert!(!has_private_members(&epk));
    let again = encrypter(&key, ContentEncryption::A256Gcm).encrypt(b"", None, None).unwrap();
    assert_ne!(header(&again)["epk"], epk, "an ephemeral key is for one token");

    let anonymous = Jwk { kid: None, ..generated(KeyManagement::RsaOaep256).public_jwk() };
    let encrypter = Encrypter::new(&anonymous, KeyManagement::RsaOaep256, ContentEncryption::A128CbcHs256).unwrap();
    let token = encrypter.encrypt(b"", Some("JWT"), Some("JWT")).unwrap();
    let expected = json!({ "alg": "RSA-OAEP-256", "enc": "A128CBC-HS256", "typ": "JWT", "cty": "JWT" });
    assert_eq!(header(&token), expected);
    assert_eq!(peek(&token).unwrap().form, crate::jose::Form::Jwe);
}

#[test]
fn ca_35_every_changed_byte_is_refused() {
    for (alg, enc, flips) in [
        (KeyManagement::EcdhEs, ContentEncryption::A128Gcm, &[1, 2, 4, 8, 16, 32, 64][..]),
        (KeyManagement::EcdhEsA256Kw, ContentEncryption::A256CbcHs512, &[1, 2, 4, 8, 16, 32, 64]),
        (KeyManagement::RsaOaep, ContentEncryption::A128CbcHs256, &[1]),
        (KeyManagement::RsaOaep256, ContentEncryption::A256Gcm, &[1]),
    ] {
        let key = generated(alg);
        let token = encrypter(&key, enc).encrypt(b"The plaintext.", Some("JWT"), None).unwrap();
        assert!(key.decrypt(&token, ALL).is_ok());
        for at in 0..token.len() {
            for flip in flips {
                let mut bytes = token.as_bytes().to_vec();
                bytes[at] ^= flip;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(key.decrypt(&changed, ALL).is_err(), "{alg} {enc}: {at} {flip}");
            }
            assert!(key.decrypt(&token[..at], ALL).is_err());
        }
    }
}

/// An authentic token to an RSA key, whatever its header says.
fn forged(key: &DecryptionKey, header: &str, content_key: &[u8]) -> String {
    let jwk = key.public_jwk();
    let number = |member: Option<String>| decode(&member.unwrap()).unwrap();
    let components = PublicKeyComponents { n: number(jwk.n), e: number(jwk.e) };
    let public: PublicEncryptingKey = components.try_into().unwrap();
    let mut wrapped = vec![0; 256];
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    public.encrypt(oaep(key.alg()), content_key, &mut wrapped, None).unwrap();
    let protected = encode(header);
    let seal_key = [content_key, &[0; 16]].concat();
    let sealed = content::seal(ContentEncryption::A128Gcm, &seal_key[..16], protected.as_bytes(), b"{}").unwrap();
    format!("{protected}.{}", [wrapped, sealed.iv, sealed.ciphertext, sealed.tag].map(encode).join("."))
}

/// RFC 8725 sections 3.1, 3.2 and 3.6.
#[test]
fn ca_35_headers_that_ask_for_more_are_refused() {
    let key = generated(KeyManagement::RsaOaep);
    let reason = |header: &str| key.decrypt(&forged(&key, header, &[7; 16]), ALL).map_err(|refusal| refusal.reason());
    assert_eq!(reason(r#"{"alg":"RSA-OAEP","enc":"A128GCM","x":1}"#).unwrap().plaintext.as_slice(), b"{}");
    for (header, why) in [
        (r#"{"alg":"RSA-OAEP","enc":"A128GCM","zip":"DEF"}"#, "compressed"),
        (r#"{"alg":"RSA-OAEP","enc":"A128GCM","zip":null}"#, "compressed"),
        (r#"{"alg":"RSA-OAEP","enc":"A128GCM","crit":["exp"]}"#, "critical"),
        (r#"{"alg":"RSA-OAEP","enc":"A128GCM","crit":[]}"#, "critical"),
        (r#"{"alg":"RSA-OAEP","alg":"RSA-OAEP","enc":"A128GCM"}"#, "twice"),
        (r#"{"alg":"RSA1_5","enc":"A128GCM"}"#, "algorithm"),
        (r#"{"alg":"RSA-OAEP-256","enc":"A128GCM"}"#, "algorithm"),
        (r#"{"alg":"PBES2-HS256+A128KW","p2c":1000000000,"p2s":"AAAA","enc":"A128GCM"}"#, "algorithm"),
        (r#"{"alg":"dir","enc":"A128GCM"}"#, "algorithm"),
        (r#"{"alg":"none","enc":"A128GCM"}"#, "algorithm"),
        (r#"{"alg":"rsa-oaep","enc":"A128GCM"}"#, "algorithm"),
        (r#"{"enc":"A128GCM"}"#, "no algorithm"),
        (r#"{"alg":"RSA-OAEP"}"#, "encryption"),
        (r#"{"alg":"RSA-OAEP","enc":"A192GCM"}"#, "encryption"),
        (r#"{"alg":"RSA-OAEP","enc":1}"#, "enc"),
        (r#"{"alg":"RSA-OAEP","enc":"A128GCM","cty":1}"#, "cty"),
    ] {
        assert!(reason(header).unwrap_err().contains(why), "{header}");
    }
    // RFC 7516 appendix A.2, with its own key.
    let a2 = self::key(KeyManagement::RsaOaep, &vectors::rfc7516_a2());
    assert!(a2.decrypt(vectors::RFC7516_A2_TOKEN, ALL).unwrap_err().reason().contains("algorithm"));
}

/// RFC 7516 section 11.5.
#[test]
fn ca_35_a_bad_key_looks_like_a_bad_tag() {
    let good_header = r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#;
    let key = generated(KeyManagement::RsaOaep);
    let good = forged(&key, good_header, &[7; 16]);
    let with = |at: usize, part: &[u8]| {
        let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
        parts[at] = encode(part);
        parts.join(".")
    };
    let bad_tag = key.decrypt(&with(4, &[0; 16]), ALL).unwrap_err();
    assert_eq!(bad_tag, Refusal::because("the token cannot be decrypted"));
    for bad in [
        with(1, &[7; 256]),
        with(1, &[0xff; 256]),
        with(1, &[0; 256]),
        with(1, &[7; 255]),
        with(1, &[]),
        // Keys that unwrap well and are too short, too long, or nothing.
        forged(&key, good_header, &[7; 15]),
        forged(&key, good_header, &[7; 32]),
        forged(&key, good_header, &[]),
        // Those of somebody else.
        forged(&generated(KeyManagement::RsaOaep), good_header, &[7; 16]),
        with(2, &[0; 12]),
        with(2, &[0; 16]),
        with(4, &[]),
    ] {
        assert_eq!(key.decrypt(&bad, ALL).unwrap_err(), bad_tag);
    }

    let key = generated(KeyManagement::EcdhEsA128Kw);
    let token = encrypter(&key, ContentEncryption::A128Gcm).encrypt(b"{}", None, None).unwrap();
    let mut parts: Vec<&str> = token.split('.').collect();
    let wrapped = encode([7; 24]);
    for bad in [wrapped.as_str(), "", "AA"] {
        parts[1] = bad;
        assert_eq!(key.decrypt(&parts.join("."), ALL).unwrap_err(), bad_tag);
    }
}

#[test]
fn ca_35_an_ephemeral_key_must_be_a_point_of_the_curve() {
    for alg in [KeyManagement::EcdhEs, KeyManagement::EcdhEsA128Kw, KeyManagement::EcdhEsA256Kw] {
        let key = key(alg, &vectors::rfc7520_5_5());
        let token = encrypter(&key, ContentEncryption::A128Gcm).encrypt(b"{}", None, None).unwrap();
        let good = header(&token)["epk"].clone();
        let changed = |name: &str, value: Value| {
            let mut epk = good.clone();
            epk[name] = value;
            epk
        };
        for epk in [
            json!(null),
            json!("x"),
            json!({}),
            changed("y", good["x"].clone()),
            changed("x", json!(encode([0; 32]))),
            changed("x", json!(encode([0xff; 32]))),
            changed("x", json!(encode([1; 31]))),
            changed("crv", json!("P-384")),
            changed("kty", json!("OKP")),
            changed("d", json!("AAAA")),
            json!({ "kty": "EC", "crv": "P-256", "x": encode([0; 32]), "y": encode([0; 32]) }),
            json!({ "kty": "OKP", "crv": "X25519", "x": vectors::rfc8037_a6()["x"] }),
            vectors::rfc7520_ec(),
        ] {
            let header = json!({ "alg": alg, "enc": "A128GCM", "epk": epk }).to_string();
            let refusal = key.decrypt(&with_header(&token, &header), ALL).unwrap_err();
            assert!(refusal.reason().contains("ephemeral"), "{epk}");
        }
        let missing = json!({ "alg": alg, "enc": "A128GCM" }).to_string();
        assert!(key.decrypt(&with_header(&token, &missing), ALL).unwrap_err().reason().contains("ephemeral"));
    }
    let key = key(KeyManagement::EcdhEs, &vectors::rfc8037_a6());
    let token = encrypter(&key, ContentEncryption::A128Gcm).encrypt(b"{}", None, None).unwrap();
    let epk = json!({ "kty": "OKP", "crv": "X25519", "x": encode([0; 32]) });
    let header = json!({ "alg": "ECDH-ES", "enc": "A128GCM", "epk": epk }).to_string();
    assert!(key.decrypt(&with_header(&token, &header), ALL).unwrap_err().reason().contains("ephemeral"));
}

#[test]
fn parties_are_part_of_the_agreement_and_an_agreed_key_is_not_sent() {
    let key = key(KeyManagement::EcdhEs, &vectors::rfc7515_a4());
    let [protected, rest] = [0, 1].map(|at| vectors::P521_DIRECT.splitn(2, '.').nth(at).unwrap());
    assert!(key.decrypt(&format!("{protected}.{rest}"), ALL).is_ok());
    let refusal = key.decrypt(&format!("{protected}.{}{rest}", encode([7; 40])), ALL).unwrap_err();
    assert!(refusal.reason().contains("nothing needs"));
    for party in [json!("="), json!(1), json!("QR"), json!(null)] {
        let mut header = header(vectors::P521_DIRECT);
        header["apu"] = party.clone();
        let refusal = key.decrypt(&with_header(vectors::P521_DIRECT, &header.to_string()), ALL).unwrap_err();
        assert!(refusal.reason().contains("party"), "{party}");
    }
}

#[test]
fn the_form_is_checked_before_anything_is_decoded() {
    let key = generated(KeyManagement::EcdhEs);
    let token = encrypter(&key, ContentEncryption::A128Gcm).encrypt(b"{}", None, None).unwrap();
    for bad in [format!("{token}="), format!("{token}.x"), format!(" {token}"), token.replacen("..", ".", 1)] {
        assert!(key.decrypt(&bad, ALL).is_err(), "{bad}");
    }
    assert!(key.decrypt(vectors::RFC7515_A2_TOKEN, ALL).unwrap_err().reason().contains("parts"));
    assert!(key.decrypt(&"!".repeat(16 * 1024 + 1), ALL).unwrap_err().reason().contains("too long"));
    let long = encrypter(&key, ContentEncryption::A128Gcm).encrypt(&[7; 16 * 1024], None, None).unwrap();
    assert!(key.decrypt(&long, ALL).unwrap_err().reason().contains("too long"));
    assert!(key.decrypt(&token, &[]).unwrap_err().reason().contains("encryption"));
}

proptest! {
    #[test]
    fn no_input_panics(
        header in ".*",
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..6),
    ) {
        let rest = parts.iter().map(encode).collect::<Vec<_>>().join(".");
        let key = key(KeyManagement::EcdhEs, &vectors::rfc8037_a6());
        for token in [header.clone(), format!("{header}.{rest}"), format!("{}.{rest}", encode(&header))] {
            prop_assert!(key.decrypt(&token, ALL).is_err());
        }
    }

    #[test]
    fn no_header_panics(
        alg in "ECDH-ES(\\+A128KW)?",
        name in "epk|apu|apv|enc|zip|crit|typ|cty|kid",
        value in "\\PC*",
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let key = key(KeyManagement::EcdhEs, &vectors::rfc8037_a6());
        let mut header = header(vectors::X25519_A128KW);
        header["alg"] = alg.into();
        header[name] = serde_json::from_str(&value).unwrap_or(Value::String(value));
        let header = encode(header.to_string());
        let token = format!("{header}.{0}.{0}.{0}.{0}", encode(bytes));
        prop_assert!(key.decrypt(&token, ALL).is_err());
    }
}

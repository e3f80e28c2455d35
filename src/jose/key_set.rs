//! A set of public keys (RFC 7517 section 5), and the one way to believe a token: RFC 7515 section 5.2, RFC 8725.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize as _, Serialize, Serializer};
use serde_json::{Map, Value};

use super::verifying_key::VerifyingKey;
use super::{Algorithm, Error, Header, Jwk, Refusal, Result, Token, compact, has_private_members, json};

/// More keys than anybody rotates; each of them costs parsing.
const MAX_KEYS: usize = 100;

/// How many keys are tried for one token. Without a `kid`, each is another signature to check.
const MAX_TRIED: usize = 10;

/// Public keys, each parsed once. A key that is not sound, or not for signatures, is carried along and verifies nothing.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: Vec<Jwk>,
    verifying: Vec<VerifyingKey>,
}

/// What a token must be to be believed here, whatever it says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Expect<'a> {
    pub algs: &'a [Algorithm],
    /// The media types of the kind of token that is due, without `application/` (RFC 8725 section 3.11).
    pub typ: &'a [&'a str],
    /// Whether a token without `typ` will do as well.
    pub typ_optional: bool,
}

/// A token whose signature is that of a key of the set. Its claims are still to be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    pub header: Header,
    pub claims: Map<String, Value>,
}

impl KeySet {
    pub fn new(keys: Vec<Jwk>) -> Self {
        let verifying = keys.iter().filter_map(|key| VerifyingKey::new(key).ok()).collect();
        Self { keys, verifying }
    }

    /// A document from a `jwks_uri`. Keys that we do not understand are left out, not held against the rest
    /// (RFC 7517 section 5).
    pub fn parse(document: &[u8]) -> Result<Self> {
        let document = json::value(document).map_err(|_| Error::Key("the key set is not JSON"))?;
        let keys = members(&document)?.iter();
        Ok(Self::new(keys.filter_map(|key| Jwk::read(key).ok()).filter(|key| key.check().is_ok()).collect()))
    }

    /// The `jwks` of somebody who registers it: every key must be sound, public, and told from the others by its `kid`.
    /// The errors are for the sender's eyes.
    pub fn strict(document: &Value) -> Result<Self> {
        if has_private_members(document) {
            return Err(Error::Key("the key set has a private or symmetric key in it"));
        }
        let mut names = HashSet::new();
        let mut keys = Vec::new();
        for member in members(document)? {
            let key = Jwk::read(member)?;
            key.check()?;
            if key.kid.as_ref().is_some_and(|kid| !names.insert(kid.clone())) {
                return Err(Error::Key("two keys of the key set have the same kid"));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(Error::Key("the key set is empty"));
        }
        Ok(Self::new(keys))
    }

    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    pub fn verify(&self, token: &str, expect: &Expect<'_>) -> Result<Verified, Refusal> {
        self.verify_token(&Token::read(token)?, expect)
    }

    /// The same for a token that was read before, to learn whose keys to ask.
    pub fn verify_token(&self, token: &Token<'_>, expect: &Expect<'_>) -> Result<Verified, Refusal> {
        self.check_signature(token, expect)?;
        Ok(Verified { header: token.header.clone(), claims: token.unverified_claims()? })
    }

    fn check_signature(&self, token: &Token<'_>, expect: &Expect<'_>) -> Result<(), Refusal> {
        let Header { alg, kid, typ } = &token.header;
        if !expect.algs.contains(alg) {
            return Err(Refusal::because("the algorithm is not one of those expected"));
        }
        if !compact::is_kind(typ.as_deref(), expect.typ, expect.typ_optional) {
            return Err(Refusal::because("the token is of another kind"));
        }
        let named = |key: &&VerifyingKey| kid.is_none() || key.kid == *kid;
        let mut fitting = self.verifying.iter().filter(named).filter(|key| key.takes(*alg)).peekable();
        if fitting.peek().is_none() {
            return Err(Refusal::unknown_key());
        }
        if fitting.take(MAX_TRIED).any(|key| key.verify(*alg, token.signed, &token.signature)) {
            Ok(())
        } else {
            Err(Refusal::because("the signature does not fit"))
        }
    }
}

impl Jwk {
    fn read(value: &Value) -> Result<Self> {
        Self::deserialize(value).map_err(|_| Error::Key("a member of the key set is not a JWK"))
    }
}

fn members(document: &Value) -> Result<&Vec<Value>> {
    match document.get("keys") {
        Some(Value::Array(keys)) if keys.len() > MAX_KEYS => Err(Error::Key("the key set has too many keys")),
        Some(Value::Array(keys)) => Ok(keys),
        _ => Err(Error::Key("the key set has no array named keys")),
    }
}

impl Serialize for KeySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Document<'a> {
            keys: &'a [Jwk],
        }
        Document { keys: &self.keys }.serialize(serializer)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| key.kid.as_deref().unwrap_or("-"))).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{SigningKey, encode, vectors};

    const ANY: Expect<'_> = Expect { algs: &Algorithm::ALL, typ: &["JWT"], typ_optional: true };

    fn key(alg: Algorithm) -> SigningKey {
        SigningKey::generate(alg).unwrap().0
    }

    fn reason(set: &KeySet, token: &str, expect: &Expect<'_>) -> &'static str {
        set.verify(token, expect).unwrap_err().reason()
    }

    #[test]
    fn the_signatures_of_the_specifications_fit() {
        for (jwk, token) in
            [(vectors::rfc7515_a2(), vectors::RFC7515_A2_TOKEN), (vectors::rfc7515_a3(), vectors::RFC7515_A3_TOKEN)]
        {
            let verified = KeySet::new(vec![jwk]).verify(token, &ANY).unwrap();
            assert_eq!(verified.claims["iss"], "joe");
            assert_eq!(verified.claims["exp"], 1_300_819_380);
        }
        // RFC 8037 appendix A.4 signs text that is no JSON.
        let set = KeySet::new(vec![vectors::rfc8037()]);
        let token = Token::read(vectors::RFC8037_TOKEN).unwrap();
        set.check_signature(&token, &ANY).unwrap();
        assert_eq!(token.payload, b"Example of Ed25519 signing");
        assert!(set.verify_token(&token, &ANY).is_err());
    }

    /// RFC 7515 appendix A.4, RFC 7520 sections 4.1 to 4.3: they sign text that is no JSON.
    #[test]
    fn the_signatures_of_the_cookbook_fit() {
        for (jwk, token, payload) in [
            (vectors::rfc7515_a4(), vectors::RFC7515_A4_TOKEN, "Payload"),
            (vectors::rfc7520_rsa(), vectors::RFC7520_4_1_TOKEN, vectors::RFC7520_4_PAYLOAD),
            (vectors::rfc7520_rsa(), vectors::RFC7520_4_2_TOKEN, vectors::RFC7520_4_PAYLOAD),
            (vectors::rfc7520_ec(), vectors::RFC7520_4_3_TOKEN, vectors::RFC7520_4_PAYLOAD),
        ] {
            let set = KeySet::new(vec![vectors::public(jwk)]);
            let token = Token::read(token).unwrap();
            set.check_signature(&token, &ANY).unwrap();
            assert_eq!(String::from_utf8(token.payload.clone()).unwrap(), payload);
            let others: Vec<_> = Algorithm::ALL.into_iter().filter(|alg| *alg != token.header.alg).collect();
            assert!(set.check_signature(&token, &Expect { algs: &others, ..ANY }).is_err());
        }
    }

    #[test]
    fn one_changed_bit_anywhere_is_refused() {
        let set = KeySet::new(vec![vectors::rfc7515_a3()]);
        let token = vectors::RFC7515_A3_TOKEN;
        for at in 0..token.len() {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(set.verify(&changed, &ANY).is_err(), "{at}");
        }
    }

    #[test]
    fn only_expected_algorithms_and_kinds_pass() {
        let key = key(Algorithm::Es256);
        let set = KeySet::new(vec![key.public_jwk()]);
        let token = key.sign("at+jwt", &json!({ "sub": "a" })).unwrap();
        let expect = |algs, typ, typ_optional| Expect { algs, typ, typ_optional };
        let verified = set.verify(&token, &expect(&[Algorithm::Es256], &["at+jwt"], false)).unwrap();
        assert_eq!(verified.header.kid.as_deref(), Some(key.kid()));
        assert_eq!(verified.claims["sub"], "a");
        assert!(set.verify(&token, &expect(&[Algorithm::Es256], &["JWT", "AT+JWT"], true)).is_ok());
        assert!(reason(&set, &token, &expect(&[Algorithm::Rs256], &["at+jwt"], false)).contains("algorithm"));
        assert!(reason(&set, &token, &expect(&[Algorithm::Es256], &["JWT"], true)).contains("kind"));

        let long = key.sign("application/at+jwt", &json!({})).unwrap();
        assert!(set.verify(&long, &expect(&[Algorithm::Es256], &["at+jwt"], false)).is_ok());
        let untyped = vectors::RFC7515_A3_TOKEN;
        let set = KeySet::new(vec![vectors::rfc7515_a3()]);
        assert!(reason(&set, untyped, &expect(&[Algorithm::Es256], &["JWT"], false)).contains("kind"));
    }

    /// RFC 8725 section 3.1: a public key must not be taken for the secret of an HMAC.
    #[test]
    fn a_public_key_is_never_the_secret_of_an_hmac() {
        let jwk = vectors::rfc7515_a2();
        let set = KeySet::new(vec![jwk.clone()]);
        let secrets = [
            serde_json::to_vec(&jwk).unwrap(),
            jwk.n.clone().unwrap().into_bytes(),
            crate::jose::decode(&jwk.n.unwrap()).unwrap(),
        ];
        for secret in secrets {
            let signed = format!("{}.{}", encode(r#"{"alg":"HS256"}"#), encode(r#"{"iss":"joe"}"#));
            let tag = aws_lc_rs::hmac::sign(
                &aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret),
                signed.as_bytes(),
            );
            for header in ["HS256", "RS256"] {
                let signed = format!("{}.{}", encode(format!(r#"{{"alg":"{header}"}}"#)), encode(r#"{"iss":"joe"}"#));
                assert!(set.verify(&format!("{signed}.{}", encode(tag.as_ref())), &ANY).is_err());
            }
        }
        let none = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(r#"{"iss":"joe"}"#));
        assert!(set.verify(&none, &ANY).is_err());
    }

    #[test]
    fn a_kid_is_looked_up_by_equality_in_this_set_only() {
        let (first, second) = (key(Algorithm::Es256), key(Algorithm::Es256));
        let set = KeySet::new(vec![first.public_jwk()]);
        let foreign = second.sign("JWT", &json!({})).unwrap();
        let refusal = set.verify(&foreign, &ANY).unwrap_err();
        assert!(refusal.is_unknown_key());
        assert_eq!(refusal.to_string(), "the JSON Web Token is not valid");

        for kid in ["../../etc/passwd", "' OR 1=1--", r"\u0000", "", &"k".repeat(4000)] {
            let header = encode(format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#));
            let token = format!("{header}.{}.{}", encode("{}"), encode([1; 64]));
            assert!(set.verify(&token, &ANY).unwrap_err().is_unknown_key(), "{kid}");
        }
        // The right name on the wrong key.
        let impostor = Jwk { kid: Some(first.kid().to_owned()), ..second.public_jwk() };
        let token = first.sign("JWT", &json!({})).unwrap();
        let refusal = KeySet::new(vec![impostor.clone()]).verify(&token, &ANY).unwrap_err();
        assert!(!refusal.is_unknown_key());
        // Two keys of one name, which RFC 7517 section 4.5 allows: either may have signed.
        assert!(KeySet::new(vec![impostor, first.public_jwk()]).verify(&token, &ANY).is_ok());
    }

    #[test]
    fn without_a_kid_fitting_keys_are_tried_but_not_many() {
        let filler: Vec<Jwk> = (0..MAX_TRIED).map(|_| key(Algorithm::Es256).public_jwk()).collect();
        let others = [key(Algorithm::Es384).public_jwk(), key(Algorithm::EdDsa).public_jwk()];
        let with = |fillers: usize| {
            let keys = others.iter().chain(&filler[..fillers]).cloned().chain([vectors::rfc7515_a3()]);
            KeySet::new(keys.collect()).verify(vectors::RFC7515_A3_TOKEN, &ANY)
        };
        assert!(with(MAX_TRIED - 1).is_ok());
        assert!(with(MAX_TRIED).is_err());
    }

    #[test]
    fn a_key_verifies_only_what_it_is_for() {
        let signing = key(Algorithm::Es256);
        let token = signing.sign("JWT", &json!({})).unwrap();
        for changed in [
            Jwk { usage: Some("enc".to_owned()), alg: None, ..signing.public_jwk() },
            Jwk { key_ops: Some(vec!["deriveBits".to_owned()]), usage: None, ..signing.public_jwk() },
            Jwk { alg: Some("RS256".to_owned()), ..signing.public_jwk() },
        ] {
            assert!(KeySet::new(vec![changed]).verify(&token, &ANY).unwrap_err().is_unknown_key());
        }
        let rsa = key(Algorithm::Rs512);
        let rs256 = Jwk { alg: Some("RS256".to_owned()), ..rsa.public_jwk() };
        let token = rsa.sign("JWT", &json!({})).unwrap();
        assert!(KeySet::new(vec![rsa.public_jwk()]).verify(&token, &ANY).is_ok());
        assert!(KeySet::new(vec![rs256]).verify(&token, &ANY).is_err());
    }

    #[test]
    fn a_fetched_set_is_read_without_the_keys_that_mean_nothing_to_us() {
        let good = serde_json::to_value(vectors::rfc7515_a3()).unwrap();
        let document = json!({ "keys": [{ "kty": "AKP" }, { "kty": "oct", "k": "AAAA" }, { "kty": "RSA" }, good, 7] });
        let set = KeySet::parse(document.to_string().as_bytes()).unwrap();
        assert_eq!(set.keys(), [vectors::rfc7515_a3()]);
        assert_eq!(serde_json::to_value(&set).unwrap(), json!({ "keys": [good] }));
        for document in ["{}", "[]", r#"{"keys":"x"}"#, "<html>", "", r#"{"keys":[],"keys":[]}"#] {
            assert!(KeySet::parse(document.as_bytes()).is_err(), "{document}");
        }
        let many = json!({ "keys": vec![good; MAX_KEYS + 1] });
        assert!(KeySet::parse(many.to_string().as_bytes()).is_err());
    }

    #[test]
    fn a_registered_set_may_have_keys_for_encryption() {
        let x25519 = serde_json::to_value(vectors::public(vectors::rfc8037_a6())).unwrap();
        let with = |key: &Value, members: Value| {
            let mut key = key.clone();
            key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            KeySet::strict(&json!({ "keys": [key] }))
        };
        let rsa = serde_json::to_value(vectors::rfc7515_a2()).unwrap();
        let ec =
            [vectors::rfc7515_a3(), vectors::public(vectors::rfc7520_5_4()), vectors::public(vectors::rfc7515_a4())];
        for alg in ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"] {
            for key in ec.iter().map(|key| serde_json::to_value(key).unwrap()).chain([x25519.clone()]) {
                let set = with(&key, json!({ "use": "enc", "alg": alg })).unwrap();
                assert!(set.verifying.iter().all(|key| Algorithm::ALL.into_iter().all(|alg| !key.takes(alg))));
            }
            assert!(with(&rsa, json!({ "use": "enc", "alg": alg })).is_err());
        }
        for alg in ["RSA-OAEP", "RSA-OAEP-256"] {
            assert!(with(&rsa, json!({ "use": "enc", "alg": alg })).is_ok());
            assert!(with(&x25519, json!({ "use": "enc", "alg": alg })).is_err());
        }
        for alg in ["RSA1_5", "A128KW", "dir", "RS256", "HS256", "none", ""] {
            assert!(with(&rsa, json!({ "use": "enc", "alg": alg })).is_err(), "{alg}");
        }
        assert!(with(&x25519, json!({ "use": "sig" })).is_ok(), "of no use, and of no harm");
    }

    #[test]
    fn a_registered_set_must_be_sound_and_public() {
        let mut good = serde_json::to_value(vectors::rfc7515_a3()).unwrap();
        good["kid"] = "a".into();
        assert_eq!(KeySet::strict(&json!({ "keys": [good] })).unwrap().keys().len(), 1);
        let mut private = good.clone();
        private["d"] = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI".into();
        for keys in [
            json!([]),
            json!([private]),
            json!([{ "kty": "oct", "k": "AAAA" }]),
            json!([{ "kty": "oct" }]),
            json!([good, good]),
            json!([good, { "kty": "RSA", "n": "AQAB", "e": "AQAB" }]),
            json!([good, 1]),
        ] {
            assert!(KeySet::strict(&json!({ "keys": keys })).is_err(), "{keys}");
        }
        assert!(KeySet::strict(&json!(null)).is_err());
    }
}

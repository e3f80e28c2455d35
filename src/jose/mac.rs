//! Signatures with a shared secret: HMAC, RFC 7518 section 3.2.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{digest, hmac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::algorithm::UnknownAlgorithm;
use super::compact::{self, Jws};
use super::{Error, Refusal, Result, encode};

/// An `alg` of the HS family. Apart from [`Algorithm`](super::Algorithm), so that no public key is ever taken for a
/// secret (RFC 8725 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MacAlgorithm {
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "HS384")]
    Hs384,
    #[serde(rename = "HS512")]
    Hs512,
}

impl MacAlgorithm {
    pub const ALL: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// As it is spelled in a header; case matters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// The hash of the HMAC, and of `at_hash` and `c_hash`.
    pub fn hash_alg(self) -> &'static digest::Algorithm {
        match self {
            Self::Hs256 => &digest::SHA256,
            Self::Hs384 => &digest::SHA384,
            Self::Hs512 => &digest::SHA512,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Hs256 => hmac::HMAC_SHA256,
            Self::Hs384 => hmac::HMAC_SHA384,
            Self::Hs512 => hmac::HMAC_SHA512,
        }
    }
}

impl fmt::Display for MacAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MacAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == name).ok_or(UnknownAlgorithm)
    }
}

/// A secret that two parties share, with the one algorithm that it serves.
pub struct MacKey {
    alg: MacAlgorithm,
    key: hmac::Key,
}

impl MacKey {
    /// RFC 7518 section 3.2: the secret is at least as long as the hash. A `client_secret` counts by its UTF-8 bytes
    /// (OpenID Connect Core section 10.1).
    pub fn new(alg: MacAlgorithm, secret: &[u8]) -> Result<Self> {
        if secret.len() < alg.hash_alg().output_len() {
            return Err(Error::Key("the secret is shorter than the hash of its algorithm"));
        }
        Ok(Self { alg, key: hmac::Key::new(alg.hmac(), secret) })
    }

    pub fn alg(&self) -> MacAlgorithm {
        self.alg
    }

    /// The compact JWS of `claims`. It names no key: the two parties have one.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String> {
        #[derive(Serialize)]
        struct Header<'a> {
            alg: MacAlgorithm,
            typ: &'a str,
        }
        let signed = compact::signing_input(&Header { alg: self.alg, typ }, claims)?;
        let tag = hmac::sign(&self.key, signed.as_bytes());
        Ok(format!("{signed}.{}", encode(tag)))
    }

    /// The claims of a token that somebody with the secret made, and that is of a kind in `typ`, or of none where
    /// `typ_optional`. They are still to be judged.
    pub fn verify(&self, token: &str, typ: &[&str], typ_optional: bool) -> Result<Map<String, Value>, Refusal> {
        compact::claims(&self.payload(token, typ, typ_optional)?)
    }

    fn payload(&self, token: &str, typ: &[&str], typ_optional: bool) -> Result<Vec<u8>, Refusal> {
        let jws = Jws::read(token)?;
        if jws.header.alg()? != self.alg.as_str() {
            return Err(Refusal::because("the algorithm is not the secret's"));
        }
        if !compact::is_kind(jws.header.typ()?.as_deref(), typ, typ_optional) {
            return Err(Refusal::because("the token is of another kind"));
        }
        // In constant time.
        hmac::verify(&self.key, jws.signed, &jws.signature)
            .map_err(|_| Refusal::because("the signature does not fit"))?;
        Ok(jws.payload)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacKey").field("alg", &self.alg).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, EncodingKey, Validation};
    use serde_json::json;

    use super::*;
    use crate::jose::{Algorithm, KeySet, SigningKey, Token, decode, vectors};

    const SECRET: &[u8; 64] = b"a secret of sixty-four bytes, which is enough for every HMAC: ok";

    fn key(alg: MacAlgorithm) -> MacKey {
        MacKey::new(alg, SECRET).unwrap()
    }

    /// A token with this header, signed as it should be.
    fn with_header(header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let tag = hmac::sign(&key(MacAlgorithm::Hs256).key, signed.as_bytes());
        format!("{signed}.{}", encode(tag))
    }

    fn reason(token: &str) -> &'static str {
        key(MacAlgorithm::Hs256).verify(token, &["JWT"], true).unwrap_err().reason()
    }

    /// RFC 7515 appendix A.1.
    #[test]
    fn the_hmac_of_rfc_7515_fits() {
        let key = MacKey::new(MacAlgorithm::Hs256, &decode(vectors::RFC7515_A1_SECRET).unwrap()).unwrap();
        let claims = key.verify(vectors::RFC7515_A1_TOKEN, &["JWT"], false).unwrap();
        assert_eq!(claims["iss"], "joe");
        assert_eq!(claims["exp"], 1_300_819_380);
        for at in 0..vectors::RFC7515_A1_TOKEN.len() {
            let mut bytes = vectors::RFC7515_A1_TOKEN.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert!(key.verify(&String::from_utf8(bytes).unwrap(), &["JWT"], true).is_err(), "{at}");
        }
    }

    /// RFC 7520 section 4.4.
    #[test]
    fn the_hmac_of_the_cookbook_fits() {
        let key = MacKey::new(MacAlgorithm::Hs256, &decode(vectors::RFC7520_SECRET).unwrap()).unwrap();
        let payload = key.payload(vectors::RFC7520_4_4_TOKEN, &[], true).unwrap();
        assert_eq!(String::from_utf8(payload).unwrap(), vectors::RFC7520_4_PAYLOAD);
        // No JWT: the payload is a sentence.
        assert!(key.verify(vectors::RFC7520_4_4_TOKEN, &[], true).unwrap_err().reason().contains("claims"));
    }

    #[test]
    fn what_is_signed_is_verified_by_us_and_by_others() {
        let claims = json!({ "iss": "https://op.example", "sub": "é\"", "n": [1, 2.5, null] });
        for alg in MacAlgorithm::ALL {
            let token = key(alg).sign("JWT", &claims).unwrap();
            assert_eq!(Value::Object(key(alg).verify(&token, &["JWT"], false).unwrap()), claims);

            let mut validation = Validation::new(alg.as_str().parse().unwrap());
            validation.required_spec_claims.clear();
            validation.validate_exp = false;
            let decoded = jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_secret(SECRET), &validation);
            assert_eq!(decoded.unwrap().claims, claims);

            let header = jsonwebtoken::Header::new(alg.as_str().parse().unwrap());
            let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(SECRET)).unwrap();
            assert_eq!(Value::Object(key(alg).verify(&token, &["JWT"], false).unwrap()), claims);
        }
    }

    #[test]
    fn a_header_has_the_algorithm_and_the_kind() {
        let token = key(MacAlgorithm::Hs512).sign("logout+jwt", &json!({})).unwrap();
        let header = decode(token.split('.').next().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({ "alg": "HS512", "typ": "logout+jwt" }));
    }

    #[test]
    fn a_secret_is_as_long_as_the_hash() {
        for (alg, length) in [(MacAlgorithm::Hs256, 32), (MacAlgorithm::Hs384, 48), (MacAlgorithm::Hs512, 64)] {
            assert!(MacKey::new(alg, &SECRET[..length]).is_ok(), "{alg}");
            assert!(MacKey::new(alg, &SECRET[..length - 1]).is_err(), "{alg}");
            assert!(MacKey::new(alg, b"").is_err(), "{alg}");
        }
    }

    #[test]
    fn a_secret_serves_one_algorithm() {
        for signs in MacAlgorithm::ALL {
            let token = key(signs).sign("JWT", &json!({})).unwrap();
            for verifies in MacAlgorithm::ALL {
                assert_eq!(key(verifies).verify(&token, &["JWT"], false).is_ok(), signs == verifies);
            }
            let other = MacKey::new(signs, &[7; 64]).unwrap();
            assert!(other.verify(&token, &["JWT"], false).unwrap_err().reason().contains("signature"));
            // And the ways for public keys take none of them.
            assert!(Token::read(&token).unwrap_err().reason().contains("algorithm"));
        }
        for header in [r#"{"alg":"RS256"}"#, r#"{"alg":"none"}"#, r#"{"alg":"hs256"}"#, r#"{"alg":["HS256"]}"#, "{}"] {
            assert!(reason(&with_header(header, "{}")).contains("algorithm"), "{header}");
        }
        let (signing, _) = SigningKey::generate(Algorithm::Es256).unwrap();
        assert!(reason(&signing.sign("JWT", &json!({})).unwrap()).contains("algorithm"));
        let document = json!({ "keys": [{ "kty": "oct", "k": encode(SECRET), "alg": "HS256" }] });
        assert!(KeySet::parse(document.to_string().as_bytes()).unwrap().keys().is_empty());
    }

    #[test]
    fn a_kind_must_be_due() {
        let token = key(MacAlgorithm::Hs256).sign("at+jwt", &json!({})).unwrap();
        assert!(key(MacAlgorithm::Hs256).verify(&token, &["JWT", "AT+JWT"], false).is_ok());
        assert!(reason(&token).contains("kind"));
        let untyped = with_header(r#"{"alg":"HS256"}"#, "{}");
        assert!(key(MacAlgorithm::Hs256).verify(&untyped, &["JWT"], true).is_ok());
        assert!(key(MacAlgorithm::Hs256).verify(&untyped, &["JWT"], false).is_err());
    }

    #[test]
    fn a_good_signature_does_not_excuse_the_form() {
        let good = with_header(r#"{"alg":"HS256"}"#, "{}");
        assert!(key(MacAlgorithm::Hs256).verify(&good, &[], true).is_ok());
        for (header, claims, why) in [
            (r#"{"alg":"HS256","crit":["exp"]}"#, "{}", "critical"),
            (r#"{"alg":"HS256","b64":false}"#, "{}", "critical"),
            (r#"{"alg":"HS256","alg":"HS256"}"#, "{}", "twice"),
            (r#"{"alg":"HS256","typ":1}"#, "{}", "typ"),
            (r#"{"alg":"HS256"}"#, r#"{"sub":"a","sub":"b"}"#, "twice"),
            (r#"{"alg":"HS256"}"#, "[]", "claims"),
            (r#"{"alg":"HS256"}"#, &format!(r#"{{"a":"{}"}}"#, "x".repeat(16 * 1024)), "too long"),
        ] {
            assert!(reason(&with_header(header, claims)).contains(why), "{header}");
        }
        for bad in [format!("{good}="), format!("{good}.x"), format!(" {good}"), good[..good.len() - 4].to_owned()] {
            assert!(key(MacAlgorithm::Hs256).verify(&bad, &[], true).is_err(), "{bad}");
        }
        let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
        assert!(reason(&unsigned).contains("signature"));
    }

    #[test]
    fn every_name_is_read_as_it_is_written_and_in_no_other_case() {
        for alg in MacAlgorithm::ALL {
            assert_eq!(alg.as_str().parse(), Ok(alg));
            assert_eq!(serde_json::to_value(alg).unwrap(), alg.as_str());
            assert_eq!(alg.as_str().to_lowercase().parse::<MacAlgorithm>(), Err(UnknownAlgorithm));
        }
        for name in ["none", "RS256", "HS1", ""] {
            assert_eq!(name.parse::<MacAlgorithm>(), Err(UnknownAlgorithm));
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let shown = format!("{:?}", key(MacAlgorithm::Hs256));
        assert_eq!(shown, "MacKey { alg: Hs256, .. }");
    }
}

//! Encrypting to a public key: RFC 7516 section 5.1.

use std::fmt;

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use serde::Serialize;
use zeroize::Zeroizing;

use super::agreement::{self, Parties, Peer};
use super::{ContentEncryption, KeyManagement, content, oaep};
use crate::jose::jwk::Material;
use crate::jose::{Error, Jwk, KeySet, Result, encode};

/// Somebody's public key, ready to encrypt to in one way.
pub struct Encrypter {
    alg: KeyManagement,
    enc: ContentEncryption,
    kid: Option<String>,
    recipient: Recipient,
}

enum Recipient {
    Rsa(OaepPublicEncryptingKey),
    Curve(Peer),
}

/// How the key of the content is made known to the recipient.
struct Transport {
    key: Zeroizing<Vec<u8>>,
    encrypted: Vec<u8>,
    epk: Option<Jwk>,
}

impl Encrypter {
    /// The key must be sound, of the type that `alg` takes, and not say of itself that it is for something else.
    pub fn new(recipient: &Jwk, alg: KeyManagement, enc: ContentEncryption) -> Result<Self> {
        if !alg.is_allowed(recipient) {
            return Err(Error::Key("the key is not for this kind of encryption"));
        }
        recipient.check()?;
        let kid = recipient.kid.clone();
        let recipient = match recipient.material()? {
            Material::Rsa { n, e } => {
                let rejected = |_| Error::Key("the numbers of a key make no key");
                let key: PublicEncryptingKey = PublicKeyComponents { n, e }.try_into().map_err(rejected)?;
                Recipient::Rsa(OaepPublicEncryptingKey::new(key).map_err(rejected)?)
            }
            _ => Recipient::Curve(Peer::new(recipient)?),
        };
        Ok(Self { alg, enc, kid, recipient })
    }

    /// Encrypts to the first key of the set that fits. Where a set has keys for signatures too, its owner marks each with
    /// its `use` (OpenID Connect Registration section 2, `jwks`).
    pub fn of(set: &KeySet, alg: KeyManagement, enc: ContentEncryption) -> Result<Self> {
        set.keys()
            .iter()
            .find_map(|key| Self::new(key, alg, enc).ok())
            .ok_or(Error::Key("the key set has no key for this kind of encryption"))
    }

    pub fn alg(&self) -> KeyManagement {
        self.alg
    }

    pub fn enc(&self) -> ContentEncryption {
        self.enc
    }

    /// The compact JWE. `cty` is `JWT` where the plaintext is one (RFC 7519 section 5.2).
    pub fn encrypt(&self, plaintext: &[u8], cty: Option<&str>, typ: Option<&str>) -> Result<String> {
        #[derive(Serialize)]
        struct Header<'a> {
            alg: KeyManagement,
            enc: ContentEncryption,
            #[serde(skip_serializing_if = "Option::is_none")]
            kid: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            epk: Option<Jwk>,
            #[serde(skip_serializing_if = "Option::is_none")]
            typ: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            cty: Option<&'a str>,
        }
        let Transport { key, encrypted, epk } = self.transport().ok_or(Error::Encrypt(self.alg))?;
        let header = Header { alg: self.alg, enc: self.enc, kid: self.kid.as_deref(), epk, typ, cty };
        let protected = encode(serde_json::to_vec(&header)?);
        let sealed = content::seal(self.enc, &key, protected.as_bytes(), plaintext).ok_or(Error::Encrypt(self.alg))?;
        let rest = [encrypted, sealed.iv, sealed.ciphertext, sealed.tag].map(encode);
        Ok(format!("{protected}.{}", rest.join(".")))
    }

    fn transport(&self) -> Option<Transport> {
        match &self.recipient {
            Recipient::Rsa(recipient) => {
                let key = content::random_key(self.enc);
                let mut encrypted = vec![0; recipient.ciphertext_size()];
                let length = recipient.encrypt(oaep(self.alg), &key, &mut encrypted, None).ok()?.len();
                encrypted.truncate(length);
                Some(Transport { key, encrypted, epk: None })
            }
            Recipient::Curve(peer) => {
                let ephemeral = PrivateKey::generate(peer.curve.algorithm()).ok()?;
                let epk = Some(peer.curve.jwk(&ephemeral.compute_public_key().ok()?));
                let agreed = agreement::agree(self.alg, self.enc, &ephemeral, peer, &Parties::default())?;
                if self.alg == KeyManagement::EcdhEs {
                    return Some(Transport { key: agreed, encrypted: Vec::new(), epk });
                }
                let key = content::random_key(self.enc);
                let encrypted = agreement::wrap(&agreed, &key)?;
                Some(Transport { key, encrypted, epk })
            }
        }
    }
}

impl fmt::Debug for Encrypter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypter")
            .field("alg", &self.alg)
            .field("enc", &self.enc)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::jose::{DecryptionKey, SigningKey, vectors};

    const ENC: ContentEncryption = ContentEncryption::A128Gcm;

    fn with(jwk: &Jwk, members: &Value) -> Jwk {
        let mut key = serde_json::to_value(jwk).unwrap();
        key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        key.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        serde_json::from_value(key).unwrap()
    }

    #[test]
    fn a_key_must_be_of_the_type_that_the_algorithm_takes() {
        let (rsa, ec, x25519) = (vectors::rfc7515_a2(), vectors::rfc7515_a3(), vectors::public(vectors::rfc8037_a6()));
        for alg in KeyManagement::ALL {
            let is_rsa = alg.as_str().starts_with("RSA");
            assert_eq!(Encrypter::new(&rsa, alg, ENC).is_ok(), is_rsa, "{alg}");
            assert_eq!(Encrypter::new(&ec, alg, ENC).is_ok(), !is_rsa, "{alg}");
            assert_eq!(Encrypter::new(&x25519, alg, ENC).is_ok(), !is_rsa, "{alg}");
            assert!(Encrypter::new(&vectors::rfc8037(), alg, ENC).is_err(), "Ed25519 only signs");
            assert!(Encrypter::new(&Jwk { kty: "oct".to_owned(), ..Jwk::default() }, alg, ENC).is_err());
        }
    }

    #[test]
    fn what_a_key_says_of_itself_is_kept_to() {
        let (rsa, ec) = (vectors::rfc7515_a2(), vectors::rfc7515_a3());
        for members in [
            json!({}),
            json!({ "use": "enc" }),
            json!({ "use": "enc", "alg": "RSA-OAEP", "key_ops": ["wrapKey"] }),
            json!({ "key_ops": ["encrypt", "wrapKey"] }),
        ] {
            assert!(Encrypter::new(&with(&rsa, &members), KeyManagement::RsaOaep, ENC).is_ok(), "{members}");
        }
        for members in [
            json!({ "use": "sig" }),
            json!({ "alg": "RSA-OAEP-256" }),
            json!({ "alg": "RS256" }),
            json!({ "alg": "RSA1_5" }),
            json!({ "key_ops": ["verify"] }),
            json!({ "key_ops": ["deriveKey"] }),
            json!({ "key_ops": [] }),
        ] {
            assert!(Encrypter::new(&with(&rsa, &members), KeyManagement::RsaOaep, ENC).is_err(), "{members}");
        }
        for operation in ["deriveKey", "deriveBits"] {
            let jwk = with(&ec, &json!({ "key_ops": [operation] }));
            assert!(Encrypter::new(&jwk, KeyManagement::EcdhEs, ENC).is_ok());
        }
        assert!(Encrypter::new(&with(&ec, &json!({ "key_ops": ["wrapKey"] })), KeyManagement::EcdhEs, ENC).is_err());
    }

    #[test]
    fn an_unsound_key_is_not_encrypted_to() {
        let (rsa, ec) = (vectors::rfc7515_a2(), vectors::rfc7515_a3());
        let small = with(&rsa, &json!({ "n": encode([0x81; 128]) }));
        assert!(Encrypter::new(&small, KeyManagement::RsaOaep, ENC).is_err());
        let off = with(&ec, &json!({ "y": ec.x }));
        assert!(Encrypter::new(&off, KeyManagement::EcdhEs, ENC).is_err());
        let zero = with(&vectors::public(vectors::rfc8037_a6()), &json!({ "x": encode([0; 32]) }));
        assert!(Encrypter::new(&zero, KeyManagement::EcdhEs, ENC).is_err());
    }

    #[test]
    fn the_first_key_of_a_set_that_fits_is_taken() {
        let (signing, _) = SigningKey::generate(crate::jose::Algorithm::Es256).unwrap();
        let (first, _) = DecryptionKey::generate(KeyManagement::EcdhEs).unwrap();
        let (second, _) = DecryptionKey::generate(KeyManagement::EcdhEs).unwrap();
        let (wrapping, _) = DecryptionKey::generate(KeyManagement::EcdhEsA256Kw).unwrap();
        let keys = [&first, &second, &wrapping].map(DecryptionKey::public_jwk);
        let set = KeySet::new([signing.public_jwk()].into_iter().chain(keys).collect());
        let kid = |alg| Encrypter::of(&set, alg, ENC).map(|found| found.kid.unwrap()).ok();
        assert_eq!(kid(KeyManagement::EcdhEs).as_deref(), Some(first.kid()));
        assert_eq!(kid(KeyManagement::EcdhEsA256Kw).as_deref(), Some(wrapping.kid()));
        assert_eq!(kid(KeyManagement::EcdhEsA128Kw), None);
        assert_eq!(kid(KeyManagement::RsaOaep256), None);
        assert!(Encrypter::of(&KeySet::default(), KeyManagement::RsaOaep, ENC).is_err());
    }
}

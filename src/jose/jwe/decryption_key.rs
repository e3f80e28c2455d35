//! A private key that decrypts: RFC 7516 section 5.2.

use std::fmt;

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use serde_json::Value;
use zeroize::Zeroizing;

use super::agreement::{self, Curve, Parties, Peer};
use super::content::{self, Sealed};
use super::{ContentEncryption, KeyManagement, oaep};
use crate::jose::compact::{self, Members};
use crate::jose::{Error, Jwk, Refusal, Result, encode, has_private_members};

/// RFC 8410 section 7: what stands before the 32 bytes of a private key of X25519.
const X25519_PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20];

/// A private key with its algorithm, parsed once. One key has one algorithm (RFC 8725 section 3.1).
pub struct DecryptionKey {
    alg: KeyManagement,
    private: Private,
    kid: String,
    jwk: Jwk,
}

enum Private {
    Rsa(OaepPrivateDecryptingKey),
    Curve(Curve, PrivateKey),
}

/// What was in a JWE. Nobody has signed it: anybody can encrypt to a public key.
pub struct Decrypted {
    pub plaintext: Zeroizing<Vec<u8>>,
    pub enc: ContentEncryption,
    pub typ: Option<String>,
    /// `JWT` where the plaintext is one (RFC 7519 section 5.2).
    pub cty: Option<String>,
}

impl DecryptionKey {
    /// A new key, and the PKCS#8 that it is kept as (RFC 5958). RSA keys have 2048 bits, others are of P-256.
    pub fn generate(alg: KeyManagement) -> Result<(Self, Zeroizing<Vec<u8>>)> {
        let failed = |_| Error::Generate(alg.as_str());
        let der: Pkcs8V1Der<'_> = match alg {
            KeyManagement::RsaOaep | KeyManagement::RsaOaep256 => {
                PrivateDecryptingKey::generate(KeySize::Rsa2048).and_then(|key| key.as_der()).map_err(failed)?
            }
            KeyManagement::EcdhEs | KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw => {
                PrivateKey::generate(Curve::P256.algorithm()).and_then(|key| key.as_der()).map_err(failed)?
            }
        };
        let pkcs8 = Zeroizing::new(der.as_ref().to_vec());
        Ok((Self::from_pkcs8(alg, &pkcs8)?, pkcs8))
    }

    /// RSA, P-256, P-384, P-521 or X25519, as the algorithm needs.
    pub fn from_pkcs8(alg: KeyManagement, pkcs8: &[u8]) -> Result<Self> {
        const REJECTED: Error = Error::Key("the private key is no PKCS#8 of the kind that its algorithm needs");
        let (private, mut jwk) = match alg {
            KeyManagement::RsaOaep | KeyManagement::RsaOaep256 => rsa(pkcs8).ok_or(REJECTED)?,
            KeyManagement::EcdhEs | KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw => {
                curve(pkcs8).ok_or(REJECTED)?
            }
        };
        let kid = jwk.thumbprint().ok_or(Error::Key("the public key has no thumbprint"))?;
        jwk.usage = Some("enc".to_owned());
        jwk.alg = Some(alg.as_str().to_owned());
        jwk.kid = Some(kid.clone());
        jwk.check()?;
        Ok(Self { alg, private, kid, jwk })
    }

    pub fn alg(&self) -> KeyManagement {
        self.alg
    }

    /// The key's thumbprint, RFC 7638: nobody chooses it, and it cannot collide.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub fn public_jwk(&self) -> Jwk {
        self.jwk.clone()
    }

    /// Decrypts a token of this key's algorithm, with one of the ways of encryption that are due.
    ///
    /// RFC 7516 section 11.5: a wrapped key that is none is replaced by a random one, and the work goes on, so that nobody
    /// learns from us whether it was the key or the content that did not fit.
    pub fn decrypt(&self, token: &str, encs: &[ContentEncryption]) -> Result<Decrypted, Refusal> {
        let [protected, encrypted_key, iv, ciphertext, tag] = compact::parts(token)?;
        let header = Members::read(protected)?;
        if header.alg()? != self.alg.as_str() {
            return Err(Refusal::because("the algorithm is not the key's"));
        }
        let enc = header
            .text("enc", "the header's enc is not a string")?
            .and_then(|name| name.parse().ok())
            .filter(|enc| encs.contains(enc))
            .ok_or(Refusal::because("the encryption is not one of those expected"))?;
        // RFC 8725 section 3.6: never decompressed, so nothing gets larger than the token.
        if header.get("zip").is_some() {
            return Err(Refusal::because("the content is compressed"));
        }
        let encrypted_key = compact::bytes(encrypted_key)?;
        let sealed =
            Sealed { iv: compact::bytes(iv)?, ciphertext: compact::bytes(ciphertext)?, tag: compact::bytes(tag)? };
        let (typ, cty) = (header.typ()?, header.text("cty", "the header's cty is not a string")?);
        let key = self.content_key(&header, enc, &encrypted_key)?;
        let plaintext = content::open(enc, &key, protected.as_bytes(), sealed)
            .ok_or(Refusal::because("the token cannot be decrypted"))?;
        Ok(Decrypted { plaintext, enc, typ, cty })
    }

    /// Refuses only what everybody can see; a random key stands in for one that cannot be unwrapped.
    fn content_key(
        &self,
        header: &Members,
        enc: ContentEncryption,
        encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let substitute = content::random_key(enc);
        let unwrapped = match &self.private {
            Private::Rsa(own) => {
                let mut key = Zeroizing::new(vec![0; own.min_output_size()]);
                let length = own.decrypt(oaep(self.alg), encrypted, &mut key, None).map_or(0, |key| key.len());
                key.truncate(length);
                Some(key)
            }
            Private::Curve(curve, own) => {
                let peer = ephemeral(header, *curve)?;
                let parties = Parties { apu: party(header, "apu")?, apv: party(header, "apv")? };
                let agreed = agreement::agree(self.alg, enc, own, &peer, &parties)
                    .ok_or(Refusal::because("the ephemeral key is not on the key's curve"))?;
                if self.alg == KeyManagement::EcdhEs {
                    // RFC 7518 section 4.6: the agreed key is that of the content, and this part is empty.
                    if !encrypted.is_empty() {
                        return Err(Refusal::because("the token has an encrypted key that nothing needs"));
                    }
                    return Ok(agreed);
                }
                agreement::unwrap(&agreed, encrypted)
            }
        };
        Ok(unwrapped.filter(|key| key.len() == substitute.len()).unwrap_or(substitute))
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptionKey").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decrypted").field("enc", &self.enc).finish_non_exhaustive()
    }
}

fn rsa(pkcs8: &[u8]) -> Option<(Private, Jwk)> {
    let own = PrivateDecryptingKey::from_pkcs8(pkcs8).and_then(|key| Ok(OaepPrivateDecryptingKey::new(key)?)).ok()?;
    let pair = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
    let public = pair.public_key();
    let jwk = Jwk {
        kty: "RSA".to_owned(),
        n: Some(encode(public.modulus().big_endian_without_leading_zero())),
        e: Some(encode(public.exponent().big_endian_without_leading_zero())),
        ..Jwk::default()
    };
    Some((Private::Rsa(own), jwk))
}

fn curve(pkcs8: &[u8]) -> Option<(Private, Jwk)> {
    let nist = |curve: Curve| Some((curve, PrivateKey::from_private_key_der(curve.algorithm(), pkcs8).ok()?));
    let (curve, own) = match pkcs8.strip_prefix(&X25519_PKCS8) {
        Some(bytes) => (Curve::X25519, PrivateKey::from_private_key(Curve::X25519.algorithm(), bytes).ok()?),
        None => Curve::NIST.into_iter().find_map(nist)?,
    };
    let jwk = curve.jwk(&own.compute_public_key().ok()?);
    Some((Private::Curve(curve, own), jwk))
}

/// `epk`, RFC 7518 section 4.6.1.1: a public key of the very curve that the recipient's is of.
fn ephemeral(header: &Members, curve: Curve) -> Result<Peer, Refusal> {
    header
        .get("epk")
        .filter(|epk| !has_private_members(epk))
        .and_then(|epk| serde_json::from_value::<Jwk>(epk.clone()).ok())
        .and_then(|jwk| Peer::new(&jwk).ok())
        .filter(|peer| peer.curve == curve)
        .ok_or(Refusal::because("the header has no ephemeral key for the key's curve"))
}

fn party(header: &Members, name: &str) -> Result<Vec<u8>, Refusal> {
    const WRONG: &str = "a party of the header is not base64url";
    match header.get(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => crate::jose::decode(text).ok_or(Refusal::because(WRONG)),
        Some(_) => Err(Refusal::because(WRONG)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{Algorithm, KeySet, SigningKey, vectors};

    #[test]
    fn a_key_is_kept_and_published() {
        for alg in KeyManagement::ALL {
            let (key, pkcs8) = DecryptionKey::generate(alg).unwrap();
            let again = DecryptionKey::from_pkcs8(alg, &pkcs8).unwrap();
            let jwk = key.public_jwk();
            assert_eq!((key.alg(), again.kid(), &again.public_jwk()), (alg, key.kid(), &jwk));
            assert_eq!((jwk.usage.as_deref(), jwk.alg.as_deref()), (Some("enc"), Some(alg.as_str())));
            assert_eq!(jwk.thumbprint().as_deref(), Some(key.kid()));
            assert!(KeySet::strict(&json!({ "keys": [jwk] })).is_ok());
            let shown = format!("{key:?}");
            assert!(shown.len() < 120 && !shown.contains(&encode(&*pkcs8)[20..40]), "{shown}");
        }
    }

    /// RFC 7638 for the keys of the specifications, each made from its private half.
    #[test]
    fn every_type_of_key_is_read() {
        for (alg, jwk) in [
            (KeyManagement::RsaOaep, vectors::rfc7516_a1()),
            (KeyManagement::RsaOaep256, vectors::rfc7520_5_2()),
            (KeyManagement::EcdhEs, vectors::rfc7517_a2_ec()),
            (KeyManagement::EcdhEs, vectors::rfc7520_5_4()),
            (KeyManagement::EcdhEsA128Kw, vectors::rfc7515_a4()),
            (KeyManagement::EcdhEsA256Kw, vectors::rfc8037_a6()),
        ] {
            let key = DecryptionKey::from_pkcs8(alg, &vectors::pkcs8(&jwk)).unwrap();
            assert_eq!(Some(key.kid().to_owned()), vectors::public(jwk).thumbprint());
        }
    }

    #[test]
    fn a_private_key_serves_only_algorithms_of_its_kind() {
        let (_, rsa) = DecryptionKey::generate(KeyManagement::RsaOaep).unwrap();
        let (_, p256) = DecryptionKey::generate(KeyManagement::EcdhEs).unwrap();
        let (_, ed25519) = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let x25519 = vectors::pkcs8(&vectors::rfc8037_a6());
        for (alg, pkcs8) in [
            (KeyManagement::EcdhEs, &rsa[..]),
            (KeyManagement::EcdhEs, &ed25519),
            (KeyManagement::EcdhEs, &x25519[..47]),
            (KeyManagement::EcdhEs, &p256[..p256.len() - 1]),
            (KeyManagement::EcdhEs, b""),
            (KeyManagement::RsaOaep, &p256),
            (KeyManagement::RsaOaep256, &x25519),
            (KeyManagement::RsaOaep256, &rsa[..rsa.len() - 1]),
            (KeyManagement::RsaOaep, b""),
        ] {
            assert!(DecryptionKey::from_pkcs8(alg, pkcs8).is_err(), "{alg}");
        }
        let longer = [x25519, vec![0]].concat();
        assert!(DecryptionKey::from_pkcs8(KeyManagement::EcdhEs, &longer).is_err());
    }

    #[test]
    fn what_was_decrypted_does_not_show_itself() {
        let key = DecryptionKey::from_pkcs8(KeyManagement::RsaOaep, &vectors::pkcs8(&vectors::rfc7516_a1())).unwrap();
        let decrypted = key.decrypt(vectors::RFC7516_A1_TOKEN, &[ContentEncryption::A256Gcm]).unwrap();
        assert_eq!(format!("{decrypted:?}"), "Decrypted { enc: A256Gcm, .. }");
        assert_eq!((decrypted.typ, decrypted.cty), (None, None));
    }
}

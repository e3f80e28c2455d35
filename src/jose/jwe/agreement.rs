//! Keys that are agreed on: ECDH-ES, RFC 7518 section 4.6 and RFC 8037 section 3.2.1, and AES Key Wrap, section 4.4.

use aws_lc_rs::agreement::{self, PrivateKey, PublicKey, UnparsedPublicKey};
use aws_lc_rs::kdf::{self, SskdfDigestAlgorithmId};
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};
use zeroize::Zeroizing;

use super::{ContentEncryption, KeyManagement};
use crate::jose::jwk::Material;
use crate::jose::{Error, Jwk, Result, encode};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
    X25519,
}

impl Curve {
    pub(super) const NIST: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    fn of(jwk: &Jwk) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521, Self::X25519]
            .into_iter()
            .find(|curve| jwk.kty == curve.key_type().0 && jwk.crv.as_deref() == Some(curve.key_type().1))
    }

    const fn key_type(self) -> (&'static str, &'static str) {
        match self {
            Self::P256 => ("EC", "P-256"),
            Self::P384 => ("EC", "P-384"),
            Self::P521 => ("EC", "P-521"),
            Self::X25519 => ("OKP", "X25519"),
        }
    }

    pub(super) fn algorithm(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
            Self::P521 => &agreement::ECDH_P521,
            Self::X25519 => &agreement::X25519,
        }
    }

    /// The public key as a JWK with nothing in it but what it takes.
    pub(super) fn jwk(self, key: &PublicKey) -> Jwk {
        let (kty, crv) = self.key_type();
        let mut jwk = Jwk { kty: kty.to_owned(), crv: Some(crv.to_owned()), ..Jwk::default() };
        if self == Self::X25519 {
            jwk.x = Some(encode(key));
        } else {
            // SEC 1 section 2.3.3: a byte 4, then both coordinates at full length.
            let point = &key.as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            jwk.x = Some(encode(x));
            jwk.y = Some(encode(y));
        }
        jwk
    }
}

/// A public key to agree with. Not yet known to be a point of its curve: every agreement checks that.
pub(super) struct Peer {
    pub curve: Curve,
    point: Vec<u8>,
}

impl Peer {
    pub(super) fn new(jwk: &Jwk) -> Result<Self> {
        let curve = Curve::of(jwk).ok_or(Error::Key("the curve of a key is not supported"))?;
        match jwk.material()? {
            Material::Ec(point) | Material::X25519(point) => Ok(Self { curve, point }),
            Material::Rsa { .. } | Material::Ed25519(_) => Err(Error::Key("the key is not for key agreement")),
        }
    }
}

/// Whether agreeing with this point gives a secret at all: with one of small order everybody knows the result
/// (RFC 7748 section 6.1, RFC 8037 section 5).
pub(in crate::jose) fn is_sound_x25519(point: &[u8]) -> bool {
    PrivateKey::generate(&agreement::X25519).is_ok_and(|own| secret(&own, point, |_| ()).is_some())
}

/// What goes into the derivation beside the secret (RFC 7518 sections 4.6.1.2 and 4.6.1.3): the names of the two parties.
#[derive(Default)]
pub(super) struct Parties {
    pub apu: Vec<u8>,
    pub apv: Vec<u8>,
}

/// The agreed key: that of the content itself, or of the wrapping of one.
pub(super) fn agree(
    alg: KeyManagement,
    enc: ContentEncryption,
    own: &PrivateKey,
    peer: &Peer,
    parties: &Parties,
) -> Option<Zeroizing<Vec<u8>>> {
    let (purpose, length) = match alg {
        KeyManagement::EcdhEs => (enc.as_str(), enc.key_len()),
        KeyManagement::EcdhEsA128Kw => (alg.as_str(), 16),
        KeyManagement::EcdhEsA256Kw => (alg.as_str(), 32),
        KeyManagement::RsaOaep | KeyManagement::RsaOaep256 => return None,
    };
    secret(own, &peer.point, |z| concat_kdf(z, purpose, parties, length))?
}

/// Refuses a point that is not on the curve, and a result of nothing but zeros.
fn secret<R>(own: &PrivateKey, point: &[u8], derive: impl FnOnce(&[u8]) -> R) -> Option<R> {
    agreement::agree(own, UnparsedPublicKey::new(own.algorithm(), point), (), |z| Ok(derive(z))).ok()
}

/// RFC 7518 section 4.6.2: the one-step KDF of NIST SP 800-56C, with the `OtherInfo` of JOSE.
fn concat_kdf(z: &[u8], purpose: &str, parties: &Parties, length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut info = Vec::new();
    for field in [purpose.as_bytes(), &parties.apu, &parties.apv] {
        info.extend(u32::try_from(field.len()).ok()?.to_be_bytes());
        info.extend(field);
    }
    info.extend((u32::try_from(length).ok()? * 8).to_be_bytes());
    let mut key = Zeroizing::new(vec![0; length]);
    let algorithm = kdf::get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256)?;
    kdf::sskdf_digest(algorithm, z, &info, &mut key).ok()?;
    Some(key)
}

pub(super) fn wrap(kek: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut wrapped = vec![0; key.len() + 8];
    let length = aes(kek)?.wrap(key, &mut wrapped).ok()?.len();
    wrapped.truncate(length);
    Some(wrapped)
}

pub(super) fn unwrap(kek: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut key = Zeroizing::new(vec![0; wrapped.len()]);
    let length = aes(kek)?.unwrap(wrapped, &mut key).ok()?.len();
    key.truncate(length);
    Some(key)
}

fn aes(kek: &[u8]) -> Option<AesKek> {
    AesKek::new(if kek.len() == 16 { &AES_128 } else { &AES_256 }, kek).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::jose::{decode, vectors};

    fn private(curve: Curve, d: &str) -> PrivateKey {
        PrivateKey::from_private_key(curve.algorithm(), &decode(d).unwrap()).unwrap()
    }

    fn peer(jwk: Value) -> Peer {
        Peer::new(&vectors::public(jwk)).unwrap()
    }

    /// RFC 7518 appendix C, from both sides.
    #[test]
    fn the_agreement_of_rfc_7518() {
        let alice = json!({
            "kty": "EC", "crv": "P-256", "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
        });
        let bob = json!({
            "kty": "EC", "crv": "P-256", "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
        });
        let alices = private(Curve::P256, "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo");
        let bobs = private(Curve::P256, "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw");
        let jwk = Curve::P256.jwk(&bobs.compute_public_key().unwrap());
        assert_eq!(serde_json::to_value(jwk).unwrap(), bob);
        let parties = Parties { apu: b"Alice".to_vec(), apv: b"Bob".to_vec() };
        for (own, other) in [(&alices, bob), (&bobs, alice)] {
            let key = agree(KeyManagement::EcdhEs, ContentEncryption::A128Gcm, own, &peer(other), &parties).unwrap();
            assert_eq!(encode(&*key), "VqqN6vgjbSBcIijNcacQGg");
        }
    }

    /// RFC 8037 appendix A.6; the private key of Bob is in RFC 7748 section 6.1.
    #[test]
    fn the_agreement_of_rfc_8037() {
        let bob = json!({ "kty": "OKP", "crv": "X25519", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08" });
        let ephemeral = json!({ "kty": "OKP", "crv": "X25519", "x": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo" });
        let bobs = private(Curve::X25519, "XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os");
        let ephemerals = private(Curve::X25519, "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo");
        let jwk = Curve::X25519.jwk(&ephemerals.compute_public_key().unwrap());
        assert_eq!(serde_json::to_value(jwk).unwrap(), ephemeral);
        for (own, other) in [(&bobs, ephemeral), (&ephemerals, bob)] {
            let z = secret(own, &peer(other).point, <[u8]>::to_vec).unwrap();
            assert_eq!(encode(z), "Sl2dW6TOLeFyjjv0gDUPJeB-IclH0Z4zdvCbPB4WF0I");
        }
    }

    /// RFC 7516 appendix A.3.3.
    #[test]
    fn the_key_of_rfc_7516_a3_is_wrapped() {
        let kek = decode("GawgguFyGrWKav7AX4VKUg").unwrap();
        let wrapped = decode(vectors::RFC7516_A3_TOKEN.split('.').nth(1).unwrap()).unwrap();
        let key = unwrap(&kek, &wrapped).unwrap();
        assert_eq!(key[..4], [4, 211, 31, 197]);
        assert_eq!(wrap(&kek, &key).unwrap(), wrapped);
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert!(unwrap(&kek, &changed).is_none());
            assert!(unwrap(&kek, &wrapped[..at]).is_none());
        }
    }

    /// The points of order 1, 2, 4 and 8, and their other spellings: <https://cr.yp.to/ecdh.html#validate>.
    #[test]
    fn points_of_small_order_are_refused() {
        let order_eight = [
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        ];
        let mut points: Vec<[u8; 32]> = order_eight
            .iter()
            .map(|text| std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()))
            .collect();
        // 0, 1, p - 1, p and p + 1, little-endian.
        for (first, middle, last) in [(0, 0, 0), (1, 0, 0), (0xec, 0xff, 0x7f), (0xed, 0xff, 0x7f), (0xee, 0xff, 0x7f)]
        {
            let mut point = [middle; 32];
            (point[0], point[31]) = (first, last);
            points.push(point);
        }
        let own = PrivateKey::generate(&agreement::X25519).unwrap();
        for point in points {
            let jwk = json!({ "kty": "OKP", "crv": "X25519", "x": encode(point) });
            assert!(vectors::public(jwk.clone()).check().is_err(), "{point:?}");
            let enc = ContentEncryption::A128Gcm;
            assert!(agree(KeyManagement::EcdhEs, enc, &own, &peer(jwk), &Parties::default()).is_none(), "{point:?}");
        }
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        for curve in Curve::NIST {
            let own = PrivateKey::generate(curve.algorithm()).unwrap();
            let public = own.compute_public_key().unwrap();
            let good = Peer::new(&curve.jwk(&public)).unwrap();
            let with = |peer: &Peer| {
                agree(KeyManagement::EcdhEsA128Kw, ContentEncryption::A128Gcm, &own, peer, &Parties::default())
            };
            assert!(with(&good).is_some());
            let mut changed = good.point.clone();
            *changed.last_mut().unwrap() ^= 1;
            let mut infinity = vec![0; good.point.len()];
            infinity[0] = 4;
            let compressed = [&[2][..], &good.point[1..=good.point.len() / 2]].concat();
            // Over the field's prime: another spelling of a coordinate, or none.
            let mut large = vec![0xff; good.point.len()];
            large[0] = 4;
            for point in [changed, infinity, large, vec![0], vec![]] {
                assert!(with(&Peer { curve, point }).is_none());
            }
            // No JWK has one, because both coordinates are of full length; the primitive alone would take it.
            let short = Jwk { x: Some(encode(&compressed[1..])), y: None, ..curve.jwk(&public) };
            assert!(Peer::new(&short).is_err());
        }
    }

    #[test]
    fn a_curve_agrees_with_itself_only() {
        let own = PrivateKey::generate(&agreement::ECDH_P256).unwrap();
        for curve in [Curve::P384, Curve::P521, Curve::X25519] {
            let other = PrivateKey::generate(curve.algorithm()).unwrap().compute_public_key().unwrap();
            let peer = Peer::new(&curve.jwk(&other)).unwrap();
            let enc = ContentEncryption::A128Gcm;
            assert!(agree(KeyManagement::EcdhEs, enc, &own, &peer, &Parties::default()).is_none());
        }
    }
}

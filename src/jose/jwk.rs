//! A public key as JSON: RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Algorithm, Error, KeyManagement, Result, decode};
use crate::secret::fingerprint;

/// RSA keys under 2048 bits are too weak (RFC 7518 section 3.3), and above 8192 their size costs us, not their owner.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// RFC 7518 sections 6.2.2, 6.3.2 and 6.4, and RFC 8037 section 2: what only the owner of a key may have.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key. Members that are not listed here, private ones above all, do not survive reading, so that they cannot
/// be kept or published by mistake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    pub kty: String,
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_ops: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

/// The numbers of a key, in bytes, of the length that its type demands.
pub(super) enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The uncompressed point, SEC 1 section 2.3.3.
    Ec(Vec<u8>),
    Ed25519(Vec<u8>),
    /// For key agreement only: no signature is ever checked with it.
    X25519(Vec<u8>),
}

impl Jwk {
    /// RFC 7638 section 3, with SHA-256: a name for the key that follows from the key alone. `None` where a member that
    /// belongs in it is missing.
    pub fn thumbprint(&self) -> Option<String> {
        // The members are base64url and names of curves: nothing in them that JSON would escape, once `check` is passed.
        let member = |value: &Option<String>| value.as_ref().map(|text| Value::String(text.clone()).to_string());
        let members = match self.kty.as_str() {
            "RSA" => format!(r#"{{"e":{},"kty":"RSA","n":{}}}"#, member(&self.e)?, member(&self.n)?),
            "EC" => format!(
                r#"{{"crv":{},"kty":"EC","x":{},"y":{}}}"#,
                member(&self.crv)?,
                member(&self.x)?,
                member(&self.y)?
            ),
            "OKP" => format!(r#"{{"crv":{},"kty":"OKP","x":{}}}"#, member(&self.crv)?, member(&self.x)?),
            _ => return None,
        };
        Some(fingerprint(&members))
    }

    /// Whether this key may check signatures of `alg`: type and curve fit, and what the key says of itself allows it
    /// (RFC 7517 sections 4.2 to 4.4).
    pub(super) fn verifies(&self, alg: Algorithm) -> bool {
        let (kty, crv) = alg.key_type();
        self.kty == kty
            && crv.is_none_or(|crv| self.crv.as_deref() == Some(crv))
            && self.alg.as_deref().is_none_or(|own| own.parse() == Ok(alg))
            && self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|operation| operation == "verify"))
    }

    /// The rules on `use`, `key_ops` and `alg`.
    pub(super) fn check_purpose(&self) -> Result<()> {
        let for_signatures = match self.usage.as_deref() {
            Some("sig") => Some(true),
            Some("enc") => Some(false),
            Some(_) => return Err(Error::Key("the use of a key is neither sig nor enc")),
            None => None,
        };
        if let Some(operations) = &self.key_ops {
            let signs = operations.iter().any(|operation| matches!(operation.as_str(), "sign" | "verify"));
            if for_signatures.is_some_and(|sig| sig != signs) {
                return Err(Error::Key("use and key_ops of a key contradict each other"));
            }
        }
        let Some(name) = self.alg.as_deref() else { return Ok(()) };
        let fits = match (name.parse::<Algorithm>(), name.parse::<KeyManagement>()) {
            (Ok(_), _) if for_signatures == Some(false) => {
                return Err(Error::Key("a key for encryption names a signature algorithm"));
            }
            (_, Ok(_)) if for_signatures == Some(true) => {
                return Err(Error::Key("a key for signatures names an algorithm of encryption"));
            }
            (Ok(alg), _) => {
                let (kty, crv) = alg.key_type();
                self.kty == kty && crv.is_none_or(|crv| self.crv.as_deref() == Some(crv))
            }
            (_, Ok(alg)) => alg.takes(self),
            _ if for_signatures.is_some() => return Err(Error::Key("the alg of a key is not supported")),
            // It says neither what it is for: a key of another time, of no use to us.
            _ => true,
        };
        if fits { Ok(()) } else { Err(Error::Key("the alg of a key does not fit its type or curve")) }
    }

    pub(super) fn material(&self) -> Result<Material> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => self.rsa(),
            ("EC", Some("P-256")) => self.ec(32),
            ("EC", Some("P-384")) => self.ec(48),
            ("EC", Some("P-521")) => self.ec(66),
            ("OKP", Some("Ed25519")) => Ok(Material::Ed25519(coordinate(self.x.as_deref(), 32)?)),
            ("OKP", Some("X25519")) => Ok(Material::X25519(coordinate(self.x.as_deref(), 32)?)),
            ("EC" | "OKP", _) => Err(Error::Key("the curve of a key is not supported")),
            ("oct", _) => Err(Error::Key("a symmetric key has no place in a set of public keys")),
            _ => Err(Error::Key("the type of a key is not supported")),
        }
    }

    fn rsa(&self) -> Result<Material> {
        let (n, e) = (number(self.n.as_deref())?, number(self.e.as_deref())?);
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(Error::Key("an RSA key must have 2048 to 8192 bits"));
        }
        // A large exponent is work for the verifier and safety for nobody.
        if is_even(&n) || is_even(&e) || e == [1] || e.len() > 4 {
            return Err(Error::Key("an RSA key has an unfit modulus or exponent"));
        }
        Ok(Material::Rsa { n, e })
    }

    fn ec(&self, length: usize) -> Result<Material> {
        let mut point = Vec::with_capacity(1 + 2 * length);
        point.push(4);
        point.extend(coordinate(self.x.as_deref(), length)?);
        point.extend(coordinate(self.y.as_deref(), length)?);
        Ok(Material::Ec(point))
    }
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|byte| byte % 2 == 0)
}

/// `Base64urlUInt`, RFC 7518 section 2: without leading zeros, so that a key has one thumbprint.
fn number(member: Option<&str>) -> Result<Vec<u8>> {
    member
        .and_then(decode)
        .filter(|bytes| bytes.first().is_some_and(|byte| *byte != 0))
        .ok_or(Error::Key("a number of a key is missing or not base64url"))
}

/// RFC 7518 section 6.2.1.2: as long as the curve's field, leading zeros included.
fn coordinate(member: Option<&str>, length: usize) -> Result<Vec<u8>> {
    member
        .and_then(decode)
        .filter(|bytes| bytes.len() == length)
        .ok_or(Error::Key("a coordinate of a key is missing or has the wrong length"))
}

/// Whether somebody is about to give a private or symmetric key away, in a single JWK or a set of them.
pub fn has_private_members(value: &Value) -> bool {
    match value {
        Value::Object(members) => match members.get("keys") {
            Some(Value::Array(keys)) => keys.iter().any(has_private_members),
            _ => PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)),
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{encode, vectors};

    fn jwk(value: Value) -> Jwk {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_thumbprints_of_the_specifications() {
        assert_eq!(vectors::rfc7638().thumbprint().unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(vectors::rfc8037().thumbprint().unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(Jwk { kty: "oct".to_owned(), ..Jwk::default() }.thumbprint(), None);
    }

    #[test]
    fn the_keys_of_the_specifications_are_sound() {
        for key in [vectors::rfc7638(), vectors::rfc8037(), vectors::rfc7515_a2(), vectors::rfc7515_a3()] {
            key.check().unwrap();
        }
    }

    #[test]
    fn private_members_do_not_survive_reading() {
        // RFC 8037 appendix A.1
        let private = json!({
            "kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "p": "x", "q": "x", "dp": "x", "dq": "x", "qi": "x",
            "oth": [], "k": "x",
        });
        assert!(has_private_members(&private));
        assert!(has_private_members(&json!({ "keys": [{ "kty": "RSA" }, { "kty": "oct", "k": "x" }] })));
        let public = serde_json::to_value(jwk(private)).unwrap();
        assert_eq!(public, serde_json::to_value(vectors::rfc8037()).unwrap());
        assert!(!has_private_members(&public));
    }

    #[test]
    fn weak_and_oversized_rsa_keys_are_refused() {
        let rsa = |bits: usize, e: &[u8]| {
            let mut n = vec![0xff; bits / 8];
            n[0] = 0x80;
            Jwk { kty: "RSA".to_owned(), n: Some(encode(n)), e: Some(encode(e)), ..Jwk::default() }.check()
        };
        for bits in [512, 1024, 2040, 8200, 65_536] {
            assert!(rsa(bits, &[1, 0, 1]).is_err(), "{bits}");
        }
        rsa(2048, &[1, 0, 1]).unwrap();
        rsa(8192, &[3]).unwrap();
        for e in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[0, 1, 0, 1], &[1, 0, 0, 0, 1]] {
            assert!(rsa(2048, e).is_err(), "{e:?}");
        }
        let mut even = vec![0x80; 256];
        even[255] = 0xfe;
        let even = Jwk { n: Some(encode(even)), ..vectors::rfc7638() };
        assert!(even.check().is_err());
    }

    #[test]
    fn points_must_lie_on_a_known_curve() {
        let good = vectors::rfc7515_a3();
        let off_curve = Jwk { y: good.x.clone(), ..good.clone() };
        let other_curve = Jwk { crv: Some("P-384".to_owned()), ..good.clone() };
        let unknown_curve = Jwk { crv: Some("secp256k1".to_owned()), ..good.clone() };
        let short = Jwk { x: Some(encode([1; 31])), ..good.clone() };
        let half = Jwk { y: None, ..good };
        for key in [off_curve, other_curve, unknown_curve, short, half] {
            assert!(key.check().is_err(), "{key:?}");
        }
        assert!(Jwk { kty: "oct".to_owned(), ..Jwk::default() }.check().is_err());
    }

    #[test]
    fn use_key_ops_and_alg_must_fit() {
        let with = |members: Value| {
            let mut key = serde_json::to_value(vectors::rfc7515_a3()).unwrap();
            key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            jwk(key)
        };
        for bad in [
            json!({ "alg": "ES384" }),
            json!({ "alg": "RS256" }),
            json!({ "alg": "EdDSA" }),
            json!({ "use": "sig", "alg": "HS256" }),
            json!({ "use": "sig", "alg": "none" }),
            json!({ "use": "enc", "alg": "ES256" }),
            json!({ "use": "sig", "alg": "ECDH-ES" }),
            json!({ "use": "enc", "alg": "RSA-OAEP" }),
            json!({ "alg": "RSA-OAEP-256" }),
            json!({ "use": "enc", "alg": "RSA1_5" }),
            json!({ "use": "enc", "alg": "ECDH-ES+A192KW" }),
            json!({ "use": "enc", "alg": "dir" }),
            json!({ "use": "both" }),
            json!({ "use": "sig", "key_ops": ["encrypt"] }),
            json!({ "use": "enc", "key_ops": ["verify"] }),
        ] {
            assert!(with(bad.clone()).check().is_err(), "{bad}");
        }
        for good in [json!({ "use": "sig", "alg": "ES256", "key_ops": ["verify"] }), json!({ "use": "sig" }), json!({})]
        {
            with(good.clone()).check().unwrap();
            assert!(with(good.clone()).verifies(Algorithm::Es256), "{good}");
            assert!(!with(good).verifies(Algorithm::Es384));
        }
        for other in [
            json!({ "use": "enc", "alg": "ECDH-ES" }),
            json!({ "use": "enc", "alg": "ECDH-ES+A256KW", "key_ops": ["deriveKey"] }),
            json!({ "alg": "ECDH-ES+A128KW" }),
            json!({ "key_ops": ["deriveBits"] }),
        ] {
            with(other.clone()).check().unwrap();
            assert!(!with(other.clone()).verifies(Algorithm::Es256), "{other}");
        }
    }
}

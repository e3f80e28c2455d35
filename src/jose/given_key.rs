//! A key that somebody gives us to keep: a JWK with its private members (RFC 7518 section 6, RFC 8037 section 2), a public
//! one, or a private key in DER (RFC 5958, RFC 8017 appendix A.1.2, RFC 5915).

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::der::rsa_private_key;
use super::signing_key::{Kind, kind};
use super::verifying_key::VerifyingKey;
use super::{Algorithm, Error, Jwk, Result, SigningKey, decode};
use crate::secret::Secret;

/// What is signed to see whether the two parts of a key belong together.
const PROBE: &[u8] = b"hydrant: do these belong together?";

/// A JWK as it is given, nothing of it believed yet.
#[derive(Deserialize)]
pub struct GivenJwk {
    #[serde(flatten)]
    public: Jwk,
    d: Option<Secret>,
    p: Option<Secret>,
    q: Option<Secret>,
    dp: Option<Secret>,
    dq: Option<Secret>,
    qi: Option<Secret>,
    oth: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

/// A sound key for one signature algorithm.
pub struct GivenKey {
    alg: Algorithm,
    public: Jwk,
    pkcs8: Option<Zeroizing<Vec<u8>>>,
}

impl GivenJwk {
    /// The name that it has, before it has another.
    pub fn kid(&self) -> Option<&str> {
        self.public.kid.as_deref()
    }

    pub fn set_kid(&mut self, kid: &str) {
        self.public.kid = Some(kid.to_owned());
    }
}

impl GivenKey {
    /// A key that does not say its `alg` is for the one of its curve, and an RSA key for RS256. Without a `kid` it is named
    /// by its thumbprint.
    pub fn read(given: &GivenJwk) -> Result<Self> {
        let GivenJwk { public, d, k, oth, .. } = given;
        if public.kty == "oct" || k.is_some() {
            return Err(Error::Key("it is a symmetric key"));
        }
        if public.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err(Error::Key("its use is not sig"));
        }
        let alg = match public.alg.as_deref() {
            Some(name) => name.parse().map_err(|_| Error::Key("its alg is not an asymmetric signature algorithm"))?,
            None => default_alg(public).ok_or(Error::Key("its type or curve is not supported"))?,
        };
        let operation = if d.is_some() { "sign" } else { "verify" };
        let is_other = |name: &String| !matches!(name.as_str(), "sign" | "verify");
        if let Some(operations) = &public.key_ops
            && (operations.iter().any(is_other) || !operations.iter().any(|name| name == operation))
        {
            return Err(Error::Key("its key_ops are not those of a key for signatures"));
        }
        // Of the members only those of its type: it is compared as a whole with what its private part says.
        let of =
            |kinds: &[&str], member: &Option<String>| member.clone().filter(|_| kinds.contains(&public.kty.as_str()));
        let named = Jwk {
            kty: public.kty.clone(),
            usage: Some("sig".to_owned()),
            key_ops: None,
            alg: Some(alg.as_str().to_owned()),
            kid: public.kid.clone().or_else(|| public.thumbprint()),
            crv: of(&["EC", "OKP"], &public.crv),
            n: of(&["RSA"], &public.n),
            e: of(&["RSA"], &public.e),
            x: of(&["EC", "OKP"], &public.x),
            y: of(&["EC"], &public.y),
        };
        named.check()?;
        if oth.is_some() {
            return Err(Error::Key("it is an RSA key of more than two primes"));
        }
        let pkcs8 = match d {
            Some(d) => Some(given.pkcs8(alg, d)?),
            None if given.crt().iter().any(Option::is_some) => return Err(Error::Key("it has no d")),
            None => None,
        };
        Self { alg, public: named, pkcs8 }.proven()
    }

    /// A private key in any of the three forms; for the algorithm of its curve, or for RS256, unless said.
    pub fn of_der(der: &[u8], alg: Option<Algorithm>) -> Result<Self> {
        let candidates = match alg {
            Some(alg) => vec![alg],
            None => vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa],
        };
        let found = candidates.into_iter().find_map(|alg| Some((alg, pkcs8_of(alg, der)?)));
        let (alg, pkcs8) = found.ok_or(Error::Key(match alg {
            Some(_) => "it is no private key of the kind that the algorithm needs",
            None => "it is no private key of RSA, P-256, P-384, P-521 or Ed25519",
        }))?;
        let public = SigningKey::from_pkcs8(alg, &pkcs8)?.public_jwk();
        Self { alg, public, pkcs8: Some(pkcs8) }.proven()
    }

    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    pub fn kid(&self) -> &str {
        self.public.kid.as_deref().unwrap_or_default()
    }

    pub fn set_kid(&mut self, kid: &str) {
        self.public.kid = Some(kid.to_owned());
    }

    /// With `use`, `alg` and `kid`, and without anything that is not of the key itself.
    pub fn public_jwk(&self) -> &Jwk {
        &self.public
    }

    /// RFC 5958; `None` where only the public part was given.
    pub fn pkcs8(&self) -> Option<&[u8]> {
        self.pkcs8.as_ref().map(|pkcs8| pkcs8.as_slice())
    }

    /// What the private part signs, the public part verifies.
    fn proven(self) -> Result<Self> {
        let Some(pkcs8) = &self.pkcs8 else { return Ok(self) };
        let key = SigningKey::from_pkcs8(self.alg, pkcs8)?;
        let signature = key.signature(PROBE)?;
        if key.public_jwk().thumbprint() == self.public.thumbprint()
            && VerifyingKey::new(&self.public)?.verify(self.alg, PROBE, &signature)
        {
            return Ok(self);
        }
        Err(Error::Key("its private and public parts do not belong together"))
    }
}

impl GivenJwk {
    /// What only an RSA key has.
    fn crt(&self) -> [Option<&Secret>; 5] {
        [&self.p, &self.q, &self.dp, &self.dq, &self.qi].map(Option::as_ref)
    }

    fn pkcs8(&self, alg: Algorithm, d: &Secret) -> Result<Zeroizing<Vec<u8>>> {
        const APART: Error = Error::Key("its private and public parts do not belong together");
        let public = |member: &Option<String>| member.as_deref().and_then(decode).unwrap_or_default();
        let d = number(d)?;
        match kind(alg) {
            Kind::Rsa(_) => {
                let mut numbers =
                    vec![Zeroizing::new(public(&self.public.n)), Zeroizing::new(public(&self.public.e)), d];
                for member in self.crt() {
                    let member = member.ok_or(Error::Key("an RSA key must have p, q, dp, dq and qi"))?;
                    numbers.push(number(member)?);
                }
                let numbers: [_; 8] = std::array::from_fn(|at| numbers[at].as_slice());
                rsa_pkcs8(RsaKeyPair::from_der(&rsa_private_key(&numbers)).ok()).ok_or(APART)
            }
            Kind::Ec(curve) => {
                let point = [&[4], public(&self.public.x).as_slice(), &public(&self.public.y)].concat();
                let pair = EcdsaKeyPair::from_private_key_and_public_key(curve, &d, &point);
                ec_pkcs8(pair.ok()).ok_or(APART)
            }
            Kind::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(&d, &public(&self.public.x));
                ed25519_pkcs8(pair.ok()).ok_or(APART)
            }
        }
    }
}

/// RFC 7518 section 2; a private number may be padded to the length of its kind.
fn number(member: &Secret) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = decode(member.expose()).filter(|bytes| !bytes.is_empty());
    bytes.map(Zeroizing::new).ok_or(Error::Key("a private member is not base64url"))
}

fn default_alg(jwk: &Jwk) -> Option<Algorithm> {
    let of = |alg: &Algorithm| {
        let (kty, crv) = alg.key_type();
        kty == jwk.kty && crv.is_none_or(|crv| jwk.crv.as_deref() == Some(crv))
    };
    Algorithm::ALL.into_iter().find(of)
}

fn pkcs8_of(alg: Algorithm, der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    match kind(alg) {
        Kind::Rsa(_) => rsa_pkcs8(RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)).ok()),
        Kind::Ec(curve) => ec_pkcs8(EcdsaKeyPair::from_private_key_der(curve, der).ok()),
        Kind::Ed25519 => ed25519_pkcs8(Ed25519KeyPair::from_pkcs8(der).ok()),
    }
}

fn rsa_pkcs8(pair: Option<RsaKeyPair>) -> Option<Zeroizing<Vec<u8>>> {
    let der: Pkcs8V1Der<'_> = pair?.as_der().ok()?;
    Some(Zeroizing::new(der.as_ref().to_vec()))
}

fn ec_pkcs8(pair: Option<EcdsaKeyPair>) -> Option<Zeroizing<Vec<u8>>> {
    Some(Zeroizing::new(pair?.to_pkcs8v1().ok()?.as_ref().to_vec()))
}

fn ed25519_pkcs8(pair: Option<Ed25519KeyPair>) -> Option<Zeroizing<Vec<u8>>> {
    Some(Zeroizing::new(pair?.to_pkcs8v1().ok()?.as_ref().to_vec()))
}

impl fmt::Debug for GivenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenKey").field("alg", &self.alg).field("kid", &self.kid()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::EcPrivateKeyRfc5915Der;
    use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING;
    use serde_json::{Value, json};

    use super::*;
    use crate::jose::{Expect, KeySet, encode, has_private_members, vectors};

    fn read(jwk: &Value) -> Result<GivenKey> {
        GivenKey::read(&serde_json::from_value(jwk.clone()).unwrap())
    }

    fn with(mut jwk: Value, changes: &Value) -> Value {
        jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        jwk
    }

    /// RFC 7516 appendix A.1, RFC 7515 appendices A.3 and A.4, RFC 8037 appendix A.1.
    fn private_keys() -> [(Value, &'static str); 4] {
        let p256 = serde_json::to_value(vectors::rfc7515_a3()).unwrap();
        [
            (vectors::rfc7516_a1(), "RS256"),
            (with(p256, &json!({ "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI" })), "ES256"),
            (vectors::rfc7515_a4(), "ES512"),
            (
                json!({
                    "kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
                    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                }),
                "EdDSA",
            ),
        ]
    }

    #[test]
    fn the_private_keys_of_the_specifications_are_taken() {
        for (jwk, alg) in private_keys() {
            let given = read(&jwk).unwrap_or_else(|error| panic!("{alg}: {error}"));
            assert_eq!(given.alg().as_str(), alg);
            let public = serde_json::to_value(given.public_jwk()).unwrap();
            assert_eq!((&public["use"], &public["alg"]), (&json!("sig"), &json!(alg)));
            assert!(!has_private_members(&public), "{public}");
            for name in ["n", "e", "x", "y", "crv", "kty"] {
                assert_eq!(public.get(name), jwk.get(name), "{alg} {name}");
            }
            let key = SigningKey::from_pkcs8(given.alg(), given.pkcs8().unwrap()).unwrap();
            assert_eq!(given.kid(), key.kid(), "its thumbprint");
            let token = key.sign("JWT", &json!({ "sub": "a" })).unwrap();
            let expect = Expect { algs: &[given.alg()], typ: &["JWT"], typ_optional: false };
            KeySet::new(vec![given.public_jwk().clone()]).verify(&token, &expect).unwrap();
            assert!(!format!("{given:?}").contains(jwk["d"].as_str().unwrap()));
        }
    }

    #[test]
    fn a_public_key_is_taken_as_one() {
        for (jwk, alg) in private_keys() {
            let public = serde_json::to_value(vectors::public(jwk)).unwrap();
            let given = read(&with(public, &json!({ "kid": "k1", "x5c": ["x"], "key_ops": ["verify"] }))).unwrap();
            assert_eq!((given.alg().as_str(), given.kid(), given.pkcs8()), (alg, "k1", None));
        }
    }

    /// JK-08, JK-10: what contradicts itself, or is weak, is refused with the reason.
    #[test]
    fn jk_08_a_key_that_is_not_sound_is_refused() {
        let [(rsa, _), (ec, _), (ec521, _), (ed, _)] = private_keys();
        let other = serde_json::to_value(SigningKey::generate(Algorithm::Es256).unwrap().0.public_jwk()).unwrap();
        let other_rsa = serde_json::to_value(SigningKey::generate(Algorithm::Rs256).unwrap().0.public_jwk()).unwrap();
        for (jwk, word) in [
            (json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" }), "symmetric"),
            (with(rsa.clone(), &json!({ "k": "x" })), "symmetric"),
            (with(rsa.clone(), &json!({ "use": "enc" })), "use"),
            (with(rsa.clone(), &json!({ "alg": "RSA-OAEP" })), "alg"),
            (with(rsa.clone(), &json!({ "alg": "HS256" })), "alg"),
            (with(rsa.clone(), &json!({ "alg": "none" })), "alg"),
            (with(rsa.clone(), &json!({ "alg": "ES256" })), "alg"),
            (with(ec.clone(), &json!({ "alg": "ES384" })), "alg"),
            (with(ec.clone(), &json!({ "key_ops": ["verify"] })), "key_ops"),
            (with(ec.clone(), &json!({ "key_ops": ["sign", "decrypt"] })), "key_ops"),
            (with(rsa.clone(), &json!({ "oth": [] })), "primes"),
            (with(rsa.clone(), &json!({ "p": null })), "must have p"),
            (with(rsa.clone(), &json!({ "d": null })), "no d"),
            (with(rsa.clone(), &json!({ "n": other_rsa["n"] })), "belong"),
            (with(rsa.clone(), &json!({ "d": rsa["dp"] })), "belong"),
            (with(rsa.clone(), &json!({ "qi": rsa["dq"] })), "belong"),
            (with(rsa, &json!({ "d": "=" })), "base64url"),
            (with(ec.clone(), &json!({ "x": other["x"], "y": other["y"] })), "belong"),
            (with(ec.clone(), &json!({ "y": ec["x"] })), "no key"),
            (with(ec, &json!({ "d": "AA" })), "belong"),
            (with(ec521, &json!({ "crv": "secp256k1" })), "curve"),
            (with(ed.clone(), &json!({ "d": "AAAA" })), "belong"),
            (with(ed, &json!({ "x": vectors::rfc7515_a3().x })), "belong"),
        ] {
            let refused = read(&jwk).unwrap_err().to_string();
            assert!(refused.contains(word), "{word}: {refused}: {jwk}");
        }
        // RFC 7518 section 3.3; nothing in it is looked at further.
        let weak = json!({ "kty": "RSA", "n": encode([0xff; 128]), "e": "AQAB", "d": "AQ" });
        assert!(read(&weak).unwrap_err().to_string().contains("2048"));
    }

    #[test]
    fn a_key_in_der_is_taken_in_each_form() {
        for alg in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa] {
            let (key, pkcs8) = SigningKey::generate(alg).unwrap();
            let given = GivenKey::of_der(&pkcs8, None).unwrap();
            assert_eq!((given.alg(), given.kid()), (alg, key.kid()));
            assert_eq!(GivenKey::of_der(&pkcs8, Some(alg)).unwrap().public_jwk(), &key.public_jwk());
            let wrong = if alg == Algorithm::Es256 { Algorithm::Rs256 } else { Algorithm::Es256 };
            assert!(GivenKey::of_der(&pkcs8, Some(wrong)).is_err(), "{alg}");
            assert!(GivenKey::of_der(&pkcs8[1..], None).is_err(), "{alg}");
        }
        let (key, pkcs8) = SigningKey::generate(Algorithm::Ps384).unwrap();
        let given = GivenKey::of_der(&pkcs8, Some(Algorithm::Ps384)).unwrap();
        assert_eq!(given.public_jwk(), &key.public_jwk());
        // PKCS#1, out of the same numbers as a JWK.
        let jwk = vectors::rfc7516_a1();
        let member = |name: &str| decode(jwk[name].as_str().unwrap()).unwrap();
        let pkcs1 = rsa_private_key(&["n", "e", "d", "p", "q", "dp", "dq", "qi"].map(member));
        assert_eq!(GivenKey::of_der(&pkcs1, None).unwrap().kid(), read(&jwk).unwrap().kid());
        // SEC 1.
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let sec1: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
        let given = GivenKey::of_der(sec1.as_ref(), None).unwrap();
        assert_eq!(given.alg(), Algorithm::Es384);
        let pkcs8 = pair.to_pkcs8v1().unwrap();
        assert_eq!(given.kid(), SigningKey::from_pkcs8(Algorithm::Es384, pkcs8.as_ref()).unwrap().kid());
    }
}

//! A public key made ready to check signatures, once for all the times that it does.

use aws_lc_rs::rsa::RsaParameters;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};

use super::jwe::is_sound_x25519;
use super::jwk::Material;
use super::{Algorithm, Error, Jwk, Result};

/// The key as each algorithm that it may be used with wants it; none for a key of encryption.
#[derive(Clone)]
pub(super) struct VerifyingKey {
    pub kid: Option<String>,
    parsed: Vec<(Algorithm, ParsedPublicKey)>,
}

impl Jwk {
    /// Whether the key is sound and its `use`, `key_ops` and `alg` fit it and each other. Encryption keys are sound too;
    /// they only verify nothing.
    pub fn check(&self) -> Result<()> {
        VerifyingKey::new(self).map(drop)
    }
}

impl VerifyingKey {
    pub fn new(jwk: &Jwk) -> Result<Self> {
        const REJECTED: Error = Error::Key("the numbers of a key make no key");
        jwk.check_purpose()?;
        let material = jwk.material()?;
        if let Material::X25519(point) = &material
            && !is_sound_x25519(point)
        {
            return Err(REJECTED);
        }
        // Parsed even where the key's own words forbid its use: that is what shows whether it is a key.
        let mut parsed = Vec::new();
        for alg in Algorithm::ALL {
            let (kty, crv) = alg.key_type();
            if jwk.kty != kty || crv.is_some_and(|crv| jwk.crv.as_deref() != Some(crv)) {
                continue;
            }
            let key = match &material {
                Material::Rsa { n, e } => {
                    RsaPublicKeyComponents { n, e }.to_parsed_public_key(rsa_parameters(alg)).map_err(|_| REJECTED)?
                }
                Material::Ec(bytes) | Material::Ed25519(bytes) => {
                    ParsedPublicKey::new(curve(alg), bytes).map_err(|_| REJECTED)?
                }
                Material::X25519(_) => continue,
            };
            if jwk.verifies(alg) {
                parsed.push((alg, key));
            }
        }
        Ok(Self { kid: jwk.kid.clone(), parsed })
    }

    pub fn takes(&self, alg: Algorithm) -> bool {
        self.parsed.iter().any(|(own, _)| *own == alg)
    }

    pub fn verify(&self, alg: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.iter().any(|(own, key)| *own == alg && key.verify_sig(message, signature).is_ok())
    }
}

fn rsa_parameters(alg: Algorithm) -> &'static RsaParameters {
    match alg {
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        _ => &signature::RSA_PKCS1_2048_8192_SHA256,
    }
}

fn curve(alg: Algorithm) -> &'static dyn VerificationAlgorithm {
    match alg {
        Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
        Algorithm::Es512 => &signature::ECDSA_P521_SHA512_FIXED,
        Algorithm::EdDsa => &signature::ED25519,
        _ => &signature::ECDSA_P256_SHA256_FIXED,
    }
}

//! The algorithms of encryption: RFC 7518 sections 4.1 and 5.1, RFC 8037 section 3.2.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::jose::algorithm::UnknownAlgorithm;
use crate::jose::{Jwk, Result};

/// The `alg` of a JWE: how the key of the content reaches the recipient. `RSA1_5` (RFC 8725 section 3.2), PBES2 and what
/// needs a shared secret are no members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum KeyManagement {
    /// With SHA-1, which does no harm in OAEP.
    #[serde(rename = "RSA-OAEP")]
    RsaOaep,
    #[serde(rename = "RSA-OAEP-256")]
    RsaOaep256,
    #[serde(rename = "ECDH-ES")]
    EcdhEs,
    #[serde(rename = "ECDH-ES+A128KW")]
    EcdhEsA128Kw,
    #[serde(rename = "ECDH-ES+A256KW")]
    EcdhEsA256Kw,
}

impl KeyManagement {
    pub const ALL: [Self; 5] = [Self::RsaOaep, Self::RsaOaep256, Self::EcdhEs, Self::EcdhEsA128Kw, Self::EcdhEsA256Kw];

    /// As it is spelled in a header; case matters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128Kw => "ECDH-ES+A128KW",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
        }
    }

    const fn is_rsa(self) -> bool {
        matches!(self, Self::RsaOaep | Self::RsaOaep256)
    }

    /// Whether a key is of the type, and on a curve, that this algorithm takes.
    pub(in crate::jose) fn takes(self, jwk: &Jwk) -> bool {
        match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => self.is_rsa(),
            ("EC", Some("P-256" | "P-384" | "P-521")) | ("OKP", Some("X25519")) => !self.is_rsa(),
            _ => false,
        }
    }

    /// Whether what a key says of itself lets somebody encrypt to it so (RFC 7517 sections 4.2 to 4.4).
    pub(super) fn is_allowed(self, jwk: &Jwk) -> bool {
        let operations: &[&str] = if self.is_rsa() { &["encrypt", "wrapKey"] } else { &["deriveKey", "deriveBits"] };
        self.takes(jwk)
            && jwk.alg.as_deref().is_none_or(|own| own == self.as_str())
            && jwk.usage.as_deref().is_none_or(|usage| usage == "enc")
            && jwk.key_ops.as_ref().is_none_or(|own| own.iter().any(|name| operations.contains(&name.as_str())))
    }
}

impl fmt::Display for KeyManagement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyManagement {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == name).ok_or(UnknownAlgorithm)
    }
}

/// The `enc` of a JWE: how the content itself is encrypted and authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ContentEncryption {
    #[serde(rename = "A128CBC-HS256")]
    A128CbcHs256,
    #[serde(rename = "A256CBC-HS512")]
    A256CbcHs512,
    #[serde(rename = "A128GCM")]
    A128Gcm,
    #[serde(rename = "A256GCM")]
    A256Gcm,
}

impl ContentEncryption {
    pub const ALL: [Self; 4] = [Self::A128CbcHs256, Self::A256CbcHs512, Self::A128Gcm, Self::A256Gcm];

    /// As it is spelled in a header; case matters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A256CbcHs512 => "A256CBC-HS512",
            Self::A128Gcm => "A128GCM",
            Self::A256Gcm => "A256GCM",
        }
    }

    /// In bytes. The CBC ones take two keys in one, for HMAC and for AES (RFC 7518 section 5.2.2.1).
    pub(super) const fn key_len(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A128CbcHs256 | Self::A256Gcm => 32,
            Self::A256CbcHs512 => 64,
        }
    }
}

impl fmt::Display for ContentEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ContentEncryption {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|enc| enc.as_str() == name).ok_or(UnknownAlgorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_is_written_and_in_no_other_case() {
        for alg in KeyManagement::ALL {
            assert_eq!(alg.as_str().parse(), Ok(alg));
            assert_eq!(serde_json::to_value(alg).unwrap(), alg.as_str());
            assert_eq!(alg.as_str().to_lowercase().parse::<KeyManagement>(), Err(UnknownAlgorithm));
        }
        for enc in ContentEncryption::ALL {
            assert_eq!(enc.as_str().parse(), Ok(enc));
            assert_eq!(serde_json::to_value(enc).unwrap(), enc.as_str());
            assert_eq!(enc.as_str().to_lowercase().parse::<ContentEncryption>(), Err(UnknownAlgorithm));
        }
    }

    #[test]
    fn what_is_weak_or_needs_a_shared_secret_has_no_name_here() {
        for name in ["RSA1_5", "PBES2-HS256+A128KW", "dir", "A128KW", "A256GCMKW", "ECDH-1PU", "none", "RS256", ""] {
            assert_eq!(name.parse::<KeyManagement>(), Err(UnknownAlgorithm), "{name}");
        }
        for name in ["A192GCM", "A128CBC+HS256", "none", ""] {
            assert_eq!(name.parse::<ContentEncryption>(), Err(UnknownAlgorithm), "{name}");
        }
    }
}

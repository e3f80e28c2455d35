//! The signature algorithms: RFC 7518 section 3.1 without HMAC and `none`, and RFC 8037 section 3.1.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::encode;

/// An asymmetric `alg`. `none` and the HS family are no members, so that no key set can be talked into them
/// (RFC 8725 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "RS384")]
    Rs384,
    #[serde(rename = "RS512")]
    Rs512,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "PS384")]
    Ps384,
    #[serde(rename = "PS512")]
    Ps512,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "ES512")]
    Es512,
    /// Ed25519 only.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// As it is spelled in a header; case matters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The hash of `at_hash` and `c_hash` (OpenID Connect Core section 3.1.3.6). The name `EdDSA` has no hash in it:
    /// SHA-512 is what Ed25519 itself uses (RFC 8032 section 5.1), and what other providers and clients take.
    pub fn hash_alg(self) -> &'static digest::Algorithm {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => &digest::SHA256,
            Self::Rs384 | Self::Ps384 | Self::Es384 => &digest::SHA384,
            Self::Rs512 | Self::Ps512 | Self::Es512 | Self::EdDsa => &digest::SHA512,
        }
    }

    /// `kty`, and where there are several, `crv`, of the keys that this algorithm takes.
    pub(super) const fn key_type(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => ("RSA", None),
            Self::Es256 => ("EC", Some("P-256")),
            Self::Es384 => ("EC", Some("P-384")),
            Self::Es512 => ("EC", Some("P-521")),
            Self::EdDsa => ("OKP", Some("Ed25519")),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an algorithm of this server")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// `Ed25519` is the other name of what `EdDSA` means here (RFC 9864 section 2.2), and what newer libraries write.
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let of_two_names = (name == "Ed25519").then_some(Self::EdDsa);
        Self::ALL.into_iter().find(|alg| alg.as_str() == name).or(of_two_names).ok_or(UnknownAlgorithm)
    }
}

/// The left half of the hash of `value`: `at_hash` of an access token, `c_hash` of a code (OpenID Connect Core
/// sections 3.1.3.6 and 3.3.2.11). The hash is that of the `alg` that the ID token is signed with.
pub fn left_half_hash(hash_alg: &'static digest::Algorithm, value: &str) -> String {
    let hash = digest::digest(hash_alg, value.as_bytes());
    let hash = hash.as_ref();
    encode(&hash[..hash.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_of_openid_connect_core() {
        // OpenID Connect Core appendix A.6
        assert_eq!(
            left_half_hash(Algorithm::Rs256.hash_alg(), "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
            "77QmUPtjPfzWtF2AnpK9RQ"
        );
        assert_eq!(
            left_half_hash(Algorithm::Rs256.hash_alg(), "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"),
            "LDktKdoQak3Pk0cnXxCltA"
        );
    }

    #[test]
    fn half_of_the_hash_is_as_long_as_the_algorithm_says() {
        for (alg, length) in [(Algorithm::Ps256, 22), (Algorithm::Es384, 32), (Algorithm::EdDsa, 43)] {
            assert_eq!(left_half_hash(alg.hash_alg(), "token").len(), length, "{alg}");
        }
    }

    #[test]
    fn every_name_is_read_as_it_is_written_and_in_no_other_case() {
        for alg in Algorithm::ALL {
            assert_eq!(alg.as_str().parse(), Ok(alg));
            assert_eq!(serde_json::to_value(alg).unwrap(), alg.as_str());
            assert_eq!(serde_json::from_value::<Algorithm>(alg.as_str().into()).unwrap(), alg);
            assert_eq!(alg.as_str().to_lowercase().parse::<Algorithm>(), Err(UnknownAlgorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa), "RFC 9864 section 2.2");
        for name in ["Ed448", "none", "None", "HS256", "HS384", "HS512", "RSA1_5", "ES256K", ""] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm));
        }
    }
}

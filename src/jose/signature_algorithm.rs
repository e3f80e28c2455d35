//! Every `alg` of a JWS by one name, for metadata that may ask for any of them (OpenID Connect Registration section 2).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::algorithm::UnknownAlgorithm;
use super::unsecured::NONE;
use super::{Algorithm, MacAlgorithm, Result};

/// How a JWS is to be protected. Only a name: what may be *accepted* is said by the types of its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum SignatureAlgorithm {
    None,
    Mac(MacAlgorithm),
    Signature(Algorithm),
}

impl SignatureAlgorithm {
    /// As it is spelled in a header; case matters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => NONE,
            Self::Mac(alg) => alg.as_str(),
            Self::Signature(alg) => alg.as_str(),
        }
    }

    /// The hash of `at_hash` and `c_hash`; `none` has none, and so no such claims.
    pub fn hash_alg(self) -> Option<&'static digest::Algorithm> {
        match self {
            Self::None => None,
            Self::Mac(alg) => Some(alg.hash_alg()),
            Self::Signature(alg) => Some(alg.hash_alg()),
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        if name == NONE {
            return Ok(Self::None);
        }
        name.parse().map(Self::Mac).or_else(|_| name.parse().map(Self::Signature))
    }
}

impl From<Algorithm> for SignatureAlgorithm {
    fn from(alg: Algorithm) -> Self {
        Self::Signature(alg)
    }
}

impl From<MacAlgorithm> for SignatureAlgorithm {
    fn from(alg: MacAlgorithm) -> Self {
        Self::Mac(alg)
    }
}

impl TryFrom<String> for SignatureAlgorithm {
    type Error = UnknownAlgorithm;

    fn try_from(name: String) -> Result<Self, UnknownAlgorithm> {
        name.parse()
    }
}

impl From<SignatureAlgorithm> for &'static str {
    fn from(alg: SignatureAlgorithm) -> Self {
        alg.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_is_written() {
        let all = Algorithm::ALL.map(SignatureAlgorithm::from).into_iter();
        for alg in all.chain(MacAlgorithm::ALL.map(SignatureAlgorithm::from)).chain([SignatureAlgorithm::None]) {
            assert_eq!(alg.as_str().parse(), Ok(alg));
            assert_eq!(serde_json::to_value(alg).unwrap(), alg.as_str());
            assert_eq!(serde_json::from_value::<SignatureAlgorithm>(alg.as_str().into()).unwrap(), alg);
            assert_eq!(alg.hash_alg().is_none(), alg == SignatureAlgorithm::None);
        }
        for name in ["None", "NONE", "hs256", "ES256K", "RSA-OAEP", ""] {
            assert_eq!(name.parse::<SignatureAlgorithm>(), Err(UnknownAlgorithm), "{name}");
            assert!(serde_json::from_value::<SignatureAlgorithm>(name.into()).is_err());
        }
    }
}

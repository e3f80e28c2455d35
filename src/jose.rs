//! JOSE: JSON Web Keys (RFC 7517), JSON Web Signatures (RFC 7515, compact only) and sets of keys.
//!
//! Values in, values out: no clock, no network. What the times and names in a token mean is decided in `oauth`.
//! Every signature is made and checked by aws-lc-rs.

mod algorithm;
mod json;
mod jwk;
mod key_set;
mod refusal;
mod signing_key;
mod token;
mod verifying_key;

#[cfg(test)]
mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use algorithm::{Algorithm, left_half_hash};
pub use jwk::{Jwk, has_private_members};
pub use key_set::{Expect, KeySet, Verified};
pub use refusal::Refusal;
pub use signing_key::SigningKey;
pub use token::{Header, Token};

/// What goes wrong with keys of our own, and with keys that others give us to keep.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a key for {0} could not be made")]
    Generate(Algorithm),
    #[error("{0}")]
    Key(&'static str),
    #[error("the claims are not JSON: {0}")]
    Claims(#[from] serde_json::Error),
    #[error("signing with {0} failed")]
    Sign(Algorithm),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// RFC 7515 section 2: base64url without padding.
fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Accepts each value in one spelling only: no padding, no white space, no stray bits in the last character. Otherwise
/// one token could be written in several ways, and a memory of used tokens be passed by.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

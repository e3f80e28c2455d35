//! JOSE: JSON Web Keys (RFC 7517), JSON Web Signatures (RFC 7515) and JSON Web Encryption (RFC 7516), compact only.
//!
//! - A public key is a [`Jwk`], several are a [`KeySet`]; a [`SigningKey`] signs, and [`KeySet::verify`] believes a token.
//!   These know the asymmetric [`Algorithm`] alone.
//! - A [`GivenKey`] is one that somebody gives us to keep, private part and all.
//! - A secret of two parties is a [`MacKey`], with a [`MacAlgorithm`].
//! - `alg: none` is [`unsecured`] and [`read_unsecured`], and nothing else.
//! - An [`Encrypter`] encrypts to a public key, a [`DecryptionKey`] decrypts; what is inside is not yet believed.
//! - A stranger's token is looked at with [`peek`] and [`unverified_claims`], and then checked by one of the above: which
//!   one, the caller decides, never the token (RFC 8725 section 3.1).
//!
//! Values in, values out: no clock, no network. What the times and names in a token mean is decided in `oauth`.
//! All cryptography is that of aws-lc-rs.

mod algorithm;
mod compact;
mod der;
mod given_key;
mod json;
mod jwe;
mod jwk;
mod key_set;
mod mac;
mod peek;
mod refusal;
mod signature_algorithm;
mod signing_key;
mod token;
mod unsecured;
mod verifying_key;

#[cfg(test)]
mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use algorithm::{Algorithm, UnknownAlgorithm, left_half_hash};
pub use given_key::{GivenJwk, GivenKey};
pub use json::strict_json;
pub use jwe::{ContentEncryption, Decrypted, DecryptionKey, Encrypter, KeyManagement};
pub use jwk::{Jwk, has_private_members};
pub use key_set::{Expect, KeySet, Verified};
pub use mac::{MacAlgorithm, MacKey};
pub use peek::{Form, Peeked, peek, unverified_claims};
pub use refusal::Refusal;
pub use signature_algorithm::SignatureAlgorithm;
pub use signing_key::SigningKey;
pub use token::{Header, Token};
pub use unsecured::{read_unsecured, unsecured};

/// What goes wrong with keys of our own, and with keys that others give us to keep.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a key for {0} could not be made")]
    Generate(&'static str),
    #[error("{0}")]
    Key(&'static str),
    #[error("the claims are not JSON: {0}")]
    Claims(#[from] serde_json::Error),
    #[error("signing with {0} failed")]
    Sign(Algorithm),
    #[error("encrypting with {0} failed")]
    Encrypt(KeyManagement),
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

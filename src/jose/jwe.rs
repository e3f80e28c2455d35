//! JSON Web Encryption: RFC 7516, compact only.
//!
//! An [`Encrypter`] encrypts to somebody's public key; a [`DecryptionKey`] of our own decrypts. Encryption says nothing of
//! who wrote the content: anybody may encrypt to a public key, so what must be signed is a JWS inside (RFC 7519
//! section 11.2), and the caller checks that one.

mod agreement;
mod algorithm;
mod content;
mod decryption_key;
mod encrypter;

#[cfg(test)]
mod tests;

pub use algorithm::{ContentEncryption, KeyManagement};
pub use decryption_key::{Decrypted, DecryptionKey};
pub use encrypter::Encrypter;

pub(super) use agreement::is_sound_x25519;

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm};

fn oaep(alg: KeyManagement) -> &'static OaepAlgorithm {
    if alg == KeyManagement::RsaOaep { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 }
}

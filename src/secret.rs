//! Secrets: the one door to randomness, and a string that no log ever shows.

use std::cell::RefCell;
use std::fmt;

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

/// A value that must not be seen: its `Debug` is three dots, its memory is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// 256 bits of randomness as 43 characters of base64url.
    pub fn random() -> Self {
        Self::of_random_bytes::<32>()
    }

    /// `N` bytes of randomness in base64url.
    pub fn of_random_bytes<const N: usize>() -> Self {
        Self::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(random::<N>())))
    }

    /// The only way to the value; every call is a place to look at in review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `N` bytes from the generator of the cryptographic library, which the operating system seeds.
///
/// # Panics
/// Where the system has no randomness to give: nothing may be issued then.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if N > Pool::LARGEST {
        fill(&mut bytes);
    } else {
        POOL.with_borrow_mut(|pool| pool.take(&mut bytes));
    }
    bytes
}

fn fill(bytes: &mut [u8]) {
    rand::fill(bytes).expect("the operating system has no randomness to give");
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::new(Pool { bytes: Zeroizing::new([0; Pool::SIZE]), left: 0 });
}

/// Randomness of a thread's own, fetched ahead: each call of the generator asks the processor for new entropy, which takes
/// far longer than the few bytes of a nonce. What has been given out is wiped.
struct Pool {
    bytes: Zeroizing<[u8; Self::SIZE]>,
    left: usize,
}

impl Pool {
    const SIZE: usize = 1024;
    const LARGEST: usize = 64;

    fn take(&mut self, bytes: &mut [u8]) {
        if self.left < bytes.len() {
            fill(self.bytes.as_mut_slice());
            self.left = Self::SIZE;
        }
        let taken = &mut self.bytes[self.left - bytes.len()..self.left];
        bytes.copy_from_slice(taken);
        taken.zeroize();
        self.left -= bytes.len();
    }
}

pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    hash
}

/// How a secret that the server made is kept: SHA-256 in base64url. Enough for 256 random bits, and only for those.
pub fn fingerprint(value: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(value.as_bytes()))
}

/// Whether two values are the same, in a time that does not tell where they differ.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::random();
        assert!(!format!("{secret:?}").contains(secret.expose()));
        assert_eq!(secret.expose().len(), 43);
    }

    #[test]
    fn what_was_given_out_is_never_given_again() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            assert!(seen.insert(random::<10>().to_vec()) && seen.insert(random::<64>().to_vec()));
        }
        assert!(!seen.iter().any(|bytes| bytes.iter().all(|byte| *byte == 0)));
        POOL.with_borrow(|pool| assert!(pool.bytes[pool.left..].iter().all(|byte| *byte == 0)));
        assert_ne!(random::<65>(), random::<65>());
    }

    #[test]
    fn a_fingerprint_is_sha256_in_base64url() {
        // FIPS 180-2 appendix B.1
        assert_eq!(fingerprint("abc"), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    }
}

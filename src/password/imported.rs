//! Hashes that were made by Ory Hydra: PBKDF2 (RFC 8018 section 5.2) and bcrypt. They are verified and never made.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{self, Algorithm, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bcrypt::HashParts;

use crate::secret::Secret;

/// What a stored hash may ask of us: a second or two of a core.
const MAX_ITERATIONS: u32 = 1_000_000;
const MAX_COST: u32 = 14;
/// In bytes. A longer hash is computed block by block, each as dear as the first; a shorter one is easily met.
const SHORTEST_HASH: usize = 16;
const SHORTEST_SALT: usize = 8;
const LONGEST_SALT: usize = 64;

/// What bcrypt looks at of a password: what stands behind is the same to it, whatever it is.
const BCRYPT_LENGTH: usize = 72;

/// A hash, taken apart.
pub(super) enum Imported {
    Pbkdf2 { algorithm: Algorithm, iterations: NonZeroU32, salt: Vec<u8>, hash: Vec<u8> },
    Bcrypt(String),
}

impl Imported {
    /// `None` where the hash is of another kind. The error is for the log, and has nothing of the hash in it.
    pub fn read(stored: &str) -> Option<Result<Self, &'static str>> {
        let (kind, rest) = stored.strip_prefix('$')?.split_once('$')?;
        match kind {
            "2a" | "2b" | "2y" => Some(bcrypt(stored)),
            kind => kind.strip_prefix("pbkdf2-").map(|digest| pbkdf2(digest, rest)),
        }
    }

    /// Takes as long as the hash says.
    pub fn matches(&self, password: &Secret) -> bool {
        let password = password.expose();
        match self {
            Self::Pbkdf2 { algorithm, iterations, salt, hash } => {
                pbkdf2::verify(*algorithm, *iterations, salt, password.as_bytes(), hash).is_ok()
            }
            // Cut at 72 bytes by bcrypt itself, as it was when the hash was made.
            Self::Bcrypt(stored) => bcrypt::verify(password, stored).unwrap_or(false),
        }
    }

    /// Whether a password that matches is the one that was set. Of one that fills all that bcrypt looks at nobody knows: the
    /// one that was set may go on behind it.
    pub fn knows_all_of(&self, password: &Secret) -> bool {
        match self {
            Self::Pbkdf2 { .. } => true,
            Self::Bcrypt(_) => password.expose().len() < BCRYPT_LENGTH,
        }
    }
}

/// `$pbkdf2-sha256$i=25000,l=32$salt$hash`, both in base64 without padding. Hydra's `sha224` and `sha384` are of SHA-3.
fn pbkdf2(digest: &str, rest: &str) -> Result<Imported, &'static str> {
    let (algorithm, longest) = match digest {
        "sha256" => (PBKDF2_HMAC_SHA256, 32),
        "sha512" => (PBKDF2_HMAC_SHA512, 64),
        _ => return Err("its digest is neither sha256 nor sha512"),
    };
    let malformed = "it is not of the form $pbkdf2-sha256$i=N,l=N$SALT$HASH";
    let mut parts = rest.split('$');
    let (Some(params), Some(salt), Some(hash), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(malformed);
    };
    let (iterations, length) =
        params.strip_prefix("i=").and_then(|params| params.split_once(",l=")).ok_or(malformed)?;
    let decode = |text| STANDARD_NO_PAD.decode(text).map_err(|_| malformed);
    let (salt, hash) = (decode(salt)?, decode(hash)?);
    if number(length) != u32::try_from(hash.len()).ok() || !(SHORTEST_HASH..=longest).contains(&hash.len()) {
        return Err("its hash has another length than it says, or too long or too short a one");
    }
    if !(SHORTEST_SALT..=LONGEST_SALT).contains(&salt.len()) {
        return Err("its salt is too long or too short");
    }
    let iterations = number(iterations).and_then(NonZeroU32::new).ok_or(malformed)?;
    if iterations.get() > MAX_ITERATIONS {
        return Err("its parameters ask for too much");
    }
    Ok(Imported::Pbkdf2 { algorithm, iterations, salt, hash })
}

fn bcrypt(stored: &str) -> Result<Imported, &'static str> {
    let parts: HashParts =
        stored.parse().map_err(|_| "it is not of the form $2b$COST$ with 53 characters of salt and hash")?;
    match parts.get_cost() {
        4..=MAX_COST => Ok(Imported::Bcrypt(stored.to_owned())),
        0..4 => Err("its cost is less than bcrypt has"),
        _ => Err("its parameters ask for too much"),
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(stored: &str, password: &str) -> bool {
        let read = Imported::read(stored).unwrap_or_else(|| panic!("{stored} is of no kind"));
        read.unwrap_or_else(|reason| panic!("{stored}: {reason}")).matches(&Secret::new(password))
    }

    /// Of the tests of Hydra's own hashers (ory/x, `hasherx`).
    #[test]
    fn what_hydra_has_hashed_is_understood() {
        for (stored, last) in [
            (
                "$pbkdf2-sha256$i=100000,l=32$1jP+5Zxpxgtee/iPxGgOz0RfE9/KJuDElP1ley4VxXc$QJxzfvdbHYBpydCbHoFg3GJEqMFULwskiuqiJctoYpI",
                'E',
            ),
            (
                "$pbkdf2-sha512$i=100000,l=32$bdHBpn7OWOivJMVJypy2UqR0UnaD5prQXRZevj/05YU$+wArTfv1a+bNGO1iZrmEdVjhA+lL11wF4/IxpgYfPwc",
                'E',
            ),
            ("$2a$12$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6", '2'),
        ] {
            assert!(matches(stored, "test"), "{stored}");
            assert!(!matches(stored, "tesT") && !matches(stored, "") && !matches(stored, "test "), "{stored}");
            let other = format!("{}{last}", &stored[..stored.len() - 1]);
            assert!(!matches(&other, "test"), "{other}");
        }
    }

    /// LC-26.
    #[test]
    fn what_asks_for_too_much_or_protects_too_little_is_refused() {
        let of = |digest: &str, iterations: &str, length: usize, salt: usize, hash: usize| {
            let encode = |length| STANDARD_NO_PAD.encode(vec![7; length]);
            let stored = format!("$pbkdf2-{digest}$i={iterations},l={length}${}${}", encode(salt), encode(hash));
            Imported::read(&stored).unwrap().map(|_| ())
        };
        assert_eq!(of("sha256", "25000", 32, 16, 32), Ok(()));
        assert_eq!(of("sha512", "1000000", 64, 64, 64), Ok(()));
        for refused in [
            of("sha256", "1000001", 32, 16, 32),
            of("sha256", "99999999999", 32, 16, 32),
            of("sha256", "0", 32, 16, 32),
            of("sha256", "-1", 32, 16, 32),
            of("sha256", "+1", 32, 16, 32),
            of("sha256", "25000", 31, 16, 32),
            of("sha256", "25000", 64, 16, 64),
            of("sha256", "25000", 8, 16, 8),
            of("sha256", "25000", 0, 16, 0),
            of("sha256", "25000", 32, 0, 32),
            of("sha256", "25000", 32, 65, 32),
            of("sha1", "25000", 20, 16, 20),
            of("sha384", "25000", 48, 16, 48),
        ] {
            assert!(refused.is_err());
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let tail = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for stored in [
            format!("$pbkdf2-sha256$l=32,i=1${tail}"),
            format!("$pbkdf2-sha256$i=1${tail}"),
            format!("$pbkdf2-sha256$i=1,l=32${tail}="),
            format!("$pbkdf2-sha256$i=1,l=32${tail}$"),
            format!("$pbkdf2-sha256$i=1,l=32,x=1${tail}"),
            "$pbkdf2-sha256$i=1,l=32$c29tZXNhbHQ".to_owned(),
            "$pbkdf2-sha256$".to_owned(),
            "$2b$12$".to_owned(),
            "$2b$15$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6".to_owned(),
            "$2b$31$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6".to_owned(),
            "$2b$03$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6".to_owned(),
            "$2b$1x$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6".to_owned(),
            "$2a$12$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfLé".to_owned(),
        ] {
            assert!(Imported::read(&stored).unwrap().is_err(), "{stored}");
        }
        // The broken bcrypt of 2011, and what is of other kinds.
        for stored in
            ["$2x$12$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6", "$2$", "$argon2id$v=19$", "", "2b"]
        {
            assert!(Imported::read(stored).is_none(), "{stored}");
        }
    }

    /// What was cut off when the hash was made is cut off now, and a hash of the whole would be of another secret.
    #[test]
    fn bcrypt_looks_at_72_bytes() {
        let long = "x".repeat(72);
        let stored = bcrypt::hash_with_salt(&long, 4, [1; 16]).unwrap().to_string();
        for (password, fits, is_all) in
            [(long.clone(), true, false), (format!("{long}y"), true, false), ("x".repeat(71), false, true)]
        {
            let imported = Imported::read(&stored).unwrap().unwrap();
            let password = Secret::new(password);
            assert_eq!((imported.matches(&password), imported.knows_all_of(&password)), (fits, is_all));
        }
    }
}

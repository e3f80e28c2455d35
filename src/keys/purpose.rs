//! What a key is for: its set and its algorithm. Each has a succession of keys of its own, so that no key ever serves two
//! algorithms (RFC 8725 section 3.1).

use super::make::SIG;
use crate::clock::Timestamp;
use crate::jose::{Algorithm, KeyManagement};
use crate::store::key::KeyRow;

/// Hydra's name for the set that signs ID tokens.
pub const ID_TOKEN_SET: &str = "hydra.openid.id-token";
/// Hydra's name for the set that signs access tokens (RFC 9068).
pub const ACCESS_TOKEN_SET: &str = "hydra.jwt.access-token";
/// The keys that seal tokens, codes, challenges and cookies.
pub const SEAL_SET: &str = "hydrant.seal";

/// The keys that clients encrypt request objects to (RFC 9101 section 6.1).
pub const REQUEST_OBJECT_SET: &str = "hydrant.request-object";

/// All of them.
pub const SETS: [&str; 4] = [ID_TOKEN_SET, ACCESS_TOKEN_SET, REQUEST_OBJECT_SET, SEAL_SET];

const SEAL_ALG: &str = "A256GCMSIV";

/// What a signature is on. A key of one never vouches for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    IdToken,
    AccessToken,
}

impl KeyUse {
    pub const fn set(self) -> &'static str {
        match self {
            Self::IdToken => ID_TOKEN_SET,
            Self::AccessToken => ACCESS_TOKEN_SET,
        }
    }
}

/// A succession of keys, of which one is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Seal,
    Sign(KeyUse, Algorithm),
    Decrypt(KeyManagement),
}

impl Purpose {
    /// What every server needs from its first start on; all else is made when it is needed.
    pub(super) const AT_FIRST_START: [Self; 4] = [
        Self::Seal,
        Self::Sign(KeyUse::IdToken, Algorithm::Rs256),
        Self::Decrypt(KeyManagement::RsaOaep256),
        Self::Decrypt(KeyManagement::EcdhEs),
    ];

    pub const fn set(self) -> &'static str {
        match self {
            Self::Seal => SEAL_SET,
            Self::Sign(use_, _) => use_.set(),
            Self::Decrypt(_) => REQUEST_OBJECT_SET,
        }
    }

    pub const fn alg(self) -> &'static str {
        match self {
            Self::Seal => SEAL_ALG,
            Self::Sign(_, alg) => alg.as_str(),
            Self::Decrypt(alg) => alg.as_str(),
        }
    }

    /// `key_use` of the row.
    pub(super) const fn key_use(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Sign(..) => SIG,
            Self::Decrypt(_) => "enc",
        }
    }

    /// `None` for a set or an algorithm that this version does not know: a newer one that shares the database may.
    pub fn read(set: &str, alg: &str) -> Option<Self> {
        match set {
            SEAL_SET if alg == SEAL_ALG => Some(Self::Seal),
            ID_TOKEN_SET => alg.parse().ok().map(|alg| Self::Sign(KeyUse::IdToken, alg)),
            ACCESS_TOKEN_SET => alg.parse().ok().map(|alg| Self::Sign(KeyUse::AccessToken, alg)),
            REQUEST_OBJECT_SET => alg.parse().ok().map(Self::Decrypt),
            _ => None,
        }
    }

    pub(super) fn of(row: &KeyRow) -> Option<Self> {
        Self::read(&row.key_set, &row.alg)
    }

    /// The rows of this succession, in the order of `rows`, which is newest first.
    pub(super) fn rows(self, rows: &[KeyRow]) -> impl Iterator<Item = &KeyRow> {
        rows.iter().filter(move |row| row.key_set == self.set() && row.alg == self.alg())
    }

    /// The newest of them that has no end yet: the one in use, or its successor.
    pub(super) fn newest(self, rows: &[KeyRow]) -> Option<&KeyRow> {
        self.rows(rows).find(|row| row.retire_at.is_none())
    }

    /// The newest of them that is in use by this clock.
    pub(super) fn in_use(self, rows: &[KeyRow], now: Timestamp) -> Option<&KeyRow> {
        self.rows(rows).find(|row| row.active_from <= now && row.retire_at.is_none_or(|at| at > now))
    }

    pub(super) fn next_ordinal(self, rows: &[KeyRow]) -> i64 {
        self.rows(rows).map(|row| row.ordinal).max().unwrap_or(0) + 1
    }

    /// Every succession that has ever been begun, each once.
    pub(super) fn all(rows: &[KeyRow]) -> Vec<Self> {
        let mut all = Vec::new();
        for purpose in rows.iter().filter_map(Self::of) {
            if !all.contains(&purpose) {
                all.push(purpose);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_read_from_its_set_and_algorithm() {
        let signing = [KeyUse::IdToken, KeyUse::AccessToken]
            .into_iter()
            .flat_map(|use_| Algorithm::ALL.map(|alg| Purpose::Sign(use_, alg)));
        for purpose in signing.chain(KeyManagement::ALL.map(Purpose::Decrypt)).chain([Purpose::Seal]) {
            assert_eq!(Purpose::read(purpose.set(), purpose.alg()), Some(purpose));
            assert!(SETS.contains(&purpose.set()));
        }
        for (set, alg) in [
            (ID_TOKEN_SET, "HS256"),
            (ID_TOKEN_SET, SEAL_ALG),
            (SEAL_SET, "RS256"),
            ("x", "RS256"),
            (REQUEST_OBJECT_SET, "RS256"),
        ] {
            assert_eq!(Purpose::read(set, alg), None, "{set} {alg}");
        }
    }
}

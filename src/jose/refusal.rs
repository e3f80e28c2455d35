//! Why a token of somebody else is not accepted.

use std::fmt;

/// A token was refused. What it shows is the same whatever was wrong, because the sender reads it; the reason is for the
/// log alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    reason: &'static str,
    unknown_key: bool,
}

impl Refusal {
    pub const fn because(reason: &'static str) -> Self {
        Self { reason, unknown_key: false }
    }

    pub const fn unknown_key() -> Self {
        Self { reason: "the set has no such key for this algorithm", unknown_key: true }
    }

    /// For the log. Never made of what the token says.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Whether the set might be out of date: the owner of the keys may have a new one since it was fetched.
    pub fn is_unknown_key(&self) -> bool {
        self.unknown_key
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Refusal").field(&self.reason).finish()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the JSON Web Token is not valid")
    }
}

impl std::error::Error for Refusal {}

//! What is measured, and what it has to reach: the table in the design document, section 10.

use clap::ValueEnum;

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Endpoint {
    Discovery,
    Jwks,
    ClientCredentials,
    Introspection,
    Userinfo,
    Code,
    CodeWithoutIdToken,
    Refresh,
    Password,
}

/// What a figure is compared with, measured in the same round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yardstick {
    /// Requests a second of the hello handler, under the same load.
    Hello,
    /// Signatures a second of all cores.
    Rs256,
    /// Password hashes a second of all cores.
    Argon2id,
}

impl Endpoint {
    pub const fn title(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Jwks => "JWKS",
            Self::ClientCredentials => "client credentials, opaque token",
            Self::Introspection => "introspection of a grant's token",
            Self::Userinfo => "userinfo",
            Self::Code => "code exchange, RS256 ID token",
            Self::CodeWithoutIdToken => "code exchange, no ID token",
            Self::Refresh => "refresh rotation",
            Self::Password => "sign-in by password",
        }
    }

    pub const fn yardstick(self) -> Yardstick {
        match self {
            Self::Code => Yardstick::Rs256,
            Self::Password => Yardstick::Argon2id,
            _ => Yardstick::Hello,
        }
    }

    /// The least ratio to the yardstick; nothing where the design has no target.
    pub const fn target(self) -> Option<f64> {
        match self {
            Self::Discovery | Self::Jwks | Self::Password => Some(0.9),
            Self::ClientCredentials => Some(0.5),
            Self::Introspection => Some(0.4),
            Self::Userinfo => Some(0.35),
            Self::Code => Some(0.65),
            Self::CodeWithoutIdToken => None,
            Self::Refresh => Some(0.22),
        }
    }

    /// Whether its latency is measured at half of its load too: one that reads a grant, and one that writes.
    pub const fn has_half_load(self) -> bool {
        matches!(self, Self::Introspection | Self::Refresh)
    }
}

impl Yardstick {
    pub const fn title(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Rs256 => "raw RS256",
            Self::Argon2id => "raw argon2id",
        }
    }
}

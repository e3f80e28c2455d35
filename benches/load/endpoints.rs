//! What is measured, and what it has to reach: the table in the design document, section 10.

use clap::ValueEnum;
use serde::Serialize;

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    Discovery,
    Jwks,
    ClientCredentials,
    ClientCredentialsEs256,
    ClientCredentialsRs256,
    Introspection,
    IntrospectionClient,
    IntrospectionGarbage,
    Userinfo,
    CodeEs256,
    Code,
    CodeWithoutIdToken,
    Refresh,
    Revocation,
    Password,
    LoginPages,
    LoginPassword,
    LoginAdmin,
}

/// What a figure is compared with, measured in the same round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Yardstick {
    /// Requests a second of the hello handler, under the same load.
    Hello,
    /// Signatures a second of all cores.
    Rs256,
    Es256,
    /// Password hashes a second of all cores.
    Argon2id,
    /// Rows a second that `pgbench` reads by primary key: eight clients, prepared statements.
    PgSelect,
    /// The same of inserts, each a durable commit.
    PgInsert,
}

impl Endpoint {
    pub const fn title(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Jwks => "JWKS",
            Self::ClientCredentials => "client credentials, opaque token",
            Self::ClientCredentialsEs256 => "client credentials, ES256 JWT",
            Self::ClientCredentialsRs256 => "client credentials, RS256 JWT",
            Self::Introspection => "introspection of a grant's token",
            Self::IntrospectionClient => "introspection of a client's token",
            Self::IntrospectionGarbage => "introspection of what is no token",
            Self::Userinfo => "userinfo",
            Self::CodeEs256 => "code exchange, ES256 ID token",
            Self::Code => "code exchange, RS256 ID token",
            Self::CodeWithoutIdToken => "code exchange, no ID token",
            Self::Refresh => "refresh rotation",
            Self::Revocation => "revocation of a client's token",
            Self::Password => "sign-in by password",
            Self::LoginPages => "login in a session that is kept",
            Self::LoginPassword => "login by password and consent",
            Self::LoginAdmin => "login by another app, admin API",
        }
    }

    pub const fn yardstick(self) -> Yardstick {
        match self {
            Self::ClientCredentialsRs256 | Self::Code => Yardstick::Rs256,
            Self::Password | Self::LoginPassword => Yardstick::Argon2id,
            _ => Yardstick::Hello,
        }
    }

    /// The least ratio to the yardstick; nothing where the design has no target.
    pub const fn target(self) -> Option<f64> {
        match self {
            Self::Discovery | Self::Jwks | Self::Password => Some(0.9),
            Self::ClientCredentials => Some(0.5),
            Self::ClientCredentialsEs256 | Self::Userinfo => Some(0.35),
            Self::ClientCredentialsRs256 => Some(0.8),
            Self::Introspection => Some(0.4),
            Self::CodeEs256 => Some(0.15),
            Self::Code => Some(0.65),
            Self::Refresh => Some(0.22),
            _ => None,
        }
    }

    /// Several requests are one of it.
    pub const fn is_login(self) -> bool {
        matches!(self, Self::LoginPages | Self::LoginPassword | Self::LoginAdmin)
    }

    /// Passwords are hashed: the queue for that is the latency, and more connections make it no faster.
    pub const fn hashes(self) -> bool {
        matches!(self, Self::Password | Self::LoginPassword)
    }
}

impl Yardstick {
    pub const ALL: [Self; 6] = [Self::Hello, Self::Rs256, Self::Es256, Self::Argon2id, Self::PgSelect, Self::PgInsert];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Rs256 => "raw RS256",
            Self::Es256 => "raw ES256",
            Self::Argon2id => "raw argon2id",
            Self::PgSelect => "pgbench select",
            Self::PgInsert => "pgbench insert",
        }
    }
}

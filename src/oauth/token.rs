//! The payloads of sealed tokens and codes, and the token endpoint's answer (RFC 6749 section 5.1).

use serde::{Deserialize, Serialize};

use super::claims_request::ClaimsRequest;
use super::scope::Scope;
use crate::clock::Timestamp;
use crate::id::{ClientId, GrantId, Subject, TokenId};

/// What an access token says, sealed or as a JWT. It is never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessToken {
    /// A token of a grant: who and what for stands in the grant's row.
    Grant {
        id: TokenId,
        grant: GrantId,
        /// The refresh generation that it was issued with; it dies when that one is rotated away. `None` for a token of
        /// the authorization endpoint, which no rotation ends.
        generation: Option<i64>,
        /// Where less was asked for than the grant has (RFC 6749 section 6); `None` is all of it.
        scope: Option<Scope>,
        /// The same of the audience (RFC 8707 section 2.2).
        audience: Option<Vec<String>>,
        issued_at: Timestamp,
        expires_at: Timestamp,
    },
    /// A token of client credentials: there is no grant, everything is in here.
    Client {
        id: TokenId,
        client: ClientId,
        scope: Scope,
        audience: Vec<String>,
        issued_at: Timestamp,
        expires_at: Timestamp,
    },
    /// A token that a client got for somebody by an assertion (RFC 7523): no grant either.
    Asserted {
        id: TokenId,
        client: ClientId,
        /// Who the assertion was about; a user of the server's or not.
        subject: Subject,
        scope: Scope,
        audience: Vec<String>,
        issued_at: Timestamp,
        expires_at: Timestamp,
    },
}

impl AccessToken {
    pub const fn id(&self) -> TokenId {
        match self {
            Self::Grant { id, .. } | Self::Client { id, .. } | Self::Asserted { id, .. } => *id,
        }
    }

    pub const fn issued_at(&self) -> Timestamp {
        match self {
            Self::Grant { issued_at, .. } | Self::Client { issued_at, .. } | Self::Asserted { issued_at, .. } => {
                *issued_at
            }
        }
    }

    pub const fn expires_at(&self) -> Timestamp {
        match self {
            Self::Grant { expires_at, .. } | Self::Client { expires_at, .. } | Self::Asserted { expires_at, .. } => {
                *expires_at
            }
        }
    }
}

/// A refresh token: one generation of a grant. Alike for the same generation, so that a repeated request gets the
/// same successor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    pub grant: GrantId,
    pub generation: i64,
    pub due: Due,
}

/// An authorization code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    pub grant: GrantId,
    pub due: Due,
}

/// What an exchange will need besides the grant, known before the grant is read: what can not be had must not cost the
/// client its code or refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// An ID token, and so the keys that it is made with.
    pub id_token: bool,
    /// Claims of the person in it.
    pub person: bool,
}

impl Due {
    pub fn of(scope: &Scope, requested: Option<&ClaimsRequest>) -> Self {
        let id_token = scope.contains("openid");
        Self { id_token, person: id_token && requested.is_some_and(|requested| !requested.id_token.is_empty()) }
    }
}

/// The token endpoint's answer.
#[derive(Debug, Serialize)]
pub struct TokenResponse {
    pub access_token: String,
    /// Lower case, as Hydra writes it (RFC 6749 section 5.1: case insensitive).
    pub token_type: &'static str,
    /// In seconds.
    pub expires_in: u64,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

//! What is decided of a login and of a consent, as interactions keep it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId, Subject};
use crate::oauth::scope::Scope;
use crate::oauth::session_claims::SessionClaims;

/// Accepted with what follows from it, or rejected with the error that the client is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision<T> {
    Accepted(T),
    Rejected { error: String, description: String },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoginDecision {
    pub session: SessionId,
    #[serde(default)]
    pub how: How,
    /// What the login app hands to the consent app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<Forced>,
}

/// What a pairwise client knows a person as from here on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Forced {
    pub client_id: ClientId,
    pub subject: Subject,
    pub seen_as: Subject,
}

/// How the session came to be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// At a page of ours: it is there.
    #[default]
    Here,
    /// Another app has recognised the person: it begins when their browser comes back.
    Elsewhere(NewLogin),
    /// Another app has found the session that was there good enough.
    Kept(KeptLogin),
}

/// What another app says of a person whom it has recognised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewLogin {
    pub subject: Subject,
    pub authenticated_at: Timestamp,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    pub remembered: bool,
    pub expires_at: Timestamp,
    pub identity_provider_session_id: Option<String>,
}

/// What another app changes of a session that it keeps.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeptLogin {
    pub acr: Option<String>,
    /// Empty: as it is.
    pub amr: Vec<String>,
    /// The session's new end, where its life is extended.
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConsentDecision {
    pub scope: Scope,
    pub audience: Vec<String>,
    /// Names of claims that were granted by themselves.
    #[serde(default)]
    pub claims: Vec<String>,
    /// What tokens tell besides.
    #[serde(default, skip_serializing_if = "SessionClaims::is_empty")]
    pub session: SessionClaims,
    /// `None` where nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<ConsentRecord>,
}

/// How a person was asked, as the admin API tells it again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ConsentRecord {
    pub handled_at: Timestamp,
    pub remember: bool,
    /// In seconds; 0 is for ever.
    #[serde(default)]
    pub remember_for: i64,
    /// What was asked for, where less was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_scope: Option<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_audience: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
}

//! The ID token: OpenID Connect Core section 2.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId, Subject};

/// The claims of an ID token.
#[derive(Debug, Serialize)]
pub struct IdToken<'a> {
    pub iss: &'a str,
    pub sub: &'a Subject,
    pub aud: [&'a ClientId; 1],
    pub exp: i64,
    pub iat: i64,
    pub auth_time: i64,
    pub jti: String,
    /// As the request sent it; not there when it sent none, nor after a refresh (section 12.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub amr: &'a [String],
    pub sid: &'a str,
    /// Sections 3.1.3.6 and 3.3.2.11.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub c_hash: Option<String>,
    /// What was asked for and what the consent added; never a claim of the protocol's own.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Claims that only the server sets.
const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "auth_time",
    "jti",
    "nonce",
    "acr",
    "amr",
    "azp",
    "sid",
    "at_hash",
    "c_hash",
    "s_hash",
    "cnf",
    "rat",
    "client_id",
    "scope",
    "events",
];

/// Whether only the server may say this.
pub fn is_reserved(claim: &str) -> bool {
    RESERVED.contains(&claim)
}

/// Takes out of `claims` what nobody but the server may say.
pub fn without_reserved(mut claims: Map<String, Value>) -> Map<String, Value> {
    claims.retain(|name, value| !is_reserved(name) && !value.is_null());
    claims
}

/// An ID token that came back as a hint (`id_token_hint`): genuine, whatever its age.
#[derive(Debug, Clone)]
pub struct Hint {
    pub subject: Subject,
    pub clients: Vec<ClientId>,
    /// `sid`, as its client knows the session.
    pub session: Option<String>,
}

/// A session's own id, or a sector's name for it (`subject::session_seen_by`).
fn is_session_name(sid: &str) -> bool {
    sid.parse::<SessionId>().is_ok() || (sid.len() == 64 && sid.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl Hint {
    /// Reads the claims of a token whose signature was verified. `None` where they are not those of an ID token of
    /// ours: another issuer, no subject, no audience, issued in the future, or another kind of token.
    pub fn read(claims: &Map<String, Value>, issuer: &str, now: Timestamp) -> Option<Self> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let of_us = text("iss") == Some(issuer);
        let past = claims.get("iat").and_then(Value::as_i64).is_some_and(|iat| iat <= now.seconds() + 60);
        if !of_us || !past || claims.contains_key("events") || claims.contains_key("client_id") {
            return None;
        }
        let clients: Vec<ClientId> = match claims.get("aud")? {
            Value::String(one) => vec![ClientId::new(one)],
            Value::Array(several) => several.iter().filter_map(Value::as_str).map(ClientId::new).collect(),
            _ => return None,
        };
        let subject = Subject::new(text("sub").filter(|sub| !sub.is_empty())?);
        (!clients.is_empty()).then(|| Self {
            subject,
            clients,
            session: text("sid").filter(|sid| is_session_name(sid)).map(str::to_owned),
        })
    }
}

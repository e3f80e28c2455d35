//! `/admin/logout-tokens`: which clients are to be told of a logout, and what came of it.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::page::{self, Asked, Page};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::answer::JsonError;
use crate::id::{ClientId, Subject};
use crate::oauth::params::Params;
use crate::oauth::{ErrorCode, Result};
use crate::store::logout_token::{Listed, LogoutToken, State as Delivery};

const LIST: &str = "logout-tokens";

/// A logout token as it is shown.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "logoutToken")]
pub struct Shown {
    /// `jti`.
    id: String,
    client_id: String,
    subject: String,
    /// The session; not there where the person is to be signed out of all of them at the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    /// `pending`, `delivered` or `failed` (given up).
    state: &'static str,
    attempts: i64,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// RFC 3339.
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    /// No attempt begins after it.
    gives_up_at: String,
}

impl From<LogoutToken> for Shown {
    fn from(token: LogoutToken) -> Self {
        Self {
            state: token.state().as_str(),
            id: token.id.to_string(),
            client_id: token.client_id.to_string(),
            subject: token.subject.to_string(),
            sid: token.session_id.map(|session| session.to_string()),
            attempts: token.attempts,
            failure: token.failure,
            created_at: token.created_at.rfc3339(),
            delivered_at: token.delivered_at.map(Timestamp::rfc3339),
            next_attempt_at: token.due_at.map(Timestamp::rfc3339),
            gives_up_at: token.ends_at.rfc3339(),
        }
    }
}

fn state(params: &Params) -> Result<Option<Delivery>> {
    let Some(text) = params.get("state") else { return Ok(None) };
    let found = Delivery::ALL.into_iter().find(|state| state.as_str() == text);
    found
        .map(Some)
        .ok_or_else(|| ErrorCode::InvalidRequest.because("The parameter state is pending, delivered or failed."))
}

pub async fn on_list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, JsonError> {
    let params = page::query(query.as_deref())?;
    let asked = Asked::read(&app, LIST, &params)?;
    let (client, subject) = (params.get("client_id").map(ClientId::new), params.get("subject").map(Subject::new));
    let listed = Listed {
        client: client.as_ref(),
        subject: subject.as_ref(),
        state: state(&params)?,
        before: asked.after.as_deref(),
        most: asked.size + 1,
    };
    let rows = app.store.logout_tokens(&listed).await?;
    let shown: Vec<Shown> = rows.into_iter().map(Shown::from).collect();
    let found = Page::of(shown, &asked, |token: &Shown| token.id.clone());
    Ok(page::answer(&app, LIST, &params, &asked, found)?)
}

//! `/admin/oauth2/auth/requests/logout`: what an app for logout is asked, and answers.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::challenge::{challenge, redirect_to};
use super::clients::Shown;
use crate::app::App;
use crate::flow::elsewhere::{LogoutAsked, accept_logout, logout_request, reject_logout};
use crate::http::answer::{JsonError, no_store};

/// A logout request as it is shown: Hydra's `oAuth2LogoutRequest`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2LogoutRequest")]
pub struct LogoutRequest {
    challenge: String,
    subject: String,
    sid: String,
    request_url: String,
    rp_initiated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Shown>,
    /// RFC 3339.
    requested_at: String,
    expires_at: String,
}

impl LogoutRequest {
    fn new(challenge: String, asked: LogoutAsked) -> Self {
        Self {
            challenge,
            subject: asked.subject.map(|subject| subject.to_string()).unwrap_or_default(),
            sid: asked.session.to_string(),
            request_url: asked.request_url,
            rp_initiated: asked.rp_initiated,
            client: asked.client.map(|client| Shown::new(&client, None)),
            requested_at: asked.requested_at.rfc3339(),
            expires_at: asked.expires_at.rfc3339(),
        }
    }
}

pub async fn on_get(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, JsonError> {
    let challenge = challenge(query.as_deref(), "logout_challenge")?;
    let asked = logout_request(&app, &challenge).await?;
    Ok((no_store(), Json(LogoutRequest::new(challenge, asked))).into_response())
}

pub async fn on_accept(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, JsonError> {
    let challenge = challenge(query.as_deref(), "logout_challenge")?;
    Ok(redirect_to(accept_logout(&app, &challenge).await?))
}

pub async fn on_reject(State(app): State<App>, RawQuery(query): RawQuery) -> Result<StatusCode, JsonError> {
    let challenge = challenge(query.as_deref(), "logout_challenge")?;
    reject_logout(&app, &challenge).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `/admin/oauth2/auth/requests/login`: what an app for login is asked, and answers.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::challenge::{Failed, challenge, redirect_to};
use super::clients::Shown;
use crate::app::App;
use crate::flow::elsewhere::{
    self, LoginAccept, LoginAsked, OidcContext, Rejection, accept_login, login_request, reject_login,
};
use crate::http::answer::no_store;
use crate::http::json::JsonBody;

/// A login request as it is shown: Hydra's `oAuth2LoginRequest`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2LoginRequest")]
pub struct LoginRequest {
    challenge: String,
    requested_scope: Vec<String>,
    requested_access_token_audience: Vec<String>,
    skip: bool,
    /// Empty unless `skip`.
    subject: String,
    oidc_context: OidcContext,
    client: Shown,
    request_url: String,
    session_id: String,
}

impl LoginRequest {
    fn new(challenge: String, found: LoginAsked) -> Self {
        let elsewhere::Asked { client, request, request_url, oidc_context } = found.asked;
        Self {
            challenge,
            requested_scope: request.scope.iter().map(str::to_owned).collect(),
            requested_access_token_audience: request.audience,
            skip: found.skip.is_some(),
            subject: found.skip.map(|subject| subject.to_string()).unwrap_or_default(),
            oidc_context,
            client: Shown::new(&client, None),
            request_url,
            session_id: found.session.to_string(),
        }
    }
}

pub async fn on_get(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Failed> {
    let challenge = challenge(query.as_deref(), "login_challenge")?;
    let found = login_request(&app, &challenge).await?;
    Ok((no_store(), Json(LoginRequest::new(challenge, found))).into_response())
}

pub async fn on_accept(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    JsonBody(accept): JsonBody<LoginAccept>,
) -> Result<Response, Failed> {
    let challenge = challenge(query.as_deref(), "login_challenge")?;
    Ok(redirect_to(accept_login(&app, &challenge, accept).await?))
}

pub async fn on_reject(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    JsonBody(rejection): JsonBody<Rejection>,
) -> Result<Response, Failed> {
    let challenge = challenge(query.as_deref(), "login_challenge")?;
    Ok(redirect_to(reject_login(&app, &challenge, rejection).await?))
}

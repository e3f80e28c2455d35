//! Login requests.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::{challenge, failed, redirect_to};
use crate::admin::clients::Shown;
use crate::app::App;
use crate::flow::elsewhere::{
    self, Failure, LoginAccept, LoginAsked, OidcContext, Rejection, accept_login, login_request, reject_login,
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

pub async fn on_get(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    let found = async {
        let challenge = challenge(query.as_deref(), "login_challenge")?;
        let found = login_request(&app, &challenge).await?;
        Ok::<_, Failure>(LoginRequest::new(challenge, found))
    };
    found.await.map_or_else(failed, |shown| (no_store(), Json(shown)).into_response())
}

pub async fn on_accept(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    JsonBody(accept): JsonBody<LoginAccept>,
) -> Response {
    let done = async {
        let challenge = challenge(query.as_deref(), "login_challenge")?;
        accept_login(&app, &challenge, accept).await
    };
    done.await.map_or_else(failed, redirect_to)
}

pub async fn on_reject(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    JsonBody(rejection): JsonBody<Rejection>,
) -> Response {
    let done = async {
        let challenge = challenge(query.as_deref(), "login_challenge")?;
        reject_login(&app, &challenge, rejection).await
    };
    done.await.map_or_else(failed, redirect_to)
}

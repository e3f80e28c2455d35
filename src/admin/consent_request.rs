//! `/admin/oauth2/auth/requests/consent`: what an app for consent is asked, and answers.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::challenge::{Failed, challenge, redirect_to};
use super::clients::Shown;
use crate::app::App;
use crate::flow::elsewhere::{
    self, ConsentAccept, ConsentAsked, OidcContext, Rejection, accept_consent, consent_request, reject_consent,
};
use crate::http::answer::no_store;
use crate::http::json::JsonBody;

/// A consent request as it is shown: Hydra's `oAuth2ConsentRequest`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2ConsentRequest")]
pub struct ConsentRequest {
    pub challenge: String,
    pub consent_request_id: String,
    pub requested_scope: Vec<String>,
    pub requested_access_token_audience: Vec<String>,
    pub skip: bool,
    pub subject: String,
    pub oidc_context: OidcContext,
    pub client: Shown,
    pub request_url: String,
    /// The flow's id; the login challenge itself is not kept.
    pub login_challenge: String,
    pub login_session_id: String,
    pub acr: String,
    pub amr: Vec<String>,
    pub context: Value,
}

impl ConsentRequest {
    fn new(challenge: String, found: ConsentAsked) -> Self {
        let elsewhere::Asked { client, request, request_url, oidc_context } = found.asked;
        Self {
            challenge,
            consent_request_id: found.id.to_string(),
            requested_scope: request.scope.iter().map(str::to_owned).collect(),
            requested_access_token_audience: request.audience,
            skip: found.skip,
            subject: found.session.subject.to_string(),
            oidc_context,
            client: Shown::new(&client, None),
            request_url,
            login_challenge: found.id.to_string(),
            login_session_id: found.session.id.to_string(),
            acr: found.session.acr.unwrap_or_default(),
            amr: found.session.amr.0,
            context: found.context.unwrap_or_else(|| json!({})),
        }
    }
}

pub async fn on_get(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Failed> {
    let challenge = challenge(query.as_deref(), "consent_challenge")?;
    let found = consent_request(&app, &challenge).await?;
    Ok((no_store(), Json(ConsentRequest::new(challenge, found))).into_response())
}

pub async fn on_accept(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    JsonBody(accept): JsonBody<ConsentAccept>,
) -> Result<Response, Failed> {
    let challenge = challenge(query.as_deref(), "consent_challenge")?;
    Ok(redirect_to(accept_consent(&app, &challenge, accept).await?))
}

pub async fn on_reject(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    JsonBody(rejection): JsonBody<Rejection>,
) -> Result<Response, Failed> {
    let challenge = challenge(query.as_deref(), "consent_challenge")?;
    Ok(redirect_to(reject_consent(&app, &challenge, rejection).await?))
}

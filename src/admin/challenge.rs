//! `/admin/oauth2/auth/requests/*`: what other apps for login, consent and logout ask, and answer (Hydra's challenge
//! protocol, hydra.md section 2).

pub mod consent;
pub mod login;
pub mod logout;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::page;
use crate::flow::elsewhere::Failure;
use crate::http::answer::{JsonError, no_store};
use crate::oauth::{ErrorCode, Result};

/// Where the app sends the browser.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "oAuth2RedirectTo")]
pub struct RedirectTo {
    redirect_to: String,
}

fn redirect_to(redirect_to: String) -> Response {
    (no_store(), Json(RedirectTo { redirect_to })).into_response()
}

/// A request that was handled before is answered by 410 and where to go from there, as Hydra documents it.
fn failed(failure: Failure) -> Response {
    match failure {
        Failure::Handled { redirect_to } => {
            (StatusCode::GONE, no_store(), Json(RedirectTo { redirect_to })).into_response()
        }
        Failure::Refused(error) => JsonError(error).into_response(),
    }
}

/// The challenge in the query, under either of its names.
fn challenge(query: Option<&str>, name: &'static str) -> Result<String> {
    let params = page::query(query)?;
    let challenge = params.get(name).or_else(|| params.get("challenge"));
    challenge.map(str::to_owned).ok_or_else(|| {
        ErrorCode::InvalidRequest.because(format!("Query parameter {name} is not defined but should have been."))
    })
}

//! What the requests under `/admin/oauth2/auth/requests/` share: a challenge that another app asks about, and where it
//! sends the browser once it has answered (hydra.md section 2).

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

pub(super) fn redirect_to(redirect_to: String) -> Response {
    (no_store(), Json(RedirectTo { redirect_to })).into_response()
}

/// A request that was handled before is answered by 410 and where to go from there, as Hydra documents it.
pub struct Failed(Failure);

impl<E: Into<Failure>> From<E> for Failed {
    fn from(failure: E) -> Self {
        Self(failure.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self.0 {
            Failure::Handled { redirect_to } => {
                (StatusCode::GONE, no_store(), Json(RedirectTo { redirect_to })).into_response()
            }
            Failure::Refused(error) => JsonError(error).into_response(),
        }
    }
}

/// The challenge in the query, under either of its names.
pub(super) fn challenge(query: Option<&str>, name: &'static str) -> Result<String> {
    let params = page::query(query)?;
    let challenge = params.get(name).or_else(|| params.get("challenge"));
    challenge.map(str::to_owned).ok_or_else(|| {
        ErrorCode::InvalidRequest.because(format!("Query parameter {name} is not defined but should have been."))
    })
}

//! Refusals that come before any endpoint, as the error object of RFC 6749 section 5.2.

use std::error::Error as StdError;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;

use crate::oauth;

pub const TOO_LARGE: Refusal =
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "The request body is too large.");

/// `limits.max_in_flight`.
pub const FULL: Refusal =
    Refusal::unavailable("The server is answering as many requests as it can. Please try again in a moment.");

/// Seconds after which to come back (`Retry-After`).
pub const COME_BACK: u16 = 2;

/// Why a body is not read on: while it came, as many others did as are answered at once.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("as many requests as may be are being answered")]
pub struct Full;

/// What a layer answers instead of the endpoint. It never holds input, a quote or a backslash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub error: &'static str,
    pub description: &'static str,
    /// `WWW-Authenticate`.
    pub challenge: Option<&'static str>,
}

impl Refusal {
    pub const fn new(status: StatusCode, error: &'static str, description: &'static str) -> Self {
        Self { status, error, description, challenge: None }
    }

    #[must_use]
    pub const fn challenging(self, challenge: &'static str) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    pub const fn bad_request(description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub const fn unavailable(description: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", description)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, error, description, challenge } = self;
        let body = format!("{{\"error\":\"{error}\",\"error_description\":\"{description}\"}}");
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(COME_BACK));
        }
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// The error object for a body that could not be read: 413 when it is too large, 503 when it came too late, else 400.
pub fn unreadable_body(error: &(dyn StdError + 'static)) -> oauth::Error {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // axum keeps it in a box of its own.
        if error.is::<LengthLimitError>() || error.is::<Box<LengthLimitError>>() {
            return oauth::ErrorCode::InvalidRequest
                .because(TOO_LARGE.description)
                .with_status(TOO_LARGE.status.as_u16());
        }
        if error.is::<Full>() {
            return oauth::ErrorCode::TemporarilyUnavailable.because(FULL.description).retry_after(COME_BACK.into());
        }
        cause = error.source();
    }
    oauth::ErrorCode::InvalidRequest.because("The request body could not be read.")
}

//! What endpoints answer with: the OAuth error object as JSON, and the headers that go with it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::cors::AllowedOrigins;
use crate::oauth::{Error, ErrorCode, Result};
use crate::store::client::Client;

/// An error as JSON (RFC 6749 section 5.2): never the framework's own text.
#[derive(Debug)]
pub struct JsonError(pub Error);

impl<E: Into<Error>> From<E> for JsonError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
}

impl IntoResponse for JsonError {
    fn into_response(self) -> Response {
        let error = self.0;
        log(&error);
        let body = Body { error: error.code.as_str(), error_description: &error.description };
        let mut response = (status(&error), no_store(), Json(body)).into_response();
        if error.status == 401 {
            // RFC 6749 section 5.2; a bearer-protected resource puts its own challenge in place of it.
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"hydrant\""));
        }
        with_retry_after(response, &error)
    }
}

pub fn status(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

pub fn with_retry_after(mut response: Response, error: &Error) -> Response {
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The source of an error is for the log alone.
pub fn log(error: &Error) {
    match (&error.source, error.code) {
        (Some(source), ErrorCode::ServerError) => tracing::error!(source = %chain(source.as_ref()), "{error}"),
        (Some(source), _) => tracing::warn!(source = %chain(source.as_ref()), "{error}"),
        (None, _) => tracing::debug!("{error}"),
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = source.source();
    }
    text
}

/// RFC 6749 section 5.1: what holds tokens or says anything of them is not kept by anybody on the way.
pub const fn no_store() -> [(header::HeaderName, &'static str); 2] {
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")]
}

/// Lets the browsers of this client's own origins read the answer.
pub fn allow_origins_of(client: &Client, mut response: Response) -> Response {
    let origins = &client.metadata().allowed_cors_origins;
    if !origins.is_empty() {
        response.extensions_mut().insert(AllowedOrigins(origins.clone()));
    }
    response
}

/// What a client that has proven who it is gets, be it what it asked for or an error.
pub fn respond(client: &Client, outcome: Result<impl IntoResponse>) -> Response {
    let response = match outcome {
        Ok(answer) => answer.into_response(),
        Err(error) => JsonError(error).into_response(),
    };
    allow_origins_of(client, response)
}

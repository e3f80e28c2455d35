//! The published keys: RFC 7517 section 5.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::app::App;
use crate::http::answer::JsonError;
use crate::http::document::Document;

/// From memory: the keys are to be had while the database is not.
pub async fn get(State(app): State<App>, headers: HeaderMap) -> Result<Response, JsonError> {
    let keys = app.keys.live()?;
    Ok(Document::prepared(keys.jwks.clone(), &keys.etag, app.keys.max_age()).answer(&headers))
}

//! Discovery: OpenID Connect Discovery section 4, RFC 8414 section 3.

use axum::extract::Extension;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::config::Config;
use crate::http::document::Document;
use crate::oauth::server_metadata::ServerMetadata;

/// The document, made once: it is what the configuration enables.
pub fn document(config: &Config) -> Document {
    Document::of(&ServerMetadata::of(config), config.keys.max_age)
}

pub async fn get(headers: HeaderMap, Extension(document): Extension<Document>) -> Response {
    document.answer(&headers)
}

//! Discovery: OpenID Connect Discovery section 4, RFC 8414 section 3.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use axum::routing::{MethodRouter, get};

use crate::app::App;
use crate::config::Config;
use crate::http::document::Document;
use crate::oauth::server_metadata::ServerMetadata;

/// The document, made once: it is what the configuration enables.
pub fn resource(config: &Config) -> MethodRouter<App> {
    let document = Arc::new(Document::of(&ServerMetadata::of(config), config.keys.max_age));
    get(async move |request: Request| -> Response { document.answer(request.headers()) })
}

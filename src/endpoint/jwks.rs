//! The published keys: RFC 7517 section 5.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};

use crate::app::App;
use crate::http::answer::JsonError;
use crate::http::document::Document;
use crate::keys::Live;

/// What was last published, and the keys that it is of.
type Published = ArcSwapOption<(Arc<Live>, Document)>;

/// From memory: the keys are to be had while the database is not.
pub fn resource() -> MethodRouter<App> {
    let published = Arc::new(Published::default());
    get(async move |State(app): State<App>, request: Request| answer(&app, &published, &request))
}

fn answer(app: &App, published: &Published, request: &Request) -> Result<Response, JsonError> {
    let keys = app.keys.live()?;
    if let Some(published) = published.load().as_deref().filter(|published| Arc::ptr_eq(&published.0, &keys)) {
        return Ok(published.1.answer(request.headers()));
    }
    let document = Document::prepared(keys.jwks.clone(), &keys.etag, app.keys.max_age());
    let response = document.answer(request.headers());
    published.store(Some(Arc::new((keys, document))));
    Ok(response)
}

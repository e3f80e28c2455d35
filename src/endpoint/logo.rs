//! Clients' logos, from this server: a page of ours loads nothing from anywhere else, and nobody's logo host learns who
//! signs in where.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::Url;

use crate::app::App;
use crate::http::answer::JsonError;
use crate::id::ClientId;
use crate::oauth::client_metadata::check_client_id;
use crate::oauth::{ErrorCode, Result};

/// Bytes of a logo.
const LARGEST: usize = 256 * 1024;

/// What a browser may be given as an image. SVG is not: it is a document.
const IMAGES: &[&str] = &["image/png", "image/jpeg", "image/gif", "image/webp"];

pub async fn get(State(app): State<App>, Path(id): Path<String>) -> Result<Response, JsonError> {
    let none = || ErrorCode::NotFound.because("The client has no logo.");
    // What no client can be called is not looked for: a NUL, which databases refuse, is no failure of theirs.
    check_client_id(&id).map_err(|_| none())?;
    let client = app.store.client(&ClientId::new(id)).await?.ok_or_else(none)?;
    let url = Url::parse(&client.metadata().logo_uri).map_err(|_| none())?;
    let fetched = app.fetch.get(&url, LARGEST, "image/*").await.map_err(|error| none().caused_by(error))?;
    let claimed = fetched.content_type.unwrap_or_default();
    let claimed = claimed.split(';').next().unwrap_or_default().trim();
    let image = IMAGES.iter().find(|known| known.eq_ignore_ascii_case(claimed)).filter(|_| fetched.status == 200);
    let headers = [
        (header::CONTENT_TYPE, *image.ok_or_else(none)?),
        (header::CACHE_CONTROL, "public, max-age=86400"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    Ok((StatusCode::OK, headers, fetched.body).into_response())
}

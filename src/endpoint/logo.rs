//! Clients' logos, from this server: a page of ours loads nothing from anywhere else, and nobody's logo host learns who
//! signs in where.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::app::App;
use crate::http::answer::JsonError;
use crate::id::ClientId;
use crate::oauth::client_metadata::check_client_id;
use crate::oauth::{ErrorCode, Result};
use crate::ui::style;

/// What a browser may be given as an image. SVG is not: it is a document.
const IMAGES: &[&str] = &["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The logo; the letter that stands where a client has none, where it can not be had, so that the page shows no broken
/// image.
pub async fn get(State(app): State<App>, Path(id): Path<String>) -> Result<Response, JsonError> {
    let none = || ErrorCode::NotFound.because("The client has no logo.");
    // What no client can be called is not looked for: a NUL, which databases refuse, is no failure of theirs.
    check_client_id(&id).map_err(|_| none())?;
    let client = app.store.client(&ClientId::new(id)).await?.ok_or_else(none)?;
    let url = &client.metadata().logo_uri;
    if url.is_empty() {
        return Err(none().into());
    }
    Ok(match fetch(&app, url).await {
        Some((kind, body)) => image(kind, "public, max-age=86400", "default-src 'none'; sandbox", body),
        None => {
            let letter = style::letter(client.metadata().name(client.id.as_str()));
            image(
                "image/svg+xml",
                "public, max-age=300",
                "default-src 'none'; style-src 'unsafe-inline'; sandbox",
                letter,
            )
        }
    })
}

/// The image behind `url`; nothing where it can not be had, or is no image that we hand on.
async fn fetch(app: &App, url: &str) -> Option<(&'static str, Bytes)> {
    let fetched = app.fetch.logo(url, app.clock.now()).await?;
    let claimed = fetched.content_type.as_deref().unwrap_or_default();
    let claimed = claimed.split(';').next().unwrap_or_default().trim();
    let kind = IMAGES.iter().find(|known| known.eq_ignore_ascii_case(claimed))?;
    Some((kind, fetched.body.clone()))
}

fn image(kind: &'static str, keep: &'static str, policy: &'static str, body: impl IntoResponse) -> Response {
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep), (header::CONTENT_SECURITY_POLICY, policy)];
    (headers, body).into_response()
}

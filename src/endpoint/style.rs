//! What the built-in pages look like: one stylesheet and one icon, kept by browsers until they change.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::app::App;
use crate::ui::style;

const KEEP: &str = "public, max-age=31536000, immutable";

pub async fn stylesheet(State(app): State<App>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, KEEP)];
    (headers, style::stylesheet(&app.config.ui.accent_color))
}

pub async fn icon(State(app): State<App>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, KEEP)];
    (headers, style::icon(&app.config.ui.accent_color))
}

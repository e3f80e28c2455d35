//! The frame that clients watch a session by: OpenID Connect Session Management 1.0 section 3.2.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::app::App;
use crate::http::browser_state::cookie_name;
use crate::http::middleware::Framable;
use crate::http::page::page;
use crate::ui::check_session;

/// The one page that others may frame: it shows nothing, takes nothing, and answers one question. It is the same for
/// everybody, so that a browser need not fetch it for each page of each client.
pub async fn get(State(app): State<App>) -> Response {
    let markup = check_session::page(&cookie_name(&app.config));
    let mut response = page(StatusCode::OK, markup, &check_session::csp());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response.extensions_mut().insert(Framable);
    response
}

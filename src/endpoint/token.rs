//! The token endpoint: RFC 6749 section 3.2.

use axum::Json;
use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::grant;
use crate::http::answer::{no_store, respond};
use crate::http::form::Authenticated;

/// Exchanges a grant for tokens. The answer is never stored, RFC 6749 section 5.1.
pub async fn post(State(app): State<App>, Authenticated { client, form }: Authenticated) -> Response {
    let tokens = grant::exchange(&app, &client, &form).await;
    app.metrics.token_request(form.get("grant_type"), tokens.as_ref().err());
    respond(&client, tokens.map(|tokens| (no_store(), Json(tokens))))
}

//! The token endpoint: RFC 6749 section 3.2.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};

use crate::app::App;
use crate::grant;
use crate::http::answer::{no_store, respond};
use crate::http::form::Authenticated;
use crate::http::middleware::RequestId;

/// Exchanges a grant for tokens. The answer is never stored, RFC 6749 section 5.1.
pub async fn post(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Authenticated { client, form }: Authenticated,
) -> Response {
    let tokens = grant::exchange(&app, &client, &form, id.as_str()).await;
    app.metrics.token_request(form.get("grant_type"), tokens.as_ref().err());
    respond(&client, tokens.map(|tokens| (no_store(), Json(tokens))))
}

//! `POST /admin/oauth2/introspect`: RFC 7662 for resource servers inside; whoever reaches the admin port may ask.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

use crate::app::App;
use crate::http::answer::{JsonError, no_store};
use crate::http::form::Form;
use crate::http::introspected::Introspected;

/// A form of `token` and, if it must have them all, `scope`.
pub async fn on_post(State(app): State<App>, Form(form): Form) -> Result<impl IntoResponse, JsonError> {
    let answer = Introspected::look_up(&app, form.require("token")?, form.get("scope")).await?;
    Ok((no_store(), Json(answer)))
}

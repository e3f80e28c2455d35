//! The revocation endpoint: RFC 7009.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::answer::{no_store, respond};
use crate::http::form::Authenticated;
use crate::oauth::Result;
use crate::oauth::params::Params;
use crate::store::client::Client;
use crate::token;

/// 200 with nothing in it, for a token that was revoked and for one that was none (section 2.2).
pub async fn post(State(app): State<App>, Authenticated { client, form }: Authenticated) -> Response {
    respond(&client, revoke(&app, &client, &form).await.map(|()| (StatusCode::OK, no_store())))
}

async fn revoke(app: &App, client: &Client, form: &Params) -> Result<()> {
    token::revoke(app, client, form.require("token")?).await
}

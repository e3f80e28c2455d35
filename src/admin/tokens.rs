//! `/admin/oauth2/tokens`: an end to everything that a client was given (hydra.md section 3.7).

use axum::extract::RawQuery;
use axum::http::StatusCode;

use super::acting::Admin;
use super::page;
use crate::app::App;
use crate::http::answer::JsonError;
use crate::id::ClientId;
use crate::oauth::client_metadata::check_client_id;
use crate::oauth::{ErrorCode, Result};

/// Ends every access token, refresh token and code of a client. One that is not there has none, as in Hydra; but without
/// any named, nothing is ended.
pub async fn end(app: &App, client: Option<&str>) -> Result<()> {
    let id = client
        .filter(|id| !id.is_empty())
        .ok_or_else(|| ErrorCode::InvalidRequest.because("The parameter client_id must name a client."))?;
    if check_client_id(id).is_ok() && app.store.end_client_tokens(&ClientId::new(id), app.clock.now()).await? {
        tracing::info!(client = id, "the tokens of a client were revoked");
    }
    Ok(())
}

pub async fn on_delete(Admin(app): Admin, RawQuery(query): RawQuery) -> Result<StatusCode, JsonError> {
    end(&app, page::query(query.as_deref())?.get("client_id")).await?;
    Ok(StatusCode::NO_CONTENT)
}

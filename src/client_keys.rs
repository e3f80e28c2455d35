//! The public keys of clients, by `jwks` or `jwks_uri` (RFC 7591 section 2): what they sign is checked with them, and what
//! is for their eyes alone is encrypted to them.

use std::sync::Arc;

use crate::app::App;
use crate::jose::{Expect, KeySet, Refusal, Token, Verified};
use crate::oauth::{Error, ErrorCode, Result};
use crate::store::client::Client;

/// The client's keys. None registered is an empty set; 503 where they are elsewhere and can not be had.
pub async fn of(app: &App, client: &Client) -> Result<Arc<KeySet>> {
    let metadata = client.metadata();
    if metadata.jwks_uri.is_empty() {
        return Ok(app.fetch.registered_key_set(&client.id, &metadata.jwks));
    }
    app.fetch.key_set(&metadata.jwks_uri, None, app.clock.now()).await.ok_or_else(unavailable)
}

/// Verifies what the client has signed. A key that is not known may be new: then the set is fetched again, though not more
/// often than once a minute.
pub async fn verify(
    app: &App,
    client: &Client,
    token: &Token<'_>,
    expect: &Expect<'_>,
) -> Result<Result<Verified, Refusal>> {
    let keys = of(app, client).await?;
    let verdict = keys.verify_token(token, expect);
    let uri = &client.metadata().jwks_uri;
    if uri.is_empty() || !verdict.as_ref().is_err_and(Refusal::is_unknown_key) {
        return Ok(verdict);
    }
    match app.fetch.key_set(uri, Some(&keys), app.clock.now()).await {
        Some(newer) if !Arc::ptr_eq(&newer, &keys) => Ok(newer.verify_token(token, expect)),
        _ => Ok(verdict),
    }
}

/// In the same words whatever the reason: who chose the URI must not learn what he can reach through us.
fn unavailable() -> Error {
    ErrorCode::TemporarilyUnavailable
        .because("The keys of the client can not be had from its jwks_uri at the moment.")
        .retry_after(60)
}

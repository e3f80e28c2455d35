//! The grant types of the token endpoint, a file each.

mod audience;
mod authorization_code;
mod client_credentials;
mod jwt_bearer;
mod refresh_token;

use crate::app::App;
use crate::clock::Timestamp;
use crate::id::GrantId;
use crate::oauth::client_metadata::GrantType;
use crate::oauth::params::Params;
use crate::oauth::token::TokenResponse;
use crate::oauth::{ErrorCode, Result};
use crate::registration;
use crate::store::client::Client;

/// `resource` at the token endpoint: the access token is for these alone, of those that were granted (RFC 8707 section
/// 2.2). Looked at before anything is spent.
async fn narrowed_audience(
    app: &App,
    client: &Client,
    grant: GrantId,
    form: &Params,
    now: Timestamp,
) -> Result<Option<Vec<String>>> {
    let mut asked: Vec<String> = Vec::new();
    for one in form.all("resource") {
        if !asked.iter().any(|before| before == one) {
            asked.push(one.to_owned());
        }
    }
    if asked.is_empty() {
        return Ok(None);
    }
    let row = app.store.live_grant(grant, now).await?.filter(|row| row.client_id == client.id);
    // Where there is no such grant, what follows says so.
    if row.is_some_and(|row| !asked.iter().all(|one| row.audience.0.contains(one))) {
        return Err(ErrorCode::InvalidTarget.because("A resource is not one of those that were granted."));
    }
    Ok(Some(asked))
}

/// Exchanges a grant for tokens.
pub async fn exchange(app: &App, client: &Client, form: &Params) -> Result<TokenResponse> {
    let grant_type = GrantType::parse(form.require("grant_type")?)?;
    if !client.metadata().may_use(grant_type) {
        return Err(ErrorCode::UnauthorizedClient.because("The client is not registered for this grant type."));
    }
    let tokens = match grant_type {
        GrantType::AuthorizationCode => authorization_code::redeem(app, client, form).await,
        GrantType::RefreshToken => refresh_token::refresh(app, client, form).await,
        GrantType::ClientCredentials => client_credentials::issue(app, client, form).await,
        GrantType::JwtBearer => jwt_bearer::exchange(app, client, form).await,
        GrantType::Implicit => Err(ErrorCode::UnsupportedGrantType.because("The implicit grant has no token request.")),
    }?;
    registration::has_got_tokens(app, client, app.clock.now()).await;
    Ok(tokens)
}

//! The grant types of the token endpoint, a file each.

mod authorization_code;
mod client_credentials;
mod refresh_token;

use crate::app::App;
use crate::oauth::client_metadata::GrantType;
use crate::oauth::params::Params;
use crate::oauth::token::TokenResponse;
use crate::oauth::{ErrorCode, Result};
use crate::store::client::Client;

/// Exchanges a grant for tokens.
pub async fn exchange(app: &App, client: &Client, form: &Params) -> Result<TokenResponse> {
    let grant_type = GrantType::parse(form.require("grant_type")?)?;
    if !client.metadata().may_use(grant_type) {
        return Err(ErrorCode::UnauthorizedClient.because("The client is not registered for this grant type."));
    }
    match grant_type {
        GrantType::AuthorizationCode => authorization_code::redeem(app, client, form).await,
        GrantType::RefreshToken => refresh_token::refresh(app, client, form).await,
        GrantType::ClientCredentials => client_credentials::issue(app, client, form),
        GrantType::Implicit => Err(ErrorCode::UnsupportedGrantType.because("The implicit grant has no token request.")),
    }
}

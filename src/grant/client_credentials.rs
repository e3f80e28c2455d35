//! The client credentials grant: RFC 6749 section 4.4.

use crate::app::App;
use crate::issue;
use crate::oauth::client_metadata::GrantType;
use crate::oauth::params::Params;
use crate::oauth::scope::{self, Scope};
use crate::oauth::token::TokenResponse;
use crate::oauth::{ErrorCode, Result};
use crate::store::client::Client;
use crate::token_hook::{self, Asking};

/// A token for the client itself. Neither ID token nor refresh token: there is nobody whom they would be about
/// (RFC 6749 section 4.4.3).
pub async fn issue(app: &App, client: &Client, form: &Params, id: &str) -> Result<TokenResponse> {
    let metadata = client.metadata();
    if metadata.is_public() {
        return Err(ErrorCode::InvalidGrant.because("Public clients can not use the client credentials grant."));
    }
    let registered = metadata.scope(&app.config.oidc.default_scope);
    let asked = match form.get("scope") {
        Some(text) => Scope::parse(text)?,
        None if app.config.oauth2.client_credentials_default_scope => registered.clone(),
        None => Scope::default(),
    };
    if !scope::allowed(app.config.strategies.scope, &registered, &asked) {
        return Err(ErrorCode::InvalidScope.because("The client may not request one of these scopes."));
    }
    let audience = super::audience::asked(client, form)?;
    let scope = asked.without(&["openid", "offline", "offline_access"]);
    let mut ext = None;
    if token_hook::is_asked(app, GrantType::ClientCredentials) {
        let asking = Asking {
            client,
            grant_type: GrantType::ClientCredentials,
            form,
            id,
            scope: &scope,
            audience: &audience,
            subject: client.id.as_str(),
            grant: None,
        };
        ext = token_hook::ask(app, &asking).await?.map(|claims| claims.access_token).filter(|ext| !ext.is_empty());
    }
    issue::token_of_client(app, client, scope, &audience, ext.as_ref(), app.clock.now()).await
}

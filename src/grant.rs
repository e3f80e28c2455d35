//! The grant types of the token endpoint, a file each.

mod audience;
mod authorization_code;
mod client_credentials;
mod jwt_bearer;
mod refresh_token;

use crate::app::App;
use crate::clock::Timestamp;
use crate::config::ScopeStrategy;
use crate::id::GrantId;
use crate::issue::{self, Narrowed, Tools};
use crate::oauth::client_metadata::GrantType;
use crate::oauth::params::Params;
use crate::oauth::scope::{self, Scope};
use crate::oauth::session_claims::SessionClaims;
use crate::oauth::token::TokenResponse;
use crate::oauth::{ErrorCode, Result};
use crate::registration;
use crate::store::client::Client;
use crate::store::db::Json;
use crate::store::grant::Grant;
use crate::token_hook::{self, Asking};

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

/// The scope that a client may have at present.
struct Registered {
    strategy: ScopeStrategy,
    scope: Scope,
}

impl Registered {
    fn of(app: &App, client: &Client) -> Self {
        Self { strategy: app.config.strategies.scope, scope: client.metadata().scope(&app.config.oidc.default_scope) }
    }

    fn allows(&self, granted: &Scope) -> bool {
        scope::allowed(self.strategy, &self.scope, granted)
    }

    /// In refresh tokens: what their grant's scope was compared with.
    fn digest(&self) -> u64 {
        scope::digest(self.strategy, &self.scope)
    }
}

/// A request that token hooks are asked about before what it presents is spent.
struct Hooked<'a> {
    client: &'a Client,
    grant_type: GrantType,
    form: &'a Params,
    id: &'a str,
    tools: &'a Tools,
    narrowed: &'a Narrowed,
}

impl Hooked<'_> {
    /// What the grant's tokens carry from now on, if a hook has said so. An error refuses them, and nothing is spent.
    async fn ask(&self, app: &App, grant: &Grant) -> Result<Option<Json<SessionClaims>>> {
        let asking = Asking {
            client: self.client,
            grant_type: self.grant_type,
            form: self.form,
            id: self.id,
            scope: self.narrowed.scope.as_ref().unwrap_or(&grant.scope),
            audience: self.narrowed.audience.as_ref().unwrap_or(&grant.audience.0),
            subject: grant.subject.as_str(),
            grant: Some(grant),
        };
        let Some(claims) = token_hook::ask(app, &asking).await?.map(Json) else { return Ok(None) };
        // An ID token has a largest size, which a code must not be spent to find out.
        if self.tools.may_be_too_large(&claims.0) {
            let trial = Grant { claims: Some(claims.clone()), ..grant.clone() };
            let (client, narrowed, now) = (self.client, self.narrowed.clone(), app.clock.now());
            issue::tokens_of_grant(app, client, self.tools, &trial, self.grant_type, narrowed, now)?;
        }
        Ok(Some(claims))
    }
}

/// Exchanges a grant for tokens. `id` is the request's own, which token hooks are called with.
pub async fn exchange(app: &App, client: &Client, form: &Params, id: &str) -> Result<TokenResponse> {
    let grant_type = GrantType::parse(form.require("grant_type")?)?;
    if !client.metadata().may_use(grant_type) {
        return Err(ErrorCode::UnauthorizedClient.because("The client is not registered for this grant type."));
    }
    let tokens = match grant_type {
        GrantType::AuthorizationCode => authorization_code::redeem(app, client, form, id).await,
        GrantType::RefreshToken => refresh_token::refresh(app, client, form, id).await,
        GrantType::ClientCredentials => client_credentials::issue(app, client, form, id).await,
        GrantType::JwtBearer => jwt_bearer::exchange(app, client, form, id).await,
        GrantType::Implicit => Err(ErrorCode::UnsupportedGrantType.because("The implicit grant has no token request.")),
    }?;
    registration::has_got_tokens(app, client, app.clock.now()).await;
    Ok(tokens)
}

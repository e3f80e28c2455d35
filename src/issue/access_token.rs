//! Access tokens, sealed or as JWTs (RFC 9068). Neither is stored.

use serde_json::{Map, Value};

use super::{Narrowed, Tools};
use crate::app::App;
use crate::clock::Timestamp;
use crate::config::AccessTokenStrategy;
use crate::id::TokenId;
use crate::jose::Algorithm;
use crate::keys::{KeyUse, Live};
use crate::oauth::access_token::JwtAccessToken;
use crate::oauth::scope::Scope;
use crate::oauth::token::AccessToken;
use crate::oauth::{Error, Result};
use crate::seal::{self, Kind};
use crate::store::client::Client;
use crate::store::grant::Grant;

/// The form of a client's access tokens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Opaque,
    Jwt(Algorithm),
}

impl Form {
    /// The client's own strategy, else the server's; with the key that signs made, if it is the first of its kind.
    pub async fn of(app: &App, client: &Client, now: Timestamp) -> Result<Self> {
        let jwt = match client.metadata().access_token_strategy.as_str() {
            "" => app.config.strategies.access_token == AccessTokenStrategy::Jwt,
            own => own == "jwt",
        };
        if !jwt {
            return Ok(Self::Opaque);
        }
        let alg = app.config.strategies.access_token_alg.parse().map_err(Error::internal)?;
        app.keys.ensure(&app.store, KeyUse::AccessToken, alg, now).await?;
        Ok(Self::Jwt(alg))
    }
}

/// What a token is of.
pub(super) struct Of<'a> {
    pub grant: &'a Grant,
    /// `None` for a token of the authorization endpoint, which no rotation ends.
    pub generation: Option<i64>,
    pub narrowed: Narrowed,
}

pub(super) fn of_grant(
    app: &App,
    client: &Client,
    tools: &Tools,
    of: &Of<'_>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<String> {
    let Of { grant, generation, narrowed } = of;
    let token = AccessToken::Grant {
        id: TokenId::new(now),
        grant: grant.id,
        generation: *generation,
        scope: narrowed.scope.clone(),
        audience: narrowed.audience.clone(),
        issued_at: now,
        expires_at,
    };
    let Form::Jwt(alg) = tools.form else { return Ok(tools.live.sealer.seal(Kind::AccessToken, &token)) };
    let subject = app.subject_of(client, &grant.subject, grant.seen_as.as_ref())?;
    let claims = JwtAccessToken {
        auth_time: Some(grant.authenticated_at.seconds()),
        acr: grant.acr.as_deref(),
        amr: &grant.amr.0,
        ext: grant.claims.as_ref().map(|claims| &claims.0.access_token).filter(|ext| !ext.is_empty()),
        ..JwtAccessToken::of(
            &token,
            &app.config.urls.issuer,
            subject.as_str(),
            &client.id,
            narrowed.scope.as_ref().unwrap_or(&grant.scope),
            narrowed.audience.as_deref().unwrap_or(&grant.audience.0),
            app.config.strategies.scope_claim,
        )
    };
    sign(&tools.live, alg, &claims, now)
}

/// What a token of a client that acts for itself says.
pub(super) struct OfClient<'a> {
    pub scope: &'a Scope,
    pub audience: &'a [String],
    /// What a token hook added.
    pub ext: Option<&'a Map<String, Value>>,
}

pub(super) fn of_client(
    app: &App,
    client: &Client,
    form: Form,
    of: &OfClient<'_>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<String> {
    let OfClient { scope, audience, ext } = *of;
    let live = app.keys.live()?;
    // The id tells the millisecond, which `iat` of a JWT does not, and which the client's cut-off is compared with.
    let issued_at = client.issues_at(now);
    let token = AccessToken::Client {
        id: TokenId::new(issued_at),
        client: client.id.clone(),
        scope: scope.clone(),
        audience: audience.to_vec(),
        issued_at,
        expires_at,
        ext: ext.map(serde_json::to_string).transpose().map_err(Error::internal)?,
    };
    let Form::Jwt(alg) = form else {
        let sealed = live.sealer.seal(Kind::AccessToken, &token);
        if sealed.len() > seal::LONGEST {
            tracing::error!(client = %client.id, "what a hook added makes an access token longer than 8 KiB");
            return Err(Error::internal("the access token would be longer than 8 KiB"));
        }
        return Ok(sealed);
    };
    let claims = JwtAccessToken {
        ext,
        ..JwtAccessToken::of(
            &token,
            &app.config.urls.issuer,
            client.id.as_str(),
            &client.id,
            scope,
            audience,
            app.config.strategies.scope_claim,
        )
    };
    sign(&live, alg, &claims, now)
}

fn sign(live: &Live, alg: Algorithm, claims: &JwtAccessToken<'_>, now: Timestamp) -> Result<String> {
    let signer = live.signer(KeyUse::AccessToken, alg, now);
    let signer = signer.ok_or_else(|| Error::unavailable("the key for access tokens is not there any more"))?;
    signer.sign("at+jwt", claims).map_err(Error::internal)
}

//! Access tokens, sealed or as JWTs (RFC 9068). Neither is stored.

use serde_json::{Map, Value};

use super::{Narrowed, Tools};
use crate::app::App;
use crate::clock::Timestamp;
use crate::config::AccessTokenStrategy;
use crate::id::{Subject, TokenId};
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

/// What a token without a grant says.
pub(super) struct Alone<'a> {
    /// Whom it is for; `None` for the client itself.
    pub subject: Option<&'a Subject>,
    pub scope: &'a Scope,
    pub audience: &'a [String],
    /// What a token hook added.
    pub ext: Option<&'a Map<String, Value>>,
}

pub(super) fn without_grant(
    app: &App,
    client: &Client,
    form: Form,
    alone: &Alone<'_>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<String> {
    let Alone { subject, scope, audience, ext } = *alone;
    let live = app.keys.live()?;
    // The id tells the millisecond, which `iat` of a JWT does not, and which the client's cut-off is compared with.
    let issued_at = client.issues_at(now);
    let (id, owner) = (TokenId::new(issued_at), client.id.clone());
    let (kept_scope, kept_audience) = (scope.clone(), audience.to_vec());
    let kept_ext = ext.map(serde_json::to_string).transpose().map_err(Error::internal)?;
    let token = match subject {
        None => AccessToken::Client {
            id,
            client: owner,
            scope: kept_scope,
            audience: kept_audience,
            issued_at,
            expires_at,
            ext: kept_ext,
        },
        // Not pairwise (OpenID Connect Core section 8): the client has said itself whom it means.
        Some(subject) => AccessToken::Asserted {
            id,
            client: owner,
            subject: subject.clone(),
            scope: kept_scope,
            audience: kept_audience,
            issued_at,
            expires_at,
            ext: kept_ext,
        },
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
            subject.map_or(client.id.as_str(), Subject::as_str),
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

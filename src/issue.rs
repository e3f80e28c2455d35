//! Issuing tokens: what a grant, or a client by itself, gives out.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::app::App;
use crate::clock::Timestamp;
use crate::id::TokenId;
use crate::jose::{self, Algorithm};
use crate::keys::{KeyUse, Live};
use crate::oauth::client_metadata::{GrantType, TokenKind};
use crate::oauth::id_token::{IdToken, without_reserved};
use crate::oauth::scope::Scope;
use crate::oauth::token::{AccessToken, RefreshToken, TokenResponse};
use crate::oauth::{Error, Result};
use crate::seal::Kind;
use crate::store::client::Client;
use crate::store::grant::Grant;

/// The largest ID token: relying parties keep it in headers and cookies.
const LARGEST_ID_TOKEN: usize = 16 * 1024;

/// How long tokens of this client live, by grant type: its own lifespans, else `ttl.*`.
pub fn access_token_life(app: &App, client: &Client, grant: GrantType) -> Duration {
    client.metadata().lifespan(grant, TokenKind::Access).unwrap_or(app.config.ttl.access_token)
}

/// When a refresh token that is given out now ends; the grant's absolute end comes first where it is earlier.
pub fn refresh_expires_at(app: &App, client: &Client, grant: GrantType, now: Timestamp) -> Timestamp {
    let life = client.metadata().lifespan(grant, TokenKind::Refresh).or(app.config.ttl.refresh_token);
    now + life.unwrap_or(app.config.ttl.grant)
}

/// The tokens of a grant at its present generation.
pub fn tokens_of_grant(
    app: &App,
    client: &Client,
    grant: &Grant,
    by: GrantType,
    narrowed: Option<Scope>,
    now: Timestamp,
) -> Result<TokenResponse> {
    let keys = app.keys.live()?;
    let expires_at = (now + access_token_life(app, client, by)).min(grant.ends_at);
    let generation = grant.refresh_generation;
    let scope = narrowed.clone().unwrap_or_else(|| grant.scope.clone());
    let access_token = keys.sealer.seal(
        Kind::AccessToken,
        &AccessToken::Grant {
            id: TokenId::new(now),
            grant: grant.id,
            generation,
            narrowed,
            issued_at: now,
            expires_at,
        },
    );
    let refresh_token = grant
        .refresh_expires_at
        .map(|_| keys.sealer.seal_same(Kind::RefreshToken, &RefreshToken { grant: grant.id, generation }));
    let id_token = match scope.contains("openid") {
        true => Some(id_token(app, &keys, client, grant, by, &access_token, now)?),
        false => None,
    };
    Ok(TokenResponse {
        access_token,
        token_type: "bearer",
        expires_in: expires_at.since(now).as_secs(),
        scope,
        refresh_token,
        id_token,
    })
}

fn id_token(
    app: &App,
    keys: &Live,
    client: &Client,
    grant: &Grant,
    by: GrantType,
    access_token: &str,
    now: Timestamp,
) -> Result<String> {
    let signer = keys.signer(KeyUse::IdToken, Algorithm::Rs256, now);
    let signer = signer.ok_or_else(|| Error::unavailable("there is no key that signs ID tokens"))?;
    let life = client.metadata().lifespan(by, TokenKind::Id).unwrap_or(app.config.ttl.id_token);
    let extra = match grant.claims.as_ref().map(|claims| &claims.0) {
        Some(Value::Object(claims)) => without_reserved(claims.clone()),
        _ => Map::new(),
    };
    let claims = IdToken {
        iss: &app.config.urls.issuer,
        sub: &grant.subject,
        aud: [&grant.client_id],
        exp: (now + life).seconds(),
        iat: now.seconds(),
        auth_time: grant.authenticated_at.seconds(),
        jti: TokenId::new(now).to_string(),
        nonce: grant.nonce.as_deref().filter(|_| by == GrantType::AuthorizationCode),
        acr: grant.acr.as_deref(),
        amr: &grant.amr.0,
        sid: grant.session_id,
        at_hash: jose::left_half_hash(signer.alg().hash_alg(), access_token),
        extra,
    };
    let token = signer.sign("JWT", &claims).map_err(Error::internal)?;
    if token.len() > LARGEST_ID_TOKEN {
        tracing::error!(client = %grant.client_id, claims = ?claims.extra.keys().collect::<Vec<_>>(), "an ID token is larger than 16 KiB");
        return Err(Error::internal("the ID token is larger than 16 KiB"));
    }
    Ok(token)
}

/// The token of a client that acts for itself. Nothing is written: everything is in the token.
pub fn token_of_client(
    app: &App,
    client: &Client,
    scope: Scope,
    audience: Vec<String>,
    now: Timestamp,
) -> Result<TokenResponse> {
    let keys = app.keys.live()?;
    let life = access_token_life(app, client, GrantType::ClientCredentials);
    let access_token = keys.sealer.seal(
        Kind::AccessToken,
        &AccessToken::Client {
            id: TokenId::new(now),
            client: client.id.clone(),
            scope: scope.clone(),
            audience,
            issued_at: client.issues_at(now),
            expires_at: now + life,
        },
    );
    Ok(TokenResponse {
        access_token,
        token_type: "bearer",
        expires_in: life.as_secs(),
        scope,
        refresh_token: None,
        id_token: None,
    })
}

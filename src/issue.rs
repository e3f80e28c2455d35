//! Issuing tokens: what a grant, or a client by itself, gives out.

mod access_token;
mod authorization_response;
mod id_token;
mod logout_token;
mod protection;

use std::sync::Arc;
use std::time::Duration;

pub use authorization_response::{authorization_response, front_channel_life};
pub use logout_token::logout_token;
pub use protection::Protection;

use serde_json::{Map, Value};

use crate::app::App;
use crate::clock::Timestamp;
use crate::id::{GrantId, Subject};
use crate::keys::Live;
use crate::oauth::Result;
use crate::oauth::client_metadata::{GrantType, TokenKind};
use crate::oauth::scope::Scope;
use crate::oauth::session_claims::SessionClaims;
use crate::oauth::token::{Due, RefreshToken, TokenResponse};
use crate::seal::Kind;
use crate::store::client::Client;
use crate::store::grant::{self, Grant};
use access_token::{Alone, Form, Of};

/// How long tokens of this client live, by grant type: its own lifespans, else `ttl.*`.
pub fn access_token_life(app: &App, client: &Client, grant: GrantType) -> Duration {
    client.metadata().lifespan(grant, TokenKind::Access).unwrap_or(app.config.ttl.access_token)
}

/// When a refresh token that is given out now ends; the grant's absolute end comes first where it is earlier.
pub fn refresh_expires_at(app: &App, client: &Client, grant: GrantType, now: Timestamp) -> Timestamp {
    let life = client.metadata().lifespan(grant, TokenKind::Refresh).or(app.config.ttl.refresh_token);
    now + life.unwrap_or(app.config.ttl.grant)
}

/// When all has ended that a code gives which is redeemed at this moment, and whose refresh token is used within a day.
pub fn given_until(app: &App, client: &Client, scope: &Scope, redeemed_at: Timestamp) -> Timestamp {
    let access = redeemed_at + access_token_life(app, client, GrantType::AuthorizationCode);
    match scope.wants_refresh() && client.metadata().may_use(GrantType::RefreshToken) {
        true => access.max(refresh_expires_at(app, client, GrantType::AuthorizationCode, redeemed_at) + grant::SLACK),
        false => access,
    }
}

/// What a client's tokens are made with. To be had before anything is spent: what can not be had (the database is away, the
/// client's own key can not be fetched) must cost the client neither its code nor its refresh token.
pub struct Tools {
    live: Arc<Live>,
    id_token: Option<Protection>,
    form: Form,
    /// What is known of the person, where ID tokens tell it.
    known: Map<String, Value>,
    /// What the refresh token is to say of the scope's last comparison.
    compared: Option<u64>,
}

impl Tools {
    /// For the tokens of a grant that is there.
    pub async fn of(app: &App, client: &Client, grant: GrantId, due: Due, now: Timestamp) -> Result<Self> {
        let known = match due.person {
            true => app.store.live_grant(grant, now).await?.map(|grant| grant.known()).unwrap_or_default(),
            false => Map::new(),
        };
        Self::with(app, client, due.id_token, known, now).await
    }

    async fn with(
        app: &App,
        client: &Client,
        id_token: bool,
        known: Map<String, Value>,
        now: Timestamp,
    ) -> Result<Self> {
        // Whether this client can be told of anybody depends on the client alone.
        app.subject_for(client, &Subject::new("anybody"))?;
        let id_token = match id_token {
            true => Some(Protection::of_id_tokens(app, client, now).await?),
            false => None,
        };
        let form = Form::of(app, client, now).await?;
        // After all keys are there.
        Ok(Self { live: app.keys.live()?, id_token, form, known, compared: None })
    }

    /// The grant's scope has been compared with this registered one.
    #[must_use]
    pub fn having_compared(self, compared: Option<u64>) -> Self {
        Self { compared, ..self }
    }

    /// Whether an ID token with these claims may be larger than one can be: then it is worth trying before anything is
    /// spent.
    pub fn may_be_too_large(&self, claims: &SessionClaims) -> bool {
        let length = |claims: &Map<String, Value>| serde_json::to_vec(claims).map_or(0, |text| text.len());
        self.id_token.is_some() && length(&claims.id_token) + length(&self.known) > id_token::SMALL
    }
}

/// Less than the grant has, where a request asks for less.
#[derive(Clone, Debug, Default)]
pub struct Narrowed {
    /// RFC 6749 section 6.
    pub scope: Option<Scope>,
    /// RFC 8707 section 2.2.
    pub audience: Option<Vec<String>>,
}

/// The tokens of a grant at its present generation.
pub fn tokens_of_grant(
    app: &App,
    client: &Client,
    tools: &Tools,
    grant: &Grant,
    by: GrantType,
    narrowed: Narrowed,
    now: Timestamp,
) -> Result<TokenResponse> {
    let expires_at = (now + access_token_life(app, client, by)).min(grant.ends_at);
    let generation = grant.refresh_generation;
    let scope = narrowed.scope.clone().unwrap_or_else(|| grant.scope.clone());
    let of = Of { grant, generation: Some(generation), narrowed };
    let access_token = access_token::of_grant(app, client, tools, &of, now, expires_at)?;
    let refresh_token = grant
        .refresh_expires_at
        .map(|_| RefreshToken { grant: grant.id, generation, due: grant.due(), compared: tools.compared })
        .map(|token| tools.live.sealer.seal_same(Kind::RefreshToken, &token));
    let id_token = match scope.contains("openid") {
        true => {
            let about = id_token::About { grant, by, access_token: Some(&access_token), code: None };
            Some(id_token::make(app, client, tools, &about, now)?)
        }
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

/// The token of a client that acts for itself. Nothing is written: everything is in the token.
pub async fn token_of_client(
    app: &App,
    client: &Client,
    scope: Scope,
    audience: &[String],
    ext: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Result<TokenResponse> {
    let alone = Alone { subject: None, scope: &scope, audience, ext };
    without_grant(app, client, GrantType::ClientCredentials, &alone, now).await
}

/// The token that a client gets for the subject of an assertion. Nothing is written either.
pub async fn token_of_subject(
    app: &App,
    client: &Client,
    subject: &Subject,
    scope: Scope,
    audience: &[String],
    ext: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Result<TokenResponse> {
    let alone = Alone { subject: Some(subject), scope: &scope, audience, ext };
    without_grant(app, client, GrantType::JwtBearer, &alone, now).await
}

async fn without_grant(
    app: &App,
    client: &Client,
    by: GrantType,
    alone: &Alone<'_>,
    now: Timestamp,
) -> Result<TokenResponse> {
    let form = Form::of(app, client, now).await?;
    let life = access_token_life(app, client, by);
    let access_token = access_token::without_grant(app, client, form, alone, now, now + life)?;
    Ok(TokenResponse {
        access_token,
        token_type: "bearer",
        expires_in: life.as_secs(),
        scope: alone.scope.clone(),
        refresh_token: None,
        id_token: None,
    })
}

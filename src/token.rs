//! What a presented token is worth now: for userinfo, introspection (RFC 7662) and revocation (RFC 7009).

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::app::App;
use crate::clock::Timestamp;
use crate::id::{ClientId, Subject};
use crate::jose::Refusal;
use crate::keys::Live;
use crate::oauth::access_token;
use crate::oauth::scope::Scope;
use crate::oauth::token::{AccessToken, RefreshToken};
use crate::oauth::{ErrorCode, Result};
use crate::seal::Kind;
use crate::store::client::Client;
use crate::store::grant::LiveGrant;
use crate::store::revoked_token::TokenCheck;

/// A token that is alive.
#[derive(Debug)]
pub enum Active {
    /// An access token of a grant.
    Access { grant: LiveGrant, scope: Scope, audience: Vec<String>, issued_at: Timestamp, expires_at: Timestamp },
    /// An access token without a grant: of a client that acts for itself, or for the subject of an assertion; with what a
    /// token hook added.
    Client {
        client: ClientId,
        subject: Option<Subject>,
        scope: Scope,
        audience: Vec<String>,
        issued_at: Timestamp,
        expires_at: Timestamp,
        ext: Option<Map<String, Value>>,
    },
    /// A refresh token.
    Refresh { grant: LiveGrant, expires_at: Timestamp },
}

impl Active {
    pub fn client(&self) -> &ClientId {
        match self {
            Self::Access { grant, .. } | Self::Refresh { grant, .. } => &grant.client_id,
            Self::Client { client, .. } => client,
        }
    }

    pub fn audience(&self) -> &[String] {
        match self {
            Self::Refresh { grant, .. } => &grant.audience.0,
            Self::Access { audience, .. } | Self::Client { audience, .. } => audience,
        }
    }
}

/// Opens a string of this kind. Where it names a key that is not here, another replica may have made it with a newer
/// one: the keys are read once more.
pub async fn open<T: DeserializeOwned>(app: &App, kind: Kind, text: &str) -> Result<Option<T>> {
    let keys = app.keys.live()?;
    if let Some(value) = keys.sealer.open(kind, text) {
        return Ok(Some(value));
    }
    if !keys.sealer.is_foreign(kind, text) {
        return Ok(None);
    }
    let others = app.keys.other_than(&keys, &app.store, app.clock.now()).await?;
    Ok(others.and_then(|keys| keys.sealer.open(kind, text)))
}

/// The same for what is signed by our keys, or encrypted to them.
pub async fn by_keys<T>(app: &App, open: impl Fn(&Live) -> Result<T, Refusal>) -> Result<Result<T, Refusal>> {
    let keys = app.keys.live()?;
    let opened = open(&keys);
    if !opened.as_ref().is_err_and(Refusal::is_unknown_key) {
        return Ok(opened);
    }
    let others = app.keys.other_than(&keys, &app.store, app.clock.now()).await?;
    Ok(others.map_or(opened, |keys| open(&keys)))
}

/// What an access token of ours says, sealed or signed, whether or not it is alive.
async fn read(app: &App, text: &str) -> Result<Option<AccessToken>> {
    if text.matches('.').count() != 2 {
        return open::<AccessToken>(app, Kind::AccessToken, text).await;
    }
    let verified = by_keys(app, |keys| keys.verify_access_token(text)).await?;
    Ok(verified.ok().and_then(|claims| access_token::read(&claims, &app.config.urls.issuer)))
}

/// The access token, if it is alive: neither expired, nor revoked, nor rotated away, nor without its client, user or
/// grant. One read by primary key, and always the truth; where it can not be had the answer is 503.
pub async fn access(app: &App, text: &str) -> Result<Option<Active>> {
    let now = app.clock.now();
    let Some(token) = read(app, text).await? else { return Ok(None) };
    if token.expires_at() <= now {
        return Ok(None);
    }
    let ext = token.ext();
    match token {
        AccessToken::Grant { grant, generation, scope, audience, issued_at, expires_at, .. } => {
            let live = app.store.live_grant(grant, now).await?;
            let live = live.filter(|live| generation.is_none_or(|generation| live.refresh_generation == generation));
            Ok(live.map(|grant| Active::Access {
                scope: scope.unwrap_or_else(|| grant.scope.clone()),
                audience: audience.unwrap_or_else(|| grant.audience.0.clone()),
                grant,
                issued_at,
                expires_at,
            }))
        }
        AccessToken::Client { id, client, scope, audience, issued_at, expires_at, .. } => {
            let live =
                app.store.token_is_live(TokenCheck { id, client: client.clone(), subject: None, issued_at }).await?;
            Ok(live.then_some(Active::Client { client, subject: None, scope, audience, issued_at, expires_at, ext }))
        }
        AccessToken::Asserted { id, client, subject, scope, audience, issued_at, expires_at, .. } => {
            let subject = Some(subject);
            let check = TokenCheck { id, client: client.clone(), subject: subject.clone(), issued_at };
            let live = app.store.token_is_live(check).await?;
            Ok(live.then_some(Active::Client { client, subject, scope, audience, issued_at, expires_at, ext }))
        }
    }
}

/// The token, of whatever kind, if it is alive.
pub async fn any(app: &App, text: &str) -> Result<Option<Active>> {
    if let Some(active) = access(app, text).await? {
        return Ok(Some(active));
    }
    let now = app.clock.now();
    let Some(token) = open::<RefreshToken>(app, Kind::RefreshToken, text).await? else { return Ok(None) };
    let live = app.store.live_grant(token.grant, now).await?;
    Ok(live.filter(|live| live.refresh_generation == token.generation).and_then(|grant| {
        let expires_at = grant.refresh_expires_at.filter(|at| *at > now)?;
        Some(Active::Refresh { grant, expires_at })
    }))
}

/// Revokes a token of this client and, where it is of a grant, everything of that grant (as Hydra does). A token that
/// is dead or not ours needs no revoking, and is answered like one that was revoked (RFC 7009 section 2.2).
pub async fn revoke(app: &App, client: &Client, text: &str) -> Result<()> {
    let now = app.clock.now();
    let grant = match read(app, text).await? {
        Some(
            AccessToken::Client { id, client: owner, expires_at, .. }
            | AccessToken::Asserted { id, client: owner, expires_at, .. },
        ) => {
            check_owner(client, &owner)?;
            if owner == client.id && expires_at > now {
                app.store.revoke_token(id, expires_at).await?;
            }
            return Ok(());
        }
        Some(AccessToken::Grant { grant, .. }) => Some(grant),
        None => open::<RefreshToken>(app, Kind::RefreshToken, text).await?.map(|token| token.grant),
    };
    let Some(grant) = grant else { return Ok(()) };
    let Some(row) = app.store.grant(grant).await? else { return Ok(()) };
    check_owner(client, &row.client_id)?;
    if row.client_id == client.id {
        app.store.revoke_grant(grant, now).await?;
    }
    Ok(())
}

/// RFC 7009 section 2.1: a token of another client is refused. A public client is told nothing, because anybody can be
/// one: who owns a token is not for guessing.
fn check_owner(client: &Client, owner: &ClientId) -> Result<()> {
    if *owner == client.id || client.metadata().is_public() {
        return Ok(());
    }
    tracing::warn!(client = %client.id, owner = %owner, "a client tried to revoke a token of another client");
    Err(ErrorCode::UnauthorizedClient.because("The token was issued to another client."))
}

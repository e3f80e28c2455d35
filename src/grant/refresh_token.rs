//! The refresh token grant: RFC 6749 section 6, rotation by RFC 9700 section 4.14.2.

use std::time::Duration;

use super::{Hooked, Registered};
use crate::app::App;
use crate::clock::Timestamp;
use crate::issue::{self, Narrowed, Tools};
use crate::oauth::client_metadata::GrantType;
use crate::oauth::params::Params;
use crate::oauth::scope::Scope;
use crate::oauth::token::{RefreshToken, TokenResponse};
use crate::oauth::{ErrorCode, Result};
use crate::seal::Kind;
use crate::store::client::Client;
use crate::store::grant::{Grant, Rotation};
use crate::{token, token_hook};

/// How far a replica's clock may be ahead of another's.
const SKEW: Duration = Duration::from_mins(1);

pub async fn refresh(app: &App, client: &Client, form: &Params, id: &str) -> Result<TokenResponse> {
    let presented = form.require("refresh_token")?;
    let mut now = app.clock.now();
    let opened = token::open(app, Kind::RefreshToken, presented).await?;
    let Some(RefreshToken { grant, generation, due, compared }) = opened else {
        return Err(ErrorCode::InvalidGrant.because("The refresh token is not known."));
    };
    let tools = Tools::of(app, client, grant, due, now).await?;
    let asked = form.get("scope").map(Scope::parse).transpose()?;
    // A grant's scope and a client's registration were compared when the token was made. They are compared again only
    // where the registration has changed or less is asked for; then, and before the token is spent.
    let registered = Registered::of(app, client);
    let digest = registered.digest();
    let mut compared = compared.filter(|compared| *compared == digest);
    if (asked.is_some() || compared.is_none())
        && let Some(row) = app.store.live_grant(grant, now).await?.filter(|row| row.client_id == client.id)
    {
        check_scope(&registered, &row.scope, asked.as_ref())?;
        if asked.is_none() {
            compared = Some(digest);
        }
    }
    let tools = tools.having_compared(compared);
    let audience = super::narrowed_audience(app, client, grant, form, now).await?;
    let rotation_at = |now, claims| {
        let refresh_expires_at = issue::refresh_expires_at(app, client, GrantType::RefreshToken, now);
        Rotation {
            grant,
            client: client.id.clone(),
            generation,
            refresh_expires_at,
            expires_at: refresh_expires_at.max(now + issue::access_token_life(app, client, GrantType::RefreshToken)),
            claims,
            now,
        }
    };
    let mut rotation = rotation_at(now, None);
    let mut may_fit = true;
    if token_hook::is_asked(app, GrantType::RefreshToken) {
        let narrowed = Narrowed { scope: asked.clone(), audience: audience.clone() };
        let hooked =
            Hooked { client, grant_type: GrantType::RefreshToken, form, id, tools: &tools, narrowed: &narrowed };
        match app.store.rotatable(&rotation).await? {
            Some(row) => {
                let claims = hooked.ask(app, &row).await?;
                // The hook has taken its time, and tokens live from when they are issued.
                now = app.clock.now();
                rotation = rotation_at(now, claims);
            }
            // Nobody is asked about a token that is not good. A repeat within the grace gets what the first one got, with
            // the claims that it got.
            None => may_fit = false,
        }
    }
    let rotated = if may_fit { app.store.rotate_refresh(rotation).await? } else { None };
    let row = match rotated {
        Some(row) => row,
        None => repeated_or_reused(app, client, app.store.grant(grant).await?, generation, now).await?,
    };
    let narrowed = Narrowed { scope: asked.filter(|asked| *asked != row.scope), audience };
    issue::tokens_of_grant(app, client, &tools, &row, GrantType::RefreshToken, narrowed, now)
}

/// A scope may narrow, never widen; and what the client has lost since can not be refreshed. The token stays unspent.
fn check_scope(registered: &Registered, granted: &Scope, asked: Option<&Scope>) -> Result<()> {
    if asked.is_some_and(|asked| !asked.is_subset_of(granted)) {
        return Err(ErrorCode::InvalidScope.because("The scope is wider than what was granted."));
    }
    if !registered.allows(asked.unwrap_or(granted)) {
        return Err(ErrorCode::InvalidScope.because("The client may no longer have one of the granted scopes."));
    }
    Ok(())
}

/// The statement has found that this generation is not the one that is alive; this says why. A repeat of the one before
/// within the grace period (a lost answer, two tabs) gets the same successor: there is still one live generation.
/// Anything older is reuse: somebody else has a copy, and the whole grant dies. The revocation is committed before the
/// refusal is answered.
async fn repeated_or_reused(
    app: &App,
    client: &Client,
    row: Option<Grant>,
    generation: i64,
    now: Timestamp,
) -> Result<Grant> {
    let refuse = |description: &'static str| Err(ErrorCode::InvalidGrant.because(description));
    let Some(row) = row else { return refuse("The refresh token is not known or has expired.") };
    if row.client_id != client.id {
        tracing::warn!(client = %client.id, owner = %row.client_id, grant = %row.id, "a client presented another client's refresh token");
        return refuse("The refresh token was issued to another client.");
    }
    if row.revoked_at.is_some() {
        return refuse("The refresh token has been revoked.");
    }
    if row.refresh_generation > generation {
        if row.refresh_generation == generation + 1 && within_grace(app, &row, now) && is_alive(app, &row, now).await? {
            return Ok(row);
        }
        app.store.revoke_grant(row.id, now).await?;
        tracing::warn!(client = %row.client_id, grant = %row.id, "a refresh token was reused; its grant is revoked");
        return refuse("The refresh token was already used.");
    }
    refuse("The refresh token has expired, or what it came from has ended.")
}

/// A clock that steps back does not open the window again.
fn within_grace(app: &App, row: &Grant, now: Timestamp) -> bool {
    row.refreshed_at.is_some_and(|at| {
        now.since(at) <= app.config.oauth2.refresh_grace
            && at.since(now) <= SKEW
            && !app.config.oauth2.refresh_grace.is_zero()
    })
}

/// The successor must be one that could be used.
async fn is_alive(app: &App, row: &Grant, now: Timestamp) -> Result<bool> {
    let live = app.store.live_grant(row.id, now).await?;
    Ok(live.is_some_and(|live| {
        live.refresh_generation == row.refresh_generation && live.refresh_expires_at.is_some_and(|at| at > now)
    }))
}

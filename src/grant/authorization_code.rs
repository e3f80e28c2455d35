//! The authorization code grant: RFC 6749 section 4.1.3, RFC 7636 section 4.6.

use super::{Hooked, Registered};
use crate::app::App;
use crate::clock::Timestamp;
use crate::issue::{self, Narrowed, Tools};
use crate::oauth::client_metadata::GrantType;
use crate::oauth::params::Params;
use crate::oauth::pkce::Challenge;
use crate::oauth::token::{Code, TokenResponse};
use crate::oauth::{Error, ErrorCode, Result};
use crate::seal::Kind;
use crate::store::client::Client;
use crate::store::grant::{CodeClaim, Grant};
use crate::{token, token_hook};

pub async fn redeem(app: &App, client: &Client, form: &Params, id: &str) -> Result<TokenResponse> {
    let code = form.require("code")?;
    let mut now = app.clock.now();
    let Some(Code { grant, due }) = token::open(app, Kind::Code, code).await? else {
        return Err(ErrorCode::InvalidGrant.because("The authorization code is not known."));
    };
    // Nothing can be redeemed that could not be paid out: a missing key must not cost the client its code.
    let tools = Tools::of(app, client, grant, due, now).await?;
    let narrowed = Narrowed { scope: None, audience: super::narrowed_audience(app, client, grant, form, now).await? };
    let challenge = form.get("code_verifier").map(Challenge::of_verifier).transpose();
    let (challenge, malformed) = match challenge {
        Ok(challenge) => (challenge, None),
        // A verifier of the wrong form is a wrong verifier, and counts as one.
        Err(error) => (None, Some(error)),
    };
    let claim_at = |now, claims| CodeClaim {
        grant,
        client: client.id.clone(),
        redirect_uri: form.get("redirect_uri").map(str::to_owned),
        challenge: challenge.as_ref().map(|challenge| challenge.as_str().to_owned()),
        refresh_expires_at: client
            .metadata()
            .may_use(GrantType::RefreshToken)
            .then(|| issue::refresh_expires_at(app, client, GrantType::AuthorizationCode, now)),
        expires_at: now + issue::access_token_life(app, client, GrantType::AuthorizationCode),
        claims,
        now,
    };
    let mut claim = claim_at(now, None);
    let mut may_fit = malformed.is_none();
    if may_fit && token_hook::is_asked(app, GrantType::AuthorizationCode) {
        let hooked =
            Hooked { client, grant_type: GrantType::AuthorizationCode, form, id, tools: &tools, narrowed: &narrowed };
        match app.store.redeemable(&claim).await? {
            Some(row) => {
                let claims = hooked.ask(app, &row).await?;
                // The hook has taken its time, and tokens live from when they are issued.
                now = app.clock.now();
                claim = claim_at(now, claims);
            }
            // Nobody is asked about a code that is not good, and it is not tried again: what it lacks could come about
            // meanwhile, and then no hook would have been asked.
            None => may_fit = false,
        }
    }
    let redeemed = if may_fit { app.store.redeem_code(claim.clone()).await? } else { None };
    match redeemed {
        Some(grant) => {
            // What the client has lost since the grant was made is for its first refresh to find.
            let registered = Registered::of(app, client);
            let compared =
                (grant.refresh_expires_at.is_some() && registered.allows(&grant.scope)).then(|| registered.digest());
            let tools = tools.having_compared(compared);
            issue::tokens_of_grant(app, client, &tools, &grant, GrantType::AuthorizationCode, narrowed, now)
        }
        None => {
            let row = app.store.grant(grant).await?;
            Err(refusal(app, row, &claim, malformed, now).await?)
        }
    }
}

/// Says why the code could not be redeemed, and does what a replay or a guess asks for. The statement has decided; this
/// only reads what it saw.
async fn refusal(
    app: &App,
    row: Option<Grant>,
    claim: &CodeClaim,
    malformed: Option<Error>,
    now: Timestamp,
) -> Result<Error> {
    let refuse = |description: &'static str| Ok(ErrorCode::InvalidGrant.because(description));
    let Some(row) = row else { return refuse("The authorization code is not known or has expired.") };
    if row.client_id != claim.client {
        // Its owner can still redeem it: a thief must not be able to void a code.
        tracing::warn!(client = %claim.client, owner = %row.client_id, grant = %row.id, "a client presented another client's code");
        return refuse("The authorization code was issued to another client.");
    }
    if let Some(redeemed_at) = row.code_redeemed_at {
        return replayed(app, &row, redeemed_at, now).await;
    }
    if row.revoked_at.is_some() {
        return refuse("The authorization code has been revoked.");
    }
    if row.code_expires_at <= now {
        return refuse("The authorization code has expired.");
    }
    if row.redirect_uri.is_some() && row.redirect_uri != claim.redirect_uri {
        return refuse("The redirect_uri is not the one of the authorization request.");
    }
    if row.code_challenge != claim.challenge || malformed.is_some() {
        app.store.count_code_failure(row.id, now).await?;
        tracing::warn!(client = %claim.client, grant = %row.id, "a wrong code_verifier");
        return Ok(malformed.unwrap_or_else(|| ErrorCode::InvalidGrant.because(wrong_verifier(&row, claim))));
    }
    refuse("The session or the client that the authorization code came from has ended.")
}

const fn wrong_verifier(row: &Grant, claim: &CodeClaim) -> &'static str {
    match (&row.code_challenge, &claim.challenge) {
        // RFC 9700 section 4.8.2: the downgrade check.
        (None, _) => "A code_verifier was sent, but the authorization request had no code_challenge.",
        (Some(_), None) => "The parameter code_verifier is missing.",
        (Some(_), Some(_)) => "The code_verifier does not match the code_challenge.",
    }
}

/// RFC 6749 section 4.1.2: a code that comes a second time is refused, and what the first time gave is revoked. The
/// revocation is committed before the refusal is answered. Within the operator's grace (none by default) the repeat of
/// an honest client does no harm.
async fn replayed(app: &App, row: &Grant, redeemed_at: Timestamp, now: Timestamp) -> Result<Error> {
    let grace = app.config.oauth2.code_replay_grace;
    if grace.is_zero() || now.since(redeemed_at) > grace {
        app.store.revoke_grant(row.id, now).await?;
        tracing::warn!(client = %row.client_id, grant = %row.id, "an authorization code was replayed; its grant is revoked");
    }
    Ok(ErrorCode::InvalidGrant.because("The authorization code has already been used."))
}

//! The JWT bearer grant: RFC 7523 section 2.1. An issuer that the operator trusts says in a JWT whom the token is for.

use crate::app::App;
use crate::clock::Timestamp;
use crate::issue;
use crate::jose::{Expect, KeySet, Token, Verified};
use crate::oauth::client_metadata::GrantType;
use crate::oauth::jwt_bearer::{self, Audience, Claimed};
use crate::oauth::jwt_claims::Fault;
use crate::oauth::params::Params;
use crate::oauth::scope::{self, Scope};
use crate::oauth::server_metadata::path;
use crate::oauth::token::TokenResponse;
use crate::oauth::{Error, ErrorCode, Result};
use crate::store::client::Client;
use crate::store::trusted_issuer::TrustedIssuer;
use crate::token_hook::{self, Asking};

/// How many keys are tried for one assertion. Without a `kid`, each is another signature to check.
const MOST_KEYS: i64 = 10;

const USED: Fault = "it was used before";

/// A token for the subject of the assertion. Neither ID token nor refresh token: the next assertion gives the next token
/// (RFC 7521 section 4.1).
pub async fn exchange(app: &App, client: &Client, form: &Params, id: &str) -> Result<TokenResponse> {
    let metadata = client.metadata();
    if metadata.is_public() {
        return Err(ErrorCode::UnauthorizedClient.because("Public clients can not use the JWT bearer grant."));
    }
    let asked = form.get("scope").map(Scope::parse).transpose()?.unwrap_or_default();
    if !scope::allowed(app.config.strategies.scope, &metadata.scope(&app.config.oidc.default_scope), &asked) {
        return Err(ErrorCode::InvalidScope.because("The client may not request one of these scopes."));
    }
    let audience = super::audience::asked(client, form)?;
    let assertion = jwt_bearer::of(form)?;
    let now = app.clock.now();
    let (claimed, trusted, verified) = verify(app, client, assertion, now).await?;

    let urls = &app.config.urls;
    let token_endpoint = format!("{}{}", urls.public, path::TOKEN);
    let lists = app.config.oauth2.compatible_audience;
    let meant_for = Audience { issuer: &urls.issuer, token_endpoint: &token_endpoint, lists };
    let valid = jwt_bearer::judge(&verified.claims, &meant_for, &app.config.oauth2.jwt_grant, now);
    let valid = valid.map_err(|fault| wrong(client, fault))?;
    let covers = |one: &TrustedIssuer| scope::allowed(app.config.strategies.scope, &one.scope, &asked);
    if !trusted.iter().any(covers) {
        return Err(ErrorCode::InvalidScope.because("The issuer is not trusted for one of these scopes."));
    }
    let standing = app.store.standing(&claimed.subject).await?;
    if standing.is_client {
        return Err(wrong(client, "sub is the id of a client"));
    }
    if standing.is_disabled {
        return Err(wrong(client, "sub is a user who is disabled"));
    }
    let scope = asked.without(&["openid", "offline", "offline_access"]);
    let mut ext = None;
    if token_hook::is_asked(app, GrantType::JwtBearer) {
        if let Some(jti) = &valid.jti
            && app.store.grant_jti_is_spent(&claimed.issuer, jti).await?
        {
            return Err(wrong(client, USED));
        }
        let asking = Asking {
            client,
            grant_type: GrantType::JwtBearer,
            form,
            id,
            scope: &scope,
            audience: &audience,
            subject: claimed.subject.as_str(),
            grant: None,
        };
        ext = token_hook::ask(app, &asking).await?.map(|claims| claims.access_token).filter(|ext| !ext.is_empty());
    }
    // The clock again: a hook may have taken its time, and tokens live from when they are issued.
    let (subject, now) = (&claimed.subject, app.clock.now());
    let tokens = issue::token_of_subject(app, client, subject, scope, &audience, ext.as_ref(), now).await?;
    // Last of all: what can not be paid out must not cost the client its assertion.
    if let Some(jti) = &valid.jti
        && !app.store.spend_grant_jti(&claimed.issuer, jti, valid.forget_at).await?
    {
        return Err(wrong(client, USED));
    }
    Ok(tokens)
}

/// The assertion, and by whose trust it counts: there may be several for one key.
async fn verify(
    app: &App,
    client: &Client,
    assertion: &str,
    now: Timestamp,
) -> Result<(Claimed, Vec<TrustedIssuer>, Verified)> {
    let token = Token::read(assertion).map_err(|refusal| unproven(client, refusal.reason()))?;
    let claimed = jwt_bearer::claimed(&token).map_err(|fault| unproven(client, fault))?;
    let (issuer, subject, kid) = (&claimed.issuer, claimed.subject.as_str(), claimed.kid.as_deref());
    let candidates = app.store.trusted_for(issuer, subject, kid, MOST_KEYS, now).await?;
    let mut fault = "no such issuer, subject and key is trusted";
    let mut proven = None;
    let mut trusted = Vec::new();
    for one in candidates {
        match verify_by(&token, &one) {
            Ok(verified) => {
                proven = Some(verified);
                trusted.push(one);
            }
            Err(why) => fault = why,
        }
    }
    let verified = proven.ok_or_else(|| unproven(client, fault))?;
    Ok((claimed, trusted, verified))
}

/// The algorithm is that of the key, whatever the token says of itself (RFC 8725 section 3.1).
fn verify_by(token: &Token<'_>, trusted: &TrustedIssuer) -> Result<Verified, Fault> {
    let key = &trusted.public.0;
    let alg = key.alg.as_deref().and_then(|name| name.parse().ok()).ok_or("the key has no algorithm of ours")?;
    let expect = Expect { algs: &[alg], typ: jwt_bearer::TYPES, typ_optional: true };
    let keys = KeySet::new(vec![key.clone()]);
    keys.verify_token(token, &expect).map_err(|refusal| refusal.reason())
}

/// Until the signature is verified the sender is told nothing of what is known of issuers and keys; the reason is for the
/// log.
fn unproven(client: &Client, fault: Fault) -> Error {
    tracing::warn!(client = %client.id, reason = fault, "an assertion as grant was refused");
    ErrorCode::InvalidGrant.because("The assertion is not one of a trusted issuer for this subject.")
}

fn wrong(client: &Client, fault: Fault) -> Error {
    tracing::warn!(client = %client.id, reason = fault, "an assertion as grant was refused");
    ErrorCode::InvalidGrant.because(format!("The assertion is not valid: {fault}."))
}

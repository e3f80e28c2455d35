//! The end of a flow: the grant, and what the client is answered with.

use std::time::Duration;

use super::{Flow, Outcome, handled};
use crate::app::App;
use crate::clock::Timestamp;
use crate::issue;
use crate::oauth::authorization_request::Refused;
use crate::oauth::claims;
use crate::oauth::claims_request::base_name;
use crate::oauth::scope;
use crate::oauth::token::{Code, Due};
use crate::oauth::{Error, ErrorCode};
use crate::registration;
use crate::seal::Kind;
use crate::store::client::Client;
use crate::store::consent::Consent;
use crate::store::db::Json;
use crate::store::decision::ConsentDecision;
use crate::store::grant::NewGrant;
use crate::store::session::Session;

/// Ends the flow in a grant, and in the code and tokens of the response type. The statement decides whether it is the
/// first to do so, and whether the session is still there and nobody has signed in to it anew.
pub(super) async fn finish(
    app: &App,
    flow: Flow,
    client: &Client,
    granted: ConsentDecision,
    is_decided: bool,
    session: Session,
    now: Timestamp,
) -> Result<Outcome, Refused> {
    let ConsentDecision { scope, audience, claims: granted_claims, session: added, record } = granted;
    let metadata = client.metadata();
    let registered = metadata.scope(&app.config.oidc.default_scope);
    let kind = flow.request.response_type;
    if !scope::allowed(app.config.strategies.scope, &registered, &scope)
        || !scope::audience_allowed(&metadata.audience, &audience)
        || !metadata.response_types().any(|registered| registered == kind)
    {
        // It had it when the flow began.
        return Err(flow.back(ErrorCode::InvalidScope.because("The client may no longer have what it has asked for.")));
    }
    if kind.gives_id_token() && !scope.contains("openid") {
        // The person has not allowed what the ID token would do.
        return Err(flow.back(ErrorCode::AccessDenied.because("The person did not allow to be signed in.")));
    }
    let back = |error: crate::store::Error| flow.back(error.into());
    let mut claims_requested = flow.request.claims.clone();
    claims_requested.retain(|name| {
        let base = base_name(name);
        granted_claims.iter().any(|granted| granted == base || granted == name)
            || claims::scope_of(base).is_some_and(|opening| scope.contains(opening))
    });
    let claims_requested = Some(claims_requested).filter(|claims| !claims.is_empty());
    let due = Due::of(&scope, claims_requested.as_ref());
    let seen_as = match client.metadata().is_pairwise() {
        true => app.store.forced_subject(&client.id, &session.subject).await.map_err(back)?,
        false => None,
    };
    let ttl = &app.config.ttl;
    let (code_expires_at, ends_at) = (now + ttl.auth_code, now + ttl.grant);
    // Until then the flow's verifiers could be replayed, or what is given at once is good.
    let at_least = now + (ttl.auth_code + ttl.login_consent_request).max(issue::front_channel_life(app, client, kind));
    let expires_at = match kind.gives_code() {
        true => at_least.max(ends_at.min(issue::given_until(app, client, &scope, code_expires_at))),
        false => at_least,
    };
    let grant = NewGrant {
        id: flow.id,
        client_id: flow.request.client_id.clone(),
        subject: session.subject.clone(),
        seen_as,
        session_id: session.id,
        scope,
        audience,
        claims: Some(added).filter(|added| !added.is_empty()),
        claims_requested,
        consent: record,
        hears_of_logout: metadata.hears_of_logout(),
        is_decided,
        authenticated_at: session.authenticated_at,
        acr: session.acr.clone(),
        amr: session.amr.0.clone(),
        nonce: flow.request.nonce.clone(),
        redirect_uri: flow.request.redirect_uri.clone(),
        code_challenge: flow.request.code_challenge.as_ref().map(|challenge| challenge.as_str().to_owned()),
        has_code: kind.gives_code(),
        code_expires_at,
        created_at: client.issues_at(now),
        ends_at,
        unredeemed_until: kind.gives_code().then_some(at_least),
        expires_at,
    };
    // Made before it is inserted: a grant whose code or tokens could not be made would be of no use to anybody.
    let answer = async {
        let keys = app.keys.live()?;
        let code = kind.gives_code().then(|| keys.sealer.seal(Kind::Code, &Code { grant: flow.id, due }));
        issue::authorization_response(app, client, &grant, kind, code, now).await
    };
    let answer = answer.await.map_err(|error| flow.back(error))?;
    let remembered = remembered(&grant, granted_claims, now);
    if app.store.insert_grant(&grant, remembered, kind.gives_token(), now).await.map_err(back)? {
        if kind.gives_token() || kind.gives_id_token() {
            registration::has_got_tokens(app, client, now).await;
        }
        return Ok(Outcome::Answer(flow.request.reply_to, answer));
    }
    if app.store.grant(flow.id).await.map_err(back)?.is_some() {
        return Err(Refused::Page(handled()));
    }
    Err(flow
        .back(ErrorCode::LoginRequired.because("The session or the consent ended before the request was answered.")))
}

/// The client asks again, and the person signs in.
pub(super) fn session_ended() -> Error {
    ErrorCode::LoginRequired.because("The session ended before the request was answered.")
}

/// What is to be remembered, where that was wanted. Only now that the browser has come back it is the person's own word.
fn remembered(grant: &NewGrant, claims: Vec<String>, now: Timestamp) -> Option<Consent> {
    let record = grant.consent.as_ref().filter(|record| record.remember)?;
    let ends = u64::try_from(record.remember_for).ok().filter(|seconds| *seconds > 0);
    Some(Consent {
        subject: grant.subject.clone(),
        client_id: grant.client_id.clone(),
        scope: grant.scope.clone(),
        audience: Json(grant.audience.clone()),
        claims: Json(claims),
        granted_at: now,
        expires_at: ends.map(|seconds| now + Duration::from_secs(seconds)),
        flow_id: grant.id.to_string(),
    })
}

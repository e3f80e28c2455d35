//! Consent, for the built-in consent page.

use std::sync::Arc;

use super::{Browser, Flow, Outcome, handled, proven_client, url};
use crate::app::App;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::oauth::authorization_request::{AuthorizationRequest, Refused};
use crate::oauth::claims_request::base_name;
use crate::oauth::scope::Scope;
use crate::oauth::server_metadata::path;
use crate::oauth::session_claims::SessionClaims;
use crate::oauth::{ErrorCode, Result};
use crate::seal::Kind;
use crate::store::client::Client;
use crate::store::decision::{ConsentDecision, ConsentRecord, Decision, How, LoginDecision};
use crate::store::interaction::By;
use crate::store::session::{Session, SessionKey};

/// What a consent page shows.
pub struct Asked {
    pub client: Arc<Client>,
    pub request: AuthorizationRequest,
    /// Who is asked: username or email.
    pub account: String,
}

/// The consent is decided; the browser goes on.
#[derive(Debug)]
pub struct ConsentDone {
    pub redirect_to: String,
}

/// Opens a consent challenge for its page.
pub async fn ask(app: &App, challenge: &str, browser: Option<&Browser>, session: Option<SessionKey>) -> Result<Asked> {
    let (flow, session) = open(app, challenge, browser, session).await?;
    let client = proven_client(app, &flow.request).await?;
    let user = app.store.user(&session.subject).await?;
    let account = user.map_or_else(|| session.subject.to_string(), |user| user.email.unwrap_or(user.username));
    Ok(Asked { client, request: flow.request, account })
}

/// The person allows `granted`, which may be less than was asked and never more.
pub async fn give_consent(
    app: &App,
    challenge: &str,
    browser: Option<&Browser>,
    session: Option<SessionKey>,
    granted: &Scope,
    granted_claims: &[&str],
    remember: bool,
) -> Result<ConsentDone> {
    let (flow, session) = open(app, challenge, browser, session).await?;
    proven_client(app, &flow.request).await?;
    if !granted.is_subset_of(&flow.request.scope) {
        return Err(ErrorCode::InvalidRequest.because("More was granted than the application has asked for."));
    }
    let asked: Vec<_> = flow.request.claims_beside(&flow.request.scope).map(base_name).collect();
    if !granted_claims.iter().all(|name| asked.contains(name)) {
        return Err(ErrorCode::InvalidRequest.because("More was granted than the application has asked for."));
    }
    // In the order in which it was asked for.
    let scope = flow.request.scope.intersection(granted);
    if scope.is_empty() && !flow.request.scope.is_empty() {
        // To allow nothing is to deny: a code for nothing would only confuse the client.
        return refuse_consent(app, challenge, browser, Some(session.key())).await;
    }
    let record = ConsentRecord {
        requested_scope: (scope != flow.request.scope).then(|| flow.request.scope.clone()),
        handled_at: app.clock.now(),
        remember,
        ..ConsentRecord::default()
    };
    let decision = ConsentDecision {
        scope,
        audience: flow.request.audience.clone(),
        claims: granted_claims.iter().map(|&name| name.to_owned()).collect(),
        session: SessionClaims::default(),
        record: Some(record),
    };
    decide(app, &flow, &session, &Decision::Accepted(decision)).await?;
    done(app, &flow)
}

/// The person refuses; the client is told so.
pub async fn refuse_consent(
    app: &App,
    challenge: &str,
    browser: Option<&Browser>,
    session: Option<SessionKey>,
) -> Result<ConsentDone> {
    let (flow, session) = open(app, challenge, browser, session).await?;
    proven_client(app, &flow.request).await?;
    let rejected = Decision::Rejected {
        error: ErrorCode::AccessDenied.as_str().to_owned(),
        description: "The person did not allow the request.".to_owned(),
    };
    decide(app, &flow, &session, &rejected).await?;
    done(app, &flow)
}

/// The person is somebody else than the session says: the flow starts anew at the login page.
pub async fn switch_account(
    app: &App,
    challenge: &str,
    browser: Option<&Browser>,
    session: Option<SessionKey>,
) -> Result<Outcome, Refused> {
    let (flow, _) = open(app, challenge, browser, session).await.map_err(Refused::Page)?;
    proven_client(app, &flow.request).await.map_err(Refused::Page)?;
    flow.anew(app.clock.now()).seal(app, Kind::LoginChallenge).map(Outcome::Login)
}

/// A consent challenge opens in the browser that it was made for, while the session that it was made for is alive and the
/// same person is signed in there (perhaps by another session of theirs).
async fn open(
    app: &App,
    challenge: &str,
    browser: Option<&Browser>,
    session: Option<SessionKey>,
) -> Result<(Flow, Session)> {
    let now = app.clock.now();
    let flow = Flow::open(app, Kind::ConsentChallenge, challenge, browser, now).await?;
    let session = same_person(app, flow.session, session, now).await?;
    Ok((flow, session))
}

/// The session that a consent is asked of, while it is alive and its person is who is signed in in this browser.
pub(super) async fn same_person(
    app: &App,
    asked: Option<SessionId>,
    present: Option<SessionKey>,
    now: Timestamp,
) -> Result<Session> {
    let ended = || {
        ErrorCode::RequestForbidden
            .because("Somebody else has signed in meanwhile, or nobody is. Go back to the application and start again.")
    };
    still_here(app, asked.ok_or_else(ended)?, present, now).await?.ok_or_else(ended)
}

/// That session, if it is alive and its person is who is signed in in this browser: by its cookie of today, or by another
/// session of theirs.
pub(super) async fn still_here(
    app: &App,
    asked: SessionId,
    present: Option<SessionKey>,
    now: Timestamp,
) -> Result<Option<Session>> {
    let (Some(session), Some(present)) = (app.store.session(asked, now).await?, present) else { return Ok(None) };
    if present == session.key() {
        return Ok(Some(session));
    }
    let present = app.store.session_by(present, now).await?;
    Ok(present.is_some_and(|present| present.subject == session.subject).then_some(session))
}

async fn decide(app: &App, flow: &Flow, session: &Session, consent: &Decision<ConsentDecision>) -> Result<()> {
    let login = Decision::Accepted(LoginDecision { session: session.id, how: How::Here, context: None, forced: None });
    if app.store.decide_consent(flow.decided(app, Some(&session.subject), By::Page), &login, consent).await? {
        Ok(())
    } else {
        Err(handled())
    }
}

fn done(app: &App, flow: &Flow) -> Result<ConsentDone> {
    let verifier = app.keys.live()?.sealer.seal(Kind::ConsentVerifier, flow);
    Ok(ConsentDone { redirect_to: url(app, path::AUTHORIZATION, "consent_verifier", &verifier) })
}

//! The login app's part.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Asked, Failure, LARGEST_JSON, LONGEST_SESSION, Rejection, back, bad, check_json, check_name, new_answer, opened,
    remembered_for,
};
use crate::app::App;
use crate::clock::Timestamp;
use crate::flow::{Begun, Flow, page};
use crate::id::{ClientId, SessionId, Subject};
use crate::oauth::{ErrorCode, Result};
use crate::seal::Kind;
use crate::store::client::Client;
use crate::store::decision::{Decision, Forced, How, KeptLogin, LoginDecision, NewLogin};
use crate::store::interaction::By;
use crate::store::session::Session;

/// A login request, as its app sees it.
pub struct LoginAsked {
    pub asked: Asked,
    /// Whose session may be used again without asking anybody; the app may still want to.
    pub skip: Option<Subject>,
    /// `sid` of the session that is there, or will be.
    pub session: SessionId,
}

/// What the login app says of a person whom it has recognised: Hydra's `acceptOAuth2LoginRequest`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "acceptOAuth2LoginRequest")]
pub struct LoginAccept {
    subject: Option<String>,
    remember: Option<bool>,
    remember_for: Option<i64>,
    extend_session_lifespan: Option<bool>,
    acr: Option<String>,
    amr: Option<Vec<String>>,
    context: Option<Value>,
    force_subject_identifier: Option<String>,
    identity_provider_session_id: Option<String>,
}

impl LoginAccept {
    fn check(&self) -> Result<Subject> {
        let subject = self.subject.as_deref().unwrap_or_default();
        if subject.is_empty() {
            return Err(bad("subject", "must not be empty"));
        }
        check_name("subject", subject)?;
        let amr = self.amr.as_deref().unwrap_or_default();
        if amr.len() > 16 {
            return Err(bad("amr", "has more than 16 values"));
        }
        for value in amr {
            check_name("amr", value)?;
        }
        for (field, value) in [
            ("acr", &self.acr),
            ("force_subject_identifier", &self.force_subject_identifier),
            ("identity_provider_session_id", &self.identity_provider_session_id),
        ] {
            check_name(field, value.as_deref().unwrap_or_default())?;
        }
        check_json("context", self.context.iter(), LARGEST_JSON)?;
        remembered_for(self.remember_for)?;
        Ok(Subject::new(subject))
    }

    fn acr(&self) -> Option<String> {
        self.acr.clone().filter(|acr| !acr.is_empty())
    }

    /// How long the session lasts: 0 leaves that to the configuration, and nothing lasts longer than 180 days.
    fn life(&self, app: &App, remember: bool) -> Result<Duration> {
        let own = app.config.ttl.authentication_session;
        if !remember {
            return Ok(own.min(app.config.accounts.unremembered_session));
        }
        Ok(remembered_for(self.remember_for)?.unwrap_or(own).min(LONGEST_SESSION))
    }
}

pub async fn login_request(app: &App, challenge: &str) -> Result<LoginAsked, Failure> {
    let now = app.clock.now();
    let (flow, asked) = opened(app, Kind::LoginChallenge, challenge, now).await?;
    unhandled(app, &flow, &asked).await?;
    let present = present(app, &flow, now).await?;
    let session = present.as_ref().map_or_else(|| planned(&flow, now), |present| present.id);
    Ok(LoginAsked { asked, skip: present.map(|present| present.subject), session })
}

/// The app has recognised somebody. Where the browser goes.
pub async fn accept_login(app: &App, challenge: &str, accept: LoginAccept) -> Result<String, Failure> {
    let now = app.clock.now();
    let subject = accept.check()?;
    let (flow, asked) = opened(app, Kind::LoginChallenge, challenge, now).await?;
    unhandled(app, &flow, &asked).await?;
    may_sign_in(app, &subject).await?;
    let forced = forced(app, &asked.client, &subject, accept.force_subject_identifier.as_deref()).await?;
    let (session, how) = match present(app, &flow, now).await? {
        Some(present) if present.subject == subject => (present.id, kept(app, &accept, &present, now)?),
        // Nobody's tokens may be a mixture of two people.
        Some(_) => return somebody_else(app, flow, asked).await,
        // Who may be asked nothing has not signed in just now.
        None if flow.request.prompt.none => return somebody_else(app, flow, asked).await,
        None => (planned(&flow, now), recognised(app, &accept, subject.clone(), now)?),
    };
    let login = LoginDecision { session, how, context: accept.context, forced };
    tracing::info!(client = %flow.request.client_id, %subject, flow = %flow.id, "a login was accepted by the admin API");
    decide(app, flow, asked, Some(&subject), &Decision::Accepted(login)).await
}

/// The app refuses; the client is told so. Where the browser goes.
pub async fn reject_login(app: &App, challenge: &str, rejection: Rejection) -> Result<String, Failure> {
    let (error, description) = rejection.checked()?;
    let (flow, asked) = opened(app, Kind::LoginChallenge, challenge, app.clock.now()).await?;
    tracing::info!(client = %flow.request.client_id, flow = %flow.id, "a login was rejected by the admin API");
    decide(app, flow, asked, None, &Decision::Rejected { error, description }).await
}

/// The session that the browser keeps from here on.
pub(in crate::flow) fn begun(how: &How, session: &Session, now: Timestamp) -> Option<Begun> {
    let life = session.expires_at.since(now);
    match how {
        How::Here => None,
        How::Elsewhere(new) => Some(Begun { session: session.key(), life: new.remembered.then_some(life) }),
        How::Kept(kept) => kept.expires_at.map(|_| Begun { session: session.key(), life: Some(life) }),
    }
}

/// The session that may be used again.
async fn present(app: &App, flow: &Flow, now: Timestamp) -> Result<Option<Session>> {
    match flow.session {
        Some(id) => Ok(app.store.session(id, now).await?),
        None => Ok(None),
    }
}

fn planned(flow: &Flow, now: Timestamp) -> SessionId {
    flow.told.as_ref().map_or_else(|| SessionId::new(now), |told| told.session)
}

/// A subject is one person: not a client, whose own tokens have its id as their subject (RFC 9068 section 5), and not
/// somebody whose account here is disabled.
async fn may_sign_in(app: &App, subject: &Subject) -> Result<()> {
    if app.store.client(&ClientId::new(subject.as_str())).await?.is_some() {
        return Err(bad("subject", "is the id of a client"));
    }
    match app.store.user(subject).await? {
        Some(user) if user.disabled => Err(ErrorCode::RequestForbidden.because("The account is disabled.")),
        _ => Ok(()),
    }
}

/// Somebody who was not here.
fn recognised(app: &App, accept: &LoginAccept, subject: Subject, now: Timestamp) -> Result<How> {
    let remembered = accept.remember.unwrap_or(false);
    Ok(How::Elsewhere(NewLogin {
        subject,
        authenticated_at: now,
        acr: accept.acr(),
        amr: accept.amr.clone().unwrap_or_default(),
        remembered,
        expires_at: now + accept.life(app, remembered)?,
        identity_provider_session_id: accept.identity_provider_session_id.clone().filter(|id| !id.is_empty()),
    }))
}

/// The session that is there is good enough, or has become so: what the app says of it counts from here on.
fn kept(app: &App, accept: &LoginAccept, present: &Session, now: Timestamp) -> Result<How> {
    let extended = match accept.extend_session_lifespan.unwrap_or(false) {
        true => Some((now + accept.life(app, true)?).max(present.expires_at)),
        false => None,
    };
    Ok(How::Kept(KeptLogin { acr: accept.acr(), amr: accept.amr.clone().unwrap_or_default(), expires_at: extended }))
}

/// Another person than the session's: the request starts anew and asks for a login. One that may not ask ends there.
async fn somebody_else(app: &App, flow: Flow, asked: Asked) -> Result<String, Failure> {
    if flow.request.prompt.none {
        let rejected = Decision::Rejected {
            error: ErrorCode::LoginRequired.as_str().to_owned(),
            description: "Nobody is signed in who may answer this request silently.".to_owned(),
        };
        return decide(app, flow, asked, None, &rejected).await;
    }
    let mut anew = flow.anew(app.clock.now());
    anew.request.prompt.login = true;
    Ok(page::login(app, &app.keys.live()?.sealer.seal(Kind::LoginChallenge, &anew)))
}

/// `force_subject_identifier`: what a pairwise client knows the person as once they are back (OpenID Connect Core section
/// 8.1 leaves open how the identifier is made).
async fn forced(app: &App, client: &Client, subject: &Subject, seen_as: Option<&str>) -> Result<Option<Forced>> {
    let Some(seen_as) = seen_as.filter(|seen_as| !seen_as.is_empty() && client.metadata().is_pairwise()) else {
        return Ok(None);
    };
    let seen_as = Subject::new(seen_as);
    if app.store.is_somebody_else(&client.id, subject, &seen_as).await? {
        let what = "Field force_subject_identifier is what the client knows somebody else as.";
        return Err(ErrorCode::Conflict.because(what));
    }
    Ok(Some(Forced { client_id: client.id.clone(), subject: subject.clone(), seen_as }))
}

async fn unhandled(app: &App, flow: &Flow, asked: &Asked) -> Result<(), Failure> {
    let decided = app.store.interaction(flow.id).await?;
    if decided.is_some_and(|decided| decided.login_used_at.is_some()) {
        return Err(Failure::Handled { redirect_to: asked.request_url.clone() });
    }
    Ok(())
}

/// Records the answer. Where the browser takes it.
async fn decide(
    app: &App,
    flow: Flow,
    asked: Asked,
    subject: Option<&Subject>,
    login: &Decision<LoginDecision>,
) -> Result<String, Failure> {
    let answer = new_answer();
    if !app.store.decide_login(flow.decided(app, subject, By::App { answer: &answer }), login).await? {
        return Err(Failure::Handled { redirect_to: asked.request_url });
    }
    Ok(back(app, Kind::LoginVerifier, "login_verifier", flow, answer)?)
}

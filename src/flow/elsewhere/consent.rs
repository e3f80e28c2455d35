//! The consent app's part.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{Asked, Failure, Rejection, bad, check_size, opened, remembered_for};
use crate::app::App;
use crate::clock::Timestamp;
use crate::flow::{Flow, url};
use crate::id::GrantId;
use crate::oauth::Result;
use crate::oauth::scope::Scope;
use crate::oauth::server_metadata::path;
use crate::oauth::session_claims::SessionClaims;
use crate::seal::Kind;
use crate::store::interaction::{By, ConsentDecision, ConsentRecord, Decision, How, LoginDecision};
use crate::store::session::Session;

/// A consent request, as its app sees it.
pub struct ConsentAsked {
    pub asked: Asked,
    /// The grant will have it, and the admin API knows the consent by it.
    pub id: GrantId,
    /// All that is asked for has been granted before, and was to be remembered.
    pub skip: bool,
    pub session: Session,
    /// What the login app has handed on.
    pub context: Option<Value>,
}

/// What the consent app has found the person to allow: Hydra's `acceptOAuth2ConsentRequest`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "acceptOAuth2ConsentRequest")]
pub struct ConsentAccept {
    grant_scope: Option<Vec<String>>,
    grant_access_token_audience: Option<Vec<String>>,
    #[serde(default, deserialize_with = "or_default")]
    session: SessionClaims,
    remember: Option<bool>,
    /// In seconds; 0 is for ever.
    remember_for: Option<i64>,
    context: Option<Value>,
}

/// An object or null; a list is not taken for its members in their order.
fn or_default<'de, D: Deserializer<'de>>(from: D) -> Result<SessionClaims, D::Error> {
    let given = Option::<Map<String, Value>>::deserialize(from)?.unwrap_or_default();
    SessionClaims::deserialize(Value::Object(given)).map_err(D::Error::custom)
}

impl ConsentAccept {
    /// What is granted: at most what was asked for, in that order.
    fn granted(&self, flow: &Flow) -> Result<(Scope, Vec<String>)> {
        if self.grant_scope.iter().flatten().any(|value| value.contains(char::is_whitespace)) {
            return Err(bad("grant_scope", "has a value that is no scope (RFC 6749 section 3.3)"));
        }
        let named: Scope = self.grant_scope.iter().flatten().filter(|value| !value.is_empty()).collect();
        if !named.is_subset_of(&flow.request.scope) {
            return Err(bad("grant_scope", "has a scope that was not asked for"));
        }
        let audience = self.grant_access_token_audience.clone().unwrap_or_default();
        if !audience.iter().all(|one| flow.request.audience.contains(one)) {
            return Err(bad("grant_access_token_audience", "has an audience that was not asked for"));
        }
        Ok((flow.request.scope.intersection(&named), audience))
    }
}

pub async fn consent_request(app: &App, challenge: &str) -> Result<ConsentAsked, Failure> {
    let now = app.clock.now();
    let (flow, asked, session) = present(app, challenge, now).await?;
    let decided = app.store.interaction(flow.id).await?;
    let is_used = decided.as_ref().is_some_and(|decided| decided.consent_used_at.is_some());
    if is_used || app.store.grant(flow.id).await?.is_some() {
        return Err(Failure::Handled { redirect_to: asked.request_url });
    }
    let context = match decided.map(|decided| decided.login.0) {
        Some(Decision::Accepted(login)) => login.context,
        _ => None,
    };
    Ok(ConsentAsked { asked, id: flow.id, skip: flow.granted_before, session, context })
}

/// The person allows it. Where the browser goes.
pub async fn accept_consent(app: &App, challenge: &str, accept: ConsentAccept) -> Result<String, Failure> {
    let now = app.clock.now();
    remembered_for(accept.remember_for)?;
    check_size("session", &accept.session)?;
    check_size("context", &accept.context)?;
    let (flow, asked, session) = present(app, challenge, now).await?;
    let (scope, audience) = accept.granted(&flow)?;
    let record = (!flow.granted_before).then(|| ConsentRecord {
        handled_at: now,
        remember: accept.remember.unwrap_or(false),
        remember_for: accept.remember_for.unwrap_or(0),
        requested_scope: (scope != flow.request.scope).then(|| flow.request.scope.clone()),
        requested_audience: (audience != flow.request.audience).then(|| flow.request.audience.clone()),
        request_url: Some(asked.request_url.clone()),
        context: accept.context,
    });
    // An app knows of no claims by name: what it wants told is in `session`.
    let decision = ConsentDecision { scope, audience, claims: Vec::new(), session: accept.session, record };
    decide(app, &flow, &session, asked, &Decision::Accepted(decision), now).await?;
    tracing::info!(client = %flow.request.client_id, flow = %flow.id, "a consent was accepted by the admin API");
    Ok(redirect(app, &flow)?)
}

/// The person, or the app, refuses; the client is told so. Where the browser goes.
pub async fn reject_consent(app: &App, challenge: &str, rejection: Rejection) -> Result<String, Failure> {
    let now = app.clock.now();
    let (error, description) = rejection.checked()?;
    let (flow, asked, session) = present(app, challenge, now).await?;
    decide(app, &flow, &session, asked, &Decision::Rejected { error, description }, now).await?;
    tracing::info!(client = %flow.request.client_id, flow = %flow.id, "a consent was rejected by the admin API");
    Ok(redirect(app, &flow)?)
}

/// The request and the session that it is asked of. Where that has ended, the request has to begin anew.
async fn present(app: &App, challenge: &str, now: Timestamp) -> Result<(Flow, Asked, Session), Failure> {
    let (flow, asked) = opened(app, Kind::ConsentChallenge, challenge, now).await?;
    let session = match flow.session {
        Some(id) => app.store.session(id, now).await?,
        None => None,
    };
    match session {
        Some(session) => Ok((flow, asked, session)),
        None => Err(Failure::Handled { redirect_to: asked.request_url }),
    }
}

async fn decide(
    app: &App,
    flow: &Flow,
    session: &Session,
    asked: Asked,
    consent: &Decision<ConsentDecision>,
    now: Timestamp,
) -> Result<(), Failure> {
    let login = Decision::Accepted(LoginDecision { session: session.id, how: How::Here, context: None });
    if app.store.decide_consent(flow.id, &login, consent, By::App, now, flow.expires_at(app)).await? {
        return Ok(());
    }
    Err(Failure::Handled { redirect_to: asked.request_url })
}

fn redirect(app: &App, flow: &Flow) -> Result<String> {
    let verifier = app.keys.live()?.sealer.seal(Kind::ConsentVerifier, flow);
    Ok(url(app, path::AUTHORIZATION, "consent_verifier", &verifier))
}

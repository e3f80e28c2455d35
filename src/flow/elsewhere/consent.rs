//! The consent app's part.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{
    Asked, Failure, LARGEST_ID_TOKEN, LARGEST_JSON, Rejection, back, bad, check_json, new_answer, opened,
    remembered_for,
};
use crate::app::App;
use crate::clock::Timestamp;
use crate::flow::{Flow, remembered};
use crate::id::GrantId;
use crate::oauth::scope::Scope;
use crate::oauth::session_claims::SessionClaims;
use crate::oauth::{Result, interaction};
use crate::seal::Kind;
use crate::store::decision::{ConsentDecision, ConsentRecord, Decision, How, LoginDecision};
use crate::store::interaction::By;
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
    fn check(&self) -> Result<()> {
        remembered_for(self.remember_for)?;
        check_json("session.access_token", self.session.access_token.values(), LARGEST_JSON)?;
        check_json("session.id_token", self.session.id_token.values(), LARGEST_ID_TOKEN)?;
        check_json("context", self.context.iter(), LARGEST_JSON)
    }

    /// What is granted: at most what was asked for, in that order.
    fn granted(&self, flow: &Flow) -> Result<(Scope, Vec<String>)> {
        if self.grant_scope.iter().flatten().any(|value| value.contains(char::is_whitespace)) {
            return Err(bad("grant_scope", "has a value that is no scope (RFC 6749 section 3.3)"));
        }
        let named: Scope = self.grant_scope.iter().flatten().filter(|value| !value.is_empty()).collect();
        if !named.is_subset_of(&flow.request.scope) {
            return Err(bad("grant_scope", "has a scope that was not asked for"));
        }
        let named_audience = self.grant_access_token_audience.as_deref().unwrap_or_default();
        if !named_audience.iter().all(|one| flow.request.audience.contains(one)) {
            return Err(bad("grant_access_token_audience", "has an audience that was not asked for"));
        }
        let audience = flow.request.audience.iter().filter(|one| named_audience.contains(one)).cloned().collect();
        Ok((flow.request.scope.intersection(&named), audience))
    }
}

pub async fn consent_request(app: &App, challenge: &str) -> Result<ConsentAsked, Failure> {
    let now = app.clock.now();
    let (flow, asked, session) = present(app, challenge, now).await?;
    let decided = app.store.interaction(flow.id).await?;
    if decided.as_ref().is_some_and(|decided| decided.consent_used_at.is_some()) {
        return Err(Failure::Handled { redirect_to: asked.request_url });
    }
    let context = match decided.map(|decided| decided.login.0) {
        Some(Decision::Accepted(login)) => login.context,
        _ => None,
    };
    let skip = is_remembered(app, &flow, &asked, &session, now).await?;
    Ok(ConsentAsked { asked, id: flow.id, skip, session, context })
}

/// The person allows it. Where the browser goes.
pub async fn accept_consent(app: &App, challenge: &str, accept: ConsentAccept) -> Result<String, Failure> {
    let now = app.clock.now();
    accept.check()?;
    let (flow, asked, session) = present(app, challenge, now).await?;
    let (scope, audience) = accept.granted(&flow)?;
    let was_asked = !is_remembered(app, &flow, &asked, &session, now).await?;
    let record = was_asked.then(|| ConsentRecord {
        handled_at: now,
        remember: accept.remember.unwrap_or(false),
        remember_for: accept.remember_for.unwrap_or(0),
        requested_scope: (scope != flow.request.scope).then(|| flow.request.scope.clone()),
        requested_audience: (audience != flow.request.audience).then(|| flow.request.audience.clone()),
        request_url: Some(asked.request_url.clone()),
        context: accept.context,
    });
    // An app knows of no claims by name: what it wants told is in `session`.
    let decision =
        ConsentDecision { scope, audience, claims: Vec::new(), session: accept.session.without_nulls(), record };
    tracing::info!(client = %flow.request.client_id, flow = %flow.id, "a consent was accepted by the admin API");
    decide(app, flow, &session, asked, &Decision::Accepted(decision)).await
}

/// The person, or the app, refuses; the client is told so. Where the browser goes.
pub async fn reject_consent(app: &App, challenge: &str, rejection: Rejection) -> Result<String, Failure> {
    let (error, description) = rejection.checked()?;
    let (flow, asked, session) = present(app, challenge, app.clock.now()).await?;
    tracing::info!(client = %flow.request.client_id, flow = %flow.id, "a consent was rejected by the admin API");
    decide(app, flow, &session, asked, &Decision::Rejected { error, description }).await
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

/// Whether all of it was granted before and is remembered, as things stand now. A client's own `skip_consent` is for the
/// app to look at, as with Hydra.
async fn is_remembered(app: &App, flow: &Flow, asked: &Asked, session: &Session, now: Timestamp) -> Result<bool> {
    let consent = app.store.consent(&session.subject, &asked.client.id, now).await?;
    Ok(interaction::is_remembered(&flow.request, asked.client.metadata(), consent.as_ref().map(remembered)))
}

/// Records the answer. Where the browser takes it.
async fn decide(
    app: &App,
    flow: Flow,
    session: &Session,
    asked: Asked,
    consent: &Decision<ConsentDecision>,
) -> Result<String, Failure> {
    let login = Decision::Accepted(LoginDecision { session: session.id, how: How::Here, context: None, forced: None });
    let answer = new_answer();
    let decided = flow.decided(app, Some(&session.subject), By::App { answer: &answer });
    if !app.store.decide_consent(decided, &login, consent).await? {
        return Err(Failure::Handled { redirect_to: asked.request_url });
    }
    Ok(back(app, Kind::ConsentVerifier, "consent_verifier", flow, answer)?)
}

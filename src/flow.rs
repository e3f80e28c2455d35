//! The login–consent–logout engine. The built-in pages and the admin API are two fronts of the same functions.
//!
//! A flow travels sealed in its challenges and verifiers; there is a row only once a person has decided something.

pub mod account;
mod answer;
mod browser;
pub mod chosen_password;
mod consent;
pub mod elsewhere;
mod end_session;
mod front_channel;
mod hint;
pub mod page;
mod request_object;
mod returned;
mod sign_in;
mod visitor;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use browser::Browser;
pub use consent::{Asked, ConsentDone, ask, give_consent, refuse_consent, switch_account};
pub use end_session::{Ended, Farewell, SignedOut, after_logout, confirmation, end, end_session};
pub use returned::{AfterLogin, Begun, after_consent, after_login};
pub use sign_in::{Credentials, LoginPage, SignInFailure, SignedIn, login_page, refuse_login, sign_in};
pub use visitor::Visitor;

use crate::app::App;
use crate::clock::Timestamp;
use crate::config::UntrustedRedirects;
use crate::id::{GrantId, SessionId, Subject};
use crate::oauth::authorization_request::{self, AuthorizationRequest, Context, Refused, ReplyTo};
use crate::oauth::interaction::{self, Next, Present, Remembered};
use crate::oauth::params::Params;
use crate::oauth::session_claims::SessionClaims;
use crate::oauth::{Error, ErrorCode, Result};
use crate::seal::Kind;
use crate::store::client::Client;
use crate::store::consent::Consent;
use crate::store::decision::ConsentDecision;
use crate::store::interaction::{By, Decided};
use crate::store::session::{Place, Session, SessionKey};
use crate::token;

/// The longest challenge: it travels in a URL, with others.
const LONGEST_CHALLENGE: usize = 4096;

/// A flow as it travels in challenges and verifiers.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Flow {
    id: GrantId,
    browser: [u8; 16],
    request: AuthorizationRequest,
    requested_at: Timestamp,
    /// Once somebody is signed in: whose session, and whether the login was for this flow.
    session: Option<SessionId>,
    fresh: bool,
    /// Another login app was asked, whether it has signed anybody in for this flow or found the session good enough.
    asked_login: bool,
    /// In the verifier of another app's decision: which of its answers it is of.
    answer: Option<String>,
    /// What another app wants to know besides; `None` where all pages are ours.
    told: Option<Told>,
}

/// The request as it came, for other apps.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    /// Without `id_token_hint`, which would not fit: what it says is beside it.
    query: String,
    /// The claims of the hint that was verified, JSON.
    hint: Option<String>,
    acr_values: Vec<String>,
    ui_locales: Vec<String>,
    display: Option<String>,
    /// The session that will begin if somebody signs in.
    session: SessionId,
}

/// What the browser is told next.
#[derive(Debug)]
pub enum Outcome {
    /// To the login page, with this challenge.
    Login(String),
    /// To the page where people register, with a login challenge (`prompt=registration`).
    Register(String),
    /// To the consent page.
    Consent(String),
    /// To the client, with these parameters.
    Answer(ReplyTo, Vec<(&'static str, String)>),
}

/// The authorization endpoint's first visit.
pub async fn begin(app: &App, params: &Params, browser: &Browser, visitor: &Visitor) -> Result<Outcome, Refused> {
    let now = app.clock.now();
    let id = authorization_request::client_id(params)?;
    let client = client(app, &id).await.map_err(Refused::Page)?;
    let unseen = asks_first(app, &client);
    let asked = |refused| held(refused, unseen);
    let as_sent = params;
    let params = &*request_object::effective(app, params, &client).await.map_err(asked)?;
    let hinted = match params.get("id_token_hint") {
        Some(token) => hint::read(app, token, now).await.map_err(Refused::Page)?,
        None => None,
    };
    let context = Context {
        client: client.metadata(),
        default_scope: &app.config.oidc.default_scope,
        strategy: app.config.strategies.scope,
        pkce_enforced: app.config.oauth2.pkce_enforced,
        response_types: &app.config.oauth2.response_types,
        supported_claims: &app.config.oidc.supported_claims,
        hinted: hinted.as_ref().and_then(|hinted| hinted.subject_for(&client)),
        own_login: app.config.urls.login.is_none(),
    };
    let mut request = authorization_request::validate(params, &id, &context).map_err(asked)?;
    if app.config.urls.consent.is_some() {
        // Another app can not grant claims by name: what it wants told is in its answer.
        request.keep_claims_of_scopes();
    }
    let flow = Flow {
        id: GrantId::new(now),
        browser: browser.id,
        request,
        requested_at: now,
        session: None,
        fresh: false,
        asked_login: false,
        answer: None,
        told: elsewhere::told(app, as_sent, params, hinted.as_ref(), now),
    };
    let session = reusable(app, visitor.session, now).await.map_err(|error| asked(flow.back(error)))?;
    if let Some(session) = &session {
        used(app, session, &visitor.place, now).await;
    }
    step(app, flow, &client, session, now).await.map_err(asked)
}

/// Who is signed in in this browser.
async fn present(app: &App, key: Option<SessionKey>, now: Timestamp) -> Result<Option<Session>> {
    match key {
        Some(key) => Ok(app.store.session_by(key, now).await?),
        None => Ok(None),
    }
}

/// The same, as far as nobody has to be asked again: another login app has said whether its sign-in may be used again.
async fn reusable(app: &App, key: Option<SessionKey>, now: Timestamp) -> Result<Option<Session>> {
    let session = present(app, key, now).await?;
    Ok(session.filter(|session| session.remembered || app.config.urls.login.is_none()))
}

/// A session is used. That this could not be noted is no reason to refuse what it is used for.
async fn used(app: &App, session: &Session, place: &Place, now: Timestamp) {
    if let Err(error) = app.store.session_was_used(session, place, now).await {
        tracing::warn!(%error, session = %session.id, "where a session is used could not be noted");
    }
}

/// Asks the rules who has to be asked for what.
async fn step(
    app: &App,
    mut flow: Flow,
    client: &Client,
    session: Option<Session>,
    now: Timestamp,
) -> Result<Outcome, Refused> {
    let consent = match &session {
        Some(session) => {
            let consent = app.store.consent(&session.subject, &client.id, now).await;
            consent.map_err(|error| flow.back(error.into()))?
        }
        None => None,
    };
    let remembered = consent.as_ref().map(remembered);
    let seen = match &session {
        Some(session) => Some(seen_by(app, client, &session.subject).await.map_err(|error| flow.back(error))?),
        None => None,
    };
    let present = session.as_ref().zip(seen.as_ref()).map(|(session, subject)| Present {
        subject,
        authenticated_at: session.authenticated_at,
        acr: session.acr.as_deref(),
        in_this_flow: flow.fresh,
    });
    let next = interaction::next(&flow.request, client.metadata(), present, remembered, now);
    flow.session = session.as_ref().map(|session| session.id);
    match next {
        Next::Refuse(error) => Err(flow.back(error)),
        Next::Login => {
            // The session that the app has kept has become too old by now: the login is decided, and another flow asks again.
            flow = if flow.asked_login { flow.anew(now) } else { flow };
            flow.session = None;
            let register = flow.request.prompt.registration;
            flow.seal(app, Kind::LoginChallenge).map(if register { Outcome::Register } else { Outcome::Login })
        }
        // Another app is asked even where nobody has to be: it may have signed the person out on its own side, wants to
        // know more of them, or adds claims (hydra.md section 2.6).
        Next::Consent | Next::Proceed if app.config.urls.login.is_some() && !flow.asked_login => {
            flow.seal(app, Kind::LoginChallenge).map(Outcome::Login)
        }
        Next::Consent => flow.seal(app, Kind::ConsentChallenge).map(Outcome::Consent),
        Next::Proceed if app.config.urls.consent.is_some() => {
            flow.seal(app, Kind::ConsentChallenge).map(Outcome::Consent)
        }
        Next::Proceed => {
            let granted = ConsentDecision {
                scope: flow.request.scope.clone(),
                audience: flow.request.audience.clone(),
                claims: flow.request.claims_beside(&flow.request.scope).map(str::to_owned).collect(),
                session: SessionClaims::default(),
                record: None,
            };
            let Some(session) = session else { return Err(flow.back(answer::session_ended())) };
            answer::finish(app, flow, client, granted, false, session, now).await
        }
    }
}

fn remembered(consent: &Consent) -> Remembered<'_> {
    Remembered { scope: &consent.scope, audience: &consent.audience.0, claims: &consent.claims.0 }
}

/// What a client knows a person as: what the login app has said, else as `subject_type` has it.
async fn seen_by(app: &App, client: &Client, subject: &Subject) -> Result<Subject> {
    let forced = match client.metadata().is_pairwise() {
        true => app.store.forced_subject(&client.id, subject).await?,
        false => None,
    };
    app.subject_of(client, subject, forced.as_ref())
}

fn handled() -> Error {
    ErrorCode::AlreadyHandled.because("This request was answered before. Go back to the application and start again.")
}

impl Flow {
    fn back(&self, error: Error) -> Refused {
        Refused::Back(self.request.reply_to.clone(), error)
    }

    /// The same request from its beginning.
    fn anew(self, now: Timestamp) -> Self {
        let told = self.told.map(|told| Told { session: SessionId::new(now), ..told });
        Self {
            id: GrantId::new(now),
            requested_at: now,
            session: None,
            fresh: false,
            asked_login: false,
            answer: None,
            told,
            ..self
        }
    }

    /// What a decision about this flow is recorded with.
    fn decided<'a>(&'a self, app: &App, subject: Option<&'a Subject>, by: By<'a>) -> Decided<'a> {
        let client = &self.request.client_id;
        Decided { flow: self.id, client, subject, by, now: app.clock.now(), expires_at: self.expires_at(app) }
    }

    fn expires_at(&self, app: &App) -> Timestamp {
        self.requested_at + app.config.ttl.login_consent_request
    }

    fn seal(&self, app: &App, kind: Kind) -> Result<String, Refused> {
        let keys = app.keys.live().map_err(|error| self.back(error))?;
        let sealed = keys.sealer.seal(kind, self);
        if sealed.len() > LONGEST_CHALLENGE {
            return Err(self.back(ErrorCode::InvalidRequest.because(
                "The request is too large to travel in a URL (4096 bytes sealed). Shorten state, nonce or scope; \
                 requests of that size need pushed authorization requests (PAR, RFC 9126).",
            )));
        }
        Ok(sealed)
    }

    /// Opens a challenge, whoever has it: for the admin API, which no browser reaches.
    async fn open_anywhere(app: &App, kind: Kind, sealed: &str) -> Result<Self> {
        token::open(app, kind, sealed).await?.ok_or_else(|| {
            ErrorCode::NotFound.because("This request is not known. Go back to the application and start again.")
        })
    }

    /// Opens a challenge in the browser that it was made for.
    async fn open(app: &App, kind: Kind, sealed: &str, browser: Option<&Browser>, now: Timestamp) -> Result<Self> {
        let flow = Self::open_anywhere(app, kind, sealed).await?;
        if !browser.is_some_and(|browser| browser.is(&flow.browser)) {
            return Err(ErrorCode::RequestForbidden.because(
                "This page belongs to another browser, or cookies are blocked. Go back to the application and start again.",
            ));
        }
        if flow.expires_at(app) <= now {
            return Err(ErrorCode::AlreadyHandled
                .because("This request has expired. Go back to the application and start again."));
        }
        Ok(flow)
    }
}

async fn proven_client(app: &App, request: &AuthorizationRequest) -> Result<Arc<Client>> {
    let client = client(app, &request.client_id).await?;
    let metadata = client.metadata();
    let uri = request.reply_to.redirect_uri();
    if crate::oauth::redirect_uri::matches(&metadata.redirect_uris, uri, metadata.is_native()) {
        return Ok(client);
    }
    Err(ErrorCode::InvalidRequest.because("The redirect_uri is no longer one that the client has registered."))
}

async fn client(app: &App, id: &crate::id::ClientId) -> Result<Arc<Client>> {
    let client = app.store.client(id).await?.filter(|client| !client.is_gone(app.clock.now()));
    client.ok_or_else(|| ErrorCode::InvalidClient.because("The client is not known."))
}

/// Whether a browser is sent to this client only after its person has seen a page (RFC 9700 section 4.11.2).
fn asks_first(app: &App, client: &Client) -> bool {
    client.is_self_registered() && app.config.oidc.registration.untrusted_redirects == UntrustedRedirects::Interstitial
}

/// What would send the browser to a client that nobody vouches for waits on a page of ours where nobody has seen one yet.
fn held(refused: Refused, unseen: bool) -> Refused {
    match refused {
        Refused::Back(reply_to, error) if unseen => Refused::Ask(reply_to, error),
        other => other,
    }
}

/// Opens any sealed value, with the keys of other replicas.
async fn open<T: DeserializeOwned>(app: &App, kind: Kind, sealed: &str) -> Result<Option<T>> {
    token::open(app, kind, sealed).await
}

/// A page of ours.
fn url(app: &App, path: &str, parameter: &str, value: &str) -> String {
    format!("{}{path}?{parameter}={value}", app.config.urls.public)
}

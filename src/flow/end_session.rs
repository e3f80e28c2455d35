//! Logout that a relying party or the person begins: OpenID Connect RP-Initiated Logout 1.0.

use serde::{Deserialize, Serialize};

use super::front_channel;
use super::hint::{self, Hinted};
use super::{Browser, LONGEST_CHALLENGE, asks_first, open, present, seen_by};
use crate::app::App;
use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId};
use crate::oauth::params::Params;
use crate::oauth::response_mode::{self, ResponseMode};
use crate::oauth::{ErrorCode, Result};
use crate::seal::Kind;
use crate::store::session::{EndedSession, Session, SessionKey};

/// Where the browser goes when the session has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Farewell {
    /// The client's registered URI, with `state` if it was sent.
    Client(String),
    /// Our own page.
    Ours,
}

/// A logout that is over.
#[derive(Debug)]
pub struct SignedOut {
    pub farewell: Farewell,
    /// Nobody is signed in in this browser any more.
    pub here: bool,
    /// The pages of clients that the browser loads before it goes on. Only the call that has ended a session has any.
    pub pages: Vec<String>,
}

impl SignedOut {
    /// Where this call has ended nothing, or nothing that any client would have to be told of.
    const fn quietly(farewell: Farewell, here: bool) -> Self {
        Self { farewell, here, pages: Vec::new() }
    }
}

/// What a logout request leads to.
#[derive(Debug)]
pub enum Ended {
    Done(SignedOut),
    /// The person is asked first: nobody has proven that they want it (RP-Initiated Logout section 2).
    Ask(String),
}

/// A logout as it travels in challenges and verifiers.
#[derive(Serialize, Deserialize)]
pub(super) struct Logout {
    browser: [u8; 16],
    pub session: SessionId,
    /// This one ends as well: the session that an ID token names, where it is not the one that is here.
    named: Option<SessionId>,
    pub client: Option<ClientId>,
    farewell: Farewell,
    /// The session is this browser's.
    is_here: bool,
    /// A client has proven by an ID token whose session it is.
    pub is_hinted: bool,
    /// The request as it came, for another app.
    pub query: String,
    pub requested_at: Timestamp,
}

impl Logout {
    pub fn expires_at(&self, app: &App) -> Timestamp {
        self.requested_at + app.config.ttl.login_consent_request
    }
}

/// The logout endpoint.
pub async fn end_session(app: &App, params: &Params, browser: &Browser, session: Option<SessionKey>) -> Result<Ended> {
    let now = app.clock.now();
    if params.repeated().is_some() {
        return Err(ErrorCode::InvalidRequest.because("A parameter is given more than once."));
    }
    let hint = hinted(app, params, now).await?;
    let (farewell, waits) = farewell(app, params, hint.as_ref()).await?;
    let current = present(app, session, now).await?;
    if let Some(hinted) = &hint {
        let named = named_session(app, hinted, current.as_ref())?;
        if is_proven(app, hinted, named).await? {
            let of_hint = match &current {
                Some(current) => is_of(app, hinted, current).await?,
                None => false,
            };
            // Where somebody else is signed in here by now, that is theirs to end.
            let here = current.filter(|_| of_hint).map(|current| current.id);
            // Who has signed nobody out here has nobody to send on.
            let farewell = if waits && here.is_none() { Farewell::Ours } else { farewell };
            if app.config.urls.logout.is_none() {
                // The session that the ID token names ends wherever it is: who has the token is that session's client.
                let both = [named, here.filter(|here| named != Some(*here))];
                let pages = end_all(app, both, now).await?;
                return Ok(Ended::Done(SignedOut { farewell, here: here.is_some(), pages }));
            }
            let named = match named {
                Some(id) => app.store.session(id, now).await?.map(|session| session.id),
                None => None,
            };
            // The app's own session has to end as well. Without one of ours there is nothing to ask about.
            let Some(session) = here.or(named) else {
                return Ok(Ended::Done(SignedOut::quietly(farewell, false)));
            };
            let logout = Logout {
                browser: browser.id,
                session,
                named: named.filter(|named| *named != session),
                client: hinted.client.as_ref().map(|client| client.id.clone()),
                farewell,
                is_here: here.is_some(),
                is_hinted: true,
                query: without_hint(params),
                requested_at: now,
            };
            return ask(app, &logout);
        }
    }
    let Some(current) = current else {
        let farewell = if waits { Farewell::Ours } else { farewell };
        return Ok(Ended::Done(SignedOut::quietly(farewell, true)));
    };
    let logout = Logout {
        browser: browser.id,
        session: current.id,
        named: None,
        client: params.get("client_id").map(ClientId::new),
        farewell,
        is_here: true,
        is_hinted: false,
        query: if app.config.urls.logout.is_some() { without_hint(params) } else { String::new() },
        requested_at: now,
    };
    ask(app, &logout)
}

/// The request as an app is told it: the hint would not fit, and what it proves is told beside it.
fn without_hint(params: &Params) -> String {
    params.iter().filter(|(name, _)| *name != "id_token_hint").collect::<Params>().encode()
}

fn ask(app: &App, logout: &Logout) -> Result<Ended> {
    let challenge = app.keys.live()?.sealer.seal(Kind::LogoutChallenge, logout);
    if challenge.len() > LONGEST_CHALLENGE {
        return Err(ErrorCode::InvalidRequest.because("The request is too large to travel in a URL."));
    }
    Ok(Ended::Ask(challenge))
}

/// Ends these sessions; the pages of their clients.
async fn end_all(app: &App, sessions: [Option<SessionId>; 2], now: Timestamp) -> Result<Vec<String>> {
    let mut ended: Vec<EndedSession> = Vec::new();
    for session in sessions.into_iter().flatten() {
        ended.extend(app.store.end_session(session, app.ending(now)).await?);
    }
    front_channel::pages(app, &ended).await
}

/// The visit with a `logout_verifier`: another app has let the person confirm. Twice is as good as once.
pub async fn after_logout(
    app: &App,
    verifier: &str,
    browser: Option<&Browser>,
    session: Option<SessionKey>,
) -> Result<SignedOut> {
    let logout = opened(app, Kind::LogoutVerifier, verifier, browser).await?;
    finish(app, logout, session).await
}

/// The session that a hint names. A pairwise client knows it by a name of its sector, which only the session that is
/// here can be compared with.
fn named_session(app: &App, hinted: &Hinted, current: Option<&Session>) -> Result<Option<SessionId>> {
    let Some(sid) = &hinted.hint.session else { return Ok(None) };
    if let Ok(id) = sid.parse() {
        return Ok(Some(id));
    }
    let (Some(client), Some(current)) = (&hinted.client, current) else { return Ok(None) };
    Ok((app.session_for(client, current.id)? == *sid).then_some(current.id))
}

/// What a client can have made itself proves nothing unless the session has really given it something.
async fn is_proven(app: &App, hinted: &Hinted, named: Option<SessionId>) -> Result<bool> {
    // One that is not there any more has nobody to sign out.
    if hinted.client.is_none() && hinted.hint.clients.len() == 1 {
        return Ok(false);
    }
    if !hinted.by_secret {
        return Ok(true);
    }
    match (&hinted.client, named) {
        (Some(client), Some(session)) => Ok(app.store.session_gave(session, &client.id).await?),
        _ => Ok(false),
    }
}

/// Whether the person of this session is the one that the hint names, as its client knows them.
async fn is_of(app: &App, hinted: &Hinted, session: &Session) -> Result<bool> {
    let seen = match &hinted.client {
        Some(client) => seen_by(app, client, &session.subject).await?,
        None => session.subject.clone(),
    };
    Ok(seen == hinted.hint.subject)
}

async fn hinted(app: &App, params: &Params, now: Timestamp) -> Result<Option<Hinted>> {
    let Some(token) = params.get("id_token_hint") else { return Ok(None) };
    // Each of ours names its session.
    let hint = hint::read(app, token, now)
        .await?
        .filter(|hinted| hinted.hint.session.is_some())
        .ok_or_else(|| ErrorCode::InvalidRequest.because("id_token_hint is not an ID token of this server."))?;
    if params.get("client_id").is_some_and(|id| !hint.hint.clients.iter().any(|client| client.as_str() == id)) {
        return Err(ErrorCode::InvalidRequest.because("client_id is not the client that id_token_hint was issued to."));
    }
    Ok(Some(hint))
}

/// Only a registered URI (compared character by character) of the client that the hint names; without a hint nobody has
/// proven which client it is, and the browser stays here. And whether the client is one that the browser is sent to only
/// once a person of its own has signed out.
async fn farewell(app: &App, params: &Params, hint: Option<&Hinted>) -> Result<(Farewell, bool)> {
    let (Some(uri), Some(hint)) = (params.get("post_logout_redirect_uri"), hint) else {
        return Ok((Farewell::Ours, false));
    };
    for id in &hint.hint.clients {
        let Some(client) = app.store.client(id).await? else { continue };
        if client.metadata().post_logout_redirect_uris.iter().any(|registered| registered == uri) {
            let state: Vec<_> = params.get("state").map(|state| ("state", state)).into_iter().collect();
            let farewell = Farewell::Client(response_mode::location(uri, ResponseMode::Query, &state));
            return Ok((farewell, asks_first(app, &client)));
        }
    }
    Err(ErrorCode::InvalidRequest.because("The post_logout_redirect_uri is not one that the client has registered."))
}

/// What the confirmation page shows: who is signed in, and the name of the client that asked.
pub async fn confirmation(
    app: &App,
    challenge: &str,
    browser: Option<&Browser>,
) -> Result<(Option<String>, Option<String>)> {
    let logout = opened(app, Kind::LogoutChallenge, challenge, browser).await?;
    let session = app.store.session(logout.session, app.clock.now()).await?;
    let user = match &session {
        Some(session) => app.store.user(&session.subject).await?,
        None => None,
    };
    let client = match &logout.client {
        Some(id) => app.store.client(id).await?,
        None => None,
    };
    Ok((
        user.map(|user| user.email.unwrap_or(user.username)),
        client.map(|client| client.metadata().name(client.id.as_str()).to_owned()),
    ))
}

/// The person has confirmed: what they were asked about ends, and with it what they have been signed in by since, because
/// who signs out is to be signed out. Twice is as good as once: a confirmation that was used before ends nothing that
/// began after it.
pub async fn end(
    app: &App,
    challenge: &str,
    browser: Option<&Browser>,
    session: Option<SessionKey>,
) -> Result<SignedOut> {
    let logout = opened(app, Kind::LogoutChallenge, challenge, browser).await?;
    finish(app, logout, session).await
}

async fn finish(app: &App, logout: Logout, session: Option<SessionKey>) -> Result<SignedOut> {
    let ending = app.ending(app.clock.now());
    let session = present(app, session, ending.now).await?.map(|session| session.id);
    let mut ended = Vec::new();
    if let Some(named) = logout.named {
        ended.extend(app.store.end_session(named, ending).await?);
    }
    let asked = app.store.end_session(logout.session, ending).await?;
    let later = session.filter(|present| logout.is_here && *present != logout.session);
    let here = match later {
        Some(later) if asked.is_some() => {
            ended.extend(app.store.end_session(later, ending).await?);
            true
        }
        Some(_) => false,
        None => logout.is_here || session == Some(logout.session),
    };
    ended.extend(asked);
    let pages = front_channel::pages(app, &ended).await?;
    Ok(SignedOut { farewell: logout.farewell, here, pages })
}

async fn opened(app: &App, kind: Kind, sealed: &str, browser: Option<&Browser>) -> Result<Logout> {
    let logout: Logout =
        open(app, kind, sealed).await?.ok_or_else(|| ErrorCode::NotFound.because("This request is not known."))?;
    if !browser.is_some_and(|browser| browser.is(&logout.browser)) {
        return Err(
            ErrorCode::RequestForbidden.because("This page belongs to another browser, or cookies are blocked.")
        );
    }
    if logout.expires_at(app) <= app.clock.now() {
        return Err(ErrorCode::AlreadyHandled.because("This page has expired."));
    }
    Ok(logout)
}

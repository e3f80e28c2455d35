//! Signing in by password, for the built-in login page.

use std::sync::Arc;
use std::time::Duration;

use super::visitor::Visitor;
use super::{Browser, Flow, account, handled, proven_client, url};
use crate::app::App;
use crate::attempts::TooMany;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::oauth::acr;
use crate::oauth::authorization_request::AuthorizationRequest;
use crate::oauth::server_metadata::path;
use crate::oauth::{Error, ErrorCode, Result};
use crate::password::PasswordError;
use crate::seal::Kind;
use crate::secret::Secret;
use crate::store::client::Client;
use crate::store::db::Json;
use crate::store::decision::Decision;
use crate::store::interaction::By;
use crate::store::session::{Entered, Session, SessionKey};
use crate::store::user::{User, canonical};

/// What a login page shows: the client that has asked for the login, and with what; nothing where a page of ours has.
pub struct LoginPage(pub Option<(Arc<Client>, AuthorizationRequest)>);

/// What is typed on it.
pub struct Credentials<'a> {
    pub name: &'a str,
    pub password: &'a Secret,
    /// "Keep me signed in."
    pub remember: bool,
}

/// Somebody is signed in.
pub struct SignedIn {
    pub session: SessionKey,
    /// How long the browser keeps it; `None`: until it is closed.
    pub life: Option<Duration>,
    /// The browser, now known to the account.
    pub browser: Browser,
    pub redirect_to: String,
}

/// Why nobody is.
#[derive(Debug)]
pub enum SignInFailure {
    /// The one answer to an unknown name, a wrong password and a disabled account.
    Wrong,
    /// The account or the address has to wait.
    TooMany(TooMany),
    /// Not to be mended on the page.
    Refused(Error),
}

impl<E: Into<Error>> From<E> for SignInFailure {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Where a login leads.
enum Goal {
    /// To the client that has asked for it.
    Client(Box<Flow>, Arc<Client>),
    /// To the account page.
    Account(account::Login),
}

impl Goal {
    async fn open(app: &App, challenge: &str, browser: Option<&Browser>, now: Timestamp) -> Result<Self> {
        if let Some(login) = account::Login::open(app, challenge, browser, now).await? {
            return Ok(Self::Account(login));
        }
        let flow = Flow::open(app, Kind::LoginChallenge, challenge, browser, now).await?;
        let client = proven_client(app, &flow.request).await?;
        Ok(Self::Client(Box::new(flow), client))
    }

    /// The name by which it knows the browser.
    fn browser(&self) -> [u8; 16] {
        match self {
            Self::Client(flow, _) => flow.browser,
            Self::Account(login) => login.browser,
        }
    }
}

/// Opens a login challenge for its page.
pub async fn login_page(app: &App, challenge: &str, browser: Option<&Browser>) -> Result<LoginPage> {
    Ok(LoginPage(match Goal::open(app, challenge, browser, app.clock.now()).await? {
        Goal::Client(flow, client) => Some((client, flow.request)),
        Goal::Account(_) => None,
    }))
}

/// Judges a name and a password. Attempts count from before the password is looked at until it was right.
pub async fn sign_in(
    app: &App,
    challenge: &str,
    visitor: &Visitor,
    given: Credentials<'_>,
) -> Result<SignedIn, SignInFailure> {
    let now = app.clock.now();
    let goal = Goal::open(app, challenge, visitor.browser.as_ref(), now).await?;
    let by_address = visitor.attempt(app).await?;
    let user = app.store.user_by_name(given.name).await?;
    let account = user.as_ref().map_or_else(|| canonical(given.name), |user| user.id.to_string());
    let guess = visitor.guess(app, by_address, account, user.as_ref().map(|user| &user.id)).await?;
    let user = match check(app, user, given.password).await {
        Err(busy @ SignInFailure::Refused(_)) => {
            guess.was_not_judged();
            return Err(busy);
        }
        judged => judged?,
    };

    let session = Session {
        id: SessionId::new(now),
        subject: user.id.clone(),
        // Never before the cut-off of earlier sign-ins, whoever's clock is behind.
        authenticated_at: now.max(user.tokens_valid_from),
        acr: Some(acr::PASSWORD.to_owned()),
        amr: Json(vec!["pwd".to_owned()]),
        remembered: given.remember,
        created_at: now,
        expires_at: now + session_life(app, given.remember),
        identity_provider_session_id: None,
        user_agent: visitor.place.user_agent.clone(),
        address: visitor.place.address.clone(),
        used_at: None,
    };
    let decided = match &goal {
        Goal::Client(flow, _) => Some(flow.decided(app, Some(&user.id), By::Page)),
        Goal::Account(_) => None,
    };
    let session = match app.store.sign_in(&session, &user, visitor.session, decided).await? {
        Entered::In(session) => session,
        Entered::Changed => return Err(SignInFailure::Wrong),
        Entered::Handled => {
            guess.was_right();
            return Err(handled().into());
        }
    };
    guess.was_right();
    let mut browser = visitor.browser.clone().unwrap_or_default().named(goal.browser());
    browser.remember(&user.id);
    Ok(SignedIn {
        session: session.key(),
        life: life(&session, now),
        browser,
        redirect_to: match &goal {
            Goal::Client(flow, _) => url(app, path::AUTHORIZATION, "login_verifier", &verifier(app, flow)?),
            Goal::Account(_) => account::address(app),
        },
    })
}

/// How long a browser keeps the session.
pub(super) fn life(session: &Session, now: Timestamp) -> Option<Duration> {
    session.remembered.then(|| session.expires_at.since(now))
}

fn session_life(app: &App, remember: bool) -> Duration {
    let remembered = app.config.ttl.authentication_session;
    if remember { remembered } else { remembered.min(app.config.accounts.unremembered_session) }
}

/// The person, if the password is theirs. An unknown name costs the same time.
async fn check(app: &App, user: Option<User>, password: &Secret) -> Result<User, SignInFailure> {
    let stored = user.as_ref().and_then(|user| user.password_hash.as_deref());
    let verdict = app.guard.passwords.verify(password, stored).await.map_err(busy)?;
    let Some(user) = user.filter(|user| verdict.matches && !user.disabled) else { return Err(SignInFailure::Wrong) };
    if verdict.rehash {
        rehash(app, &user, password).await;
    }
    Ok(user)
}

pub(super) fn busy(error: PasswordError) -> Error {
    ErrorCode::TemporarilyUnavailable
        .because("Too many people are signing in at the moment. Please try again.")
        .retry_after(2)
        .caused_by(error)
}

/// Today's parameters in place of yesterday's; a failure to do so is not the person's concern.
async fn rehash(app: &App, user: &User, password: &Secret) {
    let Some(old) = user.password_hash.as_deref() else { return };
    let Ok(new) = app.guard.passwords.hash(password).await else { return };
    if let Err(error) = app.store.rehash_password(&user.id, old, &new).await {
        tracing::warn!(%error, user = %user.id, "the password could not be hashed anew");
    }
}

/// The person turns back: the client is told so. From a page of ours there is nobody to tell.
pub async fn refuse_login(app: &App, challenge: &str, browser: Option<&Browser>) -> Result<String> {
    let flow = match Goal::open(app, challenge, browser, app.clock.now()).await? {
        Goal::Client(flow, _) => flow,
        Goal::Account(_) => return Ok(app.config.urls.public.clone()),
    };
    let login = Decision::Rejected {
        error: ErrorCode::AccessDenied.as_str().to_owned(),
        description: "The person did not sign in.".to_owned(),
    };
    if !app.store.decide_login(flow.decided(app, None, By::Page), &login).await? {
        return Err(handled());
    }
    Ok(url(app, path::AUTHORIZATION, "login_verifier", &verifier(app, &flow)?))
}

fn verifier(app: &App, flow: &Flow) -> Result<String> {
    Ok(app.keys.live()?.sealer.seal(Kind::LoginVerifier, flow))
}

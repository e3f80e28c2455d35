//! Signing in by password, for the built-in login page.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Browser, Flow, handled, proven_client, url};
use crate::app::App;
use crate::attempts::{TooMany, household};
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
use crate::store::decision::{Decision, How, LoginDecision};
use crate::store::interaction::By;
use crate::store::session::Session;
use crate::store::user::{User, canonical};

/// What a login page shows.
pub struct LoginPage {
    pub client: Arc<Client>,
    pub request: AuthorizationRequest,
}

/// Somebody is signed in.
pub struct SignedIn {
    pub session: SessionId,
    pub remembered: bool,
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

/// Opens a login challenge for its page.
pub async fn login_page(app: &App, challenge: &str, browser: Option<&Browser>) -> Result<LoginPage> {
    let flow = Flow::open(app, Kind::LoginChallenge, challenge, browser, app.clock.now()).await?;
    let client = proven_client(app, &flow.request).await?;
    Ok(LoginPage { client, request: flow.request })
}

/// Judges a name and a password. Attempts count from before the password is looked at until it was right.
pub async fn sign_in(
    app: &App,
    challenge: &str,
    browser: Option<&Browser>,
    name: &str,
    password: &Secret,
    remember: bool,
    address: IpAddr,
) -> Result<SignedIn, SignInFailure> {
    let now = app.clock.now();
    let flow = Flow::open(app, Kind::LoginChallenge, challenge, browser, now).await?;
    proven_client(app, &flow.request).await?;
    let by_address = app.guard.per_address.begin(household(address)).await.map_err(SignInFailure::TooMany)?;
    let user = app.store.user_by_name(name).await?;
    // A device where the account has signed in before has a budget of its own: strangers can not lock its owner out.
    let known = user.as_ref().is_some_and(|user| browser.is_some_and(|browser| browser.knows(&user.id)));
    let account = user.as_ref().map_or_else(|| canonical(name), |user| user.id.to_string());
    let by_account = match known {
        true => app.guard.per_account.begin((account, flow.browser)).await,
        false => app.guard.per_account.begin(account).await,
    }
    .map_err(SignInFailure::TooMany)?;
    let user = check(app, user, password).await?;

    let session = Session {
        id: SessionId::new(now),
        subject: user.id.clone(),
        // Never before the cut-off of earlier sign-ins, whoever's clock is behind.
        authenticated_at: now.max(user.tokens_valid_from),
        acr: Some(acr::PASSWORD.to_owned()),
        amr: Json(vec!["pwd".to_owned()]),
        remembered: remember,
        created_at: now,
        expires_at: now + session_life(app, remember),
        identity_provider_session_id: None,
        user_agent: None,
        address: None,
        used_at: None,
    };
    if !app.store.insert_session(&session, &user).await? {
        return Err(SignInFailure::Wrong);
    }
    by_account.succeeded();
    by_address.succeeded();
    let login = Decision::Accepted(LoginDecision { session: session.id, how: How::Here, context: None, forced: None });
    if !app.store.decide_login(flow.decided(app, Some(&user.id), By::Page), &login).await? {
        // A flow that is decided twice leaves no second session behind.
        app.store.end_session(session.id, app.ending(now)).await?;
        return Err(handled().into());
    }
    let mut browser = browser.cloned().unwrap_or_default().named(flow.browser);
    browser.remember(&user.id);
    Ok(SignedIn {
        session: session.id,
        remembered: remember,
        browser,
        redirect_to: url(app, path::AUTHORIZATION, "login_verifier", &verifier(app, &flow)?),
    })
}

fn session_life(app: &App, remember: bool) -> std::time::Duration {
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

fn busy(error: PasswordError) -> Error {
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

/// The person turns back: the client is told so.
pub async fn refuse_login(app: &App, challenge: &str, browser: Option<&Browser>) -> Result<String> {
    let now: Timestamp = app.clock.now();
    let flow = Flow::open(app, Kind::LoginChallenge, challenge, browser, now).await?;
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

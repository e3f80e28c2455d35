//! The logout app's part.

use std::sync::Arc;

use crate::app::App;
use crate::clock::Timestamp;
use crate::flow::end_session::Logout;
use crate::flow::{token, url};
use crate::id::{SessionId, Subject};
use crate::oauth::server_metadata::path;
use crate::oauth::{ErrorCode, Result};
use crate::seal::Kind;
use crate::store::client::Client;

/// A logout request, as its app sees it.
pub struct LogoutAsked {
    pub subject: Option<Subject>,
    pub session: SessionId,
    /// As the browser sent it.
    pub request_url: String,
    /// Whether a client has asked, and has proven whose session it is by an ID token.
    pub rp_initiated: bool,
    pub client: Option<Arc<Client>>,
    pub requested_at: Timestamp,
    pub expires_at: Timestamp,
}

pub async fn logout_request(app: &App, challenge: &str) -> Result<LogoutAsked> {
    let now = app.clock.now();
    let logout = opened(app, challenge, now).await?;
    let session = app.store.session(logout.session, now).await?;
    // One that has proven nothing is not shown: what it has registered (`skip_logout_consent`) would speak for it.
    let client = match logout.client.as_ref().filter(|_| logout.is_hinted) {
        Some(id) => app.store.client(id).await?,
        None => None,
    };
    let query = if logout.query.is_empty() { String::new() } else { format!("?{}", logout.query) };
    Ok(LogoutAsked {
        subject: session.map(|session| session.subject),
        session: logout.session,
        request_url: format!("{}{}{query}", app.config.urls.public, path::END_SESSION),
        rp_initiated: logout.is_hinted,
        client,
        requested_at: logout.requested_at,
        expires_at: logout.expires_at(app),
    })
}

/// The person wants it. Where the browser goes: the session ends once it is there, because it is the browser's.
pub async fn accept_logout(app: &App, challenge: &str) -> Result<String> {
    let logout = opened(app, challenge, app.clock.now()).await?;
    let verifier = app.keys.live()?.sealer.seal(Kind::LogoutVerifier, &logout);
    tracing::info!(session = %logout.session, "a logout was accepted by the admin API");
    Ok(url(app, path::END_SESSION, "logout_verifier", &verifier))
}

/// The person does not. Nothing is kept of it: where the browser goes is the app's to say.
pub async fn reject_logout(app: &App, challenge: &str) -> Result<()> {
    opened(app, challenge, app.clock.now()).await.map(|_| ())
}

async fn opened(app: &App, challenge: &str, now: Timestamp) -> Result<Logout> {
    let logout: Logout = token::open(app, Kind::LogoutChallenge, challenge)
        .await?
        .ok_or_else(|| ErrorCode::NotFound.because("This request is not known."))?;
    if logout.expires_at(app) <= now {
        return Err(ErrorCode::RequestUnauthorized.because("The logout request has expired, please try again."));
    }
    Ok(logout)
}

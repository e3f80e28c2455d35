//! The account page: what people see of where they are signed in and of the applications that they have connected, and what
//! they can end there.

mod change_password;
mod login;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use change_password::{Change, ChangeFailure, Changed, change_password};
pub use login::Login;

use super::{Browser, Visitor, open, reusable, used};
use crate::app::App;
use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId};
use crate::oauth::scope::Scope;
use crate::oauth::{ErrorCode, Result};
use crate::seal::Kind;
use crate::store::client::Client;
use crate::store::session::{Session, SessionKey};
use crate::store::user::User;

/// Sessions and applications that are shown, the newest.
pub const MOST: usize = 100;

/// All that the page shows.
pub struct Overview {
    /// The name under which the person knows the account.
    pub account: String,
    pub current: Session,
    /// The others, newest first.
    pub sessions: Vec<Session>,
    pub has_more_sessions: bool,
    pub applications: Vec<Connected>,
    pub has_more_applications: bool,
    /// The person has an account here, with a password of its own.
    pub has_password: bool,
    /// What the page's forms are sent with.
    pub form: String,
    pub now: Timestamp,
}

/// An application that the person has allowed something.
pub struct Connected {
    pub client: Arc<Client>,
    pub scope: Scope,
    pub since: Timestamp,
}

/// What the page has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    SessionEnded,
    OthersEnded(u64),
    Disconnected,
    PasswordChanged,
}

/// What a person wants ended.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    EndSession(&'a str),
    EndOthers,
    /// All that a client was allowed.
    Disconnect(&'a str),
}

/// Binds a form to the browser and the session that it was shown to, so that nobody else can have made it.
#[derive(Serialize, Deserialize)]
struct Form {
    browser: [u8; 16],
    session: SessionKey,
}

/// Where the page is.
pub fn address(app: &App) -> String {
    format!("{}/account", app.config.urls.public)
}

/// An operator may do without it.
pub fn is_there(app: &App) -> Result<()> {
    match app.config.accounts.page {
        true => Ok(()),
        false => Err(ErrorCode::NotFound.because("There is no account page here.")),
    }
}

/// What the page shows to whoever is signed in in this browser; `None`: nobody is.
pub async fn overview(app: &App, browser: &Browser, visitor: &Visitor) -> Result<Option<Overview>> {
    let now = app.clock.now();
    let Some(current) = reusable(app, visitor.session, now).await? else { return Ok(None) };
    used(app, &current, &visitor.place, now).await;
    let subject = &current.subject;
    let user = app.store.user(subject).await?;
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    // The one that is here may be any of them.
    let mut sessions = app.store.sessions_of(subject, None, most + 2, now).await?;
    sessions.retain(|session| session.id != current.id);
    let has_more_sessions = sessions.len() > MOST;
    sessions.truncate(MOST);
    let (applications, has_more_applications) = applications(app, &current, now).await?;
    Ok(Some(Overview {
        account: name(&current, user.as_ref()),
        form: app.keys.live()?.sealer.seal(Kind::AccountForm, &Form { browser: browser.id, session: current.key() }),
        has_password: user.is_some_and(|user| user.password_hash.is_some()),
        current,
        sessions,
        has_more_sessions,
        applications,
        has_more_applications,
        now,
    }))
}

fn name(session: &Session, user: Option<&User>) -> String {
    match user {
        Some(user) => user.email.as_ref().unwrap_or(&user.username).clone(),
        None => session.subject.to_string(),
    }
}

/// Each client once, with all that it was allowed, and whether there are more.
async fn applications(app: &App, session: &Session, now: Timestamp) -> Result<(Vec<Connected>, bool)> {
    let mut found: Vec<Connected> = Vec::new();
    for connection in app.store.connected_clients(&session.subject, now).await? {
        if let Some(known) = found.iter_mut().find(|known| known.client.id == connection.client_id) {
            known.scope = known.scope.iter().chain(connection.scope.iter()).collect();
            known.since = known.since.min(connection.since);
            continue;
        }
        if found.len() == MOST {
            return Ok((found, true));
        }
        // One that was deleted just now is connected to nobody.
        if let Some(client) = app.store.client(&connection.client_id).await? {
            found.push(Connected { client, scope: connection.scope, since: connection.since });
        }
    }
    Ok((found, false))
}

/// Whoever has sent a form of the page; `None`: nobody is signed in here any more. The form must be one that was shown to
/// this browser, in this session.
async fn sender(app: &App, visitor: &Visitor, form: &str, now: Timestamp) -> Result<Option<Session>> {
    let not_ours = || {
        ErrorCode::RequestForbidden
            .because("This form is of another browser or of an earlier sign-in. Nothing was done.")
    };
    let form: Form = open(app, Kind::AccountForm, form).await?.ok_or_else(not_ours)?;
    if !visitor.browser.as_ref().is_some_and(|browser| browser.is(&form.browser)) {
        return Err(not_ours());
    }
    match reusable(app, visitor.session, now).await? {
        Some(session) if session.key() == form.session => Ok(Some(session)),
        Some(_) => Err(not_ours()),
        None => Ok(None),
    }
}

/// Ends what the person wants ended, of their own and nobody else's. Where the browser goes.
pub async fn act(app: &App, visitor: &Visitor, form: &str, action: Action<'_>) -> Result<String> {
    let now = app.clock.now();
    let Some(session) = sender(app, visitor, form, now).await? else { return Ok(address(app)) };
    let (subject, ending) = (&session.subject, app.ending(now));
    let notice = match action {
        Action::EndSession(id) => {
            let gone = || ErrorCode::NotFound.because("That session has ended already, or it is not one of yours.");
            let id: SessionId = id.parse().map_err(|_| gone())?;
            // Whose a session is never changes.
            let theirs = app.store.session(id, now).await?.is_some_and(|found| found.subject == *subject);
            if !theirs || app.store.end_session(id, ending).await?.is_none() {
                return Err(gone());
            }
            tracing::info!(%subject, session = %id, "a person has ended a session");
            Notice::SessionEnded
        }
        Action::EndOthers => {
            let ended = app.store.end_sessions_of(subject, Some(session.id), ending).await?;
            tracing::info!(%subject, sessions = ended, "a person has ended all other sessions");
            Notice::OthersEnded(ended)
        }
        Action::Disconnect(client) => {
            let client = ClientId::new(client);
            let grants = app.store.revoke_consents(subject, Some(&client), ending).await?;
            tracing::info!(%subject, %client, grants, "a person has revoked what a client was allowed");
            Notice::Disconnected
        }
    };
    told(app, &session, notice)
}

/// The page, with word of what was done.
fn told(app: &App, session: &Session, notice: Notice) -> Result<String> {
    let notice = app.keys.live()?.sealer.seal(Kind::AccountNotice, &(session.id, notice));
    Ok(format!("{}?notice={notice}", address(app)))
}

/// What the page has done in this session. No link of anybody else's says so.
pub async fn notice(app: &App, session: &Session, sealed: &str) -> Result<Option<Notice>> {
    let notice: Option<(SessionId, Notice)> = open(app, Kind::AccountNotice, sealed).await?;
    Ok(notice.filter(|(id, _)| *id == session.id).map(|(_, notice)| notice))
}

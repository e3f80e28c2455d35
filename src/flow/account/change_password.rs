//! A person changes their own password.

use std::time::Duration;

use super::{Notice, sender, told};
use crate::app::App;
use crate::flow::chosen_password;
use crate::flow::sign_in::{SignInFailure, busy, life};
use crate::flow::visitor::Visitor;
use crate::oauth::{Error, ErrorCode};
use crate::secret::Secret;
use crate::store::session::{Session, SessionKey};

/// What is typed.
pub struct Change<'a> {
    pub current: &'a Secret,
    pub new: &'a Secret,
    pub again: &'a Secret,
}

/// The password is another one.
pub struct Changed {
    /// The cookie of the session that goes on; `None`: nobody is signed in here any more, and nothing was changed.
    pub session: Option<(SessionKey, Option<Duration>)>,
    pub redirect_to: String,
}

/// Why it is not.
#[derive(Debug)]
pub enum ChangeFailure {
    /// The new password can not be one: why, in words for the person.
    New(Error),
    /// The current password is wrong, there were too many attempts, or it is not to be mended on the page.
    Current(SignInFailure),
}

impl<E: Into<Error>> From<E> for ChangeFailure {
    fn from(error: E) -> Self {
        Self::Current(SignInFailure::Refused(error.into()))
    }
}

/// Whoever knows the current password sets a new one. Every other session and every grant ends: what the old password has
/// opened, whoever knew it. Guesses count as those at the login page do.
pub async fn change_password(
    app: &App,
    visitor: &Visitor,
    form: &str,
    change: Change<'_>,
) -> Result<Changed, ChangeFailure> {
    let now = app.clock.now();
    let signed_out = || Changed { session: None, redirect_to: super::address(app) };
    let Some(session) = sender(app, visitor, form, now).await? else { return Ok(signed_out()) };
    let user = app.store.user(&session.subject).await?.filter(|user| user.password_hash.is_some());
    let user = user.ok_or_else(|| ErrorCode::NotFound.because("You have no password here."))?;
    let no_use = |error: Error| match error.status {
        400 => ChangeFailure::New(error),
        _ => error.into(),
    };
    if change.new != change.again {
        return Err(no_use(ErrorCode::InvalidRequest.because("The two new passwords are not the same.")));
    }
    chosen_password::check(app, change.new).map_err(no_use)?;

    let by_address = visitor.attempt(app).await.map_err(ChangeFailure::Current)?;
    let guess = visitor.guess(app, by_address, user.id.to_string(), Some(&user.id)).await;
    let guess = guess.map_err(ChangeFailure::Current)?;
    let verdict = match app.guard.passwords.verify(change.current, user.password_hash.as_deref()).await {
        Ok(verdict) => verdict,
        Err(error) => {
            guess.was_not_judged();
            return Err(busy(error).into());
        }
    };
    if !verdict.matches {
        return Err(ChangeFailure::Current(SignInFailure::Wrong));
    }
    guess.was_right();
    let hash = chosen_password::hash(app, change.new).await.map_err(no_use)?;
    let Some(key) = app.store.change_password(&user, &hash, session.key(), app.ending(now)).await? else {
        // It was changed at this moment, or the session ended: the page shows what is true now.
        return Ok(signed_out());
    };
    tracing::info!(subject = %user.id, "a person has changed their password");
    let session = Session { authenticated_at: key.authenticated_at, ..session };
    Ok(Changed {
        session: Some((key, life(&session, now))),
        redirect_to: told(app, &session, Notice::PasswordChanged)?,
    })
}

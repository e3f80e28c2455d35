//! Sessions: a person signed in, in one browser.

mod beginning;
mod ending;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Store;
use super::db::{Json, Result, Tx, row, sql};
use super::decision::KeptLogin;
use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId, Subject};
pub use beginning::Entered;
pub(super) use beginning::begin_elsewhere;
pub(super) use ending::end_all;
pub use ending::{EndedSession, Ending};

row! {
    /// A person's session.
    #[derive(Clone, Debug)]
    pub struct Session {
        pub id: SessionId,
        pub subject: Subject,
        pub authenticated_at: Timestamp,
        pub acr: Option<String>,
        pub amr: Json<Vec<String>>,
        pub remembered: bool,
        pub created_at: Timestamp,
        pub expires_at: Timestamp,
        /// The session's id at the provider that another login app uses, as that app has said.
        pub identity_provider_session_id: Option<String>,
        /// The browser that it was used in last, as it calls itself.
        pub user_agent: Option<String>,
        /// Where it was used last, and when; `None`: not since it began.
        pub address: Option<String>,
        pub used_at: Option<Timestamp>,
    }
}

impl Session {
    pub fn key(&self) -> SessionKey {
        SessionKey { id: self.id, authenticated_at: self.authenticated_at }
    }
}

/// What opens a session: its id, and when its person signed in last. The cookie has both: one from before a later sign-in
/// opens nothing, so that whoever has copied it gains nothing by that sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionKey {
    pub id: SessionId,
    pub authenticated_at: Timestamp,
}

/// Where a session is used, as far as a request tells. It is shown, and nothing is judged by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub user_agent: Option<String>,
    pub address: Option<String>,
}

/// A page of a person's sessions.
const PAGE: i64 = 100;

/// How often it is noted that a session is used.
const NOTED_EVERY: Duration = Duration::from_mins(5);

/// Changes what another app says of a session that it has found good enough; one that has ended stays so, and none ends
/// earlier for it.
pub(super) async fn keep(tx: &mut Tx, id: SessionId, kept: &KeptLogin, now: Timestamp) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE sessions SET acr = COALESCE($2, acr), amr = COALESCE($3, amr),
                expires_at = CASE WHEN CAST($4 AS BIGINT) > expires_at THEN CAST($4 AS BIGINT) ELSE expires_at END
          WHERE id = $1 AND expires_at > $5",
        id,
        kept.acr.as_deref(),
        (!kept.amr.is_empty()).then_some(Json(&kept.amr)),
        kept.expires_at,
        now,
    )?;
    Ok(())
}

impl Store {
    /// The session, if it has not ended and its user is neither disabled nor cut off.
    pub async fn session(&self, id: SessionId, now: Timestamp) -> Result<Option<Session>> {
        sql!(
            self,
            fetch_optional,
            "SELECT * FROM sessions WHERE id = $1 AND expires_at > $2
                AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = sessions.subject
                                 AND (u.disabled OR u.tokens_valid_from > sessions.authenticated_at))",
            id,
            now,
        )
    }

    /// The session that a cookie opens.
    pub async fn session_by(&self, key: SessionKey, now: Timestamp) -> Result<Option<Session>> {
        Ok(self.session(key.id, now).await?.filter(|session| session.key() == key))
    }

    /// Notes that a session is used, and where; not again within a few minutes. One that has ended meanwhile stays so.
    pub async fn session_was_used(&self, session: &Session, place: &Place, now: Timestamp) -> Result<()> {
        let noted_before = now - NOTED_EVERY;
        if session.used_at.unwrap_or(session.created_at) > noted_before {
            return Ok(());
        }
        sql!(
            self,
            execute,
            "UPDATE sessions SET used_at = $2, address = COALESCE($3, address), user_agent = COALESCE($4, user_agent)
              WHERE id = $1 AND COALESCE(used_at, created_at) <= $5",
            session.id,
            now,
            place.address.as_deref(),
            place.user_agent.as_deref(),
            noted_before,
        )?;
        Ok(())
    }

    /// Whether a client was given anything in this session.
    pub async fn session_gave(&self, id: SessionId, client: &ClientId) -> Result<bool> {
        sql!(self, scalar, "SELECT EXISTS (SELECT 1 FROM grants WHERE session_id = $1 AND client_id = $2)", id, client)
    }

    /// A person's sessions that have not ended, newest first, from the one after `before` on.
    pub async fn sessions_of(
        &self,
        subject: &Subject,
        before: Option<&str>,
        most: i64,
        now: Timestamp,
    ) -> Result<Vec<Session>> {
        sql!(
            self,
            fetch_all,
            "SELECT * FROM sessions WHERE subject = $1 AND expires_at > $2 AND (CAST($3 AS TEXT) IS NULL OR id < $3)
                AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = sessions.subject
                                 AND (u.disabled OR u.tokens_valid_from > sessions.authenticated_at))
              ORDER BY id DESC LIMIT $4",
            subject,
            now,
            before,
            most,
        )
    }
}

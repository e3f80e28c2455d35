//! Sessions: a person signed in, in one browser.

mod ending;

use super::Store;
use super::db::{Json, Result, Tx, row, sql};
use super::decision::{KeptLogin, NewLogin};
use super::user::User;
use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId, Subject};
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
        /// The browser that it began in, as it calls itself.
        pub user_agent: Option<String>,
        /// Where it was used last, and when; `None`: not since it began.
        pub address: Option<String>,
        pub used_at: Option<Timestamp>,
    }
}

/// A page of a person's sessions.
const PAGE: i64 = 100;

/// Begins the session of a person whom another app has recognised, who needs no account here. One that has an account
/// must not have been disabled or cut off since: such a session would be dead at once (`Store::session`).
pub(super) async fn begin_elsewhere(tx: &mut Tx, id: SessionId, new: &NewLogin, now: Timestamp) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO sessions (id, subject, authenticated_at, acr, amr, remembered, created_at, expires_at,
                identity_provider_session_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
        id,
        &new.subject,
        new.authenticated_at,
        new.acr.as_deref(),
        Json(&new.amr),
        new.remembered,
        now,
        new.expires_at,
        new.identity_provider_session_id.as_deref(),
    )?;
    Ok(())
}

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
    /// Begins a session for a person as they were when their password was looked at: not where they have been given
    /// another, disabled or deleted since, which takes longer to find out than to do. The row is held meanwhile, so that
    /// whoever does it at this moment finds the session.
    pub async fn insert_session(&self, session: &Session, user: &User) -> Result<bool> {
        let mut tx = self.begin().await?;
        let unchanged = sql!(
            &mut tx,
            execute,
            "UPDATE users SET tokens_valid_from = tokens_valid_from
              WHERE id = $1 AND tokens_valid_from = $2 AND disabled = FALSE",
            &user.id,
            user.tokens_valid_from,
        )?;
        if unchanged == 0 {
            return Ok(false);
        }
        sql!(
            &mut tx,
            execute,
            "INSERT INTO sessions (id, subject, authenticated_at, acr, amr, remembered, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            session.id,
            &session.subject,
            session.authenticated_at,
            session.acr.as_deref(),
            &session.amr,
            session.remembered,
            session.created_at,
            session.expires_at,
        )?;
        tx.commit().await?;
        Ok(true)
    }

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

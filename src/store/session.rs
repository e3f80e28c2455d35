//! Sessions: a person signed in, in one browser.

use super::Store;
use super::db::{Json, Result, row, sql};
use super::user::User;
use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId, Subject};

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
    }
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

    /// Ends a session. With it die its codes and the grants that were not meant to outlive it (no `offline_access`).
    /// Whether this call ended it: of two at once, one did.
    pub async fn end_session(&self, id: SessionId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let ended = sql!(&mut tx, execute, "DELETE FROM sessions WHERE id = $1", id)?;
        sql!(
            &mut tx,
            execute,
            "UPDATE grants SET revoked_at = $2
              WHERE session_id = $1 AND revoked_at IS NULL
                AND (code_redeemed_at IS NULL OR refresh_expires_at IS NULL)",
            id,
            now,
        )?;
        tx.commit().await?;
        Ok(ended == 1)
    }
}

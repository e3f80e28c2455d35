//! Sessions: a person signed in, in one browser.

use super::Store;
use super::db::{Json, Result, row, sql};
use crate::clock::Timestamp;
use crate::id::{SessionId, Subject};

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
    /// A sign-in is never older than the cut-off of the person's earlier ones, whoever's clock is behind.
    pub async fn insert_session(&self, session: &Session) -> Result<()> {
        sql!(
            self,
            execute,
            "INSERT INTO sessions (id, subject, authenticated_at, acr, amr, remembered, created_at, expires_at)
             SELECT CAST($1 AS TEXT), CAST($2 AS TEXT),
                    CASE WHEN cut.off > $3 THEN cut.off ELSE CAST($3 AS BIGINT) END, CAST($4 AS TEXT),
                    CAST($5 AS TEXT), CAST($6 AS BOOLEAN), CAST($7 AS BIGINT), CAST($8 AS BIGINT)
               FROM (SELECT COALESCE((SELECT tokens_valid_from FROM users WHERE id = $2), 0) AS off) AS cut",
            session.id,
            &session.subject,
            session.authenticated_at,
            session.acr.as_deref(),
            &session.amr,
            session.remembered,
            session.created_at,
            session.expires_at,
        )?;
        Ok(())
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

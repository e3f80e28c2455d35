//! How sessions end: with what they gave, and with a word to the clients that they gave it to.

use std::time::Duration;

use serde_json::json;

use super::PAGE;
use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId, Subject};
use crate::store::audit::{self, Action};
use crate::store::db::{Result, Tx, sql};
use crate::store::{Store, logout_token};

/// How a session ends, as the configuration has it.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    pub now: Timestamp,
    /// Grants that were not meant to outlive it (no `offline_access`) end with it. Its codes do in any case.
    pub revokes: bool,
    /// How long clients are tried to be told.
    pub tells_for: Duration,
}

/// A session that one call has ended, and no other.
#[derive(Clone, Debug)]
pub struct EndedSession {
    pub id: SessionId,
    pub subject: Subject,
    /// Those that were given something in it.
    pub clients: Vec<ClientId>,
}

impl Store {
    /// Ends a session. With it die its codes and the grants that were not meant to outlive it, and its clients are to be
    /// told in the same transaction. Of two calls at once, one is answered with the session.
    pub async fn end_session(&self, id: SessionId, ending: Ending) -> Result<Option<EndedSession>> {
        let mut tx = self.begin().await?;
        let ended = end(&mut tx, id, ending).await?;
        if let Some(ended) = &ended {
            let told = json!({ "subject": ended.subject, "clients": ended.clients });
            audit::record(&mut tx, Action::SessionEnded, &id.to_string(), Some(told), None).await?;
        }
        tx.commit().await?;
        self.0.logout_tokens_due.notify_one();
        Ok(ended)
    }

    /// Ends all sessions of a person but `kept`, each as [`Store::end_session`] does, and what has been decided for them
    /// and would begin one. How many sessions.
    pub async fn end_sessions_of(&self, subject: &Subject, kept: Option<SessionId>, ending: Ending) -> Result<u64> {
        sql!(self, execute, "DELETE FROM interactions WHERE subject = $1", subject)?;
        let mut ended = 0;
        loop {
            let ids: Vec<(SessionId,)> = sql!(
                self,
                fetch_all,
                "SELECT id FROM sessions WHERE subject = $1 AND (CAST($2 AS TEXT) IS NULL OR id <> $2) LIMIT $3",
                subject,
                kept,
                PAGE,
            )?;
            for (id,) in &ids {
                ended += u64::from(self.end_session(*id, ending).await?.is_some());
            }
            if ids.is_empty() {
                return Ok(ended);
            }
        }
    }
}

/// The session's row goes first: whoever gives something in it holds that row meanwhile, so that all that was given is
/// seen afterwards.
async fn end(tx: &mut Tx, id: SessionId, ending: Ending) -> Result<Option<EndedSession>> {
    let ended = end_row(tx, id, ending).await?;
    revoke(tx, id, ending).await?;
    Ok(ended)
}

async fn end_row(tx: &mut Tx, id: SessionId, ending: Ending) -> Result<Option<EndedSession>> {
    let subject: Option<Subject> =
        sql!(&mut *tx, scalar_optional, "DELETE FROM sessions WHERE id = $1 RETURNING subject", id)?;
    match subject {
        Some(subject) => told(tx, id, subject, ending).await.map(Some),
        None => Ok(None),
    }
}

/// The codes of a session, and the grants that end with it.
async fn revoke(tx: &mut Tx, id: SessionId, ending: Ending) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE grants SET revoked_at = $2
          WHERE session_id = $1 AND revoked_at IS NULL
            AND (code_redeemed_at IS NULL OR (refresh_expires_at IS NULL AND $3))",
        id,
        ending.now,
        ending.revokes,
    )?;
    Ok(())
}

/// All sessions of a person but `kept`, in one transaction.
pub(in crate::store) async fn end_all(
    tx: &mut Tx,
    subject: &Subject,
    kept: Option<SessionId>,
    ending: Ending,
) -> Result<()> {
    let ids: Vec<(SessionId,)> = sql!(
        &mut *tx,
        fetch_all,
        "SELECT id FROM sessions WHERE subject = $1 AND (CAST($2 AS TEXT) IS NULL OR id <> $2)",
        subject,
        kept,
    )?;
    // All their clients before all their grants, as where consents are revoked: nobody waits in a circle.
    for (id,) in &ids {
        end_row(tx, *id, ending).await?;
    }
    for (id,) in &ids {
        revoke(tx, *id, ending).await?;
    }
    Ok(())
}

/// Has the clients of a session that has ended told.
async fn told(tx: &mut Tx, id: SessionId, subject: Subject, ending: Ending) -> Result<EndedSession> {
    let clients: Vec<(ClientId,)> = sql!(
        &mut *tx,
        fetch_all,
        "SELECT client_id FROM session_clients WHERE session_id = $1
         UNION
         SELECT client_id FROM grants WHERE session_id = $1 AND code_redeemed_at IS NOT NULL AND revoked_at IS NULL",
        id,
    )?;
    sql!(&mut *tx, execute, "DELETE FROM session_clients WHERE session_id = $1", id)?;
    let clients: Vec<ClientId> = clients.into_iter().map(|(client,)| client).collect();
    for client in &clients {
        logout_token::enqueue(tx, client, &subject, Some(id), ending).await?;
    }
    Ok(EndedSession { id, subject, clients })
}

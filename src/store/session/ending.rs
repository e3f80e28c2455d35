//! How sessions end: with what they gave, and with a word to the clients that they gave it to.

use std::collections::BTreeSet;
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
        tx.commit().await?;
        self.0.logout_tokens_due.notify_one();
        Ok(ended)
    }

    /// Ends all sessions of a person but `kept`, each as [`Store::end_session`] does, and what has been decided for them
    /// and would begin one. How many sessions.
    pub async fn end_sessions_of(&self, subject: &Subject, kept: Option<SessionId>, ending: Ending) -> Result<u64> {
        let mut tx = self.begin().await?;
        let decided = sql!(&mut tx, execute, "DELETE FROM interactions WHERE subject = $1", subject)?;
        if decided > 0 {
            let told = json!({ "interactions": decided });
            audit::record(&mut tx, Action::InteractionsEnded, subject.as_str(), Some(told), None).await?;
        }
        tx.commit().await?;
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
    let subject: Option<Subject> =
        sql!(&mut *tx, scalar_optional, "DELETE FROM sessions WHERE id = $1 RETURNING subject", id)?;
    let ended = match subject {
        Some(subject) => Some(told(tx, id, subject, ending).await?),
        None => None,
    };
    let revoked = sql!(
        &mut *tx,
        execute,
        "UPDATE grants SET revoked_at = $2
          WHERE session_id = $1 AND revoked_at IS NULL
            AND (code_redeemed_at IS NULL OR (refresh_expires_at IS NULL AND $3))",
        id,
        ending.now,
        ending.revokes,
    )?;
    // Of one whose row has been swept there may be grants left.
    if ended.is_some() || revoked > 0 {
        let told = match &ended {
            Some(ended) => json!({ "subject": ended.subject, "clients": ended.clients, "grants": revoked }),
            None => json!({ "grants": revoked }),
        };
        audit::record(tx, Action::SessionEnded, &id.to_string(), Some(told), None).await?;
    }
    Ok(ended)
}

/// All sessions of a person but `kept`, in one transaction, whose grants are the caller's to end. However many there are,
/// only what clients are told is a statement each. Their rows are held first, and all their clients come before any grant,
/// as where consents are revoked: nobody waits in a circle.
pub(in crate::store) async fn end_all(
    tx: &mut Tx,
    subject: &Subject,
    kept: Option<SessionId>,
    ending: Ending,
) -> Result<()> {
    sql!(
        &mut *tx,
        execute,
        "UPDATE sessions SET expires_at = expires_at
          WHERE subject = $1 AND (CAST($2 AS TEXT) IS NULL OR id <> $2)",
        subject,
        kept,
    )?;
    let registered: Vec<(ClientId, SessionId)> = sql!(
        &mut *tx,
        fetch_all,
        "DELETE FROM session_clients
          WHERE session_id IN (SELECT id FROM sessions WHERE subject = $1 AND (CAST($2 AS TEXT) IS NULL OR id <> $2))
         RETURNING client_id, session_id",
        subject,
        kept,
    )?;
    let granted: Vec<(ClientId, SessionId)> = sql!(
        &mut *tx,
        fetch_all,
        "SELECT DISTINCT g.client_id, g.session_id
           FROM grants g JOIN sessions s ON s.id = g.session_id AND s.subject = g.subject
           JOIN clients c ON c.id = g.client_id AND lower(c.metadata) LIKE '%\"backchannel_logout_uri\":\"http%'
          WHERE g.subject = $1 AND (CAST($2 AS TEXT) IS NULL OR g.session_id <> $2)
            AND g.code_redeemed_at IS NOT NULL AND g.revoked_at IS NULL",
        subject,
        kept,
    )?;
    sql!(
        &mut *tx,
        execute,
        "DELETE FROM sessions WHERE subject = $1 AND (CAST($2 AS TEXT) IS NULL OR id <> $2)",
        subject,
        kept,
    )?;
    let told: BTreeSet<_> = registered.into_iter().chain(granted).collect();
    for (client, session) in &told {
        logout_token::enqueue(tx, client, subject, Some(*session), ending).await?;
    }
    Ok(())
}

/// Has the clients of a session that has ended told.
async fn told(tx: &mut Tx, id: SessionId, subject: Subject, ending: Ending) -> Result<EndedSession> {
    let registered: Vec<(ClientId,)> =
        sql!(&mut *tx, fetch_all, "DELETE FROM session_clients WHERE session_id = $1 RETURNING client_id", id)?;
    let granted: Vec<(ClientId,)> = sql!(
        &mut *tx,
        fetch_all,
        "SELECT DISTINCT client_id FROM grants
          WHERE session_id = $1 AND code_redeemed_at IS NOT NULL AND revoked_at IS NULL",
        id,
    )?;
    let clients: BTreeSet<ClientId> = registered.into_iter().chain(granted).map(|(client,)| client).collect();
    let clients: Vec<ClientId> = clients.into_iter().collect();
    for client in &clients {
        logout_token::enqueue(tx, client, &subject, Some(id), ending).await?;
    }
    Ok(EndedSession { id, subject, clients })
}

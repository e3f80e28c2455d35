//! The sweep: rows leave when nothing of them can be alive any more. No outside job.

use super::db::{Connection, Result, Tx, sql};
use super::{Store, client};
use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId};

/// Rows of one statement: small, so that nobody waits for a sweep.
const BATCH: i64 = 1000;

impl Store {
    /// Takes what has expired, in small batches; how many rows. On PostgreSQL only one replica sweeps at a time, each
    /// batch under a lock that its transaction takes; the others find it taken and leave it at that.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64> {
        let mut swept = 0;
        loop {
            let batch = self.sweep_batch(now).await?;
            swept += batch.iter().sum::<u64>();
            if batch.into_iter().all(|rows| rows < BATCH.unsigned_abs()) {
                return Ok(swept);
            }
            tokio::task::yield_now().await;
        }
    }

    /// The rows that went from each table.
    async fn sweep_batch(&self, now: Timestamp) -> Result<[u64; 11]> {
        let mut tx = self.begin().await?;
        if let Connection::Postgres(connection) = tx.place(true).await?.connection() {
            let ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(4912)").fetch_one(connection).await?;
            if !ours {
                return Ok([0; 11]);
            }
        }
        // The second condition is asked again of a row that somebody changes at this moment: a client's first use saves it.
        let ended: Vec<(ClientId,)> = sql!(
            &mut tx,
            fetch_all,
            "DELETE FROM clients WHERE id IN
                (SELECT id FROM clients WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
                AND expires_at <= $1 RETURNING id",
            now,
            BATCH,
        )?;
        for (id,) in &ended {
            client::clear(&mut tx, id).await?;
        }
        let sessions: Vec<(SessionId,)> = sql!(
            &mut tx,
            fetch_all,
            "DELETE FROM sessions WHERE id IN
                (SELECT id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
                AND expires_at <= $1 RETURNING id",
            now,
            BATCH,
        )?;
        for (id,) in &sessions {
            sql!(&mut tx, execute, "DELETE FROM session_clients WHERE session_id = $1", id)?;
        }
        let [tokens, grants, interactions, told, revoked, consents, used, issuers, events] =
            expired(&mut tx, now).await?;
        let clients = ended.len() as u64;
        let sessions = sessions.len() as u64;
        let swept = [clients, sessions, tokens, grants, interactions, told, revoked, consents, used, issuers, events];
        tx.commit().await?;
        for (id,) in &ended {
            self.0.clients.forget(id);
        }
        Ok(swept)
    }
}

/// The rows that went from the tables where nothing hangs on a row.
async fn expired(tx: &mut Tx, now: Timestamp) -> Result<[u64; 9]> {
    Ok([
        sql!(
            &mut *tx,
            execute,
            "DELETE FROM registration_tokens WHERE id IN
                (SELECT id FROM registration_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            now,
            BATCH,
        )?,
        sql!(
            &mut *tx,
            execute,
            "DELETE FROM grants WHERE id IN
                (SELECT id FROM grants WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            now,
            BATCH,
        )?,
        sql!(
            &mut *tx,
            execute,
            "DELETE FROM interactions WHERE flow_id IN
                (SELECT flow_id FROM interactions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            now,
            BATCH,
        )?,
        sql!(
            &mut *tx,
            execute,
            "DELETE FROM logout_tokens WHERE id IN
                (SELECT id FROM logout_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            now,
            BATCH,
        )?,
        sql!(
            &mut *tx,
            execute,
            "DELETE FROM revoked_tokens WHERE id IN
                (SELECT id FROM revoked_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            now,
            BATCH,
        )?,
        sql!(
            &mut *tx,
            execute,
            "DELETE FROM consents WHERE (subject, client_id) IN
                (SELECT subject, client_id FROM consents WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            now,
            BATCH,
        )?,
        sql!(
            &mut *tx,
            execute,
            "DELETE FROM used_jtis WHERE hash IN
                (SELECT hash FROM used_jtis WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            now,
            BATCH,
        )?,
        sql!(
            &mut *tx,
            execute,
            "DELETE FROM trusted_issuers WHERE id IN
                (SELECT id FROM trusted_issuers WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            now,
            BATCH,
        )?,
        sql!(
            &mut *tx,
            execute,
            "DELETE FROM events WHERE id IN
                (SELECT id FROM events WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            now,
            BATCH,
        )?,
    ])
}

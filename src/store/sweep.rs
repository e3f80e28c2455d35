//! The sweep: rows leave when nothing of them can be alive any more. No outside job.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::db::{Connection, Result, Tx, sql};
use super::{Store, client};
use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId};

/// Rows of one statement: small, so that nobody waits for a sweep.
const BATCH: i64 = 1000;

/// Rows that one statement looks at, most of which stay.
const STRETCH: i64 = 5_000;

/// Between two batches: most of the time belongs to others.
const PAUSE: Duration = Duration::from_millis(10);

/// How far back a process looks that has just begun. What was left unredeemed while none was running for longer than that
/// goes at its `expires_at`.
const BEFORE_THE_START: Duration = Duration::from_hours(24);

/// Up to where this process has looked for codes that nobody redeemed, along `grants.unredeemed_until`: it looks at each
/// grant once, when its code is as good as forgotten.
pub struct Unredeemed(AtomicI64);

impl Default for Unredeemed {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Unredeemed {
    fn from(&self, now: Timestamp) -> Timestamp {
        let went_to = Timestamp::from_millis(self.0.load(Ordering::Relaxed));
        let earliest = now - BEFORE_THE_START;
        // Where the clock was ahead, and was set right.
        if went_to > now { earliest } else { went_to.max(earliest) }
    }

    fn went_to(&self, to: Timestamp) {
        self.0.store(to.millis(), Ordering::Relaxed);
    }
}

impl Store {
    /// Takes what has expired, in small batches; how many rows. On PostgreSQL only one replica sweeps at a time, each
    /// batch under a lock that its transaction takes; the others find it taken and leave it at that.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64> {
        let mut swept = 0;
        loop {
            let Some(batch) = self.sweep_batch(now).await? else { return Ok(swept) };
            swept += batch.rows.iter().sum::<u64>();
            if batch.is_last() {
                return Ok(swept);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// `None`: another replica is at it.
    async fn sweep_batch(&self, now: Timestamp) -> Result<Option<Batch>> {
        let mut tx = self.begin().await?;
        if let Connection::Postgres(connection) = tx.place(true).await?.connection() {
            let ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(4912)").fetch_one(connection).await?;
            if !ours {
                return Ok(None);
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
        let (unredeemed, went_to) = unredeemed(&mut tx, self.0.unredeemed.from(now), now).await?;
        let rows = [
            clients,
            sessions,
            tokens,
            grants,
            interactions,
            told,
            revoked,
            consents,
            used,
            issuers,
            events,
            unredeemed,
        ];
        tx.commit().await?;
        self.0.unredeemed.went_to(went_to);
        for (id,) in &ended {
            self.0.clients.forget(id);
        }
        Ok(Some(Batch { rows, went_all_the_way: went_to >= now }))
    }
}

struct Batch {
    /// That went, of each kind.
    rows: [u64; 12],
    /// Every grant was looked at whose code may have been left unredeemed.
    went_all_the_way: bool,
}

impl Batch {
    fn is_last(&self) -> bool {
        self.went_all_the_way && self.rows.iter().all(|rows| *rows < BATCH.unsigned_abs())
    }
}

/// Takes grants whose code nobody redeemed in time, of the next stretch; how many, and where it ends.
async fn unredeemed(tx: &mut Tx, from: Timestamp, now: Timestamp) -> Result<(u64, Timestamp)> {
    let end: Option<Timestamp> = sql!(
        &mut *tx,
        scalar_optional,
        "SELECT unredeemed_until FROM grants WHERE unredeemed_until > $1 AND unredeemed_until <= $2
          ORDER BY unredeemed_until LIMIT 1 OFFSET $3",
        from,
        now,
        STRETCH,
    )?;
    let end = end.unwrap_or(now);
    let taken = sql!(
        &mut *tx,
        execute,
        "DELETE FROM grants WHERE unredeemed_until > $1 AND unredeemed_until <= $2 AND code_redeemed_at IS NULL",
        from,
        end,
    )?;
    Ok((taken, end))
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

//! The hot statements on grants, shared by concurrent requests. Arrays go in by UNNEST on PostgreSQL and by `json_each`
//! on SQLite, so each is written once for each; what they mean stands in `grant.rs`.

use std::collections::HashMap;

use sqlx::{ColumnIndex, Decode, Postgres, Row, Sqlite, Type};

use super::{CodeClaim, Grant, LiveGrant, Rotation};
use crate::clock::Timestamp;
use crate::id::GrantId;
use crate::store::batch::{Job, Lane};
use crate::store::db::{Connection, Db, Json, Placed, Result};
use crate::store::revoked_token::{Revocation, TokenCheck};

/// A lane for each hot statement.
pub struct Lanes {
    pub redeem: Lane<CodeClaim>,
    pub rotate: Lane<Rotation>,
    pub look_up: Lane<LookUp>,
    pub check: Lane<TokenCheck>,
    pub revoke: Lane<Revocation>,
}

impl Lanes {
    pub fn start(db: &Db) -> Self {
        Self {
            redeem: Lane::start(db),
            rotate: Lane::start(db),
            look_up: Lane::start(db),
            check: Lane::start(db),
            revoke: Lane::start(db),
        }
    }

    /// Reads by these connections, and writes along with whoever has these lanes.
    #[must_use]
    pub fn beside(&self, db: &Db) -> Self {
        Self {
            redeem: self.redeem.clone(),
            rotate: self.rotate.clone(),
            revoke: self.revoke.clone(),
            look_up: Lane::start(db),
            check: Lane::start(db),
        }
    }
}

/// Puts the rows that came back, in whatever order, to the jobs that they answer: `nth` is a job's place, from 1.
fn by_place<J, D: Row, R: Placed<D>>(jobs: &[J], rows: &[D]) -> Result<Vec<Option<R>>>
where
    &'static str: ColumnIndex<D>,
    usize: ColumnIndex<D>,
    i64: for<'r> Decode<'r, D::Database> + Type<D::Database>,
{
    let mut answers: Vec<Option<R>> = jobs.iter().map(|_| None).collect();
    let Some(first) = rows.first() else { return Ok(answers) };
    let (nth, places) = ("nth".index(first)?, R::places(first)?);
    for row in rows {
        let place: i64 = row.try_get(nth)?;
        if let Some(answer) = usize::try_from(place).ok().and_then(|place| answers.get_mut(place.checked_sub(1)?)) {
            *answer = Some(R::at(row, &places)?);
        }
    }
    Ok(answers)
}

/// The same where a statement can not say the place (SQLite's RETURNING): each job spends a row of its own.
fn by_id<J: Job>(jobs: &[J], rows: Vec<Grant>) -> Vec<Option<Grant>> {
    let mut by_id: HashMap<GrantId, Grant> = rows.into_iter().map(|row| (row.id, row)).collect();
    jobs.iter().map(|job| by_id.remove(&job.spends()?)).collect()
}

/// The row never goes before it would have gone unredeemed: until the flow's verifiers have expired it is what keeps the
/// flow from ending in a second code. Its `expires_at`, which has an index, is changed only where what it was inserted
/// with is too early, because lifetimes were made longer meanwhile, or far too late, because the client has lost its
/// refresh tokens.
const REDEEM_POSTGRES: &str = "
UPDATE grants AS g
   SET code_redeemed_at = x.now, refresh_generation = 1, refreshed_at = x.now, claims = COALESCE(x.claims, g.claims),
       refresh_expires_at = CASE WHEN g.refresh_expires_at IS NOT NULL AND x.refresh_expires_at IS NOT NULL
                                 THEN LEAST(x.refresh_expires_at, g.ends_at) END,
       expires_at = CASE WHEN x.refresh_expires_at IS NULL AND g.expires_at > x.expires_at + 86400000
                         THEN GREATEST(COALESCE(g.unredeemed_until, g.expires_at), LEAST(g.ends_at, x.expires_at))
                         ELSE GREATEST(g.expires_at, LEAST(g.ends_at,
                             CASE WHEN g.refresh_expires_at IS NULL OR x.refresh_expires_at IS NULL THEN x.expires_at
                                  ELSE GREATEST(x.refresh_expires_at + 86400000, x.expires_at) END)) END
  FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::BIGINT[], $6::BIGINT[], $7::BIGINT[], $8::TEXT[]) WITH ORDINALITY
       AS x (id, client_id, redirect_uri, challenge, refresh_expires_at, expires_at, now, claims, nth)
 WHERE g.id = x.id AND g.client_id = x.client_id
   AND (g.redirect_uri IS NULL OR g.redirect_uri = x.redirect_uri)
   AND g.code_challenge IS NOT DISTINCT FROM x.challenge
   AND g.code_redeemed_at IS NULL AND g.code_expires_at > x.now AND g.revoked_at IS NULL
   AND EXISTS (SELECT 1 FROM sessions s WHERE s.id = g.session_id)
   AND EXISTS (SELECT 1 FROM clients c WHERE c.id = g.client_id AND c.tokens_valid_from <= g.created_at)
   AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = g.subject
                       AND (u.disabled OR u.tokens_valid_from > g.authenticated_at))
RETURNING x.nth, g.*";

const REDEEM_SQLITE: &str = "
UPDATE grants AS g
   SET code_redeemed_at = x.now, refresh_generation = 1, refreshed_at = x.now, claims = COALESCE(x.claims, g.claims),
       refresh_expires_at = CASE WHEN g.refresh_expires_at IS NOT NULL AND x.refresh_expires_at IS NOT NULL
                                 THEN min(x.refresh_expires_at, g.ends_at) END,
       expires_at = CASE WHEN x.refresh_expires_at IS NULL AND g.expires_at > x.expires_at + 86400000
                         THEN max(COALESCE(g.unredeemed_until, g.expires_at), min(g.ends_at, x.expires_at))
                         ELSE max(g.expires_at, min(g.ends_at,
                             CASE WHEN g.refresh_expires_at IS NULL OR x.refresh_expires_at IS NULL THEN x.expires_at
                                  ELSE max(x.refresh_expires_at + 86400000, x.expires_at) END)) END
  FROM (SELECT value ->> 'id' AS id, value ->> 'client_id' AS client_id, value ->> 'redirect_uri' AS redirect_uri,
               value ->> 'challenge' AS challenge, value ->> 'refresh_expires_at' AS refresh_expires_at,
               value ->> 'expires_at' AS expires_at, value ->> 'now' AS now, value ->> 'claims' AS claims
          FROM json_each($1)) AS x
 WHERE g.id = x.id AND g.client_id = x.client_id
   AND (g.redirect_uri IS NULL OR g.redirect_uri = x.redirect_uri)
   AND g.code_challenge IS NOT DISTINCT FROM x.challenge
   AND g.code_redeemed_at IS NULL AND g.code_expires_at > x.now AND g.revoked_at IS NULL
   AND EXISTS (SELECT 1 FROM sessions s WHERE s.id = g.session_id)
   AND EXISTS (SELECT 1 FROM clients c WHERE c.id = g.client_id AND c.tokens_valid_from <= g.created_at)
   AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = g.subject
                       AND (u.disabled OR u.tokens_valid_from > g.authenticated_at))
RETURNING *";

impl Job for CodeClaim {
    type Answer = Option<Grant>;

    fn spends(&self) -> Option<GrantId> {
        Some(self.grant)
    }

    async fn run(db: &Db, jobs: &[Self]) -> Result<Vec<Option<Grant>>> {
        let mut place = db.place(true).await?;
        match place.connection() {
            Connection::Postgres(connection) => {
                let rows = sqlx::query::<Postgres>(REDEEM_POSTGRES)
                    .bind(jobs.iter().map(|job| job.grant.to_string()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.client.to_string()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.redirect_uri.clone()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.challenge.clone()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.refresh_expires_at.map(Timestamp::millis)).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.expires_at.millis()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.now.millis()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.claims.as_ref().map(Json::text)).collect::<Vec<_>>())
                    .fetch_all(connection)
                    .await?;
                by_place(jobs, &rows)
            }
            Connection::Sqlite(connection) => {
                let list: Vec<_> = jobs
                    .iter()
                    .map(|job| {
                        serde_json::json!({
                            "id": job.grant.to_string(), "client_id": job.client, "redirect_uri": job.redirect_uri,
                            "challenge": job.challenge, "refresh_expires_at": job.refresh_expires_at,
                            "expires_at": job.expires_at, "now": job.now, "claims": job.claims.as_ref().map(Json::text),
                        })
                    })
                    .collect();
                let rows =
                    sqlx::query_as::<Sqlite, Grant>(REDEEM_SQLITE).bind(Json(list)).fetch_all(connection).await?;
                Ok(by_id(jobs, rows))
            }
        }
    }
}

/// A generation's row keeps its `expires_at`, which has an index, for as long as it is late enough: an update that
/// touches no index is far cheaper (a heap-only tuple).
const ROTATE_POSTGRES: &str = "
UPDATE grants AS g
   SET refresh_generation = g.refresh_generation + 1, refreshed_at = x.now, claims = COALESCE(x.claims, g.claims),
       refresh_expires_at = LEAST(x.refresh_expires_at, g.ends_at),
       expires_at = CASE WHEN x.expires_at <= g.expires_at THEN g.expires_at
                         ELSE LEAST(x.expires_at + 86400000, g.ends_at) END
  FROM UNNEST($1::TEXT[], $2::TEXT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::TEXT[]) WITH ORDINALITY
       AS x (id, client_id, generation, refresh_expires_at, expires_at, now, claims, nth)
 WHERE g.id = x.id AND g.client_id = x.client_id AND g.refresh_generation = x.generation
   AND g.revoked_at IS NULL AND g.refresh_expires_at > x.now AND g.ends_at > x.now
   AND EXISTS (SELECT 1 FROM clients c WHERE c.id = g.client_id AND c.tokens_valid_from <= g.created_at)
   AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = g.subject
                       AND (u.disabled OR u.tokens_valid_from > g.authenticated_at))
RETURNING x.nth, g.*";

const ROTATE_SQLITE: &str = "
UPDATE grants AS g
   SET refresh_generation = g.refresh_generation + 1, refreshed_at = x.now, claims = COALESCE(x.claims, g.claims),
       refresh_expires_at = min(x.refresh_expires_at, g.ends_at),
       expires_at = CASE WHEN x.expires_at <= g.expires_at THEN g.expires_at
                         ELSE min(x.expires_at + 86400000, g.ends_at) END
  FROM (SELECT value ->> 'id' AS id, value ->> 'client_id' AS client_id, value ->> 'generation' AS generation,
               value ->> 'refresh_expires_at' AS refresh_expires_at, value ->> 'expires_at' AS expires_at,
               value ->> 'now' AS now, value ->> 'claims' AS claims
          FROM json_each($1)) AS x
 WHERE g.id = x.id AND g.client_id = x.client_id AND g.refresh_generation = x.generation
   AND g.revoked_at IS NULL AND g.refresh_expires_at > x.now AND g.ends_at > x.now
   AND EXISTS (SELECT 1 FROM clients c WHERE c.id = g.client_id AND c.tokens_valid_from <= g.created_at)
   AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = g.subject
                       AND (u.disabled OR u.tokens_valid_from > g.authenticated_at))
RETURNING *";

impl Job for Rotation {
    type Answer = Option<Grant>;

    fn spends(&self) -> Option<GrantId> {
        Some(self.grant)
    }

    async fn run(db: &Db, jobs: &[Self]) -> Result<Vec<Option<Grant>>> {
        let mut place = db.place(true).await?;
        match place.connection() {
            Connection::Postgres(connection) => {
                let rows = sqlx::query::<Postgres>(ROTATE_POSTGRES)
                    .bind(jobs.iter().map(|job| job.grant.to_string()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.client.to_string()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.generation).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.refresh_expires_at.millis()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.expires_at.millis()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.now.millis()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.claims.as_ref().map(Json::text)).collect::<Vec<_>>())
                    .fetch_all(connection)
                    .await?;
                by_place(jobs, &rows)
            }
            Connection::Sqlite(connection) => {
                let list: Vec<_> = jobs
                    .iter()
                    .map(|job| {
                        serde_json::json!({
                            "id": job.grant.to_string(), "client_id": job.client, "generation": job.generation,
                            "refresh_expires_at": job.refresh_expires_at, "expires_at": job.expires_at, "now": job.now,
                            "claims": job.claims.as_ref().map(Json::text),
                        })
                    })
                    .collect();
                let rows =
                    sqlx::query_as::<Sqlite, Grant>(ROTATE_SQLITE).bind(Json(list)).fetch_all(connection).await?;
                Ok(by_id(jobs, rows))
            }
        }
    }
}

/// Asks for a live grant.
#[derive(Clone, Copy, Debug)]
pub struct LookUp {
    pub grant: GrantId,
    pub now: Timestamp,
}

const LOOK_UP_POSTGRES: &str = "
SELECT x.nth, g.id, g.client_id, g.subject, g.seen_as, g.session_id, g.scope, g.audience, g.claims, g.claims_requested,
       g.refresh_generation, g.refresh_expires_at, g.created_at, g.ends_at, u.username, u.email, u.claims AS user_claims
  FROM UNNEST($1::TEXT[], $2::BIGINT[]) WITH ORDINALITY AS x (id, now, nth)
  JOIN grants g ON g.id = x.id
  JOIN clients c ON c.id = g.client_id AND c.tokens_valid_from <= g.created_at
  LEFT JOIN users u ON u.id = g.subject
 WHERE g.revoked_at IS NULL AND g.ends_at > x.now AND COALESCE(u.disabled, FALSE) = FALSE
   AND COALESCE(u.tokens_valid_from, 0) <= g.authenticated_at";

const LOOK_UP_SQLITE: &str = "
SELECT x.nth, g.id, g.client_id, g.subject, g.seen_as, g.session_id, g.scope, g.audience, g.claims, g.claims_requested,
       g.refresh_generation, g.refresh_expires_at, g.created_at, g.ends_at, u.username, u.email, u.claims AS user_claims
  FROM (SELECT key + 1 AS nth, value ->> 'id' AS id, value ->> 'now' AS now FROM json_each($1)) AS x
  JOIN grants g ON g.id = x.id
  JOIN clients c ON c.id = g.client_id AND c.tokens_valid_from <= g.created_at
  LEFT JOIN users u ON u.id = g.subject
 WHERE g.revoked_at IS NULL AND g.ends_at > x.now AND COALESCE(u.disabled, FALSE) = FALSE
   AND COALESCE(u.tokens_valid_from, 0) <= g.authenticated_at";

impl Job for LookUp {
    type Answer = Option<LiveGrant>;

    fn spends(&self) -> Option<GrantId> {
        None
    }

    async fn run(db: &Db, jobs: &[Self]) -> Result<Vec<Option<LiveGrant>>> {
        let mut place = db.place(false).await?;
        match place.connection() {
            Connection::Postgres(connection) => {
                let rows = sqlx::query::<Postgres>(LOOK_UP_POSTGRES)
                    .bind(jobs.iter().map(|job| job.grant.to_string()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.now.millis()).collect::<Vec<_>>())
                    .fetch_all(connection)
                    .await?;
                by_place(jobs, &rows)
            }
            Connection::Sqlite(connection) => {
                let list: Vec<_> =
                    jobs.iter().map(|job| serde_json::json!({ "id": job.grant.to_string(), "now": job.now })).collect();
                let rows = sqlx::query::<Sqlite>(LOOK_UP_SQLITE);
                by_place(jobs, &rows.bind(Json(list)).fetch_all(connection).await?)
            }
        }
    }
}

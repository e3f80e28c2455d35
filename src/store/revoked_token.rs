//! Access tokens without a grant: which of them are good, and which were revoked before their time.

use serde_json::json;
use sqlx::{Postgres, Sqlite};

use super::Store;
use super::audit::{self, Action};
use super::batch::Job;
use super::db::{Connection, Db, Json, Result, sql};
use crate::clock::Timestamp;
use crate::id::{ClientId, GrantId, Subject, TokenId};

impl Store {
    /// Whether a token without a grant is good: it is not revoked, its client is there, and neither the client's tokens nor
    /// those of the user whom it may be for are cut off. Asked of the database, always the truth.
    pub async fn token_is_live(&self, check: TokenCheck) -> Result<bool> {
        self.0.lanes.check.run(check).await
    }

    /// Remembers the revocation until the token would have ended by itself.
    pub async fn revoke_token(&self, id: TokenId, expires_at: Timestamp) -> Result<()> {
        if !self.records() {
            return self.0.lanes.revoke.run(Revocation { id, expires_at }).await;
        }
        let mut tx = self.begin().await?;
        let revoked = sql!(
            &mut tx,
            execute,
            "INSERT INTO revoked_tokens (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
            id,
            expires_at,
        )?;
        if revoked == 1 {
            let told = json!({ "expires_at": expires_at.rfc3339() });
            audit::record(&mut tx, Action::TokenRevoked, &id.to_string(), Some(told), None).await?;
        }
        tx.commit().await
    }
}

/// Asks whether a token without a grant is good.
#[derive(Clone, Debug)]
pub struct TokenCheck {
    pub id: TokenId,
    pub client: ClientId,
    /// Whom it is for, where that is not the client itself.
    pub subject: Option<Subject>,
    pub issued_at: Timestamp,
}

const CHECK_POSTGRES: &str = "
SELECT x.nth
  FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::BIGINT[]) WITH ORDINALITY AS x (id, client, subject, issued_at, nth)
 WHERE EXISTS (SELECT 1 FROM clients c WHERE c.id = x.client AND c.tokens_valid_from <= x.issued_at)
   AND NOT EXISTS (SELECT 1 FROM revoked_tokens r WHERE r.id = x.id)
   AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = x.subject AND (u.disabled OR u.tokens_valid_from > x.issued_at))";

const CHECK_SQLITE: &str = "
SELECT x.nth
  FROM (SELECT key + 1 AS nth, value ->> 'id' AS id, value ->> 'client' AS client, value ->> 'subject' AS subject,
               value ->> 'issued_at' AS issued_at
          FROM json_each($1)) AS x
 WHERE EXISTS (SELECT 1 FROM clients c WHERE c.id = x.client AND c.tokens_valid_from <= x.issued_at)
   AND NOT EXISTS (SELECT 1 FROM revoked_tokens r WHERE r.id = x.id)
   AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = x.subject AND (u.disabled OR u.tokens_valid_from > x.issued_at))";

impl Job for TokenCheck {
    type Answer = bool;

    fn spends(&self) -> Option<GrantId> {
        None
    }

    async fn run(db: &Db, jobs: &[Self]) -> Result<Vec<bool>> {
        let mut place = db.place(false).await?;
        let good: Vec<i64> = match place.connection() {
            Connection::Postgres(connection) => {
                sqlx::query_scalar::<Postgres, i64>(CHECK_POSTGRES)
                    .bind(jobs.iter().map(|job| job.id.to_string()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.client.to_string()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.subject.as_ref().map(Subject::to_string)).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.issued_at.millis()).collect::<Vec<_>>())
                    .fetch_all(connection)
                    .await?
            }
            Connection::Sqlite(connection) => {
                let list: Vec<_> = jobs
                    .iter()
                    .map(|job| {
                        json!({
                            "id": job.id.to_string(), "client": job.client, "subject": job.subject,
                            "issued_at": job.issued_at,
                        })
                    })
                    .collect();
                sqlx::query_scalar::<Sqlite, i64>(CHECK_SQLITE).bind(Json(list)).fetch_all(connection).await?
            }
        };
        let mut answers = vec![false; jobs.len()];
        for place in good {
            if let Some(answer) = usize::try_from(place - 1).ok().and_then(|place| answers.get_mut(place)) {
                *answer = true;
            }
        }
        Ok(answers)
    }
}

/// Revokes a token without a grant.
#[derive(Clone, Copy, Debug)]
pub struct Revocation {
    id: TokenId,
    expires_at: Timestamp,
}

const REVOKE_POSTGRES: &str = "
INSERT INTO revoked_tokens (id, expires_at)
SELECT x.id, x.expires_at FROM UNNEST($1::TEXT[], $2::BIGINT[]) AS x (id, expires_at) ORDER BY x.id
    ON CONFLICT (id) DO NOTHING";

const REVOKE_SQLITE: &str = "
INSERT INTO revoked_tokens (id, expires_at)
SELECT value ->> 'id', value ->> 'expires_at' FROM json_each($1) WHERE TRUE
    ON CONFLICT (id) DO NOTHING";

impl Job for Revocation {
    type Answer = ();

    fn spends(&self) -> Option<GrantId> {
        None
    }

    async fn run(db: &Db, jobs: &[Self]) -> Result<Vec<()>> {
        let mut place = db.place(true).await?;
        match place.connection() {
            Connection::Postgres(connection) => {
                sqlx::query::<Postgres>(REVOKE_POSTGRES)
                    .bind(jobs.iter().map(|job| job.id.to_string()).collect::<Vec<_>>())
                    .bind(jobs.iter().map(|job| job.expires_at.millis()).collect::<Vec<_>>())
                    .execute(connection)
                    .await?;
            }
            Connection::Sqlite(connection) => {
                let list: Vec<_> =
                    jobs.iter().map(|job| json!({ "id": job.id.to_string(), "expires_at": job.expires_at })).collect();
                sqlx::query::<Sqlite>(REVOKE_SQLITE).bind(Json(list)).execute(connection).await?;
            }
        }
        Ok(vec![(); jobs.len()])
    }
}

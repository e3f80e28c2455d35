//! The schema: what it should be, what it is, and the way from one to the other.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::PgPoolOptions;

use super::Store;
use super::db::{Connection, Db, Error, Result};

/// Every migration, oldest first: version, name, text. A version that was released never changes.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "spine", include_str!("../../migrations/0001_spine.sql")),
    (2, "openid", include_str!("../../migrations/0002_openid.sql")),
    (3, "registration", include_str!("../../migrations/0003_registration.sql")),
    (4, "other_apps", include_str!("../../migrations/0004_other_apps.sql")),
    (5, "client_secrets", include_str!("../../migrations/0005_client_secrets.sql")),
    (6, "trusted_issuers", include_str!("../../migrations/0006_trusted_issuers.sql")),
    (7, "logout", include_str!("../../migrations/0007_logout.sql")),
    (8, "events", include_str!("../../migrations/0008_events.sql")),
    (9, "unredeemed_codes", include_str!("../../migrations/0009_unredeemed_codes.sql")),
];

/// How the schema of a database stands to ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    Current,
    /// These are still to be applied.
    Pending(Vec<i64>),
    /// The database was migrated by a newer Hydrant, which knows these.
    Newer(Vec<i64>),
}

/// A line of `hydrant migrate status`.
#[derive(Clone, Debug)]
pub struct Status {
    pub version: i64,
    pub name: &'static str,
    pub applied: bool,
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|(version, name, text)| {
            let text = text.into_sql_str();
            Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, text, false)
        })
        .collect();
    Migrator::with_migrations(migrations)
}

impl Store {
    pub async fn schema(&self) -> Result<Schema> {
        let applied = self.applied().await?;
        let newer: Vec<i64> =
            applied.keys().copied().filter(|version| !MIGRATIONS.iter().any(|known| known.0 == *version)).collect();
        if !newer.is_empty() {
            return Ok(Schema::Newer(newer));
        }
        let pending: Vec<i64> =
            MIGRATIONS.iter().map(|known| known.0).filter(|version| !applied.contains_key(version)).collect();
        Ok(if pending.is_empty() { Schema::Current } else { Schema::Pending(pending) })
    }

    pub async fn migration_status(&self) -> Result<Vec<Status>> {
        let applied = self.applied().await?;
        Ok(MIGRATIONS
            .iter()
            .map(|(version, name, _)| Status { version: *version, name, applied: applied.contains_key(version) })
            .collect())
    }

    async fn applied(&self) -> Result<HashMap<i64, bool>> {
        // The table is not there before the first migration; a read-only question must not make it.
        let mut place = self.place(false).await?;
        let versions: Vec<i64> = match place.connection() {
            Connection::Postgres(connection) => {
                let there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
                    .fetch_one(&mut *connection)
                    .await?;
                match there {
                    true => {
                        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
                            .fetch_all(connection)
                            .await?
                    }
                    false => Vec::new(),
                }
            }
            Connection::Sqlite(connection) => {
                let there: bool = sqlx::query_scalar(
                    "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations')",
                )
                .fetch_one(&mut *connection)
                .await?;
                match there {
                    true => {
                        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
                            .fetch_all(connection)
                            .await?
                    }
                    false => Vec::new(),
                }
            }
        };
        Ok(versions.into_iter().map(|version| (version, true)).collect())
    }

    /// Brings the schema up to date. Any number of processes may do so at once: each finds it done in the end.
    pub async fn migrate(&self) -> Result<()> {
        let mut failure = None;
        for _ in 0..20 {
            if let Schema::Current = self.schema().await? {
                return Ok(());
            }
            match self.migrate_once().await {
                Ok(()) => return Ok(()),
                // Somebody else was there first, or is still at it.
                Err(error) => failure = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        Err(failure.unwrap_or(Error::Busy))
    }

    async fn migrate_once(&self) -> Result<()> {
        let migrator = migrator();
        let outcome = match &self.0.db {
            Db::Postgres(pool) => {
                // A connection of its own: a migration may take longer than any statement of a request.
                let options = pool
                    .connect_options()
                    .as_ref()
                    .clone()
                    .options([("statement_timeout", "0"), ("lock_timeout", "0")]);
                let patient = PgPoolOptions::new().max_connections(1).connect_with(options).await?;
                let outcome = migrator.run(&patient).await;
                patient.close().await;
                outcome
            }
            Db::Sqlite { write, .. } => migrator.run(write).await,
        };
        outcome.map_err(into_error)
    }
}

fn into_error(error: sqlx::migrate::MigrateError) -> Error {
    Error::from(sqlx::Error::Migrate(Box::new(error)))
}

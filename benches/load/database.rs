//! A way into the server's database beside the server: what it has grown by, and what it has logged.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sqlx::postgres::PgPool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::usage::{Each, Host, Memory, Usage};

/// Tables whose rows come and go with logins, tokens and their ends.
pub const MORTAL: [&str; 4] = ["grants", "sessions", "interactions", "revoked_tokens"];

pub enum Database {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Database {
    pub async fn open(dsn: &str) -> Result<Self> {
        Ok(match dsn.strip_prefix("sqlite://") {
            None => Self::Postgres(PgPool::connect(dsn).await.context("opening the database")?),
            Some(path) => Self::Sqlite(
                SqlitePool::connect_with(
                    SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_mins(1)),
                )
                .await
                .context("opening the database")?,
            ),
        })
    }

    pub fn postgres(&self) -> Option<&PgPool> {
        if let Self::Postgres(pool) = self { Some(pool) } else { None }
    }

    /// Bytes of all tables with their indexes and TOAST. Row versions that no vacuum has cleared yet are counted, because
    /// they take disk too.
    pub async fn bytes(&self) -> Result<i64> {
        let statement = match self {
            Self::Postgres(_) => {
                "SELECT COALESCE(sum(pg_total_relation_size(oid)), 0)::BIGINT FROM pg_class \
                  WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            }
            Self::Sqlite(_) => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        };
        self.number(statement).await.context("asking for the database's size")
    }

    /// Bytes of the write-ahead log since the database was made; nothing of SQLite.
    pub async fn wal(&self) -> Result<Option<i64>> {
        match self {
            Self::Postgres(_) => Ok(Some(self.number("SELECT (pg_current_wal_insert_lsn() - '0/0')::BIGINT").await?)),
            Self::Sqlite(_) => Ok(None),
        }
    }

    /// Rows of what comes and goes.
    pub async fn mortal_rows(&self) -> Result<i64> {
        let each: Vec<_> = MORTAL.iter().map(|table| format!("(SELECT count(*) FROM {table})")).collect();
        self.number(&format!("SELECT {}", each.join(" + "))).await
    }

    /// `PostgreSQL 15.8`.
    pub async fn version(&self) -> Result<String> {
        Ok(match self {
            Self::Postgres(pool) => {
                let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(pool).await?;
                format!("PostgreSQL {}", version.split(' ').next().unwrap_or_default())
            }
            Self::Sqlite(pool) => {
                let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(pool).await?;
                format!("SQLite {version}")
            }
        })
    }

    pub async fn number(&self, statement: &str) -> Result<i64> {
        let statement = sqlx::AssertSqlSafe(statement);
        Ok(match self {
            Self::Postgres(pool) => sqlx::query_scalar(statement).fetch_one(pool).await?,
            Self::Sqlite(pool) => sqlx::query_scalar(statement).fetch_one(pool).await?,
        })
    }

    pub async fn execute(&self, statement: &str) -> Result<()> {
        let text = sqlx::AssertSqlSafe(statement);
        match self {
            Self::Postgres(pool) => sqlx::raw_sql(text).execute(pool).await.map(drop),
            Self::Sqlite(pool) => sqlx::raw_sql(text).execute(pool).await.map(drop),
        }
        .with_context(|| statement.to_owned())
    }

    /// Makes everything expire a second ago, waits for the server's own sweep, which runs each minute, and clears up as
    /// autovacuum would: what stays is rows, and bytes.
    pub async fn after_expiry(&self) -> Result<(i64, i64)> {
        for table in MORTAL {
            self.execute(&format!("UPDATE {table} SET expires_at = 1")).await?;
        }
        // What the ageing itself has left behind is none of the server's.
        match self {
            Self::Postgres(_) => self.execute("VACUUM FULL").await?,
            Self::Sqlite(_) => self.execute("VACUUM").await?,
        }
        let began = Instant::now();
        let mut rows = self.mortal_rows().await?;
        while rows > 0 && began.elapsed() < Duration::from_mins(3) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            rows = self.mortal_rows().await?;
        }
        ensure!(rows == 0, "{rows} rows that have expired were not swept within three minutes");
        if matches!(self, Self::Postgres(_)) {
            self.execute("VACUUM").await?;
        }
        let tables = MORTAL.map(|table| format!("pg_total_relation_size('{table}')")).join(" + ");
        let bytes = match self {
            Self::Postgres(_) => self.number(&format!("SELECT {tables}")).await?,
            Self::Sqlite(_) => {
                self.number(
                    "SELECT (page_count - freelist_count) * page_size \
                       FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()",
                )
                .await?
            }
        };
        Ok((rows, bytes))
    }
}

/// Measures what a load takes beside the time.
pub struct Meter {
    pub host: Host,
    pub database: Database,
}

/// Where it all stood before.
pub struct Before {
    usage: Usage,
    wal: Option<i64>,
    server: u32,
}

impl Meter {
    pub async fn new(dsn: &str, postmaster: Option<u32>, data: Option<&Path>) -> Result<Self> {
        Ok(Self { host: Host::new(postmaster, data), database: Database::open(dsn).await? })
    }

    pub async fn before(&self, server: u32) -> Result<Before> {
        let wal = self.database.wal().await?;
        Ok(Before { usage: Usage::now(&self.host, server), wal, server })
    }

    pub async fn each(&self, before: &Before, answers: usize) -> Result<Each> {
        let usage = Usage::now(&self.host, before.server);
        let wal = before.wal.zip(self.database.wal().await?).map(|(before, after)| per(after - before, answers));
        let resident = Memory::of(before.server).map(|memory| memory.resident);
        Ok(Each { wal, resident, ..usage.each(&before.usage, answers) })
    }
}

/// A share of bytes.
pub fn per(bytes: i64, units: usize) -> f64 {
    let bytes = i32::try_from(bytes / 1024).map_or(f64::NAN, f64::from) * 1024.0
        + f64::from(i32::try_from(bytes % 1024).unwrap_or(0));
    bytes / crate::drive::count(units.max(1))
}

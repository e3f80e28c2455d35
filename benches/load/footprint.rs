//! What the server takes: memory, from `/proc`, and bytes of its database.

use std::fs;
use std::path::Path;
use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use sqlx::postgres::PgPool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

/// A process's memory in MiB; nothing where there is no `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub resident: f64,
    /// The most that it ever was.
    pub peak: f64,
}

impl Memory {
    pub fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let mib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            Some(f64::from_str(line.trim().trim_end_matches("kB").trim()).ok()? / 1024.0)
        };
        Some(Self { resident: mib("VmRSS:")?, peak: mib("VmHWM:")? })
    }
}

/// CPU time that a process has used so far, in microseconds: user and system, all threads, the ended ones too. Nothing
/// where there is no `/proc`. Linux counts it in hundredths of a second.
pub fn cpu_time(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in brackets and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system) = (f64::from_str(fields.next()?).ok()?, f64::from_str(fields.next()?).ok()?);
    Some((user + system) * 10_000.0)
}

/// A file's size in MiB.
pub fn file_size(path: &Path) -> Result<f64> {
    let bytes = fs::metadata(path).with_context(|| path.display().to_string())?.len();
    Ok(f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0)
}

/// A way into the server's database beside the server.
pub enum Database {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Database {
    pub async fn open(dsn: &str) -> Result<Self> {
        Ok(match dsn.strip_prefix("sqlite://") {
            None => Self::Postgres(PgPool::connect(dsn).await.context("opening the database")?),
            Some(path) => Self::Sqlite(
                SqlitePool::connect_with(SqliteConnectOptions::new().filename(path).read_only(true))
                    .await
                    .context("opening the database")?,
            ),
        })
    }

    /// Bytes of what a sign-in writes: three tables with their indexes and TOAST. Of SQLite, the whole file: nothing
    /// else grows meanwhile. Row versions that no vacuum has cleared yet are counted, because they take disk too.
    pub async fn bytes(&self) -> Result<i64> {
        let bytes = match self {
            Self::Postgres(pool) => {
                sqlx::query_scalar(
                    "SELECT pg_total_relation_size('grants') + pg_total_relation_size('sessions') \
                     + pg_total_relation_size('interactions')",
                )
                .fetch_one(pool)
                .await
            }
            Self::Sqlite(pool) => {
                sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
                    .fetch_one(pool)
                    .await
            }
        };
        bytes.context("asking for the database's size")
    }
}

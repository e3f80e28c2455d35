//! The two databases: the only place that knows there are two.

mod column;
mod statement;
mod transaction;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::error::ErrorKind;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Postgres, Sqlite};
use tokio::time::Instant;

pub use column::Json;
pub use statement::{Placed, writes};
pub(crate) use statement::{row, sql};
use transaction::Begun;
pub use transaction::Tx;

use crate::config;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("the database can not be used: {}", reason(.0))]
    Unavailable(Arc<sqlx::Error>),
    /// A name or an id is taken.
    #[error("a row with that value exists")]
    Conflict,
    #[error("too many requests wait for the database")]
    Busy,
}

/// The database's own words without the driver's around them. The error is not a `source` besides: it would say the same
/// once more.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => {
            "no connection in time: nothing listens where dsn says, or all are in use".to_owned()
        }
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().map(sqlx::error::DatabaseError::kind) {
            Some(ErrorKind::UniqueViolation) => Self::Conflict,
            _ => {
                let error = Self::Unavailable(Arc::new(error));
                FAILURES.fetch_add(1, Ordering::Relaxed);
                if error.code().is_some_and(|code| code == STALE) {
                    *STALE_AT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                }
                error
            }
        }
    }
}

/// `cached plan must not change result type`: somebody has migrated the database, and a statement that this connection has
/// prepared gives other columns now. It would say so for as long as the connection lives.
const STALE: &str = "0A000";

static FAILURES: AtomicU64 = AtomicU64::new(0);

/// Errors of the database that were none of a request's data.
pub fn failures() -> u64 {
    FAILURES.load(Ordering::Relaxed)
}

/// When that was last found out. Connections that are older are not used again.
static STALE_AT: Mutex<Option<Instant>> = Mutex::new(None);

fn is_stale(age: Duration) -> bool {
    STALE_AT.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| age >= at.elapsed())
}

impl Error {
    /// The database itself asks to try again: a serialization failure or a deadlock; or another connection will do.
    pub fn is_transient(&self) -> bool {
        self.code().is_some_and(|code| matches!(code.as_ref(), "40001" | "40P01" | STALE))
    }

    /// The values of one request may be at fault (SQLSTATE classes 22 and 23), and not the database.
    pub fn is_about_data(&self) -> bool {
        matches!(self, Self::Conflict)
            || self.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        let Self::Unavailable(error) = self else { return None };
        error.as_database_error().and_then(sqlx::error::DatabaseError::code)
    }
}

/// A storage failure is 503: never "inactive", never "ok".
impl From<Error> for crate::oauth::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict => crate::oauth::ErrorCode::Conflict.because("A resource with that value exists already."),
            Error::Busy => crate::oauth::ErrorCode::TemporarilyUnavailable
                .because("The server has too much to do at the moment. Please try again.")
                .retry_after(2)
                .caused_by(error),
            Error::Unavailable(_) => Self::unavailable(error),
        }
    }
}

/// How long a request waits for a connection to PostgreSQL.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long SQLite waits for another process's lock.
const SQLITE_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub enum Db {
    Postgres(PgPool),
    /// SQLite has one writer: its connection is a pool of one, so that writers queue in order instead of fighting.
    Sqlite {
        read: SqlitePool,
        write: SqlitePool,
    },
}

impl Db {
    pub async fn open(database: &config::Database) -> Result<Self> {
        let dsn = database.dsn.expose();
        if dsn == "memory" {
            let pool = SqlitePoolOptions::new()
                .max_connections(1)
                .min_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_with(sqlite_options(SqliteConnectOptions::from_str("sqlite::memory:")?))
                .await?;
            return Ok(Self::Sqlite { read: pool.clone(), write: pool });
        }
        if let Some(path) = dsn.strip_prefix("sqlite://") {
            let path = path.split('?').next().unwrap_or(path);
            let options = sqlite_options(SqliteConnectOptions::new().filename(path).create_if_missing(true));
            make_private(Path::new(path)).map_err(|error| Error::from(sqlx::Error::Io(error)))?;
            let pool = || {
                SqlitePoolOptions::new()
                    .acquire_timeout(SQLITE_PATIENCE)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .test_before_acquire(false)
            };
            let write = connect_sqlite(&pool().max_connections(1), options.clone()).await?;
            let options = options.read_only(true).create_if_missing(false);
            let read = connect_sqlite(&pool().max_connections(4), options).await?;
            return Ok(Self::Sqlite { read, write });
        }
        let options =
            PgConnectOptions::from_str(dsn)?.application_name("hydrant").statement_cache_capacity(200).options([
                ("statement_timeout", "5s"),
                ("lock_timeout", "2s"),
                ("idle_in_transaction_session_timeout", "10s"),
                // Every statement that matters asks by key. A plan is made when a statement is first prepared, perhaps while
                // the table is all but empty, and is kept: one that reads the whole table then still does when it is large.
                ("enable_seqscan", "off"),
                ("enable_hashjoin", "off"),
                ("enable_mergejoin", "off"),
                // What it costs to read a whole small table is then reckoned in thousands of millions, and PostgreSQL would
                // compile the statement to machine code for it, which takes far longer than the reading.
                ("jit", "off"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(database.max_connections)
            .acquire_timeout(PATIENCE)
            .max_lifetime(Duration::from_mins(30))
            .test_before_acquire(false)
            .before_acquire(|_, about| Box::pin(async move { Ok(!is_stale(about.age)) }))
            .connect_lazy_with(options);
        Ok(Self::Postgres(pool))
    }

    /// Asks for one connection past the pool, which would try for as long as it may and then not say why there is none.
    pub async fn reach(&self) -> Result<()> {
        let Self::Postgres(pool) = self else { return Ok(()) };
        let options = pool.connect_options();
        let connected = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options)).await;
        connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))?.close().await?;
        Ok(())
    }

    pub async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            Self::Postgres(pool) => Tx::new(Begun::Postgres(pool.begin().await?)),
            Self::Sqlite { write, .. } => Tx::new(Begun::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?)),
        })
    }

    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
        }
    }

    pub fn connections(&self) -> (u32, u32) {
        let idle = |idle: usize| u32::try_from(idle).unwrap_or(u32::MAX);
        match self {
            Self::Postgres(pool) => (pool.size(), idle(pool.num_idle())),
            // In memory both are the same pool.
            Self::Sqlite { read, write } => {
                (read.size() + write.size(), idle(read.num_idle()) + idle(write.num_idle()))
            }
        }
    }

    /// Connections that nobody has at the moment.
    pub fn spare(&self) -> u32 {
        let (open, idle) = self.connections();
        self.max_connections().saturating_sub(open) + idle
    }

    pub fn max_connections(&self) -> u32 {
        match self {
            Self::Postgres(pool) => pool.options().get_max_connections(),
            Self::Sqlite { read, write } => {
                read.options().get_max_connections() + write.options().get_max_connections()
            }
        }
    }

    /// A connection fit for the statement: SQLite's readers do not wait for its writer.
    pub async fn place(&self, writes: bool) -> Result<Place<'_>> {
        Ok(match self {
            Self::Postgres(pool) => Place::Postgres(pool.acquire().await?),
            Self::Sqlite { write, .. } if writes => Place::Sqlite(write.acquire().await?),
            Self::Sqlite { read, .. } => Place::Sqlite(read.acquire().await?),
        })
    }
}

/// A file that several processes open for the first time: SQLite refuses all but one the switch to WAL at once, whatever
/// the busy timeout says.
async fn connect_sqlite(pool: &SqlitePoolOptions, options: SqliteConnectOptions) -> Result<SqlitePool> {
    let began = Instant::now();
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Err(error) if is_locked(&error) && began.elapsed() < SQLITE_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connected => return Ok(connected?),
        }
    }
}

/// `SQLITE_BUSY`, in any of its extended forms.
fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

/// WAL with a full sync: a refresh rotation that a power cut forgets would be a security event.
fn sqlite_options(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(SQLITE_PATIENCE)
        .statement_cache_capacity(200)
        .pragma("cache_size", "-16384")
}

/// The file holds what only the server may read: 0600 from the first moment, and never through a link.
fn make_private(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_symlink() => {
                return Err(std::io::Error::other("the database file is a symbolic link: name the file itself"));
            }
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                tracing::warn!(path = %path.display(), "the database file can be read by others: chmod 600 it");
            }
            Ok(_) => {}
            Err(_) => match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
                // Another process was quicker.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return make_private(path),
                made => drop(made?),
            },
        }
    }
    Ok(())
}

impl super::Store {
    pub(super) async fn place(&self, writes: bool) -> Result<Place<'_>> {
        self.0.db.place(writes).await
    }
}

/// Where one statement runs.
pub enum Place<'a> {
    Postgres(PoolConnection<Postgres>),
    PostgresTx(&'a mut PgConnection),
    Sqlite(PoolConnection<Sqlite>),
    SqliteTx(&'a mut SqliteConnection),
}

pub enum Connection<'a> {
    Postgres(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
}

impl Place<'_> {
    pub fn connection(&mut self) -> Connection<'_> {
        match self {
            Self::Postgres(connection) => Connection::Postgres(connection),
            Self::PostgresTx(connection) => Connection::Postgres(connection),
            Self::Sqlite(connection) => Connection::Sqlite(connection),
            Self::SqliteTx(connection) => Connection::Sqlite(connection),
        }
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres(_) => "PostgreSQL",
            Self::Sqlite { .. } => "SQLite",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What SQLite does not do unless each connection asks for it.
    #[tokio::test]
    async fn every_sqlite_connection_is_durable_and_keeps_its_foreign_keys() {
        let folder = tempfile::tempdir().unwrap();
        let dsn = format!("sqlite://{}", folder.path().join("hydrant.db").display());
        let config = config::Config::for_tests("http://127.0.0.1:4444", &dsn);
        let db = Db::open(&config.database).await.unwrap();
        for writes in [true, false] {
            let mut place = db.place(writes).await.unwrap();
            let Connection::Sqlite(connection) = place.connection() else { panic!("{db:?}") };
            for (pragma, expected) in
                [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA busy_timeout", 5000)]
            {
                let found: i64 = sqlx::query_scalar(pragma).fetch_one(&mut *connection).await.unwrap();
                assert_eq!(found, expected, "{pragma}, writes: {writes}");
            }
            let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(connection).await.unwrap();
            assert_eq!(mode, "wal");
        }
    }
}

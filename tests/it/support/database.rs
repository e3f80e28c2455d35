//! A database for each test: a SQLite file, or a PostgreSQL database made from a migrated template.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hydrant::clock::Clock;
use hydrant::config::Config;
use hydrant::keys::Keys;
use hydrant::store::Store;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tokio::sync::OnceCell;

/// Gone when the last clone is.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    dsn: String,
    /// SQLite's folder.
    _folder: Option<tempfile::TempDir>,
}

static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static SQLITE_TEMPLATE: OnceCell<std::path::PathBuf> = OnceCell::const_new();
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The cluster that `HYDRANT_TEST_DATABASE` names, if it names one.
pub fn cluster() -> Option<String> {
    std::env::var("HYDRANT_TEST_DATABASE").ok().filter(|dsn| dsn.starts_with("postgres"))
}

impl Database {
    /// A migrated one.
    pub async fn new() -> Self {
        Self::make(true).await
    }

    /// One with nothing in it.
    pub async fn empty() -> Self {
        Self::make(false).await
    }

    async fn make(migrated: bool) -> Self {
        let Some(cluster) = cluster() else {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("hydrant.db");
            let dsn = format!("sqlite://{}", file.display());
            if migrated {
                let template = SQLITE_TEMPLATE.get_or_init(sqlite_template).await;
                std::fs::copy(template, &file).unwrap();
            }
            return Self(Arc::new(Inner { dsn, _folder: Some(folder) }));
        };
        let template = TEMPLATE.get_or_init(|| template(cluster.clone())).await;
        let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let from = if migrated { template } else { "template0" };
        run(&cluster, &format!("CREATE DATABASE {name} TEMPLATE {from}")).await;
        Self(Arc::new(Inner { dsn: with_name(&cluster, &name), _folder: None }))
    }

    pub fn dsn(&self) -> &str {
        &self.0.dsn
    }

    pub fn is_postgres(&self) -> bool {
        self.0.dsn.starts_with("postgres")
    }

    /// A statement behind the server's back; how many rows it changed.
    pub async fn execute(&self, statement: &str) -> u64 {
        if self.is_postgres() {
            let mut connection = PgConnection::connect(self.dsn()).await.unwrap();
            let done = connection.execute(AssertSqlSafe(statement)).await.unwrap().rows_affected();
            connection.close().await.unwrap();
            return done;
        }
        let mut connection = SqliteConnection::connect(self.dsn()).await.unwrap();
        let done = connection.execute(AssertSqlSafe(statement)).await.unwrap().rows_affected();
        connection.close().await.unwrap();
        done
    }
}

/// A migrated file with keys, for the life of this process.
async fn sqlite_template() -> std::path::PathBuf {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("template_{}.db", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let config = Config::for_tests("http://127.0.0.1:4444", &format!("sqlite://{}", file.display()));
    let store = Store::open(&config.database).await.unwrap();
    store.migrate().await.unwrap();
    Keys::new(&config).load(&store, Clock::System.now()).await.unwrap();
    store.close().await;
    file
}

async fn template(cluster: String) -> String {
    let name = format!("template_{}", std::process::id());
    run(&cluster, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
    let config = Config::for_tests("http://127.0.0.1:4444", &with_name(&cluster, &name));
    let store = Store::open(&config.database).await.unwrap();
    store.migrate().await.unwrap();
    // With its keys, because making one takes longer than most tests.
    Keys::new(&config).load(&store, Clock::System.now()).await.unwrap();
    store.close().await;
    // What listened in the background may hold on for a moment.
    run(&cluster, &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")).await;
    name
}

fn with_name(cluster: &str, name: &str) -> String {
    let (base, _) = cluster.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// Statements on the cluster itself, one at a time: `CREATE DATABASE` does not like company.
async fn run(cluster: &str, statement: &str) {
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE.lock().await;
    let options: PgConnectOptions = cluster.parse().unwrap();
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
    connection.close().await.unwrap();
}

/// What a test looks up in the tables themselves, past the server.
impl Database {
    pub async fn tables(&self) -> Vec<String> {
        let text = if self.is_postgres() {
            "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        } else {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
        };
        self.column(text).await
    }

    pub async fn count(&self, table: &str) -> i64 {
        let rows = self.column(&format!("SELECT CAST(count(*) AS TEXT) FROM {table}")).await;
        rows[0].parse().unwrap()
    }

    /// Every value of every row of every table.
    pub async fn dump(&self) -> String {
        let mut dump = String::new();
        for table in self.tables().await {
            let text = if self.is_postgres() {
                format!("SELECT row_to_json(t)::TEXT FROM {table} t")
            } else {
                let names = self.column(&format!("SELECT name FROM pragma_table_info('{table}')")).await;
                let quoted: Vec<_> = names.iter().map(|name| format!("quote({name})")).collect();
                format!("SELECT {} FROM {table}", quoted.join(" || ' ' || "))
            };
            for row in self.column(&text).await {
                dump.extend([&table, ": ", &row, "\n"]);
            }
        }
        dump
    }

    /// The first column of a statement's rows, a text.
    pub async fn column(&self, text: &str) -> Vec<String> {
        if self.is_postgres() {
            let mut connection = PgConnection::connect(self.dsn()).await.unwrap();
            let rows = sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            return rows;
        }
        let mut connection = SqliteConnection::connect(self.dsn()).await.unwrap();
        let rows = sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        rows
    }
}

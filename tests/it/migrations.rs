//! The schema, when several bring it up to date at once, and when it is not what the program knows (security-cases.md
//! F-26, F-29, F-30).

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use futures_util::future::join_all;
use hydrant::config::Config;
use hydrant::store::Store;

use crate::support::process::Setup;
use crate::support::{Database, race};

const SECRET: &str = "kT4pR7vW2xZ9cN5mQ8sB";

/// How many rows a table has.
async fn rows(database: &Database, table: &str, column: &str) -> u64 {
    database.execute(&format!("UPDATE {table} SET {column} = {column}")).await
}

/// F-26: all of them succeed, and the schema is applied once.
#[tokio::test]
async fn f_26_eight_may_migrate_at_once() {
    for _ in 0..2 {
        let database = Database::empty().await;
        let setup = Setup::production(database.dsn(), SECRET);
        let all = join_all((0..8).map(|_| setup.run(&["migrate", "up", "--format", "json"]))).await;
        for ran in &all {
            assert_eq!(ran.json()[0]["applied"], true, "{ran:?}");
        }
        let known = all[0].json().as_array().unwrap().len();
        assert_eq!(rows(&database, "_sqlx_migrations", "version").await, u64::try_from(known).unwrap());
    }
}

/// A file that several processes make at once is one database, and only the owner's.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn f_26_eight_may_make_the_same_file() {
    for _ in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new").join("hydrant.db");
        let config = Config::for_tests("http://127.0.0.1:4444", &format!("sqlite://{}", file.display()));
        let opened = race(8, |_| {
            let database = config.database.clone();
            async move {
                let store = Store::open(&database).await?;
                store.migrate().await?;
                store.close().await;
                Ok::<_, hydrant::store::Error>(())
            }
        });
        for outcome in opened.await {
            outcome.unwrap();
        }
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// Where migrations are the operator's own step, a server on a schema that lacks one says so and ends.
#[tokio::test]
async fn a_server_on_an_old_schema_names_the_command() {
    let database = Database::empty().await;
    let setup = Setup::production(database.dsn(), SECRET).env("DATABASE_AUTO_MIGRATE", "false");
    let mut process = setup.spawn();
    assert_eq!(process.ended(Duration::from_secs(10)).await, 1);
    let log = process.log();
    let last = log.lines().last().unwrap();
    assert!(last.starts_with("error: ") && last.contains("hydrant migrate up"), "{log}");
    setup.run(&["client", "list"]).await.failed(1, "hydrant migrate up -c ");
    assert_eq!(setup.run(&["migrate", "status", "--format", "json"]).await.json()[0]["applied"], false);
    assert_eq!(setup.run(&["migrate", "up"]).await.status, 0);
    setup.start().await;
}

/// F-30: a schema from the future is left alone.
#[tokio::test]
async fn f_30_a_newer_schema_is_left_alone() {
    let database = Database::empty().await;
    let setup = Setup::production(database.dsn(), SECRET);
    assert_eq!(setup.run(&["migrate", "up"]).await.status, 0);
    let future = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                  SELECT 9999, 'of the future', success, checksum, execution_time FROM _sqlx_migrations
                   WHERE version = 1";
    assert_eq!(database.execute(future).await, 1);
    let mut process = setup.spawn();
    assert_eq!(process.ended(Duration::from_secs(10)).await, 1);
    let log = process.log();
    let last = log.lines().last().unwrap();
    assert!(last.starts_with("error: ") && last.contains("newer Hydrant") && last.contains("9999"), "{log}");
    for command in [&["migrate", "up"][..], &["client", "list"], &["key", "rotate"], &["user", "list"]] {
        setup.run(command).await.failed(1, "newer Hydrant");
    }
    let status = setup.run(&["migrate", "status"]).await;
    assert!(status.status == 0 && status.stdout.contains("[9999]"), "{status:?}");
    assert_eq!(rows(&database, "keys", "id").await, 0, "no key was made");
    let ours = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap().count();
    assert_eq!(rows(&database, "_sqlx_migrations", "version").await, u64::try_from(ours + 1).unwrap());
}

//! What PostgreSQL itself can do in the same minute, as its own `pgbench` measures it: eight clients, prepared statements.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::database::Database;

/// In a database of its own, so that nothing of it counts as the server's.
const NAME: &str = "yardstick";

const SELECT: &str = "\\set id random(1, 100000)\nSELECT filler FROM rows WHERE id = :id;\n";
/// Time-ordered like the server's ids, and about as long as a grant.
const INSERT: &str = "INSERT INTO written (filler) VALUES (repeat('x', 500));\n";

pub struct PgBench {
    program: PathBuf,
    dsn: String,
}

impl PgBench {
    /// Makes 100,000 rows to read.
    pub async fn prepare(program: PathBuf, dsn: &str, database: &Database) -> Result<Self> {
        database.execute(&format!("CREATE DATABASE {NAME}")).await?;
        let (server, _) = dsn.rsplit_once('/').context("the DSN has no database")?;
        let dsn = format!("{server}/{NAME}");
        let own = Database::open(&dsn).await?;
        own.execute(
            "CREATE TABLE rows (id BIGINT PRIMARY KEY, filler TEXT NOT NULL);
             CREATE TABLE written (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, filler TEXT NOT NULL);
             INSERT INTO rows SELECT id, repeat('x', 500) FROM generate_series(1, 100000) AS id;
             ANALYZE rows",
        )
        .await?;
        Ok(Self { program, dsn })
    }

    pub fn selects(&self, time: Duration) -> Result<f64> {
        self.run(SELECT, time)
    }

    pub fn inserts(&self, time: Duration) -> Result<f64> {
        self.run(INSERT, time)
    }

    /// Transactions a second; pgbench knows whole seconds only.
    fn run(&self, script: &str, time: Duration) -> Result<f64> {
        let seconds = time.as_secs().max(1).to_string();
        let mut child = Command::new(&self.program)
            .args(["--no-vacuum", "--client=8", "--jobs=2", "--protocol=prepared", "--time", &seconds, "--file=-"])
            .arg(&self.dsn)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| self.program.display().to_string())?;
        child.stdin.take().context("pgbench reads nothing")?.write_all(script.as_bytes())?;
        let output = child.wait_with_output()?;
        let told = String::from_utf8_lossy(&output.stdout);
        let failed = || format!("pgbench: {told}{}", String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{}", failed());
        let rate = told.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        rate.with_context(failed)
    }
}

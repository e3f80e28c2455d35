//! `hydrant migrate`: the schema of the database.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{Format, print, print_json, table};
use super::{Global, Misuse, open};
use crate::app::App;
use crate::store::migration::Schema;

#[derive(Debug, Args)]
pub struct Migrate {
    #[command(subcommand)]
    what: Option<What>,
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", display_order = 902)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tells which migrations are applied; the default.
    Status,
    /// Applies what is missing.
    Up,
    /// Hydra's way of saying it.
    #[command(hide = true)]
    Sql(Sql),
}

/// `hydra migrate sql`: by itself it is `up`.
#[derive(Debug, Args)]
struct Sql {
    #[command(subcommand)]
    what: Option<SqlWhat>,
    /// The environment is always read.
    #[arg(short = 'e', long = "read-from-env", global = true)]
    read_from_env: bool,
    /// Nothing is asked.
    #[arg(short, long, global = true)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum SqlWhat {
    Up,
    Status,
    Down,
}

impl Migrate {
    /// Whether anything is to be applied.
    fn applies(&self) -> Result<bool> {
        match &self.what {
            None | Some(What::Status | What::Sql(Sql { what: Some(SqlWhat::Status), .. })) => Ok(false),
            Some(What::Up | What::Sql(Sql { what: None | Some(SqlWhat::Up), .. })) => Ok(true),
            Some(What::Sql(Sql { what: Some(SqlWhat::Down), .. })) => {
                Err(Misuse("migrate sql down: migrations are not undone; restore a backup".to_owned()).into())
            }
        }
    }
}

pub async fn run(args: &Migrate, global: &Global) -> Result<()> {
    let applies = args.applies()?;
    open::with_store(global, async |app| {
        if applies {
            up(app).await?;
        }
        status(app, args.format, &open::arguments(global)).await
    })
    .await
}

async fn up(app: &App) -> Result<()> {
    if let Schema::Newer(_) = app.store.schema().await? {
        bail!("the database was migrated by a newer Hydrant; use that one for it");
    }
    Ok(app.store.migrate().await?)
}

async fn status(app: &App, format: Format, arguments: &str) -> Result<()> {
    let status = app.store.migration_status().await?;
    if format == Format::Json {
        let lines: Vec<_> = status
            .iter()
            .map(|line| json!({ "version": line.version, "name": line.name, "applied": line.applied }))
            .collect();
        return print_json(&lines);
    }
    let rows: Vec<_> = status
        .iter()
        .map(|line| {
            let state = if line.applied { "applied" } else { "pending" };
            vec![line.version.to_string(), line.name.to_owned(), state.to_owned()]
        })
        .collect();
    print(&table(&["VERSION", "NAME", "STATUS"], &rows))?;
    match app.store.schema().await? {
        Schema::Current => print("The schema is up to date.\n"),
        Schema::Pending(_) => print(&format!("Run `hydrant migrate up{arguments}` to apply what is pending.\n")),
        Schema::Newer(versions) => {
            print(&format!("The database also has the migrations {versions:?} of a newer Hydrant; use that one.\n"))
        }
    }
}

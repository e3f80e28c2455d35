//! From the command line to an open database: the configuration, the store, the schema.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{BadConfiguration, Global};
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, Loaded, user_name};
use crate::store::migration::Schema;

/// The configuration of a file, with the environment over it.
///
/// # Errors
/// [`BadConfiguration`], with every problem.
pub fn load(file: Option<&Path>, dev: bool) -> Result<Loaded> {
    Ok(Config::load(file, &|name| std::env::var(name).ok(), dev).map_err(BadConfiguration)?)
}

/// Does work on the configured database, whatever state its schema is in.
pub async fn with_store<T>(global: &Global, work: impl AsyncFnOnce(&App) -> Result<T>) -> Result<T> {
    let Loaded { config, .. } = load(global.config.as_deref(), global.dev)?;
    if config.database.dsn.expose() == "memory" {
        bail!("dsn: a database in memory belongs to one process: nothing outside of the server can work on it");
    }
    let app = App::open(config, Clock::System).await.context("the database can not be opened")?;
    let app = app.by(format!("cli:{}", user()), None);
    let reached = app.store.reach().await;
    reached.context("the database does not answer; does it run where `dsn` says, and let us in?")?;
    let outcome = work(&app).await;
    app.store.close().await;
    outcome
}

/// Does work on the configured database, once its schema is the one of this program.
pub async fn with_app<T>(global: &Global, work: impl AsyncFnOnce(&App) -> Result<T>) -> Result<T> {
    with_store(global, async |app| match app.store.schema().await? {
        Schema::Current => work(app).await,
        Schema::Pending(versions) => bail!(
            "the database lacks {}; run `hydrant migrate up{}` first",
            match versions.len() {
                1 => "a migration".to_owned(),
                count => format!("{count} migrations"),
            },
            arguments(global),
        ),
        Schema::Newer(_) => bail!("the database was migrated by a newer Hydrant; use that one for it"),
    })
    .await
}

/// The same, with the keys read (and made, where there are none yet).
pub async fn with_keys<T>(global: &Global, work: impl AsyncFnOnce(&App) -> Result<T>) -> Result<T> {
    with_app(global, async |app| {
        app.keys.load(&app.store, app.clock.now()).await?;
        work(app).await
    })
    .await
}

/// Who works here, as the machine calls its users; by number where it has no name.
fn user() -> String {
    // Linux: a process belongs to whom it runs as.
    let id = std::fs::metadata("/proc/self").ok().map(|process| process.uid());
    let named = id.and_then(user_name).or_else(|| id.map(|id| id.to_string()));
    named.or_else(|| std::env::var("USER").ok().filter(|name| !name.is_empty())).unwrap_or_else(|| "unknown".to_owned())
}

/// What the command line said of the configuration, to be said again.
pub fn arguments(global: &Global) -> String {
    let file = global.config.as_ref().map(|file| format!(" -c {}", file.display())).unwrap_or_default();
    format!("{file}{}", if global.dev { " --dev" } else { "" })
}

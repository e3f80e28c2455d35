//! `hydrant serve`: start, run, end.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use axum::Router;
use clap::ValueEnum;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::Misuse;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::listener::{self, Address, Drain, Threads};
use crate::store::migration::Schema;
use crate::{backchannel_logout, client_secret, keys, router};

/// How often rows that have expired are taken.
const SWEEP: Duration = Duration::from_mins(1);

/// When secrets of clients are sealed anew.
const RESEAL: Duration = Duration::from_hours(1);

/// The longest pause between two attempts to reach the database.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// As Hydra has it: `all`, which is what it does anyway.
    #[arg(value_enum, hide = true)]
    ports: Option<Ports>,
    /// Hydra's switch for its telemetry. There is none here.
    #[arg(long, hide = true)]
    sqa_opt_out: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ports {
    All,
    Public,
    Admin,
}

impl Args {
    /// One port without the other is not refused as a word that nobody knows: a deployment of Hydra's may rest on it.
    pub fn check(&self) -> Result<()> {
        let (word, other) = match self.ports {
            None | Some(Ports::All) => return Ok(()),
            Some(Ports::Public) => ("public", "serve.admin.host on loopback (the default) or on a unix socket"),
            Some(Ports::Admin) => ("admin", "serve.public.host on 127.0.0.1"),
        };
        let words = format!(
            "serve {word}: one process serves both ports; say `hydrant serve`, and keep {other} where nobody is to reach it"
        );
        Err(Misuse(words).into())
    }
}

/// A server with both its ports open. It may not have its database yet.
pub struct Running {
    pub public: Address,
    pub admin: Address,
    app: App,
    drain: Drain,
    servers: JoinSet<std::io::Result<()>>,
    preparation: JoinHandle<Result<()>>,
    background: JoinSet<()>,
    ready: watch::Receiver<bool>,
    threads: Threads,
}

/// Opens both ports and goes on to bring up what is behind them. Fails where a port or the database's name is no good;
/// a database that is down is waited for, with the ports open, so that probes can see it.
pub async fn start(config: Config, clock: Clock) -> Result<Running> {
    let drain = Drain::default();
    // The ports come first: where one is taken, nothing has touched the database.
    let public = listener::bind("public", &config.serve.public, &config.limits).await?;
    let admin = listener::bind("admin", &config.serve.admin, &config.limits).await?;
    let threads = Threads::start(config.limits.threads).context("the threads for requests can not be started")?;
    let runtimes: Vec<_> = threads.runtimes().cloned().collect();
    let (app, apps) = App::open_for_threads(config, clock, &runtimes).await?;
    let (public_address, admin_address) = (public.address().clone(), admin.address().clone());
    let mut servers = JoinSet::new();
    let on_each = |router: fn(&App, Drain) -> Router| -> Vec<_> {
        runtimes.iter().cloned().zip(apps.iter().map(|app| router(app, drain.clone()))).collect()
    };
    servers.spawn(public.serve(on_each(router::public), drain.clone()));
    servers.spawn(admin.serve(on_each(router::admin), drain.clone()));
    let (announce, ready) = watch::channel(false);
    let preparation = tokio::spawn(prepare(app.clone(), announce));
    let mut background = JoinSet::new();
    // Not before the schema is known to be ours: a database of another version is left alone.
    let (follower, sweeper, resealer, messenger) = (app.clone(), app.clone(), app.clone(), app.clone());
    let (mut first, mut second, mut third, mut fourth) = (ready.clone(), ready.clone(), ready.clone(), ready.clone());
    background.spawn(async move {
        if first.wait_for(|ready| *ready).await.is_ok() {
            follower.keys.clone().follow(follower.store.clone(), follower.clock.clone()).await;
        }
    });
    background.spawn(async move {
        if second.wait_for(|ready| *ready).await.is_ok() {
            sweep(sweeper).await;
        }
    });
    background.spawn(async move {
        if third.wait_for(|ready| *ready).await.is_ok() {
            reseal(resealer).await;
        }
    });
    background.spawn(async move {
        if fourth.wait_for(|ready| *ready).await.is_ok() {
            backchannel_logout::deliver(messenger).await;
        }
    });
    Ok(Running {
        public: public_address,
        admin: admin_address,
        app,
        drain,
        servers,
        preparation,
        background,
        ready,
        threads,
    })
}

impl Running {
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Returns when the database is there, its schema is ours and the keys are read.
    pub async fn ready(&mut self) -> Result<()> {
        if self.ready.wait_for(|ready| *ready).await.is_ok() {
            return Ok(());
        }
        (&mut self.preparation).await.context("the start was interrupted")?
    }

    /// Runs until SIGTERM or SIGINT, then answers what is in flight. Fails where the start turns out to be in vain.
    pub async fn wait(mut self) -> Result<()> {
        self.drain.listen_to_signals().context("signals can not be listened to")?;
        let drain = self.drain.clone();
        let started = tokio::select! {
            started = self.ready() => started,
            () = drain.draining() => Ok(()),
        };
        if let Err(error) = started {
            // Nobody is served yet: there is nothing to wait for.
            drain.signal();
            drain.signal();
            self.finish().await;
            return Err(error);
        }
        let stopped = tokio::select! {
            () = drain.draining() => Ok(()),
            Some(ended) = self.servers.join_next() => ended.map_err(Into::into).and_then(|ended| ended.context("a port stopped")),
        };
        if stopped.is_err() {
            drain.signal();
        }
        self.finish().await;
        stopped
    }

    /// Ends as SIGTERM does.
    pub async fn stop(self) {
        self.drain.signal();
        self.finish().await;
    }

    async fn finish(mut self) {
        while self.servers.join_next().await.is_some() {}
        self.preparation.abort();
        self.background.shutdown().await;
        self.app.store.close().await;
        self.threads.stop().await;
    }
}

/// Why the server is not ready: to be waited for, or not to be mended by waiting.
enum Unready {
    Wait(anyhow::Error),
    Never(anyhow::Error),
}

async fn prepare(app: App, ready: watch::Sender<bool>) -> Result<()> {
    let mut pause = Duration::from_millis(250);
    loop {
        match prepare_once(&app).await {
            Ok(()) => {
                tracing::info!(issuer = app.config.urls.issuer, "ready");
                let _ = ready.send(true);
                return Ok(());
            }
            Err(Unready::Never(error)) => return Err(error),
            Err(Unready::Wait(error)) => {
                let seconds = pause.as_secs_f32();
                tracing::warn!("not ready yet: {error}; trying again in {seconds} s");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PATIENCE);
    }
}

async fn prepare_once(app: &App) -> Result<(), Unready> {
    let wait = |error: crate::store::Error| Unready::Wait(error.into());
    app.store.reach().await.map_err(wait)?;
    match app.store.schema().await.map_err(wait)? {
        Schema::Current => {}
        Schema::Pending(_) if app.config.database.auto_migrate || app.config.dev => {
            app.store.migrate().await.map_err(wait)?;
        }
        Schema::Pending(versions) => {
            return Err(Unready::Never(anyhow!(
                "the database lacks the migrations {versions:?}: run `hydrant migrate up` with this configuration first, \
                 or set database.auto_migrate: true"
            )));
        }
        Schema::Newer(versions) => {
            return Err(Unready::Never(anyhow!(
                "the database was migrated by a newer Hydrant (migrations {versions:?} are unknown to {}): \
                 run that version",
                env!("CARGO_PKG_VERSION"),
            )));
        }
    }
    match app.keys.load(&app.store, app.clock.now()).await {
        Ok(()) => {}
        Err(keys::Error::Store(error)) => return Err(Unready::Wait(error.into())),
        Err(error) => return Err(Unready::Never(error.into())),
    }
    match client_secret::unopened(app).await.map_err(wait)?.as_slice() {
        [] => Ok(()),
        clients => Err(Unready::Never(anyhow!(
            "secrets.system: none of the secrets given opens the secrets of the clients {clients:?}; \
             put the secret that they were sealed under back into the list (the first seals, all of them open)"
        ))),
    }
}

/// An hour after the start, when every replica has the new list of secrets.
async fn reseal(app: App) {
    tokio::time::sleep(RESEAL).await;
    match client_secret::reseal(&app).await {
        Ok(0) => {}
        Ok(secrets) => tracing::info!(secrets, "secrets of clients were sealed anew under the first of secrets.system"),
        Err(error) => tracing::warn!(%error, "secrets of clients could not be sealed anew; the next start tries again"),
    }
    match app.keys.reseal(&app.store).await {
        Ok(0) => {}
        Ok(keys) => tracing::info!(keys, "keys were sealed anew under the first of secrets.system"),
        Err(error) => tracing::warn!(%error, "keys could not be sealed anew; the next start tries again"),
    }
}

async fn sweep(app: App) {
    loop {
        tokio::time::sleep(SWEEP).await;
        match app.store.sweep(app.clock.now()).await {
            Ok(0) => {}
            Ok(rows) => {
                app.metrics.swept(rows);
                tracing::debug!(rows, "swept");
            }
            Err(error) => tracing::warn!(%error, "the sweep did not finish; the next one goes on"),
        }
    }
}

/// `hydrant serve`.
pub async fn run(config: Config) -> Result<()> {
    if config.dev {
        tracing::warn!("development mode: plain http, well-known secrets, an embedded database; not for production");
    }
    let running = start(config, Clock::System).await?;
    tracing::info!(public = %running.public, admin = %running.admin, version = env!("CARGO_PKG_VERSION"), "listening");
    let Err(error) = running.wait().await else { return Ok(()) };
    bail!(error)
}

//! `hydrant demo`: the server on a database in memory, a person, a client, and a small relying party to sign in to.
//! `hydrant demo --check` walks the whole journey by itself and says whether all of it holds.

mod browser;
mod check;
mod id_token;
mod oidc;
mod pages;
mod relying_party;
mod seed;
mod visits;

use std::io::{self, Write as _};
use std::net::Ipv4Addr;

use anyhow::{Context as _, anyhow};
use tokio::net::TcpListener;

use self::oidc::Settings;
use super::serve::{self, Running};
use crate::clock::Clock;
use crate::config::Config;
use crate::http::listener::Address;
use crate::secret::Secret;

const PORT: u16 = 5555;
const PUBLIC_PORT: u16 = 4444;
const ADMIN_PORT: u16 = 4445;

/// How often a port that was free a moment ago may turn out to be taken.
const ATTEMPTS: usize = 3;

/// The server with somebody to sign in and something to sign in to. Everything is on 127.0.0.1 and in memory: when it
/// ends, nothing is left of it.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Walk the whole journey without a browser, print a line a step, exit 0 only if all of it holds.
    #[arg(long)]
    pub check: bool,
    /// The relying party's port [default: 5555; with --check any free one].
    #[arg(long)]
    pub port: Option<u16>,
    /// The server's public port [default: 4444; with --check any free one].
    #[arg(long)]
    pub public_port: Option<u16>,
    /// The server's admin port [default: 4445; with --check any free one].
    #[arg(long)]
    pub admin_port: Option<u16>,
}

impl Args {
    /// The port that was asked for; otherwise the usual one, or 0 for a check, which runs beside anything.
    fn port_or(&self, given: Option<u16>, usual: u16) -> u16 {
        given.unwrap_or(if self.check { 0 } else { usual })
    }
}

/// The server and what its relying party needs to know of it.
struct Demo {
    running: Running,
    settings: Settings,
}

pub async fn run(args: &Args) -> anyhow::Result<()> {
    let port = args.port_or(args.port, PORT);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("the relying party can not listen on 127.0.0.1:{port}; --port chooses another"))?;
    let base = format!("http://{}", listener.local_addr()?);
    let Demo { running, settings } = start(args, &base).await?;
    let client = oidc::Client::discover(settings.clone(), Clock::System).await?;
    let page = tokio::spawn(axum::serve(listener, relying_party::router(client)).into_future());

    let ended = if args.check {
        let checked = check::walk(&settings).await;
        running.stop().await;
        checked
    } else {
        welcome(&settings, &running.admin);
        running.wait().await
    };
    page.abort();
    ended
}

/// Starts the server. A port of its own choice has to be chosen before, because it is part of the issuer's name.
async fn start(args: &Args, base: &str) -> anyhow::Result<Demo> {
    let public = args.port_or(args.public_port, PUBLIC_PORT);
    let admin = args.port_or(args.admin_port, ADMIN_PORT);
    let mut last = anyhow!("no free port was found");
    for _ in 0..if public == 0 { ATTEMPTS } else { 1 } {
        let port = if public == 0 { free_port().await? } else { public };
        match serve::start(config(port, admin)?, Clock::System).await {
            Ok(mut running) => {
                running.ready().await?;
                let client_secret = Secret::random();
                seed::sow(running.app(), base, &client_secret).await?;
                let settings = Settings::new(&running.app().config.urls.issuer, base, client_secret);
                return Ok(Demo { running, settings });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port())
}

/// The demo's own configuration. The process's environment has no part in it: a `DSN` that is set for another purpose
/// must not get a demo user.
fn config(public_port: u16, admin_port: u16) -> anyhow::Result<Config> {
    let secret = Secret::random();
    let env = |name: &str| {
        Some(match name {
            "DSN" => "memory".to_owned(),
            "SECRETS_SYSTEM" => secret.expose().to_owned(),
            "URLS_SELF_ISSUER" => format!("http://127.0.0.1:{public_port}"),
            "SERVE_PUBLIC_HOST" | "SERVE_ADMIN_HOST" => "127.0.0.1".to_owned(),
            "OAUTH2_INTROSPECTION_PUBLIC" => "true".to_owned(),
            "OAUTH2_GRANT_AUTHORIZATION_CODE_REPLAY_GRACE_PERIOD" => "0s".to_owned(),
            "LIMITS_DRAIN_TIMEOUT" => "1s".to_owned(),
            "UI_TITLE" => "Hydrant".to_owned(),
            _ => return None,
        })
    };
    let mut config = Config::load(None, &env, true)
        .map_err(|problems| anyhow!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?
        .config;
    config.database.auto_migrate = true;
    config.serve.public.port = public_port;
    config.serve.admin.port = admin_port;
    Ok(config)
}

fn welcome(settings: &Settings, admin: &Address) {
    let Settings { issuer, base, client_id, client_secret, .. } = settings;
    say(&format!(
        "Hydrant is running, with somebody to sign in and something to sign in to.\n\n  \
         Open this page     {base}/\n  \
         Sign in as         {email}\n  \
         with the password  {password}\n\n  \
         OpenID provider    {issuer}\n  \
         Admin API          http://{admin}\n  \
         Client             {client_id}, its secret {secret}\n\n\
         Everything is in memory and gone when it ends. Ctrl-C ends it.",
        email = seed::EMAIL,
        password = seed::PASSWORD,
        secret = client_secret.expose(),
    ));
}

/// A line for the terminal. Whoever stopped reading does not stop the server.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(check: bool, port: Option<u16>) -> Args {
        Args { check, port, public_port: None, admin_port: None }
    }

    #[test]
    fn a_check_takes_free_ports_unless_told_otherwise() {
        for (check, given, port) in [(false, None, PORT), (true, None, 0), (true, Some(7), 7), (false, Some(7), 7)] {
            let args = args(check, given);
            assert_eq!(args.port_or(args.port, PORT), port);
        }
    }

    #[test]
    fn the_configuration_holds_and_leaves_nothing_behind() {
        let config = config(4000, 0).unwrap();
        assert_eq!(config.urls.issuer, "http://127.0.0.1:4000");
        assert_eq!(config.database.dsn.expose(), "memory");
        assert!(config.dev && config.database.auto_migrate && config.oauth2.public_introspection);
        assert!(config.oauth2.code_replay_grace.is_zero());
        for (listener, port) in [(&config.serve.public, 4000), (&config.serve.admin, 0)] {
            assert_eq!((listener.host.is_local(), listener.port), (true, port));
        }
    }

    #[test]
    fn each_demo_has_system_secrets_of_its_own() {
        let secret = || config(4000, 0).unwrap().secrets.system[0].expose().to_owned();
        assert_ne!(secret(), secret());
    }
}

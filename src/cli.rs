//! The command line: what there is to say to `hydrant`, and what it answers.
//!
//! Exit statuses: 0 done; 1 it could not be done; 2 the command line or the configuration is wrong. Answers go to
//! standard output, everything else to standard error.

mod admin_token;
mod check;
mod client;
pub mod demo;
mod event;
mod failure;
mod health;
mod input;
mod key;
mod migrate;
mod open;
mod output;
mod pages;
pub mod serve;
mod session;
mod token;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub use self::failure::{BadConfiguration, Misuse};
pub use self::open::load;
use self::output::Format;
use crate::telemetry;

/// An OAuth 2.0 authorization server and OpenID provider in one program.
#[derive(Debug, Parser)]
#[command(
    name = "hydrant",
    version,
    propagate_version = false,
    arg_required_else_help = true,
    after_help = "\
First steps:
  hydrant demo                       server, user and application in one command
  hydrant serve --dev                http://127.0.0.1:4444, admin API on port 4445
  hydrant user create --dev --username alice --email alice@example.com
  hydrant client create --dev --id web --redirect-uri http://127.0.0.1:5555/callback \\
      --grant-type authorization_code --grant-type refresh_token --scope 'openid offline_access'

In production:
  hydrant check -c hydrant.yml       every problem at once; nothing is started
  hydrant migrate up -c hydrant.yml  brings the database up to date
  hydrant serve -c hydrant.yml

`hydrant help COMMAND` tells more, with examples."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration comes from; may stand before or after the subcommand.
#[derive(Clone, Debug, Args)]
struct Global {
    /// The configuration file (YAML). Environment names (`DSN`, `URLS_SELF_ISSUER`, …) go over it; without a file they
    /// are all there is.
    #[arg(short, long, global = true, value_name = "FILE", display_order = 900)]
    config: Option<PathBuf>,
    /// For a laptop: allows an http issuer and sample secrets. Without -c it uses a configuration that is built in, with
    /// the database hydrant-dev.db in the working directory.
    #[arg(long, global = true, display_order = 901)]
    dev: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the server: the public port and the admin port.
    #[command(after_help = "\
Examples:
  hydrant serve --dev                on this machine, with a database file of its own
  hydrant serve -c hydrant.yml
  DSN=postgres://… SECRETS_SYSTEM=… URLS_SELF_ISSUER=https://id.example.com hydrant serve")]
    Serve(serve::Args),
    /// Shows a whole login: server, user, client and application in one command.
    #[command(after_help = "\
Examples:
  hydrant demo                       then open the address that it prints
  hydrant demo --check               walks the journey by itself; exits 0 only if it holds")]
    Demo(demo::Args),
    /// Brings the database's schema up to date, or tells how it stands.
    #[command(after_help = "\
Examples:
  hydrant migrate status -c hydrant.yml
  hydrant migrate up -c hydrant.yml  any number may run at once")]
    Migrate(migrate::Migrate),
    /// Checks the configuration and prints every problem; starts nothing.
    #[command(after_help = "\
Examples:
  hydrant check -c hydrant.yml       exits 2 if anything is wrong")]
    Check,
    /// Prints the JSON Schema of the configuration, for editors; or the OpenAPI document of both ports.
    #[command(after_help = "\
Examples:
  hydrant schema > hydrant.schema.json
  hydrant schema --openapi > openapi.json")]
    Schema {
        /// The OpenAPI 3.1 document, which a running server also has at `/openapi.json` of its admin port.
        #[arg(long)]
        openapi: bool,
    },
    /// Clients: the applications that people sign in to.
    Client(client::Clients),
    /// Users: the people who sign in at the built-in pages.
    User(user::Users),
    /// Sessions: where people are signed in, and signing them out.
    Session(session::Sessions),
    /// Keys: what signs ID tokens and seals everything else.
    Key(key::Keys),
    /// Tokens: what one is worth, and ending it.
    Token(token::Tokens),
    /// Events: who changed what by the admin API or the command line.
    Event(event::Events),
    /// Admin tokens: who may call the admin API (`serve.admin.tokens`).
    AdminToken(admin_token::Tokens),
    /// Asks a running server whether it is healthy; for containers.
    #[command(after_help = "\
Examples:
  hydrant health -c hydrant.yml      exits 0 if the server here can serve requests
  hydrant health --alive             whether it runs at all, with or without its database
  hydrant health --url https://id.example.com")]
    Health(health::Health),
    /// Prints the version.
    Version {
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: Format,
    },
}

impl Cli {
    /// Does what the command line says. Whatever goes wrong has been told on standard error when this returns.
    pub async fn run(self) -> ExitCode {
        let Self { global, command } = self;
        let outcome = match &command {
            Command::Serve(args) => Box::pin(start(args, &global)).await,
            Command::Demo(_) if global.config.is_some() => {
                Err(Misuse("-c: the demo brings its own configuration and takes no file; leave it away".to_owned())
                    .into())
            }
            Command::Demo(args) => Box::pin(demo::run(args)).await,
            Command::Migrate(args) => migrate::run(args, &global).await,
            Command::Check => check::check(&global),
            Command::Schema { openapi } => check::schema(*openapi),
            Command::Client(args) => Box::pin(client::run(args, &global)).await,
            Command::User(args) => user::run(args, &global).await,
            Command::Session(args) => session::run(args, &global).await,
            Command::Key(args) => key::run(args, &global).await,
            Command::Token(args) => token::run(args, &global).await,
            Command::Event(args) => event::run(args, &global).await,
            Command::AdminToken(args) => admin_token::run(args),
            Command::Health(args) => health::run(args, &global).await,
            Command::Version { format } => check::version(*format),
        };
        outcome.map_or_else(|error| failure::report(&error), |()| ExitCode::SUCCESS)
    }
}

/// The log starts with the configuration's own settings and ends with the server.
async fn start(args: &serve::Args, global: &Global) -> anyhow::Result<()> {
    args.check()?;
    let loaded = load(global.config.as_deref(), global.dev)?;
    let _log = telemetry::init(&loaded.config.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    serve::run(loaded.config).await
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn refused(line: &str) -> bool {
        Cli::try_parse_from(line.split(' ')).is_err()
    }

    fn read(line: &str) -> Cli {
        Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_may_be_named_anywhere() {
        for line in ["hydrant -c x.yml client list", "hydrant client -c x.yml list", "hydrant client list -c x.yml"] {
            assert_eq!(read(line).global.config, Some(PathBuf::from("x.yml")), "{line}");
        }
        assert!(read("hydrant serve --dev").global.dev);
        assert!(!read("hydrant serve").global.dev);
    }

    #[test]
    fn the_demo_has_its_ports() {
        let Command::Demo(demo) = read("hydrant demo --check --port 6000").command else { panic!("no demo") };
        assert_eq!((demo.check, demo.port, demo.public_port), (true, Some(6000), None));
    }

    /// What Hydra's documents and charts say goes on: hydra.md section 5.
    #[test]
    fn hydras_own_words_are_understood() {
        for line in [
            "hydrant serve all",
            "hydrant serve all --dev -c hydra.yml",
            "hydrant serve -c hydra.yml all --dev --sqa-opt-out",
            "hydrant serve --dev all --config hydra.yml",
            "hydrant migrate sql -e --yes",
            "hydrant migrate sql up -e --yes --config hydra.yml",
            "hydrant migrate -c hydra.yml sql up -e --yes",
            "hydrant migrate sql up --read-from-env -y",
            "hydrant migrate sql status -e",
        ] {
            read(line);
        }
        for line in
            ["hydrant serve some", "hydrant serve all all", "hydrant migrate up -e", "hydrant migrate sql sideways"]
        {
            assert!(refused(line), "{line}");
        }
    }

    #[test]
    fn what_is_half_said_is_refused() {
        for line in [
            "hydrant",
            "hydrant client",
            "hydrant client get",
            "hydrant client delete",
            "hydrant user create",
            "hydrant user disable",
            "hydrant session list",
            "hydrant session list alice --subject x",
            "hydrant session revoke",
            "hydrant session revoke 0198c0de-3f7a-7c51-9d5e-1f6a3b0c2d4e --user alice",
            "hydrant token introspect",
            "hydrant key rotate --set unknown",
            "hydrant admin-token",
            "hydrant client list --format yaml",
            "hydrant nonsense",
        ] {
            assert!(refused(line), "{line}");
        }
    }
}

//! The load generator of `scripts/bench`: measures a running server next to yardsticks of the same minute.
//!
//! It runs on one thread, one task a connection, because it shares the cores with the server and the database.

mod bench;
mod browser;
mod drive;
mod endpoints;
mod footprint;
mod hello;
mod http;
mod raw;
mod report;
mod run;
mod work;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand, ValueEnum as _};

use self::bench::{Client, Setting};
use self::browser::Person;
use self::endpoints::Endpoint;
use self::footprint::{Database, file_size};
use self::http::Site;
use self::report::Outside;
use self::run::Plan;

/// Measures a Hydrant server; `scripts/bench` starts everything that this needs.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Given by `cargo bench`.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the yardstick, an axum handler that says hello, until it is killed.
    Hello { port: u16 },
    /// Prints the redirect URI that the client needs.
    RedirectUri,
    /// Measures.
    Run(Box<Run>),
}

#[derive(Args)]
struct Run {
    /// The yardstick's origin.
    #[arg(long)]
    hello: String,
    /// The yardstick's process, for its CPU time.
    #[arg(long)]
    hello_pid: u32,
    /// The server's public origin.
    #[arg(long)]
    public: String,
    /// The server's admin origin.
    #[arg(long)]
    admin: String,
    /// A file with a client of the code and refresh grants, as `hydrant client create --format json` prints it.
    #[arg(long)]
    web: PathBuf,
    /// A file with a client of the client credentials grant.
    #[arg(long)]
    service: PathBuf,
    /// Who signs in: username or email.
    #[arg(long)]
    user: String,
    #[arg(long)]
    password: String,
    /// The server's database.
    #[arg(long)]
    dsn: String,
    /// The server's process, for its memory and CPU time.
    #[arg(long)]
    pid: u32,
    /// The server's program, for its size.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// How long the server took to get ready, in milliseconds.
    #[arg(long)]
    start_up: Option<f64>,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,
    /// Whole sign-ins for the database's growth; 0 leaves it out.
    #[arg(long, default_value_t = 1000)]
    logins: usize,
    /// Only these endpoints, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Endpoint>,
    /// Tables for `docs/benchmarks.md`.
    #[arg(long)]
    markdown: bool,
}

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<()> {
    match command {
        Command::Hello { port } => hello::serve(port),
        Command::RedirectUri => {
            println!("{}", browser::REDIRECT_URI);
            Ok(())
        }
        Command::Run(run) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(measure(*run))
        }
    }
}

async fn measure(run: Run) -> Result<()> {
    let time = Duration::try_from_secs_f64(run.seconds).context("--seconds")?;
    let endpoints = if run.only.is_empty() { Endpoint::value_variants().to_vec() } else { run.only };
    let setting = Setting {
        public: Site::new(&run.public, run.pid)?,
        admin: Site::new(&run.admin, run.pid)?,
        web: client(&run.web)?,
        service: client(&run.service)?,
        person: Person { name: run.user, password: run.password },
        connections: usize::try_from(run.connections)?,
        time,
    };
    let plan = Plan {
        setting,
        hello: Site::new(&run.hello, run.hello_pid)?,
        endpoints,
        rounds: usize::try_from(run.rounds)?,
        logins: run.logins,
        database: Database::open(&run.dsn).await?,
    };
    let outside = Outside { start_up: run.start_up, binary: run.binary.as_deref().map(file_size).transpose()? };
    let report = run::run(plan).await?;
    print!("{}", report.text(outside, run.markdown));
    Ok(())
}

fn client(path: &Path) -> Result<Client> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    serde_json::from_reader(file).with_context(|| path.display().to_string())
}

//! The command line, which `scripts/bench` writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand, ValueEnum as _};
use hydrant::clock::Clock;

use crate::bench::Bench;
use crate::database::{Database, Meter};
use crate::endpoints::Endpoint;
use crate::figures::{Footprint, Machine, Report};
use crate::fill::{Fill, Spare, fill};
use crate::http::Site;
use crate::pgbench::PgBench;
use crate::run::{Plan, run};
use crate::scale::Extent;
use crate::setting::{Deployment, Setting};
use crate::usage::{Memory, file_size, memory_mib};

/// Measures a Hydrant server; `scripts/bench` starts everything that this needs.
#[derive(Parser)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Given by `cargo bench`.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serves the yardstick, an axum handler that says hello, until it is killed.
    Hello { port: u16 },
    /// Puts so many grants of the client `web` in the place of all that there are, with their sessions and people.
    Fill {
        /// A PostgreSQL database with the client and at least one user.
        #[arg(long)]
        dsn: String,
        #[arg(long)]
        grants: usize,
    },
    /// Measures.
    Run(Box<Run>),
}

#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    servers: Servers,
    /// How long the server took to get ready, in milliseconds.
    #[arg(long)]
    start_up: Option<f64>,
    #[arg(long, default_value = "unknown")]
    commit: String,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,
    /// Other numbers of connections, separated by commas.
    #[arg(long, value_delimiter = ',')]
    sweep: Vec<usize>,
    /// Whole sign-ins of each kind for the database's growth; 0 leaves it out.
    #[arg(long, default_value_t = 1000)]
    logins: usize,
    /// Lets everything expire in the end, and waits for the server's sweep.
    #[arg(long)]
    expiry: bool,
    /// Also with so many grants, and with so many.
    #[arg(long, num_args = 2, value_names = ["FEW", "MANY"])]
    scale: Option<Vec<usize>>,
    /// Only these endpoints, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Endpoint>,
    /// Tables for `docs/performance.md`.
    #[arg(long)]
    markdown: bool,
    /// Where everything is written as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What runs already.
#[derive(Args)]
struct Servers {
    /// The yardstick's address.
    #[arg(long)]
    hello: String,
    #[arg(long)]
    hello_pid: u32,
    #[arg(long)]
    issuer: String,
    /// The server with pages of its own: addresses of both ports.
    #[arg(long)]
    public: String,
    #[arg(long)]
    admin: String,
    #[arg(long)]
    pid: u32,
    /// The server where another app signs people in.
    #[arg(long)]
    public_elsewhere: String,
    #[arg(long)]
    admin_elsewhere: String,
    #[arg(long)]
    pid_elsewhere: u32,
    /// The servers' database.
    #[arg(long)]
    dsn: String,
    /// The folder that the database is in.
    #[arg(long)]
    data: Option<PathBuf>,
    /// PostgreSQL's first process.
    #[arg(long)]
    postmaster: Option<u32>,
    #[arg(long)]
    pgbench: Option<PathBuf>,
    /// The configuration of the first server, for its keys.
    #[arg(long)]
    config: PathBuf,
    /// The server's program, for its size.
    #[arg(long)]
    binary: Option<PathBuf>,
}

pub async fn fill_database(dsn: &str, grants: usize) -> Result<()> {
    let database = Database::open(dsn).await?;
    let filled = fill(&database, Fill { grants, spare: Spare::default(), sample: 0 }).await?;
    println!("{grants} grants in {:.0} s, {} bytes in all", filled.took.as_secs_f64(), database.bytes().await?);
    Ok(())
}

pub async fn measure(asked: Run) -> Result<()> {
    let Run { servers, .. } = &asked;
    let time = Duration::try_from_secs_f64(asked.seconds).context("--seconds")?;
    let deployment = |public: &str, admin: &str, pid| {
        anyhow::Ok(Deployment {
            public: Site::behind_proxy(public, &servers.issuer, pid)?,
            admin: Site::new(admin, pid)?,
        })
    };
    let pages = deployment(&servers.public, &servers.admin, servers.pid)?;
    let elsewhere = deployment(&servers.public_elsewhere, &servers.admin_elsewhere, servers.pid_elsewhere)?;
    let meter = Meter::new(&servers.dsn, servers.postmaster, servers.data.as_deref()).await?;
    let pgbench = match &servers.pgbench {
        Some(program) => Some(PgBench::prepare(program.clone(), &servers.dsn, &meter.database).await?),
        None => None,
    };
    let (connections, rounds) = (usize::try_from(asked.connections)?, usize::try_from(asked.rounds)?);
    let footprint = Footprint {
        idle: Memory::of(servers.pid),
        loaded: None,
        start_up: asked.start_up,
        binary: servers.binary.as_deref().map(file_size).transpose()?,
    };
    let machine = machine(&meter.database, asked.commit.clone()).await?;
    let mut report = Report::new(machine, connections, rounds, time, footprint);
    let scale = match asked.scale.as_deref() {
        Some([few, many]) => Some(Extent { few: *few, many: *many, config: servers.config.clone() }),
        _ => None,
    };
    let plan = Plan {
        hello: Site::new(&servers.hello, servers.hello_pid)?,
        half_load: true,
        endpoints: if asked.only.is_empty() { Endpoint::value_variants().to_vec() } else { asked.only.clone() },
        connections,
        sweep: asked.sweep.clone(),
        rounds,
        time,
        logins: asked.logins,
        expiry: asked.expiry,
        pgbench,
        scale,
    };
    eprintln!("registering clients, signing in, making grants");
    let mut bench = Bench::prepare(Setting::make(pages, elsewhere).await?, meter).await?;
    run(plan, &mut bench, &mut report).await?;
    if let Some(file) = &asked.json {
        write_json(file, &report)?;
    }
    print!("{}", report.text(asked.markdown));
    Ok(())
}

fn write_json(file: &Path, report: &Report) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(file, serde_json::to_vec_pretty(report)?).with_context(|| file.display().to_string())?;
    eprintln!("written to {}", file.display());
    Ok(())
}

async fn machine(database: &Database, commit: String) -> Result<Machine> {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Ok(Machine {
        cores: thread::available_parallelism().map_or(1, usize::from),
        processor: named.map_or("an unknown processor", |(_, name)| name).to_owned(),
        memory_mib: memory_mib(),
        kernel: kernel.trim().to_owned(),
        database: database.version().await?,
        commit,
        at: Clock::System.now().rfc3339(),
    })
}

//! The load generator of `scripts/bench`: measures a running server next to yardsticks of the same minute.
//!
//! It runs on one thread, one task a connection, because it shares the cores with the server and the database.

mod bench;
mod browser;
mod cli;
mod database;
mod drive;
mod endpoints;
mod figures;
mod fill;
mod growth;
mod hello;
mod http;
mod login;
mod pgbench;
mod raw;
mod report;
mod run;
mod scale;
mod setting;
mod table;
mod usage;
mod work;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use self::cli::{Cli, Command, fill_database, measure};

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
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    match command {
        Command::Hello { port } => hello::serve(port),
        Command::Fill { dsn, grants } => runtime()?.block_on(fill_database(&dsn, grants)),
        Command::Run(run) => runtime()?.block_on(measure(*run)),
    }
}

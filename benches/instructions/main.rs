//! The regression guard of `scripts/instructions`: how many instructions the hot handlers take a request, next to what
//! `baseline.txt` says.
//!
//! Instructions and not time, because a build machine that others share has the one constant and not the other. Two
//! processes do it: this one makes a database and writes down requests (`prepare`), at full speed; valgrind runs the
//! other (`replay`), which answers them.

mod baseline;
mod callgrind;
mod plan;
mod prepare;
mod profile;
mod replay;
mod server;
mod visitor;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use self::baseline::{Baseline, Tools};

/// Counts the instructions that the hot handlers take a request, and compares them with the baseline.
#[derive(Parser)]
#[command(name = "instructions", bin_name = "scripts/instructions", after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Writes the baseline anew instead of comparing with it.
    #[arg(long)]
    update: bool,
    /// Leaves in this folder what each function takes, in a file for each handler.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

const AFTER_HELP: &str = "\
Status 0: no handler takes more than the baseline and its margin. One that takes
so much less passes, and is told of.

When a handler takes more and has to: `scripts/instructions --update`, and
commit benches/instructions/baseline.txt with the change that is the reason.
When it has not to: which functions do it? On the commit before and on this one,

  scripts/instructions --keep /tmp/before
  scripts/instructions --keep /tmp/now
  diff /tmp/before/refresh.txt /tmp/now/refresh.txt";

#[derive(Subcommand)]
enum Command {
    /// What valgrind runs: answers what was written down in that folder.
    #[command(hide = true)]
    Replay { folder: PathBuf },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Some(Command::Replay { folder }) => replay::replay(folder).map(|()| true),
        None => guard(&cli),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether no handler is over its baseline.
fn guard(cli: &Cli) -> Result<bool> {
    // What is wrong with these need not wait for the measuring.
    let tools = Tools::here()?;
    let baseline = if cli.update { None } else { Some(Baseline::read()?) };
    let work = tempfile::tempdir().context("a folder to work in")?;
    prepare::prepare(work.path()).context("preparing the requests")?;
    let counts = callgrind::count(work.path(), cli.keep.as_deref())?;
    let Some(baseline) = baseline else {
        Baseline::write(&tools, &counts)?;
        return Ok(true);
    };
    let verdict = baseline.compare(&tools, &counts);
    print!("{verdict}");
    Ok(verdict.holds())
}

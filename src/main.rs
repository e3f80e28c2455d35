//! The program: reads the command line, starts the runtime (requests have threads of their own, `http::listener::Threads`), ends with the command's exit status.

use std::process::ExitCode;

use clap::Parser as _;
use hydrant::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime.block_on(cli.run()),
        Err(error) => {
            eprintln!("error: the runtime can not be started: {error}");
            ExitCode::FAILURE
        }
    }
}

//! The program: reads the command line, starts the runtime, ends with the command's exit status.

use std::process::ExitCode;

use clap::Parser as _;
use hydrant::cli::Cli;
use mimalloc::MiMalloc;

/// glibc's allocator keeps what password hashes have used, some hundred MiB; and is slower with a request's larger parts.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // For what goes on in the background: requests have threads of their own (`http::listener::Threads`).
    match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime.block_on(cli.run()),
        Err(error) => {
            eprintln!("error: the runtime can not be started: {error}");
            ExitCode::FAILURE
        }
    }
}

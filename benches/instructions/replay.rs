//! Answers what was written down: this is the process that valgrind runs.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use futures_util::future::join_all;
use hydrant::store::Store;
use hydrant::telemetry;
use tokio::runtime::Runtime;

use crate::plan::{Answer, Plan, Recorded, WARM_UP};
use crate::server::{self, Server};

/// What threads in the background have left to do after the last answer is done by then.
const PAUSE: Duration = Duration::from_millis(50);

pub fn replay(folder: &Path) -> Result<()> {
    let plan = Plan::read(folder)?;
    let config = server::config(folder);
    // A line a request is part of what a request costs.
    let _log = telemetry::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = runtime.block_on(Server::open(config))?;
    runtime.block_on(open_connections(&server.app.store))?;
    for work in plan.0 {
        let requests: Result<Vec<_>> = work.requests.iter().map(Recorded::request).collect();
        let mut warm_up = requests?;
        let counting = warm_up.split_off(WARM_UP.min(warm_up.len()));
        let mut router = server.port(work.port);
        let mut answers = runtime.block_on(answer(&mut router, warm_up))?;
        std::thread::sleep(PAUSE);
        answers.extend(counted(&runtime, &mut router, counting)?);
        std::thread::sleep(PAUSE);
        answers.iter().try_for_each(|answer| answer.judge(&work.expect)).context(work.handler)?;
    }
    runtime.block_on(server.app.store.close());
    Ok(())
}

/// All of them: one that is opened later, because another is not back in its pool yet, would count for whoever needs it.
async fn open_connections(store: &Store) -> Result<()> {
    let pings = (0..4 * store.max_connections()).map(|_| store.ping());
    join_all(pings).await.into_iter().collect::<Result<(), _>>()?;
    Ok(())
}

/// valgrind knows this function by its name (`callgrind.rs`): what every thread does until it returns is what counts.
#[inline(never)]
fn counted(runtime: &Runtime, router: &mut Router, requests: Vec<Request<Body>>) -> Result<Vec<Answer>> {
    runtime.block_on(answer(router, requests))
}

/// One after the other: what runs at the same time takes turns, and those differ from run to run.
async fn answer(router: &mut Router, requests: Vec<Request<Body>>) -> Result<Vec<Answer>> {
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        answers.push(server::call(router, request).await?);
    }
    Ok(answers)
}

//! `/metrics/prometheus`: what an operator watches.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::app::App;
use crate::http::answer::no_store;
use crate::metrics::{CONTENT_TYPE, Process, Readings};
use crate::store::Store;

/// A database that does not answer must not keep the numbers from whoever looks for the reason.
const PATIENCE: Duration = Duration::from_millis(500);

/// Counters, and the state of things at this moment.
pub async fn on_get(State(app): State<App>) -> impl IntoResponse {
    let asked = Instant::now();
    let up = tokio::time::timeout(PATIENCE, app.store.ping()).await.is_ok_and(|answered| answered.is_ok());
    let ping = asked.elapsed();
    let pending = match up {
        true => tokio::time::timeout(PATIENCE, app.store.pending_logout_tokens()).await.ok().and_then(Result::ok),
        false => None,
    };
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let (running, waiting) = app.guard.passwords.load();
    let readings = Readings {
        process: Process::read(),
        connections: app.store.connections(),
        max_connections: app.store.max_connections(),
        ping_seconds: up.then_some(ping.as_secs_f64()),
        pending_logout_tokens: pending,
        store_failures: Store::failures(),
        hashes: (number(running), number(waiting)),
        max_hashes: number(app.config.limits.password_hashes),
        max_in_flight: number(app.config.limits.max_in_flight),
    };
    (no_store(), [(header::CONTENT_TYPE, CONTENT_TYPE)], app.metrics.page(readings))
}

//! Health: `/health/alive` for "restart me", `/health/ready` for "send me requests", and the version.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::answer::no_store;
use super::refusal::Refusal;
use crate::app::{App, Failed, Look};
use crate::store::migration::Schema;

/// A look at a database that is away takes two seconds: who asks in its second half has one of their own.
const FRESH: Duration = Duration::from_secs(1);

/// The process answers. Says nothing of the database: a restart would not mend that.
pub async fn alive() -> Response {
    ok()
}

/// Whether requests can be served; for anybody to ask, so that it tells nothing but that.
pub async fn ready_public(State(app): State<App>) -> Response {
    ready(&app, false).await
}

/// The same for an operator, who is told what is wrong.
pub async fn ready_admin(State(app): State<App>) -> Response {
    ready(&app, true).await
}

/// `{"version": "…"}`
pub async fn version() -> Response {
    (no_store(), Json(json!({ "version": env!("CARGO_PKG_VERSION") }))).into_response()
}

/// 200, or 503: with `detail`, each check that failed under its name, as Hydra's specification has it.
pub async fn ready(app: &App, detail: bool) -> Response {
    let failed = checked(app).await;
    if failed.is_empty() {
        return ok();
    }
    for (check, reason) in &failed {
        tracing::warn!(check, %reason, "not ready");
    }
    if detail {
        (StatusCode::SERVICE_UNAVAILABLE, no_store(), Json(json!({ "errors": failed }))).into_response()
    } else {
        Refusal::unavailable("The server is not ready.").into_response()
    }
}

/// What a look finds that goes on while this is asked, and has not gone on for long. Anybody may ask, and no bound refuses a
/// probe: any number at once are one look, or two.
async fn checked(app: &App) -> Failed {
    let asked = Instant::now();
    let mut last = app.guard.readiness.lock().await;
    if let Some(look) = &*last
        && look.ended >= asked
        && look.began + FRESH >= asked
    {
        return look.failed.clone();
    }
    let began = Instant::now();
    let failed = failed_checks(app).await;
    *last = Some(Look { began, ended: Instant::now(), failed: failed.clone() });
    failed
}

async fn failed_checks(app: &App) -> Failed {
    let mut failed = BTreeMap::new();
    match app.store.ping().await {
        // Without the database there is no telling how its schema stands.
        Err(error) => {
            failed.insert("database", error.to_string());
        }
        Ok(()) => match app.store.schema().await {
            Ok(Schema::Current) => {}
            Ok(Schema::Pending(versions)) => {
                let reason = format!("the schema lacks the migrations {versions:?}: run `hydrant migrate up`");
                failed.insert("migrations", reason);
            }
            Ok(Schema::Newer(versions)) => {
                let reason = format!("the schema is of a newer Hydrant, which knows the migrations {versions:?}");
                failed.insert("migrations", reason);
            }
            Err(error) => {
                failed.insert("migrations", error.to_string());
            }
        },
    }
    if app.keys.live().is_err() {
        failed.insert("keys", "the keys have not been read yet".to_owned());
    }
    failed
}

fn ok() -> Response {
    (no_store(), Json(json!({ "status": "ok" }))).into_response()
}

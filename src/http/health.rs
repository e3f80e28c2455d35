//! Probes.
use crate::app::App;
use axum::Router;
use axum::routing::get;
pub fn routes() -> Router<App> {
    Router::new().route("/health/ready", get(ready)).route("/health/alive", get(async || "ok"))
}
async fn ready(axum::extract::State(app): axum::extract::State<App>) -> Result<&'static str, super::answer::JsonError> {
    app.keys.live()?;
    app.store.ping().await?;
    Ok("ok")
}

//! The server on both sides: on a file, with a clock that stands, and without sockets.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hydrant::app::App;
use hydrant::clock::Clock;
use hydrant::config::Config;
use hydrant::http::client_address::Peer;
use hydrant::http::listener::Drain;
use hydrant::router;
use tower::Service as _;

use crate::plan::{Answer, Port};

/// The public port's name.
pub const HOST: &str = "id.example.com";
/// The admin port's.
pub const ADMIN: &str = "localhost:4445";

/// 2027-01-15, always: what depends on the time is the same in every run, and nothing expires between the two processes.
const NOW_MILLIS: i64 = 1_800_000_000_000;

pub struct Server {
    pub app: App,
    public: Router,
    admin: Router,
}

pub fn config(folder: &Path) -> Config {
    let dsn = format!("sqlite://{}", folder.join("hydrant.db").display());
    let mut config = Config::for_tests(&format!("https://{HOST}"), &dsn);
    // Of RSA the count would be RSA's. ES256 is a signature too.
    "ES256".clone_into(&mut config.strategies.access_token_alg);
    config
}

impl Server {
    /// Brings the schema up, and the keys.
    pub async fn open(config: Config) -> Result<Self> {
        let app = App::open(config, Clock::Manual(Arc::new(AtomicI64::new(NOW_MILLIS)))).await?;
        app.store.migrate().await?;
        app.keys.load(&app.store, app.clock.now()).await?;
        let drain = Drain::default();
        Ok(Self { public: router::public(&app, drain.clone()), admin: router::admin(&app, drain), app })
    }

    pub fn port(&self, port: Port) -> Router {
        match port {
            Port::Public => self.public.clone(),
            Port::Admin => self.admin.clone(),
        }
    }
}

/// One request and its answer, as a connection to the port would pass them on.
pub async fn call(router: &mut Router, mut request: Request<Body>) -> Result<Answer> {
    request.extensions_mut().insert(Peer::Address([203, 0, 113, 9].into()));
    let (parts, body) = router.call(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.into())? })
}

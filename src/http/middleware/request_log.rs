//! One line a request, and its place in the metrics. Never the query, never a header, never a body: they hold codes, tokens and passwords.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::MatchedPath;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};

use super::Options;
use super::request_id::RequestId;
use crate::http::admin_access::Caller;

/// What nginx and Hydra write when the client did not wait for the answer.
const CLIENT_WENT_AWAY: u16 = 499;

/// Bytes of a path that no route matched. A path of the caller's making is not worth more.
const MAX_UNKNOWN_PATH: usize = 128;

/// Writes its line when dropped, so that a request whose client has gone has one too.
pub(super) struct RequestLog {
    options: Arc<Options>,
    method: Method,
    route: Route,
    client: IpAddr,
    id: RequestId,
    started: Instant,
    status: u16,
    /// Of the answer's body, where that is known before it is sent.
    bytes: Option<u64>,
    silent: bool,
    /// Whose token it came with, on the admin port.
    pub(super) caller: Option<Caller>,
}

enum Route {
    Known(MatchedPath),
    Unknown(String),
}

impl RequestLog {
    pub(super) fn start(options: &Arc<Options>, parts: &Parts, client: IpAddr, id: RequestId, silent: bool) -> Self {
        let route = match parts.extensions.get::<MatchedPath>() {
            Some(matched) => Route::Known(matched.clone()),
            None => Route::Unknown(parts.uri.path().chars().take(MAX_UNKNOWN_PATH).collect()),
        };
        let method = parts.method.clone();
        Self {
            options: Arc::clone(options),
            method,
            route,
            client,
            id,
            started: Instant::now(),
            status: CLIENT_WENT_AWAY,
            bytes: None,
            silent,
            caller: None,
        }
    }

    pub(super) fn finish(mut self, status: StatusCode, bytes: Option<u64>) {
        self.status = status.as_u16();
        self.bytes = bytes;
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let route = match &self.route {
            Route::Known(matched) => Some(self.options.route_of(matched.as_str())),
            Route::Unknown(_) => None,
        };
        self.options.requests().answered(route, self.method.as_str(), self.status, took, self.bytes);
        if self.silent {
            return;
        }
        let path = match &self.route {
            Route::Known(matched) => matched.as_str(),
            Route::Unknown(path) => path,
        };
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        tracing::info!(
            target: "hydrant::request",
            method = %self.method,
            path,
            status = self.status,
            latency_ms = f64::from(micros) / 1000.0,
            client = %self.client,
            request_id = self.id.as_str(),
            admin = self.caller.as_ref().map(Caller::as_str),
            "request"
        );
    }
}

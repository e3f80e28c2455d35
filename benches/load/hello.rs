//! The yardstick: the least that an axum handler which answers JSON can be, in a process of its own like the server.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use axum::serve::ListenerExt as _;
use axum::{Json, Router, routing};
use tokio::net::TcpListener;

#[derive(serde::Serialize)]
struct Hello {
    hello: &'static str,
}

/// Serves on 127.0.0.1 until it is killed, with a worker thread a core.
pub fn serve(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        let listener = listener.tap_io(|stream| {
            // What does not work here only makes the yardstick slower by nothing that could be measured.
            let _ = stream.set_nodelay(true);
        });
        let router = Router::new().route("/hello", routing::get(async || Json(Hello { hello: "world" })));
        axum::serve(listener, router).await.context("serving")
    })
}

//! A port: TCP or TLS, with a bound on everything that a client can make the server wait for (RFC 9112, RFC 9113).

mod connection;
mod drain;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Handle, Server};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until};

use self::connection::{Patience, Patient, Welcome};
pub use self::drain::Drain;
use super::tls::Certificate;
use crate::config;

/// Connections that the kernel keeps for us until we accept them.
const BACKLOG: u32 = 1024;

/// Bytes of request line and headers together; more is 431. An authorization request travels in its URL, a large one by PAR.
const MAX_HEAD: usize = 32 * 1024;

/// After the first signal: how long we still accept, so that a load balancer has time to see the readiness probe fail.
const MAX_GRACE: Duration = Duration::from_secs(1);

/// The accept loop meets the same error again and again (no file descriptors left): the log says so this often.
const ACCEPT_WARNINGS_EVERY: Duration = Duration::from_secs(10);

/// A socket that is bound and listening, its certificate loaded: from here on nothing of the configuration can fail.
pub struct Bound {
    name: &'static str,
    address: SocketAddr,
    socket: TcpListener,
    certificate: Option<Certificate>,
    limits: config::Limits,
}

/// Binds the port. The error is one line for the operator: which port, which address, why not.
pub async fn bind(name: &'static str, listener: &config::Listener, limits: &config::Limits) -> Result<Bound> {
    let certificate = match &listener.tls {
        Some(tls) => Some(Certificate::load(tls.clone()).await.map_err(|why| anyhow!("{name} port: {why}"))?),
        None => None,
    };
    let wanted = SocketAddr::new(listener.host, listener.port);
    let (socket, address) = listen(wanted).map_err(|why| anyhow!("{name} port: can not listen on {wanted}: {why}"))?;
    Ok(Bound { name, address, socket, certificate, limits: limits.clone() })
}

fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let socket = socket.listen(BACKLOG)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

impl Bound {
    /// Where it listens: the real port when the configured one is 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `drain` says otherwise; returns when the last connection has ended, or had to.
    ///
    /// Over TLS the client picks HTTP/1.1 or HTTP/2 by ALPN. The plain port speaks HTTP/1.1 only: HTTP/2 without TLS is
    /// what request smuggling through proxies is made of.
    pub async fn serve(self, app: Router, drain: Drain) -> io::Result<()> {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        tracing::info!(port = self.name, address = %self.address, scheme, "listening");
        let limits = &self.limits;
        let handle = Handle::new();
        let permits = Arc::new(Semaphore::new(limits.connections));
        let patience = Patience { first_request: limits.header_read_timeout, idle: limits.idle_timeout };
        let welcome = Welcome { app, permits: Arc::clone(&permits), patience };
        let server =
            server(self.socket, limits).handle(handle.clone()).accept_error_handler(log_failed_accepts(self.name));
        let closing = close(handle, permits, limits.drain_timeout, drain);
        match self.certificate {
            None => {
                let server = server.acceptor(Patient(NoDelayAcceptor)).http1_only();
                tokio::select! {
                    ended = server.serve(welcome) => ended,
                    () = closing => Ok(()),
                }
            }
            Some(certificate) => {
                let acceptor = RustlsAcceptor::new(certificate.config())
                    .handshake_timeout(limits.header_read_timeout)
                    .acceptor(NoDelayAcceptor);
                let server = server.acceptor(Patient(acceptor));
                tokio::select! {
                    ended = server.serve(welcome) => ended,
                    () = closing => Ok(()),
                    never = certificate.keep_fresh() => match never {},
                }
            }
        }
    }
}

fn server(socket: TcpListener, limits: &config::Limits) -> Server<SocketAddr> {
    let mut server = Server::from_listener(socket);
    let builder = server.http_builder();
    // hyper's timer runs from the end of the last answer on, so for all but the first request it is the idle time.
    builder.http1().max_buf_size(MAX_HEAD).header_read_timeout(limits.idle_timeout);
    builder.http2().max_concurrent_streams(100).max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX));
    server
}

/// Ends a port in three steps: stop accepting, let requests finish, cut.
async fn close(handle: Handle<SocketAddr>, permits: Arc<Semaphore>, drain_timeout: Duration, drain: Drain) {
    drain.draining().await;
    let cut_at = Instant::now() + drain_timeout;
    tokio::select! {
        () = sleep(MAX_GRACE.min(drain_timeout / 4)) => {}
        () = drain.ended() => {}
    }
    // An accept loop that waits for a permit would not hear of it, and keep the socket open.
    permits.close();
    handle.graceful_shutdown(None);
    tokio::select! {
        () = sleep_until(cut_at) => tracing::warn!("requests were still running at the end of limits.drain_timeout"),
        () = drain.ended() => {}
    }
    handle.shutdown();
    sleep(Duration::from_millis(100)).await;
}

/// Without a peer it is the accept loop itself that fails; with one, a handshake that nobody needs to hear of.
fn log_failed_accepts(name: &'static str) -> impl Fn(Option<&SocketAddr>, &io::Error) + Send + Sync + 'static {
    let last = Mutex::new(None::<Instant>);
    move |peer, why| {
        if let Some(peer) = peer {
            tracing::debug!(port = name, %peer, error = %why, "a connection did not come about");
            return;
        }
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= ACCEPT_WARNINGS_EVERY) {
            *last = Some(Instant::now());
            tracing::warn!(port = name, error = %why, "can not accept connections; trying again");
        }
    }
}

#[cfg(test)]
mod tests;

//! A port: TCP, TLS or a unix socket, with a bound on everything that a client can make the server wait for (RFC 9112, RFC 9113).

mod connection;
mod drain;
mod socket;

use std::net::SocketAddr;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use anyhow::{Result, anyhow};
use axum::Router;
use axum_server::accept::{Accept, DefaultAcceptor, NoDelayAcceptor};
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Address as Kind, Handle, Server};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until};

use self::connection::{Patience, Patient, Serving, Welcome};
pub use self::drain::Drain;
use super::client_address::Peer;
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
    address: Address,
    socket: Socket,
    certificate: Option<Certificate>,
    limits: config::Limits,
}

/// Where a port listens: the real one when the configured port is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Ip(SocketAddr),
    Socket(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

enum Socket {
    Tcp(TcpListener),
    /// The file goes before the socket is closed.
    Unix(socket::Own, UnixListener),
}

/// Binds the port. The error is one line for the operator: which port, which address, why not.
pub async fn bind(name: &'static str, listener: &config::Listener, limits: &config::Limits) -> Result<Bound> {
    let certificate = match &listener.tls {
        Some(tls) => Some(Certificate::load(tls.clone()).await.map_err(|why| anyhow!("{name} port: {why}"))?),
        None => None,
    };
    let (socket, address) = match &listener.host {
        config::Host::Ip(host) => {
            let wanted = SocketAddr::new(*host, listener.port);
            let (socket, address) = listen(wanted).map_err(|why| refused(name, &Address::Ip(wanted), &why))?;
            (Socket::Tcp(socket), Address::Ip(address))
        }
        config::Host::Socket(file) => {
            let address = Address::Socket(file.path.clone());
            let (own, socket) = socket::listen(file).await.map_err(|why| refused(name, &address, &why))?;
            (Socket::Unix(own, socket), address)
        }
    };
    Ok(Bound { name, address, socket, certificate, limits: limits.clone() })
}

fn refused(name: &str, address: &Address, why: &io::Error) -> anyhow::Error {
    anyhow!("{name} port: can not listen on {address}: {why}")
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
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Serves until `drain` says otherwise; returns when the last connection has ended, or had to.
    ///
    /// Over TLS the client picks HTTP/1.1 or HTTP/2 by ALPN. The plain port speaks HTTP/1.1 only: HTTP/2 without TLS is
    /// what request smuggling through proxies is made of.
    pub async fn serve(self, app: Router, drain: Drain) -> io::Result<()> {
        let Self { name, address, socket, certificate, limits } = self;
        let scheme = if certificate.is_some() { "https" } else { "http" };
        tracing::info!(port = name, %address, scheme, "listening");
        let port = Port { name, certificate, limits, app, drain };
        match socket {
            Socket::Tcp(socket) => port.serve(Server::<SocketAddr>::from_listener(socket), NoDelayAcceptor, None).await,
            Socket::Unix(own, socket) => {
                port.serve(Server::<UnixAddr>::from_listener(socket), DefaultAcceptor, Some(own)).await
            }
        }
    }
}

/// What a port needs besides its socket.
struct Port {
    name: &'static str,
    certificate: Option<Certificate>,
    limits: config::Limits,
    app: Router,
    drain: Drain,
}

impl Port {
    /// `plain` is how a connection begins before TLS, if there is TLS.
    async fn serve<K, P>(self, mut server: Server<K>, plain: P, file: Option<socket::Own>) -> io::Result<()>
    where
        K: Kind + Into<Peer> + fmt::Debug + Send + Sync + 'static,
        K::Stream: Send + 'static,
        P: Accept<K::Stream, Serving, Service = Serving> + Clone + Send + Sync + 'static,
        P::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P::Future: Send + 'static,
    {
        let limits = &self.limits;
        bound_protocols(&mut server, limits);
        let handle = Handle::new();
        let permits = Arc::new(Semaphore::new(limits.connections));
        let patience = Patience { first_request: limits.header_read_timeout, idle: limits.idle_timeout };
        let welcome = Welcome { app: self.app, permits: Arc::clone(&permits), patience };
        let server = server.handle(handle.clone()).accept_error_handler(log_failed_accepts(self.name));
        let closing = close(handle, permits, limits.drain_timeout, self.drain, file);
        match self.certificate {
            None => {
                let server = server.acceptor(Patient(plain)).http1_only();
                tokio::select! {
                    ended = server.serve(welcome) => ended,
                    () = closing => Ok(()),
                }
            }
            Some(certificate) => {
                let acceptor = RustlsAcceptor::new(certificate.config())
                    .handshake_timeout(limits.header_read_timeout)
                    .acceptor(plain);
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

fn bound_protocols<K: Kind>(server: &mut Server<K>, limits: &config::Limits) {
    let builder = server.http_builder();
    // hyper's timer runs from the end of the last answer on, so for all but the first request it is the idle time.
    builder.http1().max_buf_size(MAX_HEAD).header_read_timeout(limits.idle_timeout);
    builder.http2().max_concurrent_streams(100).max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX));
}

/// Ends a port in three steps: stop accepting, let requests finish, cut.
async fn close<K: Kind>(
    handle: Handle<K>,
    permits: Arc<Semaphore>,
    drain_timeout: Duration,
    drain: Drain,
    file: Option<socket::Own>,
) {
    drain.draining().await;
    let cut_at = Instant::now() + drain_timeout;
    tokio::select! {
        () = sleep(MAX_GRACE.min(drain_timeout / 4)) => {}
        () = drain.ended() => {}
    }
    // An accept loop that waits for a permit would not hear of it, and keep the socket open.
    permits.close();
    // While the socket is open: a server that comes after us may have made its own file by the time we have ended.
    drop(file);
    handle.graceful_shutdown(None);
    tokio::select! {
        () = sleep_until(cut_at) => tracing::warn!("requests were still running at the end of limits.drain_timeout"),
        () = drain.ended() => {}
    }
    handle.shutdown();
    sleep(Duration::from_millis(100)).await;
}

/// Without a peer it is the accept loop itself that fails; with one, a handshake that nobody needs to hear of.
fn log_failed_accepts<K: fmt::Debug>(
    name: &'static str,
) -> impl Fn(Option<&K>, &io::Error) + Send + Sync + use<K> + 'static {
    let last = Mutex::new(None::<Instant>);
    move |peer, why| {
        if let Some(peer) = peer {
            tracing::debug!(port = name, ?peer, error = %why, "a connection did not come about");
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

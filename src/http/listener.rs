//! A port: TCP, TLS or a unix socket, with a bound on everything that a client can make the server wait for (RFC 9112, RFC 9113).

mod arrival;
mod connection;
mod drain;
mod socket;
mod threads;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use anyhow::{Result, anyhow};
use axum::Router;
use axum_server::accept::DefaultAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Handle, Server};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use self::arrival::{Accepting, Arrival, Arrivals, Arrived, Carried, Way, way};
use self::connection::{Patience, Patient, Welcome};
pub use self::drain::Drain;
pub use self::threads::Threads;
use super::tls::Certificate;
use crate::config;

/// Connections that the kernel keeps for us until we accept them.
const BACKLOG: u32 = 1024;

/// Bytes of request line and headers together; more is 431. An authorization request travels in its URL, a large one by PAR.
const MAX_HEAD: usize = 32 * 1024;

/// After the first signal: how long we still accept, so that a load balancer has time to see the readiness probe fail.
const MAX_GRACE: Duration = Duration::from_secs(1);

/// How long the accept loop rests after an error, which the next call would only meet again.
const ACCEPT_REST: Duration = Duration::from_millis(50);

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

    /// Serves until `drain` says otherwise; returns when the last connection has ended, or had to. Each runtime serves its
    /// share of the connections with an application of its own.
    ///
    /// Over TLS the client picks HTTP/1.1 or HTTP/2 by ALPN. The plain port speaks HTTP/1.1 only: HTTP/2 without TLS is
    /// what request smuggling through proxies is made of.
    pub async fn serve(self, apps: Vec<(runtime::Handle, Router)>, drain: Drain) -> io::Result<()> {
        let Self { name, address, socket, certificate, limits } = self;
        let scheme = if certificate.is_some() { "https" } else { "http" };
        tracing::info!(port = name, %address, scheme, "listening");
        let port = Port { name, certificate, limits, apps, drain };
        match socket {
            Socket::Tcp(socket) => port.serve(socket, None).await,
            Socket::Unix(own, socket) => port.serve(socket, Some(own)).await,
        }
    }
}

/// What a port needs besides its socket.
struct Port {
    name: &'static str,
    certificate: Option<Certificate>,
    limits: config::Limits,
    apps: Vec<(runtime::Handle, Router)>,
    drain: Drain,
}

impl Port {
    async fn serve<L: Accepting>(self, socket: L, file: Option<socket::Own>) -> io::Result<()> {
        let Self { name, certificate, limits, apps, drain } = self;
        let patience = Patience { first_request: limits.header_read_timeout, idle: limits.idle_timeout };
        let mut servers = JoinSet::new();
        let (mut ways, mut handles) = (Vec::new(), Vec::new());
        for (runtime, app) in apps {
            let (way, arrivals) = way();
            let handle = Handle::new();
            let one = One { name, limits: &limits, welcome: Welcome { app, patience }, handle: handle.clone() };
            one.start(certificate.as_ref(), arrivals, &runtime, &mut servers);
            ways.push(way);
            handles.push(handle);
        }
        let serving = async {
            while let Some(ended) = servers.join_next().await {
                ended.map_err(io::Error::other)??;
            }
            Ok(())
        };
        let ending = async {
            let cut_at = tokio::select! {
                never = accept(name, &socket, limits.connections, &ways) => match never {},
                cut_at = grace(&drain, limits.drain_timeout) => cut_at,
            };
            // While the socket is open: a server that comes after us may have made its own file by the time we have ended.
            drop(file);
            drop(socket);
            end(&handles, cut_at, &drain).await;
        };
        let kept_fresh = async {
            match certificate {
                Some(certificate) => certificate.keep_fresh().await,
                None => pending().await,
            }
        };
        tokio::select! {
            ended = serving => ended,
            () = ending => Ok(()),
            never = kept_fresh => match never {},
        }
    }
}

/// The server of one thread.
struct One<'a, S: Carried> {
    name: &'static str,
    limits: &'a config::Limits,
    welcome: Welcome,
    handle: Handle<Arrival<S>>,
}

impl<S: Carried> One<'_, S> {
    fn start(
        self,
        certificate: Option<&Certificate>,
        arrivals: Arrivals<S>,
        runtime: &runtime::Handle,
        servers: &mut JoinSet<io::Result<()>>,
    ) {
        let mut server = Server::<Arrival<S>>::from_listener(arrivals);
        bound_protocols(&mut server);
        let server = server.handle(self.handle).accept_error_handler(log_failed_handshakes(self.name));
        match certificate {
            None => {
                let server = server.acceptor(Patient(DefaultAcceptor)).http1_only();
                servers.spawn_on(server.serve(self.welcome), runtime);
            }
            Some(certificate) => {
                let acceptor =
                    RustlsAcceptor::new(certificate.config()).handshake_timeout(self.limits.header_read_timeout);
                servers.spawn_on(server.acceptor(Patient(acceptor)).serve(self.welcome), runtime);
            }
        }
    }
}

fn bound_protocols<S: Carried>(server: &mut Server<Arrival<S>>) {
    let builder = server.http_builder();
    builder.http1().max_buf_size(MAX_HEAD);
    builder.http2().max_concurrent_streams(100).max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX));
}

/// Accepts connections, as many as may be open, and gives each to the thread that has the fewest.
async fn accept<L: Accepting>(
    name: &'static str,
    socket: &L,
    connections: usize,
    ways: &[Way<L::Stream>],
) -> Infallible {
    let permits = Arc::new(Semaphore::new(connections));
    let mut told = None::<Instant>;
    // The ports begin with different threads.
    let mut turn = name.len();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return pending().await };
        let accepted = async {
            let (stream, peer) = socket.accept().await?;
            turn = turn.wrapping_add(1);
            arrival::send(ways, turn, stream, &Arrived { peer, permit: Arc::new(permit) }).await
        };
        let Err(why) = accepted.await else { continue };
        if told.is_none_or(|told| told.elapsed() >= ACCEPT_WARNINGS_EVERY) {
            told = Some(Instant::now());
            tracing::warn!(port = name, error = %why, "can not accept connections; trying again");
        }
        sleep(ACCEPT_REST).await;
    }
}

/// From the first signal on connections are accepted for a little longer. When the rest is to be cut.
async fn grace(drain: &Drain, drain_timeout: Duration) -> Instant {
    drain.draining().await;
    let cut_at = Instant::now() + drain_timeout;
    tokio::select! {
        () = sleep(MAX_GRACE.min(drain_timeout / 4)) => {}
        () = drain.ended() => {}
    }
    cut_at
}

/// Lets requests finish, then cuts.
async fn end<S: Carried>(servers: &[Handle<Arrival<S>>], cut_at: Instant, drain: &Drain) {
    for server in servers {
        server.graceful_shutdown(None);
    }
    tokio::select! {
        () = sleep_until(cut_at) => tracing::warn!("requests were still running at the end of limits.drain_timeout"),
        () = drain.ended() => {}
    }
    for server in servers {
        server.shutdown();
    }
    sleep(Duration::from_millis(100)).await;
}

/// Nobody needs to hear of them.
fn log_failed_handshakes<S>(
    name: &'static str,
) -> impl Fn(Option<&Arrival<S>>, &io::Error) + Send + Sync + use<S> + 'static {
    move |arrival, why| {
        let peer = arrival.map(|arrival| arrival.peer);
        tracing::debug!(port = name, ?peer, error = %why, "a connection did not come about");
    }
}

#[cfg(test)]
mod tests;

//! Connections on their way from the port, which accepts them, to the thread that serves them.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use axum_server::{AddrListener, Address};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, OwnedSemaphorePermit, mpsc};

use crate::http::client_address::Peer;

/// Connections that may wait for their thread.
const WAITING: usize = 64;

/// A socket that accepts connections.
pub(super) trait Accepting: Send + 'static {
    type Stream: Carried;

    async fn accept(&self) -> io::Result<(Self::Stream, Peer)>;
}

impl Accepting for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, peer) = self.accept().await?;
        // Answers are small and written at once: nothing is to wait for more.
        stream.set_nodelay(true)?;
        Ok((stream, peer.into()))
    }
}

impl Accepting for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        Ok((self.accept().await?.0, Peer::Socket))
    }
}

/// A stream that can go over to another thread's runtime.
pub(super) trait Carried: AsyncRead + AsyncWrite + Unpin + Sized + Send + 'static {
    type Std: Send + 'static;

    fn pack(self) -> io::Result<Self::Std>;

    /// On the runtime that drives it from here on.
    fn unpack(packed: Self::Std) -> io::Result<Self>;
}

impl Carried for TcpStream {
    type Std = std::net::TcpStream;

    fn pack(self) -> io::Result<Self::Std> {
        self.into_std()
    }

    fn unpack(packed: Self::Std) -> io::Result<Self> {
        Self::from_std(packed)
    }
}

impl Carried for UnixStream {
    type Std = std::os::unix::net::UnixStream;

    fn pack(self) -> io::Result<Self::Std> {
        self.into_std()
    }

    fn unpack(packed: Self::Std) -> io::Result<Self> {
        Self::from_std(packed)
    }
}

/// Whose connection it is, and its place among those that may be open: given back with the last clone.
pub(super) struct Arrival<S> {
    pub peer: Peer,
    pub place: Arc<Place>,
    stream: PhantomData<fn() -> S>,
}

/// One of `limits.connections`, and one of its thread's.
#[derive(Debug)]
pub(super) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
    _load: Arc<()>,
}

impl<S> Clone for Arrival<S> {
    fn clone(&self) -> Self {
        Self { peer: self.peer, place: Arc::clone(&self.place), stream: PhantomData }
    }
}

impl<S: Carried> Address for Arrival<S> {
    type Stream = S;
    type Listener = Arrivals<S>;
}

/// The way to one thread.
pub(super) struct Way<S: Carried> {
    sender: mpsc::Sender<(S::Std, Arrival<S>)>,
    load: Arc<()>,
}

/// The other end: what the thread's server accepts.
pub(super) struct Arrivals<S: Carried>(Mutex<mpsc::Receiver<(S::Std, Arrival<S>)>>);

pub(super) fn way<S: Carried>() -> (Way<S>, Arrivals<S>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Way { sender, load: Arc::default() }, Arrivals(Mutex::new(receiver)))
}

impl<S: Carried> Way<S> {
    /// Connections that the thread has.
    fn load(&self) -> usize {
        Arc::strong_count(&self.load)
    }

    /// Gives the stream back where as many wait for the thread as may.
    fn offer(&self, stream: S::Std, about: &Arrived) -> Result<(), S::Std> {
        // A thread that has ended serves nobody, and its clients see the connection close.
        match self.sender.try_send((stream, self.arrival(about))) {
            Err(TrySendError::Full((stream, _))) => Err(stream),
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
        }
    }

    fn arrival(&self, about: &Arrived) -> Arrival<S> {
        let place = Place { _permit: Arc::clone(&about.permit), _load: Arc::clone(&self.load) };
        Arrival { peer: about.peer, place: Arc::new(place), stream: PhantomData }
    }
}

/// A connection that no thread has yet.
pub(super) struct Arrived {
    pub peer: Peer,
    pub permit: Arc<OwnedSemaphorePermit>,
}

/// To the thread that has the fewest connections; of several the next one in turn. A thread that does not take what waits for
/// it is passed over; only where none does, this waits.
pub(super) async fn send<S: Carried>(ways: &[Way<S>], turn: usize, stream: S, about: &Arrived) -> io::Result<()> {
    let mut stream = stream.pack()?;
    let mut order: Vec<_> = (0..ways.len()).map(|nth| &ways[(turn + nth) % ways.len()]).collect();
    order.sort_by_key(|way| way.load());
    for way in &order {
        match way.offer(stream, about) {
            Ok(()) => return Ok(()),
            Err(back) => stream = back,
        }
    }
    if let Some(way) = order.first() {
        let _ = way.sender.send((stream, way.arrival(about))).await;
    }
    Ok(())
}

impl<S: Carried> AddrListener<S, Arrival<S>> for Arrivals<S> {
    async fn bind_to(_: Arrival<S>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn accept_stream(&self) -> io::Result<(S, Arrival<S>)> {
        match self.0.lock().await.recv().await {
            Some((stream, arrival)) => Ok((S::unpack(stream)?, arrival)),
            // The port accepts no more, and its servers are about to be told.
            None => std::future::pending().await,
        }
    }

    fn get_local_addr(&self) -> io::Result<Arrival<S>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

//! One connection and the server's patience with it.
//!
//! hyper would time how long headers take, but not a connection that never says a word, an HTTP/2 connection without
//! requests, or a client that does not read its answers. So the stream itself knows when to give up.

use std::convert::Infallible;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{self, Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::Router;
use axum::body::{Bytes, HttpBody};
use axum::http::Request;
use axum::response::Response;
use axum_server::accept::Accept;
use futures_util::future::{BoxFuture, Ready, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service;

use super::arrival::{Arrival, Place};
use crate::http::client_address::Peer;

#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the connection (and its handshake) to the first complete request head.
    pub first_request: Duration,
    /// Without a request in progress, and for a write that does not move.
    pub idle: Duration,
}

/// Makes of a connection what its thread's server serves.
#[derive(Clone)]
pub(super) struct Welcome {
    pub app: Router,
    pub patience: Patience,
}

impl<S> Service<Arrival<S>> for Welcome {
    type Response = Serving;
    type Error = Infallible;
    type Future = Ready<Result<Serving, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, arrival: Arrival<S>) -> Self::Future {
        let Arrival { peer, place, .. } = arrival;
        let connection = Arc::new(Connection::new(self.patience, place));
        ready(Ok(Serving { app: self.app.clone(), peer, connection }))
    }
}

/// The application as one connection sees it.
#[derive(Clone)]
pub(super) struct Serving {
    app: Router,
    peer: Peer,
    connection: Arc<Connection>,
}

impl<B> Service<Request<B>> for Serving
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        let busy = Busy::new(&self.connection);
        let answer = self.app.call(request);
        Box::pin(async move {
            let _busy = busy;
            answer.await
        })
    }
}

/// What the stream and the requests on it know of each other.
struct Connection {
    patience: Patience,
    opened: Instant,
    requests: AtomicUsize,
    /// Requests that have ended.
    served: AtomicUsize,
    /// Milliseconds from `opened` to the end of the last request. Bytes alone do not count: HTTP/2 pings would keep a
    /// connection for ever.
    last: AtomicU64,
    _place: Arc<Place>,
}

impl Connection {
    fn new(patience: Patience, place: Arc<Place>) -> Self {
        Self {
            patience,
            opened: Instant::now(),
            requests: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            _place: place,
        }
    }

    fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0
    }

    /// Whether what was last read, when so many had been served, may still be answered. hyper looks for the end of what
    /// the client says before it begins to answer.
    fn may_answer(&self, served: usize) -> bool {
        self.is_busy() || self.served.load(Ordering::Relaxed) == served
    }

    /// When the next byte must have come. A request in progress has its own deadline (`limits.request_timeout`).
    fn deadline(&self) -> Instant {
        if self.is_busy() {
            Instant::now() + self.patience.idle
        } else if self.served.load(Ordering::Relaxed) > 0 {
            self.opened + Duration::from_millis(self.last.load(Ordering::Relaxed)) + self.patience.idle
        } else {
            self.opened + self.patience.first_request
        }
    }
}

/// A request in progress; it ends when dropped, also when the client has gone.
struct Busy(Arc<Connection>);

impl Busy {
    fn new(connection: &Arc<Connection>) -> Self {
        connection.requests.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(connection))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let elapsed = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last.store(elapsed, Ordering::Relaxed);
        self.0.served.fetch_add(1, Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Wraps what the inner acceptor makes (the stream of a socket, or TLS over it) with the connection's patience.
#[derive(Clone)]
pub(super) struct Patient<A>(pub A);

impl<A, S> Accept<S, Serving> for Patient<A>
where
    A: Accept<S, Serving>,
    A::Future: Send + 'static,
{
    type Stream = Timed<A::Stream>;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: S, serving: Serving) -> Self::Future {
        let connection = Arc::clone(&serving.connection);
        let accepted = self.0.accept(stream, serving);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Timed::new(stream, connection), service))
        })
    }
}

/// A stream whose reads and writes end with `TimedOut` once patience does.
pub(super) struct Timed<S> {
    stream: S,
    connection: Arc<Connection>,
    next_byte: Pin<Box<Sleep>>,
    /// Armed while a write waits for the client to read.
    stalled: Option<Pin<Box<Sleep>>>,
    /// How many requests had been served when something was last read; `None` before.
    read_at: Option<usize>,
    /// The client says no more while we answer: until when it may still listen.
    silent: Option<Pin<Box<Sleep>>>,
    /// Once everything is said: until when we still hear the client out, and how many bytes.
    farewell: Option<(Pin<Box<Sleep>>, usize)>,
}

/// A client that closes its side with its request either listens or has gone, which look the same. Gone, it must not spend
/// its code; but what can be answered at once is answered.
pub(super) const LISTENS: Duration = Duration::from_millis(100);

/// A socket that is closed with bytes unread makes the client's system throw away what it has not read either: an answer
/// that comes before the end of a body (413) would be lost. So what comes is read for a while, and forgotten.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: usize = 16 << 20;

impl<S> Timed<S> {
    fn new(stream: S, connection: Arc<Connection>) -> Self {
        let next_byte = Box::pin(sleep_until(connection.deadline()));
        Self { stream, connection, next_byte, stalled: None, read_at: None, silent: None, farewell: None }
    }

    /// The timer is not moved at every request: when it rings, it looks how long there is really left.
    fn wait_for_bytes(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            task::ready!(self.next_byte.as_mut().poll(cx));
            let deadline = self.connection.deadline();
            if deadline <= Instant::now() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.next_byte.as_mut().reset(deadline);
        }
    }

    fn written<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let idle = self.connection.patience.idle;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + idle)));
        task::ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match read {
            Poll::Pending => self.wait_for_bytes(cx).map(Err),
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                self.read_at = Some(self.connection.served.load(Ordering::Relaxed));
                read
            }
            Poll::Ready(Ok(())) if self.read_at.is_some_and(|served| self.connection.may_answer(served)) => {
                let silent = self.silent.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + LISTENS)));
                silent.as_mut().poll(cx).map(Ok)
            }
            Poll::Ready(_) => read,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => self.written(cx, Poll::Pending),
            flushed @ Poll::Ready(_) => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_none() {
            match Pin::new(&mut self.stream).poll_shutdown(cx) {
                Poll::Pending => return self.written(cx, Poll::Pending),
                Poll::Ready(Err(why)) => return Poll::Ready(Err(why)),
                Poll::Ready(Ok(())) => {}
            }
        }
        self.hear_out(cx).map(Ok)
    }
}

impl<S: AsyncRead + Unpin> Timed<S> {
    fn hear_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (until, bytes) =
            self.farewell.get_or_insert_with(|| (Box::pin(sleep_until(Instant::now() + FAREWELL)), FAREWELL_BYTES));
        let mut unread = [MaybeUninit::uninit(); 8 * 1024];
        loop {
            let mut buffer = ReadBuf::uninit(&mut unread);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && buffer.filled().len() <= *bytes => {
                    *bytes -= buffer.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return until.as_mut().poll(cx),
            }
        }
    }
}

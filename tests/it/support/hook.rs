//! A token hook on this machine: it answers as a test tells it to, and remembers who came.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hydrant::config;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use url::Url;

type Answer = Arc<dyn Fn(&Value) -> Response + Send + Sync>;

#[derive(Clone)]
pub struct Hook {
    pub url: Url,
    inner: Arc<Inner>,
}

struct Inner {
    answer: Mutex<Answer>,
    /// How long every answer takes.
    delay: Mutex<Duration>,
    seen: Mutex<Vec<Seen>>,
    came: Notify,
    connections: AtomicU32,
}

/// A call as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub headers: HeaderMap,
    pub body: Value,
}

/// Counts connections.
struct Counting(TcpListener, Arc<Inner>);

impl axum::serve::Listener for Counting {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (stream, address) = axum::serve::Listener::accept(&mut self.0).await;
        self.1.connections.fetch_add(1, Ordering::SeqCst);
        (stream, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Hook {
    /// One that leaves everything as it is.
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn on(listener: TcpListener) -> Self {
        let url = Url::parse(&format!("http://{}/hook", listener.local_addr().unwrap())).unwrap();
        let inner = Arc::new(Inner {
            answer: Mutex::new(Arc::new(|_| StatusCode::NO_CONTENT.into_response())),
            delay: Mutex::default(),
            seen: Mutex::default(),
            came: Notify::new(),
            connections: AtomicU32::new(0),
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&inner));
        let listener = Counting(listener, Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    /// What a configuration says of it.
    pub fn config(&self) -> Box<config::Hook> {
        self.within(Duration::from_secs(5))
    }

    /// The same with less patience.
    pub fn within(&self, timeout: Duration) -> Box<config::Hook> {
        Box::new(config::Hook { url: self.url.clone(), timeout, api_key: None })
    }

    pub fn answer(&self, answer: impl Fn(&Value) -> Response + Send + Sync + 'static) {
        *self.inner.answer.lock().unwrap() = Arc::new(answer);
    }

    #[expect(clippy::needless_pass_by_value, reason = "an answer is handed over")]
    pub fn say(&self, status: u16, body: impl ToString) {
        let (status, body) = (StatusCode::from_u16(status).unwrap(), body.to_string());
        self.answer(move |_| (status, body.clone()).into_response());
    }

    /// Until it is told otherwise, which holds for those that wait already.
    pub fn slow_down(&self, delay: Duration) {
        *self.inner.delay.lock().unwrap() = delay;
    }

    /// How often it was asked.
    pub fn calls(&self) -> usize {
        self.inner.seen.lock().unwrap().len()
    }

    /// The last call.
    #[track_caller]
    pub fn last(&self) -> Seen {
        self.inner.seen.lock().unwrap().last().expect("nobody has come").clone()
    }

    /// Waits until it was asked so often.
    pub async fn until(&self, calls: usize) {
        while self.calls() < calls {
            let _ = tokio::time::timeout(Duration::from_millis(10), self.inner.came.notified()).await;
        }
    }

    pub fn connections(&self) -> u32 {
        self.inner.connections.load(Ordering::SeqCst)
    }
}

async fn serve(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    inner.seen.lock().unwrap().push(Seen { headers, body: body.clone() });
    inner.came.notify_waiters();
    let arrived = Instant::now();
    while arrived.elapsed() < *inner.delay.lock().unwrap() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = Arc::clone(&inner.answer.lock().unwrap());
    answer(&body)
}

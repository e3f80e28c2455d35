//! Real sockets on 127.0.0.1, with limits short enough to wait for.

mod tls;

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connection::LISTENS;
use super::*;
use crate::config::Limits;
use crate::http::middleware::samples;

const LONG: Duration = Duration::from_secs(30);
const HELLO: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

struct OpenPort {
    address: SocketAddr,
    drain: Drain,
    task: JoinHandle<io::Result<()>>,
}

impl Drop for OpenPort {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl OpenPort {
    async fn open(limits: &Limits) -> Self {
        Self::with(&samples::listener([127, 0, 0, 1]), limits).await
    }

    async fn with(listener: &config::Listener, limits: &Limits) -> Self {
        let app = Router::new()
            .route("/", get("hello"))
            .route(
                "/slow",
                get(async || {
                    sleep(Duration::from_millis(800)).await;
                    "done"
                }),
            )
            .route("/never", get(async || sleep(LONG).await))
            .route("/large", get(async || vec![b'a'; 64 << 20]));
        let bound = bind("test", listener, limits).await.unwrap();
        let Address::Ip(address) = *bound.address() else { panic!("no TCP port") };
        let drain = Drain::default();
        let task = tokio::spawn(bound.serve(vec![(runtime::Handle::current(), app)], drain.clone()));
        Self { address, drain, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends, reads until the server closes; the answer and how long it took.
    async fn send(&self, request: &[u8]) -> (String, Duration) {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        until_closed(stream).await
    }

    async fn ends_within(mut self, span: Duration) -> Duration {
        let started = Instant::now();
        timeout(span, &mut self.task).await.expect("the port did not end in time").unwrap().unwrap();
        started.elapsed()
    }
}

async fn until_closed(mut stream: TcpStream) -> (String, Duration) {
    let started = Instant::now();
    let mut answer = Vec::new();
    // A reset is a way of closing too.
    let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.expect("the server kept the connection open");
    (String::from_utf8_lossy(&answer).into_owned(), started.elapsed())
}

async fn read_some(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 4096];
    let read = timeout(Duration::from_secs(5), stream.read(&mut buffer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

fn patient() -> Limits {
    Limits { header_read_timeout: LONG, idle_timeout: LONG, drain_timeout: LONG, ..samples::limits() }
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let limits = Limits { idle_timeout: LONG, ..samples::limits() };
    let (answer, took) = OpenPort::open(&limits).await.send(b"").await;
    assert_eq!(answer, "");
    assert!((200..2000).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn headers_that_trickle_are_cut() {
    let limits = Limits { idle_timeout: LONG, ..samples::limits() };
    let port = OpenPort::open(&limits).await;
    let mut stream = port.connect().await;
    let started = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let trickle = async {
        loop {
            sleep(Duration::from_millis(40)).await;
            if writer.write_all(b"a").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        _ = reader.read_to_end(&mut answer) => {}
        () = trickle => {}
    }
    assert!((200..2000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_idle_connection_lives_longer_than_a_silent_one_and_not_for_ever() {
    let port = OpenPort::open(&samples::limits()).await;
    let mut stream = port.connect().await;
    for _ in 0..3 {
        stream.write_all(HELLO).await.unwrap();
        assert!(read_some(&mut stream).await.ends_with("hello"));
        sleep(Duration::from_millis(400)).await;
    }
    let (_, took) = until_closed(stream).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let limits = Limits { connections: 1, ..samples::limits() };
    let port = OpenPort::open(&limits).await;
    let mut stubborn = port.connect().await;
    stubborn.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    // The only permit is the stubborn client's until it is cut.
    let started = Instant::now();
    let mut next = port.connect().await;
    next.write_all(HELLO).await.unwrap();
    assert!(read_some(&mut next).await.ends_with("hello"));
    assert!(started.elapsed() > Duration::from_millis(300), "{:?}", started.elapsed());
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_their_turn() {
    let port = OpenPort::open(&Limits { connections: 1, ..patient() }).await;
    let mut first = port.connect().await;
    first.write_all(HELLO).await.unwrap();
    read_some(&mut first).await;
    let mut second = port.connect().await;
    second.write_all(HELLO).await.unwrap();
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(200), second.read(&mut byte)).await.is_err(), "it was served at once");
    drop(first);
    assert!(read_some(&mut second).await.ends_with("hello"));
}

#[tokio::test]
async fn heads_over_the_limit_are_431() {
    let port = OpenPort::open(&samples::limits()).await;
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n", "a".repeat(64 * 1024));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1 << 20));
    for request in [large, many, long] {
        let mut stream = port.connect().await;
        // The server does not read to the end of it.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 431");
    }
    let fits = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\nConnection: close\r\n\r\n", "a".repeat(16 * 1024));
    assert!(port.send(fits.as_bytes()).await.0.starts_with("HTTP/1.1 200"));
}

/// An answer that comes before the end of the body is not lost, though the client sends all of it first.
#[tokio::test]
async fn who_sends_a_body_that_nobody_reads_still_reads_the_answer() {
    let port = OpenPort::open(&patient()).await;
    for _ in 0..20 {
        let mut stream = port.connect().await;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 4 << 20);
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'a'; 4 << 20]).await.unwrap();
        let (answer, took) = until_closed(stream).await;
        assert!(answer.starts_with("HTTP/1.1 405"), "{answer:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test]
async fn who_closes_its_side_is_answered_at_once_or_has_gone() {
    let port = OpenPort::open(&patient()).await;
    for _ in 0..20 {
        let mut stream = port.connect().await;
        stream.write_all(HELLO).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(until_closed(stream).await.0.ends_with("hello"));
    }
    let mut stream = port.connect().await;
    stream.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let (answer, took) = until_closed(stream).await;
    assert!(answer.is_empty() && took >= LISTENS && took < Duration::from_secs(5), "{took:?}: {answer:?}");
}

#[tokio::test]
async fn the_plain_port_does_not_speak_http_2() {
    let port = OpenPort::open(&samples::limits()).await;
    let (answer, _) = port.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"), "{answer:?}");
    let upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n";
    assert!(port.send(upgrade).await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_drain_answers_what_is_running_and_refuses_what_is_new() {
    let limits = Limits { drain_timeout: Duration::from_secs(2), ..patient() };
    let port = OpenPort::open(&limits).await;
    let address = port.address;
    let mut idle = port.connect().await;
    idle.write_all(HELLO).await.unwrap();
    read_some(&mut idle).await;
    let mut running = port.connect().await;
    running.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(50)).await;

    port.drain.signal();
    // Within the grace a load balancer that has not noticed yet is still served.
    let mut late = port.connect().await;
    late.write_all(HELLO).await.unwrap();
    assert!(read_some(&mut late).await.ends_with("hello"));

    let (answer, _) = until_closed(running).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    assert!(TcpStream::connect(address).await.is_err(), "the listener still accepts");
    port.ends_within(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_half_sent_request_does_not_hold_the_end() {
    let limits = Limits { drain_timeout: Duration::from_millis(600), ..patient() };
    let port = OpenPort::open(&limits).await;
    let mut half = port.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let mut running = port.connect().await;
    running.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    port.drain.signal();
    let took = port.ends_within(Duration::from_secs(2)).await;
    assert!(took >= Duration::from_millis(500), "it did not wait: {took:?}");
}

#[tokio::test]
async fn a_full_port_stops_accepting_too() {
    let port = OpenPort::open(&Limits { connections: 1, drain_timeout: Duration::from_secs(2), ..patient() }).await;
    let mut running = port.connect().await;
    running.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let (_waiting, address) = (port.connect().await, port.address);
    port.drain.signal();
    sleep(Duration::from_millis(620)).await;
    assert!(TcpStream::connect(address).await.is_err(), "the listener still accepts");
    let took = port.ends_within(Duration::from_secs(3)).await;
    assert!(took < Duration::from_millis(1500), "it took until the cut: {took:?}");
    assert!(until_closed(running).await.0.ends_with("done"));
}

#[tokio::test]
async fn the_second_signal_ends_at_once() {
    let port = OpenPort::open(&patient()).await;
    let mut running = port.connect().await;
    running.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    port.drain.signal();
    sleep(Duration::from_millis(50)).await;
    port.drain.signal();
    port.ends_within(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_taken_port_is_one_clear_line() {
    let port = OpenPort::open(&samples::limits()).await;
    let mut listener = samples::listener([127, 0, 0, 1]);
    listener.port = port.address.port();
    let why = bind("public", &listener, &samples::limits()).await.err().unwrap().to_string();
    assert!(
        why.starts_with(&format!("public port: can not listen on {}: Address already in use", port.address)),
        "{why}"
    );
    assert_eq!(why.lines().count(), 1);
}

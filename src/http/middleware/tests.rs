//! Requests through the layers, without a socket.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use axum::routing::{any, get, post};
use futures_util::StreamExt as _;
use tower::ServiceExt as _;
use tracing::Dispatch;

use super::client_address::Peer;
use super::*;
use crate::clock::Timestamp;
use crate::http::refusal::unreadable_body;
use crate::oauth;

fn metrics() -> Metrics {
    Metrics::new(Timestamp::from_seconds(1_753_358_400))
}

fn options(drain: Drain) -> Options {
    let hosts = Hosts::public(&samples::urls("https://auth.example.com"), false);
    Options::new(&samples::listener([127, 0, 0, 1]), &samples::limits(), hosts, true, &metrics(), drain)
}

async fn read(body: Body) -> Result<String, oauth::Error> {
    let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|error| unreadable_body(&error))?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

fn app(options: Options) -> Router {
    let echo = async |body: Body| match read(body).await {
        Ok(text) => text.into_response(),
        Err(error) => StatusCode::from_u16(error.status).unwrap().into_response(),
    };
    let router = Router::new()
        .route("/health/ready", get("{}"))
        .route("/echo", post(echo))
        .route("/who/{secret}", any(async |client: ClientAddress| client.0.to_string()))
        .route("/panic", get(async || -> &'static str { panic!("a secret") }))
        .route("/slow", get(async || tokio::time::sleep(Duration::from_mins(1)).await))
        .route("/document", get(([(header::CACHE_CONTROL, "public, max-age=60")], "{}")));
    layers(router, options)
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn error(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.body);
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert!(body["error_description"].as_str().is_some_and(|text| !text.is_empty()));
        (self.status, body["error"].as_str().unwrap().to_owned())
    }
}

async fn send(app: Router, request: axum::http::request::Builder, body: Body) -> Answer {
    let peer = Peer::Address([203, 0, 113, 7].into());
    let request = request.header("host", "auth.example.com").extension(peer).body(body).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: read(body).await.unwrap() }
}

async fn ask(method: &str, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    send(app(options(Drain::default())), request, Body::empty()).await
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    for path in ["/who/me", "/nowhere", "/panic", "/document"] {
        let answer = ask("GET", path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
        assert_eq!(answer.header("x-request-id").map(str::len), Some(16));
        let cache = if path == "/document" { "public, max-age=60" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), Some(cache));
    }
}

#[tokio::test]
async fn a_harmless_request_id_is_echoed() {
    let request = Request::builder().uri("/who/me").header("x-request-id", "edge-42");
    let answer = send(app(options(Drain::default())), request, Body::empty()).await;
    assert_eq!(answer.header("x-request-id"), Some("edge-42"));
}

#[tokio::test]
async fn a_panic_is_a_server_error_that_says_nothing() {
    let answer = ask("GET", "/panic").await;
    assert_eq!(answer.error(), (500, "server_error".to_owned()));
    assert!(!answer.body.contains("secret"));
}

#[tokio::test]
async fn an_endpoint_that_takes_too_long_is_dropped() {
    let answer = ask("GET", "/slow").await;
    assert_eq!(answer.error(), (503, "temporarily_unavailable".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("2"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let post = || Request::builder().method("POST").uri("/echo");
    let app = || app(options(Drain::default()));
    let fits = "a".repeat(1024);
    assert_eq!(send(app(), post(), Body::from(fits.clone())).await.body, fits);
    let declared = send(app(), post().header("content-length", "1025"), Body::from("a".repeat(1025))).await;
    assert_eq!(declared.error(), (413, "invalid_request".to_owned()));
    let chunks = futures_util::stream::iter((0..3).map(|_| Ok::<_, io::Error>("a".repeat(512))));
    let undeclared = send(app(), post(), Body::from_stream(chunks)).await;
    assert_eq!(undeclared.error(), (413, "invalid_request".to_owned()));
}

#[tokio::test]
async fn refusals_of_the_framework_are_error_objects_too() {
    assert_eq!(ask("GET", "/nowhere").await.error(), (404, "not_found".to_owned()));
    let wrong_method = ask("GET", "/echo").await;
    assert_eq!(wrong_method.error(), (405, "invalid_request".to_owned()));
    assert_eq!(wrong_method.header("allow"), Some("POST"));
    for method in ["TRACE", "CONNECT"] {
        let refused = ask(method, "/who/me").await;
        assert_eq!(refused.error(), (405, "invalid_request".to_owned()), "{method}");
        assert!(refused.header("allow").is_some());
    }
    assert_eq!(ask("GET", &format!("/who/{}", "a".repeat(MAX_TARGET))).await.error().0, 414);
}

#[tokio::test]
async fn a_foreign_host_is_misdirected_but_a_probe_is_answered() {
    let app = || app(options(Drain::default()));
    let ask = async |path: &str, host: &str| {
        let request = Request::builder().uri(path).header("host", host).body(Body::empty()).unwrap();
        app().oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!(ask("/who/me", "evil.example").await, 421);
    assert_eq!(ask("/health/ready", "10.1.2.3:4444").await, 200);
    assert_eq!(ask("/who/me", "auth.example.com").await, 200);
}

#[tokio::test]
async fn behind_a_proxy_the_caller_is_whom_it_names() {
    let mut listener = samples::listener([0, 0, 0, 0]);
    listener.allow_termination_from = vec!["203.0.113.0/24".parse().unwrap()];
    let hosts = Hosts::public(&samples::urls("https://auth.example.com"), false);
    let options = || Options::new(&listener, &samples::limits(), hosts.clone(), true, &metrics(), Drain::default());
    let request = || Request::builder().uri("/who/me").header("x-forwarded-for", "198.51.100.1");
    let secure = send(app(options()), request().header("x-forwarded-proto", "https"), Body::empty()).await;
    assert_eq!((secure.status, secure.body.as_str()), (200, "198.51.100.1"));
    let insecure = send(app(options()), request(), Body::empty()).await;
    assert_eq!(insecure.error(), (502, "insecure_transport".to_owned()));
    let probe = send(app(options()), Request::builder().uri("/health/ready"), Body::empty()).await;
    assert_eq!(probe.status, 200);
    assert_eq!(ask("GET", "/who/me").await.body, "203.0.113.7");
}

#[tokio::test]
async fn a_draining_server_is_not_ready_and_closes() {
    let drain = Drain::default();
    let app = || app(options(drain.clone()));
    assert_eq!(send(app(), Request::builder().uri("/health/ready"), Body::empty()).await.status, 200);
    drain.signal();
    let ready = send(app(), Request::builder().uri("/health/ready"), Body::empty()).await;
    assert_eq!(ready.error(), (503, "temporarily_unavailable".to_owned()));
    let answer = send(app(), Request::builder().uri("/who/me"), Body::empty()).await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// While a process has a single subscriber, tracing lets a log statement that is met first on a thread without it stay
/// off everywhere. Other tests are such threads; with these two besides, there is never a single one.
static SUBSCRIBERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Dispatch::new(collect(Page::default()))));

fn collect(page: Page) -> impl tracing::Subscriber + Send + Sync {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || page.clone())
        .finish()
}

/// The lines of `requests`, at the finest level.
async fn logged(requests: impl Future<Output = ()>) -> Vec<serde_json::Value> {
    LazyLock::force(&SUBSCRIBERS);
    let page = Page::default();
    let guard = tracing::subscriber::set_default(collect(page.clone()));
    // What another thread met just before the two were there is switched on here.
    tokio::time::sleep(Duration::from_millis(10)).await;
    tracing::callsite::rebuild_interest_cache();
    requests.await;
    drop(guard);
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_request_is_one_line_without_its_query_and_headers() {
    let lines = logged(async {
        let request = Request::builder()
            .uri("/who/canary-path?code=canary-query")
            .header("authorization", "Bearer canary-token")
            .header("cookie", "canary-cookie")
            .header("x-request-id", "id-1");
        send(app(options(Drain::default())), request, Body::empty()).await;
    })
    .await;
    let ours: Vec<_> = lines.iter().filter(|line| line["target"] == "hydrant::request").collect();
    assert_eq!(ours.len(), 1);
    let line = ours[0];
    assert_eq!(
        (&line["method"], &line["path"], &line["status"]),
        (&"GET".into(), &"/who/{secret}".into(), &200.into())
    );
    assert_eq!((&line["client"], &line["request_id"]), (&"203.0.113.7".into(), &"id-1".into()));
    assert!(line["latency_ms"].as_f64().unwrap() >= 0.0);
    for line in &lines {
        assert!(!line.to_string().contains("canary"), "{line}");
    }
}

#[tokio::test]
async fn a_client_that_went_away_has_its_line() {
    let lines = logged(async {
        let request = Request::builder().uri("/slow");
        let answer = send(app(options(Drain::default())), request, Body::empty());
        assert!(tokio::time::timeout(Duration::from_millis(20), answer).await.is_err());
    })
    .await;
    let statuses: Vec<_> = lines.iter().filter(|line| line["path"] == "/slow").map(|line| &line["status"]).collect();
    assert_eq!(statuses, [499]);
}

#[tokio::test]
async fn probes_may_be_left_out_of_the_log() {
    for silent in [false, true] {
        let lines = logged(async {
            let options = Options { silent_health: silent, ..options(Drain::default()) };
            send(app(options), Request::builder().uri("/health/ready"), Body::empty()).await;
        })
        .await;
        assert_eq!(lines.iter().any(|line| line["path"] == "/health/ready"), !silent);
    }
}

/// Whatever becomes of a request, its place is there for the next one.
#[tokio::test]
async fn every_place_is_given_back() {
    let shared = metrics();
    let options = || Options { max_in_flight: 1, metrics: shared.clone(), ..options(Drain::default()) };
    let get = |path| Request::builder().uri(path);
    let panicked = send(app(options()), get("/panic"), Body::empty()).await;
    assert_eq!(panicked.error(), (500, "server_error".to_owned()));
    let gone = tokio::time::timeout(Duration::from_millis(20), send(app(options()), get("/slow"), Body::empty()));
    assert!(gone.await.is_err());
    let refused = get("/who/me").method("TRACE");
    assert_eq!(send(app(options()), refused, Body::empty()).await.status, 405);

    let full = async {
        while shared.public().in_flight().now() == 0 {
            tokio::task::yield_now().await;
        }
        let refused = send(app(options()), get("/who/me"), Body::empty()).await;
        let probe = send(app(options()), get("/health/ready"), Body::empty()).await;
        (refused, probe)
    };
    let (timed_out, (refused, probe)) = futures_util::join!(send(app(options()), get("/slow"), Body::empty()), full);
    assert_eq!(timed_out.error(), (503, "temporarily_unavailable".to_owned()));
    assert_eq!(refused.error(), (503, "temporarily_unavailable".to_owned()));
    assert_eq!((refused.header("retry-after"), probe.status), (Some("2"), 200));
    assert_eq!(send(app(options()), get("/who/me"), Body::empty()).await.status, 200);
    assert_eq!((shared.public().in_flight().now(), shared.public().in_flight().refused()), (0, 1));
}

/// Bytes that come one by one do not keep a place, and what comes when all are taken comes too late.
#[tokio::test]
async fn a_body_that_is_waited_for_takes_no_place() {
    let shared = metrics();
    let options = || Options { max_in_flight: 1, metrics: shared.clone(), ..options(Drain::default()) };
    let places = shared.public().in_flight();
    for (taken, status) in [(false, 200), (true, 503)] {
        let pieces = futures_util::stream::iter(["a", "b", "c"]).then(|piece| async move {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok::<_, io::Error>(piece)
        });
        let post = Request::builder().method("POST").uri("/echo");
        let other = async {
            while places.now() == 0 {
                tokio::task::yield_now().await;
            }
            while places.now() > 0 {
                tokio::task::yield_now().await;
            }
            assert!(!taken || places.enter(1));
        };
        let (answer, ()) = futures_util::join!(send(app(options()), post, Body::from_stream(pieces)), other);
        assert_eq!(answer.status, status, "{}", answer.body);
        if taken {
            assert_eq!(places.now(), 1, "the other's");
            places.leave();
        }
        assert_eq!(places.now(), 0);
    }
}

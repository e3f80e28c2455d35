//! More requests than can be answered: a bound on those in hand, the rest told to come back, and nobody's flood another's
//! outage (security-cases.md RE-01; RFC 9110 section 15.6.4).

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use hydrant::config::Config;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::raw::{Raw, read};
use crate::support::{Answer, Authorize, Browser, Hook, PASSWORD, SECRET, Server};

const GRANT: &[(&str, &str)] = &[("grant_type", "client_credentials")];

/// Longer than any test takes: who waits that long waits for the test.
const AGES: Duration = Duration::from_mins(5);

/// A server that answers so many requests at once. Tokens take as long as the hook likes.
async fn server(most: usize, hook: &Hook, change: impl FnOnce(&mut Config)) -> Server {
    Server::with(|config| {
        config.limits.max_in_flight = most;
        config.limits.request_timeout = AGES;
        config.oauth2.token_hook = Some(hook.within(AGES));
        change(config);
    })
    .await
}

/// One number of the metrics page, which is there however full the server is.
async fn metric(server: &Server, name: &str) -> u64 {
    let page = server.get_admin("/metrics/prometheus").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let begins = format!("{name} ");
    let line = page.body.lines().find_map(|line| line.strip_prefix(&begins));
    line.unwrap_or_else(|| panic!("no {name} in {}", page.body)).parse().unwrap()
}

async fn in_flight(server: &Server) -> u64 {
    metric(server, r#"hydrant_requests_in_flight{port="public"}"#).await
}

/// Waits until so many requests are in hand.
async fn settles_at(server: &Server, count: u64) {
    let began = Instant::now();
    while in_flight(server).await != count {
        assert!(began.elapsed() < Duration::from_secs(20), "{} in flight", in_flight(server).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A request that the hook holds up; it is with the hook when this returns.
async fn held<'a>(server: &'a Server, hook: &Hook) -> impl Future<Output = Answer> + use<'a> {
    let before = hook.calls();
    hook.slow_down(AGES);
    let request = server.http.post(server.url("/oauth2/token")).basic_auth("svc", Some(SECRET)).form(GRANT);
    let request = tokio::spawn(async move { Answer::of(request.send().await.unwrap()).await });
    hook.until(before + 1).await;
    async move { request.await.unwrap() }
}

fn assert_told_to_come_back(answer: &Answer) {
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert!(answer.body.contains("as many requests as it can"), "{}", answer.body);
}

/// A token request byte by byte: the head with its length, and the body.
fn token_request(server: &Server) -> (String, &'static str) {
    let body = "grant_type=client_credentials";
    let basic = STANDARD.encode(format!("svc:{SECRET}"));
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {basic}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        server.address(),
        body.len()
    );
    (head, body)
}

async fn send(stream: &mut TcpStream, bytes: &str) -> Raw {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    // The answer is whole when it has come: a token response is one packet.
    let mut answer = read(stream, Duration::from_millis(200)).await;
    while answer.text.is_empty() && !answer.closed {
        answer = read(stream, Duration::from_millis(200)).await;
    }
    answer
}

/// Of a burst exactly the excess is refused, at once; the others are answered, and then there is room again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_burst_exactly_the_excess_is_told_to_come_back() {
    const MOST: usize = 4;
    const BURST: usize = 32;
    let hook = Hook::start().await;
    let server = server(MOST, &hook, |_| {}).await;
    hook.slow_down(AGES);
    let mut burst: FuturesUnordered<_> = (0..BURST).map(|_| server.post_as("svc", "/oauth2/token", GRANT)).collect();
    for _ in MOST..BURST {
        assert_told_to_come_back(&burst.next().await.unwrap());
    }
    hook.until(MOST).await;
    assert_eq!(in_flight(&server).await, 4);
    hook.slow_down(Duration::ZERO);
    while let Some(answer) = burst.next().await {
        answer.tokens();
    }
    assert_eq!(hook.calls(), MOST, "nothing was asked for those that were refused");
    settles_at(&server, 0).await;
    server.client_tokens("svc", &[]).await;
    assert_eq!(metric(&server, r#"hydrant_requests_refused_total{port="public"}"#).await, 28);
    assert_eq!(metric(&server, "hydrant_requests_in_flight_max").await, 4);
    let refused = r#"http_requests_total{code="503",method="POST",endpoint="/oauth2/token"}"#;
    assert_eq!(metric(&server, refused).await, 28, "they are counted by route as well");
}

/// A full server is alive and ready, and an operator sees why it refuses; the other port has places of its own.
#[tokio::test]
async fn a_full_server_answers_probes_and_operators() {
    let hook = Hook::start().await;
    let server = server(1, &hook, |_| {}).await;
    let first = held(&server, &hook).await;
    for path in ["/health/alive", "/health/ready"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
        assert_eq!(server.get_admin(path).await.status, 200, "{path}");
        assert_eq!(server.get_admin(&format!("/admin{path}")).await.status, 200, "{path}");
    }
    for path in ["/.well-known/jwks.json", "/health/alive/", "/health/nowhere", "/nowhere", "/version"] {
        assert_told_to_come_back(&server.get(path).await);
    }
    assert_eq!(server.get_admin("/admin/clients/web").await.status, 200);
    assert_eq!(metric(&server, r#"hydrant_requests_in_flight{port="admin"}"#).await, 0, "who looks is not counted");
    let mut browser = server.browser();
    let page = browser.get(&Authorize::web().url(&server)).await;
    page.assert_page(503, "temporarily_unavailable");
    assert_eq!(page.header("retry-after"), Some("2"));
    assert!(page.body.contains("Try again</a>") && browser.cookies.is_empty(), "{}", page.body);
    hook.slow_down(Duration::ZERO);
    first.await.tokens();
    settles_at(&server, 0).await;
    assert_eq!(browser.get(&Authorize::web().url(&server)).await.status, 302, "and again");
}

/// The admin port has the same bound: a bulk job that calls it from everywhere at once is told to come back.
#[tokio::test]
async fn the_admin_port_is_bounded_too() {
    let hook = Hook::start().await;
    let server = server(2, &hook, |_| {}).await;
    let answers = join_all((0..64).map(|_| server.get_admin("/admin/clients"))).await;
    let (answered, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    for answer in &refused {
        assert_told_to_come_back(answer);
    }
    assert!(answered.len() >= 2, "{} of 64", answered.len());
    let counted = metric(&server, r#"hydrant_requests_refused_total{port="admin"}"#).await;
    assert_eq!(counted, u64::try_from(refused.len()).unwrap());
    assert_eq!(metric(&server, r#"hydrant_requests_in_flight{port="admin"}"#).await, 0);
}

/// RFC 9112 section 9.3: who was refused asks again on the same connection.
#[tokio::test]
async fn a_connection_goes_on_after_a_refusal() {
    let hook = Hook::start().await;
    let server = server(1, &hook, |_| {}).await;
    let first = held(&server, &hook).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let (head, body) = token_request(&server);
    let request = format!("{head}{body}");
    for _ in 0..3 {
        let refused = send(&mut stream, &request).await;
        assert!(refused.status() == 503 && !refused.closed, "{refused:?}");
        assert!(refused.text.contains("retry-after: 2\r\n"), "{}", refused.text);
    }
    hook.slow_down(Duration::ZERO);
    first.await.tokens();
    settles_at(&server, 0).await;
    let answer = send(&mut stream, &request).await;
    assert!(answer.status() == 200 && !answer.closed, "{answer:?}");
}

/// A place is given back however its request ends: the client goes, or the time is over. (A panic: `http/middleware/tests.rs`.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_place_is_lost_however_a_request_ends() {
    const MOST: usize = 4;
    let hook = Hook::start().await;
    let server = server(MOST, &hook, |config| config.limits.request_timeout = Duration::from_secs(2)).await;
    let (head, body) = token_request(&server);
    for round in 1..=3 {
        hook.slow_down(AGES);
        let mut streams = Vec::new();
        for _ in 0..MOST {
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            streams.push(stream);
        }
        hook.until(round * MOST).await;
        match round {
            1 => drop(streams),
            2 => {
                for stream in &mut streams {
                    stream.shutdown().await.unwrap();
                }
                settles_at(&server, 0).await;
            }
            _ => {
                for stream in &mut streams {
                    let answer = send(stream, "").await;
                    assert!(answer.status() == 503 && answer.text.contains("took too long"), "{answer:?}");
                }
            }
        }
        settles_at(&server, 0).await;
    }
    hook.slow_down(Duration::ZERO);
    server.client_tokens("svc", &[]).await;
    settles_at(&server, 0).await;
}

/// CWE-400: who sends bodies byte by byte keeps nobody out; and when the last byte comes there must be a place.
#[tokio::test]
async fn waiting_for_a_body_takes_no_place() {
    let hook = Hook::start().await;
    let server = server(1, &hook, |_| {}).await;
    let (head, body) = token_request(&server);
    let (begin, end) = body.split_at(9);
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(format!("{head}{begin}").as_bytes()).await.unwrap();
        settles_at(&server, 0).await;
        streams.push(stream);
    }
    // Nor who sends nothing of it.
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    silent.write_all(head.as_bytes()).await.unwrap();
    // Nothing shows that it was taken up: it must be before the next one is.
    tokio::time::sleep(Duration::from_millis(300)).await;
    settles_at(&server, 0).await;
    server.client_tokens("svc", &[]).await;
    let answer = send(&mut silent, body).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let mut goes = streams.pop().unwrap();
    goes.shutdown().await.unwrap();
    drop(goes);
    let answer = send(&mut streams[0], end).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    settles_at(&server, 0).await;

    let first = held(&server, &hook).await;
    let late = send(&mut streams[1], end).await;
    assert!(late.status() == 503 && late.text.contains("as many requests as it can"), "{late:?}");
    assert!(late.text.contains("retry-after: 2\r\n"), "{}", late.text);
    assert_eq!(in_flight(&server).await, 1);
    hook.slow_down(Duration::ZERO);
    first.await.tokens();
    settles_at(&server, 0).await;
    assert_eq!(metric(&server, r#"hydrant_requests_refused_total{port="public"}"#).await, 1);
}

/// RE-01: while sign-ins come faster than passwords can be hashed, everything that gives tokens goes on, also for a
/// client whose secret must be hashed itself; and who is refused has a page that says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_sign_ins_stops_no_tokens() {
    let server = Server::with(|config| {
        few_passwords(config);
        config.oauth2.public_introspection = true;
    })
    .await;
    server.client("chosen", json!({ "grant_types": ["client_credentials"], "response_types": [] })).await;
    server.change_client("chosen", |client| client["client_secret"] = json!(SECRET)).await;
    let mut tokens = server.tokens_with("openid offline").await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;

    let (over, refused) = (Cell::new(false), RefCell::new(Vec::new()));
    let others = async {
        while refused.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for round in 0..20 {
            let before = refused.borrow().len();
            let own = server.client_tokens("svc", &[]).await;
            assert_eq!(server.introspect_as("rs1", &own.access_token).await.status, 200);
            tokens = server.refresh("web", tokens.refresh()).await.tokens();
            assert!(server.introspect(&tokens.access_token).await.active);
            if round == 0 {
                server.client_tokens("chosen", &[]).await;
            }
            // The flood goes on all the while.
            while refused.borrow().len() == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        over.set(true);
    };
    let (judged, ()) = futures_util::join!(flood(&browser, &page, &over, &refused), others);
    assert!(judged > 0, "those that were let in are answered");
    for (name, answer) in refused.take() {
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.header("retry-after").is_some() && answer.is_html(), "{:?}", answer.headers);
        assert!(answer.body.contains("can not check passwords at the moment. Please try again."), "{}", answer.body);
        assert_eq!(answer.field("email"), name, "what was typed is there to be sent again");
        assert!(answer.has_field("login_challenge") && answer.body.contains("name=\"password\""), "{}", answer.body);
    }
}

/// Who is told to come back may, as often as it takes: a password that nobody has looked at was no attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_be_told_to_come_back_is_no_attempt() {
    let server = Server::with(few_passwords).await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let (over, refused) = (Cell::new(false), RefCell::new(Vec::new()));
    let alice = async {
        let mut longest = 0;
        // Two attempts is what she has.
        while longest < 4 {
            let mut browser = server.browser();
            let page = browser.authorize(&Authorize::web()).await;
            let mut told = 0;
            loop {
                let answer = browser.submit_login(&page, "alice", PASSWORD).await;
                match answer.status {
                    503 => told += 1,
                    303 => break,
                    other => panic!("{other} after {told} refusals: {}", answer.body),
                }
            }
            longest = longest.max(told);
        }
        over.set(true);
    };
    futures_util::join!(flood(&browser, &page, &over, &refused), alice);
}

/// One hash at a time, each of which takes a while; two attempts for each account.
fn few_passwords(config: &mut Config) {
    config.limits.login_per_account = 2;
    config.limits.login_per_address = 1_000_000;
    config.limits.password_hashes = 1;
    config.accounts.argon2.memory_kib = 4096;
    config.accounts.argon2.iterations = 4;
}

/// Sign-ins of people whom nobody knows, more at a time than are let in, until it is over: how many were judged. Those
/// that were refused stand in `refused`.
async fn flood(
    browser: &Browser<'_>,
    page: &Answer,
    over: &Cell<bool>,
    refused: &RefCell<Vec<(String, Answer)>>,
) -> u32 {
    let judged = Cell::new(0);
    join_all((0..24).map(|number| {
        let (mut browser, judged) = (browser.copy(), &judged);
        async move {
            while !over.get() {
                // A name has two attempts.
                let name = format!("nobody-{number}-{}", judged.get());
                let answer = browser.submit_login(page, &name, "a guess").await;
                match answer.status {
                    400 => judged.set(judged.get() + 1),
                    _ => refused.borrow_mut().push((name, answer)),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }))
    .await;
    judged.get()
}

//! The life of the process: its ports, its signals, its database that comes and goes, its secrets (security-cases.md
//! F-01, F-02, F-39, F-40, F-45, JK-13, JK-14).

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::process::{DEV_SECRET, Process, Setup};
use crate::support::{Answer, Authorize, Database, Server};

/// A request for a token that lacks its last byte.
async fn half_a_request(setup: &Setup) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", setup.public)).await.unwrap();
    let body = "grant_type=client_credentials";
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n",
        setup.public,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body.as_bytes()[..body.len() - 1]).await.unwrap();
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

/// Waits until the readiness probe says this; every connection until then must have been served.
async fn ready_says(setup: &Setup, status: u16, within: Duration) {
    let http = crate::support::client();
    let began = Instant::now();
    loop {
        let answer = http.get(setup.url("/health/ready")).send().await.unwrap();
        if answer.status() == status {
            return;
        }
        assert!(began.elapsed() < within, "{} after {within:?}", answer.status());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// F-39: probes turn at once, while load balancers still reach the port; what is in flight is answered; what says
/// nothing keeps nobody from ending.
#[tokio::test]
async fn f_39_sigterm_lets_requests_finish_and_ends_with_0() {
    let database = Database::new().await;
    let mut process = Setup::dev(database.dsn()).env("LIMITS_DRAIN_TIMEOUT", "4s").start().await;
    let setup = process.setup.clone();
    let mut in_flight = half_a_request(&setup).await;
    let mut idle = TcpStream::connect(("127.0.0.1", setup.public)).await.unwrap();
    idle.write_all(b"GET /health/alive HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(idle.read_u8().await.is_ok());

    process.signal("TERM");
    ready_says(&setup, 503, Duration::from_millis(500)).await;
    assert!(process.runs());
    in_flight.write_all(b"s").await.unwrap();
    let answer = rest(in_flight).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 401 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.contains("invalid_client"), "{answer}");
    assert_eq!(process.ended(Duration::from_secs(3)).await, 0);
    assert!(process.log().contains("SIGTERM"), "{}", process.log());
}

/// F-40: a second signal does not wait for anybody.
#[tokio::test]
async fn f_40_a_second_signal_ends_at_once() {
    let database = Database::new().await;
    let mut process = Setup::dev(database.dsn()).start().await;
    let setup = process.setup.clone();
    let hanging = half_a_request(&setup).await;
    process.signal("TERM");
    ready_says(&setup, 503, Duration::from_millis(500)).await;
    let second = Instant::now();
    process.signal("INT");
    assert_eq!(process.ended(Duration::from_secs(2)).await, 0);
    assert!(second.elapsed() < Duration::from_secs(2));
    drop(hanging);
    // It ended well: another starts on what it left.
    setup.start().await;
}

/// F-45: one line that names the address, exit status 1 within a second, the database untouched.
#[tokio::test]
async fn f_45_a_taken_port_is_one_line_and_status_1() {
    for name in ["public", "admin"] {
        let database = Database::empty().await;
        let setup = Setup::production(database.dsn(), "kT4pR7vW2xZ9cN5mQ8sB");
        let port = if name == "public" { setup.public } else { setup.admin };
        let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut quickest = Duration::MAX;
        // A machine that is busy with other tests may be slow once, but not each time.
        for _ in 0..3 {
            let began = Instant::now();
            let mut process = setup.spawn();
            assert_eq!(process.ended(Duration::from_secs(10)).await, 1);
            quickest = quickest.min(began.elapsed());
            let log = process.log();
            assert_eq!(log.lines().count(), 1, "{log}");
            assert!(log.starts_with(&format!("error: {name} port: can not listen on 127.0.0.1:{port}: ")), "{log}");
        }
        assert!(quickest < Duration::from_secs(1), "{quickest:?}");
        match database.dsn().strip_prefix("sqlite://") {
            Some(file) => assert!(!Path::new(file).exists(), "a database was made"),
            None => assert_eq!(setup.run(&["migrate", "--format", "json"]).await.json()[0]["applied"], false),
        }
    }
}

/// What every route that needs the store says without one: `J(503, temporarily_unavailable)` with `Retry-After`.
async fn assert_all_unavailable(server: &Server) {
    let form = |path: &str, fields: &[(&str, &str)]| {
        server.http.post(server.url(path)).basic_auth("svc", Some(crate::support::SECRET)).form(fields)
    };
    let requests = [
        form("/oauth2/token", &[("grant_type", "client_credentials")]),
        form("/oauth2/revoke", &[("token", "hya_x")]),
        form("/oauth2/introspect", &[("token", "hya_x")]),
        server.http.get(server.url("/userinfo")).bearer_auth("hya_x"),
        server.http.get(Authorize::web().url(server)).header("accept", "application/json"),
        server.http.get(format!("{}/admin/clients", server.admin)),
        server.http.get(format!("{}/admin/users", server.admin)),
        server.http.get(server.url("/health/ready")),
    ];
    let began = Instant::now();
    for answer in join_all(requests.map(async |request| Answer::of(request.send().await.unwrap()).await)).await {
        answer.assert_error(503, "temporarily_unavailable");
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=5).contains(&seconds), "{:?}", answer.headers);
    }
    // The pool waits 2 s for a connection; nobody waits for it twice.
    assert!(began.elapsed() < Duration::from_millis(3900), "a request waited {:?}", began.elapsed());
    assert_eq!(server.get("/health/alive").await.status, 200);
    assert_eq!(server.get("/.well-known/openid-configuration").await.status, 200);
    let page = server.http.get(Authorize::web().url(server)).header("accept", "text/html").send().await.unwrap();
    Answer::of(page).await.assert_page(503, "temporarily_unavailable");
}

fn at(process: &Process, database: &Database) -> Server {
    Server::at(&process.setup.url(""), &process.setup.admin_url(""), database)
}

/// F-01: nobody restarts a server because its database is down; the log tells of it, and not of the password.
#[tokio::test]
async fn f_01_without_its_database_the_process_stays_up_and_says_503() {
    let nowhere = "postgres://hydrant:hunter2hunter2@127.0.0.1:1/none";
    let mut process = Setup::dev(nowhere).env("LIMITS_DRAIN_TIMEOUT", "0s").spawn();
    let began = Instant::now();
    while process.log().matches("trying again in ").count() < 2 {
        assert!(process.runs() && began.elapsed() < Duration::from_secs(10), "{}", process.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let server = at(&process, &Database::empty().await);
    let ((), ready) = tokio::join!(assert_all_unavailable(&server), server.get_admin("/health/ready"));
    assert!(ready.status == 503 && ready.json()["errors"]["database"].is_string(), "{}", ready.body);
    let log = process.log();
    assert!(log.contains("Connection refused") && log.contains("trying again in 0.5 s"), "{log}");
    assert!(!log.contains("hunter2") && !ready.body.contains("hunter2") && !log.contains(DEV_SECRET), "{log}");
    assert!(!log.contains("panic"), "{log}");
    process.signal("TERM");
    assert_eq!(process.ended(Duration::from_secs(3)).await, 0);
}

/// A PostgreSQL cluster of this test alone, which it may stop.
struct Cluster {
    folder: tempfile::TempDir,
    dsn: String,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = script(&["stop", self.folder.path().to_str().unwrap()]);
    }
}

fn script(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres");
    let output = Command::new(script).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Cluster {
    async fn start() -> Self {
        tokio::task::spawn_blocking(|| {
            let folder = tempfile::tempdir().unwrap();
            // What was committed must be there after the crash.
            let dsn = script(&["start", folder.path().to_str().unwrap(), "--durable"]);
            Self { folder, dsn }
        })
        .await
        .unwrap()
    }

    /// As a crash: clients find their connections closed.
    async fn halt(&self) {
        self.script("halt").await;
    }

    async fn resume(&self) {
        self.script("resume").await;
    }

    async fn script(&self, what: &'static str) {
        let folder = self.folder.path().to_str().unwrap().to_owned();
        tokio::task::spawn_blocking(move || script(&[what, &folder])).await.unwrap();
    }
}

/// F-01 and F-02: down at the start, there at last, down under way, there again; the process is the same all along.
#[tokio::test]
async fn f_02_a_database_may_come_late_and_go_and_come_back() {
    if !Database::empty().await.is_postgres() {
        return;
    }
    let cluster = Cluster::start().await;
    cluster.halt().await;
    let mut process = Setup::dev(&cluster.dsn).spawn();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(process.runs() && !process.log().contains("\"ready\""), "{}", process.log());

    cluster.resume().await;
    let back = Instant::now();
    process.ready().await;
    assert!(back.elapsed() < Duration::from_secs(5), "ready only after {:?}", back.elapsed());
    let server = at(&process, &Database::empty().await);
    let body = serde_json::json!({
        "client_id": "svc", "client_secret": crate::support::SECRET, "grant_types": ["client_credentials"],
    });
    assert_eq!(server.admin(reqwest::Method::POST, "/clients", Some(&body)).await.status, 201);
    let token = server.client_tokens("svc", &[]).await.access_token;
    let jwks = server.get("/.well-known/jwks.json").await.body;

    cluster.halt().await;
    // What needs no more than what is remembered is served on.
    assert_eq!(server.get("/.well-known/jwks.json").await.body, jwks);
    ready_says(&process.setup, 503, Duration::from_secs(5)).await;
    let asked = Instant::now();
    let revoke = server.revoke("svc", &token).await;
    revoke.assert_error(503, "temporarily_unavailable");
    let introspect = server.http.post(format!("{}/admin/oauth2/introspect", server.admin)).form(&[("token", &token)]);
    Answer::of(introspect.send().await.unwrap()).await.assert_error(503, "temporarily_unavailable");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());

    cluster.resume().await;
    let back = Instant::now();
    ready_says(&process.setup, 200, Duration::from_secs(10)).await;
    assert!(server.introspect(&token).await.active, "what was refused with 503 did not happen");
    assert_eq!(server.revoke("svc", &token).await.status, 200);
    assert!(!server.introspect(&token).await.active);
    server.client_tokens("svc", &[]).await;
    assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
    assert!(process.runs() && !process.log().contains("panic"), "{}", process.log());
}

async fn keys(database: &Database) -> u64 {
    database.execute("UPDATE keys SET id = id").await
}

/// JK-13 and F-34: with another secret the server does not start, names the key, and makes no second set.
/// JK-14: the first secret seals, all of them open, and one that is missed is missed loudly.
#[tokio::test]
async fn jk_13_jk_14_a_key_opens_only_under_its_secret() {
    const OLD: &str = "the-elder-kT4pR7vW2xZ9";
    const NEW: &str = "the-newer-cN5mQ8sB3dF6";
    let database = Database::empty().await;
    let with = |secrets: &str| Setup::dev(database.dsn()).env("SECRETS_SYSTEM", secrets);
    let refused = async |secrets: &str| {
        let mut process = with(secrets).spawn();
        assert_eq!(process.ended(Duration::from_secs(10)).await, 1, "{secrets}: {}", process.log());
        let log = process.log();
        let last = log.lines().last().unwrap().to_owned();
        assert!(last.starts_with("error: secrets.system: none of the secrets given opens the key "), "{log}");
        assert!(!log.contains(OLD) && !log.contains(NEW), "{log}");
        last
    };
    let listed = async |secrets: &str| with(secrets).run(&["key", "list", "--format", "json"]).await.json();

    let mut process = with(OLD).start().await;
    let jwks = at(&process, &database).get("/.well-known/jwks.json").await.body;
    process.kill();
    let ids: Vec<String> =
        listed(OLD).await.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");

    let said = refused(NEW).await;
    assert!(ids.iter().any(|id| said.contains(id)) && said.contains("of the set hydra"), "{said}");
    with(NEW).run(&["key", "rotate"]).await.failed(1, "secrets.system");
    assert_eq!(keys(&database).await, 4, "a second set was made");

    let both = format!("{NEW},{OLD}");
    let mut process = with(&both).start().await;
    assert_eq!(at(&process, &database).get("/.well-known/jwks.json").await.body, jwks);
    process.kill();

    assert_eq!(with(&both).run(&["key", "rotate"]).await.status, 0);
    assert_eq!(keys(&database).await, 5);
    let said = refused(OLD).await;
    assert!(!ids.iter().any(|id| said.contains(id)), "the new key is sealed under the first secret: {said}");
    refused(NEW).await;
    let mut process = with(&format!("{OLD},{NEW}")).start().await;
    let published = at(&process, &database).get("/.well-known/jwks.json").await.json();
    assert_eq!(published["keys"].as_array().unwrap().len(), 4, "{published}");
    process.kill();
}

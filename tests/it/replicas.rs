//! Several processes on one PostgreSQL database: any of them may take any step (security-cases.md F-56, I17, JK-05), and
//! what one does the others know. SQLite is one machine's; there these tests have nothing to ask.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::support::process::{Process, Setup};
use crate::support::{Answer, Authorize, Database, PASSWORD, RelyingParty, SECRET, Server, free_port};

/// Two processes, each by itself, and both behind a balancer that gives every connection to the next of them.
pub struct Replicas {
    database: Database,
    pub first: Server,
    pub second: Server,
    pub both: Server,
    processes: [Process; 2],
    balancer: tokio::task::JoinHandle<()>,
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.balancer.abort();
    }
}

impl Replicas {
    /// Both start at the same moment on a database with nothing in it.
    async fn start(database: Database) -> Self {
        Self::with(database, &[]).await
    }

    /// The same, with this in the environment of both.
    pub async fn with(database: Database, env: &[(&str, &str)]) -> Self {
        let port = free_port();
        let issuer = format!("http://127.0.0.1:{port}");
        let setup = || Setup::dev(database.dsn()).env("URLS_SELF_ISSUER", &issuer);
        let setups = [(); 2].map(|()| env.iter().fold(setup(), |setup, (name, value)| setup.env(name, value)));
        let mut processes = setups.map(|setup| setup.spawn());
        for process in &mut processes {
            process.ready().await;
        }
        let [first, second] =
            [&processes[0], &processes[1]].map(|p| Server::at(&p.setup.url(""), &p.setup.admin_url(""), &database));
        let both = Server::at(&issuer, &first.admin, &database);
        let ports = [processes[0].setup.public, processes[1].setup.public];
        let balancer = tokio::spawn(balance(TcpListener::bind(("127.0.0.1", port)).await.unwrap(), ports));
        Self { database, first, second, both, processes, balancer }
    }

    /// How the first of them was started.
    pub fn setup(&self) -> &Setup {
        &self.processes[0].setup
    }
}

async fn balance(listener: TcpListener, ports: [u16; 2]) {
    for port in ports.iter().cycle() {
        let (mut from, _) = listener.accept().await.unwrap();
        let port = *port;
        tokio::spawn(async move {
            let mut to = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
        });
    }
}

/// Waits until this holds; a replica is told, and that takes a moment.
async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(2), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn jwks(server: &Server) -> Value {
    server.get("/.well-known/jwks.json").await.json()
}

#[tokio::test]
async fn jk_05_f_56_i17_two_replicas_are_one_server() {
    let database = Database::empty().await;
    if !database.is_postgres() {
        return;
    }
    let replicas = Replicas::start(database).await;
    let Replicas { first, second, both, .. } = &replicas;

    // JK-05: one key for each purpose, whoever was first.
    let published = jwks(first).await;
    assert_eq!(jwks(second).await, published);
    assert_eq!(published["keys"].as_array().unwrap().len(), 3);
    assert_eq!(replicas.database.count("keys").await, 4);

    // What one is told, the other knows.
    let body = json!({
        "client_id": "web", "client_secret": SECRET, "redirect_uris": ["https://rp.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"], "scope": "openid offline",
    });
    assert_eq!(first.admin(Method::POST, "/clients", Some(&body)).await.status, 201);
    let body = json!({ "client_id": "svc", "client_secret": SECRET, "grant_types": ["client_credentials"] });
    assert_eq!(second.admin(Method::POST, "/clients", Some(&body)).await.status, 201);
    let body = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(second.admin(Method::POST, "/users", Some(&body)).await.status, 201);

    // A login whose every step is another replica's.
    let request = Authorize::web().set("scope", "openid offline");
    let mut browser = both.browser();
    let code = browser.code(&request, "alice").await;
    let tokens = both.token(&code).await.tokens();
    both.verify(tokens.id_token.as_deref().unwrap(), "web").await;
    let silent = browser.authorize(&request.clone().set("prompt", "none")).await;
    assert!(silent.parameter("code").is_some(), "{:?}", silent.location());

    // The tokens of one are tokens of the other; a revocation holds there at once.
    let by_first = first.client_tokens("svc", &[]).await.access_token;
    let by_second = second.client_tokens("svc", &[]).await.access_token;
    for token in [&by_first, &by_second, &tokens.access_token, tokens.refresh()] {
        assert!(first.introspect(token).await.active && second.introspect(token).await.active);
    }
    assert_eq!(first.revoke("svc", &by_second).await.status, 200);
    assert!(!second.introspect(&by_second).await.active);
    let rotated = first.refresh("web", tokens.refresh()).await.tokens();
    let again = second.refresh("web", tokens.refresh()).await.tokens();
    assert_eq!(again.refresh_token, rotated.refresh_token);
    assert_eq!(second.revoke("web", rotated.refresh()).await.status, 200);
    first.refresh("web", rotated.refresh()).await.assert_error(400, "invalid_grant");
    assert_eq!(first.userinfo(&tokens.access_token).await.status, 401);

    // A client that both remember is changed on one.
    first.change_client("svc", |client| client["client_secret"] = json!("quite another secret")).await;
    soon("the second replica takes the old secret", async || {
        second.post_as("svc", "/oauth2/token", &[("grant_type", "client_credentials")]).await.status == 401
    })
    .await;
    let new = second.http.post(second.url("/oauth2/token")).basic_auth("svc", Some("quite another secret"));
    let new = Answer::of(new.form(&[("grant_type", "client_credentials")]).send().await.unwrap()).await;
    assert_eq!(new.status, 200, "{}", new.body);
    second.delete_client("svc").await;
    assert!(!first.introspect(&by_first).await.active, "a deleted client's token is alive on the other replica");
}

/// JK-02, JK-04: a new key is published by both before either signs with it; nothing that was signed or sealed is lost.
#[tokio::test]
async fn jk_02_a_rotation_while_both_run_is_seen_by_both() {
    let database = Database::empty().await;
    if !database.is_postgres() {
        return;
    }
    let replicas = Replicas::start(database).await;
    let Replicas { first, second, both, processes, .. } = &replicas;
    let body = json!({ "client_id": "svc", "client_secret": SECRET, "grant_types": ["client_credentials"] });
    assert_eq!(first.admin(Method::POST, "/clients", Some(&body)).await.status, 201);
    let before = first.client_tokens("svc", &[]).await.access_token;
    let body = json!({
        "client_id": "web", "client_secret": SECRET, "redirect_uris": ["https://rp.example/cb"], "scope": "openid",
        "grant_types": ["authorization_code"],
    });
    assert_eq!(first.admin(Method::POST, "/clients", Some(&body)).await.status, 201);
    assert_eq!(
        first.admin(Method::POST, "/users", Some(&json!({ "username": "alice", "password": PASSWORD }))).await.status,
        201
    );
    let old = jwks(first).await["keys"][0]["kid"].clone();
    let code = both.browser().code(&Authorize::web(), "alice").await;
    for set in ["hydra.openid.id-token", "hydrant.seal"] {
        let ran = processes[0].setup.run(&["key", "rotate", "--set", set, "--format", "json"]).await;
        assert_eq!(ran.json()[0]["outcome"], "made", "{ran:?}");
    }
    for server in [first, second] {
        soon("the new key is not published", async || jwks(server).await["keys"].as_array().unwrap().len() == 4).await;
    }
    assert_eq!(jwks(first).await, jwks(second).await);
    for server in [first, second] {
        let after = server.client_tokens("svc", &[]).await.access_token;
        for token in [&before, &after] {
            assert!(first.introspect(token).await.active && second.introspect(token).await.active);
        }
    }
    // A code of before the rotation is good, and what it gives is signed by the key that everybody knows already.
    let tokens = both.token(&code).await.tokens();
    let (header, _) = both.verify(tokens.id_token.as_deref().unwrap(), "web").await;
    assert_eq!(old, json!(header.kid));
    assert_eq!(replicas.database.count("keys").await, 6);
}

/// From the end of a session on one replica to "inactive" on the other there is nothing to wait for: introspection reads the
/// grant. And what both of them could send is sent by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_here_is_over_there() {
    const ROUNDS: usize = 100;
    let database = Database::new().await;
    if !database.is_postgres() {
        return;
    }
    let env = [("CLIENTS_HTTP_ALLOWED_NETWORKS", "127.0.0.0/8")];
    let replicas = Replicas::with(database, &env).await;
    let rp = RelyingParty::start().await;
    let client = json!({
        "client_id": "rp", "client_secret": SECRET, "redirect_uris": ["https://rp.example/cb"], "scope": "openid",
        "backchannel_logout_uri": rp.url("/out"),
    });
    assert_eq!(replicas.first.admin(Method::POST, "/clients", Some(&client)).await.status, 201);
    let user = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(replicas.first.admin(Method::POST, "/users", Some(&user)).await.status, 201);
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let tokens = replicas.both.tokens_for(&mut replicas.both.browser(), "rp", "openid", "alice").await;
        assert!(replicas.second.introspect(&tokens.access_token).await.active);
        let began = Instant::now();
        assert_eq!(replicas.first.end_session(&tokens).await.status, 204);
        assert!(!replicas.second.introspect(&tokens.access_token).await.active);
        took.push(began.elapsed());
    }
    took.sort();
    let percentile = |of: usize| took[(ROUNDS * of / 100).min(ROUNDS - 1)];
    println!("from DELETE to inactive on the other replica: p50 {:?}, p99 {:?}", percentile(50), percentile(99));
    replicas.first.until_logout_tokens("state=delivered", ROUNDS).await;
    assert_eq!(rp.calls("/out").len(), ROUNDS, "each was sent by one of the two");
}

/// F-37: a process that is paused while it tells a client of a logout. Another takes over when the claim has ended; what
/// the first one finds out when it goes on changes nothing any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_37_a_paused_process_undoes_nothing() {
    let database = Database::new().await;
    if !database.is_postgres() {
        return;
    }
    let env = [("CLIENTS_HTTP_ALLOWED_NETWORKS", "127.0.0.0/8"), ("LOGOUT_BACK_CHANNEL_TIMEOUT", "1s")];
    let replicas = Replicas::with(database, &env).await;
    let rp = RelyingParty::start().await;
    // Whoever is first finds it hanging: both have the same chance to be, so either is paused in its turn.
    rp.slow_down("/out", Duration::from_mins(1));
    let client = json!({
        "client_id": "rp", "client_secret": SECRET, "redirect_uris": ["https://rp.example/cb"], "scope": "openid",
        "backchannel_logout_uri": rp.url("/out"),
    });
    assert_eq!(replicas.first.admin(Method::POST, "/clients", Some(&client)).await.status, 201);
    let user = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(replicas.first.admin(Method::POST, "/users", Some(&user)).await.status, 201);
    let tokens = replicas.both.tokens_for(&mut replicas.both.browser(), "rp", "openid", "alice").await;
    // The other one is asleep, so that it is the first that claims.
    replicas.processes[1].signal("STOP");
    assert_eq!(replicas.first.end_session(&tokens).await.status, 204);
    rp.until("/out", 1).await;
    replicas.processes[0].signal("STOP");
    replicas.processes[1].signal("CONT");
    rp.slow_down("/out", Duration::ZERO);
    let delivered = replicas.second.until_logout_tokens("state=delivered", 1).await;
    assert_eq!(delivered[0]["attempts"], 2);
    replicas.processes[0].signal("CONT");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(replicas.first.logout_tokens("").await, delivered);
    assert_eq!(rp.calls("/out").len(), 2);
}

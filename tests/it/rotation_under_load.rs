//! Keys rotate while two processes on one PostgreSQL are in use: nobody notices. How long it runs is for
//! `HYDRANT_TEST_ROTATION_SECONDS` to say.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::replicas::Replicas;
use crate::support::{Authorize, Database, PASSWORD, SECRET, Server, Tokens, client, verify_with};

/// Long enough for a successor to be published, to take over, and to be seen doing so.
const SECONDS: u64 = 8;
const MAX_AGE: Duration = Duration::from_secs(1);
/// A second more than the least, because the machine that this runs on may be busy.
const PUBLISH_AHEAD: Duration = Duration::from_secs(3);
const BROWSERS: usize = 3;
const RESOURCE_SERVERS: usize = 2;
/// The tokens that a resource server asks about again and again; those of before the rotation are among them.
const ASKED: usize = 40;

#[derive(Default)]
struct Seen {
    /// Logins by the key that signed their ID token.
    logins: Mutex<BTreeMap<String, u64>>,
    introspections: AtomicU64,
    tokens: Mutex<Vec<Tokens>>,
    over: AtomicBool,
}

impl Seen {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// A relying party that keeps the published keys for as long as it may, and looks for no others meanwhile.
struct RelyingParty {
    jwks: Value,
    read: Instant,
}

impl RelyingParty {
    async fn keys(&mut self, server: &Server) -> &Value {
        if self.read.elapsed() >= MAX_AGE {
            self.read = Instant::now();
            self.jwks = server.jwks().await;
        }
        &self.jwks
    }
}

/// People who sign in again and again, each at both processes; whatever fails ends the test.
async fn log_in(server: Arc<Server>, seen: Arc<Seen>) {
    let mut browser = server.signed_in("alice").await;
    let mut relying_party = RelyingParty { read: Instant::now(), jwks: server.jwks().await };
    let request = Authorize::web().set("scope", "openid offline");
    while !seen.is_over() {
        let code = browser.code(&request, "alice").await;
        let tokens = server.token(&code).await.tokens();
        let refreshed = server.refresh("web", tokens.refresh()).await.tokens();
        for tokens in [&tokens, &refreshed] {
            let jwks = relying_party.keys(&server).await;
            let (header, _) = verify_with(jwks, tokens.id_token.as_deref().unwrap(), &server.issuer, "web");
            *seen.logins.lock().unwrap().entry(header.kid.unwrap()).or_default() += 1;
        }
        seen.tokens.lock().unwrap().push(refreshed);
    }
}

/// Resource servers that ask about tokens, the oldest of them as well.
async fn introspect(server: Arc<Server>, seen: Arc<Seen>) {
    for round in 0.. {
        if seen.is_over() {
            return;
        }
        let token = {
            let tokens = seen.tokens.lock().unwrap();
            let known = tokens.len().min(ASKED);
            (known > 0).then(|| tokens[if round % 2 == 0 { round % known } else { tokens.len() - 1 }].clone())
        };
        let Some(token) = token else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        for text in [&token.access_token, token.refresh()] {
            assert!(server.introspect(text).await.active, "a token is dead");
        }
        assert_eq!(server.userinfo(&token.access_token).await.status, 200);
        seen.introspections.fetch_add(3, Ordering::Relaxed);
    }
}

/// JK-02, JK-04, CO-10: a stream of logins and introspections over two processes, and in the middle of it every key gets a
/// successor. Nothing fails; both keys are seen; what the first signed and sealed is good to the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jk_02_co_10_a_rotation_under_load_fails_nobody() {
    let database = Database::empty().await;
    if !database.is_postgres() {
        return;
    }
    let seconds = std::env::var("HYDRANT_TEST_ROTATION_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    let (max_age, ahead) = (format!("{}s", MAX_AGE.as_secs()), format!("{}s", PUBLISH_AHEAD.as_secs()));
    let env =
        [("KEYS_MAX_AGE", max_age.as_str()), ("KEYS_ROTATION_PUBLISH_AHEAD", &ahead), ("KEYS_ROTATION_INTERVAL", "0")];
    let mut replicas = Replicas::with(database, &env).await;
    // Connections that are kept, or a minute of this uses up the machine's ports. Each is to either process.
    replicas.both.http = client();
    let body = json!({
        "client_id": "web", "client_secret": SECRET, "redirect_uris": ["https://rp.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"], "scope": "openid offline",
    });
    assert_eq!(replicas.first.admin(Method::POST, "/clients", Some(&body)).await.status, 201);
    let body = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(replicas.first.admin(Method::POST, "/users", Some(&body)).await.status, 201);
    let setup = replicas.setup().clone();
    let Replicas { first, second, both, .. } = &mut replicas;
    let mut server = Server::at(&both.issuer, &first.admin, &both.database);
    server.http = client();
    let other = Server::at(&both.issuer, &second.admin, &both.database);
    let (server, other) = (Arc::new(server), Arc::new(other));

    let seen = Arc::new(Seen::default());
    let mut users = JoinSet::new();
    for number in 0..BROWSERS + RESOURCE_SERVERS {
        let (server, seen) = (Arc::clone(if number % 2 == 0 { &server } else { &other }), Arc::clone(&seen));
        if number < BROWSERS {
            users.spawn(log_in(server, seen));
        } else {
            users.spawn(introspect(server, seen));
        }
    }
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(seconds) / 3).await;
    for set in ["hydra.openid.id-token", "hydrant.seal"] {
        let ran = setup.run(&["key", "rotate", "--set", set, "--format", "json"]).await;
        assert_eq!(ran.json()[0]["outcome"], "made", "{ran:?}");
    }
    let rest = Duration::from_secs(seconds).saturating_sub(began.elapsed());
    tokio::select! {
        () = tokio::time::sleep(rest.max(PUBLISH_AHEAD + 2 * MAX_AGE)) => {}
        Some(ended) = users.join_next() => panic!("{:?}", ended.map(|()| "nobody ends by itself")),
    }
    seen.over.store(true, Ordering::Relaxed);
    while let Some(ended) = users.join_next().await {
        ended.unwrap();
    }

    let (logins, introspections) = (seen.logins.lock().unwrap().clone(), seen.introspections.load(Ordering::Relaxed));
    println!(
        "{:.1} s, ID tokens by key: {logins:?}, introspections and userinfo: {introspections}",
        began.elapsed().as_secs_f32()
    );
    assert_eq!(logins.len(), 2, "both keys sign, one after the other: {logins:?}");
    assert!(introspections > 0);
    // The first tokens of all: signed and sealed before the rotation, alive after it.
    let tokens = seen.tokens.lock().unwrap().clone();
    for published in [first.jwks().await, second.jwks().await] {
        for tokens in tokens.iter().take(ASKED) {
            verify_with(&published, tokens.id_token.as_deref().unwrap(), &both.issuer, "web");
        }
    }
    for server in [first, second] {
        assert!(server.introspect(&tokens[0].access_token).await.active);
        assert_eq!(server.userinfo(&tokens[0].access_token).await.status, 200);
    }
}

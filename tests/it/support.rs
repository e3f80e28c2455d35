//! The harness: a real server in this process on a database of its own, and clients that speak HTTP to it.

mod admin;
pub mod apps;
mod ask;
mod browser;
mod database;
mod hook;
pub mod process;
mod race;
pub mod raw;
pub mod registration;
mod relying_party;
mod requests;
pub mod signer;
mod site;
mod verify;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hydrant::app::App;
use hydrant::cli::serve::{self, Running};
use hydrant::clock::{Clock, Timestamp};
use hydrant::config::Config;
use hydrant::config::ResponseType;
use hydrant::id::{ClientId, Subject};
use hydrant::oauth::client_metadata::{ClientMetadata, Rules};
use hydrant::secret::Secret;
use hydrant::store::client::Client;
use hydrant::store::db::Json;
use hydrant::store::session::Ending;
use hydrant::store::user::User;
use serde_json::{Value, json};

pub use browser::Browser;
pub use database::Database;
pub use hook::Hook;
pub use race::race;
pub use relying_party::RelyingParty;
pub use requests::{Answer, Authorize, Tokens, VERIFIER, challenge_of, unverified};
pub use site::Site;
pub use verify::verify_with;

/// The one password of every user here.
pub const PASSWORD: &str = "correct horse battery";
/// The one secret of every client here that has one.
pub const SECRET: &str = "a-secret-that-a-person-chose";

pub struct Server {
    pub issuer: String,
    pub admin: String,
    pub clock: Clock,
    pub http: reqwest::Client,
    pub database: Database,
    config: Config,
    running: Option<Running>,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server with a configuration that differs from the tests' own.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Database::new().await, Clock::manual(), change).await
    }

    /// How sessions end now.
    pub fn ending(&self) -> Ending {
        self.app().ending(self.clock.now())
    }

    /// A server on a database that others may use as well.
    pub async fn on(database: Database, clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        // A configuration is large, and every test would carry it around.
        Box::pin(Self::begin(database, clock, change)).await
    }

    async fn begin(database: Database, clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        let (public, admin) = (free_port(), free_port());
        let issuer = format!("http://127.0.0.1:{public}");
        let mut config = Config::for_tests(&issuer, database.dsn());
        config.serve.public.port = public;
        config.serve.admin.port = admin;
        config.database.max_connections = 4;
        change(&mut config);
        let issuer = config.urls.issuer.clone();
        let mut server = Self {
            issuer,
            admin: format!("http://127.0.0.1:{admin}"),
            clock,
            http: client(),
            database,
            config,
            running: None,
        };
        server.resume().await;
        server.fixtures().await;
        server
    }

    /// Starts again on the same database, after [`Self::stop`].
    pub async fn resume(&mut self) {
        let mut running = serve::start(self.config.clone(), self.clock.clone()).await.unwrap();
        running.ready().await.unwrap();
        self.running = Some(running);
    }

    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    pub fn app(&self) -> &App {
        self.running.as_ref().unwrap().app()
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Lets time go by.
    pub fn pass(&self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds));
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Sets the clock back, as an operator or a broken time server does.
    pub fn back(&self, seconds: i64) {
        let Clock::Manual(hand) = &self.clock else { panic!("the system's clock is not ours to move") };
        hand.fetch_sub(seconds * 1000, std::sync::atomic::Ordering::SeqCst);
    }

    /// The people and clients of `security-cases.md` section 0.2.
    async fn fixtures(&self) {
        let code = ["authorization_code", "refresh_token"];
        let scope = "openid offline offline_access profile email photos.read";
        let web = json!({
            "redirect_uris": ["https://rp.example/cb"], "grant_types": code, "scope": scope, "client_name": "Web",
            "post_logout_redirect_uris": ["https://rp.example/out"], "audience": ["https://api.example/v1"],
        });
        self.client("web", web.clone()).await;
        let mut two = web.clone();
        two["redirect_uris"] = json!(["https://two.example/cb", "https://two.example/other"]);
        two["post_logout_redirect_uris"] = json!(["https://two.example/out"]);
        self.client("two", two).await;
        self.client(
            "spa",
            json!({
                "redirect_uris": ["https://spa.example/cb"], "grant_types": code, "scope": scope,
                "token_endpoint_auth_method": "none", "allowed_cors_origins": ["https://spa.example"],
            }),
        )
        .await;
        self.client(
            "native",
            json!({
                "redirect_uris": ["http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb"], "grant_types": code,
                "scope": scope, "token_endpoint_auth_method": "none", "application_type": "native",
            }),
        )
        .await;
        self.client(
            "svc",
            json!({
                "grant_types": ["client_credentials"], "response_types": [], "scope": "openid offline photos.read",
                "audience": ["https://api.example/v1"],
            }),
        )
        .await;
        self.client("rs1", json!({ "grant_types": ["client_credentials"], "response_types": [], "audience": ["https://api.example/v1"] })).await;
        self.client("rs2", json!({ "grant_types": ["client_credentials"], "response_types": [], "audience": ["https://other.example"] })).await;
        let mut evil = web;
        evil["redirect_uris"] = json!(["https://evil.example/cb"]);
        evil["post_logout_redirect_uris"] = json!([]);
        self.client("evil", evil).await;
        self.user("alice", json!({ "name": "Alice Adams", "email_verified": true, "given_name": "Alice" }), false)
            .await;
        self.user("bob", json!({}), false).await;
        self.user("disabled", json!({}), true).await;
    }

    /// Registers a client; confidential ones have [`SECRET`].
    pub async fn client(&self, id: &str, metadata: Value) {
        let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
        let metadata = metadata.with_defaults(&self.config.oidc.default_scope);
        metadata.validate(&Rules::of(&self.config)).unwrap();
        let now = self.clock.now();
        let secret_hash = (!metadata.is_public()).then(|| Client::hash_of_generated(&Secret::new(SECRET)));
        let client = Client { secret_hash, ..Client::new(ClientId::new(id), metadata, now) };
        match self.app().store.insert_client(&client).await {
            Ok(()) | Err(hydrant::store::Error::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// A server that offers every response type, with a client `front` that has registered all of them and may ask for
    /// everything.
    pub async fn with_every_response_type() -> Self {
        let server = Self::with(|config| config.oauth2.response_types = ResponseType::ALL.to_vec()).await;
        server.front_client("front", json!({})).await;
        server
    }

    /// A client that may ask for everything that the server offers, with what a test adds.
    pub async fn front_client(&self, id: &str, more: Value) {
        let offers_tokens = self.config.oauth2.response_types.iter().any(|kind| kind.gives_token());
        let implicit = offers_tokens.then_some("implicit");
        let grant_types: Vec<_> = ["authorization_code", "refresh_token"].into_iter().chain(implicit).collect();
        let mut client = json!({
            "redirect_uris": ["https://rp.example/cb"],
            "grant_types": grant_types,
            "response_types": self.config.oauth2.response_types.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
            "scope": "openid offline_access profile email address phone photos.read",
            "audience": ["https://api.example/v1", "https://other.example"],
        });
        client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.client(id, client).await;
    }

    /// Adds a person with [`PASSWORD`].
    pub async fn user(&self, username: &str, claims: Value, disabled: bool) -> Subject {
        let now = self.clock.now();
        let hash = self.app().guard.passwords.hash(&Secret::new(PASSWORD)).await.unwrap();
        let user = User {
            id: Subject::made(now),
            username: username.to_owned(),
            email: Some(format!("{username}@example.com")),
            password_hash: Some(hash),
            claims: Json(claims.as_object().unwrap().clone()),
            disabled,
            tokens_valid_from: Timestamp::default(),
            created_at: now,
            updated_at: now,
        };
        match self.app().store.insert_user(&user).await {
            Ok(()) => user.id,
            Err(hydrant::store::Error::Conflict) => self.subject(username).await,
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn subject(&self, username: &str) -> Subject {
        self.app().store.user_by_name(username).await.unwrap().unwrap().id
    }
}

/// Follows no redirects and keeps no cookies: what the server says is what the test sees.
pub fn client() -> reqwest::Client {
    client_builder().build().unwrap()
}

pub fn client_builder() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy()
}

/// A port that nobody gets by asking for any one: a server can end on it and find it free when it starts again.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let start = std::process::id().wrapping_mul(2_654_435_761) >> 16;
        let number = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let port = 10_000 + u16::try_from(number).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

//! Relying parties on this machine that want to be told of logouts: they answer as a test tells them to, and keep what came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::requests::unverified;
use super::{Answer, Authorize, Browser, Server, Tokens};

/// One host. Each of its paths is another relying party's.
#[derive(Clone)]
pub struct RelyingParty {
    pub base: String,
    state: Arc<Told>,
}

type Reply = Arc<dyn Fn(&Call) -> Response + Send + Sync>;

struct Told {
    seen: Mutex<Vec<Call>>,
    reply: Mutex<Reply>,
    /// How long an answer takes, by path.
    delays: Mutex<HashMap<String, Duration>>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Call {
    /// What was sent: one field and no more.
    pub fn token(&self) -> String {
        let fields: Vec<_> = url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect();
        match &*fields {
            [(name, token)] if name == "logout_token" => token.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub fn claims(&self) -> Map<String, Value> {
        unverified(&self.token(), 1)
    }

    pub fn claim(&self, name: &str) -> String {
        self.claims().get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

impl RelyingParty {
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn on(listener: TcpListener) -> Self {
        let base = format!("http://{}", listener.local_addr().unwrap());
        let reply: Reply = Arc::new(|_| StatusCode::OK.into_response());
        let state = Arc::new(Told { seen: Mutex::default(), reply: Mutex::new(reply), delays: Mutex::default() });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, state }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub fn reply(&self, reply: impl Fn(&Call) -> Response + Send + Sync + 'static) {
        *self.state.reply.lock().unwrap() = Arc::new(reply);
    }

    pub fn slow_down(&self, path: &str, delay: Duration) {
        self.state.delays.lock().unwrap().insert(path.to_owned(), delay);
    }

    /// All that came, or only to this path.
    pub fn calls(&self, path: &str) -> Vec<Call> {
        self.state.seen.lock().unwrap().iter().filter(|call| call.path == path).cloned().collect()
    }

    /// Waits until so many have come to this path.
    pub async fn until(&self, path: &str, calls: usize) -> Vec<Call> {
        let began = Instant::now();
        loop {
            let seen = self.calls(path);
            if seen.len() >= calls {
                return seen;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{calls} calls to {path} were awaited: {seen:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn serve(State(state): State<Arc<Told>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let call = Call { method, path: path.clone(), headers, body };
    state.seen.lock().unwrap().push(call.clone());
    let delay = state.delays.lock().unwrap().get(&path).copied().unwrap_or_default();
    tokio::time::sleep(delay).await;
    let reply = Arc::clone(&state.reply.lock().unwrap());
    reply(&call)
}

impl Server {
    /// A server that may call this machine.
    pub async fn with_relying_parties(change: impl FnOnce(&mut hydrant::config::Config)) -> Self {
        Self::with(|config| {
            config.clients.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
            change(config);
        })
        .await
    }

    /// A client that wants to be told there, with what a test adds.
    pub async fn told_client(&self, id: &str, uri: &str, more: Value) {
        let mut client = json!({
            "redirect_uris": [redirect_uri(id)],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid offline_access profile",
            "backchannel_logout_uri": uri,
            "post_logout_redirect_uris": [format!("https://{id}.example/out")],
        });
        client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.client(id, client).await;
    }

    /// Signs a person in to a client, with the scope given; what the client has of it.
    pub async fn tokens_for(&self, browser: &mut Browser<'_>, client: &str, scope: &str, username: &str) -> Tokens {
        let uri = redirect_uri(client);
        let code = browser.code(&Authorize::of(client, &uri).set("scope", scope), username).await;
        self.redeem(client, &code, &uri, Some(super::VERIFIER)).await.tokens()
    }

    /// Ends a session as an administrator.
    pub async fn end_session(&self, tokens: &Tokens) -> Answer {
        let sid = tokens.claims()["sid"].as_str().unwrap().to_owned();
        self.admin(reqwest::Method::DELETE, &format!("/oauth2/auth/sessions/login?sid={sid}"), None).await
    }

    /// The outbox as an administrator sees it.
    pub async fn logout_tokens(&self, query: &str) -> Vec<Value> {
        let answer = self.admin(reqwest::Method::GET, &format!("/logout-tokens?{query}"), None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json().as_array().unwrap().clone()
    }

    /// Waits until so many of the outbox are in this state.
    pub async fn until_logout_tokens(&self, query: &str, count: usize) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let found = self.logout_tokens(query).await;
            if found.len() >= count {
                return found;
            }
            let all = self.logout_tokens("").await;
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{count} logout tokens with {query} were awaited: {all:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn redirect_uri(client: &str) -> String {
    format!("https://{client}.example/cb")
}

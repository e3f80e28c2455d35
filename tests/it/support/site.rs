//! A small web site of somebody else on this machine: what clients have at their `jwks_uri`, `request_uri` and the like.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};

/// Serves what it is told to, and counts who comes.
#[derive(Clone)]
pub struct Site {
    pub base: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    documents: Mutex<HashMap<String, (u16, String)>>,
    visits: AtomicU32,
    /// How long every answer takes.
    delay: Mutex<Duration>,
}

impl Site {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let served = Arc::clone(&state);
        let answer = move |uri: Uri| {
            let state = Arc::clone(&served);
            async move {
                state.visits.fetch_add(1, Ordering::SeqCst);
                let delay = *state.delay.lock().unwrap();
                tokio::time::sleep(delay).await;
                let found = state.documents.lock().unwrap().get(uri.path()).cloned();
                let (status, body) = found.unwrap_or((404, String::new()));
                (StatusCode::from_u16(status).unwrap(), body)
            }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { base, state }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Puts a document there, or another in its place.
    pub fn put(&self, path: &str, body: impl ToString) {
        self.put_as(path, 200, body);
    }

    #[expect(clippy::needless_pass_by_value, reason = "a document is handed over")]
    pub fn put_as(&self, path: &str, status: u16, body: impl ToString) {
        self.state.documents.lock().unwrap().insert(path.to_owned(), (status, body.to_string()));
    }

    pub fn slow_down(&self, delay: Duration) {
        *self.state.delay.lock().unwrap() = delay;
    }

    /// How often somebody has come.
    pub fn visits(&self) -> u32 {
        self.state.visits.load(Ordering::SeqCst)
    }
}

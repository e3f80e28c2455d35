//! What is written down by one process and answered by the other.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde::{Deserialize, Serialize};

/// Requests of each handler before those that count: they prepare statements and fill what is kept in memory.
pub const WARM_UP: usize = 20;
/// Requests of each handler that count.
pub const COUNTED: usize = 200;

/// In the order in which they are answered.
#[derive(Serialize, Deserialize)]
pub struct Plan(pub Vec<Work>);

/// The requests of one handler, [`WARM_UP`] and [`COUNTED`].
#[derive(Serialize, Deserialize)]
pub struct Work {
    /// In the baseline.
    pub handler: String,
    pub port: Port,
    pub expect: Expect,
    pub requests: Vec<Recorded>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Port {
    Public,
    Admin,
}

/// What an answer has to be: a handler that refuses is quick.
#[derive(Clone, Serialize, Deserialize)]
pub struct Expect {
    pub status: u16,
    /// Stands in the body, or in the URL that a redirect leads to.
    pub text: String,
}

/// A request as a client sends it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Recorded {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

const FILE: &str = "plan.json";

impl Plan {
    pub fn write(&self, folder: &Path) -> Result<()> {
        let file = File::create(folder.join(FILE)).context(FILE)?;
        serde_json::to_writer(BufWriter::new(file), self).context(FILE)
    }

    pub fn read(folder: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(folder.join(FILE)).context(FILE)?;
        serde_json::from_str(&text).context(FILE)
    }
}

impl Recorded {
    pub fn get(host: &str, target: &str, headers: &[(&str, &str)]) -> Self {
        let named = [("host", host), ("user-agent", "instructions/1"), ("accept", "*/*")];
        // What is said twice is meant as it was said last.
        let named = named.into_iter().filter(|(name, _)| !headers.iter().any(|(given, _)| given == name));
        Self {
            method: "GET".to_owned(),
            target: target.to_owned(),
            headers: named
                .chain(headers.iter().copied())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: String::new(),
        }
    }

    pub fn post(host: &str, target: &str, headers: &[(&str, &str)], kind: &str, body: String) -> Self {
        let length = body.len().to_string();
        let of_body = [("content-type", kind), ("content-length", length.as_str())];
        let headers: Vec<_> = headers.iter().copied().chain(of_body).collect();
        Self { method: "POST".to_owned(), body, ..Self::get(host, target, &headers) }
    }

    pub fn form(host: &str, target: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Self {
        Self::post(host, target, headers, "application/x-www-form-urlencoded", encode(fields))
    }

    pub fn request(&self) -> Result<Request<Body>> {
        let request = Request::builder().method(self.method.as_str()).uri(&self.target);
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let body = if self.body.is_empty() { Body::empty() } else { Body::from(self.body.clone()) };
        request.body(body).with_context(|| self.target.clone())
    }
}

pub fn encode(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

impl Answer {
    pub fn location(&self) -> Option<&str> {
        self.headers.get(header::LOCATION)?.to_str().ok()
    }

    pub fn judge(&self, expect: &Expect) -> Result<()> {
        let says = |text: &str| text.contains(&expect.text);
        let met = self.status.as_u16() == expect.status && (says(&self.body) || self.location().is_some_and(says));
        ensure!(met, "not {} with {:?} but {}", expect.status, expect.text, self.describe());
        Ok(())
    }

    pub fn describe(&self) -> String {
        format!("{} {:?} {}", self.status, self.location(), self.body)
    }
}

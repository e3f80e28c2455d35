//! The kinds of load: the same requests again and again, requests that may be sent once, and chains of refresh tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};

use crate::drive::Load;
use crate::http::{Answer, Connection, Site, form, parameter};

/// What an answer has to be.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    /// 200, and this text in the body.
    Body(&'static str),
    /// 200, whatever the body.
    Success,
    /// A redirect whose URL has this parameter.
    Redirect(&'static str),
}

impl Expect {
    pub fn judge(self, answer: &Answer<'_>) -> Result<()> {
        let met = match self {
            Self::Success => answer.status == 200,
            Self::Body(text) => answer.status == 200 && answer.contains(text),
            Self::Redirect(name) => parameter(&answer.location()?, name).is_some(),
        };
        ensure!(met, "expected {self:?}, got {}", answer.describe());
        Ok(())
    }
}

/// The same requests in turn, without an end.
pub struct Repeat {
    requests: Arc<[Vec<u8>]>,
    at: usize,
    expect: Expect,
}

impl Repeat {
    /// One for each connection; they begin at different requests.
    ///
    /// # Panics
    /// Later, without a request.
    pub fn many(connections: usize, requests: Vec<Vec<u8>>, expect: Expect) -> Vec<Self> {
        let requests: Arc<[Vec<u8>]> = requests.into();
        let apart = requests.len().div_ceil(connections);
        (0..connections).map(|nth| Self { requests: requests.clone(), at: nth * apart, expect }).collect()
    }
}

impl Load for Repeat {
    async fn once(&mut self, on: &mut [Connection]) -> Result<bool> {
        let request = &self.requests[self.at % self.requests.len()];
        self.at += 1;
        self.expect.judge(&on[0].exchange(request).await?)?;
        Ok(true)
    }
}

/// What is taken from an answer that is not only counted.
#[derive(Clone, Copy, Debug)]
pub enum Keep {
    Nothing,
    /// A member of the JSON in the body.
    Member(&'static str),
    /// A parameter of the redirect's URL.
    Parameter(&'static str),
}

/// Requests that may be sent once each; the connections take them from one queue.
pub struct Spend {
    queue: Arc<Queue>,
    expect: Expect,
    keep: Keep,
    pub kept: Vec<String>,
}

struct Queue {
    requests: Requests,
    next: AtomicUsize,
}

enum Requests {
    Each(Vec<Vec<u8>>),
    InTurn(Vec<Vec<u8>>, usize),
}

impl Spend {
    pub fn many(connections: usize, requests: Vec<Vec<u8>>, expect: Expect, keep: Keep) -> Vec<Self> {
        Self::queue(connections, Requests::Each(requests), expect, keep)
    }

    /// These requests in turn, `times` in all.
    pub fn times(connections: usize, requests: Vec<Vec<u8>>, times: usize, expect: Expect, keep: Keep) -> Vec<Self> {
        Self::queue(connections, Requests::InTurn(requests, times), expect, keep)
    }

    fn queue(connections: usize, requests: Requests, expect: Expect, keep: Keep) -> Vec<Self> {
        let queue = Arc::new(Queue { requests, next: AtomicUsize::new(0) });
        (0..connections).map(|_| Self { queue: queue.clone(), expect, keep, kept: Vec::new() }).collect()
    }
}

impl Load for Spend {
    async fn once(&mut self, on: &mut [Connection]) -> Result<bool> {
        let nth = self.queue.next.fetch_add(1, Ordering::Relaxed);
        let request = match &self.queue.requests {
            Requests::Each(requests) => requests.get(nth).map(Vec::as_slice),
            Requests::InTurn(requests, times) => (nth < *times).then(|| requests[nth % requests.len()].as_slice()),
        };
        let Some(request) = request else { return Ok(false) };
        let answer = on[0].exchange(request).await?;
        self.expect.judge(&answer)?;
        let kept = match self.keep {
            Keep::Nothing => return Ok(true),
            Keep::Member(name) => answer.member(name).map(str::to_owned),
            Keep::Parameter(name) => parameter(&answer.location()?, name),
        };
        self.kept.push(kept.with_context(|| format!("no {:?} in {}", self.keep, answer.describe()))?);
        Ok(true)
    }
}

/// Refresh tokens that are rotated in turn, each by one connection alone.
pub struct Rotate {
    site: Site,
    authorization: String,
    pub tokens: Vec<String>,
    at: usize,
}

impl Rotate {
    pub fn many(connections: usize, site: &Site, authorization: &str, mut tokens: Vec<String>) -> Result<Vec<Self>> {
        ensure!(tokens.len() >= connections, "fewer refresh tokens than connections");
        let each = tokens.len() / connections;
        let chains = (0..connections).map(|nth| Self {
            site: site.clone(),
            authorization: authorization.to_owned(),
            // The last takes what is left.
            tokens: tokens.split_off(if nth + 1 == connections { 0 } else { tokens.len() - each }),
            at: 0,
        });
        Ok(chains.collect())
    }
}

impl Load for Rotate {
    /// The next token must be another: the grace period would give the same again.
    async fn once(&mut self, on: &mut [Connection]) -> Result<bool> {
        self.at = (self.at + 1) % self.tokens.len();
        let token = &mut self.tokens[self.at];
        let body = form(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
        let request = self.site.post("/oauth2/token", &[("authorization", &self.authorization)], &body);
        let answer = on[0].exchange(&request).await?;
        Expect::Body("\"access_token\":\"").judge(&answer)?;
        let successor = answer.member("refresh_token").with_context(|| format!("no token: {}", answer.describe()))?;
        ensure!(successor != token, "the refresh token was not rotated");
        successor.clone_into(token);
        Ok(true)
    }
}

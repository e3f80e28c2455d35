//! The kinds of load: the same requests again and again, requests that may be sent once, and chains of refresh tokens.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};

use crate::drive::Load;
use crate::http::{Answer, Site, form, parameter};

/// What an answer has to be.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    /// 200, and this text in the body.
    Body(&'static str),
    /// A redirect whose URL has this parameter.
    Redirect(&'static str),
}

impl Expect {
    fn judge(self, answer: &Answer<'_>) -> Result<()> {
        let met = match self {
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
    pub fn many(connections: usize, requests: Vec<Vec<u8>>, expect: Expect) -> Vec<Self> {
        let requests: Arc<[Vec<u8>]> = requests.into();
        let apart = requests.len().div_ceil(connections);
        (0..connections).map(|nth| Self { requests: requests.clone(), at: nth * apart, expect }).collect()
    }
}

impl Load for Repeat {
    fn next(&mut self) -> Option<Cow<'_, [u8]>> {
        let request = self.requests.get(self.at % self.requests.len().max(1))?;
        self.at += 1;
        Some(Cow::Borrowed(request))
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Result<()> {
        self.expect.judge(answer)
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
    Same(Vec<u8>, usize),
}

impl Spend {
    pub fn many(connections: usize, requests: Vec<Vec<u8>>, expect: Expect, keep: Keep) -> Vec<Self> {
        Self::queue(connections, Requests::Each(requests), expect, keep)
    }

    /// One request, sent `times` in all.
    pub fn times(connections: usize, request: Vec<u8>, times: usize, expect: Expect, keep: Keep) -> Vec<Self> {
        Self::queue(connections, Requests::Same(request, times), expect, keep)
    }

    fn queue(connections: usize, requests: Requests, expect: Expect, keep: Keep) -> Vec<Self> {
        let queue = Arc::new(Queue { requests, next: AtomicUsize::new(0) });
        (0..connections).map(|_| Self { queue: queue.clone(), expect, keep, kept: Vec::new() }).collect()
    }
}

impl Load for Spend {
    fn next(&mut self) -> Option<Cow<'_, [u8]>> {
        let nth = self.queue.next.fetch_add(1, Ordering::Relaxed);
        match &self.queue.requests {
            Requests::Each(requests) => requests.get(nth).map(Vec::as_slice),
            Requests::Same(request, times) => (nth < *times).then_some(request.as_slice()),
        }
        .map(Cow::Borrowed)
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Result<()> {
        self.expect.judge(answer)?;
        let kept = match self.keep {
            Keep::Nothing => return Ok(()),
            Keep::Member(name) => answer.member(name).map(str::to_owned),
            Keep::Parameter(name) => parameter(&answer.location()?, name),
        };
        self.kept.push(kept.with_context(|| format!("no {:?} in {}", self.keep, answer.describe()))?);
        Ok(())
    }
}

/// Refresh tokens that are rotated in turn, each by one connection alone.
pub struct Rotate {
    site: Site,
    authorization: String,
    tokens: Vec<String>,
    at: usize,
}

impl Rotate {
    pub fn many(connections: usize, site: &Site, authorization: &str, mut tokens: Vec<String>) -> Result<Vec<Self>> {
        ensure!(tokens.len() >= connections, "fewer refresh tokens than connections");
        let each = tokens.len() / connections;
        let chains = (0..connections).map(|_| Self {
            site: site.clone(),
            authorization: authorization.to_owned(),
            tokens: tokens.split_off(tokens.len() - each),
            at: 0,
        });
        Ok(chains.collect())
    }
}

impl Load for Rotate {
    fn next(&mut self) -> Option<Cow<'_, [u8]>> {
        self.at = (self.at + 1) % self.tokens.len();
        let body = form(&[("grant_type", "refresh_token"), ("refresh_token", &self.tokens[self.at])]);
        Some(Cow::Owned(self.site.post("/oauth2/token", &[("authorization", &self.authorization)], &body)))
    }

    /// The next one must be another: the grace period would give the same again.
    fn judge(&mut self, answer: &Answer<'_>) -> Result<()> {
        Expect::Body("\"access_token\":\"").judge(answer)?;
        let successor = answer.member("refresh_token").with_context(|| format!("no token: {}", answer.describe()))?;
        let token = &mut self.tokens[self.at];
        ensure!(successor != token, "the refresh token was not rotated");
        successor.clone_into(token);
        Ok(())
    }
}

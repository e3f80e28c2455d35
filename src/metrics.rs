//! What an operator watches: counters and histograms in Prometheus' words, Hydra's names first.
//!
//! A request pays for a look-up and some additions to atomics: no lock, and no label that a caller could choose. What is
//! read only when somebody asks (`Readings`) costs nothing before.

mod encode;
mod http;
mod in_flight;
mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

pub use self::encode::{CONTENT_TYPE, Readings};
pub use self::http::Http;
use self::http::Sizes;
pub use self::in_flight::InFlight;
pub use self::process::Process;
use crate::clock::Timestamp;
use crate::oauth::Error;
use crate::oauth::client_metadata::GrantType;

/// Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Timestamp,
    public: Http,
    admin: Http,
    sizes: Arc<Sizes>,
    tokens: Counted<{ GrantType::ALL.len() }>,
    token_errors: Family<[(&'static str, &'static str); 2], Counter>,
    sign_ins: Counted<{ SignIn::ALL.len() }>,
    deliveries: Counted<{ Delivery::ALL.len() }>,
    swept_rows: AtomicU64,
    panics: AtomicU64,
}

/// What came of a name and a password at the built-in page.
#[derive(Clone, Copy, Debug)]
pub enum SignIn {
    Ok,
    /// No such person, not the password, or disabled: one answer, and one number.
    Wrong,
    TooMany,
    /// The flow or the server was at fault.
    Refused,
}

impl SignIn {
    const ALL: &[Self] = &[Self::Ok, Self::Wrong, Self::TooMany, Self::Refused];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Wrong => "wrong",
            Self::TooMany => "too_many",
            Self::Refused => "refused",
        }
    }
}

/// What came of an attempt to deliver a logout token.
#[derive(Clone, Copy, Debug)]
pub enum Delivery {
    Delivered,
    /// It is sent again.
    Failed,
    GivenUp,
}

impl Delivery {
    const ALL: &[Self] = &[Self::Delivered, Self::Failed, Self::GivenUp];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

impl Metrics {
    pub fn new(now: Timestamp) -> Self {
        let sizes = Arc::default();
        Self(Arc::new(Inner {
            started: now,
            public: Http::new("", &sizes),
            admin: Http::new("/admin", &sizes),
            sizes,
            tokens: Counted::new("grant_type", std::array::from_fn(|at| GrantType::ALL[at].as_str())),
            token_errors: Family::default(),
            sign_ins: Counted::new("outcome", std::array::from_fn(|at| SignIn::ALL[at].as_str())),
            deliveries: Counted::new("outcome", std::array::from_fn(|at| Delivery::ALL[at].as_str())),
            swept_rows: AtomicU64::default(),
            panics: AtomicU64::default(),
        }))
    }

    pub fn public(&self) -> &Http {
        &self.0.public
    }

    pub fn admin(&self) -> &Http {
        &self.0.admin
    }

    /// An answer of the token endpoint. The grant type as it was sent is no label: anybody can send anything.
    pub fn token_request(&self, grant_type: Option<&str>, error: Option<&Error>) {
        let grant_type = grant_type.and_then(|text| GrantType::parse(text).ok()).map(GrantType::as_str);
        match (grant_type, error) {
            (Some(grant_type), None) => self.0.tokens.count(grant_type),
            (None, None) => {}
            (grant_type, Some(error)) => {
                let labels = [("grant_type", grant_type.unwrap_or("other")), ("error", error.code.as_str())];
                self.0.token_errors.get_or_create(&labels).inc();
            }
        }
    }

    pub fn sign_in(&self, outcome: SignIn) {
        self.0.sign_ins.count(outcome.as_str());
    }

    pub fn delivery(&self, outcome: Delivery) {
        self.0.deliveries.count(outcome.as_str());
    }

    pub fn swept(&self, rows: u64) {
        self.0.swept_rows.fetch_add(rows, Ordering::Relaxed);
    }

    pub fn panicked(&self) {
        self.0.panics.fetch_add(1, Ordering::Relaxed);
    }
}

/// One counter for each value that a label may have.
#[derive(Debug)]
struct Counted<const N: usize> {
    label: &'static str,
    values: [(&'static str, AtomicU64); N],
}

impl<const N: usize> Counted<N> {
    fn new(label: &'static str, values: [&'static str; N]) -> Self {
        Self { label, values: values.map(|value| (value, AtomicU64::default())) }
    }

    fn count(&self, value: &str) {
        if let Some((_, count)) = self.values.iter().find(|(known, _)| *known == value) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;

//! Requests of one port, by route, method and status.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::InFlight;

/// What no route matched. Its path is the caller's own word, and no label.
const UNKNOWN: &str = "unknown";

/// Upper bounds in seconds: Hydra's, and two for what is quicker.
pub(super) const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const MICROS: [u64; 13] =
    [1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000];

/// Upper bounds in bytes.
pub(super) const BYTES: [f64; 5] = [100.0, 1000.0, 10_000.0, 100_000.0, 1_000_000.0];
const WHOLE_BYTES: [u64; 5] = [100, 1000, 10_000, 100_000, 1_000_000];

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER"];

/// What this server answers with, and 499 for who did not wait; the last one stands for every other.
const CODES: [u16; 29] = [
    200, 201, 202, 204, 302, 303, 304, 400, 401, 403, 404, 405, 406, 409, 410, 413, 414, 415, 421, 422, 429, 431, 499,
    500, 501, 502, 503, 504, 0,
];

/// One port's requests. New routes are taken up when they are first asked for; there are no more than the router has.
#[derive(Debug)]
pub struct Http {
    /// What stands before every route of the port in its label, however it was written.
    prefix: &'static str,
    routes: ArcSwap<HashMap<Box<str>, Arc<Route>>>,
    unknown: Arc<Route>,
    /// Of both ports.
    sizes: Arc<Sizes>,
    in_flight: InFlight,
}

pub(super) type Sizes = ByMethod<{ WHOLE_BYTES.len() }>;

#[derive(Debug)]
pub(super) struct Route {
    pub(super) label: Box<str>,
    pub(super) durations: ByMethod<{ MICROS.len() }>,
}

impl Route {
    fn new(label: &str) -> Arc<Self> {
        Arc::new(Self { label: label.into(), durations: ByMethod::default() })
    }
}

impl Http {
    pub(super) fn new(prefix: &'static str, sizes: &Arc<Sizes>) -> Self {
        Self {
            prefix,
            routes: ArcSwap::default(),
            unknown: Route::new(UNKNOWN),
            sizes: Arc::clone(sizes),
            in_flight: InFlight::default(),
        }
    }

    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// A request has been answered, or given up by its client. `route` is the pattern that matched, without what is
    /// written in several ways (`/admin`, a slash at the end).
    pub fn answered(&self, route: Option<&str>, method: &str, code: u16, took: Duration, bytes: Option<u64>) {
        let (method, code) = (method_index(method), code_index(code));
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        match route {
            None => self.unknown.durations.at(method, code).observe(&MICROS, micros),
            Some(pattern) => match self.routes.load().get(pattern) {
                Some(route) => route.durations.at(method, code).observe(&MICROS, micros),
                None => self.learn(pattern).durations.at(method, code).observe(&MICROS, micros),
            },
        }
        if let Some(bytes) = bytes {
            self.sizes.at(method, code).observe(&WHOLE_BYTES, bytes);
        }
    }

    #[cold]
    fn learn(&self, pattern: &str) -> Arc<Route> {
        let new = Route::new(&format!("{}{pattern}", self.prefix));
        self.routes.rcu(|routes| {
            let mut routes = HashMap::clone(routes);
            routes.entry(pattern.into()).or_insert_with(|| Arc::clone(&new));
            routes
        });
        self.routes.load().get(pattern).map_or(new, Arc::clone)
    }

    /// Every route in the order of the labels.
    pub(super) fn routes(&self) -> Vec<Arc<Route>> {
        let mut routes: Vec<_> = self.routes.load().values().map(Arc::clone).collect();
        routes.push(Arc::clone(&self.unknown));
        routes.sort_by(|left, right| left.label.cmp(&right.label));
        routes
    }
}

fn method_index(method: &str) -> usize {
    METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1)
}

fn code_index(code: u16) -> usize {
    CODES.iter().position(|known| *known == code).unwrap_or(CODES.len() - 1)
}

/// A histogram for each method and status that there has been.
#[derive(Debug, Default)]
pub(super) struct ByMethod<const N: usize>([OnceLock<Box<ByCode<N>>>; METHODS.len()]);

#[derive(Debug, Default)]
struct ByCode<const N: usize>([OnceLock<Box<Histogram<N>>>; CODES.len()]);

impl<const N: usize> ByMethod<N> {
    fn at(&self, method: usize, code: usize) -> &Histogram<N> {
        self.0[method].get_or_init(Box::default).0[code].get_or_init(Box::default)
    }

    /// Method, status and histogram of those that there have been.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, u16, &Histogram<N>)> {
        self.0.iter().zip(METHODS).filter_map(|(codes, method)| Some((codes.get()?, method))).flat_map(
            |(codes, method)| {
                let seen = codes.0.iter().zip(CODES).filter_map(|(seen, code)| Some((code, seen.get()?)));
                seen.map(move |(code, histogram)| (method, code, histogram.as_ref()))
            },
        )
    }
}

/// How many observations fell under each bound and how much they were together.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    buckets: [AtomicU64; N],
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::default()),
            beyond: AtomicU64::default(),
            sum: AtomicU64::default(),
        }
    }
}

/// A histogram at one moment: the sum in its own unit, the count, and the observations of each bucket by itself.
pub(super) struct Snapshot {
    pub sum: u64,
    pub count: u64,
    pub buckets: Vec<u64>,
}

impl<const N: usize> Histogram<N> {
    fn observe(&self, bounds: &[u64; N], value: u64) {
        let bucket = bounds.iter().position(|bound| value <= *bound).map_or(&self.beyond, |at| &self.buckets[at]);
        bucket.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut buckets: Vec<_> = self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        buckets.push(self.beyond.load(Ordering::Relaxed));
        Snapshot { sum: self.sum.load(Ordering::Relaxed), count: buckets.iter().sum(), buckets }
    }
}

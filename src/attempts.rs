//! Attempts: how often one account or one address may fail to sign in before it has to wait.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use moka::future::Cache;

/// Keys remembered at once: a bound on what strangers can make us remember, some 10 MB.
const MOST: u64 = 100_000;

/// Counts attempts by key in windows of time. An attempt counts from before it is judged until it has succeeded, so
/// that any number of simultaneous ones is held to the limit. Time is the machine's monotonic one.
pub struct Attempts {
    limit: u32,
    window: Duration,
    counts: Cache<u64, Arc<Window>>,
}

struct Window {
    count: AtomicU32,
    ends: Instant,
}

/// An attempt that may go on.
pub struct Attempt(Arc<Window>);

/// Too many: how long to wait.
#[derive(Clone, Copy, Debug)]
pub struct TooMany(pub Duration);

/// One caller of IPv6 has a whole network of addresses to call from (RFC 6177): a /64 at least.
pub fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

impl Attempts {
    pub fn new(limit: u32, window: Duration) -> Self {
        Self { limit, window, counts: Cache::builder().max_capacity(MOST).time_to_live(window).build() }
    }

    pub async fn begin(&self, key: impl Hash) -> Result<Attempt, TooMany> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let fresh = async { Arc::new(Window { count: AtomicU32::new(0), ends: Instant::now() + self.window }) };
        let window = self.counts.get_with(hasher.finish(), fresh).await;
        if window.count.fetch_add(1, Ordering::AcqRel) >= self.limit {
            window.count.fetch_sub(1, Ordering::AcqRel);
            let wait = window.ends.saturating_duration_since(Instant::now());
            return Err(TooMany(wait.max(Duration::from_secs(1))));
        }
        Ok(Attempt(window))
    }
}

impl Attempt {
    /// Does not count after all.
    pub fn succeeded(self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_many_at_once_exactly_the_limit_goes_on() {
        let attempts = Arc::new(Attempts::new(10, Duration::from_mins(1)));
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let attempts = Arc::clone(&attempts);
                tokio::spawn(async move { attempts.begin("alice").await.is_ok() })
            })
            .collect();
        let mut allowed = 0;
        for task in tasks {
            allowed += usize::from(task.await.unwrap());
        }
        assert_eq!(allowed, 10);
        assert!(attempts.begin("bob").await.is_ok());
    }

    #[tokio::test]
    async fn success_does_not_count_and_the_window_passes() {
        let attempts = Attempts::new(1, Duration::from_millis(200));
        for _ in 0..5 {
            attempts.begin("alice").await.unwrap().succeeded();
        }
        let _failed = attempts.begin("alice").await.unwrap();
        assert!(attempts.begin("alice").await.is_err());
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert!(attempts.begin("alice").await.is_ok());
    }
}

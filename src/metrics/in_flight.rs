//! Requests that a port answers at this moment: the number that operators see is the one that the bound itself rests on.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// By itself on its line of the processors' caches: every request writes it, and what stands beside it is only read.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct InFlight {
    /// May be below zero for a moment, while a request that ends gives back what it does not have at that moment.
    now: AtomicI64,
    refused: AtomicU64,
}

impl InFlight {
    /// Takes a place, unless that many are taken; then it is counted as refused.
    pub fn enter(&self, most: usize) -> bool {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let entered =
            self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < most).then_some(now + 1));
        if entered.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        entered.is_ok()
    }

    /// Gives a place back.
    pub fn leave(&self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes a place back to give it back at once, with nobody refused for it.
    pub fn rejoin(&self) {
        self.now.fetch_add(1, Ordering::Relaxed);
    }

    pub fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed).max(0)
    }

    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// However many come at once, no more are in than may be, and when all have gone nobody is.
    #[test]
    fn the_bound_holds_between_threads() {
        const MOST: usize = 3;
        let places = InFlight::default();
        let (mut entered, mut refused) = (0, 0);
        thread::scope(|scope| {
            let threads = [(); 4].map(|()| {
                scope.spawn(|| {
                    let mut counts = (0, 0);
                    for _ in 0..20_000 {
                        if places.enter(MOST) {
                            counts.0 += 1;
                            assert!((1..=3).contains(&places.now()));
                            places.leave();
                        } else {
                            counts.1 += 1;
                        }
                    }
                    counts
                })
            });
            for counts in threads.map(|thread| thread.join().unwrap()) {
                entered += counts.0;
                refused += counts.1;
            }
        });
        assert_eq!((entered + refused, places.refused(), places.now()), (80_000, refused, 0));
    }
}

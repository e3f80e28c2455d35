//! Documents that are kept for a while, so that not every request calls out, however many and whatever they ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// Between a call that failed and the next, and between two calls for a newer document: for each URL, for everybody.
const PAUSE: Duration = Duration::from_mins(1);

/// What was found at each URL. A call is made by one, and the others wait for what comes of it; a document that is there
/// is never lost to a call that fails.
pub(super) struct Remembered<T> {
    max_age: Duration,
    /// Beyond this many URLs, the one that was asked for longest ago is forgotten.
    most: usize,
    places: Mutex<HashMap<String, Arc<Place<T>>>>,
}

struct Place<T> {
    known: Mutex<Known<T>>,
    /// Held by the call that is under way.
    calling: Arc<tokio::sync::Mutex<()>>,
}

struct Known<T> {
    document: Option<Arc<T>>,
    fetched_at: Timestamp,
    /// The last call, if it failed.
    failed_at: Option<Timestamp>,
    /// The last call for a newer document.
    renewed_at: Option<Timestamp>,
    asked_at: Timestamp,
}

/// What a look at the memory tells.
enum Look<T> {
    Answer(Option<Arc<T>>),
    /// Too old, and the last call failed: good enough until another has come back.
    Stale(Arc<T>),
    Call,
}

impl<T: Send + Sync + 'static> Remembered<T> {
    pub(super) fn new(max_age: Duration, most: usize) -> Self {
        Self { max_age, most, places: Mutex::default() }
    }

    /// The document of this URL: remembered, or from `call`. With `than`, one that is newer than that, if there is one.
    ///
    /// The call goes on when whoever asked goes away: otherwise a stranger could end each call of a client before it has
    /// an answer.
    pub(super) async fn get(
        &self,
        url: &str,
        than: Option<&Arc<T>>,
        now: Timestamp,
        call: impl Future<Output = Option<T>> + Send + 'static,
    ) -> Option<Arc<T>> {
        let place = self.place(url, now);
        match place.look(than, self.max_age, now) {
            Look::Answer(answer) => return answer,
            Look::Stale(document) => {
                if let Ok(calling) = Arc::clone(&place.calling).try_lock_owned() {
                    tokio::spawn(async move {
                        place.learn(call.await, false, now);
                        drop(calling);
                    });
                }
                return Some(document);
            }
            Look::Call => {}
        }
        let calling = Arc::clone(&place.calling).lock_owned().await;
        if let Look::Answer(answer) = place.look(than, self.max_age, now) {
            return answer;
        }
        let renews = than.is_some();
        let task = tokio::spawn({
            let place = Arc::clone(&place);
            async move {
                place.learn(call.await, renews, now);
                drop(calling);
            }
        });
        if task.await.is_err() {
            place.learn(None, renews, now);
        }
        place.known().document.clone()
    }

    fn place(&self, url: &str, now: Timestamp) -> Arc<Place<T>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(url) {
            place.known().asked_at = now;
            return Arc::clone(place);
        }
        if places.len() >= self.most {
            let oldest = places.iter().min_by_key(|(_, place)| place.known().asked_at).map(|(url, _)| url.clone());
            oldest.and_then(|url| places.remove(&url));
        }
        let known = Known { document: None, fetched_at: now, failed_at: None, renewed_at: None, asked_at: now };
        let place = Arc::new(Place { known: Mutex::new(known), calling: Arc::default() });
        places.insert(url.to_owned(), Arc::clone(&place));
        place
    }
}

impl<T> Place<T> {
    fn known(&self) -> MutexGuard<'_, Known<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, than: Option<&Arc<T>>, max_age: Duration, now: Timestamp) -> Look<T> {
        let known = self.known();
        let has_failed = known.failed_at.is_some_and(|at| is_within(at, PAUSE, now));
        let Some(document) = &known.document else {
            return if has_failed { Look::Answer(None) } else { Look::Call };
        };
        let is_good = match than {
            Some(than) => {
                let was_renewed = known.renewed_at.is_some_and(|at| is_within(at, PAUSE, now));
                !Arc::ptr_eq(document, than) || was_renewed || has_failed
            }
            None => is_within(known.fetched_at, max_age, now) || has_failed,
        };
        if is_good {
            Look::Answer(Some(Arc::clone(document)))
        } else if than.is_none() && known.failed_at.is_some() {
            Look::Stale(Arc::clone(document))
        } else {
            Look::Call
        }
    }

    /// Only when a call is over: whoever asks while it is under way waits for what comes of it.
    fn learn(&self, found: Option<T>, renews: bool, now: Timestamp) {
        let mut known = self.known();
        if renews {
            known.renewed_at = Some(now);
        }
        match found {
            Some(document) => {
                known.document = Some(Arc::new(document));
                known.fetched_at = now;
                known.failed_at = None;
            }
            None => known.failed_at = Some(now),
        }
    }
}

/// Whether less than `span` has gone by. A clock that was set back by more than a pause makes everything old.
fn is_within(at: Timestamp, span: Duration, now: Timestamp) -> bool {
    now.since(at) < span && at.since(now) < PAUSE
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    struct Site {
        memory: Remembered<u32>,
        calls: Arc<AtomicU32>,
    }

    impl Site {
        fn new() -> Self {
            Self { memory: Remembered::new(HOUR, 1000), calls: Arc::default() }
        }

        /// Asks; the document is the number of the call.
        async fn ask(&self, than: Option<&Arc<u32>>, seconds: i64, is_up: bool) -> Option<Arc<u32>> {
            let calls = Arc::clone(&self.calls);
            let call = async move {
                let number = calls.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
                is_up.then_some(number)
            };
            self.memory.get("https://a.example", than, Timestamp::from_seconds(seconds), call).await
        }

        fn calls(&self) -> u32 {
            self.calls.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_document_is_fetched_once_an_hour_however_many_ask() {
        let site = Site::new();
        let found = futures_util::future::join_all((0..100).map(|_| site.ask(None, 0, true))).await;
        assert!(found.iter().all(|found| found.as_deref() == Some(&1)));
        assert_eq!(site.ask(None, 3599, true).await.as_deref(), Some(&1));
        assert_eq!(site.ask(None, 3600, true).await.as_deref(), Some(&2));
    }

    #[tokio::test]
    async fn a_newer_document_is_looked_for_once_a_minute() {
        let site = Site::new();
        let first = site.ask(None, 0, true).await.unwrap();
        let found = futures_util::future::join_all((0..100).map(|_| site.ask(Some(&first), 1, true))).await;
        assert!(found.iter().all(|found| found.as_deref() == Some(&2)));
        let second = found[0].clone().unwrap();
        assert_eq!(site.ask(Some(&second), 60, true).await.as_deref(), Some(&2));
        assert_eq!(site.ask(Some(&second), 61, true).await.as_deref(), Some(&3));
        assert_eq!(site.ask(Some(&first), 62, true).await.as_deref(), Some(&3), "newer than the first");
        assert_eq!(site.calls(), 3);
    }

    #[tokio::test]
    async fn a_failure_is_remembered_and_takes_nothing_away() {
        let site = Site::new();
        assert_eq!(site.ask(None, 0, false).await, None);
        assert_eq!((site.ask(None, 59, true).await, site.calls()), (None, 1));
        let first = site.ask(None, 60, true).await.unwrap();
        assert_eq!((*first, site.ask(Some(&first), 61, false).await.as_deref()), (2, Some(&2)));
        assert_eq!(site.ask(None, 4000, false).await.as_deref(), Some(&2), "an old document is better than none");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(site.ask(None, 4059, false).await.as_deref(), Some(&2));
        assert_eq!(site.calls(), 4);
        assert_eq!(site.ask(None, 4060, true).await.as_deref(), Some(&2), "nobody waits for who is down");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(site.ask(None, 4061, true).await.as_deref(), Some(&5));
    }

    #[tokio::test]
    async fn who_goes_away_does_not_end_the_call() {
        let site = Site::new();
        drop(tokio::time::timeout(Duration::from_millis(1), site.ask(None, 0, true)).await);
        assert_eq!(site.ask(None, 0, true).await.as_deref(), Some(&1));
        assert_eq!(site.calls(), 1);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_does_not_keep_a_document_for_ever() {
        let site = Site::new();
        site.ask(None, 100_000, true).await;
        assert_eq!(site.ask(None, 99_990, true).await.as_deref(), Some(&1));
        assert_eq!(site.ask(None, 1000, true).await.as_deref(), Some(&2));
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let memory: Remembered<()> = Remembered::new(HOUR, 1000);
        for number in 0..1010 {
            let now = Timestamp::from_seconds(number);
            memory.get(&number.to_string(), None, now, async { Some(()) }).await;
        }
        let places = memory.places.lock().unwrap();
        assert!(places.len() == 1000 && !places.contains_key("0") && places.contains_key("1009"));
    }
}

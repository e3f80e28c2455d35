//! Which request a thread is at work on, for what is said of it: each log line has its id, and so does the error page.
//!
//! A span of `tracing` would say the same, and be made, kept and taken apart for every request, nearly none of which says
//! anything.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use super::RequestId;
use crate::http::admin_access::Caller;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Current>>> = const { RefCell::new(None) };
}

/// The request that is being answered.
#[derive(Debug)]
pub struct Current {
    pub id: RequestId,
    /// Whose token it came with, on the admin port.
    pub caller: Option<Caller>,
}

/// The request that this thread answers at this moment; `None` between requests and on other threads.
pub fn current() -> Option<Arc<Current>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Whatever `work` says is said of this request.
pub(super) async fn within<T>(request: Current, work: impl Future<Output = T>) -> T {
    let request = Arc::new(request);
    let mut work = pin!(work);
    poll_fn(move |cx| {
        let _entered = Entered(CURRENT.replace(Some(Arc::clone(&request))));
        work.as_mut().poll(cx)
    })
    .await
}

/// Puts back what was there before, also after a panic.
struct Entered(Option<Arc<Current>>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;

    fn request() -> Current {
        Current { id: RequestId::of(&HeaderMap::new()), caller: None }
    }

    #[tokio::test]
    async fn a_request_is_current_while_it_is_worked_on() {
        let (one, other) = (request(), request());
        let (first, second) = (one.id.clone(), other.id.clone());
        let id = || current().map(|current| current.id.clone());
        let each = |expected: RequestId| async move {
            for _ in 0..3 {
                assert_eq!(id(), Some(expected.clone()));
                tokio::task::yield_now().await;
            }
        };
        futures_util::future::join(within(one, each(first)), within(other, each(second))).await;
        assert!(id().is_none());
    }

    #[tokio::test]
    async fn a_panic_leaves_no_request_behind() {
        let broken = within(request(), async { panic!("on purpose") });
        let caught = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(broken)).await;
        assert!(caught.is_err() && current().is_none());
    }
}

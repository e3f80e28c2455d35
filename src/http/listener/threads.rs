//! The threads that answer requests, each with a runtime of its own: a request stays on the thread that has read it, from
//! its first byte to its answer. Where each has connections to the database too (`store/threads.rs`), none wakes another.

use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Ends its threads when dropped.
pub struct Threads(Vec<One>);

struct One {
    runtime: Handle,
    thread: thread::JoinHandle<()>,
    end: oneshot::Sender<()>,
}

impl Threads {
    pub fn start(number: usize) -> io::Result<Self> {
        (0..number.max(1)).map(One::start).collect::<io::Result<_>>().map(Self)
    }

    pub fn runtimes(&self) -> impl Iterator<Item = &Handle> {
        self.0.iter().map(|one| &one.runtime)
    }

    /// Ends them and waits until they have.
    pub async fn stop(self) {
        let joins: Vec<_> = self.0.into_iter().map(|one| (one.thread, drop(one.end)).0).collect();
        let joined = tokio::task::spawn_blocking(|| joins.into_iter().for_each(|thread| drop(thread.join())));
        let _ = joined.await;
    }
}

impl One {
    fn start(nth: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(format!("http-{nth}")).spawn(move || {
            // It ends when nobody can say so any more, too.
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, thread, end })
    }
}

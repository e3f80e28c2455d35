//! Work that takes a whole core for a while, beside requests that take microseconds.
//!
//! The threads that serve are no more than there are cores, and so are those that hash: with equal rights a flood of
//! sign-ins would take half of every core from them, and let each request wait for a time slice. So these give way.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// What is added to the nice value of the process: Linux gives such a thread about a tenth of a core that somebody else
/// wants too, and all of one that nobody wants.
const GIVES_WAY: i32 = 10;

/// Threads that take up what waits, in its order, as soon as they are done with what was before: no core is idle while
/// somebody waits. They are none of tokio's: those do other work afterwards, and who gave way can not take it back.
/// They begin when they are needed, and end with this.
pub struct Aside {
    queue: Arc<Queue>,
    most: usize,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    given: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    next: u64,
    threads: usize,
    /// Of the threads, those that wait for work; they may have been woken.
    idle: usize,
    is_closed: bool,
}

struct Job {
    id: u64,
    work: Box<dyn FnOnce() + Send>,
}

/// Why nothing came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The system has no thread left; later there may be one.
    NoThread,
    Panicked,
}

/// Somebody's place in the queue: who goes takes it along, unless the work has begun.
struct Place<'a> {
    queue: &'a Queue,
    id: u64,
}

impl Aside {
    /// Does so many things at once.
    pub fn new(most: usize) -> Self {
        Self { queue: Arc::default(), most }
    }

    /// Does `work`. Who does not wait any more before it has begun has given nothing; after that it is done all the same.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        // Nobody may wait any more.
        let work = Box::new(move || drop(reply.send(work())));
        let _place = self.give(work)?;
        answer.await.map_err(|_| Failure::Panicked)
    }

    fn give(&self, work: Box<dyn FnOnce() + Send>) -> Result<Place<'_>, Failure> {
        let mut state = self.queue.state();
        let id = state.next;
        state.next += 1;
        state.waiting.push_back(Job { id, work });
        if state.waiting.len() <= state.idle {
            self.queue.given.notify_one();
        } else if state.threads < self.most {
            let queue = Arc::clone(&self.queue);
            match thread::Builder::new().name("password".to_owned()).spawn(move || queue.work_off()) {
                Ok(_) => state.threads += 1,
                // The others will do it, if there are any.
                Err(_) if state.threads > 0 => {}
                Err(_) => {
                    let left = state.waiting.pop_back();
                    drop(state);
                    drop(left);
                    return Err(Failure::NoThread);
                }
            }
        }
        Ok(Place { queue: &self.queue, id })
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.queue.state().is_closed = true;
        self.queue.given.notify_all();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        let left = state.waiting.iter().position(|job| job.id == self.id).and_then(|at| state.waiting.remove(at));
        drop(state);
        // What the work holds is let go without the lock.
        drop(left);
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work_off(&self) {
        give_way();
        while let Some(job) = self.next() {
            // Whoever waits for it hears that it broke, because the reply goes with it.
            let _ = panic::catch_unwind(AssertUnwindSafe(job.work));
        }
    }

    /// `None`: there will be no more.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            state = self.given.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

/// On Linux a nice value is a thread's own; elsewhere it would be the whole server's. Where it is not allowed the work is
/// done all the same.
fn give_way() {
    if cfg!(target_os = "linux") {
        let _ = rustix::process::nice(GIVES_WAY);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::time::Duration;

    use super::*;

    /// What takes longer never comes.
    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn the_thread_gives_way_and_nobody_else_does() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let aside = Aside::new(1).run(nice).await.unwrap();
        assert_eq!((aside, nice()), ((before + GIVES_WAY).min(19), before));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_goes_on() {
        let aside = Aside::new(1);
        assert_eq!(aside.run(|| -> () { panic!("as it should") }).await, Err(Failure::Panicked));
        assert_eq!(aside.run(|| 7).await.unwrap(), 7);
        assert_eq!(aside.queue.state().threads, 1);
    }

    /// As many at once as there may be, and never more.
    #[tokio::test]
    async fn all_threads_work_while_somebody_waits() {
        let aside = Arc::new(Aside::new(3));
        let (at_once, running) = (Arc::new(Barrier::new(3)), Arc::new(AtomicUsize::new(0)));
        let all: Vec<_> = (0..30)
            .map(|_| {
                let (aside, at_once, running) = (Arc::clone(&aside), Arc::clone(&at_once), Arc::clone(&running));
                tokio::spawn(async move {
                    aside
                        .run(move || {
                            let beside = running.fetch_add(1, Ordering::SeqCst);
                            // Ends only where three are at it.
                            at_once.wait();
                            running.fetch_sub(1, Ordering::SeqCst);
                            beside
                        })
                        .await
                        .unwrap()
                })
            })
            .collect();
        for one in all {
            assert!(tokio::time::timeout(LIMIT, one).await.unwrap().unwrap() < 3);
        }
        assert_eq!(aside.queue.state().threads, 3);
    }

    /// Who has gone has left nothing to do; what has begun is ended.
    #[tokio::test]
    async fn who_goes_takes_what_waits_along() {
        let aside = Arc::new(Aside::new(1));
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let done = Arc::new(AtomicUsize::new(0));
        let first = tokio::spawn({
            let (aside, done) = (Arc::clone(&aside), Arc::clone(&done));
            async move {
                aside
                    .run(move || {
                        begun.send(()).unwrap();
                        may_go_on.recv_timeout(LIMIT).unwrap();
                        done.fetch_add(1, Ordering::SeqCst)
                    })
                    .await
            }
        });
        tokio::task::spawn_blocking(move || has_begun.recv_timeout(LIMIT).unwrap()).await.unwrap();
        let second = tokio::spawn({
            let (aside, done) = (Arc::clone(&aside), Arc::clone(&done));
            async move { aside.run(move || done.fetch_add(100, Ordering::SeqCst)).await }
        });
        let waits = async {
            while aside.queue.state().waiting.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, waits).await.unwrap();
        for gone in [first, second] {
            gone.abort();
            assert!(gone.await.unwrap_err().is_cancelled());
        }
        assert!(aside.queue.state().waiting.is_empty());
        go_on.send(()).unwrap();
        tokio::time::timeout(LIMIT, aside.run(|| ())).await.unwrap().unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_threads_end_with_it() {
        let aside = Aside::new(2);
        aside.run(|| ()).await.unwrap();
        let queue = Arc::downgrade(&aside.queue);
        drop(aside);
        tokio::time::timeout(LIMIT, async {
            while queue.strong_count() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap();
    }
}

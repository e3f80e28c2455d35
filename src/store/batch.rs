//! Lanes: concurrent requests for the same statement go along in one, so that they share its round trip and its commit.
//!
//! There is no timer: whoever is waiting when the lane is free goes along, and at low load a group is one request. Where
//! many wait, a second statement begins beside the first. Each caller gets its own answer, after the durable commit.

use std::collections::HashSet;
use std::future::Future;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::db::{Db, Error, Result};
use crate::id::GrantId;

/// Requests that may wait in a lane; more are told to come back (503).
const QUEUE: usize = 4096;
/// Requests that go along in one statement.
const GROUP: usize = 256;
/// Statements of a lane that may be under way at once, and how many requests have to wait for one that begins while another
/// is: while that waits for the disk, the cores have something to do; with fewer, a commit of their own costs more than
/// the wait. It leaves a connection for everybody else.
const UNDER_WAY: usize = 2;
const ENOUGH: usize = 16;

/// One hot statement.
pub trait Job: Clone + Send + Sync + 'static {
    type Answer: Send + 'static;

    /// The row that this job would spend. Two jobs on one row never share a statement: the second must see what the
    /// first did. Readers spend nothing.
    fn spends(&self) -> Option<GrantId>;

    /// One statement for all of `jobs`, an answer for each, in their order.
    fn run(db: &Db, jobs: &[Self]) -> impl Future<Output = Result<Vec<Self::Answer>>> + Send;
}

/// The way into a lane; clones lead into the same.
pub struct Lane<J: Job>(mpsc::Sender<Waiting<J>>);

struct Waiting<J: Job> {
    job: J,
    reply: oneshot::Sender<Result<J::Answer>>,
}

impl<J: Job> Clone for Lane<J> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<J: Job> Lane<J> {
    pub fn start(db: &Db) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(drive(db.clone(), receiver));
        Self(sender)
    }

    /// Goes along with the next group. A caller that gives up before its statement starts leaves no trace; after that
    /// its job is done all the same, like an answer that was lost on the way.
    pub async fn run(&self, job: J) -> Result<J::Answer> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Waiting { job, reply }).map_err(|_| Error::Busy)?;
        answer.await.map_err(|_| Error::Busy)?
    }
}

async fn drive<J: Job>(db: Db, waiting: mpsc::Receiver<Waiting<J>>) {
    // SQLite has one writer: what began would wait for it, and take nobody along meanwhile.
    let most = if matches!(db, Db::Postgres(_)) { UNDER_WAY } else { 1 };
    drive_at_once(&db, waiting, most).await;
}

async fn drive_at_once<J: Job>(db: &Db, mut waiting: mpsc::Receiver<Waiting<J>>, most: usize) {
    let mut arrived = Vec::with_capacity(GROUP);
    let mut under_way = FuturesUnordered::new();
    let mut is_open = true;
    while is_open || !arrived.is_empty() || !under_way.is_empty() {
        let may_begin = under_way.is_empty() || (under_way.len() < most && arrived.len() >= ENOUGH && db.spare() > 1);
        if may_begin && !arrived.is_empty() {
            arrived.retain(|waiting: &Waiting<J>| !waiting.reply.is_closed());
            let mut rows = HashSet::new();
            let (group, rest): (Vec<_>, Vec<_>) =
                arrived.drain(..).partition(|waiting| waiting.job.spends().is_none_or(|row| rows.insert(row)));
            arrived = rest;
            if !group.is_empty() {
                under_way.push(answer(db, group));
            }
            continue;
        }
        let room = GROUP - arrived.len();
        tokio::select! {
            biased;
            Some(()) = under_way.next() => {}
            more = waiting.recv_many(&mut arrived, room), if room > 0 && is_open => is_open = more > 0,
        }
    }
}

/// A statement that fails fails for all that went along: it was one transaction, so nothing of it happened, or (the
/// connection lost on commit) nobody knows. Neither may be answered with a token. What the database asks to try again
/// is tried again; what one job's data may have caused is run singly, so that the others do not suffer for it.
///
/// Rows are spent in the order of their ids, so that two groups of two threads or replicas do not wait for each other.
async fn answer<J: Job>(db: &Db, mut group: Vec<Waiting<J>>) {
    group.sort_unstable_by_key(|waiting| waiting.job.spends());
    let (jobs, replies): (Vec<_>, Vec<_>) = group.into_iter().map(|waiting| (waiting.job, waiting.reply)).unzip();
    let mut outcome = J::run(db, &jobs).await;
    for _ in 0..3 {
        match &outcome {
            Err(error) if error.is_transient() => outcome = J::run(db, &jobs).await,
            _ => break,
        }
    }
    match outcome {
        Ok(answers) => {
            debug_assert_eq!(answers.len(), replies.len());
            for (reply, answer) in replies.into_iter().zip(answers) {
                let _ = reply.send(Ok(answer));
            }
        }
        Err(error) if jobs.len() > 1 && error.is_about_data() => {
            for (job, reply) in jobs.iter().zip(replies) {
                let single = J::run(db, std::slice::from_ref(job)).await;
                let _ = reply.send(single.and_then(|mut answers| answers.pop().ok_or(Error::Busy)));
            }
        }
        Err(error) => {
            for reply in replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::config::Config;
    use crate::oauth;

    /// A statement that waits until the test lets it through, and counts the jobs that went along.
    #[derive(Clone)]
    struct Slow {
        gate: Arc<Semaphore>,
        begun: Arc<AtomicUsize>,
        done: Arc<AtomicUsize>,
    }

    impl Job for Slow {
        type Answer = ();

        fn spends(&self) -> Option<GrantId> {
            None
        }

        async fn run(_: &Db, jobs: &[Self]) -> Result<Vec<()>> {
            jobs[0].begun.fetch_add(1, Ordering::Relaxed);
            let _open = jobs[0].gate.acquire().await;
            jobs[0].done.fetch_add(jobs.len(), Ordering::Relaxed);
            Ok(vec![(); jobs.len()])
        }
    }

    /// While the database stands still, so many wait and the rest is told to come back at once; who has gone in the
    /// meantime has left nothing behind, and everybody else is answered.
    #[tokio::test]
    async fn a_lane_is_bounded_and_nobody_is_lost() {
        let config = Config::for_tests("http://127.0.0.1:4444", "memory");
        let db = Db::open(&config.database).await.unwrap();
        let lane = Arc::new(Lane::start(&db));
        let job = Slow { gate: Arc::new(Semaphore::new(0)), begun: Arc::default(), done: Arc::default() };
        let run = || {
            let (lane, job) = (Arc::clone(&lane), job.clone());
            tokio::spawn(async move { lane.run(job).await })
        };
        let mut waiting = Vec::new();
        // What is under way has been let go of, and what is next has been looked at.
        while lane.0.capacity() > 0 {
            waiting.push(run());
            tokio::task::yield_now().await;
        }
        let all = waiting.len();
        assert_eq!(all, QUEUE + GROUP + 1);
        let refused = lane.run(job.clone()).await.unwrap_err();
        assert!(matches!(refused, Error::Busy));
        let told = oauth::Error::from(refused);
        assert_eq!((told.status, told.retry_after), (503, Some(2)));

        // Those at the end have not begun.
        for gone in waiting.drain(all - 100..) {
            gone.abort();
        }
        job.gate.close();
        for answered in waiting {
            answered.await.unwrap().unwrap();
        }
        assert_eq!(job.done.load(Ordering::Relaxed), all - 100);
    }

    /// While a statement is under way a few wait for it, and as many as are enough do not; there are never more than two.
    #[tokio::test]
    async fn a_second_statement_begins_when_enough_wait() {
        let config = Config::for_tests("http://127.0.0.1:4444", "memory");
        let db = Db::open(&config.database).await.unwrap();
        let (sender, receiver) = mpsc::channel(QUEUE);
        let lane = Arc::new(Lane(sender));
        let driver = tokio::spawn(async move { drive_at_once(&db, receiver, UNDER_WAY).await });
        let job = Slow { gate: Arc::new(Semaphore::new(0)), begun: Arc::default(), done: Arc::default() };
        let mut waiting = Vec::new();
        for (more, begun) in [(1, 1), (ENOUGH - 1, 1), (1, 2), (3 * ENOUGH, 2)] {
            for _ in 0..more {
                let (lane, job) = (Arc::clone(&lane), job.clone());
                waiting.push(tokio::spawn(async move { lane.run(job).await }));
            }
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(job.begun.load(Ordering::Relaxed), begun, "{} wait", waiting.len());
        }
        let all = waiting.len();
        job.gate.close();
        for answered in waiting {
            answered.await.unwrap().unwrap();
        }
        assert_eq!((job.begun.load(Ordering::Relaxed), job.done.load(Ordering::Relaxed)), (3, all));
        drop(lane);
        driver.await.unwrap();
    }
}

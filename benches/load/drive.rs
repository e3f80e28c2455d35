//! Drives a load over many connections and keeps every latency: closed (a connection sends when its answer has come) for
//! throughput, or open (requests are due at fixed times, whatever the server does) for latency at a given rate.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::database::Meter;
use crate::http::{Connection, Site};
use crate::usage::Each;

/// Not counted: connections, caches and the allocator settle.
const WARM_UP: Duration = Duration::from_millis(300);

/// How much longer than planned a measurement may take before the server counts as stuck.
const STUCK: Duration = Duration::from_secs(30);

/// What one connection of a load does again and again.
pub trait Load: Send + 'static {
    /// Does it once: a request, or all the requests of a login, on a connection to each site. `false` when all of its work
    /// is done. Any answer but the expected one is an error, which ends the whole run: a fast refusal is no throughput.
    fn once(&mut self, on: &mut [Connection]) -> impl Future<Output = Result<bool>> + Send;
}

/// How long, and how fast.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Until every load has done its work.
    Finish,
    /// As fast as answers come.
    Closed(Duration),
    /// So many requests a second over all connections, evenly spread.
    Open(Duration, f64),
}

/// What was measured; the warm-up is not in it.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Of each answer, in order.
    micros: Vec<u32>,
    /// From the end of the warm-up to the last answer.
    pub seconds: f64,
    /// All of them, the warm-up's too.
    pub answers: usize,
    /// What each of those has taken.
    pub each: Each,
}

impl Measured {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        count(self.micros.len()) / self.seconds.max(1e-6)
    }

    /// The latency that so many of 100 answers did not exceed, in milliseconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.micros.len() * percent).div_ceil(100).max(1);
        self.micros.get(rank - 1).map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    }
}

/// A count as a number to calculate with.
pub fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

struct Schedule {
    counted_from: Instant,
    ends: Option<Instant>,
    /// When the first request is due, and the time between two.
    due: Option<(Instant, Duration)>,
}

struct Done<L> {
    load: L,
    micros: Vec<u32>,
    answers: usize,
    last: Instant,
}

/// Runs one load a connection, all at once; gives them back with what was measured. The first site is the server whose
/// process is looked at.
pub async fn drive<L: Load>(meter: &Meter, sites: &[&Site], pace: Pace, loads: Vec<L>) -> Result<(Measured, Vec<L>)> {
    let connections = loads.len();
    ensure!(connections > 0, "a load needs a connection");
    let mut ready = Vec::with_capacity(connections);
    for load in loads {
        let mut on = Vec::with_capacity(sites.len());
        for site in sites {
            on.push(Connection::open(site).await?);
        }
        ready.push((on, load));
    }

    let before = meter.before(sites.first().context("a load needs a site")?.process).await?;
    let begin = Instant::now();
    let (time, rate, warm_up) = match pace {
        Pace::Finish => (None, None, Duration::ZERO),
        Pace::Closed(time) => (Some(time), None, WARM_UP),
        Pace::Open(time, rate) => (Some(time), Some(rate), WARM_UP),
    };
    let counted_from = begin + warm_up;
    let ends = time.map(|time| counted_from + time);
    let mut tasks = JoinSet::new();
    for (nth, (on, load)) in ready.into_iter().enumerate() {
        let due = rate.map(|rate| {
            let every = Duration::from_secs_f64(count(connections) / rate);
            (begin + every.mul_f64(count(nth) / count(connections)), every)
        });
        tasks.spawn(one(on, load, Schedule { counted_from, ends, due }));
    }

    let limit = time.map_or(Duration::from_mins(10), |time| time + warm_up + STUCK);
    let all = async {
        let mut micros = Vec::new();
        let mut answers = 0;
        let mut last = counted_from;
        let mut loads = Vec::with_capacity(connections);
        while let Some(done) = tasks.join_next().await {
            let done = done.context("a connection's task broke")??;
            micros.extend_from_slice(&done.micros);
            answers += done.answers;
            last = last.max(done.last);
            loads.push(done.load);
        }
        ensure!(!micros.is_empty() || time.is_none(), "all was done within the warm-up: nothing was measured");
        let each = meter.each(&before, answers).await?;
        micros.sort_unstable();
        anyhow::Ok((Measured { micros, seconds: (last - counted_from).as_secs_f64(), answers, each }, loads))
    };
    tokio::time::timeout(limit, all).await.context("the server does not answer any more")?
}

async fn one<L: Load>(mut on: Vec<Connection>, mut load: L, schedule: Schedule) -> Result<Done<L>> {
    let Schedule { counted_from, ends, mut due } = schedule;
    let mut micros = Vec::with_capacity(16 * 1024);
    let mut answers = 0;
    let mut last = counted_from;
    let mut now = Instant::now();
    while ends.is_none_or(|ends| now < ends) {
        let mut began = now;
        if let Some((at, every)) = &mut due {
            if ends.is_some_and(|ends| *at >= ends) {
                break;
            }
            if *at > now {
                // The timer wakes up to a millisecond late, which is not the server's doing: counted from here.
                tokio::time::sleep_until(*at).await;
                began = Instant::now();
            } else {
                // The connection was still busy when this was due: the wait is part of the latency.
                began = *at;
            }
            *at += *every;
        }
        if !load.once(&mut on).await? {
            break;
        }
        now = Instant::now();
        answers += 1;
        // An open loop counts what was due in its time, however long it took.
        let counts = match due {
            Some(_) => began >= counted_from,
            None => now >= counted_from && ends.is_none_or(|ends| now <= ends),
        };
        if counts {
            micros.push(u32::try_from((now - began).as_micros()).unwrap_or(u32::MAX));
            last = now;
        }
    }
    Ok(Done { load, micros, answers, last })
}

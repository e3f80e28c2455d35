//! What a run has found: as it is written to the JSON file, and what the tables are made from.

use std::time::Duration;

use serde::Serialize;

use crate::drive::Measured;
use crate::endpoints::{Endpoint, Yardstick};
use crate::usage::{Besides, Each, Memory};

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    pub rate: f64,
    /// Milliseconds; nothing where there are no requests.
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub each: Each,
    /// To the yardstick of the same round.
    pub ratio: f64,
}

impl Figures {
    pub fn of(measured: &Measured, yardstick: f64) -> Self {
        let rate = measured.rate();
        let (p50, p99) = (Some(measured.percentile(50)), Some(measured.percentile(99)));
        Self { rate, p50, p99, each: measured.each, ratio: rate / yardstick }
    }

    pub fn raw(rate: f64) -> Self {
        Self { rate, p50: None, p99: None, each: Each::default(), ratio: 1.0 }
    }
}

/// Several rounds of the same.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub endpoint: Endpoint,
    pub yardstick: Yardstick,
    pub target: Option<f64>,
    pub rounds: Vec<Figures>,
}

impl Row {
    pub const fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, yardstick: endpoint.yardstick(), target: endpoint.target(), rounds: Vec::new() }
    }

    pub fn rate(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.rate))
    }

    pub fn ratio(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.ratio))
    }

    /// What it would be if the yardstick's work took no time: a rate and its yardstick's are both of all cores. Not a
    /// number where nothing is left.
    pub fn without_yardstick(&self) -> f64 {
        let left = 1.0 - self.ratio();
        if left > 0.0 { self.rate() / left } else { f64::NAN }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Yard {
    pub yardstick: Yardstick,
    pub rounds: Vec<Figures>,
}

/// Latencies at half of the rate that was reached.
#[derive(Clone, Debug, Serialize)]
pub struct HalfLoad {
    pub endpoint: Endpoint,
    pub asked: f64,
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
}

/// The same load by another number of connections.
#[derive(Clone, Debug, Serialize)]
pub struct Sweep {
    pub connections: usize,
    pub hello: Figures,
    pub rows: Vec<(Endpoint, Figures)>,
    /// The server's memory afterwards, in MiB.
    pub resident: Option<f64>,
}

/// What the database grows by for each of so many.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    pub what: &'static str,
    pub units: usize,
    /// Of tables and indexes.
    pub bytes: f64,
    pub wal: Option<f64>,
}

/// What stays of everything that has expired.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Expired {
    pub before: i64,
    pub rows: i64,
    pub bytes: i64,
}

/// What touches a grant, with few of them and with many.
#[derive(Clone, Debug, Serialize)]
pub struct Scaled {
    pub what: &'static str,
    pub few: Vec<Figures>,
    pub many: Vec<Figures>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Scale {
    pub few: usize,
    pub many: usize,
    /// Grants besides, which the measurements of single-use things spend.
    pub spare: usize,
    /// Of filling, in seconds; vacuum and checkpoint are in it.
    pub seconds: f64,
    /// Of the database with many.
    pub bytes: i64,
    pub rows: Vec<Scaled>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Footprint {
    pub idle: Option<Memory>,
    pub loaded: Option<Memory>,
    /// Milliseconds from starting the process to `/health/ready`.
    pub start_up: Option<f64>,
    /// MiB.
    pub binary: Option<f64>,
}

/// What it was measured on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    pub memory_mib: Option<f64>,
    pub kernel: String,
    pub database: String,
    pub commit: String,
    pub at: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub connections: usize,
    pub rounds: usize,
    pub seconds: f64,
    /// What else was going on during the rounds: they are good for nothing where that was much.
    pub besides: Option<Besides>,
    pub yardsticks: Vec<Yard>,
    pub rows: Vec<Row>,
    pub half_load: Vec<HalfLoad>,
    pub sweep: Vec<Sweep>,
    pub growth: Vec<Growth>,
    pub expired: Option<Expired>,
    pub scale: Option<Scale>,
    pub footprint: Footprint,
}

impl Report {
    pub fn new(machine: Machine, connections: usize, rounds: usize, time: Duration, footprint: Footprint) -> Self {
        Self {
            machine,
            connections,
            rounds,
            seconds: time.as_secs_f64(),
            besides: None,
            yardsticks: Vec::new(),
            rows: Vec::new(),
            half_load: Vec::new(),
            sweep: Vec::new(),
            growth: Vec::new(),
            expired: None,
            scale: None,
            footprint,
        }
    }
}

/// The value in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[length / 2],
        length => f64::midpoint(values[length / 2 - 1], values[length / 2]),
    }
}

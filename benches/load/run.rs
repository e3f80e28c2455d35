//! A run: rounds in which every yardstick and every endpoint has its turn, so that a noisy minute touches all of them;
//! then the latencies at half load, other numbers of connections, and what the database keeps.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::bench::Bench;
use crate::drive::{Pace, count, drive};
use crate::endpoints::{Endpoint, Yardstick};
use crate::figures::{Figures, HalfLoad, Report, Row, Sweep, Yard, median};
use crate::growth;
use crate::http::Site;
use crate::pgbench::PgBench;
use crate::raw;
use crate::scale::{self, Extent};
use crate::usage::{Activity, Memory};
use crate::work::{Expect, Repeat};

/// What to measure.
pub struct Plan {
    pub hello: Site,
    pub endpoints: Vec<Endpoint>,
    pub connections: usize,
    /// Other numbers of connections.
    pub sweep: Vec<usize>,
    pub rounds: usize,
    pub time: Duration,
    pub half_load: bool,
    /// Whole sign-ins for the database's growth; 0 leaves it out.
    pub logins: usize,
    /// Waits for the server's sweep.
    pub expiry: bool,
    pub pgbench: Option<PgBench>,
    pub scale: Option<Extent>,
}

/// Single-use things take long to make: the first round has no more than for so many a second.
const MOST_AT_FIRST: f64 = 10_000.0;
/// One connection does no more than so many a second of what needs the database.
const MOST_OF_ONE: f64 = 2000.0;

/// The yardsticks of one round, a second.
#[derive(Clone, Copy, Default)]
struct Yards {
    hello: f64,
    rs256: f64,
    argon2id: f64,
}

impl Yards {
    const fn of(self, yardstick: Yardstick) -> f64 {
        match yardstick {
            Yardstick::Rs256 => self.rs256,
            Yardstick::Argon2id => self.argon2id,
            _ => self.hello,
        }
    }
}

pub async fn run(plan: Plan, bench: &mut Bench, report: &mut Report) -> Result<()> {
    let plan = Arc::new(plan);
    let process = bench.setting.pages.public.process;
    if plan.logins > 0 {
        eprintln!("{} whole sign-ins of each kind, for the database's growth", plan.logins);
        report.growth = growth::growth(bench, plan.logins).await?;
    }
    let servers = [process, bench.setting.elsewhere.public.process, plan.hello.process];
    let before = Activity::now(&bench.meter.host, &servers);
    let mut yardsticks = Yardstick::ALL.map(|yardstick| Yard { yardstick, rounds: Vec::new() });
    let mut rows: Vec<Row> = plan.endpoints.iter().map(|endpoint| Row::new(*endpoint)).collect();
    for round in 1..=plan.rounds {
        let yards = measure_yardsticks(&plan, bench, &mut yardsticks).await?;
        for row in &mut rows {
            let expected = if row.rounds.is_empty() { guess(row.endpoint, yards) } else { 1.2 * row.rate() };
            let measured = bench
                .measure(row.endpoint, plan.connections, Pace::Closed(plan.time), expected)
                .await
                .with_context(|| format!("round {round}, {}", row.endpoint.title()))?;
            let early =
                if measured.seconds < 0.7 * plan.time.as_secs_f64() { ", ended early: all were spent" } else { "" };
            let figures = Figures::of(&measured, yards.of(row.yardstick));
            eprintln!("round {round}: {:<34} {:>8.0}/s{early}", row.endpoint.title(), figures.rate);
            row.rounds.push(figures);
        }
    }
    if plan.half_load {
        report.half_load = half_load(&plan, bench, &rows).await?;
    }
    report.footprint.loaded = Memory::of(process);
    for connections in &plan.sweep {
        report.sweep.push(sweep(&plan, bench, &rows, *connections).await?);
    }
    let now = Activity::now(&bench.meter.host, &servers);
    report.besides = before.zip(now).map(|(before, now)| now.besides(&before));
    report.yardsticks = yardsticks.into_iter().filter(|yard| !yard.rounds.is_empty()).collect();
    report.rows = rows;
    if plan.expiry {
        eprintln!("waiting for the server's sweep");
        report.expired = Some(growth::expiry(bench).await?);
    }
    if let Some(extent) = &plan.scale {
        report.scale = Some(scale::measure(&plan, extent, bench, &report.rows).await.context("by grants")?);
    }
    Ok(())
}

/// The load of a row with nothing behind it.
pub async fn hello(plan: &Plan, bench: &Bench, connections: usize, time: Duration) -> Result<Figures> {
    let loads = Repeat::many(connections, vec![plan.hello.get("/hello", &[])], Expect::Body("\"hello\":"));
    let (measured, _) = drive(&bench.meter, &[&plan.hello], Pace::Closed(time), loads).await.context("hello")?;
    Ok(Figures::of(&measured, measured.rate()))
}

async fn half_load(plan: &Plan, bench: &mut Bench, rows: &[Row]) -> Result<Vec<HalfLoad>> {
    let mut all = Vec::new();
    for row in rows.iter().filter(|row| !row.endpoint.hashes()) {
        let (endpoint, asked) = (row.endpoint, row.rate() / 2.0);
        let measured = bench
            .measure(endpoint, plan.connections, Pace::Open(plan.time, asked), asked)
            .await
            .with_context(|| format!("half load, {}", endpoint.title()))?;
        let (p50, p99) = (measured.percentile(50), measured.percentile(99));
        eprintln!("half load: {:<32} {:>8.0}/s, p99 {p99:.2} ms", endpoint.title(), measured.rate());
        all.push(HalfLoad { endpoint, asked, rate: measured.rate(), p50, p99 });
    }
    Ok(all)
}

/// One round by another number of connections.
async fn sweep(plan: &Plan, bench: &mut Bench, rows: &[Row], connections: usize) -> Result<Sweep> {
    let time = plan.time.min(Duration::from_secs(2));
    // Of logins by all connections at once few end in less.
    let time_of_logins = time.max(Duration::from_secs(2));
    let hello = hello(plan, bench, connections, time).await?;
    let mut measured = Vec::new();
    for row in rows.iter().filter(|row| !row.endpoint.hashes()) {
        let endpoint = row.endpoint;
        let time = if endpoint.is_login() { time_of_logins } else { time };
        let expected = (1.3 * row.rate()).min(MOST_OF_ONE * count(connections));
        let one = bench
            .measure(endpoint, connections, Pace::Closed(time), expected)
            .await
            .with_context(|| format!("{connections} connections, {}", endpoint.title()))?;
        eprintln!("{connections:>3} connections: {:<32} {:>8.0}/s", endpoint.title(), one.rate());
        measured.push((endpoint, Figures::of(&one, hello.rate)));
    }
    let resident = Memory::of(bench.setting.pages.public.process).map(|memory| memory.resident);
    Ok(Sweep { connections, hello, rows: measured, resident })
}

/// Hello always; the others where an endpoint is compared with them, or all endpoints are measured.
async fn measure_yardsticks(plan: &Arc<Plan>, bench: &Bench, yardsticks: &mut [Yard]) -> Result<Yards> {
    let mut yards = Yards::default();
    let is_whole = plan.endpoints.len() == <Endpoint as clap::ValueEnum>::value_variants().len();
    let time = plan.time.min(Duration::from_secs(2));
    for Yard { yardstick, rounds } in yardsticks {
        let yardstick = *yardstick;
        let is_wanted = is_whole || plan.endpoints.iter().any(|endpoint| endpoint.yardstick() == yardstick);
        let figures = match yardstick {
            Yardstick::Hello => hello(plan, bench, plan.connections, plan.time).await?,
            _ if !is_wanted => continue,
            Yardstick::PgSelect | Yardstick::PgInsert if plan.pgbench.is_none() => continue,
            _ => {
                let plan = Arc::clone(plan);
                Figures::raw(tokio::task::spawn_blocking(move || compute(yardstick, &plan, time)).await??)
            }
        };
        match yardstick {
            Yardstick::Hello => yards.hello = figures.rate,
            Yardstick::Rs256 => yards.rs256 = figures.rate,
            Yardstick::Argon2id => yards.argon2id = figures.rate,
            _ => {}
        }
        eprintln!("yardstick: {:<32} {:>8.0}/s", yardstick.title(), figures.rate);
        rounds.push(figures);
    }
    Ok(yards)
}

fn compute(yardstick: Yardstick, plan: &Plan, time: Duration) -> Result<f64> {
    let pgbench = || plan.pgbench.as_ref().context("no pgbench");
    match yardstick {
        Yardstick::Hello => Ok(f64::NAN),
        Yardstick::Rs256 => raw::rs256(time),
        Yardstick::Es256 => raw::es256(time),
        Yardstick::Argon2id => raw::argon2id(time),
        Yardstick::PgSelect => pgbench()?.selects(time),
        Yardstick::PgInsert => pgbench()?.inserts(time),
    }
}

/// Before anything is known: what could be reached at most, so that nothing runs out early.
fn guess(endpoint: Endpoint, yards: Yards) -> f64 {
    match endpoint {
        Endpoint::CodeWithoutIdToken | Endpoint::CodeEs256 | Endpoint::Revocation => {
            (0.2 * yards.hello).min(MOST_AT_FIRST)
        }
        _ => yards.of(endpoint.yardstick()),
    }
    .max(1.0)
}

/// The median of what a row has reached.
pub fn reached(rows: &[Row], endpoint: Endpoint, otherwise: f64) -> f64 {
    let row = rows.iter().find(|row| row.endpoint == endpoint);
    row.map_or(otherwise, |row| median(row.rounds.iter().map(|round| round.rate)))
}

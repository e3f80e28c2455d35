//! A run: rounds in which every yardstick and every endpoint has its turn, so that a noisy minute touches all of them;
//! then the latencies at half load.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::bench::{Bench, Setting};
use crate::drive::{Pace, count, drive};
use crate::endpoints::{Endpoint, Yardstick};
use crate::footprint::{Database, Memory};
use crate::http::Site;
use crate::raw;
use crate::report::{Figures, Footprint, HalfLoad, Report, Row, median};
use crate::work::{Expect, Repeat};

/// What to measure.
pub struct Plan {
    pub setting: Setting,
    pub hello: Site,
    pub endpoints: Vec<Endpoint>,
    pub rounds: usize,
    pub logins: usize,
    pub database: Database,
}

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
            Yardstick::Hello => self.hello,
            Yardstick::Rs256 => self.rs256,
            Yardstick::Argon2id => self.argon2id,
        }
    }
}

pub async fn run(plan: Plan) -> Result<Report> {
    let Plan { setting, hello, endpoints, rounds, logins, database } = plan;
    let time = setting.time;
    let connections = setting.connections;
    let process = setting.public.process;
    let idle = Memory::of(process);

    eprintln!("signing in, making grants");
    let mut bench = Bench::prepare(setting, &endpoints).await?;
    let mut bytes_per_login = None;
    if logins > 0 {
        eprintln!("{logins} whole sign-ins, for the database's growth");
        bytes_per_login = Some(bench.bytes_per_login(&database, logins).await?);
    }

    let mut yardsticks = [Yardstick::Hello, Yardstick::Rs256, Yardstick::Argon2id].map(|kind| (kind, Vec::new()));
    let mut rows: Vec<(Endpoint, Vec<Figures>)> = endpoints.iter().map(|endpoint| (*endpoint, Vec::new())).collect();
    for round in 1..=rounds {
        let yards = measure_yardsticks(&hello, connections, time, &endpoints, &mut yardsticks).await?;
        for (endpoint, figures) in &mut rows {
            let before: Vec<f64> = figures.iter().map(|figures| figures.rate).collect();
            let expected = if before.is_empty() { guess(*endpoint, yards) } else { 1.2 * median(before) };
            let measured = bench
                .measure(*endpoint, Pace::Closed(time), expected)
                .await
                .with_context(|| format!("round {round}, {}", endpoint.title()))?;
            let early =
                if measured.seconds < 0.7 * time.as_secs_f64() { ", ended early: all codes were spent" } else { "" };
            let measured = Figures::of(&measured, yards.of(endpoint.yardstick()));
            eprintln!("round {round}: {:<34} {:>8.0}/s{early}", endpoint.title(), measured.rate);
            figures.push(measured);
        }
    }
    let rows: Vec<Row> = rows.into_iter().map(|(endpoint, rounds)| Row { endpoint, rounds }).collect();

    let mut half_load = Vec::new();
    for row in rows.iter().filter(|row| row.endpoint.has_half_load()) {
        let asked = row.rate() / 2.0;
        let measured = bench
            .measure(row.endpoint, Pace::Open(time, asked), 0.0)
            .await
            .with_context(|| format!("half load, {}", row.endpoint.title()))?;
        let (title, rate) = (row.endpoint.title(), measured.rate());
        eprintln!("half load: {title:<32} {rate:>8.0}/s");
        half_load.push(HalfLoad { title, asked, rate, p50: measured.percentile(50), p99: measured.percentile(99) });
    }

    let footprint = Footprint { idle, loaded: Memory::of(process), bytes_per_login };
    let yardsticks = yardsticks.into_iter().filter(|(_, rounds)| !rounds.is_empty()).collect();
    Ok(Report { connections, rounds, time, yardsticks, rows, half_load, footprint })
}

/// Hello always; raw computing only where an endpoint is compared with it.
async fn measure_yardsticks(
    hello: &Site,
    connections: usize,
    time: Duration,
    endpoints: &[Endpoint],
    rounds: &mut [(Yardstick, Vec<Figures>)],
) -> Result<Yards> {
    let mut yards = Yards::default();
    for (yardstick, figures) in rounds {
        let is_needed = *yardstick == Yardstick::Hello || endpoints.iter().any(|one| one.yardstick() == *yardstick);
        if !is_needed {
            continue;
        }
        let time_of_raw = time.min(Duration::from_secs(2));
        let measured = match yardstick {
            Yardstick::Hello => {
                let loads = Repeat::many(connections, vec![hello.get("/hello", &[])], Expect::Body("\"hello\":"));
                let (measured, _) = drive(hello, Pace::Closed(time), loads).await.context("hello")?;
                yards.hello = measured.rate();
                Figures::of(&measured, yards.hello)
            }
            Yardstick::Rs256 => {
                yards.rs256 = tokio::task::spawn_blocking(move || raw::rs256(time_of_raw)).await??;
                Figures::raw(yards.rs256)
            }
            Yardstick::Argon2id => {
                yards.argon2id = tokio::task::spawn_blocking(move || raw::argon2id(time_of_raw)).await??;
                Figures::raw(yards.argon2id)
            }
        };
        eprintln!("yardstick: {:<32} {:>8.0}/s", yardstick.title(), measured.rate);
        figures.push(measured);
    }
    Ok(yards)
}

/// Before anything is known: what could be reached at most, so that nothing runs out early.
fn guess(endpoint: Endpoint, yards: Yards) -> f64 {
    match endpoint {
        Endpoint::CodeWithoutIdToken => 0.3 * yards.hello,
        _ => yards.of(endpoint.yardstick()),
    }
    .max(count(1))
}

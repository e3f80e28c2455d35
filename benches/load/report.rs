//! The figures as a table: for a terminal, or as Markdown for `docs/benchmarks.md`.

use std::fmt::Write as _;
use std::time::Duration;

use crate::drive::Measured;
use crate::endpoints::{Endpoint, Yardstick};
use crate::footprint::Memory;

/// At half load, milliseconds (design document, section 10).
const LATENCY_TARGET: f64 = 10.0;

/// One round.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub rate: f64,
    /// Milliseconds; nothing where there are no requests.
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    /// CPU microseconds of the server's process for each answer.
    pub cpu: Option<f64>,
    /// To the yardstick of the same round.
    ratio: f64,
}

impl Figures {
    pub fn of(measured: &Measured, yardstick: f64) -> Self {
        let rate = measured.rate();
        let (p50, p99) = (Some(measured.percentile(50)), Some(measured.percentile(99)));
        Self { rate, p50, p99, cpu: measured.cpu, ratio: rate / yardstick }
    }

    pub const fn raw(rate: f64) -> Self {
        Self { rate, p50: None, p99: None, cpu: None, ratio: 1.0 }
    }
}

pub struct Row {
    pub endpoint: Endpoint,
    pub rounds: Vec<Figures>,
}

impl Row {
    pub fn rate(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.rate).collect())
    }
}

/// Latencies at half of the rate that was reached.
pub struct HalfLoad {
    pub title: &'static str,
    pub asked: f64,
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
}

pub struct Footprint {
    pub idle: Option<Memory>,
    pub loaded: Option<Memory>,
    pub bytes_per_login: Option<f64>,
}

/// What the script measured without the generator.
#[derive(Clone, Copy, Debug)]
pub struct Outside {
    /// Milliseconds from starting the process to `/health/ready`.
    pub start_up: Option<f64>,
    /// MiB.
    pub binary: Option<f64>,
}

pub struct Report {
    pub connections: usize,
    pub rounds: usize,
    pub time: Duration,
    pub yardsticks: Vec<(Yardstick, Vec<Figures>)>,
    pub rows: Vec<Row>,
    pub half_load: Vec<HalfLoad>,
    pub footprint: Footprint,
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[length / 2],
        length => f64::midpoint(values[length / 2 - 1], values[length / 2]),
    }
}

impl Report {
    pub fn text(&self, outside: Outside, markdown: bool) -> String {
        let mut tables = vec![self.throughput()];
        if !self.half_load.is_empty() {
            tables.push(self.latency());
        }
        tables.push(self.footprint(outside));
        let mut text = format!(
            "{} connections, {} rounds of {:.1} s each, medians; [least–most] of the rounds. CPU is the server process alone.\n",
            self.connections,
            self.rounds,
            self.time.as_secs_f64()
        );
        for table in tables {
            text.push('\n');
            table.print(&mut text, markdown);
        }
        text
    }

    fn throughput(&self) -> Table {
        let mut table = Table::new(["work", "a second", "p50 ms", "p99 ms", "CPU µs", "ratio", "target", ""]);
        for (yardstick, rounds) in &self.yardsticks {
            let title = format!("{} (yardstick)", yardstick.title());
            table.row(&[
                title,
                spread(rounds),
                latency(rounds, |one| one.p50),
                latency(rounds, |one| one.p99),
                cpu(rounds),
            ]);
        }
        for Row { endpoint, rounds } in &self.rows {
            let ratio = median(rounds.iter().map(|round| round.ratio).collect());
            let yardstick = endpoint.yardstick().title();
            let target = endpoint.target();
            table.row(&[
                endpoint.title().to_owned(),
                spread(rounds),
                latency(rounds, |one| one.p50),
                latency(rounds, |one| one.p99),
                cpu(rounds),
                format!("{ratio:.2} × {yardstick}"),
                target.map_or_else(|| "–".to_owned(), |target| format!("≥ {target:.2}")),
                target.map_or("", |target| verdict(ratio >= target)).to_owned(),
            ]);
        }
        table
    }

    fn latency(&self) -> Table {
        let mut table =
            Table::new(["at half of that load", "asked a second", "answered", "p50 ms", "p99 ms", "target", ""]);
        for HalfLoad { title, asked, rate, p50, p99 } in &self.half_load {
            table.row(&[
                (*title).to_owned(),
                thousands(*asked),
                thousands(*rate),
                format!("{p50:.2}"),
                format!("{p99:.2}"),
                format!("≤ {LATENCY_TARGET:.0} ms"),
                verdict(*p99 <= LATENCY_TARGET).to_owned(),
            ]);
        }
        table
    }

    fn footprint(&self, outside: Outside) -> Table {
        let Footprint { idle, loaded, bytes_per_login } = self.footprint;
        let mut table = Table::new(["footprint", "measured", "target", ""]);
        let mut line = |title: &str, value: Option<f64>, unit: &str, target: Option<f64>| {
            let Some(value) = value else { return };
            table.row(&[
                title.to_owned(),
                format!("{value:.1} {unit}"),
                target.map_or_else(|| "–".to_owned(), |target| format!("≤ {target:.0} {unit}")),
                target.map_or("", |target| verdict(value <= target)).to_owned(),
            ]);
        };
        line("memory idle (resident)", idle.map(|memory| memory.resident), "MiB", Some(25.0));
        line("memory under load (the most ever resident)", loaded.map(|memory| memory.peak), "MiB", Some(100.0));
        line("memory after the load (resident)", loaded.map(|memory| memory.resident), "MiB", None);
        line("start with a migrated database", outside.start_up, "ms", Some(100.0));
        line("release binary", outside.binary, "MiB", Some(25.0));
        line("database growth a sign-in", bytes_per_login, "bytes", None);
        table
    }
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

fn spread(rounds: &[Figures]) -> String {
    let mut rates: Vec<f64> = rounds.iter().map(|round| round.rate).collect();
    rates.sort_by(f64::total_cmp);
    let (least, most) = (rates.first().copied().unwrap_or(f64::NAN), rates.last().copied().unwrap_or(f64::NAN));
    format!("{} [{}–{}]", thousands(median(rates)), thousands(least), thousands(most))
}

fn latency(rounds: &[Figures], of: impl Fn(&Figures) -> Option<f64>) -> String {
    let values: Option<Vec<f64>> = rounds.iter().map(of).collect();
    values.map_or_else(|| "–".to_owned(), |values| format!("{:.2}", median(values)))
}

fn cpu(rounds: &[Figures]) -> String {
    let values: Option<Vec<f64>> = rounds.iter().map(|round| round.cpu).collect();
    values.map_or_else(|| "–".to_owned(), |values| thousands(median(values)))
}

/// `26,600`.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Columns as wide as their widest cell.
struct Table {
    columns: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { columns: N, rows: vec![head.map(str::to_owned).to_vec()] }
    }

    /// Cells at the end may be left out.
    fn row<const N: usize>(&mut self, cells: &[String; N]) {
        let mut cells = cells.to_vec();
        cells.resize(self.columns, String::new());
        self.rows.push(cells);
    }

    fn print(&self, text: &mut String, markdown: bool) {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns).map(width).collect();
        for (nth, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let line = if markdown { format!("| {} |", cells.join(" | ")) } else { cells.join("  ") };
            writeln!(text, "{}", line.trim_end()).expect("writing to memory does not fail");
            if nth == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat((*width).max(3))).collect();
                let rule = if markdown { format!("| {} |", rule.join(" | ")) } else { rule.join("  ") };
                writeln!(text, "{rule}").expect("writing to memory does not fail");
            }
        }
    }
}

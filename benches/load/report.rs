//! The figures as tables: for a terminal, or as Markdown for `docs/performance.md`.

use std::fmt::Write as _;

use crate::endpoints::Endpoint;
use crate::figures::{Figures, Growth, HalfLoad, Report, Scaled, Yard, median};
use crate::table::{Table, millis, number, or_dash, verdict};
use crate::usage::{Besides, Each};

/// At half load, milliseconds (design document, section 10).
const LATENCY_TARGET: f64 = 10.0;
/// Of what many grants leave of the figure with few (the same).
const SCALE_TARGET: f64 = 0.9;
/// Cores that may be busy with other things.
const MOST_BESIDES: f64 = 0.1;

impl Report {
    pub fn text(&self, markdown: bool) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "{}, {} cores ({}), kernel {}, commit {}, {}\n\
             {} connections, {} rounds of {:.1} s each, medians; [least–most] of the rounds.\n",
            machine.database,
            machine.cores,
            machine.processor,
            machine.kernel,
            machine.commit,
            machine.at,
            self.connections,
            self.rounds,
            self.seconds
        );
        if let Some(Besides { others, stolen }) = self.besides {
            let noisy = if others + stolen > MOST_BESIDES { ": too much, measure again" } else { "" };
            writeln!(text, "Other processes used {others:.2} cores, {stolen:.2} were taken by other machines{noisy}.")
                .expect("writing to memory does not fail");
        }
        let tables = [
            self.throughput(),
            self.takes(),
            self.latency(),
            self.connections(),
            self.scale(),
            self.bytes(),
            self.footprint(),
        ];
        for table in tables.iter().filter(|table| !table.is_empty()) {
            text.push('\n');
            table.print(&mut text, markdown);
        }
        text
    }

    fn throughput(&self) -> Table {
        let mut table = Table::new(["work", "a second", "p50 ms", "p99 ms", "ratio", "target", ""]);
        for Yard { yardstick, rounds } in &self.yardsticks {
            let title = format!("{} (yardstick)", yardstick.title());
            table.row([title, spread(rounds), latency(rounds, |one| one.p50), latency(rounds, |one| one.p99)]);
        }
        for row in &self.rows {
            let ratio = row.ratio();
            table.row([
                row.endpoint.title().to_owned(),
                spread(&row.rounds),
                latency(&row.rounds, |one| one.p50),
                latency(&row.rounds, |one| one.p99),
                format!("{} × {}", share(ratio), row.yardstick.title()),
                row.target.map_or_else(|| "–".to_owned(), |target| format!("≥ {target:.2}")),
                row.target.map_or_else(String::new, |target| verdict(ratio >= target)),
            ]);
            if row.endpoint == Endpoint::LoginPassword {
                let without = number(row.without_yardstick());
                table.row(["… with the raw hash's time taken off".to_owned(), without]);
            }
        }
        table
    }

    fn takes(&self) -> Table {
        let mut table = Table::new([
            "what an answer takes",
            "server CPU µs",
            "PostgreSQL CPU µs",
            "generator CPU µs",
            "WAL bytes",
            "disk writes",
            "disk flushes",
            "server MiB then",
        ]);
        let yards = self.yardsticks.iter().map(|yard| (yard.yardstick.title(), &yard.rounds));
        for (title, rounds) in yards.chain(self.rows.iter().map(|row| (row.endpoint.title(), &row.rounds))) {
            let each = |of: fn(&Each) -> Option<f64>| {
                let values: Option<Vec<f64>> = rounds.iter().map(|round| of(&round.each)).collect();
                or_dash(values.map(median))
            };
            if rounds.iter().all(|round| round.each.server.is_none()) {
                continue;
            }
            table.row([
                title.to_owned(),
                each(|each| each.server),
                each(|each| each.database),
                each(|each| each.generator),
                each(|each| each.wal),
                each(|each| each.writes),
                each(|each| each.flushes),
                each(|each| each.resident),
            ]);
        }
        table
    }

    fn latency(&self) -> Table {
        let mut table =
            Table::new(["at half of that load", "asked a second", "answered", "p50 ms", "p99 ms", "target", ""]);
        for HalfLoad { endpoint, asked, rate, p50, p99 } in &self.half_load {
            table.row([
                endpoint.title().to_owned(),
                number(*asked),
                number(*rate),
                format!("{p50:.2}"),
                format!("{p99:.2}"),
                format!("≤ {LATENCY_TARGET:.0} ms"),
                verdict(*p99 <= LATENCY_TARGET),
            ]);
        }
        table
    }

    fn connections(&self) -> Table {
        let mut table = Table::new(["by connections", "connections", "a second", "p50 ms", "p99 ms", "ratio to hello"]);
        let Some(first) = self.sweep.first() else { return table };
        let mut rows = |title: &str, of: &dyn Fn(usize) -> Option<Figures>| {
            for (nth, sweep) in self.sweep.iter().enumerate() {
                let Some(figures) = of(nth) else { continue };
                table.row([
                    title.to_owned(),
                    sweep.connections.to_string(),
                    number(figures.rate),
                    millis(figures.p50),
                    millis(figures.p99),
                    share(figures.rate / sweep.hello.rate),
                ]);
            }
        };
        rows("hello (yardstick)", &|nth| Some(self.sweep[nth].hello));
        for (endpoint, _) in &first.rows {
            rows(endpoint.title(), &|nth| {
                self.sweep[nth].rows.iter().find(|(other, _)| other == endpoint).map(|(_, figures)| *figures)
            });
        }
        table
    }

    fn scale(&self) -> Table {
        let Some(scale) = &self.scale else { return Table::new(["by grants"]) };
        let (few, many) = (number(to_f64(scale.few)), number(to_f64(scale.many)));
        let mut table = Table::new([
            "by grants",
            &format!("a second with {few}"),
            "p99 ms",
            "WAL bytes",
            &format!("with {many}"),
            "p99 ms",
            "WAL bytes",
            "ratio",
            "beside hello",
            "target",
            "",
        ]);
        let wal = |rounds: &[Figures]| {
            let values: Option<Vec<f64>> = rounds.iter().map(|round| round.each.wal).collect();
            or_dash(values.map(median))
        };
        for Scaled { what, few, many } in &scale.rows {
            let ratio = rate(many) / rate(few);
            let beside = |rounds: &[Figures]| median(rounds.iter().map(|round| round.ratio));
            table.row([
                (*what).to_owned(),
                spread(few),
                latency(few, |one| one.p99),
                wal(few),
                spread(many),
                latency(many, |one| one.p99),
                wal(many),
                format!("{ratio:.2}"),
                format!("{:.2}", beside(many) / beside(few)),
                format!("≥ {SCALE_TARGET:.2}"),
                verdict(ratio >= SCALE_TARGET),
            ]);
        }
        table.row([
            format!("the database with {many} grants"),
            format!("{} MiB", number(mib(scale.bytes))),
            String::new(),
            String::new(),
            format!("filled in {:.0} s", scale.seconds),
        ]);
        table
    }

    fn bytes(&self) -> Table {
        let mut table = Table::new(["database bytes of each", "tables and indexes", "WAL", "measured by"]);
        for Growth { what, units, bytes, wal } in &self.growth {
            table.row([(*what).to_owned(), number(*bytes), or_dash(*wal), number(to_f64(*units))]);
        }
        if let Some(expired) = &self.expired {
            table.row([
                "when all has expired, in all".to_owned(),
                format!("{} KiB", number(1024.0 * mib(expired.bytes))),
                String::new(),
                format!("{} rows left of {}", expired.rows, number(whole(expired.before))),
            ]);
        }
        table
    }

    fn footprint(&self) -> Table {
        let mut table = Table::new(["footprint", "measured", "target", ""]);
        let mut line = |title: &str, value: Option<f64>, unit: &str, target: Option<f64>| {
            let Some(value) = value else { return };
            table.row([
                title.to_owned(),
                format!("{value:.1} {unit}"),
                target.map_or_else(|| "–".to_owned(), |target| format!("≤ {target:.0} {unit}")),
                target.map_or_else(String::new, |target| verdict(value <= target)),
            ]);
        };
        let footprint = &self.footprint;
        line("memory idle (resident)", footprint.idle.map(|memory| memory.resident), "MiB", Some(25.0));
        line(
            "memory under load (the most ever resident)",
            footprint.loaded.map(|memory| memory.peak),
            "MiB",
            Some(100.0),
        );
        line("memory after the load (resident)", footprint.loaded.map(|memory| memory.resident), "MiB", None);
        for sweep in &self.sweep {
            line(&format!("memory after {} connections (resident)", sweep.connections), sweep.resident, "MiB", None);
        }
        line("start with a migrated database", footprint.start_up, "ms", Some(100.0));
        line("release binary", footprint.binary, "MiB", Some(25.0));
        table
    }
}

fn share(ratio: f64) -> String {
    if ratio < 0.095 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}

fn rate(rounds: &[Figures]) -> f64 {
    median(rounds.iter().map(|round| round.rate))
}

fn spread(rounds: &[Figures]) -> String {
    let rates = || rounds.iter().map(|round| round.rate);
    let (least, most) = (rates().fold(f64::INFINITY, f64::min), rates().fold(f64::NEG_INFINITY, f64::max));
    if rounds.len() < 2 {
        return number(median(rates()));
    }
    format!("{} [{}–{}]", number(median(rates())), number(least), number(most))
}

fn latency(rounds: &[Figures], of: impl Fn(&Figures) -> Option<f64>) -> String {
    let values: Option<Vec<f64>> = rounds.iter().map(of).collect();
    millis(values.map(median))
}

fn to_f64(number: usize) -> f64 {
    crate::drive::count(number)
}

fn whole(number: i64) -> f64 {
    to_f64(usize::try_from(number).unwrap_or(0))
}

fn mib(bytes: i64) -> f64 {
    whole(bytes / 1024) / 1024.0
}

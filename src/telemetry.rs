//! The log: text for people on a terminal, JSON for programs; it never makes a request wait.

use std::io::{self, IsTerminal as _};
use std::time::Duration;
use std::{fmt, panic};

use anyhow::{Context as _, Result};
use serde::Serialize;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::config::{Log, LogFormat};
use crate::http::admin_access::Caller;
use crate::http::middleware;

/// Lines that wait while the sink is slow. When they are this many, new ones are dropped and counted.
const QUEUE: usize = 16 * 1024;

/// Libraries whose debug lines show what is on the wire: headers, statements, key logs. `RUST_LOG` does not open them either.
const WIRE: [&str; 7] = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "sqlx", "tower_http"];

/// Writes what is still queued when dropped; `main` keeps it to its end.
#[must_use = "dropped at once, it ends the log"]
pub struct Guard {
    _worker: WorkerGuard,
}

/// Starts the log, on standard error. Standard output belongs to what a command answers.
///
/// `RUST_LOG` rules over `log.level` when it is set.
pub fn init(log: &Log) -> Result<Guard> {
    let terminal = io::stderr().is_terminal();
    let (writer, worker) = writer(io::stderr());
    let dropped = writer.error_counter();
    let directives = std::env::var("RUST_LOG").ok().filter(|directives| !directives.trim().is_empty());
    let directives = directives.unwrap_or_else(|| directives_for(&log.level));
    let ansi = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    tracing::subscriber::set_global_default(subscriber(writer, json, ansi, &directives))
        .context("the log was started before")?;
    report_panics();
    report_drops(dropped)?;
    Ok(Guard { _worker: worker })
}

fn writer<W: io::Write + Send + 'static>(sink: W) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE).thread_name("log").finish(sink)
}

/// This server's lines at `log.level`, everybody else's at warn. Hydra's `fatal` and `panic` count as error.
fn directives_for(level: &str) -> String {
    match level {
        "fatal" | "panic" | "error" => "error".to_owned(),
        level => format!("warn,hydrant={level}"),
    }
}

fn subscriber<W>(writer: W, json: bool, ansi: bool, directives: &str) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into()).parse_lossy(directives);
    let filter = filter.and(filter_fn(hides_the_wire));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(ansi);
    let lines = match json {
        true => lines.json().flatten_event(true).with_span_list(false).map_event_format(OfRequest).boxed(),
        false => lines.fmt_fields(OfRequest(DefaultFields::new())).boxed(),
    };
    Box::new(Registry::default().with(lines.with_filter(filter)))
}

/// What says of each line which request it is about: in JSON as a span of `tracing` would be, in text behind its fields.
struct OfRequest<F>(F);

impl<S, N, F> FormatEvent<S, N> for OfRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(request) = middleware::current() else { return self.0.format_event(ctx, writer, event) };
        let mut line = String::with_capacity(512);
        self.0.format_event(ctx, Writer::new(&mut line), event)?;
        let Some(object) = line.trim_end().strip_suffix('}') else { return writer.write_str(&line) };
        let span =
            Span { name: "request", id: request.id.as_str(), admin: request.caller.as_ref().map(Caller::as_str) };
        let span = serde_json::to_string(&span).map_err(|_| fmt::Error)?;
        writeln!(writer, "{object},\"span\":{span}}}")
    }
}

#[derive(Serialize)]
struct Span<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<&'a str>,
    id: &'a str,
    name: &'a str,
}

impl<'a, F: for<'w> FormatFields<'w>> FormatFields<'a> for OfRequest<F> {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'a>, fields: R) -> fmt::Result {
        let Some(request) = middleware::current() else { return self.0.format_fields(writer, fields) };
        self.0.format_fields(writer.by_ref(), fields)?;
        write!(writer, " request={}", request.id.as_str())?;
        request.caller.as_ref().map_or(Ok(()), |caller| write!(writer, " admin={}", caller.as_str()))
    }
}

fn hides_the_wire(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO || !WIRE.contains(&library)
}

/// A panic is a line of the log: its place, and its message where that is a literal. A formatted one may hold input (a
/// slice out of bounds shows the string that it cut).
fn report_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let literal = panic.payload().downcast_ref::<&'static str>().copied();
        tracing::error!(target: "hydrant::panic", place, literal, "a panic; this is a fault in Hydrant");
    }));
}

/// Says every 10 seconds how many lines were lost, if any were.
fn report_drops(dropped: ErrorCounter) -> io::Result<()> {
    std::thread::Builder::new().name("log-drops".to_owned()).spawn(move || {
        let mut told = 0;
        loop {
            std::thread::sleep(Duration::from_secs(10));
            let lost = dropped.dropped_lines();
            if lost > told {
                tracing::warn!(lines = lost - told, "the log's sink was too slow; lines were dropped");
                told = lost;
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, directives: &str, write: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        tracing::subscriber::with_default(subscriber(move || writer.clone(), json, false, directives), write);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_has_time_level_target_and_fields() {
        let line = logged(true, &directives_for("info"), || {
            tracing::info!(target: "hydrant::request", status = 200, "request");
        });
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["level"], &line["target"]), (&"INFO".into(), &"hydrant::request".into()));
        assert_eq!((&line["status"], &line["message"]), (&200.into(), &"request".into()));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    /// As a layer of `http::middleware` does for every request.
    #[tokio::test]
    async fn a_line_says_which_request_it_is_about() {
        let page = Page::default();
        let say = async || {
            let router =
                axum::Router::new().route("/", axum::routing::get(async || tracing::warn!(subject = "x", "said")));
            let config = crate::config::Config::for_tests("http://127.0.0.1:4444", "memory");
            let metrics = crate::metrics::Metrics::new(crate::clock::Timestamp::from_seconds(0));
            let options = middleware::Options::public(&config, &metrics, crate::http::listener::Drain::default());
            let request = axum::extract::Request::builder().uri("/").header("x-request-id", "edge-42");
            let request = request.header("host", "127.0.0.1:4444").body(axum::body::Body::empty()).unwrap();
            tower::ServiceExt::oneshot(middleware::layers(router, options), request).await.unwrap()
        };
        for json in [true, false] {
            let writer = page.clone();
            let lines = subscriber(move || writer.clone(), json, false, "warn");
            let _guard = tracing::subscriber::set_default(lines);
            assert_eq!(say().await.status(), 200);
            tracing::warn!("afterwards");
        }
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let said: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
        assert_eq!(said["span"], serde_json::json!({ "id": "edge-42", "name": "request" }));
        assert_eq!((&said["subject"], &said["message"]), (&"x".into(), &"said".into()));
        assert!(!lines[1].contains("span") && lines[1].ends_with('}'), "{text}");
        assert!(lines[2].ends_with("said subject=\"x\" request=edge-42") && !lines[3].contains("request="), "{text}");
    }

    #[test]
    fn text_off_a_terminal_has_no_escapes() {
        let line = logged(false, &directives_for("info"), || tracing::warn!(target: "hydrant", "café \u{1b}[31m"));
        assert!(line.contains("café"));
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }

    #[test]
    fn others_speak_from_warn_on_and_we_as_configured() {
        let say = || {
            tracing::debug!(target: "hydrant::keys", "ours");
            tracing::info!(target: "sqlx::query", "theirs");
            tracing::warn!(target: "sqlx::pool", "their warning");
        };
        let lines = logged(true, &directives_for("debug"), say);
        assert!(lines.contains("ours") && lines.contains("their warning") && !lines.contains("theirs"));
        assert!(!logged(true, &directives_for("info"), say).contains("ours"));
        assert!(!logged(true, &directives_for("fatal"), say).contains("their warning"));
    }

    #[test]
    fn even_at_trace_the_wire_stays_hidden() {
        let lines = logged(true, "trace", || {
            tracing::trace!(target: "hyper::proto::h1", "authorization: Basic c2VjcmV0");
            tracing::debug!(target: "h2::codec", "set-cookie");
            tracing::trace!(target: "hydrant", "ours");
        });
        assert!(lines.contains("ours"));
        assert!(!lines.contains("c2VjcmV0") && !lines.contains("set-cookie"));
    }

    /// A reader that has stopped reading, as a full FIFO.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl io::Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_sink_costs_lines_and_no_time() {
        let (release, stuck) = std::sync::mpsc::channel();
        let (writer, worker) = writer(Stuck(stuck));
        let dropped = writer.error_counter();
        let started = Instant::now();
        tracing::subscriber::with_default(subscriber(writer, true, false, "trace"), || {
            for _ in 0..QUEUE + 100 {
                tracing::info!("a line");
            }
        });
        assert!(started.elapsed() < Duration::from_secs(5), "logging waited for its sink");
        assert!(dropped.dropped_lines() >= 90, "{} lines dropped", dropped.dropped_lines());
        drop(release);
        drop(worker);
    }
}

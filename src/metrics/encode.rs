//! The numbers as Prometheus reads them: its text format 0.0.4, as Hydra gives it.

use std::fmt::Result;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeMetric as _, MetricEncoder, NoLabelSet, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::http::{BYTES, SECONDS, Snapshot};
use super::process::Process;
use super::{Counted, Metrics};

pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// What is not counted but looked at, when somebody asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readings {
    pub process: Process,
    /// Connections to the database that are open, and of those the idle ones.
    pub connections: (u32, u32),
    pub max_connections: u32,
    /// How long the database took to answer; `None` where it did not.
    pub ping_seconds: Option<f64>,
    pub store_failures: u64,
    /// Logout tokens that are still to be delivered; `None` where the database did not say.
    pub pending_logout_tokens: Option<i64>,
    /// Passwords that are computed, and those that wait.
    pub hashes: (u32, u32),
    pub max_hashes: u32,
    /// Requests that a port answers at once at most.
    pub max_in_flight: u32,
}

impl Metrics {
    /// The whole page.
    pub fn page(&self, readings: Readings) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Page { metrics: self.clone(), readings }));
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a string does not fail.
        let _ = prometheus_text::encode(&mut text, &registry);
        text
    }
}

#[derive(Debug)]
struct Page {
    metrics: Metrics,
    readings: Readings,
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result {
        let to = &mut encoder;
        self.requests(to)?;
        self.in_flight(to)?;
        self.work(to)?;
        self.state(to)?;
        self.process(to)
    }
}

impl Page {
    /// Hydra's: `http_requests_total` and what else its dashboards are made of.
    fn requests(&self, to: &mut DescriptorEncoder) -> Result {
        let inner = &self.metrics.0;
        let routes: Vec<_> = [&inner.public, &inner.admin].into_iter().flat_map(super::Http::routes).collect();
        let seen = || routes.iter().flat_map(|route| route.durations.iter().map(move |seen| (&route.label, seen)));

        let help = "Requests by status, method and route";
        let mut family = to.encode_descriptor("http_requests", help, None, MetricType::Counter)?;
        for (label, (method, code, histogram)) in seen() {
            let code = code_label(code);
            let labels = [("code", code.as_str()), ("method", method), ("endpoint", label)];
            let count = histogram.snapshot().count;
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }

        let help = "How long requests took";
        let mut family = to.encode_descriptor("http_requests_duration_seconds", help, None, MetricType::Histogram)?;
        for (label, (method, code, histogram)) in seen() {
            let code = code_label(code);
            let labels = [("code", code.as_str()), ("method", method), ("endpoint", label)];
            histogram_of(&mut family.encode_family(&labels)?, &histogram.snapshot(), &SECONDS, 1e-6)?;
        }

        let help = "Bytes of response bodies";
        let mut family = to.encode_descriptor("http_response_size_bytes", help, None, MetricType::Histogram)?;
        for (method, code, histogram) in inner.sizes.iter() {
            let code = code_label(code);
            let labels = [("code", code.as_str()), ("method", method)];
            histogram_of(&mut family.encode_family(&labels)?, &histogram.snapshot(), &BYTES, 1.0)?;
        }
        Ok(())
    }

    fn in_flight(&self, to: &mut DescriptorEncoder) -> Result {
        let inner = &self.metrics.0;
        let ports = [("public", inner.public.in_flight()), ("admin", inner.admin.in_flight())];
        let help = "Requests that are being answered";
        let mut family = to.encode_descriptor("hydrant_requests_in_flight", help, None, MetricType::Gauge)?;
        for (port, in_flight) in ports {
            family.encode_family(&[("port", port)])?.encode_gauge(&in_flight.now())?;
        }
        let help = "Requests that a port answers at once at most";
        gauge(to, "hydrant_requests_in_flight_max", help, &self.readings.max_in_flight)?;
        let help = "Requests that were told to come back because so many were being answered";
        let mut family = to.encode_descriptor("hydrant_requests_refused", help, None, MetricType::Counter)?;
        for (port, in_flight) in ports {
            let count = in_flight.refused();
            family.encode_family(&[("port", port)])?.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }
        Ok(())
    }

    fn work(&self, to: &mut DescriptorEncoder) -> Result {
        let inner = &self.metrics.0;
        counted(to, "hydrant_tokens_issued", "Token responses by grant type", &inner.tokens)?;
        let help = "Token requests of authenticated clients that were refused";
        let family = to.encode_descriptor("hydrant_token_errors", help, None, MetricType::Counter)?;
        inner.token_errors.encode(family)?;
        counted(to, "hydrant_sign_ins", "Names and passwords at the built-in page", &inner.sign_ins)?;
        let help = "Attempts to deliver logout tokens to clients";
        counted(to, "hydrant_logout_tokens", help, &inner.deliveries)?;
        let swept = inner.swept_rows.load(Ordering::Relaxed);
        counter(to, "hydrant_swept_rows", "Rows that had expired and were taken", swept)?;
        counter(to, "hydrant_panics", "Requests that met a fault in Hydrant", inner.panics.load(Ordering::Relaxed))?;
        counter(to, "hydrant_database_failures", "Statements that the database failed", self.readings.store_failures)
    }

    fn state(&self, to: &mut DescriptorEncoder) -> Result {
        let readings = &self.readings;
        let labelled = |to: &mut DescriptorEncoder, name, help, label: &str, values: [(&str, u32); 2]| -> Result {
            let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
            values.iter().try_for_each(|(word, value)| family.encode_family(&[(label, *word)])?.encode_gauge(value))
        };
        let (open, idle) = readings.connections;
        let states = [("idle", idle), ("in_use", open.saturating_sub(idle))];
        labelled(to, "hydrant_database_connections", "Connections to the database", "state", states)?;
        let help = "Connections to the database at most";
        gauge(to, "hydrant_database_connections_max", help, &readings.max_connections)?;
        let up = u32::from(readings.ping_seconds.is_some());
        gauge(to, "hydrant_database_up", "Whether the database answered just now", &up)?;
        if let Some(seconds) = readings.ping_seconds {
            gauge(to, "hydrant_database_ping_seconds", "How long it took to", &seconds)?;
        }
        if let Some(pending) = readings.pending_logout_tokens {
            gauge(to, "hydrant_logout_tokens_pending", "Logout tokens that are still to be delivered", &pending)?;
        }
        let (running, waiting) = readings.hashes;
        let states = [("running", running), ("waiting", waiting)];
        labelled(to, "hydrant_password_hashes", "Passwords that are computed or wait for it", "state", states)?;
        let help = "Passwords that are computed at once at most";
        gauge(to, "hydrant_password_hashes_max", help, &readings.max_hashes)?;
        let mut family = to.encode_descriptor("hydrant_build_info", "The version", None, MetricType::Gauge)?;
        family.encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?.encode_gauge(&1_u32)
    }

    /// Under the names that every Prometheus client library has for them.
    fn process(&self, to: &mut DescriptorEncoder) -> Result {
        let Process { resident_bytes, cpu_seconds, open_files } = self.readings.process;
        let started = self.metrics.0.started.seconds();
        gauge(to, "process_start_time_seconds", "When the process began, in seconds since 1970", &started)?;
        if let Some(bytes) = resident_bytes {
            gauge(to, "process_resident_memory_bytes", "Memory that the process has", &bytes)?;
        }
        if let Some(files) = open_files {
            gauge(to, "process_open_fds", "Files and sockets that are open", &files)?;
        }
        if let Some(seconds) = cpu_seconds {
            let help = "Processor time";
            let mut metric = to.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, f64, f64>(&seconds, None)?;
        }
        Ok(())
    }
}

fn code_label(code: u16) -> String {
    if code == 0 { "other".to_owned() } else { code.to_string() }
}

/// `unit` is what one of the sum's own is in the unit of the bounds.
fn histogram_of(to: &mut MetricEncoder, seen: &Snapshot, bounds: &[f64], unit: f64) -> Result {
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(seen.buckets.iter().copied()).collect();
    #[expect(clippy::cast_precision_loss, reason = "a sum of 2^53 microseconds or bytes is told to the nearest")]
    let sum = seen.sum as f64 * unit;
    to.encode_histogram::<NoLabelSet>(sum, seen.count, &buckets, None)
}

fn counter(to: &mut DescriptorEncoder, name: &str, help: &str, value: u64) -> Result {
    to.encode_descriptor(name, help, None, MetricType::Counter)?.encode_counter::<NoLabelSet, u64, f64>(&value, None)
}

fn gauge(to: &mut DescriptorEncoder, name: &str, help: &str, value: &impl EncodeGaugeValue) -> Result {
    to.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(value)
}

fn counted<const N: usize>(to: &mut DescriptorEncoder, name: &str, help: &str, counted: &Counted<N>) -> Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    counted.values.iter().try_for_each(|(value, count)| {
        let count = count.load(Ordering::Relaxed);
        let labels = [(counted.label, *value)];
        family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&count, None)
    })
}

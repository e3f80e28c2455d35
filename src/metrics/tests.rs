//! The page as Prometheus reads it.

use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::oauth::ErrorCode;

fn metrics() -> Metrics {
    Metrics::new(Timestamp::from_seconds(1_753_358_400))
}

fn has(page: &str, line: &str) {
    assert!(page.lines().any(|found| found == line), "{line} is not in:\n{page}");
}

/// Hydra's names and labels: its dashboards go on.
#[test]
fn requests_have_hydras_names() {
    let metrics = metrics();
    let millis = Duration::from_millis;
    metrics.public().answered(Some("/oauth2/token"), "POST", 200, millis(3), Some(300));
    metrics.public().answered(Some("/oauth2/token"), "POST", 200, millis(30), Some(300));
    metrics.public().answered(Some("/oauth2/token"), "POST", 401, millis(1), Some(90));
    metrics.public().answered(None, "GET", 404, millis(0), None);
    metrics.public().answered(Some("/login"), "BREW", 418, Duration::from_hours(1), None);
    metrics.admin().answered(Some("/clients/{id}"), "GET", 200, millis(2), Some(2_000_000));
    let page = metrics.page(Readings::default());
    for line in [
        "# TYPE http_requests_total counter",
        r#"http_requests_total{code="200",method="POST",endpoint="/oauth2/token"} 2"#,
        r#"http_requests_total{code="401",method="POST",endpoint="/oauth2/token"} 1"#,
        r#"http_requests_total{code="404",method="GET",endpoint="unknown"} 1"#,
        r#"http_requests_total{code="other",method="OTHER",endpoint="/login"} 1"#,
        r#"http_requests_total{code="200",method="GET",endpoint="/admin/clients/{id}"} 1"#,
        "# TYPE http_requests_duration_seconds histogram",
        r#"http_requests_duration_seconds_bucket{code="200",method="POST",endpoint="/oauth2/token",le="0.0025"} 0"#,
        r#"http_requests_duration_seconds_bucket{code="200",method="POST",endpoint="/oauth2/token",le="0.005"} 1"#,
        r#"http_requests_duration_seconds_bucket{code="200",method="POST",endpoint="/oauth2/token",le="0.05"} 2"#,
        r#"http_requests_duration_seconds_bucket{code="200",method="POST",endpoint="/oauth2/token",le="+Inf"} 2"#,
        r#"http_requests_duration_seconds_count{code="200",method="POST",endpoint="/oauth2/token"} 2"#,
        r#"http_requests_duration_seconds_sum{code="200",method="POST",endpoint="/oauth2/token"} 0.033"#,
        r#"http_requests_duration_seconds_bucket{code="other",method="OTHER",endpoint="/login",le="10"} 0"#,
        r#"http_response_size_bytes_bucket{code="200",method="POST",le="1000"} 2"#,
        r#"http_response_size_bytes_sum{code="200",method="POST"} 600.0"#,
        r#"http_response_size_bytes_bucket{code="200",method="GET",le="1e+06"} 0"#,
    ] {
        has(&page, line);
    }
}

#[test]
fn our_own_names_stay() {
    let metrics = metrics();
    metrics.token_request(Some("refresh_token"), None);
    metrics.token_request(Some("refresh_token"), Some(&ErrorCode::InvalidGrant.because("why")));
    metrics.token_request(Some("a\"secret"), Some(&ErrorCode::UnsupportedGrantType.because("why")));
    metrics.token_request(None, Some(&ErrorCode::InvalidRequest.because("why")));
    metrics.sign_in(SignIn::Wrong);
    metrics.delivery(Delivery::GivenUp);
    metrics.swept(7);
    metrics.panicked();
    let readings = Readings {
        process: Process { resident_bytes: Some(4096), cpu_seconds: Some(1.5), open_files: Some(9) },
        connections: (5, 3),
        max_connections: 8,
        ping_seconds: Some(0.25),
        store_failures: 4,
        pending_logout_tokens: Some(3),
        hashes: (2, 6),
        max_hashes: 2,
        max_in_flight: 5,
    };
    assert!(metrics.public().in_flight().enter(1) && !metrics.public().in_flight().enter(1));
    let page = metrics.page(readings);
    for line in [
        r#"hydrant_tokens_issued_total{grant_type="refresh_token"} 1"#,
        r#"hydrant_tokens_issued_total{grant_type="authorization_code"} 0"#,
        r#"hydrant_token_errors_total{grant_type="refresh_token",error="invalid_grant"} 1"#,
        r#"hydrant_token_errors_total{grant_type="other",error="unsupported_grant_type"} 1"#,
        r#"hydrant_token_errors_total{grant_type="other",error="invalid_request"} 1"#,
        r#"hydrant_sign_ins_total{outcome="wrong"} 1"#,
        r#"hydrant_sign_ins_total{outcome="ok"} 0"#,
        r#"hydrant_logout_tokens_total{outcome="given_up"} 1"#,
        "hydrant_logout_tokens_pending 3",
        "hydrant_swept_rows_total 7",
        "hydrant_panics_total 1",
        "hydrant_database_failures_total 4",
        r#"hydrant_database_connections{state="idle"} 3"#,
        r#"hydrant_database_connections{state="in_use"} 2"#,
        "hydrant_database_connections_max 8",
        "hydrant_database_up 1",
        "hydrant_database_ping_seconds 0.25",
        r#"hydrant_password_hashes{state="running"} 2"#,
        r#"hydrant_password_hashes{state="waiting"} 6"#,
        "hydrant_password_hashes_max 2",
        r#"hydrant_requests_in_flight{port="public"} 1"#,
        r#"hydrant_requests_in_flight{port="admin"} 0"#,
        "hydrant_requests_in_flight_max 5",
        r#"hydrant_requests_refused_total{port="public"} 1"#,
        r#"hydrant_requests_refused_total{port="admin"} 0"#,
        concat!(r#"hydrant_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        "process_start_time_seconds 1753358400",
        "process_resident_memory_bytes 4096",
        "process_open_fds 9",
        "process_cpu_seconds_total 1.5",
    ] {
        has(&page, line);
    }
    assert!(!page.contains("secret"), "what a caller sent is no label:\n{page}");
    let down = metrics.page(Readings::default());
    has(&down, "hydrant_database_up 0");
    assert!(!down.contains("hydrant_database_ping_seconds"), "{down}");
}

/// Nothing is lost between threads, and a route that two of them meet first is one.
#[test]
fn many_threads_count_together() {
    const EACH: u64 = 50_000;
    let metrics = metrics();
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for nth in 0..EACH {
                    let route = ["/oauth2/token", "/oauth2/auth"][usize::from(nth % 3 == 0)];
                    metrics.public().answered(Some(route), "POST", 200, Duration::from_micros(nth), Some(nth));
                }
            });
        }
    });
    let each = began.elapsed().as_nanos() / u128::from(4 * EACH);
    println!("{each} ns an answer");
    // A lock that is fought for, or an allocation or two, would be in the microseconds. The machine may be busy.
    assert!(each < 20_000, "{each} ns an answer");
    let page = metrics.page(Readings::default());
    let count = |route: &str| {
        let begins = format!(r#"http_requests_total{{code="200",method="POST",endpoint="{route}"}} "#);
        let mut counts = page.lines().filter_map(|line| line.strip_prefix(&begins));
        let count: u64 = counts.next().unwrap().parse().unwrap();
        assert_eq!(counts.next(), None, "{route} stands there twice");
        count
    };
    assert_eq!(count("/oauth2/token") + count("/oauth2/auth"), 4 * EACH);
    has(&page, &format!(r#"http_response_size_bytes_count{{code="200",method="POST"}} {}"#, 4 * EACH));
}

//! `/metrics/prometheus` of a server that works (security-cases.md AD-17).

use std::collections::HashMap;

use hydrant::config::{AdminAccess, AdminToken};
use hydrant::secret::sha256;

use crate::support::{Answer, Authorize, Server};

/// Every sample of a page by its name and labels; each comes once.
async fn scrape(server: &Server) -> HashMap<String, f64> {
    let answer = server.get_admin("/metrics/prometheus").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let mut samples = HashMap::new();
    for line in answer.body.lines().filter(|line| !line.starts_with("# ")) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let before = samples.insert(name.to_owned(), value.parse().unwrap());
        assert!(before.is_none(), "{name} comes twice");
    }
    samples
}

fn requests(code: u16, method: &str, endpoint: &str) -> String {
    format!(r#"http_requests_total{{code="{code}",method="{method}",endpoint="{endpoint}"}}"#)
}

#[tokio::test]
#[expect(clippy::float_cmp, reason = "counts are whole numbers, which are exact")]
async fn what_happened_is_counted_by_route_and_not_by_path() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline_access").await;
    server.refresh("web", tokens.refresh()).await.tokens();
    server.client_tokens("svc", &[]).await;
    server.post_as("svc", "/oauth2/token", &[("grant_type", "canary-grant")]).await;
    server.refresh("web", "canary-token").await;
    server.post("/oauth2/token", &[("grant_type", "refresh_token")]).await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    browser.submit_login(&page, "alice", "canary password").await;
    for path in ["/canary-path", "/ui/logo/canary-client", "/canary-path?canary=query"] {
        server.get(path).await;
    }
    for path in ["/admin/clients/web", "/clients/web/", "/admin/clients/canary-client"] {
        server.get_admin(path).await;
    }

    let samples = scrape(&server).await;
    let sample = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("no {name} in {samples:#?}"));
    let tokens = "/oauth2/token";
    for (code, method, endpoint, count) in [
        (200, "POST", tokens, 3.0),
        (400, "POST", tokens, 2.0),
        (401, "POST", tokens, 1.0),
        (404, "GET", "unknown", 2.0),
        (404, "GET", "/ui/logo/{client_id}", 1.0),
        (200, "GET", "/admin/clients/{id}", 2.0),
        (404, "GET", "/admin/clients/{id}", 1.0),
    ] {
        assert_eq!(sample(&requests(code, method, endpoint)), count, "{code} {method} {endpoint}");
    }
    let count = |code: u16| {
        format!(r#"http_requests_duration_seconds_count{{code="{code}",method="POST",endpoint="{tokens}"}}"#)
    };
    assert_eq!((sample(&count(200)), sample(&count(401))), (3.0, 1.0));
    assert!(sample(r#"http_response_size_bytes_sum{code="200",method="POST"}"#) > 300.0);
    for (grant_type, count) in [("authorization_code", 1.0), ("refresh_token", 1.0), ("client_credentials", 1.0)] {
        assert_eq!(sample(&format!(r#"hydrant_tokens_issued_total{{grant_type="{grant_type}"}}"#)), count);
    }
    assert_eq!(sample(r#"hydrant_token_errors_total{grant_type="other",error="unsupported_grant_type"}"#), 1.0);
    assert_eq!(sample(r#"hydrant_token_errors_total{grant_type="refresh_token",error="invalid_grant"}"#), 1.0);
    assert_eq!(sample(r#"hydrant_sign_ins_total{outcome="ok"}"#), 1.0);
    assert_eq!(sample(r#"hydrant_sign_ins_total{outcome="wrong"}"#), 1.0);
    assert_eq!(sample("hydrant_database_up"), 1.0);
    assert!(sample("hydrant_database_ping_seconds") < 5.0);
    assert!(sample("hydrant_database_connections_max") >= 4.0);
    assert!(sample("process_resident_memory_bytes") > 1e6 && sample("process_open_fds") > 3.0);
    assert_eq!(sample("process_start_time_seconds"), {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 have 31 bits")]
        let now = server.clock.now().seconds() as f64;
        now
    });
    assert!(!format!("{samples:?}").contains("canary"), "what a caller wrote is a label: {samples:#?}");
}

/// The numbers are there when they are needed most.
#[tokio::test]
#[expect(clippy::float_cmp, reason = "counts are whole numbers, which are exact")]
async fn without_its_database_the_server_says_so() {
    let server = Server::start().await;
    server.app().store.close().await;
    assert!(server.introspect_as("rs1", "hya_canary").await.status >= 400);
    let samples = scrape(&server).await;
    assert_eq!(samples["hydrant_database_up"], 0.0);
    assert!(!samples.contains_key("hydrant_database_ping_seconds"));
    assert!(samples["hydrant_database_failures_total"] >= 1.0, "{samples:#?}");
}

/// AD-17: the admin port alone, behind its token where it has one; a reader's will do.
#[tokio::test]
async fn ad_17_metrics_are_the_admin_ports() {
    let server = Server::with(|config| {
        let hash = sha256(b"hyt_reader");
        let token = AdminToken { name: "prometheus".to_owned(), hash, access: AdminAccess::ReadOnly };
        config.serve.admin_tokens = vec![token];
    })
    .await;
    for path in ["/metrics/prometheus", "/admin/metrics/prometheus", "/metrics", "/debug", "/debug/pprof"] {
        server.get(path).await.assert_error(404, "not_found");
    }
    for path in ["/metrics/prometheus", "/admin/metrics/prometheus"] {
        server.get_admin(path).await.assert_error(401, "invalid_token");
        let request = server.http.get(format!("{}{path}", server.admin)).bearer_auth("hyt_reader");
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert!(answer.status == 200 && answer.body.contains("hydrant_build_info"), "{}", answer.body);
    }
}

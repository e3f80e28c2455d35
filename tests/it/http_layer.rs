//! The HTTP layer: methods, paths, encodings and what else a request can be wrong with before it is anybody's (RFC 9110).

use std::time::{Duration, Instant};

use hydrant::oauth::client_metadata::{ClientMetadata, Rules};
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection as _, Executor as _};

use crate::support::{Answer, Authorize, Server};

/// Every route of the public port and what it takes, as `router.rs` has them.
const ROUTES: [(&str, &[&str]); 16] = [
    ("/oauth2/auth", &["GET", "HEAD", "POST"]),
    ("/oauth2/token", &["POST"]),
    ("/oauth2/revoke", &["POST"]),
    ("/oauth2/introspect", &["POST"]),
    ("/userinfo", &["GET", "HEAD", "POST"]),
    ("/oauth2/sessions/logout", &["GET", "POST"]),
    ("/.well-known/openid-configuration", &["GET", "HEAD"]),
    ("/.well-known/jwks.json", &["GET", "HEAD"]),
    ("/login", &["GET", "HEAD", "POST"]),
    ("/consent", &["GET", "HEAD", "POST"]),
    ("/logout", &["GET", "HEAD", "POST"]),
    ("/logout/done", &["GET", "HEAD"]),
    ("/ui/hydrant.css", &["GET", "HEAD"]),
    ("/ui/icon.svg", &["GET", "HEAD"]),
    ("/health/alive", &["GET", "HEAD"]),
    ("/health/ready", &["GET", "HEAD"]),
];

/// RFC 9110 section 15.5.6: 405 with `Allow` for each method that a resource does not have.
#[tokio::test]
async fn ht_01_only_documented_methods_are_answered() {
    let server = Server::start().await;
    for (path, allowed) in ROUTES {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "get"] {
            let request = server.http.request(Method::from_bytes(method.as_bytes()).unwrap(), server.url(path));
            let answer = Answer::of(request.header("x-canary", "canary").send().await.unwrap()).await;
            if allowed.contains(&method) {
                assert!(!matches!(answer.status, 405 | 404 | 500), "{method} {path}: {}", answer.status);
                continue;
            }
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.body);
            let allow = answer.header("allow").unwrap_or_else(|| panic!("{method} {path} has no Allow"));
            assert!(allowed.iter().all(|one| allow.contains(one)), "{method} {path}: {allow}");
            assert!(method == "HEAD" || answer.error().1 == "invalid_request", "{method} {path}: {}", answer.body);
            assert!(!answer.body.contains("canary"));
        }
    }
    let connect = server.raw_text("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n").await;
    assert!(matches!(connect.status(), 400 | 405), "{connect:?}");
}

/// CWE-650: no header and no field makes one method another.
#[tokio::test]
async fn ht_02_a_method_is_not_overridden() {
    let server = Server::start().await;
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let request = server.http.get(server.url("/oauth2/token")).header(header, "POST");
        assert_eq!(request.send().await.unwrap().status(), 405, "{header}");
        let request = server.http.post(server.url("/oauth2/token?_method=GET")).header(header, "GET");
        let answer =
            Answer::of(request.form(&[("_method", "DELETE"), ("grant_type", "x")]).send().await.unwrap()).await;
        answer.assert_error(401, "invalid_client");
    }
}

/// RFC 6749 section 4.1.2.1: while the database stalls, the answer is a 503 in time, and what was asked is not half done.
#[tokio::test]
async fn ht_08_a_stalled_database_is_a_503_in_time() {
    let server = Server::with(|config| config.limits.request_timeout = Duration::from_millis(400)).await;
    let tokens = server.tokens_with("openid offline").await;
    let dsn = server.database.dsn();
    let stalled = async |answers: &mut Vec<Answer>| {
        let started = Instant::now();
        answers.push(server.refresh("web", tokens.refresh()).await);
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert_eq!(server.get("/.well-known/jwks.json").await.status, 200, "others are served");
    };
    let mut answers = Vec::new();
    if server.database.is_postgres() {
        let mut other = sqlx::PgConnection::connect(dsn).await.unwrap();
        other.execute("BEGIN; LOCK TABLE grants IN ACCESS EXCLUSIVE MODE").await.unwrap();
        stalled(&mut answers).await;
        other.execute("ROLLBACK").await.unwrap();
    } else {
        let mut other = sqlx::SqliteConnection::connect(dsn).await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        stalled(&mut answers).await;
        other.execute("ROLLBACK").await.unwrap();
    }
    for answer in &answers {
        answer.assert_error(503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
    }
    // The rotation may have gone through after all: within the grace period the same successor comes.
    let again = server.refresh("web", tokens.refresh()).await;
    assert_eq!(again.status, 200, "{}", again.body);
}

/// Values are decoded once and strictly: what two parsers could read differently is refused.
#[tokio::test]
async fn ht_10_percent_encoding_is_strict_and_decoded_once() {
    let server = Server::start().await;
    let post = async |body: String| {
        let request = server.http.post(server.url("/oauth2/token")).basic_auth("svc", Some(crate::support::SECRET));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        Answer::of(request.send().await.unwrap()).await
    };
    for broken in ["%zz", "%", "%4", "%u0041", "%c0%af", "%ff", "%ed%a0%80", "%00", "a%00b"] {
        let body = format!("grant_type=client_credentials&scope={broken}");
        post(body).await.assert_error(400, "invalid_request");
        server.get(&format!("/oauth2/auth?client_id=web&state={broken}")).await.assert_page(400, "invalid_request");
    }
    for twice in ["%2563lient_credentials", "client%255fcredentials", "client%26x%3D_credentials"] {
        post(format!("grant_type={twice}")).await.assert_error(400, "unsupported_grant_type");
    }
    post("grant_type=client%5Fcredentials".to_owned()).await.tokens();
    let plus = post("grant_type=client_credentials&scope=photos.read+photos.read".to_owned()).await.tokens();
    assert_eq!(plus.scope, "photos.read");
    let encoded = post("grant_type=client_credentials&scope=photos.read%2Bphotos.read".to_owned()).await;
    encoded.assert_error(400, "invalid_scope");
}

/// `;`, brackets and dots are data; a request has a hundred parameters at most.
#[tokio::test]
async fn ht_11_only_ampersands_separate() {
    let server = Server::start().await;
    let post = async |body: String| {
        let request = server.http.post(server.url("/oauth2/token")).basic_auth("svc", Some(crate::support::SECRET));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        Answer::of(request.send().await.unwrap()).await
    };
    for (body, expected) in [
        ("grant_type=client_credentials;scope=openid", Err("unsupported_grant_type")),
        ("grant_type[]=client_credentials", Err("invalid_request")),
        ("grant.type=client_credentials", Err("invalid_request")),
        ("{\"grant_type\":\"client_credentials\"}", Err("invalid_request")),
        ("grant_type=client_credentials&scope[]=openid", Ok("")),
        ("grant_type=client_credentials&=x&y&a.b=c&", Ok("")),
        ("&&grant_type=client_credentials&&", Ok("")),
    ] {
        let answer = post(body.to_owned()).await;
        match expected {
            Ok(scope) => assert_eq!(answer.tokens().scope, scope, "{body}"),
            Err(code) => answer.assert_error(400, code),
        }
    }
    for pairs in [100, 10_000] {
        let many = "a=&".repeat(pairs);
        post(format!("grant_type=client_credentials&{many}")).await.assert_error(400, "invalid_request");
    }
    let request = server.http.post(server.url("/oauth2/token")).body("grant_type=client_credentials");
    for wrong in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=utf-16",
    ] {
        let answer = request.try_clone().unwrap().header("content-type", wrong).send().await.unwrap();
        Answer::of(answer).await.assert_error(400, "invalid_request");
    }
}

/// CVE-2026-0976: a path is what it is; nothing is normalised.
#[tokio::test]
async fn ht_13_paths_are_exact() {
    let server = Server::start().await;
    for path in [
        "//oauth2/token",
        "//oauth2//token",
        "/oauth2//token",
        "/oauth2/./token",
        "/oauth2/../oauth2/token",
        "/oauth2/token/",
        "/oauth2/token%2f",
        "/oauth2%2ftoken",
        "/oauth2/token;jsessionid=x",
        "/oauth2\\token",
        "/oauth2/token%00",
        "/OAuth2/token",
        "/oauth2/token.json",
        "/oauth2/auth/x.css",
        "/login/x.css",
        "/ui/../oauth2/token",
        "/ui/logo/../../oauth2/token",
        "/.well-known/openid-configuration/",
        "/admin/clients",
        "/metrics",
        "/",
    ] {
        let raw = format!("POST {path} HTTP/1.1\r\nHost: {{host}}\r\nContent-Length: 0\r\n\r\n");
        let answer = server.raw_text(&raw).await;
        assert!(matches!(answer.status(), 404 | 400), "{path}: {}", answer.text);
        let raw = format!("GET {path} HTTP/1.1\r\nHost: {{host}}\r\n\r\n");
        let answer = server.raw_text(&raw).await;
        assert!(matches!(answer.status(), 404 | 400), "{path}: {}", answer.text);
        assert!(
            !answer.text.contains(" 200 ") && answer.text.contains("application/json") || answer.status() == 400,
            "{path}"
        );
    }
}

/// CWE-79: an error that could hold markup is JSON that nobody sniffs.
#[tokio::test]
async fn ht_25_errors_are_never_sniffed() {
    let server = Server::start().await;
    let markup = "<script>alert(1)</script>";
    let form = [("grant_type", markup), ("client_id", markup)];
    let answer = server.post("/oauth2/token", &form).await;
    assert!(answer.header("content-type").unwrap().starts_with("application/json"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(!answer.body.contains("<script"), "input is not echoed: {}", answer.body);
    for path in ["/oauth2/auth?client_id=%3Cscript%3E", "/login?login_challenge=%3Cscript%3E", "/%3Cscript%3E"] {
        let answer = server.get(path).await;
        assert!(!answer.body.contains("script>"), "{path}: {}", answer.body);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

/// CWE-93: what is stored does not write headers.
#[tokio::test]
async fn ht_26_stored_data_writes_no_header() {
    let server = Server::start().await;
    for name in ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\u{202e}b"] {
        let metadata = json!({ "redirect_uris": ["https://odd.example/cb"], "scope": "openid", "client_name": name });
        let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
        assert!(metadata.validate(&Rules::of(server.config())).is_err(), "{name:?}");
    }
    let metadata =
        json!({ "redirect_uris": ["https://odd.example/cb"], "scope": "openid", "client_name": "\u{e4}, \"b\": c" });
    server.client("odd", metadata).await;
    let mut browser = server.browser();
    let request = Authorize::of("odd", "https://odd.example/cb")
        .set("state", "a\r\nX-Evil: 1")
        .set("login_hint", "a\r\nX-Evil: 1");
    let page = browser.authorize(&request).await;
    assert!(page.status == 200 && page.header("x-evil").is_none());
    let answer = browser.journey(&request, "alice").await;
    let location = answer.location().unwrap();
    assert!(answer.header("x-evil").is_none() && location.contains("state=a%0D%0AX-Evil"), "{location}");
}

/// RFC 9111 section 5.2, web cache deception: nothing that is somebody's is kept, and no header is reflected.
#[tokio::test]
async fn ht_28_ht_29_dynamic_answers_are_not_kept() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline").await;
    let page = server.get("/logout/done").await;
    let request = server.http.get(server.url("/logout/done")).header("range", "bytes=0-3").header("if-none-match", "*");
    let part = Answer::of(request.send().await.unwrap()).await;
    assert_eq!((part.status, part.body), (200, page.body));
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
    let request =
        server.http.post(server.url("/oauth2/token")).basic_auth("web", Some(crate::support::SECRET)).form(&form);
    let answer =
        Answer::of(request.header("if-none-match", "*").header("range", "bytes=0-3").send().await.unwrap()).await;
    answer.tokens();
    for answer in [
        answer,
        server.userinfo(&tokens.access_token).await,
        server.get("/userinfo").await,
        server.get(&format!("/oauth2/auth?{}", Authorize::web().query())).await,
        server.get("/login").await,
        server.get("/oauth2/sessions/logout").await,
        server.get("/nowhere").await,
        server.post("/oauth2/token", &[]).await,
    ] {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{} {}", answer.status, answer.body);
    }
    for header in ["x-forwarded-host", "x-original-url", "x-rewrite-url", "referer", "user-agent", "x-forwarded-prefix"]
    {
        for path in
            ["/.well-known/openid-configuration", "/.well-known/jwks.json", "/logout/done", "/login", "/ui/hydrant.css"]
        {
            let answer =
                Answer::of(server.http.get(server.url(path)).header(header, "canary.example").send().await.unwrap())
                    .await;
            assert!(
                !answer.body.contains("canary") && !format!("{:?}", answer.headers).contains("canary"),
                "{header} {path}"
            );
        }
    }
}

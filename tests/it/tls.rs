//! TLS of the public port, and the proxies that end it in front of us (security-cases.md F-46, LC-05; RFC 9112 section 9.8).

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::process::Setup;
use crate::support::{Answer, Authorize, Database, Server, client_builder, free_port};

const SECRET: &str = "kT4pR7vW2xZ9cN5mQ8sB";

/// A certificate for `localhost`, in files that are replaced as certificate managers do it.
struct Files(tempfile::TempDir);

impl Files {
    /// A client that trusts the new pair and nothing else.
    fn replace(&self) -> reqwest::Client {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.write("tls.crt", &made.cert.pem());
        self.write("tls.key", &made.signing_key.serialize_pem());
        let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
        client_builder().tls_certs_only([root]).pool_max_idle_per_host(0).build().unwrap()
    }

    fn write(&self, name: &str, content: &str) {
        let aside = self.0.path().join("aside");
        std::fs::write(&aside, content).unwrap();
        std::fs::rename(aside, self.0.path().join(name)).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

#[tokio::test]
async fn f_46_the_public_port_speaks_tls_and_takes_a_new_certificate() {
    let files = Files(tempfile::tempdir().unwrap());
    let trusting_first = files.replace();
    let database = Database::empty().await;
    let setup = Setup::production(database.dsn(), SECRET);
    let issuer = format!("https://localhost:{}", setup.public);
    let setup = setup
        .env("URLS_SELF_ISSUER", &issuer)
        .env("DATABASE_AUTO_MIGRATE", "true")
        .env("SERVE_PUBLIC_TLS_ENABLED", "true")
        .env("SERVE_PUBLIC_TLS_CERT_PATH", &files.path("tls.crt"))
        .env("SERVE_PUBLIC_TLS_KEY_PATH", &files.path("tls.key"));
    let mut process = setup.start().await;
    let mut server = Server::at(&issuer, &setup.admin_url(""), &database);
    let body = json!({ "client_id": "web", "redirect_uris": ["https://rp.example/cb"], "scope": "openid",
        "grant_types": ["authorization_code"] });
    assert_eq!(server.admin(Method::POST, "/clients", Some(&body)).await.status, 201);

    server.http = trusting_first.clone();
    let discovery = server.get("/.well-known/openid-configuration").await;
    assert_eq!(discovery.json()["issuer"], issuer.as_str());
    assert_eq!(discovery.json()["token_endpoint"], format!("{issuer}/oauth2/token"));
    assert!(discovery.header("strict-transport-security").is_some());

    // LC-05
    let first_step = server.get(&format!("/oauth2/auth?{}", Authorize::web().query())).await;
    assert_eq!(first_step.status, 302, "{}", first_step.body);
    let cookies: Vec<_> = first_step.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(!cookies.is_empty());
    for cookie in cookies {
        assert!(cookie.starts_with("__Host-"), "{cookie}");
        for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.split("; ").any(|found| found == attribute), "{attribute}: {cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }

    // Plain http is not answered, and hangs nobody.
    let mut plain = TcpStream::connect(("127.0.0.1", setup.public)).await.unwrap();
    plain.write_all(b"GET /health/alive HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(2), plain.read_to_end(&mut bytes)).await;
    assert!(ended.is_ok(), "the connection stays open");
    assert!(!bytes.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(server.get("/health/alive").await.status, 200);

    // F-46: the new pair serves within five seconds, the old one no longer.
    let trusting_second = files.replace();
    let began = Instant::now();
    while trusting_second.get(server.url("/health/alive")).send().await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(5), "the old certificate is still in use: {}", process.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(trusting_first.get(server.url("/health/alive")).send().await.is_err());
    assert!(process.runs());
}

/// A TLS file that can not serve is told before anything is bound.
#[tokio::test]
async fn a_certificate_and_a_key_that_do_not_belong_together_end_the_start() {
    let files = Files(tempfile::tempdir().unwrap());
    files.replace();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    files.write("tls.key", &other.signing_key.serialize_pem());
    let mut process = Setup::production("memory", SECRET)
        .env("SERVE_PUBLIC_TLS_ENABLED", "true")
        .env("SERVE_PUBLIC_TLS_CERT_PATH", &files.path("tls.crt"))
        .env("SERVE_PUBLIC_TLS_KEY_PATH", &files.path("tls.key"))
        .spawn();
    assert_eq!(process.ended(Duration::from_secs(5)).await, 1);
    let log = process.log();
    assert!(log.starts_with("error: public port: ") && log.contains("do not serve together"), "{log}");
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

/// Hydra's `tls.allow_termination_from`: what did not come over https through one of the proxies is 502.
#[tokio::test]
async fn behind_a_proxy_only_https_is_answered() {
    let port = free_port();
    let server = Server::with(|config| {
        config.serve.public.port = port;
        config.serve.public.allow_termination_from = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let ask = async |path: &str, schemes: &[&str]| {
        let mut request = server.http.get(format!("http://127.0.0.1:{port}{path}"));
        for scheme in schemes {
            request = request.header("x-forwarded-proto", *scheme);
        }
        let host = server.issuer.strip_prefix("http://").unwrap().to_owned();
        Answer::of(request.header("host", host).send().await.unwrap()).await
    };
    for schemes in [&[][..], &["http"], &["https", "https"], &["https, http"]] {
        ask("/.well-known/openid-configuration", schemes).await.assert_error(502, "insecure_transport");
    }
    assert_eq!(ask("/.well-known/openid-configuration", &["https"]).await.status, 200);
    // Probes come from inside.
    assert_eq!(ask("/health/alive", &[]).await.status, 200);
    // The header of somebody who is no proxy proves nothing.
    let stranger = Server::with(|config| {
        config.serve.public.allow_termination_from = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await;
    let request = stranger.http.get(stranger.url("/.well-known/jwks.json")).header("x-forwarded-proto", "https");
    Answer::of(request.send().await.unwrap()).await.assert_error(502, "insecure_transport");
}

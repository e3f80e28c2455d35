//! Both ports on unix sockets, as behind a proxy of the same machine (security-cases.md AD-02, HT-19, HT-34).

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::support::process::{Process, Setup};
use crate::support::{Answer, Database, client_builder};

struct Sockets {
    folder: tempfile::TempDir,
    setup: Setup,
}

impl Sockets {
    fn new(database: &Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = |name: &str| format!("unix:{}", folder.path().join(name).display());
        let setup = Setup::dev(database.dsn())
            .env("SERVE_PUBLIC_HOST", &host("public.sock"))
            .env("SERVE_ADMIN_HOST", &host("admin.sock"))
            .env("OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED", "true")
            .env("OIDC_DYNAMIC_CLIENT_REGISTRATION_PER_ADDRESS", "1");
        Self { folder, setup }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.sock"))
    }

    fn http(&self, name: &str) -> reqwest::Client {
        client_builder().unix_socket(self.path(name)).pool_max_idle_per_host(0).build().unwrap()
    }

    async fn start(&self) -> Process {
        let mut process = self.setup.spawn();
        let began = Instant::now();
        while self.setup.run(&["health"]).await.status != 0 {
            assert!(process.runs() && began.elapsed() < Duration::from_secs(30), "{}", process.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process
    }
}

fn mode(path: &Path) -> u32 {
    let found = std::fs::symlink_metadata(path).unwrap();
    assert!(found.file_type().is_socket());
    found.permissions().mode() & 0o777
}

#[tokio::test]
async fn both_ports_are_served_through_files() {
    let sockets = Sockets::new(&Database::empty().await);
    let mut process = sockets.start().await;
    assert_eq!((mode(&sockets.path("public")), mode(&sockets.path("admin"))), (0o755, 0o660));

    let public = sockets.http("public");
    let issuer = sockets.setup.url("");
    let document = public.get(format!("{issuer}/.well-known/openid-configuration")).send().await.unwrap();
    assert_eq!(Answer::of(document).await.json()["issuer"], issuer.as_str());
    // Whoever may open the admin port's file is the administrator, under any name that no page can have.
    let admin = sockets.http("admin");
    for (host, status) in
        [("localhost", 200), ("hydrant", 200), ("hydrant-admin:80", 200), ("rebind.evil.example", 421)]
    {
        let answer = admin.get(format!("http://{host}/admin/clients")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{host}");
    }
    assert_eq!(public.get(format!("{issuer}/admin/clients")).send().await.unwrap().status(), 404);
    assert_eq!(sockets.setup.run(&["health", "--alive"]).await.stdout, "ok\n");

    process.signal("TERM");
    assert_eq!(process.ended(Duration::from_secs(10)).await, 0, "{}", process.log());
    assert!(!sockets.path("public").exists() && !sockets.path("admin").exists(), "the files stayed");
    sockets.setup.run(&["health"]).await.failed(1, "public.sock /health/ready can not be reached");
}

/// A server that was killed leaves its files; the next one takes their place, and nobody takes those of a living one.
#[tokio::test]
async fn a_dead_servers_files_are_replaced_and_a_living_ones_are_not() {
    let sockets = Sockets::new(&Database::empty().await);
    let mut process = sockets.start().await;
    let mut second = sockets.setup.spawn();
    assert_eq!(second.ended(Duration::from_secs(10)).await, 1, "{}", second.log());
    let refusal = format!(
        "error: public port: can not listen on unix:{}: another server listens there",
        sockets.path("public").display()
    );
    assert!(second.log().lines().any(|line| line == refusal), "{}", second.log());
    assert_eq!(sockets.setup.run(&["health"]).await.status, 0, "the first one is not disturbed");

    process.kill();
    assert!(sockets.path("public").exists() && sockets.path("admin").exists());
    let mut process = sockets.start().await;
    process.kill();
    std::fs::remove_file(sockets.path("admin")).unwrap();
    std::fs::write(sockets.path("admin"), "precious").unwrap();
    let mut third = sockets.setup.spawn();
    assert_eq!(third.ended(Duration::from_secs(10)).await, 1, "{}", third.log());
    assert!(third.log().contains("there is something else at that path, and it is left alone"), "{}", third.log());
    assert_eq!(std::fs::read_to_string(sockets.path("admin")).unwrap(), "precious");
    assert!(!sockets.path("public").exists(), "the port that was bound already leaves nothing behind");
}

/// The peer is the proxy: whom it names in `X-Forwarded-For`, last, is whom the limits count.
#[tokio::test]
async fn behind_a_socket_limits_count_whom_the_proxy_names() {
    let sockets = Sockets::new(&Database::empty().await);
    let process = sockets.start().await;
    let (http, url) = (sockets.http("public"), sockets.setup.url("/oauth2/register"));
    let register = async |forwarded: &[&str]| {
        let request = http.post(&url).json(&json!({ "redirect_uris": ["https://rp.example/cb"] }));
        let request = forwarded.iter().fold(request, |request, line| request.header("x-forwarded-for", *line));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(register(&["198.51.100.1"]).await, 201);
    assert_eq!(register(&["198.51.100.1"]).await, 429);
    // What a caller writes itself stands before what the proxy adds.
    assert_eq!(register(&["203.0.113.9, 198.51.100.1"]).await, 429);
    assert_eq!(register(&["203.0.113.9", "198.51.100.1"]).await, 429);
    assert_eq!(register(&["198.51.100.2"]).await, 201);
    let warning = "sends no X-Forwarded-For";
    assert!(!process.log().contains(warning), "{}", process.log());
    assert_eq!([register(&[]).await, register(&[]).await], [201, 429]);
    assert_eq!(process.logged(warning).await.matches(warning).count(), 1, "{}", process.log());
}

/// HT-34: no PROXY protocol; HT-19: no HTTP/2 without TLS. The socket speaks what the plain port speaks.
#[tokio::test]
async fn ht_34_a_socket_speaks_http_1_alone() {
    let sockets = Sockets::new(&Database::empty().await);
    let _process = sockets.start().await;
    for opening in [
        &b"PROXY TCP4 198.51.100.1 203.0.113.1 4711 443\r\nGET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ] {
        let mut stream = UnixStream::connect(sockets.path("admin")).await.unwrap();
        stream.write_all(opening).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut answer)).await;
        read.expect("the connection was kept").unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer:?}");
    }
}

//! Calls to real sockets on this machine: what the guard stops must never arrive there.

use std::io::{Read as _, Write as _};
use std::path::Path;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

mod hook;
mod ssrf;

const LIMIT: usize = 1000;

fn config() -> Clients {
    Clients {
        disallow_private_ip_ranges: true,
        private_ip_exception_urls: Vec::new(),
        allowed_networks: Vec::new(),
        extra_root_certificates: Vec::new(),
    }
}

fn loopback_allowed() -> Clients {
    Clients { allowed_networks: vec!["127.0.0.0/8".parse().unwrap()], ..config() }
}

fn fetch(config: &Clients) -> Fetch {
    Fetch::new(config).unwrap()
}

async fn get(fetch: &Fetch, url: &str) -> Result<Fetched, FetchError> {
    fetch.get(&Url::parse(url).unwrap(), LIMIT, "application/json").await
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn is_untouched(listener: &TcpListener) -> bool {
    tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err()
}

/// Reads a request up to the end of its head, and of a form that is short.
async fn request(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "the request ended early");
    }
    (stream, String::from_utf8(seen).unwrap())
}

/// Answers one request and hands it back.
async fn answer(listener: TcpListener, response: &'static str) -> String {
    let (mut stream, seen) = request(&listener).await;
    stream.write_all(response.as_bytes()).await.unwrap();
    seen
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn this_machine_is_out_of_bounds_by_default() {
    let (listener, port) = listen().await;
    let fetch = fetch(&config());
    for scheme in ["http", "https"] {
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[0:0:0:0:0:ffff:7f00:1]",
            "①②⑦.⓪.⓪.①",
            "localhost",
            "0.0.0.0",
            "169.254.169.254",
        ] {
            let result = get(&fetch, &format!("{scheme}://{host}:{port}/")).await;
            assert!(matches!(result, Err(FetchError::Refused(_))), "{scheme} {host}: {result:?}");
        }
        // Whether this name exists is for the machine's resolver to say.
        assert!(get(&fetch, &format!("{scheme}://localhost.:{port}/")).await.is_err());
    }
    assert!(is_untouched(&listener).await);
}

#[tokio::test]
async fn an_allowed_network_may_be_called_even_without_tls() {
    for host in ["127.0.0.1", "localhost"] {
        let (listener, port) = listen().await;
        let server = tokio::spawn(answer(listener, OK));
        let fetched = get(&fetch(&loopback_allowed()), &format!("http://{host}:{port}/jwks?a=b")).await.unwrap();
        assert_eq!((fetched.status, &*fetched.body), (200, &b"{}"[..]));
        assert_eq!(fetched.content_type.as_deref(), Some("application/json"));

        let seen = server.await.unwrap();
        assert!(seen.starts_with("GET /jwks?a=b HTTP/1.1\r\n"), "{seen}");
        let mut headers: Vec<&str> = seen.lines().skip(1).filter(|line| !line.is_empty()).collect();
        headers.sort_unstable();
        let due = format!("host: {host}:{port}");
        assert_eq!(headers, ["accept: application/json", &due, "user-agent: hydrant"]);
    }
    // Allowing one network allows no other.
    for url in ["http://10.0.0.1/", "https://[::1]/", "http://[::ffff:127.0.0.1]/"] {
        assert!(matches!(get(&fetch(&loopback_allowed()), url).await, Err(FetchError::Refused(_))), "{url}");
    }
}

#[tokio::test]
async fn private_networks_can_be_allowed_but_never_metadata() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(answer(listener, OK));
    let fetch = fetch(&Clients { disallow_private_ip_ranges: false, ..config() });
    assert_eq!(get(&fetch, &format!("http://127.0.0.1:{port}/")).await.unwrap().status, 200);
    server.await.unwrap();
    for url in
        ["http://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/", "http://0.0.0.0/", "http://8.8.8.8/"]
    {
        assert!(matches!(get(&fetch, url).await, Err(FetchError::Refused(_))), "{url}");
    }
}

#[tokio::test]
async fn an_exception_is_for_one_url_and_shares_no_connection() {
    let (listener, port) = listen().await;
    let exception = format!("http://localhost:{port}/hook");
    let fetch = fetch(&Clients { private_ip_exception_urls: vec![exception.parse().unwrap()], ..config() });
    let server = tokio::spawn(async move {
        let (mut stream, _) = request(&listener).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        // Kept open, ready to be misused.
        (listener, stream)
    });
    assert_eq!(get(&fetch, &format!("{exception}?a=1")).await.unwrap().status, 200);
    let (listener, mut stream) = server.await.unwrap();
    for other in ["/", "/hook/", "/Hook", "/hook2"] {
        let result = get(&fetch, &format!("http://localhost:{port}{other}")).await;
        assert!(matches!(result, Err(FetchError::Refused(_))), "{other}: {result:?}");
    }
    assert!(is_untouched(&listener).await);
    let mut more = [0];
    let read = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut more)).await;
    assert!(!matches!(read, Ok(Ok(1))), "a refused call went over the exception's connection");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (target, target_port) = listen().await;
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = request(&listener).await;
        let response =
            format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{target_port}/\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(response.as_bytes()).await.unwrap();
    });
    let fetched = get(&fetch(&loopback_allowed()), &format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!(fetched.status, 302);
    server.await.unwrap();
    assert!(is_untouched(&target).await);
}

#[tokio::test]
async fn a_body_is_cut_off_at_the_limit() {
    for (head, is_endless) in [
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n", false),
    ] {
        let (listener, port) = listen().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = request(&listener).await;
            stream.write_all(head.as_bytes()).await.unwrap();
            // Until the other side hangs up.
            while is_endless && stream.write_all(b"10\r\n0123456789abcdef\r\n").await.is_ok() {}
        });
        let result = get(&fetch(&loopback_allowed()), &format!("http://127.0.0.1:{port}/")).await;
        if head.contains("9999999999") {
            assert!(result.is_err(), "{head}");
        } else {
            assert!(matches!(result, Err(FetchError::TooLarge)), "{head}: {result:?}");
        }
        server.await.unwrap();
    }

    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = request(&listener).await;
        let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {LIMIT}\r\n\r\n{}", "x".repeat(LIMIT));
        stream.write_all(response.as_bytes()).await.unwrap();
    });
    let fetched = get(&fetch(&loopback_allowed()), &format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!(fetched.body.len(), LIMIT);
    server.await.unwrap();
}

#[tokio::test]
async fn a_slow_answer_is_not_waited_for() {
    let mut fetch = fetch(&loopback_allowed());
    assert_eq!(fetch.total, Duration::from_secs(5));
    fetch.total = Duration::from_millis(300);
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n"] {
        let (listener, port) = listen().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = request(&listener).await;
            stream.write_all(head.as_bytes()).await.unwrap();
            while !head.is_empty() && stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            stream
        });
        let result = get(&fetch, &format!("http://127.0.0.1:{port}/")).await;
        assert!(matches!(result, Err(FetchError::TimedOut)), "{head}: {result:?}");
        server.abort();
    }
}

#[tokio::test]
async fn a_form_is_posted() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, mut seen) = request(&listener).await;
        while !seen.ends_with("y=%C3%A9%26") {
            let mut more = [0; 100];
            let length = stream.read(&mut more).await.unwrap();
            assert_ne!(length, 0, "the form ended early: {seen}");
            seen.push_str(std::str::from_utf8(&more[..length]).unwrap());
        }
        stream.write_all(OK.as_bytes()).await.unwrap();
        seen
    });
    let url = Url::parse(&format!("http://127.0.0.1:{port}/logout")).unwrap();
    let form = [("x", "a b"), ("y", "é&")];
    let fetched = fetch(&loopback_allowed()).notify(&url, &form, TOTAL).await.unwrap();
    assert_eq!(fetched, 200);
    let seen = server.await.unwrap();
    assert!(seen.starts_with("POST /logout HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("content-type: application/x-www-form-urlencoded\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\nx=a+b&y=%C3%A9%26"), "{seen}");
}

#[tokio::test]
async fn other_schemes_ports_and_credentials_are_refused() {
    let fetch = fetch(&config());
    for url in [
        "ftp://rp.example/",
        "file:///etc/passwd",
        "gopher://rp.example/",
        "unix:/run/docker.sock",
        "data:application/json,{}",
        "https://rp.example:22/",
        "https://rp.example:80/",
        "https://rp.example:6379/",
        "https://user@rp.example/",
        "https://user:password@rp.example/",
        "https://:password@rp.example/",
        "http://8.8.8.8/",
    ] {
        assert!(matches!(get(&fetch, url).await, Err(FetchError::Refused(_))), "{url}");
    }
    // The host of these is 127.0.0.1, or not, just as a browser sees it.
    assert!(matches!(get(&fetch, "https://127.0.0.1\\@rp.example/").await, Err(FetchError::Refused(_))));
    assert_eq!(Url::parse("https://rp.example#@127.0.0.1/").unwrap().host_str(), Some("rp.example"));
}

/// A TLS server for `localhost` that says `OK` to everybody, and its certificate as PEM.
fn tls_server() -> (u16, String) {
    let identity = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut socket = stream.unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut socket);
            // A client that does not trust us hangs up here.
            if tls.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {
                tls.write_all(OK.as_bytes()).unwrap();
            }
        }
    });
    (port, identity.cert.pem())
}

#[tokio::test]
async fn certificates_are_checked_against_the_web_and_the_operators_own() {
    let (port, pem) = tls_server();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.pem");
    std::fs::write(&path, pem).unwrap();
    let networks = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    let stranger = Clients { allowed_networks: networks, ..config() };
    let trusting = Clients { extra_root_certificates: vec![path.clone()], ..stranger.clone() };
    let guarded = Clients { extra_root_certificates: vec![path], ..config() };
    let url = format!("https://localhost:{port}/");

    assert_eq!(get(&fetch(&trusting), &url).await.unwrap().status, 200);
    assert!(matches!(get(&fetch(&stranger), &url).await, Err(FetchError::Unreachable(_))));
    assert!(matches!(get(&fetch(&guarded), &url).await, Err(FetchError::Refused(_))));
    // The right certificate for another name.
    let url = format!("https://127.0.0.1:{port}/");
    assert!(matches!(get(&fetch(&trusting), &url).await, Err(FetchError::Unreachable(_))));
}

#[test]
fn a_root_certificate_that_is_none_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let start = |path: &Path| Fetch::new(&Clients { extra_root_certificates: vec![path.to_owned()], ..config() });
    assert!(matches!(start(&directory.path().join("missing.pem")), Err(SetupError::Certificate { .. })));
    assert!(matches!(start(&write("empty.pem", "")), Err(SetupError::NoCertificate { .. })));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(start(&write("broken.pem", broken)), Err(SetupError::NoCertificate { .. })));
}

//! The same over TLS: certificates, ALPN, HTTP/2.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::*;
use crate::config::{Pem, Tls};

/// A client that trusts this certificate and no other.
fn client(trusted: &str, alpn: &[&str]) -> rustls::ClientConnection {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

/// The protocol that client and server agreed on.
async fn handshake(address: SocketAddr, trusted: &str, alpn: &[&str]) -> Result<Option<Vec<u8>>, String> {
    let mut client = client(trusted, alpn);
    tokio::task::spawn_blocking(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        while client.is_handshaking() {
            client.complete_io(&mut socket).map_err(|why| why.to_string())?;
        }
        Ok(client.alpn_protocol().map(<[u8]>::to_vec))
    })
    .await
    .unwrap()
}

fn tls_listener(folder: &std::path::Path) -> config::Listener {
    let file = |name: &str| Pem::File(folder.join(name));
    config::Listener {
        tls: Some(Tls { cert: file("cert.pem"), key: file("key.pem") }),
        ..samples::listener([127, 0, 0, 1])
    }
}

/// Writes a new pair over the old one; the certificate.
fn write_pair(folder: &std::path::Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}

#[tokio::test]
async fn a_new_certificate_serves_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = write_pair(folder.path());
    let port = OpenPort::with(&tls_listener(folder.path()), &patient()).await;
    assert_eq!(handshake(port.address, &first, &["h2", "http/1.1"]).await.unwrap(), Some(b"h2".to_vec()));
    assert_eq!(handshake(port.address, &first, &["http/1.1"]).await.unwrap(), Some(b"http/1.1".to_vec()));
    let second = write_pair(folder.path());
    assert!(handshake(port.address, &second, &[]).await.is_err());
    let deadline = Instant::now() + Duration::from_secs(5);
    while handshake(port.address, &second, &[]).await.is_err() {
        assert!(Instant::now() < deadline, "the new certificate does not serve");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(handshake(port.address, &first, &[]).await.is_err(), "the old certificate still serves");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path());
    let limits = Limits { idle_timeout: LONG, ..samples::limits() };
    let port = OpenPort::with(&tls_listener(folder.path()), &limits).await;
    let (_, took) = port.send(b"\x16\x03\x01").await;
    assert!((200..2000).contains(&took.as_millis()), "{took:?}");
}

/// RFC 9113 section 6.7: pings are frames of the connection, so they say nothing about its use.
#[tokio::test]
async fn pings_do_not_keep_an_idle_http_2_connection() {
    use std::io::{Read as _, Write as _};

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    /// GET of `https://a/` on stream 1, by the static table (RFC 7541 appendix A).
    const REQUEST: &[u8] = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x87\x84\x41\x01a";
    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\x0012345678";

    let folder = tempfile::tempdir().unwrap();
    let trusted = write_pair(folder.path());
    let port = OpenPort::with(&tls_listener(folder.path()), &samples::limits()).await;
    let (address, mut client) = (port.address, client(&trusted, &["h2"]));
    let (seen, took) = tokio::task::spawn_blocking(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut stream = rustls::Stream::new(&mut client, &mut socket);
        stream.write_all(&[PREFACE, SETTINGS, REQUEST].concat()).unwrap();
        let started = Instant::now();
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        while started.elapsed() < Duration::from_secs(5) {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => seen.extend_from_slice(&buffer[..read]),
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
            if stream.write_all(PING).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        (seen, started.elapsed())
    })
    .await
    .unwrap();
    assert!(seen.windows(5).any(|window| window == b"hello"), "the request was not answered");
    assert!((500..2500).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn a_port_without_its_certificate_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let why = bind("admin", &tls_listener(folder.path()), &patient()).await.err().unwrap().to_string();
    assert!(why.starts_with("admin port: can not read") && why.contains("cert.pem"), "{why}");
}

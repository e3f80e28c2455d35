//! The certificate of a port: loaded at the start, loaded again when its files change.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum_server::tls_rustls::RustlsConfig;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore, ServerConfig};

use crate::config::{Pem, Tls};

/// How often the files are looked at: a new certificate serves within 5 seconds of its arrival.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why a certificate and key can not serve.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("can not read {0}: {1}")]
    Unreadable(String, std::io::Error),
    #[error("{0} holds no certificate in PEM")]
    NoCertificate(String),
    #[error("{0} holds no private key in PEM")]
    NoKey(String),
    #[error("the certificate has expired, or is not valid yet")]
    NotNow,
    #[error("the certificate and the key do not serve together: {0}")]
    Refused(#[from] rustls::Error),
}

/// A pair that serves, and where it came from.
pub struct Certificate {
    source: Tls,
    config: RustlsConfig,
    /// What the files looked like when the serving pair was read.
    seen: Seen,
}

impl Certificate {
    pub async fn load(source: Tls) -> Result<Self, TlsError> {
        let seen = Seen::of(&source).await;
        let config = RustlsConfig::from_config(Arc::new(server_config(&source).await?));
        Ok(Self { source, config, seen })
    }

    /// What new handshakes use; a clone follows every reload.
    pub fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Reloads the pair when a file changed, for ever. Open connections keep the certificate they began with.
    pub async fn keep_fresh(mut self) -> Infallible {
        let mut last_failure = String::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.reload_if_changed().await {
                Ok(false) => {}
                Ok(true) => {
                    last_failure.clear();
                    tracing::info!("a new certificate is in use");
                }
                // A pair is written file by file: the first look may find a half of it. So it is tried until it is
                // good, and told once.
                Err(why) => {
                    let why = why.to_string();
                    if why != last_failure {
                        tracing::warn!(error = why, "the changed certificate can not serve; the old one stays");
                        last_failure = why;
                    }
                }
            }
        }
    }

    /// Whether there was something new. On an error the old pair stays, and the next look tries again.
    async fn reload_if_changed(&mut self) -> Result<bool, TlsError> {
        let seen = Seen::of(&self.source).await;
        if seen == self.seen {
            return Ok(false);
        }
        self.config.reload_from_config(Arc::new(server_config(&self.source).await?));
        self.seen = seen;
        Ok(true)
    }
}

/// Modification time and length of both files. A renamed-in file has its own time, so nothing needs to watch folders.
#[derive(PartialEq)]
struct Seen([Option<(SystemTime, u64)>; 2]);

impl Seen {
    async fn of(source: &Tls) -> Self {
        Self([look(&source.cert).await, look(&source.key).await])
    }
}

async fn look(pem: &Pem) -> Option<(SystemTime, u64)> {
    let Pem::File(path) = pem else { return None };
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

async fn server_config(source: &Tls) -> Result<ServerConfig, TlsError> {
    let (chain_name, chain) = read(&source.cert, "serve.tls.cert").await?;
    let (key_name, key) = read(&source.key, "serve.tls.key").await?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, _>>()
        .ok()
        .filter(|chain: &Vec<CertificateDer<'static>>| !chain.is_empty())
        .ok_or(TlsError::NoCertificate(chain_name))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| TlsError::NoKey(key_name))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    valid_now(&chain[0], &provider, UnixTime::now())?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn read(pem: &Pem, inline_name: &str) -> Result<(String, Vec<u8>), TlsError> {
    match pem {
        Pem::File(path) => read_file(path).await,
        Pem::Inline(text) => Ok((inline_name.to_owned(), text.expose().as_bytes().to_vec())),
    }
}

async fn read_file(path: &Path) -> Result<(String, Vec<u8>), TlsError> {
    let name = path.display().to_string();
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok((name, bytes)),
        Err(why) => Err(TlsError::Unreadable(name, why)),
    }
}

/// Asks webpki, without any trust anchor, for its opinion on the dates; that nobody vouches for the certificate is no
/// matter here.
fn valid_now(leaf: &CertificateDer<'_>, provider: &CryptoProvider, now: UnixTime) -> Result<(), TlsError> {
    let leaf = ParsedCertificate::try_from(leaf)?;
    let algorithms = provider.signature_verification_algorithms.all;
    match verify_server_cert_signed_by_trust_anchor(&leaf, &RootCertStore::empty(), &[], now, algorithms) {
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => Err(TlsError::NotNow),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::secret::Secret;

    struct Pair {
        cert: String,
        key: String,
    }

    fn pair(name: &str) -> Pair {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Pair { cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    fn expired() -> Pair {
        let mut params = CertificateParams::new(["old.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        let key = KeyPair::generate().unwrap();
        Pair { cert: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    struct Files {
        folder: tempfile::TempDir,
        tls: Tls,
    }

    impl Files {
        fn new(pair: &Pair) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
            let files = Self { tls: Tls { cert: Pem::File(cert), key: Pem::File(key) }, folder };
            files.replace("cert.pem", &pair.cert);
            files.replace("key.pem", &pair.key);
            files
        }

        /// As certificate managers do it: written aside, renamed over.
        fn replace(&self, name: &str, content: &str) {
            let aside: PathBuf = self.folder.path().join("aside");
            std::fs::write(&aside, content).unwrap();
            std::fs::rename(aside, self.folder.path().join(name)).unwrap();
        }
    }

    #[tokio::test]
    async fn a_new_pair_is_taken_and_a_bad_one_is_not() {
        let files = Files::new(&pair("one.example"));
        let mut certificate = Certificate::load(files.tls.clone()).await.unwrap();
        let first = certificate.config().get_inner();
        assert!(!certificate.reload_if_changed().await.unwrap());

        let (second, third) = (pair("second.example"), pair("the-third.example"));
        files.replace("cert.pem", &second.cert);
        assert!(
            matches!(certificate.reload_if_changed().await, Err(TlsError::Refused(_))),
            "a pair that does not match"
        );
        files.replace("cert.pem", "");
        assert!(matches!(certificate.reload_if_changed().await, Err(TlsError::NoCertificate(_))));
        let old = expired();
        files.replace("cert.pem", &old.cert);
        files.replace("key.pem", &old.key);
        assert!(matches!(certificate.reload_if_changed().await, Err(TlsError::NotNow)));
        std::fs::remove_file(files.folder.path().join("key.pem")).unwrap();
        assert!(matches!(certificate.reload_if_changed().await, Err(TlsError::Unreadable(..))));
        assert!(Arc::ptr_eq(&first, &certificate.config().get_inner()), "the old pair still serves");

        files.replace("cert.pem", &third.cert);
        files.replace("key.pem", &third.key);
        assert!(certificate.reload_if_changed().await.unwrap());
        assert!(!Arc::ptr_eq(&first, &certificate.config().get_inner()));
        assert!(!certificate.reload_if_changed().await.unwrap());
    }

    #[tokio::test]
    async fn a_pair_may_stand_in_the_configuration() {
        let pair = pair("inline.example");
        let inline = |text: &str| Pem::Inline(Secret::new(text));
        let tls = Tls { cert: inline(&pair.cert), key: inline(&pair.key) };
        let certificate = Certificate::load(tls).await.unwrap();
        assert_eq!(certificate.config().get_inner().alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        let swapped = Tls { cert: inline(&pair.key), key: inline(&pair.cert) };
        assert!(matches!(Certificate::load(swapped).await, Err(TlsError::NoCertificate(_))));
    }
}

//! The only outgoing HTTP. Others choose the URLs (`jwks_uri`, `sector_identifier_uri`, `backchannel_logout_uri` …), so
//! each call is guarded against being sent into the operator's own network (SSRF, RFC 9700 section 4.17 and
//! OpenID Connect Registration section 9).
//!
//! What counts is the address that is connected to, not the URL: names are looked up here and only fit addresses are
//! passed on, so that a second look-up cannot give another answer. The operator's own hooks are apart (`fetch/hook.rs`).

mod address;
mod documents;
mod hook;
mod remembered;

use std::error::Error as _;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, Response, redirect, retry};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use url::{Host, Url};

use self::address::{Reach, reach};
use self::documents::Documents;
pub use self::hook::Answered;
use self::hook::Hooks;
use crate::config::Clients;

const CONNECT: Duration = Duration::from_secs(3);
/// From the look-up of the name to the last byte of the body.
const TOTAL: Duration = Duration::from_secs(5);
/// Calls at once. Each may hold a blocking thread for its look-up, and those are shared with password hashes.
const AT_ONCE: usize = 64;

const SKIPPING: Duration = Duration::from_millis(100);
/// Of the answer to a notice as many bytes are read.
const LONGEST_NOTICE: usize = 4096;

/// Above 1024 most ports are fair; these speak protocols that an HTTP request has been mistaken for, or guard more than
/// the web. Below, only the two of HTTP are.
const UNFIT_PORTS: [u16; 22] = [
    1433, 1521, 2049, 2375, 2376, 2379, 3306, 3389, 4369, 5060, 5061, 5432, 5672, 6000, 6379, 6443, 6667, 9042, 9092,
    9200, 11211, 27017,
];

/// Where it went wrong, for the log. Whoever chose the URL must be told the same in every case, or he could map the
/// network with our help.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the call is not allowed: {0}")]
    Refused(&'static str),
    #[error("no answer could be had")]
    Unreachable(#[source] reqwest::Error),
    #[error("the answer is too large")]
    TooLarge,
    #[error("the answer did not come in time")]
    TimedOut,
}

/// Why the client could not be made, at start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("clients.http.extra_root_certificates: {path}: {source}")]
    Certificate { path: PathBuf, source: pem::Error },
    #[error("clients.http.extra_root_certificates: {path} has no certificate that can be a root")]
    NoCertificate { path: PathBuf },
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// An answer, whatever its status: a redirect comes back as one, and is not followed.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Bytes,
}

/// Calls out. Clones share their connections, and what is remembered.
#[derive(Clone)]
pub struct Fetch {
    guard: Arc<Guard>,
    exceptions: Arc<[Url]>,
    // One client for each kind of guard, because a client reuses connections by host and port alone: one that an
    // exception opened must not carry other calls.
    secure: Client,
    plain: Client,
    exempt: Client,
    places: Arc<Semaphore>,
    total: Duration,
    documents: Arc<Documents>,
    hooks: Arc<Hooks>,
}

struct Guard {
    private_allowed: bool,
    networks: Vec<IpNet>,
}

#[derive(Clone, Copy)]
enum Scheme {
    Https,
    /// Within the operator's own networks only.
    Http,
}

impl Guard {
    fn may_reach_private(&self) -> bool {
        self.private_allowed || !self.networks.is_empty()
    }

    fn admits(&self, address: IpAddr, scheme: Scheme) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
            || match reach(address) {
                Reach::Public => matches!(scheme, Scheme::Https),
                Reach::Private => self.private_allowed,
                Reach::Special => false,
            }
    }
}

impl Fetch {
    pub fn new(config: &Clients) -> Result<Self, SetupError> {
        let system: Lookup = Arc::new(|name| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((name, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            })
        });
        Self::with_lookup(config, &system)
    }

    fn with_lookup(config: &Clients, lookup: &Lookup) -> Result<Self, SetupError> {
        let guard = Arc::new(Guard {
            private_allowed: !config.disallow_private_ip_ranges,
            networks: config.allowed_networks.clone(),
        });
        let tls = tls(config)?;
        let guarded = |scheme| {
            let resolver = Resolver { guard: Arc::clone(&guard), scheme, lookup: Arc::clone(lookup) };
            client(&tls).dns_resolver(resolver).build()
        };
        Ok(Self {
            secure: guarded(Scheme::Https)?,
            plain: guarded(Scheme::Http)?,
            exempt: client(&tls).build()?,
            guard,
            exceptions: config.private_ip_exception_urls.clone().into(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            total: TOTAL,
            documents: Arc::new(Documents::new()),
            hooks: Arc::new(Hooks::new(&tls)?),
        })
    }

    /// `accept` is the media type that is hoped for. The body may have `limit` bytes; a longer one is cut short as an
    /// error, however it announces itself.
    pub async fn get(&self, url: &Url, limit: usize, accept: &str) -> Result<Fetched, FetchError> {
        let request = self.client(url)?.get(url.clone()).header(ACCEPT, accept);
        self.send(request, limit).await
    }

    /// Tells somebody something by a form (`application/x-www-form-urlencoded`), within the time given. Only the status
    /// counts: as much of the body is read as lets the connection be used again.
    pub async fn notify(&self, url: &Url, form: &[(&str, &str)], within: Duration) -> Result<u16, FetchError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .client(url)?
            .post(url.clone())
            .header(ACCEPT, "*/*")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        let call = async {
            let _place = self.places.acquire().await;
            let response = request.send().await.map_err(failure)?;
            let status = response.status().as_u16();
            skip(response, LONGEST_NOTICE).await;
            Ok(status)
        };
        tokio::time::timeout(within, call).await.map_err(|_| FetchError::TimedOut)?
    }

    /// Whether the URL is one that could ever be called. Says nothing of what a name leads to: that may change, and is judged
    /// at every call.
    pub fn may_call(&self, url: &str) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        // Without TLS only a network of the operator's own is called, and so are names that only it can know.
        let is_inside = match url.host() {
            Some(Host::Domain(name)) => {
                (url.scheme() == "http" || is_internal_name(name)) && !self.guard.may_reach_private()
            }
            _ => false,
        };
        let is_exempt = self.exceptions.iter().any(|exception| is_same(exception, &url));
        self.client(&url).is_ok() && (is_exempt || !is_inside)
    }

    /// The client whose guard fits the URL. A name is judged later, when it is looked up; an address in the URL never is
    /// looked up, so it is judged here.
    fn client(&self, url: &Url) -> Result<&Client, FetchError> {
        let (client, scheme) = match url.scheme() {
            "https" => (&self.secure, Scheme::Https),
            "http" => (&self.plain, Scheme::Http),
            _ => return Err(FetchError::Refused("the scheme is not https")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Refused("the URL has credentials in it"));
        }
        if self.exceptions.iter().any(|exception| is_same(exception, url)) {
            return Ok(&self.exempt);
        }
        if !is_fit_port(url.port_or_known_default(), scheme) {
            return Err(FetchError::Refused("the port is not one of web servers"));
        }
        let address: IpAddr = match url.host() {
            Some(Host::Domain(_)) => return Ok(client),
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            None => return Err(FetchError::Refused("the URL has no host")),
        };
        if self.guard.admits(address, scheme) { Ok(client) } else { Err(FetchError::Refused(Unfit::REASON)) }
    }

    async fn send(&self, request: RequestBuilder, limit: usize) -> Result<Fetched, FetchError> {
        let call = async {
            let _place = self.places.acquire().await;
            let mut response = request.send().await.map_err(failure)?;
            let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
            let content_type = header(CONTENT_TYPE).map(str::to_owned);
            if header(CONTENT_LENGTH).and_then(|length| length.parse().ok()).is_some_and(|length: usize| length > limit)
            {
                return Err(FetchError::TooLarge);
            }
            let status = response.status().as_u16();
            let mut body = BytesMut::new();
            while let Some(chunk) = response.chunk().await.map_err(failure)? {
                if body.len() + chunk.len() > limit {
                    return Err(FetchError::TooLarge);
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Fetched { status, content_type, body: body.freeze() })
        };
        tokio::time::timeout(self.total, call).await.map_err(|_| FetchError::TimedOut)?
    }
}

/// What an exception is for: that place, whatever the query says.
fn is_same(exception: &Url, url: &Url) -> bool {
    exception.scheme() == url.scheme()
        && exception.host() == url.host()
        && exception.port_or_known_default() == url.port_or_known_default()
        && exception.path() == url.path()
}

/// Names that lead nowhere on the internet: of one label, or below a domain that is kept for networks of one's own
/// (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`).
fn is_internal_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    match name.rsplit_once('.') {
        None => true,
        Some((_, last)) => {
            matches!(last, "local" | "localhost" | "internal" | "lan" | "home" | "corp" | "intranet" | "onion")
                || name.ends_with(".home.arpa")
        }
    }
}

fn is_fit_port(port: Option<u16>, scheme: Scheme) -> bool {
    match (port, scheme) {
        (Some(443), Scheme::Https) | (Some(80), Scheme::Http) => true,
        (Some(port), _) => port >= 1024 && !UNFIT_PORTS.contains(&port),
        (None, _) => false,
    }
}

fn failure(error: reqwest::Error) -> FetchError {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<Unfit>() {
            return FetchError::Refused(Unfit::REASON);
        }
        source = inner.source();
    }
    if error.is_timeout() { FetchError::TimedOut } else { FetchError::Unreachable(error) }
}

/// Of an answer whose body does not count as much is read as a decent one has, so that its connection can be used again. One
/// that goes on costs its connection and nothing else.
async fn skip(mut response: Response, mut left: usize) {
    let rest = async {
        while let Ok(Some(chunk)) = response.chunk().await
            && chunk.len() <= left
        {
            left -= chunk.len();
        }
    };
    // Whether it ended changes nothing.
    let _ = tokio::time::timeout(SKIPPING, rest).await;
}

/// No redirects, no proxies of the environment, no cookies, no decompression, no second try; and a name that says who we
/// are, but not which version.
fn client(tls: &ClientConfig) -> reqwest::ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .user_agent("hydrant")
}

/// The web's authorities, compiled in, because the container that we are alone in has none; and the operator's own.
fn tls(config: &Clients) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for path in &config.extra_root_certificates {
        let failed = |source| SetupError::Certificate { path: path.clone(), source };
        let certificates = CertificateDer::pem_file_iter(path).map_err(failed)?;
        let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(SetupError::NoCertificate { path: path.clone() });
        }
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// How names become addresses: as the system says.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

struct Resolver {
    guard: Arc<Guard>,
    scheme: Scheme,
    lookup: Lookup,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, scheme, lookup) = (Arc::clone(&self.guard), self.scheme, Arc::clone(&self.lookup));
        Box::pin(async move {
            let found = lookup(name.as_str().to_owned()).await?;
            let fit = found.into_iter().filter(|address| guard.admits(*address, scheme));
            let fit: Vec<_> = fit.map(|address| SocketAddr::new(address, 0)).collect();
            if fit.is_empty() {
                return Err(Unfit.into());
            }
            Ok(Box::new(fit.into_iter()) as Addrs)
        })
    }
}

/// None of the addresses of a name may be called.
#[derive(Debug)]
struct Unfit;

impl Unfit {
    const REASON: &'static str = "the address is not public, nor in clients.http.allowed_networks";
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::REASON)
    }
}

impl std::error::Error for Unfit {}

#[cfg(test)]
mod tests;

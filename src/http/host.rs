//! Whether a request is for this server at all: its Host, its browser's origin, its way through a TLS-terminating proxy.
//!
//! Every URL that we make comes from the configuration, never from Host. Refusing foreign names besides ends DNS
//! rebinding against a port on localhost and keeps poisoned names out of caches (RFC 9112 section 3.2, RFC 9110 section 7.4).

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ipnet::IpNet;
use url::{Host, Url};

use super::client_address::Peer;
use super::cors::Origins;
use super::refusal::Refusal;
use crate::config;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

const MISDIRECTED: Refusal = Refusal::new(
    StatusCode::MISDIRECTED_REQUEST,
    "misdirected_request",
    "This server does not answer for the host name that was asked for.",
);
const CROSS_SITE: Refusal = Refusal::new(
    StatusCode::FORBIDDEN,
    "request_forbidden",
    "The admin API does not answer requests that a browser sends from another site.",
);
const INSECURE: Refusal = Refusal::new(
    StatusCode::BAD_GATEWAY,
    "insecure_transport",
    "This port answers only requests that came over https through a trusted proxy.",
);

/// The names that a port answers to.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// Host in lower case and its port.
    names: Vec<(String, u16)>,
    /// The same as nearly every client writes it.
    written: Vec<String>,
    others: Others,
}

/// Which names count that are not in the list, on any port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    None,
    Loopback,
    /// IP addresses and names that no public DNS server can hand out, so that no web page can be served under them.
    Private,
}

impl Hosts {
    /// The public port: the issuer's and the public URL's authority. In dev mode every loopback name besides.
    pub fn public(urls: &config::Urls, dev: bool) -> Self {
        let public = Url::parse(&urls.public).ok();
        let names = [Some(&urls.issuer_url), public.as_ref()].into_iter().flatten().filter_map(authority_of).collect();
        Self::new(names, if dev { Others::Loopback } else { Others::None })
    }

    /// The admin port: loopback names and the address it is bound to. Bound to every address, or behind a unix socket, it
    /// can not know the names under which a container network, a cluster or a proxy reaches it, and takes those that a
    /// rebinding page can not have.
    pub fn admin(listener: &config::Listener) -> Self {
        match listener.host {
            config::Host::Socket(_) => Self::new(Vec::new(), Others::Private),
            config::Host::Ip(host) => {
                let others = if host.is_unspecified() { Others::Private } else { Others::Loopback };
                Self::new(vec![(bracketed(host), listener.port)], others)
            }
        }
    }

    fn new(names: Vec<(String, u16)>, others: Others) -> Self {
        let written = names.iter().map(|(name, port)| match port {
            80 | 443 => name.clone(),
            port => format!("{name}:{port}"),
        });
        Self { written: written.collect(), names, others }
    }

    /// 400 for a request that names no host, several, or nonsense; 421 for one that names another.
    pub fn check(&self, parts: &Parts) -> Result<(), Refusal> {
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(Refusal::bad_request("The request has more than one Host header."));
        }
        let is_ours = |host: &HeaderValue| self.written.iter().any(|written| written.as_bytes() == host.as_bytes());
        if parts.uri.authority().is_none() && host.is_some_and(is_ours) {
            return Ok(());
        }
        let host = match host {
            None => None,
            Some(value) => Some(
                value
                    .to_str()
                    .ok()
                    .and_then(|text| text.parse::<Authority>().ok())
                    .ok_or(Refusal::bad_request("The Host header is malformed."))?,
            ),
        };
        // The target's authority (HTTP/2, or an absolute form) rules over Host; a Host that disagrees is not believed either.
        let target = parts.uri.authority();
        if target.is_none() && host.is_none() {
            return Err(Refusal::bad_request("The request has no Host header."));
        }
        for authority in [target, host.as_ref()].into_iter().flatten() {
            if authority.as_str().contains('@') {
                return Err(Refusal::bad_request("The Host header is malformed."));
            }
            if !self.knows(authority) {
                return Err(MISDIRECTED);
            }
        }
        Ok(())
    }

    fn knows(&self, authority: &Authority) -> bool {
        let asked = authority.host().to_ascii_lowercase();
        // Without a port it is the default one, and which that is depends on the scheme before the proxy.
        let listed = self.names.iter().any(|(name, port)| {
            *name == asked && authority.port_u16().map_or(matches!(port, 80 | 443), |given| given == *port)
        });
        // An empty or oversized port parses as none.
        let odd_port = authority.port_u16().is_none() && authority.as_str().len() != authority.host().len();
        !odd_port
            && (listed
                || match self.others {
                    Others::None => false,
                    Others::Loopback => is_loopback(&asked),
                    Others::Private => is_private(&asked),
                })
    }
}

fn authority_of(url: &Url) -> Option<(String, u16)> {
    Some((url.host_str()?.to_ascii_lowercase(), url.port_or_known_default()?))
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// As URLs read it: `127.1` and `0x7f.1` are names of 127.0.0.1, and browsers turn them into it before they ask.
fn address(host: &str) -> Option<IpAddr> {
    match Host::parse(host).ok()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn is_loopback(host: &str) -> bool {
    // RFC 6761 section 6.3: every name under localhost is loopback.
    host == "localhost" || host.ends_with(".localhost") || address(host).is_some_and(|address| address.is_loopback())
}

fn is_private(host: &str) -> bool {
    const PRIVATE_ENDS: [&str; 6] = [".localhost", ".local", ".internal", ".svc", ".home.arpa", ".test"];
    !host.contains('.') || PRIVATE_ENDS.iter().any(|end| host.ends_with(end)) || address(host).is_some()
}

/// Refuses what a web page makes a browser send to the admin port. Programs send neither header.
///
/// `Sec-Fetch-Site` (W3C Fetch Metadata) says it outright; `Origin` must be this port's own or in the admin port's CORS list.
pub fn check_browser(parts: &Parts, allowed: &Origins) -> Result<(), Refusal> {
    let origin = parts.headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("null"));
    if origin.is_some_and(|origin| allowed.contains(origin)) {
        return Ok(());
    }
    let site = parts.headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Err(CROSS_SITE);
    }
    let own = parts
        .uri
        .authority()
        .map(Authority::as_str)
        .or_else(|| parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()));
    let is_own = |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == own);
    if origin.is_some_and(|origin| !is_own(origin)) { Err(CROSS_SITE) } else { Ok(()) }
}

/// `tls.allow_termination_from`: on a plain port behind proxies, only what a proxy received over https is answered (502, as
/// Hydra does). Without the key, and on a port with TLS of its own, nothing is asked.
#[derive(Clone, Debug)]
pub struct Termination(Vec<IpNet>);

impl Termination {
    pub fn new(listener: &config::Listener) -> Self {
        Self(if listener.tls.is_some() { Vec::new() } else { listener.allow_termination_from.clone() })
    }

    pub fn check(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut schemes = headers.get_all(X_FORWARDED_PROTO).iter();
        let https = schemes.next().is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
        if https && schemes.next().is_none() && peer.is_trusted(&self.0) { Ok(()) } else { Err(INSECURE) }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::http::middleware::samples;

    fn parts(uri: &str, headers: &[(HeaderName, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn status(hosts: &Hosts, uri: &str, host: &[&str]) -> u16 {
        let headers: Vec<_> = host.iter().map(|host| (header::HOST, *host)).collect();
        hosts.check(&parts(uri, &headers)).map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
    }

    #[test]
    fn the_public_port_answers_to_its_own_name_only() {
        let hosts = Hosts::public(&samples::urls("https://auth.example.com/tenant"), false);
        for (host, expected) in [
            ("auth.example.com", 200),
            ("AUTH.example.COM", 200),
            ("auth.example.com:443", 200),
            ("auth.example.com:444", 421),
            ("auth.example.com:", 421),
            ("auth.example.com:99999", 421),
            ("auth.example.com.", 421),
            ("auth.example.com.evil.example", 421),
            ("evil.example", 421),
            ("localhost", 421),
            ("127.0.0.1:4444", 421),
            ("user@auth.example.com", 400),
            ("auth example", 400),
            ("", 400),
        ] {
            assert_eq!(status(&hosts, "/oauth2/auth", &[host]), expected, "{host}");
        }
        assert_eq!(status(&hosts, "/", &[]), 400);
        assert_eq!(status(&hosts, "/", &["auth.example.com", "auth.example.com"]), 400);
        assert_eq!(status(&hosts, "https://auth.example.com/", &[]), 200);
        assert_eq!(status(&hosts, "http://evil.example/oauth2/auth", &["auth.example.com"]), 421);
        assert_eq!(status(&hosts, "https://auth.example.com/", &["evil.example"]), 421);
    }

    #[test]
    fn a_port_in_the_issuer_counts() {
        let hosts = Hosts::public(&samples::urls("http://auth.example.com:4444"), false);
        assert_eq!(status(&hosts, "/", &["auth.example.com:4444"]), 200);
        assert_eq!(status(&hosts, "/", &["auth.example.com"]), 421);
    }

    #[test]
    fn in_dev_mode_every_loopback_name_counts() {
        let hosts = Hosts::public(&samples::urls("http://127.0.0.1:4444"), true);
        for host in ["127.0.0.1:9", "localhost:4444", "rp.localhost", "[::1]:4444", "127.8.9.1"] {
            assert_eq!(status(&hosts, "/", &[host]), 200, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example"] {
            assert_eq!(status(&hosts, "/", &[host]), 421, "{host}");
        }
    }

    #[test]
    fn the_admin_port_can_not_be_reached_under_a_public_name() {
        let on_loopback = Hosts::admin(&samples::listener([127, 0, 0, 1]));
        let everywhere = Hosts::admin(&samples::listener([0, 0, 0, 0]));
        let behind_socket = Hosts::admin(&samples::socket(std::path::Path::new("/run/hydrant.sock")));
        for (host, loopback, unspecified) in [
            ("localhost:4445", 200, 200),
            ("[::1]:4445", 200, 200),
            ("127.0.0.1:9999", 200, 200),
            ("10.0.0.7:4445", 421, 200),
            ("hydrant:4445", 421, 200),
            ("hydrant.auth.svc.cluster.local", 421, 200),
            ("rebind.evil.example:4445", 421, 421),
            ("hydrant.svc.evil.example", 421, 421),
        ] {
            assert_eq!(status(&on_loopback, "/", &[host]), loopback, "{host}");
            assert_eq!(status(&everywhere, "/", &[host]), unspecified, "{host}");
            assert_eq!(status(&behind_socket, "/", &[host]), unspecified, "{host}");
        }
    }

    #[test]
    fn pages_of_other_sites_do_not_reach_the_admin_port() {
        let allowed = Origins::new(&["https://console.example.com".to_owned()]);
        let none = Origins::none();
        let check = |origins: &Origins, origin: Option<&str>, site: Option<&str>| {
            let mut headers = vec![(header::HOST, "127.0.0.1:4445")];
            headers.extend(origin.map(|origin| (header::ORIGIN, origin)));
            headers.extend(site.map(|site| (SEC_FETCH_SITE, site)));
            check_browser(&parts("/admin/clients", &headers), origins).is_ok()
        };
        assert!(check(&none, None, None));
        assert!(check(&none, None, Some("none")));
        assert!(check(&none, Some("http://127.0.0.1:4445"), Some("same-origin")));
        assert!(!check(&none, None, Some("cross-site")));
        assert!(!check(&none, None, Some("same-site")));
        assert!(!check(&none, Some("https://evil.example"), None));
        assert!(!check(&none, Some("null"), None));
        assert!(!check(&none, Some("http://127.0.0.1:4445.evil.example"), None));
        assert!(check(&allowed, Some("https://console.example.com"), Some("cross-site")));
        assert!(!check(&allowed, Some("https://evil.example"), Some("cross-site")));
    }

    #[test]
    fn behind_proxies_only_https_is_answered() {
        let mut listener = samples::listener([0, 0, 0, 0]);
        let scheme = |scheme: &str| HeaderMap::from_iter([(X_FORWARDED_PROTO, scheme.parse().unwrap())]);
        let proxy = Peer::Address([10, 0, 0, 1].into());
        assert!(Termination::new(&listener).check(proxy, &HeaderMap::new()).is_ok());
        listener.allow_termination_from = vec!["10.0.0.0/8".parse().unwrap()];
        let termination = Termination::new(&listener);
        assert!(termination.check(proxy, &scheme("https")).is_ok());
        assert_eq!(termination.check(proxy, &scheme("http")), Err(INSECURE));
        assert_eq!(termination.check(proxy, &HeaderMap::new()), Err(INSECURE));
        assert_eq!(termination.check(Peer::Address([192, 0, 2, 1].into()), &scheme("https")), Err(INSECURE));
        assert!(termination.check(Peer::Socket, &scheme("https")).is_ok());
        assert_eq!(termination.check(Peer::Socket, &scheme("http")), Err(INSECURE));
        assert_eq!(INSECURE.status.as_u16(), 502);
    }
}

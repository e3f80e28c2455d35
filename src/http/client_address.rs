//! The caller's address, behind trusted proxies too (`serve.*.tls.allow_termination_from`).

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::net::SocketAddr as UnixAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName};
use ipnet::IpNet;

const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who is at the other end of the connection: an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Address(IpAddr),
    /// Somebody who may write to the file of our unix socket: a proxy of ours, because no network leads there.
    Socket,
}

impl Peer {
    /// Whether it speaks for others.
    pub(super) fn is_trusted(self, proxies: &[IpNet]) -> bool {
        match self {
            Self::Address(address) => trusted(address, proxies),
            Self::Socket => true,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address.ip().to_canonical())
    }
}

impl From<UnixAddr> for Peer {
    fn from(_: UnixAddr) -> Self {
        Self::Socket
    }
}

/// Who is counted by the limits and named in the log. Set by the outermost layer, so that all agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The peer, or, if it is a trusted proxy, the right-most entry of `X-Forwarded-For` that is not one. What stands left of
    /// that entry is the caller's own word. Who comes through a socket and is not named is `0.0.0.0`.
    pub fn of(peer: Peer, headers: &HeaderMap, proxies: &[IpNet]) -> Self {
        let mut speaks_for_others = peer.is_trusted(proxies);
        let mut address = match peer {
            Peer::Address(address) => address,
            Peer::Socket => NOBODY,
        };
        if !speaks_for_others {
            return Self(address);
        }
        let lines: Vec<&str> = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        let entries = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for entry in entries {
            if !speaks_for_others {
                break;
            }
            // A proxy that writes no address hides its caller: the proxy itself is all that is known.
            let Some(before) = parse(entry.trim()) else { break };
            address = before;
            speaks_for_others = trusted(address, proxies);
        }
        Self(address)
    }
}

/// The peer of a connection; `0.0.0.0` for a request that came over none (a test that calls the router).
pub(super) fn peer(extensions: &Extensions) -> Peer {
    extensions.get().copied().unwrap_or(Peer::Address(NOBODY))
}

fn trusted(address: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|network| network.contains(&address))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`: proxies write all of them.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_else(|| Self::of(peer(&parts.extensions), &parts.headers, &[])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let cases: &[(&str, &[&str], &str)] = &[
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("fd00::1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ];
        for (peer, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(X_FORWARDED_FOR, line.parse().unwrap());
            }
            let peer = Peer::from(SocketAddr::new(peer.parse().unwrap(), 4711));
            let address = ClientAddress::of(peer, &headers, &proxies);
            assert_eq!(address.0.to_string(), *expected, "{peer:?} {lines:?}");
        }
    }

    #[test]
    fn without_trusted_proxies_the_header_is_nothing() {
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, "198.51.100.1".parse().unwrap());
        let peer = Peer::Address([127, 0, 0, 1].into());
        assert_eq!(ClientAddress::of(peer, &headers, &[]).0.to_string(), "127.0.0.1");
    }

    /// The proxy before a unix socket has no address: whom it names is the caller.
    #[test]
    fn behind_a_socket_the_caller_is_whom_the_proxy_names() {
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        for (lines, proxies, expected) in [
            (&["198.51.100.1"][..], &[][..], "198.51.100.1"),
            (&["203.0.113.9, 198.51.100.1"], &[], "198.51.100.1"),
            (&["203.0.113.9", "198.51.100.1"], &[], "198.51.100.1"),
            (&["203.0.113.9, 198.51.100.1, 10.0.0.2"], &proxies, "198.51.100.1"),
            (&["203.0.113.9, unknown"], &[], "0.0.0.0"),
            (&[], &[], "0.0.0.0"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(X_FORWARDED_FOR, line.parse().unwrap());
            }
            assert_eq!(ClientAddress::of(Peer::Socket, &headers, proxies).0.to_string(), expected, "{lines:?}");
        }
    }
}

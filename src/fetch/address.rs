//! Which addresses are the internet, and which are somebody's inside: the IANA special-purpose address registries
//! (RFC 6890) and what clouds keep their credentials behind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anybody could call it.
    Public,
    /// A network of the operator's own, or this machine.
    Private,
    /// Nothing that an operator means when he allows private networks: metadata services, multicast, tunnels whose real
    /// end is another address.
    Special,
}

type Table<A> = &'static [(A, u32)];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6(start: [u16; 4]) -> Ipv6Addr {
    Ipv6Addr::new(start[0], start[1], start[2], start[3], 0, 0, 0, 0)
}

/// Looked at first: some of them lie inside private ranges.
const SPECIAL_V4: Table<Ipv4Addr> = &[
    (v4(0, 0, 0, 0), 8),
    (v4(100, 100, 100, 200), 32), // metadata at Alibaba Cloud
    (v4(168, 63, 129, 16), 32),   // Azure's wire server, on a public address
    (v4(169, 254, 0, 0), 16),     // link-local, and everybody's metadata
    (v4(192, 0, 0, 0), 24),       // IETF protocol assignments; metadata at Oracle
    (v4(192, 0, 2, 0), 24),       // documentation
    (v4(192, 88, 99, 0), 24),     // 6to4 relays
    (v4(198, 18, 0, 0), 15),      // benchmarks
    (v4(198, 51, 100, 0), 24),    // documentation
    (v4(203, 0, 113, 0), 24),     // documentation
    (v4(224, 0, 0, 0), 4),        // multicast
    (v4(240, 0, 0, 0), 4),        // reserved, and broadcast
];

const PRIVATE_V4: Table<Ipv4Addr> = &[
    (v4(10, 0, 0, 0), 8),
    (v4(100, 64, 0, 0), 10), // carrier-grade NAT, RFC 6598
    (v4(127, 0, 0, 0), 8),
    (v4(172, 16, 0, 0), 12),
    (v4(192, 168, 0, 0), 16),
];

const SPECIAL_V6: Table<Ipv6Addr> = &[
    (v6([0x2001, 0, 0, 0]), 23),     // IETF protocol assignments, among them Teredo
    (v6([0x2001, 0xdb8, 0, 0]), 32), // documentation
    (v6([0x2002, 0, 0, 0]), 16),     // 6to4: an IPv4 address in disguise
    (v6([0x3fff, 0, 0, 0]), 20),     // documentation
    (v6([0xfd00, 0xec2, 0, 0]), 32), // metadata at Amazon
    (v6([0xfd20, 0xce, 0, 0]), 32),  // metadata at Google
];

const PRIVATE_V6: Table<Ipv6Addr> = &[
    (Ipv6Addr::LOCALHOST, 128),
    (v6([0xfc00, 0, 0, 0]), 7), // unique local, RFC 4193
];

/// All of the IPv6 internet (RFC 4291 section 2.4). What lies outside is special: IPv4-mapped and -compatible addresses,
/// NAT64, link-local, multicast, and all that is not assigned.
const GLOBAL_V6: (Ipv6Addr, u32) = (v6([0x2000, 0, 0, 0]), 3);

pub fn reach(address: IpAddr) -> Reach {
    let (special, private, public) = match address {
        IpAddr::V4(address) => {
            let is_in = |(start, length): &(Ipv4Addr, u32)| (address.to_bits() ^ start.to_bits()) >> (32 - length) == 0;
            (SPECIAL_V4.iter().any(is_in), PRIVATE_V4.iter().any(is_in), true)
        }
        IpAddr::V6(address) => {
            let is_in =
                |(start, length): &(Ipv6Addr, u32)| (address.to_bits() ^ start.to_bits()) >> (128 - length) == 0;
            (SPECIAL_V6.iter().any(is_in), PRIVATE_V6.iter().any(is_in), is_in(&GLOBAL_V6))
        }
    };
    match (special, private, public) {
        (true, _, _) | (_, false, false) => Reach::Special,
        (false, true, _) => Reach::Private,
        (false, false, true) => Reach::Public,
    }
}

#[cfg(test)]
mod tests {
    use url::{Host, Url};

    use super::*;

    fn of(address: &str) -> Reach {
        reach(address.parse().unwrap())
    }

    #[test]
    fn the_internet_is_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001:80b::200e",
            "2001:4860:4860::8888",
        ] {
            assert_eq!(of(address), Reach::Public, "{address}");
        }
    }

    #[test]
    fn own_networks_are_private() {
        for address in [
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.1",
            "192.168.255.255",
            "::1",
            "fc00::1",
            "fd12:3456::1",
            "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            assert_eq!(of(address), Reach::Private, "{address}");
        }
    }

    #[test]
    fn metadata_multicast_and_disguises_are_special() {
        for address in [
            "0.0.0.0",
            "0.255.255.255",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::2",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert_eq!(of(address), Reach::Special, "{address}");
        }
    }

    /// A URL says an address in many ways; the parser that we and the HTTP client use knows them all.
    #[test]
    fn every_spelling_of_loopback_is_seen_through() {
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "2130706433",
            "017700000001",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "0x7F.0x0.0x0.0x1",
            "①②⑦.⓪.⓪.①",
            "127。0。0。1",
            "%31%32%37.0.0.1",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[2002:7f00:1::]",
        ] {
            let url = Url::parse(&format!("https://{host}/jwks")).unwrap();
            let address: IpAddr = match url.host().unwrap() {
                Host::Ipv4(address) => address.into(),
                Host::Ipv6(address) => address.into(),
                Host::Domain(name) => panic!("{host} is taken for the name {name}"),
            };
            assert_ne!(reach(address), Reach::Public, "{host}");
        }
    }
}

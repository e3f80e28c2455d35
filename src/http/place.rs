//! Where a request comes from, as sessions keep it.

use axum::http::{HeaderMap, header};

use super::client_address::ClientAddress;
use crate::store::session::Place;

/// The longest `User-Agent` that is kept, in bytes: browsers send some 150.
const LONGEST: usize = 255;

/// The caller's address, and what the browser calls itself: cut, and without what would not show.
pub fn of(headers: &HeaderMap, ClientAddress(address): ClientAddress) -> Place {
    let user_agent = headers.get(header::USER_AGENT).map(|line| readable(line.as_bytes()));
    Place {
        user_agent: user_agent.filter(|name| !name.is_empty()),
        // Nobody: a proxy of ours has not said who.
        address: (!address.is_unspecified()).then(|| address.to_string()),
    }
}

fn readable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut kept: String =
        text.chars().filter(|character| !character.is_control() && !rearranges(*character)).collect();
    kept.truncate(kept.floor_char_boundary(LONGEST));
    kept.trim().to_owned()
}

/// What has no width, ends a line, or turns the direction of what stands beside it: on a terminal a name with it would make
/// another line of the operator's list (CVE-2021-42574).
fn rearranges(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn place(user_agent: &[u8], address: &str) -> Place {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, axum::http::HeaderValue::from_bytes(user_agent).unwrap());
        of(&headers, ClientAddress(address.parse::<IpAddr>().unwrap()))
    }

    #[test]
    fn a_user_agent_is_cut_and_has_no_control_characters() {
        assert_eq!(place(b"Mozilla/5.0 (X11)\t x ", "192.0.2.1").user_agent.as_deref(), Some("Mozilla/5.0 (X11) x"));
        assert_eq!(place(&[b'a'; 5000], "192.0.2.1").user_agent.unwrap().len(), LONGEST);
        let cut = place("é".repeat(200).as_bytes(), "192.0.2.1").user_agent.unwrap();
        assert_eq!(cut, "é".repeat(127), "whole characters");
        assert_eq!(
            place(b"x\xc2\x9bm", "192.0.2.1").user_agent.as_deref(),
            Some("xm"),
            "CSI, a control character of C1"
        );
        assert_eq!(place(b"\xff", "192.0.2.1").user_agent.as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn a_user_agent_rearranges_nothing() {
        let odd = [0x61c, 0xfeff].into_iter().chain(0x200b..=0x200f).chain(0x2028..=0x202e).chain(0x2060..=0x2069);
        for character in odd.filter_map(char::from_u32) {
            let said = format!("Fire{character}fox");
            assert_eq!(place(said.as_bytes(), "192.0.2.1").user_agent.as_deref(), Some("Firefox"), "{character:?}");
        }
        for kept in ["\u{200a}", "\u{2010}", "\u{2027}", "\u{202f}", "\u{2070}", "\u{5d0}"] {
            let said = format!("a{kept}b");
            assert_eq!(place(said.as_bytes(), "192.0.2.1").user_agent, Some(said));
        }
    }

    #[test]
    fn what_is_not_known_is_not_there() {
        assert_eq!(of(&HeaderMap::new(), ClientAddress("0.0.0.0".parse().unwrap())), Place::default());
        assert_eq!(place(b" \t ", "::"), Place::default());
        assert_eq!(place(b"x", "2001:db8::1").address.as_deref(), Some("2001:db8::1"));
    }
}

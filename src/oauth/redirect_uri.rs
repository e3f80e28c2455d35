//! Redirect URIs: which equals a registered one (RFC 6749 section 3.1.2, RFC 8252, RFC 9700 section 4.1.3).

mod registration;

use registration::is_app_scheme;
pub use registration::{Http, check, check_all};
pub(super) use registration::{fault, has_uri_characters};

/// The hosts whose port an app picks when it starts (RFC 8252 section 7.3). `localhost` is a name that something else
/// may answer to (section 8.3), so it is none of them.
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// Whether `given` is one of the registered URIs: byte for byte (RFC 9700 section 2.1), because two URL parsers never
/// agree on everything. Only the port of a native client's loopback URI may differ.
pub fn matches(registered: &[String], given: &str, native: bool) -> bool {
    registered
        .iter()
        .any(|own| own == given || native && split_loopback(own).is_some_and(|own| split_loopback(given) == Some(own)))
}

/// The host and what follows the port of an http loopback URI.
fn split_loopback(uri: &str) -> Option<(&'static str, &str)> {
    let (host, rest) = LOOPBACK.into_iter().find_map(|host| Some((host, uri.strip_prefix(host)?)))?;
    let rest = match rest.strip_prefix(':') {
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (port, rest) = rest.split_at(digits);
            // 1 to 65535, written as numbers are
            (!port.starts_with('0') && port.parse::<u16>().is_ok()).then_some(rest)?
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
}

/// Whether the client is an app on a person's device (RFC 8252). `application_type` says so (OpenID Connect Dynamic
/// Client Registration section 2); Hydra's clients have none, and then a URI that only such an app can receive tells.
pub fn is_native(redirect_uris: &[String], application_type: &str) -> bool {
    let is_for_apps = |uri: &String| {
        split_loopback(uri).is_some() || uri.split_once(':').is_some_and(|(scheme, _)| is_app_scheme(scheme))
    };
    match application_type {
        "" => redirect_uris.iter().any(is_for_apps),
        given => given == "native",
    }
}

/// Where a person is sent, for a page: the host without its port, or the private-use scheme.
pub fn host_of(uri: &str) -> &str {
    let Some((scheme, rest)) = uri.split_once(':') else { return uri };
    let Some(rest) = rest.strip_prefix("//").filter(|_| !scheme.contains('.')) else { return scheme };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.find(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or(host),
    }
}

/// Whether a response may be sent without anyone seeing a page: only to claimed https URIs, because another app on the
/// device may listen to all others (RFC 8252 section 8.6).
pub fn may_be_silent(uri: &str) -> bool {
    uri.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    const WEB: &str = "https://rp.example/cb";
    const NATIVE: [&str; 3] = ["http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb"];

    fn owned(uris: &[&str]) -> Vec<String> {
        uris.iter().map(|&uri| uri.to_owned()).collect()
    }

    /// RU-01, RU-02, RU-04, RU-05, RU-08: whatever is not the registered string is another URI.
    #[test]
    fn only_the_exact_string_matches() {
        let registered = owned(&[WEB, "https://rp.example/cb.v1", "https://rp.example/x?a=1&b=2"]);
        for uri in &registered {
            assert!(matches(&registered, uri, false) && matches(&registered, uri, true), "{uri}");
        }
        for given in [
            "https://rp.example/cb/",
            "https://rp.example/CB",
            "https://rp.example/cb?",
            "https://rp.example/cb?x=1",
            "https://rp.example/cb#",
            "https://rp.example/cb#f",
            "https://RP.example/cb",
            "HTTPS://rp.example/cb",
            "https://rp.example:443/cb",
            "http://rp.example/cb",
            "https://rp.example/%63b",
            "https://rp.example/./cb",
            "https://rp.example//cb",
            "https://rp.example/a/../cb",
            "https://rp.example/cb%2f",
            "https://rp.example/cb%20",
            "https://rp.example/cb ",
            " https://rp.example/cb",
            "https://rp.example\\cb",
            "https:\\\\rp.example/cb",
            "https://rp.example\\@evil.example/cb",
            "https://rp.example/c\tb",
            "https://rp.example/c\nb",
            "https://rp.example%09.evil.example/cb",
            "https://rp.example/cb%00",
            "https://rp.example.evil.example/cb",
            "https://evilrp.example/cb",
            "https://rp.example./cb",
            "https://user@rp.example/cb",
            "https://rp.example/cbXv1",
            "https://rp.example/x?b=2&a=1",
            "https://rp.example/x?a=1",
            "https://rp.example/x?a=1&b=2&c=3",
            "https://rp.example",
            "",
        ] {
            assert!(!matches(&registered, given, false), "{given:?}");
            assert!(!matches(&registered, given, true), "{given:?} of a native client");
        }
    }

    /// RU-07, RU-11: a wildcard that some old row may hold means nothing; an empty list never means "anything".
    #[test]
    fn nothing_registered_matches_nothing() {
        assert!(!matches(&[], "https://evil.example/cb", true));
        assert!(!matches(&owned(&["https://*.rp.example/cb"]), "https://a.rp.example/cb", false));
        assert!(!matches(&owned(&["*"]), "https://a.rp.example/cb", false));
    }

    /// RU-16, RFC 8252 section 7.3.
    #[test]
    fn the_port_of_a_native_loopback_uri_may_differ() {
        let registered = owned(&NATIVE);
        for given in [
            "http://127.0.0.1:51004/cb",
            "http://[::1]:51004/cb",
            "http://127.0.0.1:1/cb",
            "http://127.0.0.1:65535/cb",
            "com.example.app:/cb",
        ] {
            assert!(matches(&registered, given, true), "{given}");
        }
        assert!(!matches(&registered, "http://127.0.0.1:51004/cb", false), "the client is not native");
        assert!(matches(&owned(&["http://127.0.0.1:8080/cb?a=1"]), "http://127.0.0.1:9/cb?a=1", true));
        assert!(matches(&owned(&["http://127.0.0.1:8080"]), "http://127.0.0.1", true));
    }

    /// RU-17: every component of a loopback URI but the port is compared as it is written.
    #[test]
    fn nothing_but_the_port_of_a_loopback_uri_may_differ() {
        let registered = owned(&NATIVE);
        for given in [
            "http://127.0.0.1:51004/other",
            "http://127.0.0.1:5/cb?x",
            "http://127.0.0.1:5/cb#f",
            "http://127.0.0.1:5/cb/",
            "http://127.0.0.1:5/CB",
            "http://127.0.0.1:5",
            "http://127.0.0.2:5/cb",
            "http://127.000.000.001:5/cb",
            "http://127.1:5/cb",
            "http://2130706433/cb",
            "http://0x7f000001:5/cb",
            "http://[::ffff:127.0.0.1]/cb",
            "http://[0:0:0:0:0:0:0:1]:5/cb",
            "http://localhost:5/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1.evil.example:5/cb",
            "http://u:p@127.0.0.1/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1:5.evil.example/cb",
            "http://127.0.0.1:5\\@evil.example/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:080/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:+5/cb",
            "http://127.0.0.1: 5/cb",
            "http://127.0.0.1:٥/cb",
            "https://127.0.0.1:5/cb",
            "HTTP://127.0.0.1:5/cb",
            "http://[::1]5/cb",
            "com.example.app://evil.example/cb",
            "com.example.app:5/cb",
        ] {
            assert!(!matches(&registered, given, true), "{given}");
        }
        assert!(!matches(&owned(&["http://localhost/cb"]), "http://localhost:5/cb", true), "RU-19");
        assert!(!matches(&owned(&["http://127.0.0.1/cb"]), "http://[::1]:5/cb", true), "another host");
    }

    #[test]
    fn an_app_is_known_by_its_redirect_uris_unless_it_says_so() {
        assert!(is_native(&owned(&NATIVE), "") && is_native(&owned(&[WEB, NATIVE[0]]), "") && is_native(&[], "native"));
        assert!(!is_native(&owned(&[WEB]), "") && !is_native(&[], "") && !is_native(&owned(&NATIVE), "web"));
        assert!(!is_native(&owned(&["http://localhost/cb"]), "") && !is_native(&owned(&["myapp:/cb"]), ""));
    }

    #[test]
    fn a_page_can_say_where_it_sends_a_person() {
        for (uri, host) in [
            (WEB, "rp.example"),
            ("https://rp.example", "rp.example"),
            ("https://rp.example:8443?x", "rp.example"),
            ("http://[::1]:80/cb", "[::1]"),
            ("com.example.app:/cb", "com.example.app"),
            ("com.example.app://bank.example/cb", "com.example.app"),
        ] {
            assert_eq!(host_of(uri), host, "{uri}");
        }
    }

    #[test]
    fn only_claimed_https_is_silent() {
        assert!(may_be_silent(WEB));
        assert!(NATIVE.iter().all(|uri| !may_be_silent(uri)) && !may_be_silent("httpsé") && !may_be_silent("https:/"));
    }

    proptest! {
        /// Invariant I6, against the reading of a URL parser: whatever is accepted without being the same string differs
        /// in its port alone, on a loopback address.
        #[test]
        fn accepted_is_equal_but_for_a_loopback_port(
            own in r"https?://(127\.0\.0\.1|\[::1\]|localhost)(:[1-9][0-9]{0,3})?/cb",
            given in r"http://(u@)?(127\.0\.0\.1|\[::1\]|localhost)([.@:]?[0-9]{1,6})?(/cb|\\cb)",
        ) {
            if matches(std::slice::from_ref(&own), &given, true) && own != given {
                let (mut own, mut given) = (Url::parse(&own).unwrap(), Url::parse(&given).unwrap());
                prop_assert_eq!(own.scheme(), "http");
                prop_assert!(matches!(own.host_str(), Some("127.0.0.1" | "[::1]")));
                own.set_port(None).unwrap();
                given.set_port(None).unwrap();
                prop_assert_eq!(own, given);
            }
        }

        #[test]
        fn no_input_panics(uri in any::<String>()) {
            let _ = (check(&uri, true, Http::Everywhere), host_of(&uri), may_be_silent(&uri));
            let _ = is_native(std::slice::from_ref(&uri), "");
        }
    }
}

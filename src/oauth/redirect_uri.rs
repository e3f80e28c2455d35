//! Redirect URIs: what may be registered, and what equals a registered one (RFC 6749 section 3.1.2, RFC 8252, RFC 9700
//! section 4.1.3).

use url::Url;

use crate::oauth::{ErrorCode, Result};

const MAX_BYTES: usize = 2048;
const MAX_COUNT: usize = 50;

/// The hosts whose port an app picks when it starts (RFC 8252 section 7.3). `localhost` is a name that something else may
/// answer to (section 8.3), so it is none of them.
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// What an authorization response may hold: a registered query with one of these would speak for the server.
const RESERVED: [&str; 13] = [
    "access_token",
    "code",
    "error",
    "error_description",
    "error_uri",
    "expires_in",
    "id_token",
    "iss",
    "response",
    "scope",
    "session_state",
    "state",
    "token_type",
];

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

/// The rules of a client's registered redirect URIs, each and all.
pub fn check_all(uris: &[String], native: bool, dev: bool) -> Result<()> {
    if uris.len() > MAX_COUNT {
        return Err(ErrorCode::InvalidRedirectUri.because("A client can not have more than 50 redirect URIs."));
    }
    uris.iter().try_for_each(|uri| check(uri, native, dev))
}

/// Whether the URI may be registered; `invalid_redirect_uri` says why not. `dev` lets plain http pass.
pub fn check(uri: &str, native: bool, dev: bool) -> Result<()> {
    fault(uri, native, dev).map_or(Ok(()), |why| Err(ErrorCode::InvalidRedirectUri.because(why)))
}

/// What is wrong with it, in a sentence about "Redirect URIs".
pub(super) fn fault(uri: &str, native: bool, dev: bool) -> Option<&'static str> {
    if uri.len() > MAX_BYTES {
        return Some("Redirect URIs must not be longer than 2048 bytes.");
    }
    if uri.contains('#') {
        return Some("Redirect URIs must not contain fragments (#).");
    }
    if uri.contains('*') {
        return Some("Redirect URIs must not contain wildcards (*).");
    }
    if !has_uri_characters(uri) {
        return Some("Redirect URIs must be written in the characters of RFC 3986; percent-encode all others.");
    }
    let Some((scheme, rest)) = uri.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return Some("Redirect URIs must be absolute.");
    };
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    if is_web && !has_plain_authority(uri, rest) {
        return Some(
            "Redirect URIs must have a plain host: no user information, no percent-encoding, no other way to write an address.",
        );
    }
    if scheme.eq_ignore_ascii_case("http") && !dev && !(native && split_loopback(uri).is_some()) {
        return Some("Redirect URIs must use https; http is for native clients on 127.0.0.1 or [::1] alone.");
    }
    if !is_web && !(native && is_private_use(scheme) && rest.starts_with('/')) {
        return Some(
            "Redirect URIs must use https, or the private-use scheme of a native client: a domain name in reverse order, as in com.example.app:/cb.",
        );
    }
    if has_reserved_parameter(uri) {
        return Some("Redirect URIs must not contain parameters of an authorization response, such as code or state.");
    }
    None
}

/// The characters of RFC 3986 section 2 in well-formed percent-encoding, none of it an encoded control character. The
/// quote, which RFC 3986 has, is left out because it ends an HTML attribute.
pub(super) fn has_uri_characters(text: &str) -> bool {
    let is_fine = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@')
            || matches!(byte, b'!' | b'$' | b'&' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b'%')
    };
    let is_encoded = |rest: &str| {
        let code = rest.get(..2).filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
        code.and_then(|code| u8::from_str_radix(code, 16).ok()).is_some_and(|byte| !byte.is_ascii_control())
    };
    text.bytes().all(is_fine) && text.split('%').skip(1).all(is_encoded)
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// RFC 8252 section 7.1: a domain name in reverse. The dot is what keeps `javascript:`, `data:`, `file:` and their like
/// out; a name that begins as a known scheme does is there to deceive.
fn is_private_use(scheme: &str) -> bool {
    let deceives =
        |label: &str| ["http", "https", "javascript", "data", "vbscript", "file", "blob", "about"].contains(&label);
    scheme
        .split_once('.')
        .is_some_and(|(first, rest)| !first.is_empty() && !rest.is_empty() && !deceives(&first.to_ascii_lowercase()))
}

/// Whether browsers see the same host as one who reads the text: a URL parser would rewrite `2130706433` or `127.1`.
fn has_plain_authority(uri: &str, rest: &str) -> bool {
    let Some(authority) = rest.strip_prefix("//").map(|rest| &rest[..rest.find(['/', '?']).unwrap_or(rest.len())])
    else {
        return false;
    };
    let host = host_of(uri).to_ascii_lowercase();
    !authority.contains(['@', '%'])
        && !authority.ends_with(':')
        && Url::parse(uri).is_ok_and(|url| url.host_str() == Some(host.as_str()))
}

fn has_reserved_parameter(uri: &str) -> bool {
    uri.split_once('?').is_some_and(|(_, query)| {
        form_urlencoded::parse(query.as_bytes()).any(|(name, _)| RESERVED.contains(&name.as_ref()))
    })
}

/// Whether the client is an app on a person's device (RFC 8252). `application_type` says so (OpenID Connect Dynamic Client
/// Registration section 2); Hydra's clients have none, and then a redirect URI that only such an app can receive tells.
pub fn is_native(redirect_uris: &[String], application_type: &str) -> bool {
    let is_for_apps = |uri: &String| {
        split_loopback(uri).is_some()
            || uri.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme) && is_private_use(scheme))
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
    fn what_may_be_registered() {
        for (uri, native, dev) in [
            (WEB, false, false),
            ("https://rp.example", false, false),
            ("https://rp.example:8443/cb?tenant=1&x=%C3%A9", false, false),
            ("https://[2001:db8::1]/cb", false, false),
            ("https://xn--bcher-kva.example/cb", false, false),
            ("http://127.0.0.1/cb", true, false),
            ("http://[::1]:8080/cb", true, false),
            ("com.example.app:/cb", true, false),
            ("com.example.app://host/cb", true, false),
            ("http://localhost:3000/cb", false, true),
            ("http://rp.example/cb", false, true),
        ] {
            check(uri, native, dev).unwrap_or_else(|error| panic!("{uri}: {error}"));
        }
    }

    /// RU-04, RU-07, RU-13, RU-14, RU-19, RU-20, RU-22, RU-25.
    #[test]
    fn what_may_not_be_registered() {
        let long = format!("https://rp.example/{}", "a".repeat(2030));
        for uri in [
            "",
            "/cb",
            "rp.example/cb",
            "//rp.example/cb",
            "https:",
            "https:/cb",
            "https:///cb",
            "https:rp.example/cb",
            "https://?x",
            "https://rp.example:/cb",
            "https://rp.example:99999/cb",
            "https://rp.example/cb#f",
            "https://rp.example/cb#",
            "https://*.rp.example/cb",
            "https://rp.example/*",
            "https://u:p@rp.example/cb",
            "https://rp.example@evil.example/cb",
            "https://rp.example\\@evil.example/cb",
            "https:\\\\evil.example/cb",
            "https://rp.example%09.evil.example/cb",
            "https://rp%2eexample/cb",
            "https://rp.example/%00",
            "https://rp.example/%0d%0aSet-Cookie:x",
            "https://rp.example/%zz",
            "https://rp.example/%",
            "https://rp.example/%e",
            "https://rp.example/c\tb",
            "https://rp.example/c\nb",
            "https://rp.example/c b",
            "https://rp.example/cb?x=\"onfocus=alert(1)",
            "https://rp.example/cb?x='onfocus=alert(1)",
            "https://rp.example/<script>",
            "https://rp.example/ü",
            "https://bücher.example/cb",
            "https://2130706433/cb",
            "https://127.1/cb",
            "https://0x7f.0.0.1/cb",
            "https://[::ffff:127.0.0.1]/cb",
            "https://rp.example/cb?code=1",
            "https://rp.example/cb?a=1&st%61te=x",
            "https://rp.example/cb?iss=https://evil.example",
            "https://rp.example/cb?error",
            "http://rp.example/cb",
            "http://localhost/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://u@127.0.0.1/cb",
            "HTTP://127.0.0.1/cb",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "javascript.x:/alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://rp.example/1",
            "about:blank",
            "myapp:/cb",
            "https.evil:/cb",
            "com.example.app:cb",
            "com.example.app:",
            ".app:/cb",
            "app.:/cb",
            "urn:ietf:wg:oauth:2.0:oob",
            &long,
        ] {
            let error = check(uri, true, false).expect_err(uri);
            assert_eq!(error.code, ErrorCode::InvalidRedirectUri, "{uri}");
            let is_clean =
                error.description.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E));
            assert!(is_clean, "{}", error.description);
        }
        assert_eq!(
            check("https://rp.example/#", false, false).unwrap_err().description,
            "Redirect URIs must not contain fragments (#)."
        );
        for uri in ["http://127.0.0.1/cb", "com.example.app:/cb"] {
            assert!(check(uri, false, false).is_err(), "{uri} of a web client");
        }
    }

    /// RU-22.
    #[test]
    fn fifty_uris_are_enough() {
        assert!(check_all(&vec![WEB.to_owned(); 50], false, false).is_ok());
        assert!(check_all(&vec![WEB.to_owned(); 51], false, false).is_err());
        assert!(check_all(&owned(&[WEB, "http://rp.example/"]), false, false).is_err());
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
        fn whatever_may_be_registered_matches_itself_and_is_safe_in_a_header(uri in "(https?|a\\.b|[a-z]{1,4}):/{0,3}[ -~]{0,30}") {
            if check(&uri, true, true).is_ok() {
                prop_assert!(matches(std::slice::from_ref(&uri), &uri, false));
                prop_assert!(uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\#*".contains(&byte)));
            }
        }

        #[test]
        fn no_input_panics(uri in any::<String>()) {
            let _ = (check(&uri, true, true), host_of(&uri), may_be_silent(&uri), is_native(std::slice::from_ref(&uri), ""));
        }
    }
}

//! Which redirect URIs may be registered (RFC 7591 section 5, RFC 8252 sections 7 and 8, RFC 9700 section 4.1).

use url::Url;

use super::{host_of, split_loopback};
use crate::oauth::{ErrorCode, Result};

const MAX_BYTES: usize = 2048;
const MAX_COUNT: usize = 50;

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

/// Where plain http is fine, besides the loopback addresses of native clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    Nowhere,
    /// At `localhost` by name, which RFC 8252 section 8.3 does not recommend and many clients use all the same.
    Localhost,
    Everywhere,
}

/// The rules of a client's registered redirect URIs, each and all.
pub fn check_all(uris: &[String], native: bool, http: Http) -> Result<()> {
    if uris.len() > MAX_COUNT {
        return Err(ErrorCode::InvalidRedirectUri.because("A client can not have more than 50 redirect URIs."));
    }
    uris.iter().try_for_each(|uri| check(uri, native, http))
}

/// Whether the URI may be registered; `invalid_redirect_uri` says why not.
pub fn check(uri: &str, native: bool, http: Http) -> Result<()> {
    fault(uri, native, http).map_or(Ok(()), |why| Err(ErrorCode::InvalidRedirectUri.because(why)))
}

/// What is wrong with it, in a sentence about "Redirect URIs".
pub(in crate::oauth) fn fault(uri: &str, native: bool, http: Http) -> Option<&'static str> {
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
        return Some("Redirect URIs must have a host in its usual spelling, without user information.");
    }
    if scheme.eq_ignore_ascii_case("http") && !may_be_http(uri, native, http) {
        return Some(match http {
            Http::Localhost => {
                "Redirect URIs must use https; http is for localhost, and for native clients on 127.0.0.1 or [::1]."
            }
            _ => "Redirect URIs must use https; http is for native clients on 127.0.0.1 or [::1] alone.",
        });
    }
    let is_app = native && is_app_scheme(scheme) && rest.starts_with('/');
    if !(is_web || is_app) {
        return Some(
            "Redirect URIs must use https; a native client also a reversed domain name, as in com.example.app:/cb.",
        );
    }
    if has_reserved_parameter(uri) {
        return Some("Redirect URIs must not contain parameters of an authorization response, such as code or state.");
    }
    None
}

fn may_be_http(uri: &str, native: bool, http: Http) -> bool {
    let is_localhost = || {
        uri.strip_prefix("http://localhost").is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/', '?']))
    };
    match http {
        Http::Everywhere => true,
        Http::Localhost if is_localhost() => true,
        _ => native && split_loopback(uri).is_some(),
    }
}

/// The characters of RFC 3986 section 2 in well-formed percent-encoding, none of it an encoded control character. The
/// quote, which RFC 3986 has, is left out because it ends an HTML attribute.
pub(in crate::oauth) fn has_uri_characters(text: &str) -> bool {
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
pub(super) fn is_app_scheme(scheme: &str) -> bool {
    let deceives =
        |label: &str| ["http", "https", "javascript", "data", "vbscript", "file", "blob", "about"].contains(&label);
    is_scheme(scheme)
        && scheme.split_once('.').is_some_and(|(first, rest)| {
            !first.is_empty() && !rest.is_empty() && !deceives(&first.to_ascii_lowercase())
        })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::matches;
    use super::*;

    const WEB: &str = "https://rp.example/cb";

    #[test]
    fn what_may_be_registered() {
        for (uri, native, http) in [
            (WEB, false, Http::Nowhere),
            ("https://rp.example", false, Http::Nowhere),
            ("https://rp.example:8443/cb?tenant=1&x=%C3%A9", false, Http::Nowhere),
            ("https://[2001:db8::1]/cb", false, Http::Nowhere),
            ("https://xn--bcher-kva.example/cb", false, Http::Nowhere),
            ("http://127.0.0.1/cb", true, Http::Nowhere),
            ("http://[::1]:8080/cb", true, Http::Nowhere),
            ("com.example.app:/cb", true, Http::Nowhere),
            ("com.example.app://host/cb", true, Http::Nowhere),
            ("http://localhost:3000/cb", false, Http::Everywhere),
            ("http://rp.example/cb", false, Http::Everywhere),
        ] {
            check(uri, native, http).unwrap_or_else(|error| panic!("{uri}: {error}"));
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
            let error = check(uri, true, Http::Nowhere).expect_err(uri);
            assert_eq!(error.code, ErrorCode::InvalidRedirectUri, "{uri}");
            let is_clean =
                error.description.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E));
            assert!(is_clean, "{}", error.description);
        }
        assert_eq!(
            check("https://rp.example/#", false, Http::Nowhere).unwrap_err().description,
            "Redirect URIs must not contain fragments (#)."
        );
        for uri in ["http://127.0.0.1/cb", "com.example.app:/cb"] {
            assert!(check(uri, false, Http::Nowhere).is_err(), "{uri} of a web client");
        }
    }

    /// RU-19: only where the operator lets it, for no other name, and with its port.
    #[test]
    fn localhost_is_for_the_operator_to_allow() {
        for uri in ["http://localhost", "http://localhost/cb", "http://localhost:6274/cb?x=1"] {
            assert!(check(uri, false, Http::Nowhere).is_err(), "{uri}");
            assert!(check(uri, true, Http::Nowhere).is_err(), "{uri}");
            check(uri, false, Http::Localhost).unwrap_or_else(|error| panic!("{uri}: {error}"));
        }
        for uri in [
            "http://localhost.evil.example/cb",
            "http://localhost@evil.example/cb",
            "http://localhost:80@evil.example/cb",
            "http://localhost./cb",
            "http://localhost\\.evil.example/cb",
            "http://LOCALHOST/cb",
            "http://a.localhost/cb",
            "http://rp.example/cb",
            "http://127.0.0.1/cb",
            "ftp://localhost/cb",
        ] {
            assert!(check(uri, false, Http::Localhost).is_err(), "{uri}");
        }
        let registered = ["http://localhost:6274/cb".to_owned()];
        assert!(matches(&registered, "http://localhost:6274/cb", true));
        assert!(!matches(&registered, "http://localhost:6275/cb", true), "the port is exact");
    }

    /// RU-22.
    #[test]
    fn fifty_uris_are_enough() {
        assert!(check_all(&vec![WEB.to_owned(); 50], false, Http::Nowhere).is_ok());
        assert!(check_all(&vec![WEB.to_owned(); 51], false, Http::Nowhere).is_err());
        assert!(check_all(&[WEB, "http://rp.example/"].map(str::to_owned), false, Http::Nowhere).is_err());
    }

    proptest! {
        #[test]
        fn what_may_be_registered_is_safe_in_a_header(uri in "(https?|a\\.b|[a-z]{1,4}):/{0,3}[ -~]{0,30}") {
            if check(&uri, true, Http::Everywhere).is_ok() {
                prop_assert!(matches(std::slice::from_ref(&uri), &uri, false));
                prop_assert!(uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\#*".contains(&byte)));
            }
        }
    }
}

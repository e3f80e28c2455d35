//! The Content-Security-Policy of the built-in pages (CSP Level 3): our stylesheet, our images, our forms, nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};

use crate::secret::sha256;

/// The policy of a page. `redirects` are the sources (from [`form_action_source`]) that the answer to the page's form
/// may lead to: Chromium holds the redirects after a form's submission to `form-action` as well, so a login form whose
/// last stop is the client must name the client. `csp(None)` for a page that stays here, `csp(Some(source))`, or a list.
pub fn csp<'a>(redirects: impl IntoIterator<Item = &'a str>) -> String {
    let mut policy = String::from("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'");
    for source in redirects.into_iter().filter(|source| is_plain(source)) {
        policy.push(' ');
        policy.push_str(source);
    }
    policy.push_str("; base-uri 'none'; frame-ancestors 'none'");
    policy
}

/// `'sha256-…'`, the source that allows this very text (CSP Level 3 section 2.3.1).
pub(super) fn hash_source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(sha256(text.as_bytes())))
}

/// The `form-action` source of a redirect URI, and the `frame-src` source of what is framed: its origin. Where the grammar of sources (CSP section 2.3.1) cannot say it
/// (an IPv6 host, a host of strange letters) and for an app's own scheme it is the scheme. What is no redirect URI, or
/// would run as a script, is `'none'`. The result never ends a directive or a policy, whatever the URI holds.
pub fn form_action_source(redirect_uri: &str) -> String {
    let none = || "'none'".to_owned();
    let Ok(url) = Url::parse(redirect_uri) else {
        return none();
    };
    let scheme = url.scheme();
    match (scheme, url.host(), url.port()) {
        ("javascript" | "data" | "vbscript" | "blob" | "file" | "about" | "filesystem", ..) => none(),
        ("http" | "https", Some(Host::Domain(host)), port) if host.chars().all(is_host_character) => {
            origin(scheme, host, port)
        }
        ("http" | "https", Some(Host::Ipv4(host)), port) => origin(scheme, &host.to_string(), port),
        _ => format!("{scheme}:"),
    }
}

fn origin(scheme: &str, host: &str, port: Option<u16>) -> String {
    match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// URLs allow more in a host than sources do: `https://a;script-src/` has the host `a;script-src`.
fn is_host_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

/// Whether this is one source and nothing more. No keyword is: they are quoted.
fn is_plain(source: &str) -> bool {
    !source.is_empty() && source.chars().all(|c| is_host_character(c) || matches!(c, ':' | '/' | '+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_the_origin_of_the_redirect_uri() {
        for (uri, source) in [
            ("https://rp.example/cb?x=1#f", "https://rp.example"),
            ("https://RP.example:443/cb", "https://rp.example"),
            ("https://rp.example:8443/cb", "https://rp.example:8443"),
            ("http://127.0.0.1:51004/cb", "http://127.0.0.1:51004"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("https://bank.example@rp.example/", "https://rp.example"),
            ("https://bücher.example/cb", "https://xn--bcher-kva.example"),
            ("http://[::1]:51004/cb", "http:"),
            ("com.example.app:/cb", "com.example.app:"),
            ("com.example.app://host;x/cb", "com.example.app:"),
            ("urn:ietf:wg:oauth:2.0:oob", "urn:"),
        ] {
            assert_eq!(form_action_source(uri), source, "{uri}");
        }
    }

    #[test]
    fn what_is_no_redirect_uri_allows_nothing() {
        for uri in ["", "nonsense", "/cb", "javascript:alert(1)", "JAVASCRIPT:x", "data:text/html,x", "file:///x"] {
            assert_eq!(form_action_source(uri), "'none'", "{uri}");
        }
    }

    #[test]
    fn a_redirect_uri_cannot_write_policy() {
        for uri in [
            "https://rp.example;script-src/'unsafe-inline'",
            "https://rp.example,default-src/",
            "https://rp'example/cb",
            "https://rp\"example/cb",
            "https://*/cb",
            "https://*.example/cb",
            "https://rp.example/cb?x=; script-src *",
            "https://rp.example\r\nX: y/",
            "x;y:z",
        ] {
            let source = form_action_source(uri);
            assert!(source == "'none'" || is_plain(&source), "{uri} became {source}");
            assert_eq!(csp([&*source]).matches(';').count(), 5, "{uri}");
        }
    }

    /// The example of CSP Level 3 section 2.3.1 is this hash of "alert('Hello, world.');".
    #[test]
    fn a_hash_source_is_sha256_in_base64() {
        assert_eq!(hash_source("alert('Hello, world.');"), "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='");
    }

    #[test]
    fn a_policy_allows_our_own_and_the_listed_redirects() {
        let ours = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'";
        let end = "; base-uri 'none'; frame-ancestors 'none'";
        assert_eq!(csp(None), format!("{ours}{end}"));
        assert_eq!(csp(Some("https://rp.example")), format!("{ours} https://rp.example{end}"));
        assert_eq!(csp(["https://rp.example", "app:"]), format!("{ours} https://rp.example app:{end}"));
        for bad in ["'none'", "", "a b", "a;b", "a,b", "'unsafe-inline'", "*"] {
            assert_eq!(csp(Some(bad)), format!("{ours}{end}"), "{bad}");
        }
    }
}

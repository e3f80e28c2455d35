//! `session_state`: OpenID Connect Session Management 1.0 sections 2 and 3.2.

use url::Url;

use crate::secret::fingerprint;

/// What a client hands to the frame of ours in its page, which makes the same of the browser's state as it is then
/// (`ui/check_session.rs`). The salt keeps clients from recognising a browser by it; none of the parts has a space, so
/// that no two lists of them read alike, but for the client's id, which stands first.
///
/// The origin is that of the page that gets the answer: where an app's own scheme has none it is `null`, as in a browser.
pub fn session_state(client: &str, redirect_uri: &str, browser_state: &str, salt: &str) -> String {
    let origin = Url::parse(redirect_uri).map_or_else(|_| "null".to_owned(), |url| url.origin().ascii_serialization());
    let hash = fingerprint(&format!("{client} {origin} {browser_state} {salt}"));
    format!("{hash}.{salt}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by `printf %s … | openssl dgst -sha256 -binary | basenc --base64url`.
    #[test]
    fn it_is_the_hash_of_its_parts_and_the_salt() {
        let state = session_state("web", "https://RP.example:443/cb?x=1", "browser", "salt");
        assert_eq!(state, "_nOd2L4v6XfGLjywHCnbLxi7inYmRXacf31fEVXW7lI.salt");
        assert_eq!(
            state,
            session_state("web", "https://rp.example/other", "browser", "salt"),
            "the origin alone counts"
        );
        for other in [
            session_state("two", "https://rp.example/cb", "browser", "salt"),
            session_state("web", "https://rp.example:8443/cb", "browser", "salt"),
            session_state("web", "http://rp.example/cb", "browser", "salt"),
            session_state("web", "com.example.app:/cb", "browser", "salt"),
            session_state("web", "https://rp.example/cb", "another", "salt"),
            session_state("web", "https://rp.example/cb", "browser", "pepper"),
        ] {
            assert_ne!(state, other);
            assert!(!other.contains(' '), "section 2");
        }
    }
}

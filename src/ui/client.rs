//! The client as the user sees it: who asks, where the answer goes, and what the client promises
//! (OIDC Dynamic Client Registration 1.0 section 2: `logo_uri`, `policy_uri`, `tos_uri` are to be shown).

use std::borrow::Cow;

use maud::{Markup, html};
use url::Url;

use super::layout::{own_path, web_link};
use super::style;

/// Characters of a client's name that are shown.
const NAME_LIMIT: usize = 60;

/// What its metadata says of a client. Anyone may have registered it: the redirect host is the only part it cannot make up.
#[derive(Clone, Copy, Debug)]
pub struct ClientCard<'a> {
    /// `client_name`, or the `client_id` of a client that has none.
    pub name: &'a str,
    /// A path on our origin (the proxied `logo_uri`). Anything else is not shown: the user's address is not the client's
    /// to learn before the user agreed to anything.
    pub logo: Option<&'a str>,
    pub client_uri: Option<&'a str>,
    pub policy_uri: Option<&'a str>,
    pub tos_uri: Option<&'a str>,
    /// Where the answer goes; see [`redirect_host`].
    pub redirect_host: &'a str,
    /// Whether the operator has registered it; one that has registered itself is marked.
    pub is_verified: bool,
}

impl ClientCard<'_> {
    /// The logo, or the first letter where there is none.
    pub(super) fn picture(&self) -> Markup {
        let initial = style::initial(self.name);
        html! {
            @if let Some(logo) = self.logo.and_then(own_path) {
                img.logo src=(logo) alt="" width="56" height="56";
            } @else if let Some(initial) = initial {
                div.logo.letter aria-hidden="true" { (initial) }
            }
        }
    }

    /// The name, isolated: right-to-left marks in it cannot reorder the sentence around it.
    pub(super) fn name(&self) -> Markup {
        html! { bdi.name { (short_name(self.name)) } }
    }

    /// What a person must know of a client that nobody vouches for (RFC 7591 section 5).
    pub(super) fn mark(&self) -> Markup {
        html! {
            @if !self.is_verified {
                p.unverified role="note" {
                    strong { "Unverified app. " }
                    "It has registered itself; nobody has checked that it is what it says. Go on only if you know "
                    bdi.host { (self.redirect_host) } "."
                }
            }
        }
    }

    /// The host that gets the answer. On a page that asks for consent it belongs above the answer.
    pub(super) fn destination(&self) -> Markup {
        html! { p.destination { "You will return to " bdi.host { (self.redirect_host) } } }
    }

    /// The client's own pages, as far as they are web pages.
    pub(super) fn links(&self) -> Markup {
        let links = [
            (self.client_uri.and_then(web_link), "Website"),
            (self.policy_uri.and_then(web_link), "Privacy policy"),
            (self.tos_uri.and_then(web_link), "Terms of service"),
        ];
        html! {
            @if links.iter().any(|(uri, _)| uri.is_some()) {
                ul.links aria-label={ "About " (short_name(self.name)) } {
                    @for (uri, text) in &links {
                        @if let Some(uri) = uri {
                            li { a href=(uri) rel="noopener noreferrer" { (text) } }
                        }
                    }
                }
            }
        }
    }
}

/// A client's name as far as it is shown: one that goes on and on would be a text of the client's on our page.
pub(super) fn short_name(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(NAME_LIMIT) {
        Some((end, _)) => format!("{}…", &name[..end]).into(),
        None => name.into(),
    }
}

/// The part of a redirect URI that tells a person where it leads: host and port of a web address (in ASCII, so that
/// no letter poses as another), the scheme of an app's own (RFC 8252 section 7.1).
pub fn redirect_host(redirect_uri: &str) -> String {
    let Ok(url) = Url::parse(redirect_uri) else {
        return String::new();
    };
    match (url.scheme(), url.host_str(), url.port()) {
        ("http" | "https", Some(host), Some(port)) => format!("{host}:{port}"),
        ("http" | "https", Some(host), None) => host.to_owned(),
        (scheme, ..) => format!("{scheme}:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> ClientCard<'static> {
        ClientCard {
            name: "Notes",
            logo: Some("/ui/logo?client=1"),
            client_uri: Some("https://notes.example/"),
            policy_uri: Some("https://notes.example/privacy"),
            tos_uri: Some("https://notes.example/terms"),
            redirect_host: "app.notes.example",
            is_verified: true,
        }
    }

    #[test]
    fn logo_links_and_redirect_host_are_shown() {
        let html = html! { (card().picture()) (card().name()) (card().destination()) (card().links()) }.into_string();
        for part in [
            "src=\"/ui/logo?client=1\"",
            ">Notes<",
            "href=\"https://notes.example/\" rel=\"noopener noreferrer\"",
            "href=\"https://notes.example/privacy\"",
            "href=\"https://notes.example/terms\"",
            ">app.notes.example<",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn a_logo_from_elsewhere_is_a_letter() {
        for logo in [None, Some("https://notes.example/logo.png"), Some("//notes.example/logo.png")] {
            let html = ClientCard { logo, ..card() }.picture().into_string();
            assert!(!html.contains("<img") && html.contains(">N</div>"), "{html}");
        }
    }

    #[test]
    fn links_that_are_not_web_addresses_are_dropped() {
        let bad = Some("javascript:alert(1)");
        let html = ClientCard { client_uri: bad, policy_uri: bad, tos_uri: bad, ..card() }.links().into_string();
        assert_eq!(html, "");
    }

    #[test]
    fn a_name_without_end_is_cut() {
        let just = "é".repeat(NAME_LIMIT);
        assert_eq!(short_name(&just), just);
        assert_eq!(short_name(&format!("{just}x")), format!("{just}…"));
    }

    #[test]
    fn a_redirect_host_is_what_the_browser_goes_to() {
        assert_eq!(redirect_host("https://app.example/cb?x=1"), "app.example");
        assert_eq!(redirect_host("https://bank.example@evil.example/cb"), "evil.example");
        assert_eq!(redirect_host("http://127.0.0.1:5555/cb"), "127.0.0.1:5555");
        assert_eq!(redirect_host("http://[::1]:5555/cb"), "[::1]:5555");
        assert_eq!(redirect_host("com.example.app:/cb"), "com.example.app:");
        assert_eq!(redirect_host("https://exаmple.com/"), "xn--exmple-4nf.com", "a Cyrillic а");
        assert_eq!(redirect_host("nonsense"), "");
    }
}

//! The frame of every built-in page: head, brand, main, and the pieces that several pages share.

use maud::{DOCTYPE, Markup, html};
use url::Url;

use super::style;

/// How the operator wants the pages to look: the `ui` section of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The name of the service, in the page's header and the window's title.
    pub title: &'a str,
    /// `#rrggbb`; anything else is taken as the default accent.
    pub accent: &'a str,
    /// The path of the issuer, without a slash at its end: `""` or `/t1`. Assets are at `{base}/ui/…`.
    pub base: &'a str,
}

/// A whole document. `title` is the page's own part of the window title: the first thing that a screen reader says.
pub(super) fn page(look: &Look<'_>, title: &str, main: &Markup) -> Markup {
    page_with(look, title, &html! {}, main, &html! {})
}

/// The same with more in its head, and more behind what is seen.
pub(super) fn page_with(look: &Look<'_>, title: &str, head: &Markup, main: &Markup, unseen: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { (title) " · " (look.title) }
                link rel="stylesheet" href={ (look.base) "/ui/hydrant.css?v=" (style::version(look.accent)) };
                link rel="icon" type="image/svg+xml" href={ (look.base) "/ui/icon.svg?v=" (style::version(look.accent)) };
                (head)
            }
            body {
                header.brand {
                    (mark())
                    span { (look.title) }
                }
                main.card { (main) }
                (unseen)
            }
        }
    }
}

/// The keyhole in a shield beside the service's name; decoration, so no screen reader speaks of it.
fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false" {
            path fill-rule="evenodd" fill="currentColor" d=(style::MARK) {}
        }
    }
}

/// A form that posts `challenge` back under the name that its handler expects, and then `fields`.
pub(super) fn form(action: &str, challenge: (&str, &str), fields: &Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name=(challenge.0) value=(challenge.1);
            (fields)
        }
    }
}

/// The two answers of a form. The first is what Enter does; `#reject` never waits for valid fields.
pub(super) fn answers(accept: &str, reject: &str) -> Markup {
    html! {
        div.answers {
            button.primary #accept type="submit" name="action" value="accept" { (accept) }
            button #reject type="submit" name="action" value="reject" formnovalidate { (reject) }
        }
    }
}

/// A checkbox whose whole line can be touched.
pub(super) fn checkbox(id: &str, label: &str, checked: bool) -> Markup {
    html! {
        label.check {
            input id=(id) name=(id) type="checkbox" value="true" checked[checked];
            span { (label) }
        }
    }
}

/// A web address out of a client's metadata, as it may stand in an `href`: http or https, with a host, without a user
/// and password that would make it look like another's. It is the parsed address that is returned, so that what was
/// checked is what the browser gets: `java\nscript:` is `javascript:` to both.
pub(super) fn web_link(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let safe = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    safe.then(|| url.into())
}

/// A path on our own origin: one slash at its start, because browsers read `//host` and `/\host` as another host's.
pub(super) fn own_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('/')?;
    let foreign = rest.starts_with(['/', '\\']) || path.contains(|c: char| c.is_ascii_control());
    (!foreign).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_become_links() {
        assert_eq!(web_link("https://rp.example/terms?a=1").as_deref(), Some("https://rp.example/terms?a=1"));
        assert_eq!(web_link("HTTP://RP.example").as_deref(), Some("http://rp.example/"));
        for uri in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            " java\tscript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "/terms",
            "//rp.example",
            "https://",
            "https://bank.example@rp.example/",
            "",
        ] {
            assert_eq!(web_link(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_path_of_ours_never_leaves_our_origin() {
        assert_eq!(own_path("/t1/ui/logo?c=1"), Some("/t1/ui/logo?c=1"));
        for path in ["//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example", "logo.png", ""] {
            assert_eq!(own_path(path), None, "{path}");
        }
    }
}

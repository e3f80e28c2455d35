//! The page that loads the logout pages of clients and then goes on (OpenID Connect Front-Channel Logout 1.0 section 3).
//!
//! It frames nothing but the registered pages, is framed by nobody, and its one script is allowed by its hash. Without
//! scripts there is the link, and a refresh, whose seconds browsers count from when all has loaded (HTML section 4.2.5.3).

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use maud::{Markup, PreEscaped, html};

use super::content_security_policy::{form_action_source, hash_source};
use super::layout::{self, Look};

/// On when everything has loaded, which is when the window has, or when the wait is over. Once: a place that is slow to
/// answer is asked once.
const SCRIPT: &str = "(()=>{const on=document.getElementById('continue');let gone=false;\
    const go=()=>{if(!gone){gone=true;location.replace(on.href)}};\
    addEventListener('load',go);setTimeout(go,Number(on.dataset.wait))})()";

static SCRIPT_SOURCE: LazyLock<String> = LazyLock::new(|| hash_source(SCRIPT));

/// What a client's page may do: run its scripts and reach its own cookies and storage, because that is where its session
/// is. It may not navigate this window, open others, or send forms. Both words together let a page of our own origin take
/// its sandbox off; such a page needs no frame for what it could do.
const SANDBOX: &str = "allow-scripts allow-same-origin";

#[derive(Clone, Copy, Debug)]
pub struct SigningOut<'a> {
    /// The pages of clients, with what they are told in their queries.
    pub pages: &'a [String],
    /// Where the logout leads: a registered URI of the client that asked, or a place of ours or the operator's.
    pub to: &'a str,
    /// How long the pages are waited for.
    pub wait: Duration,
}

impl SigningOut<'_> {
    /// The policy that the page is sent with. A page whose origin it can not name is not loaded: one client's odd host
    /// opens it for nobody else.
    pub fn csp(&self) -> String {
        let sources = self.pages.iter().map(|page| form_action_source(page));
        let origins: BTreeSet<_> = sources.filter(|source| source.contains("://")).collect();
        let origins: Vec<_> = origins.iter().map(String::as_str).collect();
        format!(
            "default-src 'none'; style-src 'self'; img-src 'self'; script-src {}; frame-src {}; form-action 'none'; \
             base-uri 'none'; frame-ancestors 'none'",
            *SCRIPT_SOURCE,
            origins.join(" "),
        )
    }

    pub fn page(&self, look: &Look<'_>) -> Markup {
        let seconds = self.wait.as_secs_f64().ceil();
        let head = html! {
            noscript { meta http-equiv="refresh" content={ (seconds) ";url=" (self.to) }; }
        };
        let main = html! {
            div.intro {
                h1 { "Signing out…" }
                p { "The apps that you used are being told. This takes a few seconds at most." }
            }
            div.answers {
                a.button #continue href=(self.to) rel="noopener noreferrer" data-wait=(self.wait.as_millis()) { "Continue" }
            }
        };
        let unseen = html! {
            script { (PreEscaped(SCRIPT)) }
            @for page in self.pages {
                iframe src=(page) sandbox=(SANDBOX) hidden title="Signing out" {}
            }
        };
        layout::page_with(look, "Signing out", &head, &main, &unseen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look<'static> = Look { title: "Example ID", accent: "#0f766e", base: "/t1" };

    fn signing_out<'a>(pages: &'a [String], to: &'a str) -> SigningOut<'a> {
        SigningOut { pages, to, wait: Duration::from_millis(4500) }
    }

    fn html(pages: &[&str], to: &str) -> String {
        let pages: Vec<_> = pages.iter().map(|&page| page.to_owned()).collect();
        signing_out(&pages, to).page(&LOOK).into_string()
    }

    /// LO-17.
    #[test]
    fn every_page_of_a_client_is_a_frame_in_a_sandbox() {
        let html =
            html(&["https://one.example/out?a=1&iss=x", "https://two.example/out"], "https://rp.example/?state=s");
        let frame =
            "<iframe src=\"https://one.example/out?a=1&amp;iss=x\" sandbox=\"allow-scripts allow-same-origin\" hidden";
        assert!(html.contains(frame), "{html}");
        assert_eq!(html.matches("<iframe").count(), 2);
        assert!(html.contains("id=\"continue\" href=\"https://rp.example/?state=s\""), "{html}");
        assert!(html.contains(" data-wait=\"4500\""), "{html}");
        assert!(html.contains("content=\"5;url=https://rp.example/?state=s\""), "{html}");
        assert!(html.contains("href=\"/t1/ui/hydrant.css"), "{html}");
    }

    #[test]
    fn nothing_leaves_its_attribute() {
        let evil = "https://rp.example/\"><script>alert(1)</script>";
        let html = html(&[evil], evil);
        assert_eq!(html.matches("<script").count(), 1, "ours: {html}");
        assert!(html.contains("&quot;&gt;&lt;script&gt;"), "{html}");
    }

    #[test]
    fn the_policy_names_each_origin_once_and_the_script() {
        let page = |uri: &str| uri.to_owned();
        let pages = [
            page("https://two.example:8443/out?sid=1"),
            page("https://one.example/out"),
            page("https://two.example:8443/other"),
            page("https://a;script-src/'unsafe-inline'"),
        ];
        let policy = signing_out(&pages, "https://rp.example/").csp();
        assert!(policy.contains("; frame-src https://one.example https://two.example:8443; "), "{policy}");
        let html = signing_out(&pages, "https://rp.example/").page(&LOOK).into_string();
        let script = html.split("<script>").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
        assert!(policy.contains(&format!("; script-src {}; ", hash_source(script))), "{policy}");
        assert_eq!(policy.matches(';').count(), 7);
        assert!(policy.ends_with("; frame-ancestors 'none'") && !policy.contains("unsafe"));
    }
}

//! What a person sees: the built-in pages, from typed structs to markup. No handlers, nothing from elsewhere, and scripts
//! only where the specification of a page needs one (`form_post`, `signing_out`, `check_session`).
//!
//! Every page is a plain HTML form that works without JavaScript, by keyboard and with a screen reader (WCAG 2.2 AA).
//! What clients and users wrote is escaped by maud; what could act (links, form targets) is parsed first.

pub mod check_session;
mod client;
mod colour;
pub mod consent;
mod content_security_policy;
pub mod error;
pub mod form_post;
mod layout;
pub mod login;
pub mod logout;
pub mod signing_out;
pub mod style;

pub use client::{ClientCard, redirect_host};
pub use content_security_policy::{csp, form_action_source};
pub use layout::Look;

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "\"><script>alert(1)</script>'";

    fn look() -> Look<'static> {
        Look { title: "Example ID", accent: "#0f766e", base: "/t1" }
    }

    fn evil_client() -> ClientCard<'static> {
        ClientCard {
            name: EVIL,
            logo: Some("/t1/ui/logo/1?\"onerror=alert(1)"),
            client_uri: Some("javascript:alert(1)"),
            policy_uri: Some("data:text/html,<script>alert(1)</script>"),
            tos_uri: Some(" java\nscript:alert(1)"),
            redirect_host: EVIL,
            is_verified: false,
        }
    }

    /// Every page there is, each with a hostile value wherever one can arrive.
    fn pages() -> Vec<(&'static str, String)> {
        let look = Look { title: EVIL, ..look() };
        let scopes = [consent::scope_line("openid"), consent::scope_line(EVIL)];
        let login = login::Login {
            action: "/t1/login",
            challenge: EVIL,
            client: Some(evil_client()),
            identifier: EVIL,
            remember: true,
            failure: Some(EVIL),
        };
        let claims = [consent::claim_line("birthdate"), consent::claim_line(EVIL)];
        let consent = consent::Consent {
            action: "/t1/consent",
            challenge: EVIL,
            client: evil_client(),
            account: EVIL,
            scopes: &scopes,
            claims: &claims,
            remember: false,
        };
        let confirm =
            logout::Confirm { action: "/t1/logout", challenge: EVIL, account: Some(EVIL), client_name: Some(EVIL) };
        let fault = error::Fault {
            status: 400,
            code: EVIL,
            message: EVIL,
            request_id: Some(EVIL),
            continue_url: Some("javascript:alert(1)"),
            retry: true,
        };
        vec![
            ("login", login.page(&look).into_string()),
            ("consent", consent.page(&look).into_string()),
            ("logout", confirm.page(&look).into_string()),
            ("signed out", logout::SignedOut.page(&look).into_string()),
            ("error", fault.page(&look).into_string()),
        ]
    }

    #[test]
    fn what_others_wrote_is_text_on_every_page() {
        for (name, html) in pages() {
            assert!(!html.contains("<script"), "{name}: {html}");
            assert!(html.contains("&lt;script&gt;"), "{name} shows what it was given");
            for scheme in ["javascript:alert", "data:", "java\nscript"] {
                assert!(!html.contains(&format!("href=\"{scheme}")), "{name} links to {scheme}");
            }
            assert!(!html.contains("?\"onerror"), "{name}: an attribute was left");
        }
    }

    /// The policy of `csp` forbids all of these: a page that had one would be a broken page.
    #[test]
    fn no_page_needs_more_than_its_policy_allows() {
        for (name, html) in pages() {
            for banned in [" style=", "<style", " onclick=", " onload=", "<iframe", "<base", "src=\"http"] {
                assert!(!html.contains(banned), "{name} has {banned}");
            }
            assert!(html.contains("<link rel=\"stylesheet\" href=\"/t1/ui/hydrant.css?v="), "{name} has its style");
        }
    }

    #[test]
    fn every_page_tells_its_language_and_has_one_heading_and_one_main() {
        for (name, html) in pages() {
            assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{name}");
            assert_eq!(html.matches("<h1").count(), 1, "{name}");
            assert_eq!(html.matches("<main").count(), 1, "{name}");
            assert!(html.contains("name=\"viewport\" content=\"width=device-width, initial-scale=1\""), "{name}");
            assert!(html.contains("name=\"referrer\" content=\"no-referrer\""), "{name}");
        }
    }

    #[test]
    fn an_id_is_there_once() {
        for (name, html) in pages() {
            let mut ids: Vec<&str> =
                html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or("")).collect();
            let all = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), all, "{name} repeats an id: {ids:?}");
        }
    }
}

//! The page that carries an authorization response to the client by POST (OAuth 2.0 Form Post Response Mode 1.0).
//!
//! It has the code in it: it loads nothing, is framed by nobody, and can post to the client's origin alone. Its one script
//! and its style are allowed by their hashes; without scripts the user presses the button.

use std::sync::LazyLock;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::content_security_policy::{form_action_source, hash_source};

/// The method of the prototype, because a field called `submit` would stand in its place.
pub const SCRIPT: &str = "HTMLFormElement.prototype.submit.call(document.forms[0])";

const STYLE: &str = "body{margin:20vh auto;max-width:24rem;padding:0 1rem;text-align:center;font:1rem/1.5 system-ui,sans-serif}\
    button{font:inherit;min-height:2.75rem;padding:0 1.5rem}";

static SCRIPT_SOURCE: LazyLock<String> = LazyLock::new(|| hash_source(SCRIPT));
static STYLE_SOURCE: LazyLock<String> = LazyLock::new(|| hash_source(STYLE));

/// The `script-src` source of [`SCRIPT`].
pub fn script_source() -> &'static str {
    &SCRIPT_SOURCE
}

/// The policy that the page is sent with: the script, the style, and the redirect URI's origin as the only target.
pub fn csp(redirect_uri: &str) -> String {
    format!(
        "default-src 'none'; script-src {}; style-src {}; form-action {}; base-uri 'none'; frame-ancestors 'none'",
        script_source(),
        *STYLE_SOURCE,
        form_action_source(redirect_uri),
    )
}

/// `action` is the redirect URI, `fields` the response's parameters as they are: every one arrives as it was given, but
/// that browsers send a line break in a form as CR LF.
pub fn page(action: &str, fields: &[(&str, &str)]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { "Continue" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                form method="post" action=(action) accept-charset="utf-8" {
                    @for (name, value) in fields {
                        input type="hidden" name=(name) value=(value);
                    }
                    noscript {
                        p { "You are almost there." }
                        button type="submit" { "Continue" }
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_a_hidden_field() {
        let html = page("https://rp.example/cb?a=1&b=2", &[("code", "hyc_1"), ("state", "x y+é%00")]).into_string();
        assert!(html.contains("<form method=\"post\" action=\"https://rp.example/cb?a=1&amp;b=2\""));
        assert!(html.contains("<input type=\"hidden\" name=\"code\" value=\"hyc_1\">"));
        assert!(html.contains("<input type=\"hidden\" name=\"state\" value=\"x y+é%00\">"));
        assert!(html.contains("<noscript>") && html.contains("<button type=\"submit\">Continue</button>"));
    }

    #[test]
    fn target_and_values_cannot_leave_their_attributes() {
        let evil = "\"><script>alert(1)</script>";
        let html = page("https://rp.example/cb?x=\"onfocus=alert(1)", &[("state", evil), (evil, "v")]).into_string();
        assert_eq!(html.matches("<script").count(), 1, "ours");
        assert!(!html.contains("\"onfocus") && html.contains("value=\"&quot;&gt;&lt;script&gt;"));
    }

    #[test]
    fn the_policy_allows_this_script_and_this_target() {
        let html = page("https://rp.example/cb", &[]).into_string();
        let between = |start, end| html.split(start).nth(1).and_then(|rest| rest.split(end).next()).expect("a part");
        let policy = csp("https://rp.example/cb?x=;script-src");
        assert!(policy.contains(&format!("script-src {}; ", hash_source(between("<script>", "</script>")))));
        assert!(policy.contains(&format!("style-src {}; ", hash_source(between("<style>", "</style>")))));
        assert!(policy.contains("default-src 'none'; ") && policy.contains("; frame-ancestors 'none'"));
        assert!(policy.contains("; form-action https://rp.example; "), "{policy}");
        assert!(csp("com.example.app:/cb").contains("; form-action com.example.app:; "));
        assert!(csp("javascript:alert(1)").contains("; form-action 'none'; "));
    }
}

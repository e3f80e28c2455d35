//! The relying party's pages: what it is, whom it got to know, and what went wrong. Plain HTML, no scripts.

use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::oidc::{Client, Failure, Settings};
use super::seed;
use super::visits::{Notice, SignedIn};
use crate::secret::Secret;
use crate::ui::style;

/// Another colour than the server's own pages have: these are another application's.
const ACCENT: &str = "#0f766e";

const RULES: &str = r"
.wide { max-width: 46rem; }
section { display: flex; flex-direction: column; gap: .625rem; min-width: 0; }
h2 { margin: 0; font-size: 1.0625rem; line-height: 1.4; }
.muted { color: var(--muted); font-size: .9375rem; }
.data { display: grid; grid-template-columns: minmax(6.5rem, auto) 1fr; gap: .375rem 1rem; font-size: .9375rem; }
.data dt { color: var(--muted); }
pre {
  margin: 0; padding: .875rem 1rem; border: 1px solid var(--line); border-radius: .625rem; background: var(--page);
  font: .8125rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
.notice { padding: .875rem 1rem; border-radius: .625rem; background: var(--tint); color: var(--text); }
.account-data { padding: 1rem; border: 1px dashed var(--edge); border-radius: .625rem; }
.actions { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .625rem; }
";

/// The body of `/demo.css`.
pub fn stylesheet() -> String {
    format!("{}{RULES}", style::stylesheet(ACCENT))
}

/// The body of `/icon.svg`.
pub fn icon() -> String {
    style::icon(ACCENT)
}

fn page(title: &str, wide: bool, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Demo application" }
                link rel="stylesheet" href="/demo.css";
                link rel="icon" type="image/svg+xml" href="/icon.svg";
            }
            body {
                header.brand {
                    img src="/icon.svg" alt="" width="28" height="28";
                    span { "Demo application" }
                }
                main.card.wide[wide] { (main) }
            }
        }
    }
}

/// What this is, who can sign in, and the way to do it.
pub fn start(settings: &Settings, signed_in: bool, notice: Option<&str>) -> Markup {
    let issuer = &settings.issuer;
    let main = html! {
        div.intro {
            h1 { "Sign in with Hydrant" }
            p {
                "This page is a small application of its own at " span.host { (settings.base) }
                ". Whoever you are, it learns from the OpenID provider at " span.host { (issuer) } "."
            }
        }
        @if let Some(notice) = notice { p.notice #notice role="status" { (notice) } }
        section.account-data {
            h2 { "The demo account" }
            dl.data {
                dt { "Email" } dd { code #demo-email { (seed::EMAIL) } }
                dt { "Password" } dd { code #demo-password { (seed::PASSWORD) } }
            }
        }
        div.answers {
            a.button.primary #sign-in href="/login" { "Sign in" }
            @if signed_in { a.button href="/result" { "See what it learnt last time" } }
        }
        footer.facts {
            p {
                "To look at: the server’s "
                a href={ (issuer) "/.well-known/openid-configuration" } { "metadata" } " and "
                a href={ (issuer) "/.well-known/jwks.json" } { "keys" } "."
            }
        }
    };
    page("Start", false, &main)
}

/// What a login brought, and what can be done with it.
pub fn result(client: &Client, signed_in: &SignedIn, notice: Option<&Notice>) -> Markup {
    let SignedIn { tokens, claims, userinfo } = signed_in;
    let text = |name: &str| userinfo.get(name).and_then(Value::as_str);
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    let name = text("name").or(text("email")).unwrap_or(subject);
    let main = html! {
        div.intro {
            h1 { "Hello, " bdi { (name) } }
            p { "This application now knows who you are. It never saw your password." }
        }
        @if let Some(Notice { words, answer }) = notice {
            section.notice #notice role="status" {
                p { (words) }
                @if let Some(answer) = answer { pre #answer { (pretty(answer)) } }
            }
        }
        section {
            h2 { "The ID token says" }
            p.muted {
                "Its signature fits a key of the server. Issuer, audience, expiry, nonce and access token (at_hash) are "
                "those that are due."
            }
            pre #claims { (pretty(claims)) }
        }
        section {
            h2 { "Userinfo says" }
            pre #userinfo { (pretty(userinfo)) }
        }
        section {
            h2 { "The tokens" }
            dl.data {
                dt { "Granted scope" } dd { code #scope { (tokens.scope) } }
                dt { "Access token" } dd { code #access-token { (shortened(&tokens.access_token)) } " for " (tokens.expires_in) " seconds" }
                dt { "Refresh token" }
                dd { code #refresh-token { (tokens.refresh_token.as_ref().map_or_else(|| "none".to_owned(), shortened)) } }
                dt { "ID token" }
                dd { code { (tokens.id_token.as_ref().map_or_else(|| "none".to_owned(), shortened)) } }
            }
        }
        div.actions {
            (action("/refresh", "refresh", "Refresh"))
            (action("/introspect", "introspect", "Introspect"))
            (action("/revoke", "revoke", "Revoke"))
            (action("/sign-out", "sign-out", "Sign out"))
        }
        footer.facts {
            p { a href="/" { "Back to the start" } " · signed in at " span.host { (client.metadata.issuer) } }
        }
    };
    page("Signed in", true, &main)
}

fn action(path: &str, id: &str, text: &str) -> Markup {
    html! {
        form method="post" action=(path) { button id=(id) type="submit" { (text) } }
    }
}

/// What went wrong. A refusal of the server's is shown by its code.
pub fn fault(failure: &Failure) -> Markup {
    let main = html! {
        div.intro {
            h1 { "You are not signed in" }
            @match failure {
                Failure::Refused { code, description } => {
                    p.message { (description) }
                    p { "The server’s answer: " code #error { (code) } }
                }
                Failure::Wrong(why) => { p.message #error { (why) } }
                Failure::Http(_) => { p.message #error { "The server did not answer." } }
            }
        }
        div.answers { a.button.primary href="/" { "Back to the start" } }
    };
    page("Not signed in", false, &main)
}

fn pretty(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Enough of a token to tell it from the next one, and not enough to use it.
fn shortened(token: &Secret) -> String {
    let token = token.expose();
    let head: String = token.chars().take(12).collect();
    let tail: String = token.chars().skip(token.chars().count().saturating_sub(4).max(12)).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::oidc::tests as fixture;
    use super::*;

    const EVIL: &str = "\"><script>alert(1)</script>";

    fn settings() -> Settings {
        Settings::new("http://127.0.0.1:4444", "http://127.0.0.1:5555", Secret::random())
    }

    #[test]
    fn the_start_page_has_what_a_person_and_a_test_need() {
        let html = start(&settings(), false, Some(EVIL)).into_string();
        assert!(html.contains("<code id=\"demo-email\">alice@example.com</code>"));
        assert!(html.contains(&format!("<code id=\"demo-password\">{}</code>", seed::PASSWORD)));
        assert!(html.contains("id=\"sign-in\" href=\"/login\""));
        assert!(!html.contains("<script") && !html.contains("/result"));
        assert!(start(&settings(), true, None).into_string().contains("href=\"/result\""));
    }

    #[test]
    fn a_refusal_is_shown_by_its_code_and_as_text() {
        let refused = Failure::Refused { code: "access_denied".to_owned(), description: EVIL.to_owned() };
        let html = fault(&refused).into_string();
        assert!(html.contains("<code id=\"error\">access_denied</code>") && !html.contains("<script"), "{html}");
        assert!(!fault(&Failure::wrong(EVIL)).into_string().contains("<script"));
    }

    #[test]
    fn a_token_is_never_shown_whole() {
        let token = Secret::new("hya_ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        assert_eq!(shortened(&token), "hya_ABCDEFGH…WXYZ");
        assert_eq!(shortened(&Secret::new("hya_ABCDEFGHIJ")), "hya_ABCDEFGH…IJ");
    }

    /// The policy forbids all of these.
    #[test]
    fn no_page_needs_more_than_its_policy_allows() {
        let notice = Notice { words: EVIL.to_owned(), answer: Some(json!({ "active": EVIL })) };
        let signed_in = fixture::signed_in(EVIL);
        let client = fixture::client();
        for html in [
            start(&settings(), true, None).into_string(),
            result(&client, &signed_in, Some(&notice)).into_string(),
            fault(&Failure::wrong("x")).into_string(),
        ] {
            for banned in [" style=", "<style", "<script", " onclick=", "src=\"http"] {
                assert!(!html.contains(banned), "{banned} in {html}");
            }
            assert_eq!((html.matches("<h1").count(), html.matches("<main").count()), (1, 1));
        }
        let css = stylesheet();
        assert_eq!(css.matches('{').count(), css.matches('}').count());
        for name in RULES.split("var(--").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(css.contains(&format!("--{name}:")), "{name} is no variable of the stylesheet");
        }
    }

    #[test]
    fn the_result_shows_the_claims_as_json_and_every_button() {
        let signed_in = fixture::signed_in("Alice");
        let html = result(&fixture::client(), &signed_in, None).into_string();
        for id in ["claims", "userinfo", "scope", "refresh", "introspect", "revoke", "sign-out"] {
            assert!(html.contains(&format!(" id=\"{id}\"")), "{id}");
        }
        assert!(html.contains("&quot;sub&quot;: &quot;Alice&quot;"), "{html}");
        assert!(!html.contains(signed_in.tokens.access_token.expose()));
    }
}

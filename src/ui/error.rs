//! The error page: what a person can do about it first, what support needs to know below.

use maud::{Markup, html};

use super::layout::{self, Look};

#[derive(Clone, Copy, Debug)]
pub struct Fault<'a> {
    /// The status that the page is sent with.
    pub status: u16,
    /// The OAuth error code, for whoever set up the client.
    pub code: &'a str,
    /// The error's public half.
    pub message: &'a str,
    /// What finds this request in the log.
    pub request_id: Option<&'a str>,
    /// Where to go on, where there is such a place: a web address or a path of ours.
    pub continue_url: Option<&'a str>,
    /// Whether to offer a GET of the very address that failed.
    pub retry: bool,
}

impl Fault<'_> {
    pub fn page(&self, look: &Look<'_>) -> Markup {
        let (heading, advice) = self.words();
        let next = self
            .continue_url
            .and_then(|url| layout::own_path(url).map(str::to_owned).or_else(|| layout::web_link(url)));
        let main = html! {
            div.intro {
                h1 { (heading) }
                p.message { (self.message) }
                // A message that ends in advice of its own needs none of ours.
                @if let Some(advice) = advice.filter(|_| !self.message.contains("start again")) { p { (advice) } }
            }
            @if next.is_some() || self.retry {
                div.answers {
                    @if let Some(next) = next {
                        a.button.primary href=(next) rel="noopener noreferrer" { "Continue" }
                    }
                    // An empty reference is this page's own address, query included (RFC 3986 section 5.4.1).
                    @if self.retry { a.button href="" { "Try again" } }
                }
            }
            footer.facts {
                dl {
                    dt { "Error" }
                    dd { code { (self.code) } " (" (self.status) ")" }
                    @if let Some(id) = self.request_id {
                        dt { "Request" }
                        dd { code { (id) } }
                    }
                }
            }
        };
        layout::page(look, heading, &main)
    }

    /// A heading that says whose turn it is, and what usually helps.
    fn words(&self) -> (&'static str, Option<&'static str>) {
        match self.status {
            404 => ("There is no such page", Some("Start again from the app you came from.")),
            410 => ("This page was already used", Some("Start again from the app you came from.")),
            429 => ("Too many attempts", Some("Please wait a moment, then try again.")),
            503 => ("We will be right back", Some("Nothing is lost. Please try again in a moment.")),
            500.. => ("Something went wrong here", Some("It is not your fault. Please try again in a moment.")),
            _ if self.continue_url.is_some() => ("This did not work", None),
            _ => ("This did not work", Some("Go back to the app you came from and start again.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAULT: Fault<'static> = Fault {
        status: 400,
        code: "invalid_request",
        message: "The redirect URI is not registered.",
        request_id: Some("0198c0de"),
        continue_url: None,
        retry: false,
    };

    fn html(fault: Fault<'_>) -> String {
        fault.page(&Look { title: "Example ID", accent: "#0f766e", base: "" }).into_string()
    }

    #[test]
    fn it_says_what_happened_and_what_support_needs() {
        let html = html(FAULT);
        for part in [">invalid_request<", "(400)", ">The redirect URI is not registered.<", ">0198c0de<"] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("<a "), "there is nowhere to go");
    }

    #[test]
    fn it_leads_on_only_to_the_web_or_to_us() {
        for url in ["https://rp.example/", "/oauth2/auth?x=1"] {
            let html = html(Fault { continue_url: Some(url), ..FAULT });
            assert!(html.contains(&format!("href=\"{url}\"")), "{html}");
        }
        for url in ["javascript:alert(1)", "//evil.example", "/\\evil.example"] {
            assert!(!html(Fault { continue_url: Some(url), ..FAULT }).contains("<a "), "{url}");
        }
    }

    #[test]
    fn a_retry_asks_for_the_same_address() {
        assert!(
            html(Fault { status: 503, retry: true, ..FAULT }).contains("<a class=\"button\" href=\"\">Try again</a>")
        );
    }

    #[test]
    fn every_status_has_its_words() {
        for (status, heading) in [
            (403, "This did not work"),
            (404, "There is no such page"),
            (410, "This page was already used"),
            (429, "Too many attempts"),
            (500, "Something went wrong here"),
            (503, "We will be right back"),
        ] {
            assert!(html(Fault { status, ..FAULT }).contains(&format!("<h1>{heading}</h1>")), "{status}");
        }
    }
}

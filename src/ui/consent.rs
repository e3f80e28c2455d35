//! The consent page: who asks, for what, for which account; the user chooses scope by scope (RFC 6749 section 3.3
//! lets the server grant less than was asked for).

use maud::{Markup, html};

use super::client::{ClientCard, short_name};
use super::layout::{self, Look};

/// Posts `consent_challenge`, one `grant_scope` for each box left checked, `remember=true` if checked, and `action` =
/// `accept` or `reject`; or, for another account, `consent_challenge` and `action=switch` alone.
#[derive(Clone, Copy, Debug)]
pub struct Consent<'a> {
    pub action: &'a str,
    pub challenge: &'a str,
    pub client: ClientCard<'a>,
    /// The name under which the user knows the account: email or username.
    pub account: &'a str,
    /// What was asked for, all checked at first.
    pub scopes: &'a [ScopeLine<'a>],
    /// Claims that were asked for by name and that no scope among these opens, all checked at first.
    pub claims: &'a [ClaimLine<'a>],
    pub remember: bool,
}

/// A claim in words for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimLine<'a> {
    pub claim: &'a str,
    pub title: &'a str,
    pub detail: &'a str,
}

/// The words for a claim: those of OIDC Core section 5.1 are known, any other is shown by its name.
pub fn claim_line(claim: &str) -> ClaimLine<'_> {
    let title = match claim {
        "name" | "given_name" | "family_name" | "middle_name" => "See your name",
        "nickname" | "preferred_username" => "See the name you go by",
        "picture" | "profile" | "website" => "See your pages and picture",
        "gender" => "See your gender",
        "birthdate" => "See your date of birth",
        "zoneinfo" | "locale" => "See your time zone and language",
        "email" | "email_verified" => "See your email address",
        "address" => "See your postal address",
        "phone_number" | "phone_number_verified" => "See your phone number",
        other => return ClaimLine { claim, title: other, detail: "A detail of your account, asked for by this name" },
    };
    ClaimLine { claim, title, detail: "This detail alone" }
}

/// A scope in words for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeLine<'a> {
    pub scope: &'a str,
    pub title: &'a str,
    pub detail: &'a str,
}

/// The words for a scope: those of OIDC Core sections 5.4 and 11 are known, any other is shown by its name.
pub fn scope_line(scope: &str) -> ScopeLine<'_> {
    let (title, detail) = match scope {
        "openid" => ("Sign you in", "Recognise you by your account’s identifier"),
        "profile" => ("See your profile", "Your name, picture and similar details"),
        "email" => ("See your email address", "And whether it was confirmed"),
        "address" => ("See your postal address", "Street, city, postcode and country"),
        "phone" => ("See your phone number", "And whether it was confirmed"),
        "offline" | "offline_access" => ("Stay connected", "Keep this access while you are away"),
        other => (other, "A permission that the app asks for by this name"),
    };
    ScopeLine { scope, title, detail }
}

/// The page's own ids, which tests and password managers look for. A scope of the same name gets a prefix.
const OWN_IDS: [&str; 4] = ["accept", "reject", "remember", "switch"];

impl Consent<'_> {
    pub fn page(&self, look: &Look<'_>) -> Markup {
        let main = html! {
            div.intro {
                (self.client.picture())
                h1 { "Allow " (self.client.name()) " to use your account?" }
            }
            (self.client.mark())
            div.account {
                p { "Signed in as " bdi.name { (self.account) } }
                // Its form stands apart, so that Enter in the form below can never mean this button.
                button.link type="submit" form="switch" name="action" value="switch" {
                    "Not you? Use another account"
                }
            }
            (layout::form(self.action, ("consent_challenge", self.challenge), &self.fields()))
            (self.client.links())
            form #switch method="post" action=(self.action) {
                input type="hidden" name="consent_challenge" value=(self.challenge);
            }
        };
        layout::page(look, &format!("Allow {}?", short_name(self.client.name)), &main)
    }

    fn fields(&self) -> Markup {
        html! {
            @if !self.scopes.is_empty() || !self.claims.is_empty() {
                fieldset {
                    legend { (self.client.name()) " would like to" }
                    @for line in self.scopes { (line.checkbox()) }
                    @for line in self.claims { (line.checkbox()) }
                }
            }
            (layout::checkbox("remember", "Do not ask me again", self.remember))
            (self.client.destination())
            (layout::answers("Allow", "Deny"))
        }
    }
}

impl ScopeLine<'_> {
    fn checkbox(&self) -> Markup {
        let prefix = if OWN_IDS.contains(&self.scope) { "scope-" } else { "" };
        html! {
            label.check {
                input id={ (prefix) (self.scope) } name="grant_scope" type="checkbox" value=(self.scope) checked;
                span {
                    bdi.title { (self.title) }
                    span.detail { (self.detail) }
                }
            }
        }
    }
}

impl ClaimLine<'_> {
    fn checkbox(&self) -> Markup {
        html! {
            label.check {
                input id={ "claim-" (self.claim) } name="grant_claim" type="checkbox" value=(self.claim) checked;
                span {
                    bdi.title { (self.title) }
                    span.detail { (self.detail) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(scopes: &[&str]) -> String {
        let scopes: Vec<_> = scopes.iter().map(|scope| scope_line(scope)).collect();
        let client = ClientCard {
            name: "Notes",
            logo: None,
            client_uri: None,
            policy_uri: Some("https://notes.example/privacy"),
            tos_uri: None,
            redirect_host: "app.notes.example",
            is_verified: false,
        };
        let claims = [claim_line("birthdate"), claim_line("role")];
        Consent {
            action: "/consent",
            challenge: "C2",
            client,
            account: "ada",
            scopes: &scopes,
            claims: &claims,
            remember: false,
        }
        .page(&Look { title: "Example ID", accent: "#0f766e", base: "" })
        .into_string()
    }

    #[test]
    fn each_scope_is_a_checked_box_of_its_own_name() {
        let html = html(&["openid", "photos:read"]);
        for scope in ["openid", "photos:read"] {
            let input =
                format!("<input id=\"{scope}\" name=\"grant_scope\" type=\"checkbox\" value=\"{scope}\" checked>");
            assert!(html.contains(&input), "{html}");
        }
        assert_eq!(html.matches("name=\"grant_scope\"").count(), 2);
    }

    #[test]
    fn a_claim_is_a_checked_box_beside_the_scopes() {
        let html = html(&["openid"]);
        for (claim, title) in [("birthdate", "See your date of birth"), ("role", "role")] {
            let input = format!(
                "<input id=\"claim-{claim}\" name=\"grant_claim\" type=\"checkbox\" value=\"{claim}\" checked>"
            );
            assert!(html.contains(&input) && html.contains(&format!(">{title}<")), "{html}");
        }
    }

    #[test]
    fn the_user_sees_who_asks_and_where_the_answer_goes() {
        let html = html(&["openid"]);
        for part in [">Notes<", ">ada<", ">app.notes.example<", "href=\"https://notes.example/privacy\""] {
            assert!(html.contains(part), "{part}");
        }
        assert!(html.find(">app.notes.example<") < html.find("id=\"accept\""), "before the answer");
        assert!(html.contains("id=\"remember\" name=\"remember\" type=\"checkbox\" value=\"true\">"));
    }

    #[test]
    fn a_scope_cannot_take_the_id_of_a_button() {
        let html = html(&["accept", "switch"]);
        assert_eq!(html.matches("id=\"accept\"").count(), 1);
        assert!(html.contains("id=\"scope-accept\" name=\"grant_scope\" type=\"checkbox\" value=\"accept\""));
        assert_eq!(html.matches("id=\"switch\"").count(), 1);
    }

    #[test]
    fn another_account_is_a_form_of_its_own() {
        let html = html(&["openid"]);
        let (main, switch) = html.split_once("<form id=\"switch\"").expect("a second form");
        assert!(main.contains("form=\"switch\" name=\"action\" value=\"switch\""));
        assert!(switch.contains("name=\"consent_challenge\" value=\"C2\"") && !switch.contains("grant_scope"));
    }

    #[test]
    fn known_scopes_have_words_and_others_their_name() {
        for scope in ["openid", "profile", "email", "address", "phone", "offline", "offline_access"] {
            let line = scope_line(scope);
            assert!(line.scope == scope && line.title != scope && !line.detail.is_empty(), "{line:?}");
        }
        assert_eq!(scope_line("photos:read").title, "photos:read");
        assert_eq!(scope_line("offline").title, scope_line("offline_access").title);
    }
}

//! The logout pages: the question (OIDC RP-Initiated Logout 1.0 section 2 asks for it) and the farewell.

use maud::{Markup, html};

use super::client::short_name;
use super::layout::{self, Look};

/// Posts `logout_challenge` and `action` = `accept` or `reject`.
#[derive(Clone, Copy, Debug)]
pub struct Confirm<'a> {
    pub action: &'a str,
    pub challenge: &'a str,
    /// The name under which the user knows the account: email or username.
    pub account: Option<&'a str>,
    /// Who asks, by the name that the request gave: without an ID token nobody has proven it.
    pub client_name: Option<&'a str>,
}

impl Confirm<'_> {
    pub fn page(&self, look: &Look<'_>) -> Markup {
        let main = html! {
            div.intro {
                h1 { "Sign out?" }
                p {
                    @if let Some(client) = self.client_name {
                        bdi.name { (short_name(client)) } " asks to sign you out of " bdi.name { (look.title) } "."
                    } @else {
                        "You will be signed out of " bdi.name { (look.title) } " on this device."
                    }
                }
                @if let Some(account) = self.account {
                    p { "Signed in as " bdi.name { (account) } }
                }
            }
            (layout::form(self.action, ("logout_challenge", self.challenge), &layout::answers("Sign out", "Stay signed in")))
        };
        layout::page(look, "Sign out", &main)
    }
}

/// After a logout that had nowhere to return to.
#[derive(Clone, Copy, Debug)]
pub struct SignedOut;

impl SignedOut {
    pub fn page(&self, look: &Look<'_>) -> Markup {
        let main = html! {
            div.intro {
                h1 { "You are signed out" }
                p { "You can close this page now." }
            }
        };
        layout::page(look, "Signed out", &main)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look<'static> = Look { title: "Example ID", accent: "#0f766e", base: "" };

    #[test]
    fn the_question_names_who_asks_and_which_account() {
        let confirm = Confirm { action: "/logout", challenge: "C3", account: Some("ada"), client_name: Some("Notes") };
        let html = confirm.page(&LOOK).into_string();
        for part in [
            "<form method=\"post\" action=\"/logout\">",
            "name=\"logout_challenge\" value=\"C3\"",
            "id=\"accept\" type=\"submit\" name=\"action\" value=\"accept\">Sign out<",
            "id=\"reject\" type=\"submit\" name=\"action\" value=\"reject\"",
            ">Notes<",
            ">ada<",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn without_client_and_account_it_still_asks() {
        let html = Confirm { action: "/logout", challenge: "C3", account: None, client_name: None }.page(&LOOK);
        assert!(html.into_string().contains("You will be signed out of"));
    }

    #[test]
    fn the_farewell_says_so_and_asks_nothing() {
        let html = SignedOut.page(&LOOK).into_string();
        assert!(html.contains("<h1>You are signed out</h1>") && !html.contains("<form"));
    }
}

//! The login page: one form for identifier and password.

use maud::{Markup, html};

use super::client::ClientCard;
use super::layout::{self, Look};

/// Posts `login_challenge`, `email`, `password`, `remember=true` if checked, and `action` = `accept` or `reject`.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    pub action: &'a str,
    pub challenge: &'a str,
    /// Who asked for this login, where a client did.
    pub client: Option<ClientCard<'a>>,
    /// What was typed before, or the `login_hint`.
    pub identifier: &'a str,
    pub remember: bool,
    /// Why the last try failed, in words for the user: the same for an unknown user and for a wrong password.
    pub failure: Option<&'a str>,
}

impl Login<'_> {
    pub fn page(&self, look: &Look<'_>) -> Markup {
        let failed = self.failure.is_some();
        let main = html! {
            div.intro {
                @if let Some(client) = &self.client { (client.picture()) }
                h1 { "Sign in" }
                p {
                    "to continue to "
                    @match &self.client {
                        Some(client) => (client.name()),
                        None => bdi.name { (look.title) },
                    }
                }
            }
            @if let Some(failure) = self.failure {
                p.alert #failure role="alert" { (failure) }
            }
            @if let Some(client) = &self.client { (client.mark()) }
            (layout::form(self.action, ("login_challenge", self.challenge), &self.fields()))
            @if let Some(client) = &self.client {
                footer.facts { (client.destination()) (client.links()) }
            }
        };
        // A page that came back says so in its title, which is read first.
        layout::page(look, if failed { "Error: Sign in" } else { "Sign in" }, &main)
    }

    fn fields(&self) -> Markup {
        let invalid = self.failure.map(|_| "true");
        let described_by = self.failure.map(|_| "failure");
        // The first field that still needs typing; there the screen reader also reads the failure.
        let known = !self.identifier.is_empty();
        html! {
            label for="email" { "Email or username" }
            input #email name="email" type="text" value=(self.identifier) required autofocus[!known]
                autocomplete="username" inputmode="email" autocapitalize="none" autocorrect="off" spellcheck="false"
                aria-invalid=[invalid] aria-describedby=[described_by];
            label for="password" { "Password" }
            input #password name="password" type="password" required autofocus[known]
                autocomplete="current-password" aria-invalid=[invalid] aria-describedby=[described_by];
            (layout::checkbox("remember", "Keep me signed in on this device", self.remember))
            @if self.client.is_some() {
                (layout::answers("Sign in", "Cancel"))
            } @else {
                // Nobody waits for an answer.
                button.primary #accept type="submit" name="action" value="accept" { "Sign in" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ClientCard<'static> = ClientCard {
        name: "Notes",
        logo: None,
        client_uri: None,
        policy_uri: None,
        tos_uri: None,
        redirect_host: "app.notes.example",
        is_verified: true,
    };

    fn html(identifier: &str, failure: Option<&str>, remember: bool) -> String {
        Login { action: "/login", challenge: "C1", client: Some(CLIENT), identifier, remember, failure }
            .page(&Look { title: "Example ID", accent: "#0f766e", base: "" })
            .into_string()
    }

    /// The tag that holds `part`.
    fn tag<'a>(html: &'a str, part: &str) -> &'a str {
        html.split('<').find(|tag| tag.contains(part)).expect(part)
    }

    #[test]
    fn the_form_posts_what_its_handler_reads() {
        let html = html("", None, false);
        assert!(html.contains("<form method=\"post\" action=\"/login\">"));
        assert!(html.contains("<input type=\"hidden\" name=\"login_challenge\" value=\"C1\">"));
        for (id, parts) in [
            ("email", &["name=\"email\"", "type=\"text\"", "autocomplete=\"username\"", "required"][..]),
            ("password", &["name=\"password\"", "type=\"password\"", "autocomplete=\"current-password\"", "required"]),
            ("remember", &["name=\"remember\"", "type=\"checkbox\"", "value=\"true\""]),
            ("accept", &["name=\"action\"", "value=\"accept\"", "type=\"submit\""]),
            ("reject", &["name=\"action\"", "value=\"reject\"", "formnovalidate"]),
        ] {
            let tag = tag(&html, &format!("id=\"{id}\""));
            for part in parts {
                assert!(tag.contains(part), "#{id} has {part}: {tag}");
            }
        }
        assert!(html.find("id=\"accept\"") < html.find("id=\"reject\""), "Enter signs in");
        assert!(!tag(&html, "id=\"remember\"").contains("checked"));
    }

    #[test]
    fn where_no_client_waits_there_is_nothing_to_cancel() {
        let login =
            Login { action: "/login", challenge: "C1", client: None, identifier: "", remember: false, failure: None };
        let html = login.page(&Look { title: "Example ID", accent: "", base: "" }).into_string();
        assert!(html.contains("id=\"accept\"") && !html.contains("id=\"reject\""), "{html}");
        assert!(html.contains("<bdi class=\"name\">Example ID</bdi>"), "{html}");
    }

    #[test]
    fn every_field_has_a_label_and_only_one_takes_the_focus() {
        for identifier in ["", "ada"] {
            let html = html(identifier, None, true);
            assert!(html.contains("<label for=\"email\">") && html.contains("<label for=\"password\">"));
            assert_eq!(html.matches("autofocus").count(), 1);
            let focused = if identifier.is_empty() { "id=\"email\"" } else { "id=\"password\"" };
            assert!(tag(&html, focused).contains("autofocus"));
            assert!(tag(&html, "id=\"remember\"").contains("checked"));
        }
    }

    #[test]
    fn a_failure_is_announced_and_the_password_is_not_kept() {
        let html = html("ada", Some("That did not match."), false);
        assert!(html.contains("id=\"failure\" role=\"alert\">That did not match.<"));
        assert!(html.contains("<title>Error: Sign in"));
        for id in ["email", "password"] {
            let tag = tag(&html, &format!("id=\"{id}\""));
            assert!(tag.contains("aria-invalid=\"true\" aria-describedby=\"failure\""), "{tag}");
        }
        assert!(tag(&html, "id=\"email\"").contains("value=\"ada\""));
        assert!(!tag(&html, "id=\"password\"").contains("value="));
    }

    #[test]
    fn without_a_failure_nothing_is_invalid() {
        let html = html("", None, false);
        for part in ["aria-invalid", "aria-describedby", "role=\"alert\""] {
            assert!(!html.contains(part), "{part}");
        }
    }
}

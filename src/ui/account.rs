//! The account page: where a person is signed in, which applications they have connected, and their password.

use maud::{Markup, html};

use super::client::ClientCard;
use super::layout::{self, Look};
use super::when;
use crate::clock::Timestamp;

/// Its forms post `form` and one of `end_session` (a session's id), `end_others`, `disconnect` (a client's id), or
/// `change_password` with `current_password`, `new_password` and `new_password_again`.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    pub action: &'a str,
    pub form: &'a str,
    /// The name under which the person knows the account: email or username.
    pub account: &'a str,
    /// What was done.
    pub notice: Option<&'a str>,
    /// This browser's first.
    pub sessions: &'a [SessionRow],
    pub has_more_sessions: bool,
    pub applications: &'a [ApplicationRow<'a>],
    pub has_more_applications: bool,
    /// `None`: the person has no password here.
    pub password: Option<Password<'a>>,
    /// Where one signs out.
    pub sign_out: &'a str,
    pub now: Timestamp,
}

/// A session in words for the person.
#[derive(Clone, Debug)]
pub struct SessionRow {
    pub id: String,
    /// See [`super::device`].
    pub device: String,
    pub address: Option<String>,
    pub since: Timestamp,
    pub used_at: Timestamp,
    pub is_here: bool,
}

/// An application that is connected.
#[derive(Clone, Debug)]
pub struct ApplicationRow<'a> {
    pub id: &'a str,
    pub client: ClientCard<'a>,
    /// What it may, in words: the titles of its scopes.
    pub may: Vec<&'a str>,
    pub since: Timestamp,
}

/// The form for another password.
#[derive(Clone, Copy, Debug)]
pub struct Password<'a> {
    /// For password managers: whose password it is.
    pub username: &'a str,
    pub min_length: usize,
    /// Why the last try failed, and whether that was the current password's fault.
    pub failure: Option<(&'a str, Field)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Current,
    New,
}

impl Account<'_> {
    pub fn page(&self, look: &Look<'_>) -> Markup {
        let failed = self.password.is_some_and(|password| password.failure.is_some());
        let main = html! {
            div.intro {
                h1 { "Your account" }
                p { "Signed in as " bdi.name { (self.account) } }
            }
            @if let Some(notice) = self.notice {
                p.notice role="status" { (notice) }
            }
            (self.sessions())
            (self.applications())
            @if let Some(password) = self.password { (self.password(password)) }
            a.button #sign-out href=(self.sign_out) { "Sign out of this browser" }
        };
        layout::wide_page(look, if failed { "Error: Your account" } else { "Your account" }, &main)
    }

    fn sessions(&self) -> Markup {
        let others = self.sessions.iter().filter(|session| !session.is_here).count();
        let rows = html! {
            ul.rows {
                @for session in self.sessions { (session.row(self.now)) }
            }
            @if self.has_more_sessions {
                p.detail { "These are the newest. The button below ends all others, those that are not shown too." }
            }
            @if others > 0 {
                button #end-others type="submit" name="end_others" value="true" { "Sign out everywhere else" }
            } @else {
                p.detail { "You are signed in nowhere else." }
            }
        };
        html! {
            section aria-labelledby="sessions" {
                h2 #sessions { "Where you are signed in" }
                (layout::form(self.action, ("form", self.form), &rows))
            }
        }
    }

    fn applications(&self) -> Markup {
        let rows = html! {
            ul.rows {
                @for application in self.applications { (application.row()) }
            }
            @if self.has_more_applications { p.detail { "These are the newest." } }
        };
        html! {
            section aria-labelledby="applications" {
                h2 #applications { "Connected applications" }
                @if self.applications.is_empty() {
                    p.detail { "No application has access to your account." }
                } @else {
                    (layout::form(self.action, ("form", self.form), &rows))
                }
            }
        }
    }

    fn password(&self, password: Password<'_>) -> Markup {
        html! {
            section aria-labelledby="password" {
                details open[password.failure.is_some()] {
                    summary { h2 #password { "Change your password" } }
                    @if let Some((failure, _)) = password.failure {
                        p.alert #failure role="alert" { (failure) }
                    }
                    p.detail {
                        "You will be signed out everywhere else, and applications lose their access until you use them again."
                    }
                    (layout::form(self.action, ("form", self.form), &password.fields()))
                }
            }
        }
    }
}

impl SessionRow {
    fn row(&self, now: Timestamp) -> Markup {
        let address = self.address.as_deref();
        let label = match address {
            Some(address) => format!("Sign out {}, {address}", self.device),
            None => format!("Sign out {}", self.device),
        };
        html! {
            li.row {
                div.what {
                    p {
                        bdi.title { (self.device) }
                        @if self.is_here { " " span.badge { "This browser" } }
                    }
                    p.detail {
                        @if let Some(address) = address { bdi { (address) } " · " }
                        "used " (when::ago(self.used_at, now))
                    }
                    p.detail { "Since " (when::day(self.since)) }
                }
                @if !self.is_here {
                    button.small type="submit" name="end_session" value=(self.id) aria-label=(label) { "Sign out" }
                }
            }
        }
    }
}

impl ApplicationRow<'_> {
    fn row(&self) -> Markup {
        let label = format!("Remove access of {}", super::client::short_name(self.client.name));
        html! {
            li.row.app {
                (self.client.picture())
                div.what {
                    p {
                        (self.client.name())
                        @if !self.client.is_verified { " " span.badge { "Unverified app" } }
                    }
                    @if !self.may.is_empty() {
                        p.detail {
                            @for (at, title) in self.may.iter().enumerate() {
                                @if at > 0 { " · " }
                                bdi { (title) }
                            }
                        }
                    }
                    p.detail { "Connected since " (when::day(self.since)) }
                }
                button.small type="submit" name="disconnect" value=(self.id) aria-label=(label) { "Remove access" }
            }
        }
    }
}

impl Password<'_> {
    fn fields(&self) -> Markup {
        let at = |field: Field| self.failure.filter(|(_, at)| *at == field);
        let invalid = |field: Field| at(field).map(|_| "true");
        let described_by = |field: Field| at(field).map(|_| "failure");
        html! {
            label hidden {
                "Account"
                input #username type="text" name="username" value=(self.username) autocomplete="username" readonly;
            }
            label for="current_password" { "Current password" }
            input #current_password name="current_password" type="password" required autocomplete="current-password"
                aria-invalid=[invalid(Field::Current)] aria-describedby=[described_by(Field::Current)];
            label for="new_password" { "New password (at least " (self.min_length) " characters)" }
            input #new_password name="new_password" type="password" required minlength=(self.min_length)
                autocomplete="new-password" aria-invalid=[invalid(Field::New)]
                aria-describedby=[described_by(Field::New)];
            label for="new_password_again" { "New password once more" }
            input #new_password_again name="new_password_again" type="password" required minlength=(self.min_length)
                autocomplete="new-password" aria-invalid=[invalid(Field::New)];
            button.primary #change-password type="submit" name="change_password" value="true" { "Change password" }
        }
    }
}

/// The page for whoever is not signed in where signing in is another application's.
#[derive(Clone, Copy, Debug)]
pub struct NobodyHere;

impl NobodyHere {
    pub fn page(&self, look: &Look<'_>) -> Markup {
        let main = html! {
            div.intro {
                h1 { "You are not signed in" }
                p {
                    "Sign in at an application that uses " bdi.name { (look.title) }
                    " and let it keep you signed in; then come back to this page."
                }
            }
        };
        layout::page(look, "Your account", &main)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look<'static> = Look { title: "Example ID", accent: "#0f766e", base: "" };
    const NOW: Timestamp = Timestamp::from_seconds(1_753_358_400);

    fn session(id: &str, is_here: bool) -> SessionRow {
        SessionRow {
            id: id.to_owned(),
            device: "Firefox on Linux".to_owned(),
            address: Some("192.0.2.1".to_owned()),
            since: NOW,
            used_at: NOW,
            is_here,
        }
    }

    fn page(sessions: &[SessionRow], password: Option<Password<'_>>) -> String {
        Account {
            action: "/account",
            form: "F1",
            account: "ada",
            notice: None,
            sessions,
            has_more_sessions: false,
            applications: &[],
            has_more_applications: false,
            password,
            sign_out: "/oauth2/sessions/logout",
            now: NOW,
        }
        .page(&LOOK)
        .into_string()
    }

    #[test]
    fn this_browser_is_marked_and_ends_by_signing_out_alone() {
        let html = page(&[session("S1", true), session("S2", false)], None);
        assert!(html.contains("This browser") && !html.contains("value=\"S1\""), "{html}");
        assert!(html.contains("name=\"end_session\" value=\"S2\" aria-label=\"Sign out Firefox on Linux, 192.0.2.1\""));
        assert!(html.contains("id=\"end-others\"") && html.contains("href=\"/oauth2/sessions/logout\""));
        assert!(!page(&[session("S1", true)], None).contains("end_others"), "there is nothing to end");
    }

    #[test]
    fn every_form_is_bound() {
        let password = Password { username: "ada", min_length: 8, failure: None };
        let html = page(&[session("S1", true)], Some(password));
        assert_eq!(html.matches("<form ").count(), html.matches("name=\"form\" value=\"F1\"").count());
        assert!(!html.contains("<details open"), "{html}");
    }

    #[test]
    fn a_failure_opens_the_form_and_is_at_its_field() {
        let failure = Some(("That was not it.", Field::Current));
        let html = page(&[], Some(Password { username: "ada", min_length: 8, failure }));
        assert!(html.contains("<details open") && html.contains("role=\"alert\">That was not it.<"), "{html}");
        assert_eq!(html.matches("aria-invalid=\"true\"").count(), 1);
        assert!(html.contains("<title>Error: Your account"));
        assert!(!html.contains("type=\"password\" value"));
    }
}

//! A login, consent and logout app of another maker: what Hydra's challenge protocol lets it do.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Authorize, Browser, Server};

pub const LOGIN_APP: &str = "https://accounts.example/login?theme=dark";
pub const CONSENT_APP: &str = "https://accounts.example/consent";
pub const LOGOUT_APP: &str = "https://accounts.example/logout";

/// What an app is asked about.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    Login,
    Consent,
    Logout,
}

impl Asked {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Consent => "consent",
            Self::Logout => "logout",
        }
    }

    fn app(self) -> &'static str {
        match self {
            Self::Login => "https://accounts.example/login?theme=dark&login_challenge=",
            Self::Consent => "https://accounts.example/consent?consent_challenge=",
            Self::Logout => "https://accounts.example/logout?logout_challenge=",
        }
    }

    /// The challenge that an answer sends the browser to the app with.
    #[track_caller]
    pub fn challenge(self, answer: &Answer) -> String {
        let location = answer.location().unwrap_or_else(|| panic!("{} {}", answer.status, answer.body));
        assert!(location.starts_with(self.app()), "not to the {} app: {location}", self.name());
        answer.parameter(&format!("{}_challenge", self.name())).unwrap()
    }

    pub fn is_at(self, answer: &Answer) -> bool {
        answer.location().is_some_and(|location| location.starts_with(self.app()))
    }
}

impl Server {
    /// A server whose pages are all another app's.
    pub async fn with_apps() -> Self {
        Self::with(|config| {
            config.urls.login = Some(LOGIN_APP.parse().unwrap());
            config.urls.consent = Some(CONSENT_APP.parse().unwrap());
            config.urls.logout = Some(LOGOUT_APP.parse().unwrap());
        })
        .await
    }

    /// What the app is told.
    pub async fn asked(&self, asked: Asked, challenge: &str) -> Answer {
        let name = asked.name();
        let path = format!("/oauth2/auth/requests/{name}?{name}_challenge={challenge}");
        self.admin(Method::GET, &path, None).await
    }

    /// What the app answers: `accept`, or `reject`.
    pub async fn answer(&self, asked: Asked, verb: &str, challenge: &str, body: &Value) -> Answer {
        let name = asked.name();
        let path = format!("/oauth2/auth/requests/{name}/{verb}?{name}_challenge={challenge}");
        self.admin(Method::PUT, &path, Some(body)).await
    }

    /// Where the browser goes once the app has accepted.
    pub async fn accept(&self, asked: Asked, challenge: &str, body: Value) -> String {
        let answer = self.answer(asked, "accept", challenge, &body).await;
        assert_eq!(answer.status, 200, "{}: {}", asked.name(), answer.body);
        answer.json()["redirect_to"].as_str().unwrap().to_owned()
    }
}

impl Browser<'_> {
    /// Signs in at the app; where that leads.
    pub async fn app_login(&mut self, server: &Server, at: &Answer, body: Value) -> Answer {
        let location = server.accept(Asked::Login, &Asked::Login.challenge(at), body).await;
        self.get(&location).await
    }

    /// Allows everything that is asked for at the app, with what a test adds.
    pub async fn app_consent(&mut self, server: &Server, at: &Answer, more: &Value) -> Answer {
        let challenge = Asked::Consent.challenge(at);
        let asked = server.asked(Asked::Consent, &challenge).await.json();
        let mut body = json!({
            "grant_scope": asked["requested_scope"],
            "grant_access_token_audience": asked["requested_access_token_audience"],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let location = server.accept(Asked::Consent, &challenge, body).await;
        self.get(&location).await
    }

    /// The whole way by the apps: where it ends.
    pub async fn app_journey(&mut self, server: &Server, request: &Authorize, login: Value, consent: Value) -> Answer {
        let mut answer = self.get(&request.url(server)).await;
        if Asked::Login.is_at(&answer) {
            answer = self.app_login(server, &answer, login).await;
        }
        if Asked::Consent.is_at(&answer) {
            answer = self.app_consent(server, &answer, &consent).await;
        }
        answer
    }
}

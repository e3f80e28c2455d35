//! A person's browser: cookies, forms, redirects, and nothing that a script would do.

use std::collections::HashMap;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE, USER_AGENT};
use url::Url;

use super::requests::{Answer, Authorize};
use super::{PASSWORD, Server};

/// Keeps cookies by name; follows redirects only while they stay on the server.
pub struct Browser<'a> {
    server: &'a Server,
    pub cookies: HashMap<String, String>,
    /// What it calls itself.
    user_agent: Option<&'static str>,
}

impl Server {
    pub fn browser(&self) -> Browser<'_> {
        Browser { server: self, cookies: HashMap::new(), user_agent: None }
    }

    /// A browser in which this person is signed in and has let `web` have what it wants, remembered.
    pub async fn signed_in(&self, username: &str) -> Browser<'_> {
        let mut browser = self.browser();
        browser.journey(&Authorize::web(), username).await;
        browser
    }
}

impl Browser<'_> {
    pub fn copy(&self) -> Self {
        Self { server: self.server, cookies: self.cookies.clone(), user_agent: self.user_agent }
    }

    /// A browser that says so in `User-Agent`.
    pub fn calling_itself(mut self, user_agent: &'static str) -> Self {
        self.user_agent = Some(user_agent);
        self
    }

    fn cookie_header(&self) -> String {
        let mut pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.sort();
        pairs.join("; ")
    }

    /// One request; its cookies are kept.
    pub async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let request = if self.cookies.is_empty() { request } else { request.header(COOKIE, self.cookie_header()) };
        let request = match self.user_agent {
            Some(user_agent) => request.header(USER_AGENT, user_agent),
            None => request,
        };
        let answer = Answer::of(request.send().await.unwrap()).await;
        self.keep(&answer);
        answer
    }

    /// Keeps the cookies of an answer.
    pub fn keep(&mut self, answer: &Answer) {
        for line in answer.headers.get_all(SET_COOKIE) {
            let (pair, attributes) = line.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    pub async fn get(&mut self, url: &str) -> Answer {
        let request = self.server.http.get(url).header("accept", "text/html,application/xhtml+xml");
        self.send(request).await
    }

    /// A request that stands by itself, for races: its cookies are this browser's, and what it is given is not kept.
    pub fn visit(&self, url: &str) -> impl Future<Output = Answer> + Send + use<> {
        let request = self.server.http.get(url).header("accept", "text/html").header(COOKIE, self.cookie_header());
        async move { Answer::of(request.send().await.unwrap()).await }
    }

    /// The same of a form.
    pub fn submit(&self, url: &str, fields: &[(&str, &str)]) -> impl Future<Output = Answer> + Send + use<> {
        let request = self.server.http.post(url).form(fields).header("sec-fetch-site", "same-origin");
        let request = request.header("accept", "text/html").header(COOKIE, self.cookie_header());
        async move { Answer::of(request.send().await.unwrap()).await }
    }

    /// Opens the account page, by way of the login page where that comes up.
    pub async fn account(&mut self, username: &str) -> Answer {
        let answer = self.get(&self.server.url("/account")).await;
        let answer = self.follow(answer).await;
        match answer.has_field("login_challenge") {
            true => self.login(&answer, username, PASSWORD, false).await,
            false => answer,
        }
    }

    /// Presses a button of the account page that `page` is.
    pub async fn press(&mut self, page: &Answer, name: &str, value: &str) -> Answer {
        let form = page.field("form");
        self.post(&self.server.url("/account"), &[("form", &form), (name, value)]).await
    }

    /// Sends a form as a page of the server does.
    pub async fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.server.http.post(url).form(fields).header("sec-fetch-site", "same-origin");
        self.send(request.header("accept", "text/html")).await
    }

    /// Follows redirects until an answer that is none, or one that leads away from the server.
    pub async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            match answer.location() {
                Some(location) if location.starts_with(&self.server.issuer) => answer = self.get(&location).await,
                _ => return answer,
            }
        }
        panic!("too many redirects: {:?}", answer.headers.get(LOCATION));
    }

    /// The authorization request, to the page or the client that it leads to.
    pub async fn authorize(&mut self, request: &Authorize) -> Answer {
        let answer = self.get(&request.url(self.server)).await;
        self.follow(answer).await
    }

    /// Fills in the login page that `page` is.
    pub async fn login(&mut self, page: &Answer, username: &str, password: &str, remember: bool) -> Answer {
        let challenge = page.field("login_challenge");
        let mut fields = vec![
            ("login_challenge", challenge.as_str()),
            ("email", username),
            ("password", password),
            ("action", "accept"),
        ];
        if remember {
            fields.push(("remember", "true"));
        }
        let answer = self.post(&self.server.url("/login"), &fields).await;
        self.follow(answer).await
    }

    /// Sends the login form and stays at its answer.
    pub async fn submit_login(&mut self, page: &Answer, username: &str, password: &str) -> Answer {
        let challenge = page.field("login_challenge");
        let fields = [
            ("login_challenge", challenge.as_str()),
            ("email", username),
            ("password", password),
            ("action", "accept"),
        ];
        self.post(&self.server.url("/login"), &fields).await
    }

    /// Sends the consent form and stays at its answer.
    pub async fn submit_consent(&mut self, page: &Answer, scopes: &[&str]) -> Answer {
        let challenge = page.field("consent_challenge");
        let mut fields = vec![("consent_challenge", challenge.as_str()), ("action", "accept")];
        fields.extend(scopes.iter().map(|scope| ("grant_scope", *scope)));
        self.post(&self.server.url("/consent"), &fields).await
    }

    /// Signs out as a person does: the logout page, and its button.
    pub async fn logout(&mut self) -> Answer {
        let page = self.get(&self.server.url("/oauth2/sessions/logout")).await;
        let page = self.follow(page).await;
        let challenge = page.field("logout_challenge");
        let fields = [("logout_challenge", challenge.as_str()), ("action", "accept")];
        let answer = self.post(&self.server.url("/logout"), &fields).await;
        self.follow(answer).await
    }

    /// The one cookie whose name ends so.
    pub fn cookie(&self, end: &str) -> Option<&str> {
        self.cookies.iter().find(|(name, _)| name.ends_with(end)).map(|(_, value)| value.as_str())
    }

    /// Answers the consent page that `page` is.
    pub async fn consent(&mut self, page: &Answer, scopes: &[&str], remember: bool) -> Answer {
        let challenge = page.field("consent_challenge");
        let mut fields = vec![("consent_challenge", challenge.as_str()), ("action", "accept")];
        fields.extend(scopes.iter().map(|scope| ("grant_scope", *scope)));
        if remember {
            fields.push(("remember", "true"));
        }
        let answer = self.post(&self.server.url("/consent"), &fields).await;
        self.follow(answer).await
    }

    /// The whole way from the request to the client, whatever pages come up; where it ends.
    pub async fn journey(&mut self, request: &Authorize, username: &str) -> Answer {
        let mut answer = self.authorize(request).await;
        if answer.has_field("login_challenge") {
            answer = self.login(&answer, username, PASSWORD, false).await;
        }
        if answer.has_field("consent_challenge") {
            let scopes = request.scopes();
            answer = self.consent(&answer, &scopes.iter().map(String::as_str).collect::<Vec<_>>(), true).await;
        }
        answer
    }

    /// A code for this request.
    pub async fn code(&mut self, request: &Authorize, username: &str) -> String {
        let answer = self.journey(request, username).await;
        answer
            .parameter("code")
            .unwrap_or_else(|| panic!("no code: {} {:?} {}", answer.status, answer.location(), answer.body))
    }
}

/// The query parameters of a URL, decoded.
pub fn query_of(location: &str) -> HashMap<String, String> {
    Url::parse(location).map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

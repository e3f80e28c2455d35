//! A person and a browser: cookies, redirects, the login and the consent form.

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::http::header;

use crate::plan::{Answer, Recorded};
use crate::server::{self, HOST};

/// More redirects than the longest way has.
const MOST_HOPS: usize = 12;

/// Who signs in.
pub struct Person {
    pub name: &'static str,
    pub password: &'static str,
}

/// A browser without a screen.
pub struct Visitor {
    public: Router,
    cookies: Vec<(String, String)>,
}

impl Visitor {
    pub fn new(public: Router) -> Self {
        Self { public, cookies: Vec::new() }
    }

    /// An authorization request as this browser sends it.
    pub fn asks(&self, target: &str) -> Recorded {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers = [("accept", "text/html"), ("cookie", &cookies.join("; "))];
        Recorded::get(HOST, target, if cookies.is_empty() { &headers[..1] } else { &headers })
    }

    /// Goes on from an authorization request to the client, signing in and consenting where it is asked to; its code.
    pub async fn code(&mut self, target: &str, client: &str, person: &Person) -> Result<String> {
        let mut answer = self.send(&self.asks(target)).await?;
        for _ in 0..MOST_HOPS {
            let next = match answer.location() {
                Some(location) if location.starts_with(client) => {
                    return parameter(location, "code").with_context(|| format!("no code: {location}"));
                }
                Some(location) => self.asks(location.trim_start_matches(&format!("https://{HOST}"))),
                None => self.fills_in(&answer, person)?,
            };
            answer = self.send(&next).await?;
        }
        bail!("more than {MOST_HOPS} hops, last {}", answer.describe())
    }

    fn fills_in(&self, page: &Answer, person: &Person) -> Result<Recorded> {
        ensure!(page.status == 200, "no page: {}", page.describe());
        if let Some(challenge) = inputs(&page.body, "login_challenge").pop() {
            let fields = [
                ("login_challenge", challenge.as_str()),
                ("email", person.name),
                ("password", person.password),
                ("action", "accept"),
                ("remember", "true"),
            ];
            return Ok(self.submits("/login", &fields));
        }
        let challenge = inputs(&page.body, "consent_challenge").pop().context("neither a login nor a consent page")?;
        let scopes = inputs(&page.body, "grant_scope");
        let mut fields = vec![("consent_challenge", challenge.as_str()), ("action", "accept"), ("remember", "true")];
        fields.extend(scopes.iter().map(|scope| ("grant_scope", scope.as_str())));
        Ok(self.submits("/consent", &fields))
    }

    fn submits(&self, target: &str, fields: &[(&str, &str)]) -> Recorded {
        let own = self.asks(target).headers;
        let headers: Vec<_> = own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let headers: Vec<_> = headers.into_iter().chain([("sec-fetch-site", "same-origin")]).collect();
        Recorded::form(HOST, target, &headers, fields)
    }

    async fn send(&mut self, request: &Recorded) -> Result<Answer> {
        let answer = server::call(&mut self.public, request.request()?).await?;
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let pair = line.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie without a value")?;
            self.cookies.retain(|(kept, _)| kept != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(answer)
    }
}

/// A parameter of a URL's query.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    form_urlencoded::parse(query.as_bytes()).find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// The values of all inputs of that name. They are sealed strings and scopes: nothing that HTML would escape.
fn inputs(html: &str, name: &str) -> Vec<String> {
    let name = format!("name=\"{name}\"");
    let inputs = html.split('<').filter(|tag| tag.starts_with("input") && tag.contains(&name));
    inputs.filter_map(|tag| Some(tag.split_once("value=\"")?.1.split('"').next()?.to_owned())).collect()
}

//! A browser without a screen: keeps cookies, follows redirects, fills in the login and the consent form. And the other
//! app's part, where people sign in elsewhere.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::http::{Answer, Connection, Site, form, parameter};

/// Nobody is called there: a redirect to it ends the way.
pub const REDIRECT_URI: &str = "https://client.example/cb";

/// More redirects than the longest way has.
const MOST_HOPS: usize = 12;

/// Who signs in.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    pub password: String,
}

/// One browser, new and without cookies.
pub struct Browser {
    site: Site,
    cookies: Vec<(String, String)>,
}

/// An answer that outlives the connection's buffer.
pub struct Page {
    status: u16,
    pub location: Option<String>,
    body: String,
    described: String,
}

impl Browser {
    pub fn new(site: &Site) -> Self {
        Self { site: site.clone(), cookies: Vec::new() }
    }

    /// The value of the Cookie header, for requests that are made elsewhere.
    pub fn cookies(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Goes to an authorization request and on to its code, signing in and consenting at the pages where it is asked to.
    pub async fn by_pages(
        &mut self,
        on: &mut Connection,
        url: &str,
        person: &Person,
        remember: bool,
    ) -> Result<String> {
        let mut page = self.get(on, url).await?;
        for _ in 0..MOST_HOPS {
            page = match &page.location {
                Some(location) if location.starts_with(REDIRECT_URI) => return code(location),
                Some(location) => {
                    let path = self.path(location)?;
                    self.get(on, &path).await?
                }
                None => self.fill_in(on, &page, person, remember).await?,
            };
        }
        bail!("more than {MOST_HOPS} hops, last {}", page.described)
    }

    /// The same where another app asks the person: it has recognised `subject`, who allows the scope.
    pub async fn by_app(
        &mut self,
        on: &mut [Connection],
        admin: &Site,
        url: &str,
        subject: &str,
        scope: &str,
    ) -> Result<String> {
        let [public, app, ..] = on else { bail!("another app needs a connection of its own") };
        let page = self.get(public, url).await?;
        let accept = json!({ "subject": subject, "remember": false, "acr": "1", "amr": ["pwd"] });
        let back = accepted(app, admin, "login", &page, &accept).await?;
        let page = self.get(public, &self.path(&back)?).await?;
        let accept = json!({ "grant_scope": scope.split(' ').collect::<Vec<_>>(), "remember": false });
        let back = accepted(app, admin, "consent", &page, &accept).await?;
        let page = self.get(public, &self.path(&back)?).await?;
        code(page.location.as_deref().unwrap_or_default()).context(page.described)
    }

    async fn fill_in(&mut self, on: &mut Connection, page: &Page, person: &Person, remember: bool) -> Result<Page> {
        ensure!(page.status == 200, "expected a page, got {}", page.described);
        if let Some(challenge) = hidden(&page.body, "login_challenge") {
            return self.post(on, "/login", &login_form(&challenge, person)).await;
        }
        let challenge = hidden(&page.body, "consent_challenge")
            .with_context(|| format!("neither a login nor a consent page: {}", page.described))?;
        let scopes = values(&page.body, "grant_scope");
        let mut pairs = vec![("consent_challenge", challenge.as_str()), ("action", "accept")];
        pairs.extend(scopes.iter().map(|scope| ("grant_scope", scope.as_str())));
        if remember {
            pairs.push(("remember", "true"));
        }
        self.post(on, "/consent", &form(&pairs)).await
    }

    /// The path of one of the server's own URLs.
    fn path(&self, location: &str) -> Result<String> {
        let path = location.strip_prefix(self.site.origin.as_str()).unwrap_or(location);
        ensure!(path.starts_with('/'), "a redirect to {location}");
        Ok(path.to_owned())
    }

    pub async fn get(&mut self, on: &mut Connection, path: &str) -> Result<Page> {
        let request = self.site.get(path, &[("accept", "text/html"), ("cookie", &self.cookies())]);
        self.exchange(on, &request).await
    }

    async fn post(&mut self, on: &mut Connection, path: &str, form: &str) -> Result<Page> {
        let request = self.site.post(path, &post_headers(&self.site.origin, &self.cookies()), form);
        self.exchange(on, &request).await
    }

    async fn exchange(&mut self, on: &mut Connection, request: &[u8]) -> Result<Page> {
        let answer = on.exchange(request).await?;
        let page = Page {
            status: answer.status,
            location: answer.headers("location").pop(),
            body: String::from_utf8_lossy(answer.body).into_owned(),
            described: answer.describe(),
        };
        keep_cookies(&mut self.cookies, &answer);
        Ok(page)
    }
}

/// The app accepts the login or the consent that the browser was sent to it for. Where the browser goes from there.
async fn accepted(on: &mut Connection, admin: &Site, what: &str, page: &Page, accept: &Value) -> Result<String> {
    let name = format!("{what}_challenge");
    let challenge = page.location.as_deref().and_then(|location| parameter(location, &name));
    let challenge = challenge.with_context(|| format!("no {name}: {}", page.described))?;
    let path = format!("/admin/oauth2/auth/requests/{what}/accept?{}", form(&[(&name, challenge.as_str())]));
    let answer = on.exchange(&admin.json("PUT", &path, &accept.to_string())).await?;
    let answered: Value = answer.json()?;
    let back = answered["redirect_to"].as_str().filter(|_| answer.status == 200);
    Ok(back.with_context(|| format!("the {what} was not accepted: {}", answer.describe()))?.to_owned())
}

fn code(location: &str) -> Result<String> {
    parameter(location, "code").with_context(|| format!("no code: {location}"))
}

/// What a browser sends with a form of the server's own pages.
pub fn post_headers<'a>(origin: &'a str, cookies: &'a str) -> [(&'a str, &'a str); 3] {
    [("accept", "text/html"), ("origin", origin), ("cookie", cookies)]
}

pub fn login_form(challenge: &str, person: &Person) -> String {
    form(&[
        ("login_challenge", challenge),
        ("email", &person.name),
        ("password", &person.password),
        ("action", "accept"),
    ])
}

fn keep_cookies(cookies: &mut Vec<(String, String)>, answer: &Answer<'_>) {
    for line in answer.headers("set-cookie") {
        let pair = line.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else { continue };
        cookies.retain(|(kept, _)| kept != name);
        if !value.is_empty() {
            cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// The value of the first input of that name.
fn hidden(html: &str, name: &str) -> Option<String> {
    values(html, name).into_iter().next()
}

/// The values of all inputs of that name. They are sealed strings and scopes: nothing that HTML would escape.
fn values(html: &str, name: &str) -> Vec<String> {
    let name = format!("name=\"{name}\"");
    let inputs = html.split('<').filter(|tag| tag.starts_with("input") && tag.contains(&name));
    let value = |tag: &str| Some(tag.split_once("value=\"")?.1.split('"').next()?.to_owned());
    inputs.filter_map(value).collect()
}

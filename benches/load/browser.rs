//! A browser without a screen: keeps cookies, follows redirects, fills in the login and the consent form.

use anyhow::{Context as _, Result, bail, ensure};

use crate::http::{Answer, Connection, Site, form, parameter};

/// Nothing listens there: a redirect to it ends the way.
pub const REDIRECT_URI: &str = "http://127.0.0.1:1/cb";

/// More redirects than the longest way has.
const MOST_HOPS: usize = 12;

/// Who signs in.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    pub password: String,
}

/// One browser with its own connection.
pub struct Browser {
    site: Site,
    connection: Connection,
    cookies: Vec<(String, String)>,
}

/// An answer that outlives the connection's buffer.
struct Page {
    status: u16,
    location: Option<String>,
    body: String,
    described: String,
}

impl Browser {
    pub async fn open(site: &Site) -> Result<Self> {
        Ok(Self { site: site.clone(), connection: Connection::open(site).await?, cookies: Vec::new() })
    }

    /// The value of the Cookie header, for requests that are made elsewhere.
    pub fn cookies(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Goes to an authorization request and on to its code, signing in and consenting where it is asked to.
    pub async fn authorize(&mut self, url: &str, person: &Person, remember: bool) -> Result<String> {
        let mut page = self.get(url).await?;
        for _ in 0..MOST_HOPS {
            page = match &page.location {
                Some(location) if location.starts_with(REDIRECT_URI) => {
                    return parameter(location, "code").with_context(|| format!("no code: {location}"));
                }
                Some(location) => {
                    let path = location.strip_prefix(self.site.origin.as_str()).unwrap_or(location);
                    ensure!(path.starts_with('/'), "a redirect to {location}");
                    let path = path.to_owned();
                    self.get(&path).await?
                }
                None => self.fill_in(&page, person, remember).await?,
            };
        }
        bail!("more than {MOST_HOPS} hops, last {}", page.described)
    }

    async fn fill_in(&mut self, page: &Page, person: &Person, remember: bool) -> Result<Page> {
        ensure!(page.status == 200, "expected a page, got {}", page.described);
        if let Some(challenge) = hidden(&page.body, "login_challenge") {
            return self.post("/login", &login_form(&challenge, person)).await;
        }
        let challenge = hidden(&page.body, "consent_challenge")
            .with_context(|| format!("neither a login nor a consent page: {}", page.described))?;
        let scopes = values(&page.body, "grant_scope");
        let mut pairs = vec![("consent_challenge", challenge.as_str()), ("action", "accept")];
        pairs.extend(scopes.iter().map(|scope| ("grant_scope", scope.as_str())));
        if remember {
            pairs.push(("remember", "true"));
        }
        self.post("/consent", &form(&pairs)).await
    }

    async fn get(&mut self, path: &str) -> Result<Page> {
        let request = self.site.get(path, &[("accept", "text/html"), ("cookie", &self.cookies())]);
        self.exchange(&request).await
    }

    async fn post(&mut self, path: &str, form: &str) -> Result<Page> {
        let request = self.site.post(path, &post_headers(&self.site.origin, &self.cookies()), form);
        self.exchange(&request).await
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Page> {
        let answer = self.connection.exchange(request).await?;
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

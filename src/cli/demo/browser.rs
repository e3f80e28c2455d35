//! A browser without a screen, for `--check`: keeps cookies, follows redirects one by one, fills in forms.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use reqwest::header;
use url::Url;

use super::oidc;

const MOST_REDIRECTS: usize = 20;

/// Cookies do not tell ports apart (RFC 6265 section 8.5): one jar for all of 127.0.0.1.
pub struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

/// Where a walk ends.
pub enum Stop {
    Page(Page),
    /// The browser was sent to the address where it shall not go itself.
    Away(Url),
}

pub struct Page {
    pub url: Url,
    pub status: u16,
    pub html: String,
}

impl Browser {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { http: oidc::http()?, cookies: BTreeMap::new() })
    }

    /// Goes to `url`, and on until there is a page, or an address that begins with `away`.
    pub async fn go(&mut self, url: Url, away: Option<&str>) -> anyhow::Result<Stop> {
        let request = self.http.get(url.clone());
        self.walk(url, request, away).await
    }

    /// Presses `button` on the page's form, with what was typed into its fields.
    pub async fn press(
        &mut self,
        page: &Page,
        button: &str,
        typed: &[(&str, &str)],
        away: Option<&str>,
    ) -> anyhow::Result<Stop> {
        let form = page.form()?;
        let url = page.url.join(&form.action)?;
        let request = self
            .http
            .post(url.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ORIGIN, page.url.origin().ascii_serialization())
            .body(form.press(button, typed)?);
        self.walk(url, request, away).await
    }

    async fn walk(
        &mut self,
        mut url: Url,
        mut request: reqwest::RequestBuilder,
        away: Option<&str>,
    ) -> anyhow::Result<Stop> {
        for _ in 0..MOST_REDIRECTS {
            if away.is_some_and(|away| url.as_str().starts_with(away)) {
                return Ok(Stop::Away(url));
            }
            let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let response =
                request.header(header::COOKIE, cookies.join("; ")).header(header::ACCEPT, "text/html").send().await?;
            for line in response.headers().get_all(header::SET_COOKIE) {
                self.keep(line.to_str()?)?;
            }
            let status = response.status().as_u16();
            let Some(location) = response.headers().get(header::LOCATION) else {
                return Ok(Stop::Page(Page { url, status, html: response.text().await? }));
            };
            // 307 and 308 would send a form, and the password in it, on to the next server.
            ensure!(matches!(status, 302 | 303), "expected a redirect by 302 or 303, came {status} at {}", url.path());
            url = url.join(location.to_str()?)?;
            request = self.http.get(url.clone());
        }
        bail!("expected a page, came more than {MOST_REDIRECTS} redirects, the last to {}", url.path())
    }

    fn keep(&mut self, line: &str) -> anyhow::Result<()> {
        let cookie = cookie::Cookie::parse(line)?;
        ensure!(cookie.http_only() == Some(true), "expected HttpOnly on the cookie {}, it is not there", cookie.name());
        if cookie.max_age().is_some_and(|age| age <= time::Duration::ZERO) {
            self.cookies.remove(cookie.name());
        } else {
            self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
        }
        Ok(())
    }
}

impl Stop {
    pub fn page(self) -> anyhow::Result<Page> {
        match self {
            Self::Page(page) => Ok(page),
            Self::Away(url) => bail!("expected a page, came a redirect to {}", url.path()),
        }
    }

    pub fn away(self) -> anyhow::Result<Url> {
        match self {
            Self::Away(url) => Ok(url),
            Self::Page(page) => bail!("expected a redirect to the client, came the page {}", page.title()),
        }
    }
}

impl Page {
    /// Whether there is an element with this attribute: `has("id", "password")`.
    pub fn has(&self, attribute: &str, value: &str) -> bool {
        Tags(&self.html).any(|tag| tag.attributes.get(attribute).is_some_and(|own| own == value))
    }

    /// For messages: the page's title and its status.
    pub fn title(&self) -> String {
        let title = self.html.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        format!(
            "‘{}’ ({})",
            title.map_or_else(|| self.url.path().to_owned(), |(title, _)| unescape(title)),
            self.status
        )
    }

    /// The text of the element with this id, if no other element is in it.
    pub fn text(&self, id: &str) -> Option<String> {
        let (_, rest) = self.html.split_once(&format!(" id=\"{id}\""))?;
        let (text, _) = rest.split_once('>')?.1.split_once('<')?;
        Some(unescape(text))
    }

    fn form(&self) -> anyhow::Result<Form> {
        let mut tags = Tags(&self.html).skip_while(|tag| tag.name != "form");
        let form = tags.next().with_context(|| format!("expected a form, came the page {}", self.title()))?;
        Ok(Form {
            action: form.attributes.get("action").cloned().unwrap_or_default(),
            controls: tags.take_while(|tag| tag.name != "/form").filter(Tag::is_control).collect(),
        })
    }
}

struct Form {
    action: String,
    controls: Vec<Tag>,
}

impl Form {
    /// The body that a browser sends (HTML section 4.10.22.4): every named field, checkboxes if checked, of the buttons
    /// the one that was pressed.
    fn press(&self, button: &str, typed: &[(&str, &str)]) -> anyhow::Result<String> {
        let ids: Vec<&str> = self.controls.iter().filter_map(|control| control.get("id")).collect();
        for id in typed.iter().map(|(id, _)| *id).chain([button]) {
            ensure!(ids.contains(&id), "expected #{id} in the form, came {}", ids.join(", "));
        }
        let mut body = form_urlencoded::Serializer::new(String::new());
        for control in &self.controls {
            let (Some(name), id) = (control.get("name"), control.get("id")) else { continue };
            let value = control.get("value");
            match (control.name.as_str(), control.get("type")) {
                ("button", _) if id != Some(button) => {}
                ("input", Some("checkbox")) if control.get("checked").is_none() => {}
                ("input", Some("checkbox")) => {
                    body.append_pair(name, value.unwrap_or("on"));
                }
                _ => {
                    let typed = typed.iter().find(|(field, _)| id == Some(*field)).map(|(_, text)| *text);
                    body.append_pair(name, typed.or(value).unwrap_or_default());
                }
            }
        }
        Ok(body.finish())
    }
}

struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Tag {
    fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    fn is_control(&self) -> bool {
        matches!(self.name.as_str(), "input" | "button")
    }
}

/// The tags of markup as maud writes it: every value in double quotes, no comments, no scripts.
struct Tags<'a>(&'a str);

impl Iterator for Tags<'_> {
    type Item = Tag;

    fn next(&mut self) -> Option<Tag> {
        let (_, rest) = self.0.split_once('<')?;
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        })?;
        self.0 = &rest[end + 1..];
        let (name, mut rest) = rest[..end].split_once(' ').unwrap_or((&rest[..end], ""));
        let mut attributes = BTreeMap::new();
        while !rest.trim_start().is_empty() {
            rest = rest.trim_start();
            let end = rest.find(['=', ' ']).unwrap_or(rest.len());
            let (attribute, after) = rest.split_at(end);
            let (value, after) = match after.strip_prefix("=\"").and_then(|value| value.split_once('"')) {
                Some((value, after)) => (unescape(value), after),
                None => (String::new(), after.trim_start_matches('=')),
            };
            attributes.insert(attribute.to_owned(), value);
            rest = after;
        }
        Some(Tag { name: name.to_owned(), attributes })
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::{ClientCard, Look, login};

    fn page(html: &str) -> Page {
        Page { url: Url::parse("http://127.0.0.1:4444/login").unwrap(), status: 200, html: html.to_owned() }
    }

    fn login_page(failure: Option<&str>) -> Page {
        let client = ClientCard {
            name: "Notes",
            logo: None,
            client_uri: None,
            policy_uri: None,
            tos_uri: None,
            redirect_host: "app.notes.example",
            is_verified: true,
        };
        let login = login::Login {
            action: "/login",
            challenge: "a\"b&c<d>",
            client: Some(client),
            identifier: "ali",
            remember: false,
            failure,
        };
        page(&login.page(&Look { title: "Example > ID", accent: "", base: "" }).into_string())
    }

    #[test]
    fn a_built_in_page_is_filled_in_as_a_browser_does() {
        let form = login_page(None).form().unwrap();
        assert_eq!(form.action, "/login");
        let body = form.press("accept", &[("email", "alice@example.com"), ("password", "a b")]).unwrap();
        assert_eq!(
            body, "login_challenge=a%22b%26c%3Cd%3E&email=alice%40example.com&password=a+b&action=accept",
            "no unchecked box, no other button"
        );
        assert_eq!(form.press("reject", &[]).unwrap().split('&').next_back(), Some("action=reject"));
        assert!(form.press("nothing", &[]).is_err() && form.press("accept", &[("nobody", "x")]).is_err());
    }

    #[test]
    fn a_checked_box_is_sent_and_a_second_form_is_not() {
        let html = "<form action=\"/a?x=1&amp;y=2\"><input id=\"s\" type=\"checkbox\" name=\"grant_scope\" value=\"openid\" checked>\
                    <button id=\"accept\" name=\"action\" value=\"accept\">Allow</button></form>\
                    <form><input name=\"other\" value=\"1\"></form>";
        let form = page(html).form().unwrap();
        assert_eq!(form.action, "/a?x=1&y=2");
        assert_eq!(form.press("accept", &[]).unwrap(), "grant_scope=openid&action=accept");
    }

    #[test]
    fn what_a_page_holds_is_found() {
        assert!(login_page(Some("No.")).has("role", "alert") && !login_page(None).has("role", "alert"));
        assert!(login_page(None).has("id", "password") && !login_page(None).has("id", "passwor"));
        assert_eq!(login_page(None).title(), "‘Sign in · Example > ID’ (200)");
        let html = "<p>x</p><pre id=\"claims\">{&quot;sub&quot;: &quot;a &amp;lt; b&quot;}</pre>";
        assert_eq!(page(html).text("claims").as_deref(), Some("{\"sub\": \"a &lt; b\"}"));
        assert!(page(html).text("userinfo").is_none() && page(html).form().is_err());
    }

    #[test]
    fn cookies_are_kept_replaced_and_forgotten() {
        let mut browser = Browser::new().unwrap();
        for line in ["a=1; HttpOnly; Path=/", "b=2; HttpOnly", "a=3; HttpOnly", "b=; HttpOnly; Max-Age=0"] {
            browser.keep(line).unwrap();
        }
        assert_eq!(browser.cookies, BTreeMap::from([("a".to_owned(), "3".to_owned())]));
        assert!(browser.keep("c=1").is_err(), "a script could read it");
    }
}

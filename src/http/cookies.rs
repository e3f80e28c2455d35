//! The cookies: the browser's own, long-lived, and the session's, new at every login (RFC 6265bis). Beside the session's
//! goes the one that scripts may read, where that is switched on (`browser_state.rs`).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};

use super::browser_state::BrowserState;
use super::client_address::ClientAddress;
use super::place;
use crate::app::App;
use crate::config::{self, Config};
use crate::flow::{Browser, Visitor};
use crate::oauth::Result;
use crate::seal::Kind;
use crate::store::session::SessionKey;

/// A year: browsers keep no cookie longer than 400 days.
const BROWSER_LIFE: time::Duration = time::Duration::days(365);

const BROWSER: &str = "hydrant_browser";
/// Before a tab's own eight characters.
const TAB: &str = "hydrant_browser_";
/// Tabs that a browser opens at once when it has no cookies yet.
const MOST_TABS: usize = 16;

/// The cookies of a request, opened.
#[derive(Debug, Default)]
pub struct Cookies {
    pub browser: Option<Browser>,
    pub session: Option<SessionKey>,
}

impl Cookies {
    /// Whoever has sent them, from where.
    pub fn visitor(&self, headers: &HeaderMap, address: ClientAddress) -> Visitor {
        Visitor {
            browser: self.browser.clone(),
            session: self.session,
            address: address.0,
            place: place::of(headers, address),
        }
    }

    /// What does not open is not there.
    pub fn read(app: &App, headers: &HeaderMap) -> Result<Self> {
        let keys = app.keys.live()?;
        let value = |name: &str| only(headers, &full_name(&app.config, name));
        let tab = full_name(&app.config, TAB);
        Ok(Self {
            browser: Browser::of_tabs(
                value(BROWSER).and_then(|value| keys.sealer.open(Kind::Browser, &value)),
                // Not where subdomains share cookies: each could add a name of its own making.
                pairs(headers)
                    .filter(|_| app.config.serve.cookies.domain.is_none())
                    .filter(|(name, _)| name.strip_prefix(&tab).is_some_and(|tab| tab.len() == 8))
                    .filter_map(|(_, value)| keys.sealer.open(Kind::Browser, value))
                    .take(MOST_TABS)
                    .collect(),
            ),
            session: value(&app.config.serve.cookies.session_name)
                .and_then(|value| keys.sealer.open(Kind::Session, &value)),
        })
    }
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// The cookie of this name, if there is exactly one: two are a sibling's tossing, and then there is none.
pub(super) fn only(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = pairs(headers).filter(|(found, _)| *found == name).map(|(_, value)| value.to_owned());
    let first = found.next();
    if found.next().is_some() { None } else { first }
}

/// `__Host-` wherever a browser accepts it: over https, without a domain.
pub(super) fn full_name(config: &Config, name: &str) -> String {
    if is_secure(config) && config.serve.cookies.domain.is_none() { format!("__Host-{name}") } else { name.to_owned() }
}

pub(super) fn is_secure(config: &Config) -> bool {
    config.urls.issuer_url.scheme() == "https"
}

fn set(config: &Config, name: &str, value: String, life: Option<time::Duration>) -> HeaderValue {
    let mut cookie =
        Cookie::build((full_name(config, name), value)).path("/").http_only(true).secure(is_secure(config)).same_site(
            match config.serve.cookies.same_site {
                config::SameSite::Strict => SameSite::Strict,
                config::SameSite::Lax => SameSite::Lax,
                config::SameSite::None => SameSite::None,
            },
        );
    if let Some(domain) = &config.serve.cookies.domain {
        cookie = cookie.domain(domain.clone());
    }
    if let Some(life) = life {
        cookie = cookie.max_age(life);
    }
    HeaderValue::from_str(&cookie.build().to_string())
        .expect("names and domains were checked with the configuration, and sealed values are base64url")
}

pub fn set_browser(app: &App, browser: &Browser) -> Result<HeaderValue> {
    let value = app.keys.live()?.sealer.seal(Kind::Browser, browser);
    Ok(set(&app.config, BROWSER, value, Some(BROWSER_LIFE)))
}

/// Beside it, for a browser that is new: tabs that were opened at once are each told another name, and only the last one
/// stays. This one lasts as long as what the tab was asked.
pub fn set_tab(app: &App, browser: &Browser) -> Result<HeaderValue> {
    let value = app.keys.live()?.sealer.seal(Kind::Browser, browser);
    let life = time::Duration::try_from(app.config.ttl.login_consent_request).unwrap_or(BROWSER_LIFE);
    Ok(set(&app.config, &format!("{TAB}{}", browser.tab()), value, Some(life)))
}

/// The browser has this session from here on, for so long; one that has no life it forgets when it is closed.
pub fn set_session(
    app: &App,
    answer: &mut HeaderMap,
    session: SessionKey,
    life: Option<Duration>,
    state: &BrowserState,
) -> Result<()> {
    let value = app.keys.live()?.sealer.seal(Kind::Session, &session);
    let life = life.map(|life| time::Duration::try_from(life).unwrap_or(BROWSER_LIFE));
    answer.append(header::SET_COOKIE, set(&app.config, &app.config.serve.cookies.session_name, value, life));
    state.set(app, answer, life);
    Ok(())
}

/// The browser forgets its session, and whoever watches it sees another state.
pub fn clear_session(app: &App, answer: &mut HeaderMap, state: &BrowserState) {
    let gone = set(&app.config, &app.config.serve.cookies.session_name, String::new(), Some(time::Duration::ZERO));
    answer.append(header::SET_COOKIE, gone);
    state.set(app, answer, None);
}

//! The state that clients watch: the cookie of OpenID Connect Session Management 1.0 section 3.2.
//!
//! Our frame in a client's page has to tell by itself, again and again and without asking the server, whether somebody has
//! signed in or out. So this cookie is readable by scripts (no `HttpOnly`) and goes along into foreign pages
//! (`SameSite=None`). It is random, new with every session and anew when that has gone, and opens nothing: who reads it
//! learns that it is another one than before. There is none unless `logout.session_management` is on.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};

use super::cookies::{full_name, is_secure, only};
use crate::app::App;
use crate::config::Config;
use crate::oauth::authorization_request::ReplyTo;
use crate::oauth::session_state;
use crate::secret::Secret;

const NAME: &str = "hydrant_state";
/// 16 random bytes in base64url.
const LENGTH: usize = 22;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserState(String);

impl BrowserState {
    pub fn new() -> Self {
        Self(Secret::of_random_bytes::<16>().expose().to_owned())
    }

    /// What is not of our making is not there, and nothing is where this is off.
    pub fn read(app: &App, headers: &HeaderMap) -> Option<Self> {
        let value = only(headers, &cookie_name(&app.config)).filter(|_| app.config.logout.session_management)?;
        let is_ours = value.len() == LENGTH && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        is_ours.then_some(Self(value))
    }

    pub fn set(&self, app: &App, answer: &mut HeaderMap, life: Option<time::Duration>) {
        if app.config.logout.session_management {
            answer.append(header::SET_COOKIE, self.cookie(&app.config, life));
        }
    }

    fn cookie(&self, config: &Config, life: Option<time::Duration>) -> HeaderValue {
        let is_secure = is_secure(config);
        // Browsers drop `None` without `Secure`: on http the frame works for pages of the same site, such as other ports.
        let same_site = if is_secure { SameSite::None } else { SameSite::Lax };
        let mut cookie =
            Cookie::build((cookie_name(config), self.0.as_str())).path("/").secure(is_secure).same_site(same_site);
        if let Some(domain) = &config.serve.cookies.domain {
            cookie = cookie.domain(domain.as_str());
        }
        if let Some(life) = life {
            cookie = cookie.max_age(life);
        }
        HeaderValue::from_str(&cookie.build().to_string())
            .expect("the name and the value are ours, and the domain was checked with the configuration")
    }
}

impl Default for BrowserState {
    fn default() -> Self {
        Self::new()
    }
}

/// The name by which scripts find it.
pub fn cookie_name(config: &Config) -> String {
    full_name(config, NAME)
}

/// `session_state` of an answer, where its client may watch the session. A browser where nobody is signed in has a state as
/// random as any other: of one that is known, everybody could make the hash, and ask the frame whether it is so.
pub fn session_state(app: &App, reply_to: &ReplyTo, state: &BrowserState) -> Option<String> {
    let client = reply_to.watcher().filter(|_| app.config.logout.session_management)?;
    let salt = Secret::of_random_bytes::<16>();
    Some(session_state::session_state(client, reply_to.redirect_uri(), &state.0, salt.expose()))
}

//! A login that no client has asked for: it leads to the account page and nowhere else, because nothing in it says where.

use serde::{Deserialize, Serialize};

use super::is_there;
use crate::app::App;
use crate::clock::Timestamp;
use crate::flow::{Browser, open, url};
use crate::oauth::{ErrorCode, Result};
use crate::seal::Kind;

/// As it travels in the login page's challenge. It is spent by nothing: whoever comes again signs in again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    pub(in crate::flow) browser: [u8; 16],
    requested_at: Timestamp,
}

impl Login {
    /// The login page for this browser.
    pub fn begin(app: &App, browser: &Browser) -> Result<String> {
        let login = Self { browser: browser.id, requested_at: app.clock.now() };
        Ok(url(app, "/login", "login_challenge", &app.keys.live()?.sealer.seal(Kind::AccountLogin, &login)))
    }

    /// Opens such a challenge in the browser that it was made for; `None`: it is of another kind.
    pub(in crate::flow) async fn open(
        app: &App,
        challenge: &str,
        browser: Option<&Browser>,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let Some(login) = open::<Self>(app, Kind::AccountLogin, challenge).await? else { return Ok(None) };
        is_there(app)?;
        if !browser.is_some_and(|browser| browser.is(&login.browser)) {
            return Err(
                ErrorCode::RequestForbidden.because("This page belongs to another browser, or cookies are blocked.")
            );
        }
        if login.requested_at + app.config.ttl.login_consent_request <= now {
            return Err(ErrorCode::AlreadyHandled.because("This page has expired. Open your account page once more."));
        }
        Ok(Some(login))
    }
}

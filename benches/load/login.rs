//! Whole logins as a load: from the authorization request to the tokens.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::browser::Browser;
use crate::drive::Load;
use crate::http::{Connection, parameter};
use crate::setting::{Setting, WITH_ID_TOKEN};
use crate::work::Expect;

/// How a person gets from the one to the other.
#[derive(Clone, Debug)]
pub enum Way {
    /// By the session of an earlier login, with the Cookie header of its browser, and the consent that was remembered then.
    Session(String),
    /// By the login and the consent form, in a browser that has no cookies yet.
    Forms,
    /// By another app, which recognises them, and asks for their consent.
    App,
}

/// One connection's logins.
pub struct Login {
    setting: Arc<Setting>,
    way: Way,
    /// Which of them; people take turns.
    nth: usize,
    /// How many more; nothing: without an end.
    left: Option<usize>,
}

impl Login {
    /// One for each connection. Together they log in `times` times, or for as long as it takes.
    pub fn many(setting: &Arc<Setting>, connections: usize, ways: &[Way], times: Option<usize>) -> Vec<Self> {
        let share = |nth: usize| times.map(|times| (times + nth) / connections);
        let one = |nth: usize| Self {
            setting: Arc::clone(setting),
            way: ways[nth % ways.len()].clone(),
            nth,
            left: share(nth),
        };
        (0..connections).map(one).collect()
    }
}

impl Load for Login {
    async fn once(&mut self, on: &mut [Connection]) -> Result<bool> {
        match &mut self.left {
            Some(0) => return Ok(false),
            Some(left) => *left -= 1,
            None => {}
        }
        let Setting { pages, elsewhere, web, .. } = &*self.setting;
        let site = if matches!(self.way, Way::App) { &elsewhere.public } else { &pages.public };
        let code = match &self.way {
            Way::Session(cookies) => {
                let url = web.authorization(WITH_ID_TOKEN, "");
                let answer = on[0].exchange(&site.get(&url, &[("accept", "text/html"), ("cookie", cookies)])).await?;
                parameter(&answer.location()?, "code").with_context(|| answer.describe())?
            }
            Way::Forms => {
                let url = web.authorization(WITH_ID_TOKEN, "login consent");
                let person = self.setting.person(self.nth)?;
                Browser::new(site).by_pages(&mut on[0], &url, person, false).await?
            }
            Way::App => {
                let url = web.authorization(WITH_ID_TOKEN, "");
                let subject = format!("somebody-{}", self.nth);
                self.nth += 1000;
                Browser::new(site).by_app(on, &elsewhere.admin, &url, &subject, WITH_ID_TOKEN).await?
            }
        };
        Expect::Body("\"id_token\":\"").judge(&on[0].exchange(&web.exchange(site, &code)).await?)?;
        Ok(true)
    }
}

//! Where the browser is sent to be asked: another app's page if the configuration names one, else ours.

use url::Url;

use crate::app::App;

pub fn login(app: &App, challenge: &str) -> String {
    at(app, app.config.urls.login.as_ref(), "/login", "login_challenge", challenge)
}

/// The page where people register; where there is none, the login page offers it.
pub fn registration(app: &App, challenge: &str) -> String {
    let urls = &app.config.urls;
    at(app, urls.registration.as_ref().or(urls.login.as_ref()), "/login", "login_challenge", challenge)
}

pub fn consent(app: &App, challenge: &str) -> String {
    at(app, app.config.urls.consent.as_ref(), "/consent", "consent_challenge", challenge)
}

pub fn logout(app: &App, challenge: &str) -> String {
    at(app, app.config.urls.logout.as_ref(), "/logout", "logout_challenge", challenge)
}

fn at(app: &App, elsewhere: Option<&Url>, path: &str, parameter: &str, challenge: &str) -> String {
    match elsewhere {
        Some(page) => {
            let mut page = page.clone();
            page.query_pairs_mut().append_pair(parameter, challenge);
            page.into()
        }
        None => super::url(app, path, parameter, challenge),
    }
}

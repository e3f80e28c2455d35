//! The logout endpoint: OpenID Connect RP-Initiated Logout 1.0.

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::Response;

use super::authorize::{Answer, LONGEST_QUERY};
use crate::app::App;
use crate::flow::{self, Ended, Farewell, SignedOut};
use crate::http::browser_state::BrowserState;
use crate::http::cookies::{self, Cookies};
use crate::http::{form, page};
use crate::oauth::params::Params;
use crate::oauth::server_metadata::path;
use crate::oauth::{ErrorCode, Result};
use crate::ui::signing_out::SigningOut;

pub async fn get(State(app): State<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let answer = Answer::new(&app, &headers, StatusCode::FOUND);
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    serve(&answer, params).await.unwrap_or_else(|error| answer.page(error))
}

/// Who asks for headers alone, such as a program that looks where a link leads, ends nothing (RFC 9110 section 9.2.1): it is
/// a method that is not there.
pub async fn head() -> (StatusCode, [(HeaderName, &'static str); 1]) {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET,POST")])
}

pub async fn post(State(app): State<App>, request: Request) -> Response {
    let headers = request.headers().clone();
    let answer = Answer::new(&app, &headers, StatusCode::SEE_OTHER);
    // A POST may come without anything in it.
    let params = match request.headers().contains_key(header::CONTENT_TYPE) {
        true => form::read(request, &app).await,
        false => Params::parse(b""),
    };
    if let Ok(params) = &params
        && let Some(location) = by_get(&app, &headers, params)
    {
        return answer.redirect(&location);
    }
    serve(&answer, params).await.unwrap_or_else(|error| answer.page(error))
}

/// A form that another site has sent comes without our cookies (SameSite=Lax): whoever is signed in is only seen when
/// the browser comes by itself.
fn by_get(app: &App, headers: &HeaderMap, params: &Params) -> Option<String> {
    let foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let query = params.encode();
    (foreign && !headers.contains_key(header::COOKIE) && query.len() <= LONGEST_QUERY)
        .then(|| format!("{}{}?{query}", app.config.urls.public, path::END_SESSION))
}

async fn serve(answer: &Answer<'_>, params: Result<Params>) -> Result<Response> {
    let app = answer.app;
    let params = params?;
    let cookies = Cookies::read(app, answer.headers)?;
    if let Some(verifier) = params.get("logout_verifier") {
        let browser = cookies.browser.as_ref();
        let done = flow::after_logout(app, verifier, browser, cookies.session).await?;
        return Ok(go_on(app, done, cookies.session.is_some(), |to| answer.redirect(to)));
    }
    let browser = cookies.browser.clone().unwrap_or_default();
    match flow::end_session(app, &params, &browser, cookies.session).await? {
        Ended::Done(done) => Ok(go_on(app, done, cookies.session.is_some(), |to| answer.redirect(to))),
        Ended::Ask(challenge) if app.config.urls.logout.is_some() => {
            let new = cookies.browser.is_none().then_some(&browser);
            Ok(answer.with_browser(new, &flow::page::logout(app, &challenge)))
        }
        Ended::Ask(challenge) => {
            if cookies.browser.is_none() {
                // A session without its browser: the cookie was lost, and nobody can confirm anything.
                return Err(ErrorCode::RequestForbidden.because("Cookies are blocked."));
            }
            Ok(answer.redirect(&flow::page::logout(app, &challenge)))
        }
    }
}

/// On to where the logout leads: at once, or by way of the pages of clients.
pub fn go_on(app: &App, done: SignedOut, has_session: bool, redirect: impl FnOnce(&str) -> Response) -> Response {
    let to = destination(app, done.farewell);
    let mut response = if done.pages.is_empty() {
        redirect(&to)
    } else {
        let wait = app.config.logout.front_channel_wait;
        let signing_out = SigningOut { pages: &done.pages, to: &to, wait };
        page::page(StatusCode::OK, signing_out.page(&page::look(app)), &signing_out.csp())
    };
    if done.here && has_session {
        cookies::clear_session(app, response.headers_mut(), &BrowserState::new());
    }
    response
}

/// Where the browser goes when it is all over.
pub fn destination(app: &App, farewell: Farewell) -> String {
    match (farewell, &app.config.urls.post_logout_redirect) {
        (Farewell::Client(url), _) => url,
        (Farewell::Ours, Some(url)) => url.to_string(),
        (Farewell::Ours, None) => format!("{}/logout/done", app.config.urls.public),
    }
}

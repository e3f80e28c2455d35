//! The logout endpoint: OpenID Connect RP-Initiated Logout 1.0.

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::authorize::{Answer, LONGEST_QUERY};
use crate::app::App;
use crate::flow::{self, Ended, Farewell};
use crate::http::cookies::{self, Cookies};
use crate::http::form;
use crate::oauth::params::Params;
use crate::oauth::server_metadata::path;
use crate::oauth::{ErrorCode, Result};

pub async fn get(State(app): State<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let answer = Answer { app: &app, headers: &headers, redirect: StatusCode::FOUND };
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    serve(&answer, params).await.unwrap_or_else(|error| answer.page(error))
}

pub async fn post(State(app): State<App>, request: Request) -> Response {
    let headers = request.headers().clone();
    let answer = Answer { app: &app, headers: &headers, redirect: StatusCode::SEE_OTHER };
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
        let (farewell, signed_out) = flow::after_logout(app, verifier, browser, cookies.session).await?;
        return Ok(done(answer, farewell, signed_out && cookies.session.is_some()));
    }
    let browser = cookies.browser.clone().unwrap_or_default();
    match flow::end_session(app, &params, &browser, cookies.session).await? {
        Ended::Done { farewell, signed_out } => Ok(done(answer, farewell, signed_out && cookies.session.is_some())),
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

fn done(answer: &Answer<'_>, farewell: Farewell, forget_session: bool) -> Response {
    let mut response = answer.redirect(&destination(answer.app, farewell));
    if forget_session {
        response.headers_mut().append(header::SET_COOKIE, cookies::clear_session(answer.app));
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

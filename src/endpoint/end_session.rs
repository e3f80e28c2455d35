//! The logout endpoint: OpenID Connect RP-Initiated Logout 1.0.

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::authorize::Answer;
use crate::app::App;
use crate::flow::{self, Ended, Farewell};
use crate::http::cookies::{self, Cookies};
use crate::http::form;
use crate::oauth::params::Params;
use crate::oauth::{Error, ErrorCode, Result};

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
    serve(&answer, params).await.unwrap_or_else(|error| answer.page(error))
}

async fn serve(answer: &Answer<'_>, params: Result<Params>) -> Result<Response> {
    let app = answer.app;
    let params = params?;
    let cookies = Cookies::read(app, answer.headers)?;
    let browser = cookies.browser.clone().unwrap_or_default();
    match flow::end_session(app, &params, &browser, cookies.session).await? {
        Ended::Done { farewell, signed_out } => {
            let mut response = answer.redirect(&destination(app, farewell));
            if signed_out && cookies.session.is_some() {
                response.headers_mut().append(header::SET_COOKIE, cookies::clear_session(app));
            }
            Ok(response)
        }
        Ended::Ask(challenge) => {
            if cookies.browser.is_none() {
                // A session without its browser: the cookie was lost, and nobody can confirm anything.
                return Err(Error::from(ErrorCode::RequestForbidden.because("Cookies are blocked.")));
            }
            Ok(answer.redirect(&format!("{}/logout?logout_challenge={challenge}", app.config.urls.public)))
        }
    }
}

/// Where the browser goes when it is all over.
pub fn destination(app: &App, farewell: Farewell) -> String {
    match (farewell, &app.config.urls.post_logout_redirect) {
        (Farewell::Client(url), _) => url,
        (Farewell::Ours, Some(url)) => url.to_string(),
        (Farewell::Ours, None) => format!("{}/logout/done", app.config.urls.public),
    }
}

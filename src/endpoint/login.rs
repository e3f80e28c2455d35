//! The built-in login page.

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::Markup;

use crate::app::App;
use crate::flow::{self, LoginPage, SignInFailure};
use crate::http::client_address::ClientAddress;
use crate::http::cookies::{self, Cookies};
use crate::http::page::{base, client_card, fault, from_our_page, logo, look, ours, page, policy, see_other};
use crate::http::{answer, form};
use crate::metrics::SignIn;
use crate::oauth::params::Params;
use crate::oauth::{ErrorCode, Result};
use crate::secret::Secret;
use crate::ui::login::Login;

const WRONG: &str = "The name or the password is not right. Please try again.";

pub async fn get(State(app): State<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    show(&app, &headers, query.unwrap_or_default()).await.unwrap_or_else(|error| fault(&app, &headers, error))
}

async fn show(app: &App, headers: &HeaderMap, query: String) -> Result<Response> {
    ours(app.config.urls.login.as_ref())?;
    let params = Params::parse(query.as_bytes())?;
    let challenge = params.require("login_challenge")?;
    let cookies = Cookies::read(app, headers)?;
    let login = flow::login_page(app, challenge, cookies.browser.as_ref()).await?;
    let hint = login.request.login_hint.clone().unwrap_or_default();
    Ok(respond(app, StatusCode::OK, &login, &markup(app, challenge, &login, &hint, false, None)))
}

pub async fn post(State(app): State<App>, address: ClientAddress, request: Request) -> Response {
    let headers = request.headers().clone();
    submit(&app, &headers, address, request).await.unwrap_or_else(|error| fault(&app, &headers, error))
}

async fn submit(app: &App, headers: &HeaderMap, address: ClientAddress, request: Request) -> Result<Response> {
    ours(app.config.urls.login.as_ref())?;
    from_our_page(app, headers)?;
    let params = form::read(request, app).await?;
    if params.repeated().is_some() {
        return Err(ErrorCode::InvalidRequest.because("A field is given more than once."));
    }
    let challenge = params.require("login_challenge")?;
    let cookies = Cookies::read(app, headers)?;
    let browser = cookies.browser.as_ref();
    if params.get("action") == Some("reject") {
        return Ok(see_other(&flow::refuse_login(app, challenge, browser).await?));
    }
    let name = params.get("email").unwrap_or_default();
    let password = Secret::new(params.get("password").unwrap_or_default());
    let remember = params.get("remember") == Some("true");
    let outcome = flow::sign_in(app, challenge, browser, name, &password, remember, address.0).await;
    app.metrics.sign_in(match &outcome {
        Ok(_) => SignIn::Ok,
        Err(SignInFailure::Wrong) => SignIn::Wrong,
        Err(SignInFailure::TooMany(_)) => SignIn::TooMany,
        Err(SignInFailure::Refused(_)) => SignIn::Refused,
    });
    match outcome {
        Ok(done) => {
            let mut response = see_other(&done.redirect_to);
            cookies::set_session(app, response.headers_mut(), done.session, done.remembered)?;
            response.headers_mut().append(header::SET_COOKIE, cookies::set_browser(app, &done.browser)?);
            Ok(response)
        }
        Err(failure) => {
            let login = flow::login_page(app, challenge, browser).await?;
            Ok(failed(app, challenge, &login, name, remember, failure))
        }
    }
}

/// The page again, with what was typed but the password, and why it did not do.
fn failed(
    app: &App,
    challenge: &str,
    login: &LoginPage,
    name: &str,
    remember: bool,
    failure: SignInFailure,
) -> Response {
    let (status, message, wait) = match failure {
        SignInFailure::Wrong => (StatusCode::BAD_REQUEST, WRONG.to_owned(), None),
        SignInFailure::TooMany(wait) => {
            let seconds = wait.0.as_secs().max(1);
            let message = format!("Too many attempts. Please wait {} and try again.", in_words(seconds));
            (StatusCode::TOO_MANY_REQUESTS, message, Some(seconds))
        }
        SignInFailure::Refused(error) if error.status == 503 => {
            answer::log(&error);
            let message = "The server can not check passwords at the moment. Please try again.".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, message, error.retry_after)
        }
        SignInFailure::Refused(error) => return fault(app, &HeaderMap::new(), error),
    };
    let mut response = respond(app, status, login, &markup(app, challenge, login, name, remember, Some(&message)));
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn markup(app: &App, challenge: &str, login: &LoginPage, name: &str, remember: bool, failure: Option<&str>) -> Markup {
    let redirect_host = crate::ui::redirect_host(login.request.reply_to.redirect_uri());
    let logo = logo(app, &login.client);
    let action = format!("{}/login?login_challenge={challenge}", base(app));
    Login {
        action: &action,
        challenge,
        client: Some(client_card(&login.client, &redirect_host, logo.as_deref())),
        identifier: name,
        remember,
        failure,
    }
    .page(&look(app))
}

fn respond(app: &App, status: StatusCode, login: &LoginPage, markup: &Markup) -> Response {
    page(status, markup.clone(), &policy(app, login.request.reply_to.redirect_uri()))
}

/// A wait in the unit that a person would use.
fn in_words(seconds: u64) -> String {
    match seconds {
        1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

//! The built-in logout pages: the question, and the answer.

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::end_session::{destination, go_on};
use crate::app::App;
use crate::flow::{self, Farewell};
use crate::http::cookies::Cookies;
use crate::http::form;
use crate::http::page::{base, fault, from_our_page, look, ours, page, policy, see_other};
use crate::oauth::params::Params;
use crate::oauth::{ErrorCode, Result};
use crate::ui;
use crate::ui::logout::{Confirm, SignedOut};

pub async fn get(State(app): State<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    show(&app, &headers, query.unwrap_or_default()).await.unwrap_or_else(|error| fault(&app, &headers, error))
}

async fn show(app: &App, headers: &HeaderMap, query: String) -> Result<Response> {
    ours(app.config.urls.logout.as_ref())?;
    let params = Params::parse(query.as_bytes())?;
    let challenge = params.require("logout_challenge")?;
    let cookies = Cookies::read(app, headers)?;
    let (account, client_name) = flow::confirmation(app, challenge, cookies.browser.as_ref()).await?;
    let action = format!("{}/logout", base(app));
    let markup =
        Confirm { action: &action, challenge, account: account.as_deref(), client_name: client_name.as_deref() };
    Ok(page(StatusCode::OK, markup.page(&look(app)), &policy(app, &destination(app, Farewell::Ours))))
}

pub async fn post(State(app): State<App>, request: Request) -> Response {
    let headers = request.headers().clone();
    submit(&app, &headers, request).await.unwrap_or_else(|error| fault(&app, &headers, error))
}

async fn submit(app: &App, headers: &HeaderMap, request: Request) -> Result<Response> {
    ours(app.config.urls.logout.as_ref())?;
    from_our_page(app, headers)?;
    let form::Form(params) = form::unrepeated(request, app).await?;
    let challenge = params.require("logout_challenge")?;
    let cookies = Cookies::read(app, headers)?;
    match params.get("action") {
        Some("accept") => {
            let done = flow::end(app, challenge, cookies.browser.as_ref(), cookies.session).await?;
            Ok(go_on(app, done, true, see_other))
        }
        Some("reject") => Ok(see_other(&app.config.urls.public)),
        _ => Err(ErrorCode::InvalidRequest.because("The field action is missing.")),
    }
}

/// The page after a logout, for those whom no client waits for.
pub async fn done(State(app): State<App>) -> Response {
    page(StatusCode::OK, SignedOut.page(&look(&app)), &ui::csp(None))
}

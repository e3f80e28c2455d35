//! Pages for people: markup with the headers that protect it.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::Markup;
use url::Url;

use super::answer::{self, JsonError};
use super::middleware;
use super::refusal::Refusal;
use crate::app::App;
use crate::config::Config;
use crate::oauth::{Error, ErrorCode, Result};
use crate::store::client::Client;
use crate::ui::{self, ClientCard, Look};

/// How the built-in pages look.
pub fn look(app: &App) -> Look<'_> {
    look_of(&app.config)
}

fn look_of(config: &Config) -> Look<'_> {
    Look { title: &config.ui.title, accent: &config.ui.accent_color, base: base_of(config) }
}

/// The path that stands before every page of ours, without a slash at its end.
pub fn base(app: &App) -> &str {
    base_of(&app.config)
}

fn base_of(config: &Config) -> &str {
    let public = &config.urls.public;
    let after_scheme = public.find("://").map_or(0, |at| at + 3);
    public[after_scheme..].find('/').map_or("", |at| &public[after_scheme + at..])
}

/// A page with its Content-Security-Policy.
pub fn page(status: StatusCode, markup: Markup, policy: &str) -> Response {
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store")), (header::CONTENT_TYPE, HTML)];
    let mut response = (status, headers, markup.into_string()).into_response();
    if let Ok(policy) = HeaderValue::from_str(policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The policy of a page whose form's answer leads, by way of us, to the client: browsers hold the whole chain of redirects
/// to `form-action`, and where a client's callback leads from there is not ours to know.
pub fn policy(app: &App, redirect_uri: &str) -> String {
    let client = ui::form_action_source(redirect_uri);
    let plain = app.config.dev.then_some("http:");
    ui::csp([client.as_str(), "https:"].into_iter().chain(plain))
}

/// What a page says of the client.
pub fn client_card<'a>(client: &'a Client, redirect_host: &'a str, logo: Option<&'a str>) -> ClientCard<'a> {
    let metadata = client.metadata();
    let given = |uri: &'a String| Some(uri.as_str()).filter(|uri| !uri.is_empty());
    ClientCard {
        name: metadata.name(client.id.as_str()),
        logo,
        client_uri: given(&metadata.client_uri),
        policy_uri: given(&metadata.policy_uri),
        tos_uri: given(&metadata.tos_uri),
        redirect_host,
        is_verified: !client.is_self_registered(),
    }
}

/// Where the client's logo is: on this server, because a page of ours loads nothing from anywhere else.
pub fn logo(app: &App, client: &Client) -> Option<String> {
    let id = percent_encoding::utf8_percent_encode(client.id.as_str(), percent_encoding::NON_ALPHANUMERIC);
    (!client.metadata().logo_uri.is_empty()).then(|| format!("{}/ui/logo/{id}", base(app)))
}

/// A page of ours is not there where another app has its place.
pub fn ours(elsewhere: Option<&Url>) -> Result<()> {
    match elsewhere {
        None => Ok(()),
        Some(_) => Err(ErrorCode::NotFound.because("This page is another application's here.")),
    }
}

/// The second line of defence behind challenge and cookie: a form of ours is sent by a page of ours (Fetch Metadata,
/// and `Origin` where a browser does not have it). `null` is what a page without a referrer says.
pub fn from_our_page(app: &App, headers: &HeaderMap) -> Result<()> {
    let line = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let ours = match (line("sec-fetch-site"), line("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin == "null" || origin == app.config.urls.issuer_url.origin().ascii_serialization(),
        (None, None) => true,
    };
    if ours { Ok(()) } else { Err(ErrorCode::RequestForbidden.because("This form was sent by another site.")) }
}

/// After a form: 303, so that what was sent is not sent on.
pub fn see_other(location: &str) -> Response {
    (answer::no_store(), Redirect::to(location)).into_response()
}

/// An error for whoever is at the browser; as JSON for those who would rather have that.
pub fn fault(app: &App, headers: &HeaderMap, error: Error) -> Response {
    fault_before(app, headers, error, None)
}

/// The same where there is a place to go on to.
pub fn fault_before(app: &App, headers: &HeaderMap, error: Error, continue_url: Option<&str>) -> Response {
    if prefers_json(headers) {
        return JsonError(error).into_response();
    }
    answer::log(&error);
    if let Some(url) = &app.config.urls.error {
        let mut url = url.clone();
        url.query_pairs_mut()
            .append_pair("error", error.code.as_str())
            .append_pair("error_description", &error.description);
        return see_other(url.as_str());
    }
    let request = middleware::current();
    let fault = ui::error::Fault {
        status: error.status,
        code: error.code.as_str(),
        message: &error.description,
        request_id: request.as_ref().map(|request| request.id.as_str()),
        continue_url,
        retry: error.status == 503,
    };
    let response = page(answer::status(&error), fault.page(&look(app)), &ui::csp(None));
    answer::with_retry_after(response, &error)
}

/// The page of a refusal that is worth another try, made once and for all: what is sent when there is no time.
pub fn prepared(config: &Config, refusal: &Refusal) -> Markup {
    let fault = ui::error::Fault {
        status: refusal.status.as_u16(),
        code: refusal.error,
        message: refusal.description,
        request_id: None,
        continue_url: None,
        retry: true,
    };
    fault.page(&look_of(config))
}

/// Whether `Accept` names JSON and no page before it.
fn prefers_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let position = |media_type: &str| accept.split(',').position(|one| one.trim().starts_with(media_type));
    match (position("application/json"), position("text/html")) {
        (Some(json), Some(html)) => json < html,
        (Some(_), None) => true,
        _ => false,
    }
}

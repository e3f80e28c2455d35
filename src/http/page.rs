//! Pages for people: markup with the headers that protect it.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::answer::{self, JsonError};
use crate::app::App;
use crate::oauth::Error;
use crate::ui::{self, Look};

/// How the built-in pages look.
pub fn look(app: &App) -> Look<'_> {
    let ui = &app.config.ui;
    Look { title: &ui.title, accent: &ui.accent_color, base: base(app) }
}

/// The path that stands before every page of ours, without a slash at its end.
pub fn base(app: &App) -> &str {
    let public = &app.config.urls.public;
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

/// An error for whoever is at the browser; as JSON for those who would rather have that.
pub fn fault(app: &App, headers: &HeaderMap, error: Error) -> Response {
    if prefers_json(headers) {
        return JsonError(error).into_response();
    }
    answer::log(&error);
    let fault = ui::error::Fault {
        status: error.status,
        code: error.code.as_str(),
        message: &error.description,
        request_id: None,
        continue_url: None,
        retry: error.status == 503,
    };
    let response = page(answer::status(&error), fault.page(&look(app)), &ui::csp(None));
    answer::with_retry_after(response, &error)
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

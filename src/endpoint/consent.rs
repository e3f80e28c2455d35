//! The built-in consent page.

use std::collections::HashSet;

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::authorize::Answer;
use crate::app::App;
use crate::flow;
use crate::http::cookies::Cookies;
use crate::http::form;
use crate::http::page::{base, client_card, fault, from_our_page, logo, look, ours, page, policy, see_other};
use crate::oauth::claims_request::base_name;
use crate::oauth::params::Params;
use crate::oauth::scope::Scope;
use crate::oauth::{ErrorCode, Result};
use crate::ui;
use crate::ui::consent::{Consent, claim_line, scope_line};

pub async fn get(State(app): State<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    show(&app, &headers, query.unwrap_or_default()).await.unwrap_or_else(|error| fault(&app, &headers, error))
}

async fn show(app: &App, headers: &HeaderMap, query: String) -> Result<Response> {
    ours(app.config.urls.consent.as_ref())?;
    let params = Params::parse(query.as_bytes())?;
    let challenge = params.require("consent_challenge")?;
    let cookies = Cookies::read(app, headers)?;
    let asked = flow::ask(app, challenge, cookies.browser.as_ref(), cookies.session).await?;
    let redirect_uri = asked.request.reply_to.redirect_uri();
    let redirect_host = ui::redirect_host(redirect_uri);
    let logo = logo(app, &asked.client);
    let scopes: Vec<_> = asked.request.scope.iter().map(scope_line).collect();
    let mut claims: Vec<_> = asked.request.claims_beside(&asked.request.scope).map(base_name).collect();
    claims.sort_unstable();
    claims.dedup();
    let claims: Vec<_> = claims.into_iter().map(claim_line).collect();
    let action = format!("{}/consent", base(app));
    let markup = Consent {
        action: &action,
        challenge,
        client: client_card(&asked.client, &redirect_host, logo.as_deref()),
        account: &asked.account,
        scopes: &scopes,
        claims: &claims,
        remember: false,
    }
    .page(&look(app));
    Ok(page(StatusCode::OK, markup, &policy(app, redirect_uri)))
}

pub async fn post(State(app): State<App>, request: Request) -> Response {
    let headers = request.headers().clone();
    submit(&app, &headers, request).await.unwrap_or_else(|error| fault(&app, &headers, error))
}

async fn submit(app: &App, headers: &HeaderMap, request: Request) -> Result<Response> {
    ours(app.config.urls.consent.as_ref())?;
    from_our_page(app, headers)?;
    let params = form::read(request, app).await?;
    let mut seen = HashSet::new();
    if params.iter().any(|(name, _)| !matches!(name, "grant_scope" | "grant_claim") && !seen.insert(name)) {
        return Err(ErrorCode::InvalidRequest.because("A field is given more than once."));
    }
    let challenge = params.require("consent_challenge")?;
    let cookies = Cookies::read(app, headers)?;
    let (browser, session) = (cookies.browser.as_ref(), cookies.session);
    let done = match params.get("action") {
        Some("accept") => {
            let granted = Scope::parse(&params.all("grant_scope").collect::<Vec<_>>().join(" "))?;
            let claims: Vec<_> = params.all("grant_claim").collect();
            let remember = params.get("remember") == Some("true");
            flow::give_consent(app, challenge, browser, session, &granted, &claims, remember).await?
        }
        Some("reject") => flow::refuse_consent(app, challenge, browser, session).await?,
        Some("switch") => {
            let outcome = flow::switch_account(app, challenge, browser, session).await;
            return Ok(Answer::new(app, headers, StatusCode::SEE_OTHER).outcome(outcome, None));
        }
        _ => return Err(ErrorCode::InvalidRequest.because("The field action is missing.")),
    };
    Ok(see_other(&done.redirect_to))
}

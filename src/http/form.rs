//! Reading forms: a body of `application/x-www-form-urlencoded`, decoded once and strictly; and who the client is.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::answer::{JsonError, allow_origins_of};
use super::client_address::ClientAddress;
use super::refusal::unreadable_body;
use crate::app::App;
use crate::client_auth::{self, Presented};
use crate::oauth::params::Params;
use crate::oauth::{ErrorCode, Result};
use crate::store::client::Client;

/// The body as parameters; each at most once, but `resource` and `audience`.
pub struct Form(pub Params);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = JsonError;

    async fn from_request(request: Request, state: &S) -> Result<Self, JsonError> {
        Ok(unrepeated(request, state).await?)
    }
}

/// The parameters of a form that has each at most once.
pub async fn unrepeated<S: Send + Sync>(request: Request, state: &S) -> Result<Form> {
    check_form(request.headers())?;
    unrepeated_body(request, state).await
}

async fn unrepeated_body<S: Send + Sync>(request: Request, state: &S) -> Result<Form> {
    let params = body(request, state).await?;
    if params.repeated().is_some() {
        return Err(ErrorCode::InvalidRequest.because("A parameter is given more than once."));
    }
    Ok(Form(params))
}

/// The parameters of a form, whether or not one is repeated.
pub async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Params> {
    check_form(request.headers())?;
    body(request, state).await
}

async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Params> {
    let bytes = Bytes::from_request(request, state).await.map_err(|error| unreadable_body(&error))?;
    Params::parse(&bytes)
}

fn check_form(headers: &HeaderMap) -> Result<()> {
    if is_form(headers) {
        return Ok(());
    }
    Err(ErrorCode::InvalidRequest.because("The Content-Type must be application/x-www-form-urlencoded."))
}

/// The media type, and no charset but UTF-8.
pub fn is_form(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(one), None) = (lines.next().and_then(|line| line.to_str().ok()), lines.next()) else { return false };
    let mut parts = one.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && parts.all(|parameter| {
            parameter.split_once('=').is_none_or(|(name, value)| {
                !name.trim().eq_ignore_ascii_case("charset")
                    || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

/// A form from a client that has proven who it is. An endpoint that takes this can not forget to ask.
pub struct Authenticated {
    pub client: Arc<Client>,
    pub form: Params,
}

impl FromRequest<App> for Authenticated {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(&mut parts, app).await;
        let headers = std::mem::take(&mut parts.headers);
        let request = Request::from_parts(parts, body);
        let refuse = |error: crate::oauth::Error| JsonError(error).into_response();
        check_form(&headers).map_err(refuse)?;
        let Form(form) = unrepeated_body(request, app).await.map_err(refuse)?;
        let presented = presented(&headers, &form).map_err(refuse)?;
        match client_auth::authenticate(app, &presented, address).await {
            Ok(client) => Ok(Self { client, form }),
            Err(error) => {
                // An app in a browser that names its client is let read why it was refused. A store that has not
                // answered is not waited for twice.
                let named = match error.code {
                    ErrorCode::TemporarilyUnavailable => None,
                    _ => app.store.client(&presented.client).await.ok().flatten(),
                };
                Err(match named {
                    Some(client) => allow_origins_of(&client, refuse(error)),
                    None => refuse(error),
                })
            }
        }
    }
}

fn presented(headers: &HeaderMap, form: &Params) -> Result<Presented> {
    let lines: Option<Vec<&str>> =
        headers.get_all(header::AUTHORIZATION).iter().map(|line| line.to_str().ok()).collect();
    let lines =
        lines.ok_or_else(|| ErrorCode::InvalidClient.because("The Authorization header is not well-formed."))?;
    Presented::read(&lines, form)
}

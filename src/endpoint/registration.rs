//! The client registration endpoint (RFC 7591 section 3) and the client configuration endpoint (RFC 7592 section 2).

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::client_auth;
use crate::http::answer::{JsonError, allow_origins_of, no_store};
use crate::http::bearer::{self, BearerError};
use crate::http::client_address::ClientAddress;
use crate::http::json::JsonBytes;
use crate::id::ClientId;
use crate::oauth::params::Params;
use crate::oauth::{Error, ErrorCode, Result};
use crate::registration::{self, Credentials, Manager};
use crate::secret::Secret;

/// Where `oidc.dynamic_client_registration.enabled` is false.
pub async fn disabled() -> JsonError {
    JsonError(ErrorCode::NotFound.because("Dynamic registration is not enabled."))
}

pub async fn post(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    body: Result<JsonBytes, JsonError>,
) -> Response {
    let token = match bearer::from_header(&headers) {
        Ok(token) => token.map(Secret::new),
        Err(error) => return error.into_response(),
    };
    let has_token = token.is_some();
    let registered = async {
        if token.is_none() && app.config.oidc.registration.require_token {
            return Err(
                ErrorCode::InvalidToken.because("The server registers clients with an initial access token only.")
            );
        }
        let JsonBytes(body) = body.map_err(as_metadata)?;
        registration::register(&app, &body, token.as_ref(), address).await
    };
    match registered.await {
        Ok(shown) => (StatusCode::CREATED, no_store(), Json(shown)).into_response(),
        Err(error) => refuse(error, has_token),
    }
}

pub async fn get(State(app): State<App>, asked: Managed) -> Response {
    let shown = asked.authenticate(&app).await.map(|manager| {
        let answer = (no_store(), Json(registration::read_back(&app, &manager))).into_response();
        allow_origins_of(manager.client(), answer)
    });
    shown.unwrap_or_else(|response| response)
}

pub async fn put(State(app): State<App>, asked: Managed, body: Result<JsonBytes, JsonError>) -> Response {
    let manager = match asked.authenticate(&app).await {
        Ok(manager) => manager,
        Err(response) => return response,
    };
    let replaced = async {
        let JsonBytes(body) = body.map_err(as_metadata)?;
        registration::replace(&app, &manager, &body, asked.address.0).await
    };
    let answer = match replaced.await {
        Ok(shown) => (no_store(), Json(shown)).into_response(),
        Err(error) => refuse(error, true),
    };
    allow_origins_of(manager.client(), answer)
}

pub async fn delete(State(app): State<App>, asked: Managed) -> Response {
    let manager = match asked.authenticate(&app).await {
        Ok(manager) => manager,
        Err(response) => return response,
    };
    let answer = match registration::delete(&app, &manager).await {
        Ok(()) => (StatusCode::NO_CONTENT, no_store()).into_response(),
        Err(error) => refuse(error, true),
    };
    allow_origins_of(manager.client(), answer)
}

/// Which registration is meant, and what was shown for it.
pub struct Managed {
    id: Option<ClientId>,
    headers: HeaderMap,
    query: Option<String>,
    address: ClientAddress,
}

impl axum::extract::FromRequestParts<App> for Managed {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &App) -> Result<Self, Self::Rejection> {
        // A path that is no text names nobody.
        let id = Path::<ClientId>::from_request_parts(parts, app).await.ok().map(|Path(id)| id);
        let Ok(address) = ClientAddress::from_request_parts(parts, app).await;
        let Ok(RawQuery(query)) = RawQuery::from_request_parts(parts, app).await;
        Ok(Self { id, headers: parts.headers.clone(), query, address })
    }
}

impl Managed {
    async fn authenticate(&self, app: &App) -> Result<Manager, Response> {
        let credentials = self.credentials(app).map_err(IntoResponse::into_response)?;
        let nobody = ClientId::new("");
        let id = self.id.as_ref().unwrap_or(&nobody);
        registration::authenticate(app, id, &credentials, self.address.0).await.map_err(|error| refuse(error, true))
    }

    /// A token goes before a secret, and a header before the query, which counts only where the operator lets it.
    fn credentials(&self, app: &App) -> Result<Credentials, BearerError> {
        if let Some(token) = bearer::from_header(&self.headers)? {
            return Ok(Credentials::Token(Secret::new(token)));
        }
        let line = self.headers.get(header::AUTHORIZATION).map(|line| line.to_str().unwrap_or_default());
        if let Some((client, secret)) = line.map(client_auth::basic).transpose()?.flatten() {
            return Ok(Credentials::Client(ClientId::new(client), secret));
        }
        if app.config.oidc.registration.allow_secret_in_query {
            let query = Params::parse(self.query.as_deref().unwrap_or_default().as_bytes())?;
            if let (Some(secret), false) = (query.get("client_secret"), query.is_repeated("client_secret")) {
                let named = query.get("client_id").map(ClientId::new).or_else(|| self.id.clone());
                let named = named.ok_or(BearerError::NoToken)?;
                return Ok(Credentials::Client(named, Secret::new(secret)));
            }
        }
        Err(BearerError::NoToken)
    }
}

/// What is wrong with the body is wrong with the metadata (RFC 7591 section 3.2.2).
fn as_metadata(JsonError(error): JsonError) -> Error {
    match error.code {
        ErrorCode::InvalidRequest => Error { code: ErrorCode::InvalidClientMetadata, ..error },
        _ => error,
    }
}

/// 401 with the challenge of the scheme that was used.
fn refuse(error: Error, has_credentials: bool) -> Response {
    match error.code {
        ErrorCode::InvalidToken if !has_credentials => BearerError::NoToken.into_response(),
        ErrorCode::InvalidToken => BearerError::Refused(error).into_response(),
        _ => JsonError(error).into_response(),
    }
}

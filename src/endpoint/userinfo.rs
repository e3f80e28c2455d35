//! The userinfo endpoint: OpenID Connect Core section 5.3.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::app::App;
use crate::http::answer::{allow_origins_of, no_store};
use crate::http::bearer::{Bearer, BearerError};
use crate::id::Subject;
use crate::issue::Protection;
use crate::oauth::claims_request::{self, base_name};
use crate::oauth::id_token::without_reserved;
use crate::oauth::scope::Scope;
use crate::oauth::{ErrorCode, claims};
use crate::store::client::Client;
use crate::store::grant::LiveGrant;
use crate::token::{self, Active};

pub async fn serve(State(app): State<App>, Bearer(presented): Bearer) -> Result<Response, BearerError> {
    let invalid = || ErrorCode::InvalidToken.because("The access token is not valid.");
    let without_openid = || ErrorCode::InsufficientScope.because("The access token has not the scope openid.");
    let (grant, scope) = match token::access(&app, &presented).await? {
        Some(Active::Access { grant, scope, .. }) => (grant, scope),
        // It is about somebody, but nobody has signed in for it.
        Some(Active::Client { subject: Some(_), .. }) => return Err(without_openid().into()),
        _ => return Err(invalid().into()),
    };
    if !scope.contains("openid") {
        return Err(without_openid().into());
    }
    let client = app.store.client(&grant.client_id).await?.ok_or_else(invalid)?;
    let subject = app.subject_of(&client, &grant.subject, grant.seen_as.as_ref())?;
    let told = about(&grant, &scope, &subject);
    let now = app.clock.now();
    let answer = match Protection::of_userinfo(&app, &client, now).await? {
        None => (no_store(), Json(told)).into_response(),
        Some(protection) => {
            let token = protection.protect("JWT", &addressed(told, &app, &client), now)?;
            (no_store(), [(header::CONTENT_TYPE, "application/jwt")], token).into_response()
        }
    };
    Ok(allow_origins_of(&client, answer))
}

/// What the granted scopes and the claims asked for by name tell of the person, what the consent added, and always `sub`.
fn about(grant: &LiveGrant, scope: &Scope, subject: &Subject) -> Map<String, Value> {
    let known = grant.known();
    let requested = grant.claims_requested.as_ref().map(|requested| &requested.0);
    let locales = requested.map(|requested| requested.locales.as_slice()).unwrap_or_default();
    let mut told = claims::released(&known, scope, locales);
    if let Some(requested) = requested {
        // What a scope of the grant opens goes with that scope, also where a token has less of it (RFC 6749 section 6).
        let mut requested = requested.clone();
        requested.retain(|name| {
            let opening = claims::scope_of(base_name(name)).filter(|opening| grant.scope.contains(opening));
            opening.is_none_or(|opening| scope.contains(opening))
        });
        told.extend(claims_request::told(&known, &requested.userinfo, locales));
    }
    if let Some(added) = grant.claims.as_ref() {
        told.extend(added.0.id_token.clone());
    }
    let mut told = without_reserved(told);
    told.insert("sub".to_owned(), subject.as_str().into());
    told
}

/// OpenID Connect Core section 5.3.2: who says it, and to whom. Without `iat` it can not be taken for an ID token.
fn addressed(mut told: Map<String, Value>, app: &App, client: &Client) -> Map<String, Value> {
    told.insert("iss".to_owned(), app.config.urls.issuer.as_str().into());
    told.insert("aud".to_owned(), client.id.as_str().into());
    told
}

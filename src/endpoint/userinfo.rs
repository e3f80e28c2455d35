//! The userinfo endpoint: OpenID Connect Core section 5.3.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::app::App;
use crate::http::answer::{allow_origins_of, no_store};
use crate::http::bearer::{Bearer, BearerError};
use crate::oauth::id_token::without_reserved;
use crate::oauth::scope::Scope;
use crate::oauth::{ErrorCode, claims};
use crate::store::grant::LiveGrant;
use crate::token::{self, Active};

pub async fn serve(State(app): State<App>, Bearer(presented): Bearer) -> Result<Response, BearerError> {
    let invalid = || ErrorCode::InvalidToken.because("The access token is not valid.");
    let Some(Active::Access { grant, scope, .. }) = token::access(&app, &presented).await? else {
        return Err(invalid().into());
    };
    if !scope.contains("openid") {
        return Err(ErrorCode::InsufficientScope.because("The access token has not the scope openid.").into());
    }
    let client = app.store.client(&grant.client_id).await?.ok_or_else(invalid)?;
    Ok(allow_origins_of(&client, (no_store(), Json(about(&grant, &scope))).into_response()))
}

/// What the granted scopes tell of the person, what the consent added, and always `sub`.
fn about(grant: &LiveGrant, scope: &Scope) -> Map<String, Value> {
    let mut told = Map::new();
    let kept = grant.user_claims.as_deref().and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    if let Some(mut kept) = kept {
        if let Some(email) = &grant.email {
            kept.entry("email").or_insert_with(|| email.clone().into());
            // Nobody has shown that it is theirs.
            kept.entry("email_verified").or_insert(Value::Bool(false));
        }
        if let Some(username) = &grant.username {
            kept.entry("preferred_username").or_insert_with(|| username.clone().into());
        }
        told = claims::released(&kept, scope);
    }
    if let Some(Value::Object(added)) = grant.claims.as_ref().map(|claims| &claims.0) {
        told.extend(without_reserved(added.clone()));
    }
    told.insert("sub".to_owned(), grant.subject.as_str().into());
    told
}

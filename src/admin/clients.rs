//! `/admin/clients`: Hydra's clients (RFC 7591 section 2 in Hydra's JSON). The command line calls the same functions.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::page::{self, Asked, Page};
use crate::app::App;
use crate::http::answer::{JsonError, no_store};
use crate::http::json::JsonBody;
use crate::id::ClientId;
use crate::oauth::client_metadata::{ClientMetadata, Rules, check_client_id, check_secret};
use crate::oauth::{Error, ErrorCode, Result};
use crate::secret::Secret;
use crate::store::client::{Client, ClientChange, KeptSecret};
use crate::store::db;
use crate::{client_documents, client_secret};

/// A client as it is sent. What the server makes itself (the times, the expiry of the secret) is not read.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Input {
    #[serde(default)]
    pub client_id: Option<String>,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    #[serde(flatten)]
    pub metadata: ClientMetadata,
}

/// A client as it is shown. No member is ever null: the SDKs of `seed.md` fail on one.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    pub client_id: ClientId,
    /// Only in the answer to the request that set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// Seconds since 1970, 0 for never (RFC 7591 section 3.2.1).
    pub client_secret_expires_at: i64,
    #[serde(flatten)]
    pub metadata: ClientMetadata,
    /// RFC 3339.
    pub created_at: String,
    pub updated_at: String,
}

impl Shown {
    pub fn new(client: &Client, secret: Option<Secret>) -> Self {
        Self {
            client_id: client.id.clone(),
            client_secret: secret,
            client_secret_expires_at: client.secret_expires_at,
            metadata: client.metadata().clone(),
            created_at: client.created_at.rfc3339(),
            updated_at: client.updated_at.rfc3339(),
        }
    }
}

/// Registers a client. `Conflict` where the id is taken, by a client or by a person.
pub async fn create(app: &App, input: Input) -> Result<Shown> {
    let id = match input.client_id.filter(|id| !id.is_empty()) {
        Some(chosen) => {
            check_client_id(&chosen)?;
            ClientId::new(chosen)
        }
        None => ClientId::made(),
    };
    let metadata = checked(app, input.metadata)?;
    let secret = match chosen_secret(input.client_secret, &metadata)? {
        Some(secret) => Some((client_secret::keep(app, &id, &metadata, &secret).await?, secret)),
        None => metadata.has_use_for_secret().then(|| client_secret::make(app, &id, &metadata)),
    };
    client_documents::check(app, &metadata, None).await?;
    client_documents::ensure_keys(app, &metadata).await?;
    let (hash, sealed) = KeptSecret::columns(secret.as_ref().map(|(kept, _)| kept));
    let now = app.clock.now();
    let client = Client {
        id,
        secret_hash: hash.map(str::to_owned),
        secret_sealed: sealed.map(str::to_owned),
        secret_expires_at: 0,
        metadata: db::Json(metadata),
        tokens_valid_from: now,
        registration_token_hash: None,
        origin: "admin".to_owned(),
        created_at: now,
        updated_at: now,
        used_at: None,
        expires_at: None,
    };
    app.store.insert_client(&client).await.map_err(|error| match error {
        db::Error::Conflict => ErrorCode::Conflict.because("The client_id is in use, by a client or as a user's id."),
        other => other.into(),
    })?;
    tracing::info!(client = %client.id, "a client was created");
    Ok(Shown::new(&client, secret.map(|(_, secret)| secret)))
}

pub async fn get(app: &App, id: &ClientId) -> Result<Shown> {
    Ok(Shown::new(&*found(app, id).await?, None))
}

/// Which clients are asked for: both are compared as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    pub name: Option<&'a str>,
    pub owner: Option<&'a str>,
}

/// Clients in the order of their ids.
pub async fn list(app: &App, asked: &Asked, filter: Filter<'_>) -> Result<Page<Shown>> {
    let rows = app.store.clients(asked.after.as_deref(), filter.name, filter.owner, asked.size + 1).await?;
    let shown = rows.iter().map(|client| Shown::new(client, None)).collect();
    Ok(Page::of(shown, asked, |client: &Shown| client.client_id.to_string()))
}

/// Replaces a client as a whole, but for its secret, which stays unless another is given. A client that needs one and has
/// none, or of whose only a hash is left where the secret itself is needed, gets one, which is in the answer.
pub async fn replace(app: &App, id: &ClientId, input: Input) -> Result<Shown> {
    if input.client_id.is_some_and(|named| !named.is_empty() && named != id.as_str()) {
        return Err(ErrorCode::InvalidRequest.because("The client_id is not that of the path; it can not be changed."));
    }
    let metadata = checked(app, input.metadata)?;
    let chosen = chosen_secret(input.client_secret, &metadata)?;
    let before = found(app, id).await?;
    let (kept, secret) = match chosen {
        Some(secret) => (Some(client_secret::keep(app, id, &metadata, &secret).await?), Some(secret)),
        None => {
            client_secret::rekeep(app, &before, &metadata).await?.map_or((None, None), |(kept, new)| (Some(kept), new))
        }
    };
    client_documents::check(app, &metadata, Some(before.metadata())).await?;
    client_documents::ensure_keys(app, &metadata).await?;
    let change = ClientChange { metadata, secret: kept };
    let client = app.store.update_client(id, &change, app.clock.now()).await?.ok_or_else(unknown)?;
    tracing::info!(client = %id, new_secret = secret.is_some(), "a client was updated");
    Ok(Shown::new(&client, secret))
}

/// Deletes a client; its tokens are dead from then on.
pub async fn delete(app: &App, id: &ClientId) -> Result<()> {
    check_client_id(id.as_str()).map_err(|_| unknown())?;
    if !app.store.delete_client(id).await? {
        return Err(unknown());
    }
    tracing::info!(client = %id, "a client was deleted");
    Ok(())
}

async fn found(app: &App, id: &ClientId) -> Result<std::sync::Arc<Client>> {
    // What no client can be called is not looked for: a NUL, which databases refuse, is no failure of theirs.
    check_client_id(id.as_str()).map_err(|_| unknown())?;
    app.store.client(id).await?.ok_or_else(unknown)
}

fn unknown() -> Error {
    ErrorCode::NotFound.because("There is no client with this id.")
}

fn checked(app: &App, metadata: ClientMetadata) -> Result<ClientMetadata> {
    let metadata = metadata.with_defaults(&app.config.oidc.default_scope);
    metadata.validate(&Rules::of(&app.config))?;
    Ok(metadata)
}

/// An empty secret is none. A public client can not have one: it would be believed to protect something.
fn chosen_secret(secret: Option<Secret>, metadata: &ClientMetadata) -> Result<Option<Secret>> {
    let Some(secret) = secret.filter(|secret| !secret.expose().is_empty()) else { return Ok(None) };
    if metadata.is_public() {
        return Err(ErrorCode::InvalidClientMetadata
            .because("Field client_secret can not be set where token_endpoint_auth_method is none."));
    }
    check_secret(secret.expose())?;
    Ok(Some(secret))
}

pub async fn on_post(State(app): State<App>, JsonBody(input): JsonBody<Input>) -> Result<Response, JsonError> {
    let client = create(&app, input).await?;
    let location = format!("/admin/clients/{}", utf8_percent_encode(client.client_id.as_str(), NON_ALPHANUMERIC));
    Ok((StatusCode::CREATED, no_store(), [(header::LOCATION, location)], Json(client)).into_response())
}

pub async fn on_list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, JsonError> {
    let params = page::query(query.as_deref())?;
    let asked = Asked::read(&app, "clients", &params)?;
    let filter = Filter { name: params.get("client_name"), owner: params.get("owner") };
    let found = list(&app, &asked, filter).await?;
    Ok(page::answer(&app, "clients", &params, &asked, found)?)
}

pub async fn on_get(State(app): State<App>, Path(id): Path<ClientId>) -> Result<Json<Shown>, JsonError> {
    Ok(Json(get(&app, &id).await?))
}

pub async fn on_put(
    State(app): State<App>,
    Path(id): Path<ClientId>,
    JsonBody(input): JsonBody<Input>,
) -> Result<impl IntoResponse, JsonError> {
    Ok((no_store(), Json(replace(&app, &id, input).await?)))
}

pub async fn on_delete(State(app): State<App>, Path(id): Path<ClientId>) -> Result<StatusCode, JsonError> {
    delete(&app, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::Timestamp;
    use crate::http::json::parse;

    fn read(text: &str) -> Result<Input> {
        parse(text.as_bytes())
    }

    /// hydra.md appendix A1: the shape of an answer, without nulls.
    #[test]
    fn a_client_is_shown_without_nulls() {
        let input = read(r#"{"redirect_uris": ["https://app.example/cb"], "client_name": null}"#).unwrap();
        let at = Timestamp::from_seconds(1_753_358_400);
        let client = Client {
            id: ClientId::new("web"),
            secret_hash: Some("sha256:hidden".to_owned()),
            secret_sealed: None,
            secret_expires_at: 0,
            metadata: db::Json(input.metadata.with_defaults(&[])),
            tokens_valid_from: at,
            registration_token_hash: None,
            origin: "admin".to_owned(),
            created_at: at,
            updated_at: at,
            used_at: None,
            expires_at: None,
        };
        let shown = serde_json::to_value(Shown::new(&client, None)).unwrap();
        assert_eq!(
            shown,
            json!({
                "client_id": "web", "client_name": "", "client_secret_expires_at": 0,
                "redirect_uris": ["https://app.example/cb"], "grant_types": [], "response_types": [],
                "audience": [], "owner": "", "contacts": [], "allowed_cors_origins": [], "subject_type": "public",
                "token_endpoint_auth_method": "client_secret_basic", "userinfo_signed_response_alg": "none",
                "metadata": {}, "skip_consent": false, "created_at": "2025-07-24T12:00:00Z",
                "updated_at": "2025-07-24T12:00:00Z",
            })
        );
        let created = serde_json::to_value(Shown::new(&client, Some(Secret::new("s3cret")))).unwrap();
        assert_eq!(created["client_secret"], Value::from("s3cret"));
    }

    /// What was shown can be sent back, as Hydra's tools do.
    #[test]
    fn an_answer_is_a_request() {
        let text = r#"{"client_id": "web", "client_secret": "s3cret", "client_secret_expires_at": 0,
            "created_at": "2025-07-24T12:00:00Z", "scope": "openid", "jwks": {},
            "authorization_code_grant_access_token_lifespan": "1h0m0s", "skip_logout_consent": null}"#;
        let input = read(text).unwrap();
        assert_eq!(input.client_id.as_deref(), Some("web"));
        assert_eq!(input.client_secret, Some(Secret::new("s3cret")));
        assert_eq!(input.metadata.scope, "openid");
        assert_eq!(input.metadata.lifespans.iter().count(), 1);
    }

    /// DR-29: a member that is given twice could be read in two ways.
    #[test]
    fn a_member_twice_is_refused() {
        for text in [r#"{"scope": "a", "scope": "b"}"#, r#"{"client_id": "a", "client_id": "b"}"#, "[]", "null", ""] {
            assert_eq!(read(text).unwrap_err().code, ErrorCode::InvalidRequest, "{text}");
        }
    }

    #[test]
    fn a_public_client_has_no_secret() {
        let public = ClientMetadata { token_endpoint_auth_method: "none".to_owned(), ..ClientMetadata::default() };
        assert!(chosen_secret(Some(Secret::new("long enough")), &public).is_err());
        assert!(chosen_secret(Some(Secret::new("")), &public).unwrap().is_none());
        let confidential = ClientMetadata::default();
        assert!(chosen_secret(Some(Secret::new("short")), &confidential).is_err());
        assert!(chosen_secret(Some(Secret::new("long enough")), &confidential).unwrap().is_some());
    }
}

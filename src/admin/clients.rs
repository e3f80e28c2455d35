//! `/admin/clients`: Hydra's clients (RFC 7591 section 2 in Hydra's JSON). The command line calls the same functions.

mod change;
mod patch;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::change::{Change, change};
pub use self::patch::Patch;
use super::acting::Admin;
use super::page::{self, Asked, Page};
use crate::app::App;
use crate::http::answer::{JsonError, no_store};
use crate::http::json::{JsonBody, PatchBody};
use crate::id::ClientId;
use crate::oauth::client_metadata::{ClientMetadata, Lifespans, Rules, check_client_id, check_secret};
use crate::oauth::{Error, ErrorCode, Result};
pub use crate::registration::Shown;
use crate::registration::in_path;
use crate::secret::{Secret, fingerprint};
use crate::store::client::Client;
use crate::store::db;
use crate::{client_documents, client_secret};

/// A client as it is sent. What the server makes itself (the times, the expiry of the secret) is not read.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "oAuth2Client")]
pub struct Input {
    #[serde(default)]
    pub client_id: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub client_secret: Option<Secret>,
    /// In place of the secret where only a hash of it has come here; only of a client that is created.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub client_secret_hash: Option<Secret>,
    #[serde(flatten)]
    pub metadata: ClientMetadata,
}

/// The body of `PUT /admin/clients/{id}/lifespans`, which is an object and no list.
#[derive(Debug, Deserialize)]
pub struct OnlyLifespans {
    #[serde(flatten)]
    lifespans: Lifespans,
}

/// What is known of the secret that a client is to have.
#[derive(Clone, Debug)]
enum Given {
    Nothing,
    Secret(Secret),
    Hash(Secret),
}

/// Registers a client. `Conflict` where the id is taken, by a client or by a person.
pub async fn create(app: &App, input: Input) -> Result<Shown> {
    let (mut client, given) = judged(app, input)?;
    let (id, metadata) = (&client.id, client.metadata());
    let (kept, secret) = match given {
        Given::Secret(secret) => (Some(client_secret::keep(app, id, metadata, &secret).await?), Some(secret)),
        Given::Hash(hash) => (Some(client_secret::keep_hash(metadata, &hash)?), None),
        Given::Nothing if metadata.has_use_for_secret() => {
            let (kept, secret) = client_secret::make(app, id, metadata);
            (Some(kept), Some(secret))
        }
        Given::Nothing => (None, None),
    };
    client_documents::check(app, metadata, None).await?;
    client_documents::ensure_keys(app, metadata).await?;
    client.set_secret(kept.as_ref());
    let token = app.config.oidc.registration.enabled.then(Secret::random);
    client.registration_token_hash = token.as_ref().map(|token| fingerprint(token.expose()));
    app.store.insert_client(&client).await.map_err(|error| match error {
        db::Error::Conflict => taken(),
        other => other.into(),
    })?;
    tracing::info!(client = %client.id, "a client was created");
    let shown = Shown::new(&client, secret);
    Ok(if token.is_some() { shown.managed(app, token) } else { shown })
}

/// Says what [`create`] would say, as far as can be told before anything is written; the id that it would have.
pub async fn rehearse(app: &App, input: Input) -> Result<ClientId> {
    let (client, given) = judged(app, input)?;
    match given {
        Given::Secret(secret) => client.metadata().check_secret_as_key(secret.expose())?,
        Given::Hash(hash) => drop(client_secret::keep_hash(client.metadata(), &hash)?),
        Given::Nothing => {}
    }
    client_documents::check(app, client.metadata(), None).await?;
    match app.store.client_to_change(&client.id).await? {
        Some(_) => Err(taken()),
        None => Ok(client.id),
    }
}

/// The client that is sent, without its secret, and what it says of that.
fn judged(app: &App, input: Input) -> Result<(Client, Given)> {
    let id = match input.client_id.filter(|id| !id.is_empty()) {
        Some(chosen) => {
            check_client_id(&chosen)?;
            ClientId::new(chosen)
        }
        None => ClientId::made(),
    };
    let metadata = checked(app, input.metadata)?;
    let secret = chosen_secret("client_secret", input.client_secret, &metadata)?;
    let hash = chosen_secret("client_secret_hash", input.client_secret_hash, &metadata)?;
    let given = match (secret, hash) {
        (Some(_), Some(_)) => {
            return Err(ErrorCode::InvalidClientMetadata
                .because("Fields client_secret and client_secret_hash can not both be set, you must choose one."));
        }
        (Some(secret), None) => {
            check_secret(secret.expose())?;
            Given::Secret(secret)
        }
        (None, Some(hash)) => Given::Hash(hash),
        (None, None) => Given::Nothing,
    };
    Ok((Client::new(id, metadata, app.clock.now()), given))
}

pub async fn get(app: &App, id: &ClientId) -> Result<Shown> {
    // What no client can be called is not looked for: a NUL, which databases refuse, is no failure of theirs.
    check_client_id(id.as_str()).map_err(|_| unknown())?;
    Ok(Shown::new(&*app.store.client(id).await?.ok_or_else(unknown)?, None))
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

/// Deletes a client; its tokens are dead from then on.
pub async fn delete(app: &App, id: &ClientId) -> Result<()> {
    check_client_id(id.as_str()).map_err(|_| unknown())?;
    if !app.store.delete_client(id).await? {
        return Err(unknown());
    }
    tracing::info!(client = %id, "a client was deleted");
    Ok(())
}

fn unknown() -> Error {
    ErrorCode::NotFound.because("There is no client with this id.")
}

pub fn taken() -> Error {
    ErrorCode::Conflict.because("The client_id is in use, by a client or as a user's id.")
}

fn checked(app: &App, metadata: ClientMetadata) -> Result<ClientMetadata> {
    let metadata = metadata.with_defaults(&app.config.oidc.default_scope);
    metadata.validate(&Rules::of(&app.config))?;
    Ok(metadata)
}

/// An empty secret is none. A public client can not have one: it would be believed to protect something.
fn chosen_secret(field: &str, secret: Option<Secret>, metadata: &ClientMetadata) -> Result<Option<Secret>> {
    let secret = secret.filter(|secret| !secret.expose().is_empty());
    if secret.is_some() && metadata.is_public() {
        return Err(ErrorCode::InvalidClientMetadata
            .because(format!("Field {field} can not be set where token_endpoint_auth_method is none.")));
    }
    Ok(secret)
}

pub async fn on_post(Admin(app): Admin, JsonBody(input): JsonBody<Input>) -> Result<Response, JsonError> {
    let client = create(&app, input).await?;
    let location = format!("/admin/clients/{}", in_path(&client.client_id));
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
    Admin(app): Admin,
    Path(id): Path<ClientId>,
    JsonBody(input): JsonBody<Input>,
) -> Result<impl IntoResponse, JsonError> {
    answer(change(&app, &id, &Change::Replace(Box::new(input))).await)
}

pub async fn on_patch(
    Admin(app): Admin,
    Path(id): Path<ClientId>,
    PatchBody(patch): PatchBody<Patch>,
) -> Result<impl IntoResponse, JsonError> {
    answer(change(&app, &id, &Change::Patch(patch)).await)
}

pub async fn on_put_lifespans(
    Admin(app): Admin,
    Path(id): Path<ClientId>,
    JsonBody(OnlyLifespans { lifespans }): JsonBody<OnlyLifespans>,
) -> Result<impl IntoResponse, JsonError> {
    answer(change(&app, &id, &Change::Lifespans(lifespans)).await)
}

pub async fn on_rotate(Admin(app): Admin, Path(id): Path<ClientId>) -> Result<impl IntoResponse, JsonError> {
    answer(change(&app, &id, &Change::RotateSecret).await)
}

pub async fn on_forget(Admin(app): Admin, Path(id): Path<ClientId>) -> Result<impl IntoResponse, JsonError> {
    answer(change(&app, &id, &Change::ForgetRotated).await)
}

fn answer(changed: Result<Shown>) -> Result<impl IntoResponse, JsonError> {
    Ok((no_store(), Json(changed?)))
}

pub async fn on_delete(Admin(app): Admin, Path(id): Path<ClientId>) -> Result<StatusCode, JsonError> {
    delete(&app, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::json::parse;

    fn read(text: &str) -> Result<Input> {
        parse(text.as_bytes())
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
        let twice = br#"{"implicit_grant_id_token_lifespan": "1h", "implicit_grant_id_token_lifespan": "2h"}"#;
        assert!(parse::<OnlyLifespans>(twice).is_err() && parse::<OnlyLifespans>(b"[]").is_err());
    }

    #[test]
    fn a_public_client_has_no_secret() {
        let public = ClientMetadata { token_endpoint_auth_method: "none".to_owned(), ..ClientMetadata::default() };
        let of = |secret: &str, metadata| chosen_secret("client_secret", Some(Secret::new(secret)), metadata);
        assert!(of("long enough", &public).is_err());
        assert!(of("", &public).unwrap().is_none());
        assert!(of("long enough", &ClientMetadata::default()).unwrap().is_some());
    }
}

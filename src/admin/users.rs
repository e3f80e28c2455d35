//! `/admin/users`: the people who sign in at the built-in pages. Our own API; Hydra has no users.

mod rules;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::acting::Admin;
use super::page::{self, Asked, Page};
use crate::app::App;
use crate::clock::Timestamp;
use crate::flow::chosen_password::hash;
use crate::http::answer::{JsonError, no_store};
use crate::http::json::JsonBody;
use crate::id::Subject;
use crate::oauth::{Error, ErrorCode, Result};
use crate::secret::Secret;
use crate::store::db;
use crate::store::user::User;

/// A person as sent. A member that is left out is empty, but the password, which then stays as it is.
///
/// What an answer has can be sent back; anything else is refused, because a misspelt `disabled` must not pass.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "userBody")]
pub struct Input {
    /// Made by the server; only ever compared.
    #[serde(default)]
    pub id: Option<String>,
    pub username: String,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub password: Option<Secret>,
    #[serde(default)]
    pub claims: Option<Map<String, Value>>,
    #[serde(default)]
    pub disabled: bool,
    /// Set by the server alone, whatever is sent; so is the next.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub created_at: Option<IgnoredAny>,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub updated_at: Option<IgnoredAny>,
}

/// A person as shown: never a hash.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "user")]
pub struct Shown {
    /// The subject of tokens.
    pub id: Subject,
    pub username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Without `email`, which is a member of its own.
    pub claims: Map<String, Value>,
    pub disabled: bool,
    /// RFC 3339.
    pub created_at: String,
    pub updated_at: String,
}

impl From<User> for Shown {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            claims: user.claims.0,
            disabled: user.disabled,
            created_at: user.created_at.rfc3339(),
            updated_at: user.updated_at.rfc3339(),
        }
    }
}

impl From<Shown> for Input {
    fn from(shown: Shown) -> Self {
        Self {
            id: Some(shown.id.to_string()),
            username: shown.username,
            email: shown.email,
            claims: Some(shown.claims),
            disabled: shown.disabled,
            ..Self::default()
        }
    }
}

/// Adds a person. `Conflict` where the username or the email names somebody already. Without a password nobody can sign
/// in as that person yet.
pub async fn create(app: &App, input: Input) -> Result<Shown> {
    if input.id.is_some() {
        return Err(ErrorCode::InvalidRequest.because("The id is made by the server; it can not be chosen."));
    }
    let now = app.clock.now();
    let password = input.password.clone();
    let mut user = checked(Subject::made(now), input, now)?;
    user.password_hash = match &password {
        Some(password) => Some(hash(app, password).await?),
        None => None,
    };
    app.store.insert_user(&user).await.map_err(taken)?;
    tracing::info!(subject = %user.id, "a user was created");
    Ok(user.into())
}

pub async fn get(app: &App, id: &Subject) -> Result<Shown> {
    Ok(found(app, id).await?.into())
}

/// The person of that id, username or email.
pub async fn named(app: &App, name: &str) -> Result<Shown> {
    if let Some(user) = app.store.user(&Subject::new(name)).await? {
        return Ok(user.into());
    }
    Ok(app.store.user_by_name(name).await?.ok_or_else(unknown)?.into())
}

/// People in the order of their ids, which is that of their making.
pub async fn list(app: &App, asked: &Asked) -> Result<Page<Shown>> {
    let rows = app.store.users(asked.after.as_deref(), asked.size + 1).await?;
    let shown = rows.into_iter().map(Shown::from).collect();
    Ok(Page::of(shown, asked, |user: &Shown| user.id.to_string()))
}

/// Replaces what is kept of a person. A password, if there is one, is the new one, and ends every session and grant of
/// the old; being disabled ends them too.
pub async fn replace(app: &App, id: &Subject, input: Input) -> Result<Shown> {
    if input.id.as_ref().is_some_and(|named| named != id.as_str()) {
        return Err(ErrorCode::InvalidRequest.because("The id is not that of the path; it can not be changed."));
    }
    let now = app.clock.now();
    let password = input.password.clone();
    let user = checked(id.clone(), input, now)?;
    found(app, id).await?;
    let hash = match &password {
        Some(password) => Some(hash(app, password).await?),
        None => None,
    };
    let ending = app.ending(now);
    let updated = app.store.update_user(&user, hash.as_deref(), ending).await.map_err(taken)?.ok_or_else(unknown)?;
    tracing::info!(subject = %id, disabled = updated.disabled, new_password = password.is_some(), "a user was updated");
    Ok(updated.into())
}

/// Sets a password; every session and grant of the old one ends.
pub async fn set_password(app: &App, id: &Subject, password: &Secret) -> Result<()> {
    found(app, id).await?;
    let hash = hash(app, password).await?;
    if !app.store.set_password(id, &hash, app.ending(app.clock.now())).await? {
        return Err(unknown());
    }
    tracing::info!(subject = %id, "a user's password was set");
    Ok(())
}

/// Deletes a person with sessions, consents and tokens. The id is never given again.
pub async fn delete(app: &App, id: &Subject) -> Result<()> {
    found(app, id).await?;
    if !app.store.delete_user(id, app.ending(app.clock.now())).await? {
        return Err(unknown());
    }
    tracing::info!(subject = %id, "a user was deleted");
    Ok(())
}

async fn found(app: &App, id: &Subject) -> Result<User> {
    if id.as_str().contains(char::is_control) {
        // No id has any, and a database fails at a NUL.
        return Err(unknown());
    }
    app.store.user(id).await?.ok_or_else(unknown)
}

fn unknown() -> Error {
    ErrorCode::NotFound.because("There is no such user.")
}

fn taken(error: db::Error) -> Error {
    match error {
        db::Error::Conflict => {
            ErrorCode::Conflict.because("The username or the email is in use, as the one or as the other.")
        }
        other => other.into(),
    }
}

/// The row that the input makes, without its password.
fn checked(id: Subject, input: Input, now: Timestamp) -> Result<User> {
    let email = input.email.filter(|email| !email.is_empty());
    if let Some(email) = &email {
        rules::check_email(email)?;
    }
    rules::check_username(&input.username, email.as_deref())?;
    let mut claims = input.claims.unwrap_or_default();
    rules::check_claims(&claims, email.as_deref())?;
    // There is one address, and it is the person's own member: of two, one would be wrong some day.
    claims.remove("email");
    Ok(User {
        id,
        username: input.username,
        email,
        password_hash: None,
        claims: db::Json(claims),
        disabled: input.disabled,
        tokens_valid_from: Timestamp::default(),
        created_at: now,
        updated_at: now,
    })
}

pub async fn on_post(Admin(app): Admin, JsonBody(input): JsonBody<Input>) -> Result<Response, JsonError> {
    let user = create(&app, input).await?;
    let location = format!("/admin/users/{}", user.id);
    Ok((StatusCode::CREATED, no_store(), [(header::LOCATION, location)], Json(user)).into_response())
}

pub async fn on_list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, JsonError> {
    let params = page::query(query.as_deref())?;
    let asked = Asked::read(&app, "users", &params)?;
    let found = list(&app, &asked).await?;
    Ok(page::answer(&app, "users", &params, &asked, found)?)
}

pub async fn on_get(State(app): State<App>, Path(id): Path<Subject>) -> Result<Json<Shown>, JsonError> {
    Ok(Json(get(&app, &id).await?))
}

pub async fn on_put(
    Admin(app): Admin,
    Path(id): Path<Subject>,
    JsonBody(input): JsonBody<Input>,
) -> Result<Json<Shown>, JsonError> {
    Ok(Json(replace(&app, &id, input).await?))
}

pub async fn on_delete(Admin(app): Admin, Path(id): Path<Subject>) -> Result<StatusCode, JsonError> {
    delete(&app, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::json::parse;

    const AT: Timestamp = Timestamp::from_seconds(1_753_358_400);

    fn user(text: &str) -> Result<User> {
        checked(Subject::new("u1"), parse(text.as_bytes())?, AT)
    }

    #[test]
    fn what_is_shown_has_no_hash_and_can_be_sent_back() {
        let text = r#"{"username": "alice", "email": "a@x.example",
            "claims": {"name": "A", "email": "a@x.example"}}"#;
        let mut user = user(text).unwrap();
        user.password_hash = Some("$argon2id$…".to_owned());
        let shown = serde_json::to_value(Shown::from(user)).unwrap();
        assert_eq!(
            shown,
            json!({"id": "u1", "username": "alice", "email": "a@x.example", "claims": {"name": "A"},
                "disabled": false, "created_at": "2025-07-24T12:00:00Z", "updated_at": "2025-07-24T12:00:00Z"})
        );
        let again = serde_json::from_value::<Input>(shown).unwrap();
        assert_eq!((again.id.as_deref(), again.username.as_str()), (Some("u1"), "alice"));
    }

    #[test]
    fn a_misspelt_member_is_refused() {
        for text in [r#"{"username": "alice", "disbaled": true}"#, r#"{"email": "a@x.example"}"#, "[]"] {
            assert_eq!(user(text).unwrap_err().code, ErrorCode::InvalidRequest, "{text}");
        }
        assert!(user(r#"{"username": "alice", "email": null, "password": null, "claims": null}"#).is_ok());
    }
}

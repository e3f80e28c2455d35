//! `/admin/registration-tokens`: initial access tokens, with which a client may register itself (RFC 7591 section 3). The
//! command line calls the same functions.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::acting::Admin;
use crate::app::App;
use crate::config::duration;
use crate::http::answer::{JsonError, no_store};
use crate::http::json::JsonBody;
use crate::oauth::{Error, ErrorCode, Result};
use crate::secret::{Secret, fingerprint, random};
use crate::store::registration_token::RegistrationToken;

const LASTS: Duration = Duration::from_hours(24);
const LONGEST: Duration = Duration::from_hours(24 * 366);
const MOST_USES: u32 = 1_000_000;
/// In characters.
const LONGEST_NOTE: usize = 200;

/// A token as it is asked for: for one client within a day, unless said otherwise.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "createRegistrationToken")]
pub struct Input {
    /// How many clients may be registered with it; 0 for any number.
    pub uses: Option<u32>,
    /// How long it is good for, `24h` for example.
    pub lifetime: Option<String>,
    pub note: Option<String>,
}

/// A token as it is shown; its value only in the answer to the request that made it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "registrationToken")]
pub struct Shown {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub token: Option<Secret>,
    pub note: String,
    /// Left out for any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<i64>,
    /// RFC 3339.
    pub created_at: String,
    pub expires_at: String,
}

impl Shown {
    fn new(row: &RegistrationToken, token: Option<Secret>) -> Self {
        Self {
            id: row.id.clone(),
            token,
            note: row.note.clone(),
            uses_left: row.uses_left,
            created_at: row.created_at.rfc3339(),
            expires_at: row.expires_at.rfc3339(),
        }
    }
}

pub async fn create(app: &App, input: Input) -> Result<Shown> {
    let note = input.note.unwrap_or_default();
    if note.chars().count() > LONGEST_NOTE || note.chars().any(char::is_control) {
        return Err(refused("Field note must have at most 200 characters on one line."));
    }
    let uses = input.uses.unwrap_or(1);
    if uses > MOST_USES {
        return Err(refused("Field uses must be from 1 to 1000000, or 0 for any number."));
    }
    let lifetime = input.lifetime.as_deref().map_or(Some(LASTS), duration::parse);
    let lifetime = lifetime.filter(|life| (Duration::from_secs(1)..=LONGEST).contains(life));
    let lifetime = lifetime.ok_or_else(|| refused("Field lifetime must be from 1s to 8784h."))?;
    let now = app.clock.now();
    let token = Secret::random();
    let row = RegistrationToken {
        id: format!("{:016x}", u64::from_be_bytes(random())),
        hash: fingerprint(token.expose()),
        note,
        uses_left: (uses > 0).then_some(i64::from(uses)),
        created_at: now,
        expires_at: now + lifetime,
    };
    app.store.insert_registration_token(&row).await?;
    tracing::info!(id = row.id, "an initial access token was made");
    Ok(Shown::new(&row, Some(token)))
}

pub async fn list(app: &App) -> Result<Vec<Shown>> {
    let rows = app.store.registration_tokens(app.clock.now()).await?;
    Ok(rows.iter().map(|row| Shown::new(row, None)).collect())
}

/// Ends a token. The clients that were registered with it stay.
pub async fn revoke(app: &App, id: &str) -> Result<()> {
    let is_id = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id || !app.store.delete_registration_token(id).await? {
        return Err(ErrorCode::NotFound.because("There is no registration token with this id."));
    }
    tracing::info!(id, "an initial access token was revoked");
    Ok(())
}

fn refused(why: &'static str) -> Error {
    ErrorCode::InvalidRequest.because(why)
}

pub async fn on_post(Admin(app): Admin, JsonBody(input): JsonBody<Input>) -> Result<impl IntoResponse, JsonError> {
    Ok((StatusCode::CREATED, no_store(), Json(create(&app, input).await?)))
}

pub async fn on_list(State(app): State<App>) -> Result<Json<Vec<Shown>>, JsonError> {
    Ok(Json(list(&app).await?))
}

pub async fn on_delete(Admin(app): Admin, Path(id): Path<String>) -> Result<StatusCode, JsonError> {
    revoke(&app, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

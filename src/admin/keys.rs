//! `/admin/keys`: Hydra's JSON Web Key sets (RFC 7517 section 5). Nothing private ever comes out of here. The command line
//! imports by the same functions.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::acting::Admin;
use crate::app::App;
use crate::http::answer::{JsonError, no_store};
use crate::http::json::JsonBody;
use crate::jose::{GivenJwk, GivenKey, Jwk};
use crate::keys::{self, Set};
use crate::oauth::{Error, ErrorCode, Result};

/// A key that is asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "createJsonWebKeySet")]
pub struct Asked {
    pub alg: Option<String>,
    /// `sig`, or nothing, which is the same.
    #[serde(rename = "use")]
    pub usage: Option<String>,
    /// Empty for the key's thumbprint.
    pub kid: Option<String>,
}

/// Keys that are given, with their private parts. What else a set may have is not read.
#[derive(Deserialize)]
pub struct Given {
    pub keys: Vec<GivenJwk>,
}

/// Public keys as they are shown, the newest first.
#[derive(Debug, Serialize)]
pub struct Shown {
    pub keys: Vec<Jwk>,
}

/// The set, unless nobody may see it or it has no keys.
pub async fn get(app: &App, set: &str) -> Result<Shown> {
    let keys = app.keys.in_set(&app.store, &visible(set)?, app.clock.now()).await?;
    if keys.is_empty() { Err(unknown_set()) } else { Ok(Shown { keys }) }
}

pub async fn get_key(app: &App, set: &str, kid: &str) -> Result<Jwk> {
    let keys = get(app, set).await?.keys;
    keys.into_iter().find(|key| key.kid.as_deref() == Some(kid)).ok_or_else(unknown_key)
}

/// Makes a key. In a set that the server signs with it is a rotation; where a successor waits for its time already, and no
/// `kid` was chosen, it is that one.
pub async fn create(app: &App, set: &str, asked: &Asked) -> Result<Jwk> {
    let set = named(set)?;
    let alg = asked.alg.as_deref().unwrap_or_default().parse().map_err(|_| {
        ErrorCode::InvalidRequest.because(
            "Unsupported key algorithm: field alg must be one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, \
             ES384, ES512 and EdDSA.",
        )
    })?;
    if asked.usage.as_deref().is_some_and(|usage| !matches!(usage, "" | "sig")) {
        return Err(ErrorCode::InvalidRequest.because("Field use must be sig for a key of this algorithm."));
    }
    let kid = asked.kid.as_deref().filter(|kid| !kid.is_empty());
    Ok(app.keys.add(&app.store, &set, alg, kid, app.clock.now()).await?)
}

/// Puts keys in the place of all that the set has.
pub async fn replace(app: &App, set: &str, keys: &[GivenKey]) -> Result<Shown> {
    let set = named(set)?;
    if keys.is_empty() {
        return Err(ErrorCode::InvalidRequest.because("Field keys must not be empty; DELETE takes the set away."));
    }
    let now = app.clock.now();
    app.keys.replace(&app.store, &set, keys, now).await?;
    Ok(Shown { keys: app.keys.in_set(&app.store, &set, now).await? })
}

/// Adds one key that somebody gave us, or puts it in the place of the operator's that has its name.
pub async fn import_one(app: &App, set: &str, kid: &str, mut given: GivenJwk) -> Result<Jwk> {
    let set = named(set)?;
    match given.kid().filter(|own| !own.is_empty()) {
        Some(own) if own != kid => {
            return Err(ErrorCode::InvalidRequest.because("The kid is not that of the path."));
        }
        Some(_) => {}
        None => given.set_kid(kid),
    }
    let keys = keys::read(vec![given]).await.map_err(keys::Error::of_one)?;
    app.keys.import(&app.store, &set, &keys, app.clock.now()).await.map_err(keys::Error::of_one)?;
    Ok(keys[0].public_jwk().clone())
}

/// Adds keys that somebody gave us, all or none.
pub async fn import(app: &App, set: &str, keys: &[GivenKey]) -> Result<()> {
    Ok(app.keys.import(&app.store, &named(set)?, keys, app.clock.now()).await?)
}

/// Takes a key away; one that the server signs with is revoked.
pub async fn delete_key(app: &App, set: &str, kid: &str) -> Result<()> {
    if app.keys.remove(&app.store, &visible(set)?, kid, app.clock.now()).await? { Ok(()) } else { Err(unknown_key()) }
}

/// The same for every key of a set.
pub async fn delete(app: &App, set: &str) -> Result<()> {
    if app.keys.remove_all(&app.store, &visible(set)?, app.clock.now()).await? { Ok(()) } else { Err(unknown_set()) }
}

fn visible(name: &str) -> Result<Set> {
    Set::read(name).ok_or_else(unknown_set)
}

/// The same where the set may be a new one: what is no name for it is said.
fn named(name: &str) -> Result<Set> {
    if keys::is_name(name) {
        return visible(name);
    }
    Err(ErrorCode::InvalidRequest
        .because("The name of a set must be 1 to 128 letters, digits and characters of -._~:@+=."))
}

fn unknown_set() -> Error {
    ErrorCode::NotFound.because("There is no such set of keys.")
}

fn unknown_key() -> Error {
    ErrorCode::NotFound.because("There is no such key in this set.")
}

pub async fn on_get(State(app): State<App>, Path(set): Path<String>) -> Result<Json<Shown>, JsonError> {
    Ok(Json(get(&app, &set).await?))
}

pub async fn on_post(
    Admin(app): Admin,
    Path(set): Path<String>,
    JsonBody(asked): JsonBody<Asked>,
) -> Result<Response, JsonError> {
    let key = create(&app, &set, &asked).await?;
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let location = format!("/admin/keys/{}/{}", encoded(&set), encoded(key.kid.as_deref().unwrap_or_default()));
    let shown = Json(Shown { keys: vec![key] });
    Ok((StatusCode::CREATED, no_store(), [(header::LOCATION, location)], shown).into_response())
}

pub async fn on_put(
    Admin(app): Admin,
    Path(set): Path<String>,
    JsonBody(given): JsonBody<Given>,
) -> Result<Json<Shown>, JsonError> {
    Ok(Json(replace(&app, &set, &keys::read(given.keys).await?).await?))
}

pub async fn on_delete(Admin(app): Admin, Path(set): Path<String>) -> Result<StatusCode, JsonError> {
    delete(&app, &set).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn on_get_key(
    State(app): State<App>,
    Path((set, kid)): Path<(String, String)>,
) -> Result<Json<Shown>, JsonError> {
    Ok(Json(Shown { keys: vec![get_key(&app, &set, &kid).await?] }))
}

pub async fn on_put_key(
    Admin(app): Admin,
    Path((set, kid)): Path<(String, String)>,
    JsonBody(given): JsonBody<GivenJwk>,
) -> Result<Json<Jwk>, JsonError> {
    Ok(Json(import_one(&app, &set, &kid, given).await?))
}

pub async fn on_delete_key(
    Admin(app): Admin,
    Path((set, kid)): Path<(String, String)>,
) -> Result<StatusCode, JsonError> {
    delete_key(&app, &set, &kid).await?;
    Ok(StatusCode::NO_CONTENT)
}

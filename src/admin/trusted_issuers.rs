//! `/admin/trust/grants/jwt-bearer/issuers`: whose assertions are grants (RFC 7523 section 2.1), as Hydra has it.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::acting::Admin;
use super::page::{self, Asked, Page};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::answer::{JsonError, no_store};
use crate::http::json::JsonBody;
use crate::id::TrustedIssuerId;
use crate::jose::{GivenJwk, GivenKey, Jwk, has_private_members};
use crate::oauth::scope::Scope;
use crate::oauth::{Error, ErrorCode, Result};
use crate::store::db;
use crate::store::trusted_issuer::TrustedIssuer;

pub const PATH: &str = "/trust/grants/jwt-bearer/issuers";
pub const ONE: &str = "/trust/grants/jwt-bearer/issuers/{id}";

/// The same for pages.
const LIST: &str = "trust/grants/jwt-bearer/issuers";

/// In bytes.
const LONGEST: usize = 1024;
const LONGEST_SUBJECT: usize = 255;
const LONGEST_KID: usize = 256;

/// An issuer as it is sent. What else is sent is not read, as in Hydra.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "trustOAuth2JwtGrantIssuer")]
pub struct Input {
    pub issuer: Option<String>,
    pub subject: Option<String>,
    pub allow_any_subject: Option<bool>,
    pub scope: Option<Vec<String>>,
    /// The public key, with a `kid`.
    pub jwk: Value,
    /// RFC 3339.
    pub expires_at: Option<String>,
}

/// An issuer as it is shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "trustedOAuth2JwtGrantIssuer")]
pub struct Shown {
    pub id: String,
    pub issuer: String,
    /// Empty for any.
    pub subject: String,
    pub allow_any_subject: bool,
    pub scope: Vec<String>,
    pub public_key: PublicKey,
    /// RFC 3339.
    pub created_at: String,
    pub expires_at: String,
}

/// Hydra's name for a key: its set is the issuer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "trustedOAuth2JwtGrantJsonWebKey")]
pub struct PublicKey {
    pub set: String,
    pub kid: String,
}

impl From<TrustedIssuer> for Shown {
    fn from(trusted: TrustedIssuer) -> Self {
        Self {
            id: trusted.id,
            public_key: PublicKey { set: trusted.issuer.clone(), kid: trusted.kid },
            issuer: trusted.issuer,
            allow_any_subject: trusted.subject.is_empty(),
            subject: trusted.subject,
            scope: trusted.scope.iter().map(str::to_owned).collect(),
            created_at: trusted.created_at.rfc3339(),
            expires_at: trusted.expires_at.rfc3339(),
        }
    }
}

/// `Conflict` where the issuer is trusted for that subject and key already.
pub async fn create(app: &App, input: Input) -> Result<Shown> {
    let trusted = checked(input, app.clock.now())?;
    app.store.insert_trusted_issuer(&trusted).await.map_err(|error| match error {
        db::Error::Conflict => ErrorCode::Conflict.because("The issuer is trusted for this subject and kid already."),
        other => other.into(),
    })?;
    tracing::info!(
        id = trusted.id,
        issuer = trusted.issuer,
        any_subject = trusted.subject.is_empty(),
        "an issuer is trusted"
    );
    Ok(trusted.into())
}

pub async fn get(app: &App, id: &str) -> Result<Shown> {
    let found = app.store.trusted_issuer(&known(id)?, app.clock.now()).await?;
    found.map(Shown::from).ok_or_else(unknown)
}

/// Those that have not ended, in the order of their ids, which is that of their making.
pub async fn list(app: &App, asked: &Asked, issuer: Option<&str>) -> Result<Page<Shown>> {
    let rows = app.store.trusted_issuers(asked.after.as_deref(), issuer, asked.size + 1, app.clock.now()).await?;
    Ok(Page::of(rows.into_iter().map(Shown::from).collect(), asked, |shown: &Shown| shown.id.clone()))
}

/// Ends the trust. Tokens that were issued by it live on: they are the clients'.
pub async fn delete(app: &App, id: &str) -> Result<()> {
    if !app.store.delete_trusted_issuer(&known(id)?).await? {
        return Err(unknown());
    }
    tracing::info!(id, "an issuer is trusted no more");
    Ok(())
}

/// Hydra: what is no UUID is no id.
fn known(id: &str) -> Result<String> {
    let id: TrustedIssuerId =
        id.parse().map_err(|_| ErrorCode::InvalidRequest.because("The id of a trusted issuer is a UUID."))?;
    Ok(id.to_string())
}

fn unknown() -> Error {
    ErrorCode::NotFound.because("There is no trusted issuer with this id.")
}

fn missing(what: &'static str) -> Error {
    ErrorCode::MissingRequiredParameter.because(what)
}

fn refused(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    ErrorCode::InvalidRequest.because(what)
}

fn checked(input: Input, now: Timestamp) -> Result<TrustedIssuer> {
    let issuer = input.issuer.filter(|issuer| !issuer.is_empty());
    let issuer = issuer.ok_or_else(|| missing("Field 'issuer' is required."))?;
    let subject = input.subject.unwrap_or_default();
    match (subject.is_empty(), input.allow_any_subject.unwrap_or_default()) {
        (true, false) => return Err(missing("One of 'subject' or 'allow_any_subject' field must be set.")),
        (false, true) => {
            return Err(missing("Both 'subject' and 'allow_any_subject' fields cannot be set at the same time."));
        }
        _ => {}
    }
    if !is_plain(&issuer, LONGEST) {
        return Err(refused("Field 'issuer' must be at most 1024 bytes without control characters."));
    }
    if !is_plain(&subject, LONGEST_SUBJECT) {
        return Err(refused("Field 'subject' must be at most 255 bytes without control characters."));
    }
    let expires_at = input.expires_at.filter(|text| !text.is_empty());
    let expires_at = expires_at.ok_or_else(|| missing("Field 'expires_at' is required."))?;
    let expires_at = Timestamp::parse_rfc3339(&expires_at);
    let expires_at = expires_at.ok_or_else(|| refused("Field 'expires_at' must be a time of RFC 3339."))?;
    if expires_at <= now {
        return Err(refused("Field 'expires_at' must be in the future."));
    }
    let key = public_key(input.jwk)?;
    let words = input.scope.unwrap_or_default();
    let scope = Scope::parse(&words.join(" ")).ok().filter(|_| !words.iter().any(|word| word.contains(' ')));
    Ok(TrustedIssuer {
        id: TrustedIssuerId::new(now).to_string(),
        issuer,
        subject,
        scope: scope.ok_or_else(|| refused("Field 'scope' must be a list of scope values."))?,
        kid: key.kid.clone().unwrap_or_default(),
        public: db::Json(key),
        created_at: now,
        expires_at,
    })
}

/// A public key for one signature algorithm, which assertions must be signed with.
fn public_key(jwk: Value) -> Result<Jwk> {
    let kid = jwk.get("kid").and_then(Value::as_str).filter(|kid| !kid.is_empty());
    let kid = kid.ok_or_else(|| missing("Field 'jwk' must contain JWK with kid header."))?;
    if !is_plain(kid, LONGEST_KID) {
        return Err(refused("The kid of field 'jwk' must be at most 256 bytes without control characters."));
    }
    if has_private_members(&jwk) {
        return Err(refused("Field 'jwk' must be a public key: whoever has the private one is the issuer."));
    }
    let given: GivenJwk = serde_json::from_value(jwk).map_err(|_| refused("Field 'jwk' is not a JSON Web Key."))?;
    let key = GivenKey::read(&given).map_err(|why| refused(format!("Field 'jwk' can not be taken: {why}.")))?;
    Ok(key.public_jwk().clone())
}

fn is_plain(text: &str, longest: usize) -> bool {
    text.len() <= longest && !text.chars().any(char::is_control)
}

pub async fn on_post(Admin(app): Admin, JsonBody(input): JsonBody<Input>) -> Result<Response, JsonError> {
    let trusted = create(&app, input).await?;
    let location = format!("/admin{PATH}/{}", trusted.id);
    Ok((StatusCode::CREATED, no_store(), [(header::LOCATION, location)], Json(trusted)).into_response())
}

pub async fn on_list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, JsonError> {
    let params = page::query(query.as_deref())?;
    let asked = Asked::read(&app, LIST, &params)?;
    let found = list(&app, &asked, params.get("issuer")).await?;
    Ok(page::answer(&app, LIST, &params, &asked, found)?)
}

pub async fn on_get(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Shown>, JsonError> {
    Ok(Json(get(&app, &id).await?))
}

pub async fn on_delete(Admin(app): Admin, Path(id): Path<String>) -> Result<StatusCode, JsonError> {
    delete(&app, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_753_358_400);

    fn valid() -> Value {
        json!({
            "issuer": "https://idp.example", "subject": "alice", "scope": ["openid", "photos.read"],
            "jwk": {
                "kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            },
            "expires_at": "2026-07-24T12:00:00Z",
        })
    }

    fn with(changes: &Value) -> Result<TrustedIssuer> {
        let mut body = valid();
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        checked(serde_json::from_value(body).unwrap(), NOW)
    }

    /// hydra.md appendix A12.
    #[test]
    fn a_trusted_issuer_is_shown_as_hydra_shows_it() {
        let trusted = with(&json!({})).unwrap();
        assert_eq!(trusted.public.0.alg.as_deref(), Some("EdDSA"), "what assertions must be signed with");
        let shown = serde_json::to_value(Shown::from(trusted.clone())).unwrap();
        assert_eq!(
            shown,
            json!({
                "id": trusted.id, "issuer": "https://idp.example", "subject": "alice", "allow_any_subject": false,
                "scope": ["openid", "photos.read"], "public_key": { "set": "https://idp.example", "kid": "k1" },
                "created_at": "2025-07-24T12:00:00Z", "expires_at": "2026-07-24T12:00:00Z",
            })
        );
        let any = Shown::from(with(&json!({ "subject": "", "allow_any_subject": true })).unwrap());
        assert!(any.allow_any_subject && any.subject.is_empty());
    }

    /// hydra.md section 3.8, and what Hydra takes although nothing can come of it.
    #[test]
    fn what_is_missing_or_wrong_is_said() {
        let jwk = |changes: Value| {
            let mut jwk = valid()["jwk"].clone();
            jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            json!({ "jwk": jwk })
        };
        for (changes, code, word) in [
            (json!({ "issuer": null }), "missing_required_parameter", "Field 'issuer' is required."),
            (json!({ "issuer": "" }), "missing_required_parameter", "Field 'issuer' is required."),
            (json!({ "subject": null }), "missing_required_parameter", "One of 'subject' or 'allow_any_subject'"),
            (json!({ "allow_any_subject": true }), "missing_required_parameter", "cannot be set at the same time"),
            (json!({ "expires_at": null }), "missing_required_parameter", "Field 'expires_at' is required."),
            (json!({ "jwk": null }), "missing_required_parameter", "must contain JWK with kid header."),
            (jwk(json!({ "kid": "" })), "missing_required_parameter", "must contain JWK with kid header."),
            (json!({ "expires_at": "2025-07-24T12:00:00Z" }), "invalid_request", "in the future"),
            (json!({ "expires_at": "0001-01-01T00:00:00Z" }), "invalid_request", "in the future"),
            (json!({ "expires_at": "tomorrow" }), "invalid_request", "RFC 3339"),
            (json!({ "issuer": "a\u{0}" }), "invalid_request", "control"),
            (json!({ "subject": "x".repeat(256) }), "invalid_request", "255"),
            (json!({ "scope": ["a b"] }), "invalid_request", "scope"),
            (json!({ "scope": ["\""] }), "invalid_request", "scope"),
            (jwk(json!({ "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A" })), "invalid_request", "public key"),
            (jwk(json!({ "kty": "oct", "k": "x" })), "invalid_request", "public key"),
            (jwk(json!({ "use": "enc" })), "invalid_request", "use"),
            (jwk(json!({ "alg": "ES256" })), "invalid_request", "alg"),
            (jwk(json!({ "kid": "k\u{7}" })), "invalid_request", "kid"),
            (jwk(json!({ "x": 7 })), "invalid_request", "JSON Web Key"),
        ] {
            let error = with(&changes).unwrap_err();
            assert_eq!((error.code.as_str(), error.status), (code, 400), "{changes}");
            assert!(error.description.contains(word), "{changes}: {}", error.description);
        }
        assert!(with(&json!({ "scope": null })).unwrap().scope.is_empty());
    }
}

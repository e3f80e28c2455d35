//! Login, consent and logout by another app: Hydra's challenge protocol. What the app is told, and what it decides.
//!
//! The app is reached by the browser and answers by the admin API. What it decides counts once the browser is back with
//! the verifier, because only the browser that began the request may end it.

mod consent;
mod login;
mod logout;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use consent::{ConsentAccept, ConsentAsked, accept_consent, consent_request, reject_consent};
pub(super) use login::begun;
pub use login::{LoginAccept, LoginAsked, accept_login, login_request, reject_login};
pub use logout::{LogoutAsked, accept_logout, logout_request, reject_logout};

use super::hint::Hinted;
use super::{Flow, Told, proven_client, url};
use crate::app::App;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::oauth::authorization_request::AuthorizationRequest;
use crate::oauth::params::Params;
use crate::oauth::server_metadata::path;
use crate::oauth::{Error, ErrorCode, Result};
use crate::seal::Kind;
use crate::secret;
use crate::store::client::Client;

/// The longest name that an app gives: a subject, a session, an `acr`.
const LONGEST_NAME: usize = 255;
/// What an app hands on as JSON.
const LARGEST_JSON: usize = 16 * 1024;
/// What of it an ID token has room for, which is 16 KiB as a JWT.
const LARGEST_ID_TOKEN: usize = 10 * 1024;
/// How deep it may be: what is kept has to be read again, inside of other JSON.
const DEEPEST_JSON: usize = 32;
/// The longest that an app may have a sign-in remembered: Hydra's bound of `ttl.authentication_session`.
const LONGEST_SESSION: Duration = Duration::from_hours(180 * 24);

/// Why an app's call is not answered.
#[derive(Debug)]
pub enum Failure {
    /// The request was answered before, or can not be answered any more: the browser goes here.
    Handled {
        redirect_to: String,
    },
    Refused(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// What an app is told of the authorization request.
pub struct Asked {
    pub client: Arc<Client>,
    pub request: AuthorizationRequest,
    /// As the browser sent it.
    pub request_url: String,
    pub oidc_context: OidcContext,
}

/// OpenID Connect Core section 3.1.2.1: what the server leaves to whoever signs people in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "oAuth2ConsentRequestOpenIDConnectContext")]
pub struct OidcContext {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ui_locales: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub id_token_hint_claims: Map<String, Value>,
}

/// Why an app refuses a request: the client is told so (RFC 6749 section 4.1.2.1).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "rejectOAuth2Request")]
pub struct Rejection {
    error: Option<String>,
    error_description: Option<String>,
    error_hint: Option<String>,
}

impl Rejection {
    /// The two parameters, in the characters that they may have.
    fn checked(self) -> Result<(String, String)> {
        let error = self.error.filter(|error| !error.is_empty());
        let error = error.unwrap_or_else(|| ErrorCode::AccessDenied.as_str().to_owned());
        let is_code = error.len() <= LONGEST_NAME && error.bytes().all(|byte| is_plain(byte) && byte != b' ');
        if !is_code {
            return Err(bad("error", "is no error code (RFC 6749 section 4.1.2.1)"));
        }
        let said: Vec<_> =
            [self.error_description, self.error_hint].into_iter().flatten().filter(|text| !text.is_empty()).collect();
        let mut description = said.join(" ");
        if description.is_empty() {
            "The request was denied.".clone_into(&mut description);
        }
        if description.len() > 1024 {
            return Err(bad("error_description", "is longer than 1024 bytes"));
        }
        let plain = |character: char| match u8::try_from(character) {
            Ok(byte) if is_plain(byte) => character,
            Ok(b'"') => '\'',
            _ => ' ',
        };
        Ok((error, description.chars().map(plain).collect()))
    }
}

/// RFC 6749 appendix A.7 and A.8.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~')
}

fn bad(field: &str, what: &str) -> Error {
    ErrorCode::InvalidRequest.because(format!("Field {field} {what}."))
}

/// A name that an app gives: of a bounded length, and nothing that would not show.
fn check_name(field: &str, name: &str) -> Result<()> {
    if name.len() > LONGEST_NAME {
        return Err(bad(field, "is longer than 255 bytes"));
    }
    if name.chars().any(char::is_control) {
        return Err(bad(field, "has control characters"));
    }
    Ok(())
}

fn check_json<'a>(field: &str, values: impl Iterator<Item = &'a Value>, largest: usize) -> Result<()> {
    let mut size = 0;
    for value in values {
        if is_deeper(value, DEEPEST_JSON) {
            return Err(bad(field, "is nested more than 32 deep"));
        }
        size += serde_json::to_vec(value).map_err(Error::internal)?.len();
    }
    if size > largest { Err(bad(field, &format!("is larger than {} KiB", largest / 1024))) } else { Ok(()) }
}

fn is_deeper(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth == 0 || items.iter().any(|item| is_deeper(item, depth - 1)),
        Value::Object(members) => depth == 0 || members.values().any(|member| is_deeper(member, depth - 1)),
        _ => false,
    }
}

/// `remember_for`: how long, where it says.
fn remembered_for(seconds: Option<i64>) -> Result<Option<Duration>> {
    match u64::try_from(seconds.unwrap_or(0)) {
        Ok(0) => Ok(None),
        Ok(seconds) => Ok(Some(Duration::from_secs(seconds))),
        Err(_) => Err(bad("remember_for", "must not be negative")),
    }
}

/// What a flow carries for other apps; nothing where there are none.
pub(super) fn told(
    app: &App,
    as_sent: &Params,
    effective: &Params,
    hinted: Option<&Hinted>,
    now: Timestamp,
) -> Option<Told> {
    let urls = &app.config.urls;
    let words = |name: &str| {
        effective.get(name).unwrap_or_default().split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    (urls.login.is_some() || urls.consent.is_some()).then(|| Told {
        query: as_sent.iter().filter(|(name, _)| *name != "id_token_hint").collect::<Params>().encode(),
        hint: hinted.and_then(|hinted| serde_json::to_string(&told_of(&hinted.claims)).ok()),
        acr_values: words("acr_values"),
        ui_locales: words("ui_locales"),
        display: effective.get("display").map(str::to_owned),
        session: SessionId::new(now),
    })
}

/// What an app is told of a hint: whom it names and since when; what it proves to the client is nothing to the app.
fn told_of(claims: &Map<String, Value>) -> Map<String, Value> {
    const TOLD: [&str; 10] = ["iss", "sub", "aud", "iat", "exp", "auth_time", "acr", "amr", "sid", "email"];
    TOLD.iter().filter_map(|name| Some(((*name).to_owned(), claims.get(*name)?.clone()))).collect()
}

/// Which answer of an app a verifier is of: a later one makes it void.
fn new_answer() -> String {
    URL_SAFE_NO_PAD.encode(secret::random::<16>())
}

/// Where the browser takes an app's answer.
fn back(app: &App, kind: Kind, parameter: &str, flow: Flow, answer: String) -> Result<String> {
    let flow = Flow { answer: Some(answer), ..flow };
    Ok(url(app, path::AUTHORIZATION, parameter, &app.keys.live()?.sealer.seal(kind, &flow)))
}

/// Opens a challenge for its app.
async fn opened(app: &App, kind: Kind, challenge: &str, now: Timestamp) -> Result<(Flow, Asked)> {
    let flow = Flow::open_anywhere(app, kind, challenge).await?;
    if flow.expires_at(app) <= now {
        return Err(ErrorCode::RequestUnauthorized.because("The request has expired, please try again."));
    }
    let client = proven_client(app, &flow.request).await?;
    let asked = Asked {
        client,
        request: flow.request.clone(),
        request_url: request_url(app, &flow),
        oidc_context: oidc_context(&flow),
    };
    Ok((flow, asked))
}

fn request_url(app: &App, flow: &Flow) -> String {
    let query = match &flow.told {
        Some(told) => told.query.clone(),
        // All pages are ours, and the API is asked all the same: what the request came to.
        None => Params::from_iter([
            ("client_id", flow.request.client_id.as_str()),
            ("response_type", flow.request.response_type.as_str()),
            ("redirect_uri", flow.request.reply_to.redirect_uri()),
            ("scope", flow.request.scope.as_str()),
        ])
        .encode(),
    };
    format!("{}{}?{query}", app.config.urls.public, path::AUTHORIZATION)
}

fn oidc_context(flow: &Flow) -> OidcContext {
    let login_hint = flow.request.login_hint.clone();
    let Some(told) = &flow.told else { return OidcContext { login_hint, ..OidcContext::default() } };
    OidcContext {
        acr_values: told.acr_values.clone(),
        ui_locales: told.ui_locales.clone(),
        display: told.display.clone(),
        login_hint,
        id_token_hint_claims: told.hint.as_deref().and_then(|hint| serde_json::from_str(hint).ok()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6749 appendix A.7: what the client is told has no quotes and no backslashes, and fits into a header.
    #[test]
    fn a_rejection_is_told_in_plain_characters() {
        let given = |error: &str, description: &str, hint: &str| Rejection {
            error: Some(error.to_owned()),
            error_description: Some(description.to_owned()),
            error_hint: Some(hint.to_owned()),
        };
        let said = |rejection: Rejection| rejection.checked().map_err(|error| error.description.into_owned());
        assert_eq!(said(Rejection::default()), Ok(("access_denied".to_owned(), "The request was denied.".to_owned())));
        let (error, description) = said(given("consent_required", "Say \"no\"\r\nSet-Cookie: a\\b", "é")).unwrap();
        assert_eq!((error.as_str(), description.as_str()), ("consent_required", "Say 'no'  Set-Cookie: a b  "));
        for wrong in ["not a code", "a\"b", "a\\b", "é", "a\nb", &"x".repeat(256)] {
            assert!(said(given(wrong, "", "")).unwrap_err().contains("error"), "{wrong}");
        }
        assert!(said(given("", &"x".repeat(1025), "")).is_err());
    }

    #[test]
    fn a_length_of_time_is_not_negative() {
        assert_eq!(remembered_for(None).unwrap(), None);
        assert_eq!(remembered_for(Some(0)).unwrap(), None);
        assert_eq!(remembered_for(Some(61)).unwrap(), Some(Duration::from_secs(61)));
        assert!(remembered_for(Some(-1)).is_err());
        assert_eq!(remembered_for(Some(i64::MAX)).unwrap(), Some(Duration::from_secs(i64::MAX.unsigned_abs())));
    }
}

//! Making an ID token.

use serde_json::{Map, Value};

use super::Tools;
use crate::app::App;
use crate::clock::Timestamp;
use crate::id::TokenId;
use crate::jose;
use crate::oauth::client_metadata::{GrantType, TokenKind};
use crate::oauth::id_token::{IdToken, without_reserved};
use crate::oauth::{Error, Result, claims, claims_request};
use crate::store::client::Client;
use crate::store::grant::Grant;

/// The largest ID token: relying parties keep it in headers and cookies.
const LARGEST: usize = 16 * 1024;
/// As much of claims has room in every ID token, an encrypted one too.
pub(super) const SMALL: usize = 4 * 1024;

/// What an ID token is about.
pub(super) struct About<'a> {
    pub grant: &'a Grant,
    /// `Implicit` for one of the authorization endpoint.
    pub by: GrantType,
    /// What it is given beside.
    pub access_token: Option<&'a str>,
    pub code: Option<&'a str>,
}

impl About<'_> {
    /// No access token comes along or will.
    fn is_alone(&self) -> bool {
        self.by == GrantType::Implicit && self.access_token.is_none() && self.code.is_none()
    }
}

pub(super) fn make(app: &App, client: &Client, tools: &Tools, about: &About<'_>, now: Timestamp) -> Result<String> {
    let grant = about.grant;
    let protection = tools.id_token.as_ref().ok_or_else(|| Error::internal("an ID token was not foreseen"))?;
    let life = client.metadata().lifespan(about.by, TokenKind::Id).unwrap_or(app.config.ttl.id_token);
    let subject = app.subject_of(client, &grant.subject, grant.seen_as.as_ref())?;
    let session = app.session_for(client, grant.session_id)?;
    let hash = |value: Option<&str>| Some(jose::left_half_hash(protection.hash_alg()?, value?));
    let claims = IdToken {
        iss: &app.config.urls.issuer,
        sub: &subject,
        aud: [&grant.client_id],
        exp: (now + life).seconds(),
        iat: now.seconds(),
        auth_time: grant.authenticated_at.seconds(),
        jti: TokenId::new(now).to_string(),
        nonce: grant.nonce.as_deref().filter(|_| about.by != GrantType::RefreshToken),
        acr: grant.acr.as_deref(),
        amr: &grant.amr.0,
        sid: &session,
        at_hash: hash(about.access_token),
        c_hash: hash(about.code),
        extra: extra(&tools.known, about),
    };
    let token = protection.protect("JWT", &claims, now)?;
    if token.len() > LARGEST {
        tracing::error!(client = %grant.client_id, claims = ?claims.extra.keys().collect::<Vec<_>>(), "an ID token is larger than 16 KiB");
        return Err(Error::internal("the ID token is larger than 16 KiB"));
    }
    Ok(token)
}

/// What was asked for by name, what the consent added, and, where no access token is given to ask userinfo with, what the
/// scopes open (OpenID Connect Core section 5.4).
fn extra(known: &Map<String, Value>, about: &About<'_>) -> Map<String, Value> {
    let grant = about.grant;
    let requested = grant.claims_requested.as_ref().map(|requested| &requested.0);
    let locales = requested.map(|requested| requested.locales.as_slice()).unwrap_or_default();
    let mut extra = Map::new();
    if about.is_alone() {
        extra = claims::released(known, &grant.scope, locales);
        extra.extend(requested.iter().flat_map(|asked| claims_request::told(known, &asked.userinfo, locales)));
    }
    extra.extend(requested.iter().flat_map(|asked| claims_request::told(known, &asked.id_token, locales)));
    if let Some(added) = grant.claims.as_ref() {
        extra.extend(added.0.id_token.clone());
    }
    without_reserved(extra)
}

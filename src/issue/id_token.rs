//! Making an ID token.

use serde_json::{Map, Value};

use super::Protection;
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

/// What an ID token is about.
pub(super) struct About<'a> {
    pub grant: &'a Grant,
    /// `Implicit` for one of the authorization endpoint.
    pub by: GrantType,
    /// What it is given beside.
    pub access_token: Option<&'a str>,
    pub code: Option<&'a str>,
}

pub(super) async fn make(
    app: &App,
    client: &Client,
    protection: &Protection,
    about: &About<'_>,
    now: Timestamp,
) -> Result<String> {
    let grant = about.grant;
    let life = client.metadata().lifespan(about.by, TokenKind::Id).unwrap_or(app.config.ttl.id_token);
    let subject = app.subject_for(client, &grant.subject)?;
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
        sid: grant.session_id,
        at_hash: hash(about.access_token),
        c_hash: hash(about.code),
        extra: extra(app, about).await?,
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
async fn extra(app: &App, about: &About<'_>) -> Result<Map<String, Value>> {
    let grant = about.grant;
    let alone = about.by == GrantType::Implicit && about.access_token.is_none() && about.code.is_none();
    let requested = grant.claims_requested.as_ref().map(|requested| &requested.0);
    let mut extra = Map::new();
    if alone || requested.is_some_and(|requested| !requested.id_token.is_empty()) {
        let user = app.store.user(&grant.subject).await?;
        let known = user.map_or_else(Map::new, |user| {
            claims::known(Some(user.claims.0), Some(&user.username), user.email.as_deref())
        });
        let locales = requested.map(|requested| requested.locales.as_slice()).unwrap_or_default();
        if alone {
            extra = claims::released(&known, &grant.scope, locales);
        }
        if let Some(requested) = requested {
            extra.extend(claims_request::told(&known, &requested.id_token, locales));
            if alone {
                extra.extend(claims_request::told(&known, &requested.userinfo, locales));
            }
        }
    }
    if let Some(Value::Object(added)) = grant.claims.as_ref().map(|claims| &claims.0) {
        extra.extend(added.clone());
    }
    Ok(without_reserved(extra))
}

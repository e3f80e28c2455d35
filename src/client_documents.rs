//! What a registration refers to is looked at when it is made: documents of the client's, and keys of ours.

use std::collections::HashSet;

use crate::app::App;
use crate::jose::{Algorithm, KeyManagement};
use crate::keys::KeyUse;
use crate::oauth::client_metadata::ClientMetadata;
use crate::oauth::{Error, ErrorCode, Result};

/// Looks at the documents that this registration names and that of `before` did not.
///
/// OpenID Connect Core section 8.1: a `sector_identifier_uri` has to list every redirect URI; otherwise anybody could join
/// a sector, and learn what its members call a person. Keys may come later: a client can be registered before it is up.
pub async fn check(app: &App, metadata: &ClientMetadata, before: Option<&ClientMetadata>) -> Result<()> {
    let sector = &metadata.sector_identifier_uri;
    let is_checked = before.is_some_and(|before| {
        before.sector_identifier_uri == *sector && before.redirect_uris == metadata.redirect_uris
    });
    if !sector.is_empty() && !is_checked {
        let members: HashSet<String> = app.fetch.sector(sector).await.ok_or_else(not_listed)?.into_iter().collect();
        if !metadata.redirect_uris.iter().all(|uri| members.contains(uri)) {
            return Err(not_listed());
        }
    }
    let uri = &metadata.jwks_uri;
    if has_changed(uri, before) {
        match app.fetch.key_set(uri, None, app.clock.now()).await {
            Some(keys) if keys.keys().is_empty() => tracing::warn!(uri, "a jwks_uri has no key that can be used"),
            Some(_) => {}
            None => tracing::warn!(uri, "a client is registered with a jwks_uri that gives no keys yet"),
        }
    }
    Ok(())
}

/// The same for a client that nobody vouches for: its keys must be there, and none of the places that it will have us call
/// later is one that we never would.
pub async fn check_of_stranger(app: &App, metadata: &ClientMetadata, before: Option<&ClientMetadata>) -> Result<()> {
    let later = [
        ("logo_uri", std::slice::from_ref(&metadata.logo_uri)),
        ("backchannel_logout_uri", std::slice::from_ref(&metadata.backchannel_logout_uri)),
        ("request_uris", &metadata.request_uris),
        ("jwks_uri", std::slice::from_ref(&metadata.jwks_uri)),
        ("sector_identifier_uri", std::slice::from_ref(&metadata.sector_identifier_uri)),
    ];
    for (field, uris) in later {
        if !uris.iter().filter(|uri| !uri.is_empty()).all(|uri| app.fetch.may_call(uri)) {
            return Err(unfit(field));
        }
    }
    let uri = &metadata.jwks_uri;
    if has_changed(uri, before) {
        let keys = app.fetch.key_set(uri, None, app.clock.now()).await;
        keys.filter(|keys| !keys.keys().is_empty()).ok_or_else(|| unfit("jwks_uri"))?;
    }
    check(app, metadata, before).await
}

/// Whether [`check_of_stranger`] will call somebody for what has changed since `before`.
pub fn are_to_be_fetched(metadata: &ClientMetadata, before: &ClientMetadata) -> bool {
    let sector = !metadata.sector_identifier_uri.is_empty()
        && (before.sector_identifier_uri != metadata.sector_identifier_uri
            || before.redirect_uris != metadata.redirect_uris);
    sector || has_changed(&metadata.jwks_uri, Some(before))
}

fn has_changed(jwks_uri: &str, before: Option<&ClientMetadata>) -> bool {
    !jwks_uri.is_empty() && before.is_none_or(|before| before.jwks_uri != jwks_uri)
}

fn unfit(field: &str) -> Error {
    ErrorCode::InvalidClientMetadata.because(format!("Field {field} does not lead to a document that can be used."))
}

/// Makes the keys of ours that this client will need and nobody has needed before, so that they have been published for as
/// long as can be when they are used; those that it encrypts to it could not know otherwise.
pub async fn ensure_keys(app: &App, metadata: &ClientMetadata) -> Result<()> {
    let now = app.clock.now();
    let signed = [&metadata.id_token_signed_response_alg, &metadata.userinfo_signed_response_alg];
    let signed: Vec<Algorithm> = signed.into_iter().filter_map(|alg| alg.parse().ok()).collect();
    let encrypted = metadata.request_object_encryption_alg.parse::<KeyManagement>().ok();
    let jwt = (metadata.access_token_strategy == "jwt").then(|| app.config.strategies.access_token_alg.parse().ok());
    let access_token: Option<Algorithm> = jwt.flatten();
    if signed.is_empty() && encrypted.is_none() && access_token.is_none() {
        return Ok(());
    }
    if app.keys.live().is_err() {
        // The command line has not read them.
        app.keys.load(&app.store, now).await?;
    }
    for alg in signed {
        app.keys.ensure(&app.store, KeyUse::IdToken, alg, now).await?;
    }
    if let Some(alg) = access_token {
        app.keys.ensure(&app.store, KeyUse::AccessToken, alg, now).await?;
    }
    if let Some(alg) = encrypted {
        app.keys.ensure_decryption(&app.store, alg, now).await?;
    }
    Ok(())
}

/// In the same words whatever the reason: who chose the URI must not learn what he can reach through us.
fn not_listed() -> Error {
    ErrorCode::InvalidClientMetadata.because(
        "Field sector_identifier_uri must lead to a JSON array that has every one of the redirect_uris in it \
         (OpenID Connect Core section 8.1).",
    )
}

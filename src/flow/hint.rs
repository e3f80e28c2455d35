//! `id_token_hint`: an ID token of ours that came back (OpenID Connect Core section 3.1.2.1).

use serde_json::{Map, Value};

use crate::app::App;
use crate::client_secret;
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::jose::{self, MacAlgorithm, MacKey, Refusal};
use crate::oauth::Result;
use crate::oauth::client_metadata::check_client_id;
use crate::oauth::id_token::Hint;

/// What a hint says, whatever its age: `None` where it is no ID token of ours.
pub(super) async fn read(app: &App, token: &str, now: Timestamp) -> Result<Option<Hint>> {
    let Ok(peeked) = jose::peek(token) else { return Ok(None) };
    let claims = match peeked.alg.parse::<MacAlgorithm>() {
        Ok(alg) => by_secret(app, token, alg).await?,
        Err(_) => by_key(app, token).await?,
    };
    let claims =
        claims.inspect_err(|refusal| tracing::debug!(reason = refusal.reason(), "an id_token_hint was refused"));
    Ok(claims.ok().and_then(|claims| Hint::read(&claims, &app.config.urls.issuer, now)))
}

/// By any published key. One that is not known may be another replica's.
async fn by_key(app: &App, token: &str) -> Result<Result<Map<String, Value>, Refusal>> {
    let claims = app.keys.live()?.verify_id_token(token);
    if claims.as_ref().is_err_and(Refusal::is_unknown_key)
        && app.keys.reload_for_stranger(&app.store, app.clock.now()).await
    {
        return Ok(app.keys.live()?.verify_id_token(token));
    }
    Ok(claims)
}

/// By the secret of the client that it names as its audience, if that client has its ID tokens made so (OpenID Connect
/// Core section 10.1): it can vouch for its own ID tokens and for nobody else's.
async fn by_secret(app: &App, token: &str, alg: MacAlgorithm) -> Result<Result<Map<String, Value>, Refusal>> {
    let claims = match jose::unverified_claims(token) {
        Ok(claims) => claims,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let audience = match claims.get("aud") {
        Some(Value::String(one)) => Some(one.as_str()),
        Some(Value::Array(several)) if several.len() == 1 => several[0].as_str(),
        _ => None,
    };
    // What no client can be called is not looked for.
    let client = match audience.filter(|id| check_client_id(id).is_ok()) {
        Some(id) => app.store.client(&ClientId::new(id)).await?,
        None => None,
    };
    let client = client.filter(|client| client.metadata().id_token_signed_response_alg == alg.as_str());
    let secret = match &client {
        Some(client) => client_secret::reveal(app, client)?,
        None => None,
    };
    match secret.and_then(|secret| MacKey::new(alg, secret.expose().as_bytes()).ok()) {
        Some(key) => Ok(key.verify(token, &["JWT"], true)),
        // Without a secret it is as wrong as by a wrong one: no published key makes a MAC.
        None => Ok(app.keys.live()?.verify_id_token(token)),
    }
}

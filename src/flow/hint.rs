//! `id_token_hint`: an ID token of ours that came back (OpenID Connect Core section 3.1.2.1).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::app::App;
use crate::client_secret;
use crate::clock::Timestamp;
use crate::id::{ClientId, Subject};
use crate::jose::{self, MacAlgorithm, MacKey, Refusal};
use crate::oauth::Result;
use crate::oauth::client_metadata::check_client_id;
use crate::oauth::id_token::Hint;
use crate::store::client::Client;
use crate::token;

/// An ID token that came back.
pub(super) struct Hinted {
    pub hint: Hint,
    /// All that it says.
    pub claims: Map<String, Value>,
    /// The client that it was issued to, if it is still there.
    pub client: Option<Arc<Client>>,
    /// Whether the client itself may have made it: then it proves nothing against anybody else.
    pub by_secret: bool,
}

/// What a hint says, whatever its age: `None` where it is no ID token of ours.
pub(super) async fn read(app: &App, token: &str, now: Timestamp) -> Result<Option<Hinted>> {
    let Ok(peeked) = jose::peek(token) else { return Ok(None) };
    let mac = peeked.alg.parse::<MacAlgorithm>().ok();
    let claims = match mac {
        Some(alg) => by_secret(app, token, alg).await?,
        None => token::by_keys(app, |keys| keys.verify_id_token(token)).await?,
    };
    let claims =
        claims.inspect_err(|refusal| tracing::debug!(reason = refusal.reason(), "an id_token_hint was refused"));
    let Ok(claims) = claims else { return Ok(None) };
    let Some(hint) = Hint::read(&claims, &app.config.urls.issuer, now) else { return Ok(None) };
    let client = match &*hint.clients {
        [only] => app.store.client(only).await?,
        _ => None,
    };
    Ok(Some(Hinted { hint, claims, client, by_secret: mac.is_some() }))
}

impl Hinted {
    /// Whom it names to this client. One that a client may have made itself counts with that client alone.
    pub fn subject_for(&self, client: &Client) -> Option<&Subject> {
        let is_its_own = self.hint.clients.contains(&client.id);
        (is_its_own || !self.by_secret).then_some(&self.hint.subject)
    }
}

/// By the secret of the client that it names as its audience, if that client has its ID tokens made so (OpenID Connect
/// Core section 10.1).
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
        // As wrong as by a wrong secret: no published key makes a MAC.
        None => Ok(app.keys.live()?.verify_id_token(token)),
    }
}

//! `id_token_hint`: an ID token of ours that came back (OpenID Connect Core section 3.1.2.1).

use crate::app::App;
use crate::clock::Timestamp;
use crate::oauth::Result;
use crate::oauth::id_token::Hint;

/// What a hint says, whatever its age: `None` where it is no ID token of ours.
pub(super) async fn read(app: &App, token: &str, now: Timestamp) -> Result<Option<Hint>> {
    let keys = app.keys.live()?;
    let claims = keys
        .verify_id_token(token)
        .inspect_err(|refusal| tracing::debug!(reason = refusal.reason(), "an id_token_hint was refused"));
    Ok(claims.ok().and_then(|claims| Hint::read(&claims, &app.config.urls.issuer, now)))
}

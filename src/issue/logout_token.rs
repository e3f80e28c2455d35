//! Making a logout token, at the moment that it is sent.

use super::protection::Protection;
use crate::app::App;
use crate::clock::Timestamp;
use crate::oauth::Result;
use crate::oauth::logout_token::{self, LogoutToken};
use crate::store::client::Client;
use crate::store::logout_token::LogoutToken as Due;

/// Person and session under the names by which this client knows them.
pub async fn logout_token(app: &App, client: &Client, due: &Due, now: Timestamp) -> Result<String> {
    let subject = app.subject_of(client, &due.subject, due.seen_as.as_ref())?;
    let session = match due.session_id {
        Some(session) => Some(app.session_for(client, session)?),
        None => None,
    };
    let protection = Protection::of_logout_tokens(app, client, now).await?;
    let issuer = &app.config.urls.issuer;
    let claims = LogoutToken::new(issuer, &client.id, due.id, &subject, session.as_deref(), now);
    protection.protect(logout_token::TYP, &claims, now)
}

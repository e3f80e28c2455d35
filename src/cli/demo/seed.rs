//! Who signs in and where to: one person and one client, put into an empty database.

use serde_json::json;

use crate::app::App;
use crate::clock::Timestamp;
use crate::id::{ClientId, Subject};
use crate::oauth::client_metadata::{AuthMethod, ClientMetadata, GrantType};
use crate::oauth::response_mode::ResponseType;
use crate::secret::Secret;
use crate::store::client::Client;
use crate::store::db::Json;
use crate::store::user::User;

pub const EMAIL: &str = "alice@example.com";
/// Readable on purpose: whoever reaches the page is shown it.
pub const PASSWORD: &str = "wonderland tea party";
pub const CLIENT_ID: &str = "demo";
pub const SCOPE: &str = "openid offline_access profile email";

/// `base` is the relying party's origin.
pub async fn sow(app: &App, base: &str, client_secret: &Secret) -> anyhow::Result<()> {
    let now = app.clock.now();
    app.store.insert_client(&client(base, client_secret, &app.config.oidc.default_scope, now)).await?;
    let password_hash = app.guard.passwords.hash(&Secret::new(PASSWORD)).await?;
    app.store.insert_user(&alice(password_hash, now)).await?;
    Ok(())
}

fn client(base: &str, secret: &Secret, default_scope: &[String], now: Timestamp) -> Client {
    let metadata = ClientMetadata {
        client_name: "Demo application".to_owned(),
        redirect_uris: vec![format!("{base}/callback")],
        post_logout_redirect_uris: vec![format!("{base}/")],
        grant_types: [GrantType::AuthorizationCode, GrantType::RefreshToken].map(|g| g.as_str().to_owned()).into(),
        response_types: vec![ResponseType::Code.as_str().to_owned()],
        scope: SCOPE.to_owned(),
        token_endpoint_auth_method: AuthMethod::Basic.as_str().to_owned(),
        client_uri: format!("{base}/"),
        ..ClientMetadata::default()
    };
    Client {
        secret_hash: Some(Client::hash_of_generated(secret)),
        origin: "demo".to_owned(),
        ..Client::new(ClientId::new(CLIENT_ID), metadata.with_defaults(default_scope), now)
    }
}

fn alice(password_hash: String, now: Timestamp) -> User {
    let claims = json!({
        "name": "Alice Liddell",
        "given_name": "Alice",
        "family_name": "Liddell",
        "preferred_username": "alice",
        "locale": "en-GB",
        "zoneinfo": "Europe/London",
        "email": EMAIL,
        "email_verified": true,
    });
    User {
        id: Subject::made(now),
        username: "alice".to_owned(),
        email: Some(EMAIL.to_owned()),
        password_hash: Some(password_hash),
        claims: Json(claims.as_object().cloned().unwrap_or_default()),
        disabled: false,
        tokens_valid_from: Timestamp::default(),
        created_at: now,
        updated_at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::claims;

    #[test]
    fn the_claims_are_ones_that_an_administrator_could_give() {
        let user = alice(String::new(), Timestamp::from_seconds(1));
        claims::check(&user.claims.0).unwrap();
        assert!(user.claims.0["name"].is_string());
    }

    #[test]
    fn the_client_may_do_what_the_relying_party_does_and_its_secret_is_kept_hashed() {
        let secret = Secret::random();
        let client = client("http://127.0.0.1:5555", &secret, &[], Timestamp::from_seconds(1));
        let metadata = client.metadata();
        assert!(metadata.may_use(GrantType::AuthorizationCode) && metadata.may_use(GrantType::RefreshToken));
        assert!(!metadata.may_use(GrantType::ClientCredentials) && !metadata.is_public());
        assert_eq!(metadata.redirect_uris, ["http://127.0.0.1:5555/callback"]);
        assert_eq!(Client::is_generated_secret(client.secret_hash.as_deref().unwrap(), &secret), Some(true));
        assert!(!format!("{client:?}").contains(secret.expose()));
    }
}

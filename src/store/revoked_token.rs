//! Access tokens without a grant (client credentials) that were revoked before their time.

use serde_json::json;

use super::Store;
use super::audit::{self, Action};
use super::db::{Result, sql};
use crate::clock::Timestamp;
use crate::id::TokenId;

impl Store {
    /// Remembers the revocation until the token would have ended by itself.
    pub async fn revoke_token(&self, id: TokenId, expires_at: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        let revoked = sql!(
            &mut tx,
            execute,
            "INSERT INTO revoked_tokens (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
            id,
            expires_at,
        )?;
        if revoked == 1 {
            let told = json!({ "expires_at": expires_at.rfc3339() });
            audit::record(&mut tx, Action::TokenRevoked, &id.to_string(), Some(told), None).await?;
        }
        tx.commit().await
    }
}

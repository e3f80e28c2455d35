//! Access tokens without a grant (client credentials) that were revoked before their time.

use serde_json::json;

use super::Store;
use super::audit::{self, Action};
use super::db::{Result, sql};
use crate::clock::Timestamp;
use crate::id::TokenId;

/// The one statement, for a connection of its own or a transaction's.
macro_rules! revoke {
    ($on:expr, $id:ident, $expires_at:ident) => {
        sql!(
            $on,
            execute,
            "INSERT INTO revoked_tokens (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
            $id,
            $expires_at,
        )
    };
}

impl Store {
    /// Remembers the revocation until the token would have ended by itself.
    pub async fn revoke_token(&self, id: TokenId, expires_at: Timestamp) -> Result<()> {
        if !self.records() {
            revoke!(self, id, expires_at)?;
            return Ok(());
        }
        let mut tx = self.begin().await?;
        if revoke!(&mut tx, id, expires_at)? == 1 {
            let told = json!({ "expires_at": expires_at.rfc3339() });
            audit::record(&mut tx, Action::TokenRevoked, &id.to_string(), Some(told), None).await?;
        }
        tx.commit().await
    }
}

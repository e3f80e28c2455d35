//! Access tokens without a grant (client credentials) that were revoked before their time.

use super::Store;
use super::db::{Result, sql};
use crate::clock::Timestamp;
use crate::id::TokenId;

impl Store {
    /// Remembers the revocation until the token would have ended by itself.
    pub async fn revoke_token(&self, id: TokenId, expires_at: Timestamp) -> Result<()> {
        sql!(
            self,
            execute,
            "INSERT INTO revoked_tokens (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
            id,
            expires_at,
        )?;
        Ok(())
    }
}

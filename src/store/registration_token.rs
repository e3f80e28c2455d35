//! Initial access tokens: who has one may register a client (RFC 7591 section 3).

use serde_json::{Value, json};

use super::Store;
use super::audit::{self, Action};
use super::db::{Result, Tx, row, sql};
use crate::clock::Timestamp;

row! {
    /// A token, without the token itself.
    #[derive(Clone, Debug)]
    pub struct RegistrationToken {
        pub id: String,
        pub hash: String,
        pub note: String,
        /// `None`: any number of clients.
        pub uses_left: Option<i64>,
        pub created_at: Timestamp,
        pub expires_at: Timestamp,
    }
}

impl RegistrationToken {
    /// As events tell of it.
    fn told(&self) -> Value {
        json!({
            "id": self.id, "note": self.note, "uses_left": self.uses_left, "created_at": self.created_at.rfc3339(),
            "expires_at": self.expires_at.rfc3339(),
        })
    }
}

impl Store {
    pub async fn insert_registration_token(&self, token: &RegistrationToken) -> Result<()> {
        let mut tx = self.begin().await?;
        sql!(
            &mut tx,
            execute,
            "INSERT INTO registration_tokens (id, hash, note, uses_left, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            &token.id,
            &token.hash,
            &token.note,
            token.uses_left,
            token.created_at,
            token.expires_at,
        )?;
        audit::record(&mut tx, Action::RegistrationTokenCreated, &token.id, None, Some(token.told())).await?;
        tx.commit().await
    }

    /// All that have not expired, the used-up ones too, by their ids.
    pub async fn registration_tokens(&self, now: Timestamp) -> Result<Vec<RegistrationToken>> {
        sql!(self, fetch_all, "SELECT * FROM registration_tokens WHERE expires_at > $1 ORDER BY id LIMIT 1000", now)
    }

    /// Whether the token lets somebody register now. Only spending it decides.
    pub async fn registration_token_is_live(&self, hash: &str, now: Timestamp) -> Result<bool> {
        let live: bool = sql!(
            self,
            scalar,
            "SELECT EXISTS (SELECT 1 FROM registration_tokens
              WHERE hash = $1 AND expires_at > $2 AND (uses_left IS NULL OR uses_left > 0))",
            hash,
            now,
        )?;
        Ok(live)
    }

    pub async fn delete_registration_token(&self, id: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let deleted: Option<RegistrationToken> =
            sql!(&mut tx, fetch_optional, "DELETE FROM registration_tokens WHERE id = $1 RETURNING *", id)?;
        if let Some(token) = &deleted {
            audit::record(&mut tx, Action::RegistrationTokenDeleted, id, Some(token.told()), None).await?;
            tx.commit().await?;
        }
        Ok(deleted.is_some())
    }
}

/// Takes one use of the token, with the transaction that it is for: of any number of calls at once as many succeed as it
/// had uses left.
pub(super) async fn spend(tx: &mut Tx, hash: &str, now: Timestamp) -> Result<bool> {
    let spent = sql!(
        tx,
        execute,
        "UPDATE registration_tokens SET uses_left = uses_left - 1
          WHERE hash = $1 AND expires_at > $2 AND (uses_left IS NULL OR uses_left > 0)",
        hash,
        now,
    )?;
    Ok(spent == 1)
}

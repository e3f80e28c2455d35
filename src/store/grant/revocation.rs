//! The end of a grant before its time.

use serde_json::{Value, json};

use super::Grant;
use crate::clock::Timestamp;
use crate::id::GrantId;
use crate::store::Store;
use crate::store::audit::{self, Action};
use crate::store::db::{Result, sql};

/// The one statement, for a connection of its own or a transaction's.
macro_rules! revoke {
    ($on:expr, $id:ident, $now:ident) => {
        sql!(
            $on,
            fetch_optional,
            "UPDATE grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING *",
            $id,
            $now,
        )
    };
}

impl Grant {
    /// As events tell of it.
    fn told(&self) -> Value {
        json!({
            "id": self.id, "client_id": self.client_id, "subject": self.subject, "session_id": self.session_id,
            "scope": self.scope.iter().collect::<Vec<_>>(), "created_at": self.created_at.rfc3339(),
        })
    }
}

impl Store {
    /// Revokes a grant with everything that came from it. By itself one transaction: it is committed when this returns,
    /// also where the caller goes on to refuse.
    pub async fn revoke_grant(&self, id: GrantId, now: Timestamp) -> Result<()> {
        if !self.records() {
            let _: Option<Grant> = revoke!(self, id, now)?;
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let revoked: Option<Grant> = revoke!(&mut tx, id, now)?;
        if let Some(grant) = &revoked {
            audit::record(&mut tx, Action::GrantRevoked, &id.to_string(), Some(grant.told()), None).await?;
        }
        tx.commit().await
    }
}

//! The secret of a client as it is kept, and those before it that are still good.

use serde::{Deserialize, Serialize};

use super::Client;
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::secret::{self as secrets, Secret};
use crate::store::db::{Result, row, sql};
use crate::store::{Store, events};

/// How a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptSecret {
    Hashed(String),
    /// Under `secrets.system`, for who needs it back.
    Sealed(String),
}

impl KeptSecret {
    /// The two columns.
    pub fn columns(this: Option<&Self>) -> (Option<&str>, Option<&str>) {
        match this {
            Some(Self::Hashed(hash)) => (Some(hash), None),
            Some(Self::Sealed(sealed)) => (None, Some(sealed)),
            None => (None, None),
        }
    }
}

/// A secret that another one has followed, and that is good until it is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedSecret {
    pub hash: String,
    /// Seconds since 1970, 0 for never: its successor does not put off its end.
    pub expires_at: i64,
}

impl RotatedSecret {
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at == 0 || self.expires_at > now.seconds()
    }
}

row! {
    /// A secret that is kept sealed.
    #[derive(Clone, Debug)]
    pub struct SealedSecret {
        pub id: ClientId,
        pub secret_sealed: String,
    }
}

const GENERATED: &str = "sha256:";

impl Client {
    /// How a secret of ours is kept: SHA-256, because it has 256 bits of randomness.
    pub fn hash_of_generated(secret: &Secret) -> String {
        format!("{GENERATED}{}", secrets::fingerprint(secret.expose()))
    }

    /// Whether this is the generated secret with this hash; `None` where the secret was chosen and argon2id must tell.
    pub fn is_generated_secret(hash: &str, presented: &Secret) -> Option<bool> {
        let kept = hash.strip_prefix(GENERATED)?;
        Some(secrets::same(kept.as_bytes(), secrets::fingerprint(presented.expose()).as_bytes()))
    }

    /// Puts this secret in place of the one that there is.
    pub fn set_secret(&mut self, kept: Option<&KeptSecret>) {
        let (hash, sealed) = KeptSecret::columns(kept);
        self.secret_hash = hash.map(str::to_owned);
        self.secret_sealed = sealed.map(str::to_owned);
    }
}

impl Store {
    /// Puts a stronger hash of the same secret in place of `old`; does nothing if the secret was changed meanwhile.
    pub async fn rehash_client_secret(&self, id: &ClientId, old: &str, new: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        sql!(
            &mut tx,
            execute,
            "UPDATE clients SET secret_hash = $3, revision = revision + 1 WHERE id = $1 AND secret_hash = $2",
            id,
            old,
            new
        )?;
        events::client_changed(&mut tx, id).await?;
        tx.commit().await?;
        self.0.clients.forget(id);
        Ok(())
    }

    /// Every secret that is kept sealed, with whose it is.
    pub async fn sealed_client_secrets(&self) -> Result<Vec<SealedSecret>> {
        sql!(self, fetch_all, "SELECT id, secret_sealed FROM clients WHERE secret_sealed IS NOT NULL ORDER BY id")
    }

    /// Puts the same secret, sealed anew, in place of `old`; does nothing if the secret was changed meanwhile.
    pub async fn reseal_client_secret(&self, id: &ClientId, old: &str, new: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        sql!(
            &mut tx,
            execute,
            "UPDATE clients SET secret_sealed = $3, revision = revision + 1 WHERE id = $1 AND secret_sealed = $2",
            id,
            old,
            new
        )?;
        events::client_changed(&mut tx, id).await?;
        tx.commit().await?;
        self.0.clients.forget(id);
        Ok(())
    }
}

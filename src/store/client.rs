//! Clients: their registration, their secret's hash, and the memory that spares the database.

mod memory;
mod registration;

use std::sync::Arc;

pub use memory::Memory;
pub use registration::{Registered, Replacement, SELF_REGISTERED};

use super::db::{Error, Json, Result, Tx, row, sql};
use super::{Store, events};
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::oauth::client_metadata::ClientMetadata;
use crate::secret::{self, Secret};

row! {
    /// A client as it is kept.
    #[derive(Clone, Debug)]
    pub struct Client {
        pub id: ClientId,
        /// `sha256:…` for a secret of ours, a PHC string for a chosen one.
        pub secret_hash: Option<String>,
        /// The secret itself, sealed, where signatures are made or checked with it; then there is no hash.
        pub secret_sealed: Option<String>,
        /// Seconds since 1970, 0 for never (RFC 7591 section 3.2.1).
        pub secret_expires_at: i64,
        pub metadata: Json<ClientMetadata>,
        /// Grants and tokens made before are dead.
        pub tokens_valid_from: Timestamp,
        pub registration_token_hash: Option<String>,
        pub origin: String,
        pub created_at: Timestamp,
        pub updated_at: Timestamp,
        /// When a client that registered itself first got tokens.
        pub used_at: Option<Timestamp>,
        /// When a client that registered itself ends; swept then.
        pub expires_at: Option<Timestamp>,
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
        format!("{GENERATED}{}", secret::fingerprint(secret.expose()))
    }

    /// Whether this is the generated secret; `None` where the secret was chosen and argon2id must tell.
    pub fn is_generated_secret(&self, presented: &str) -> Option<bool> {
        let kept = self.secret_hash.as_deref()?.strip_prefix(GENERATED)?;
        Some(secret::same(kept.as_bytes(), secret::fingerprint(presented).as_bytes()))
    }

    pub fn metadata(&self) -> &ClientMetadata {
        &self.metadata.0
    }

    /// When something that the client is given now counts as made: never before `tokens_valid_from`, which another
    /// replica may have set by a clock that is ahead of ours, or we ourselves before ours was set back.
    pub fn issues_at(&self, now: Timestamp) -> Timestamp {
        now.max(self.tokens_valid_from)
    }
}

/// What may be changed of a client.
#[derive(Clone, Debug)]
pub struct ClientChange {
    pub metadata: ClientMetadata,
    /// `None` keeps the secret.
    pub secret: Option<KeptSecret>,
}

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

impl Store {
    /// The client, from memory where memory can be trusted.
    pub async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>> {
        if let Some(client) = self.0.clients.get(id) {
            return Ok(Some(client));
        }
        let as_of = self.0.clients.generation();
        let found: Option<Client> = sql!(self, fetch_optional, "SELECT * FROM clients WHERE id = $1", id)?;
        Ok(found.map(|client| {
            let client = Arc::new(client);
            self.0.clients.keep(&client, as_of);
            client
        }))
    }

    /// Registers a client. `Conflict` where the id is taken, by a client or as a user's subject: the two never meet
    /// (RFC 9700 section 4.15).
    pub async fn insert_client(&self, client: &Client) -> Result<()> {
        let mut tx = self.begin().await?;
        if !insert(&mut tx, client).await? {
            return Err(Error::Conflict);
        }
        tx.commit().await?;
        self.0.clients.forget(&client.id);
        Ok(())
    }

    /// Replaces a client's registration; the row as it is afterwards.
    pub async fn update_client(&self, id: &ClientId, change: &ClientChange, now: Timestamp) -> Result<Option<Client>> {
        let (hash, sealed) = KeptSecret::columns(change.secret.as_ref());
        let mut tx = self.begin().await?;
        let updated: Option<Client> = sql!(
            &mut tx,
            fetch_optional,
            "UPDATE clients SET metadata = $2, updated_at = $4,
                    secret_hash = CASE WHEN CAST($6 AS BOOLEAN) THEN CAST($3 AS TEXT) ELSE secret_hash END,
                    secret_sealed = CASE WHEN CAST($6 AS BOOLEAN) THEN CAST($5 AS TEXT) ELSE secret_sealed END
              WHERE id = $1 RETURNING *",
            id,
            Json(&change.metadata),
            hash,
            now,
            sealed,
            change.secret.is_some(),
        )?;
        if updated.is_some() {
            replace_origins(&mut tx, id, &change.metadata).await?;
            events::client_changed(&mut tx, id).await?;
            tx.commit().await?;
            self.0.clients.forget(id);
        }
        Ok(updated)
    }

    /// Puts a stronger hash of the same secret in place of `old`; does nothing if the secret was changed meanwhile.
    pub async fn rehash_client_secret(&self, id: &ClientId, old: &str, new: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        sql!(&mut tx, execute, "UPDATE clients SET secret_hash = $3 WHERE id = $1 AND secret_hash = $2", id, old, new)?;
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
            "UPDATE clients SET secret_sealed = $3 WHERE id = $1 AND secret_sealed = $2",
            id,
            old,
            new
        )?;
        events::client_changed(&mut tx, id).await?;
        tx.commit().await?;
        self.0.clients.forget(id);
        Ok(())
    }

    /// Deletes a client with its consents. Its grants die with it: every statement on a grant asks for its client, and
    /// a later client of the same id starts with a later `tokens_valid_from`. The sweep takes the rows.
    pub async fn delete_client(&self, id: &ClientId) -> Result<bool> {
        let mut tx = self.begin().await?;
        let deleted = sql!(&mut tx, execute, "DELETE FROM clients WHERE id = $1", id)?;
        sql!(&mut tx, execute, "DELETE FROM consents WHERE client_id = $1", id)?;
        sql!(&mut tx, execute, "DELETE FROM forced_subjects WHERE client_id = $1", id)?;
        events::client_changed(&mut tx, id).await?;
        tx.commit().await?;
        self.0.clients.forget(id);
        Ok(deleted == 1)
    }

    /// Clients in the order of their ids, after `after`.
    pub async fn clients(
        &self,
        after: Option<&str>,
        name: Option<&str>,
        owner: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Client>> {
        // The name and the owner are members of the JSON; neither is asked for where speed matters.
        let mut found: Vec<Client> = Vec::new();
        let mut after = after.map(str::to_owned);
        loop {
            let page: Vec<Client> = sql!(
                self,
                fetch_all,
                "SELECT * FROM clients WHERE (CAST($1 AS TEXT) IS NULL OR id > $1) ORDER BY id LIMIT $2",
                after.as_deref(),
                limit,
            )?;
            let last = page.len() < usize::try_from(limit).unwrap_or(usize::MAX);
            after = page.last().map(|client| client.id.to_string());
            found.extend(page.into_iter().filter(|client| {
                let metadata = client.metadata();
                name.is_none_or(|name| metadata.client_name == name)
                    && owner.is_none_or(|owner| metadata.owner == owner)
            }));
            if last || found.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
                found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
                return Ok(found);
            }
        }
    }

    /// Whether some client has registered this origin: a preflight names an origin and no client.
    pub async fn is_registered_origin(&self, origin: &str) -> Result<bool> {
        let found: Option<String> =
            sql!(self, scalar_optional, "SELECT origin FROM client_origins WHERE origin = $1 LIMIT 1", origin)?;
        Ok(found.is_some())
    }

    /// Whether the client is there and its tokens of that time are not cut off: asked of the database, always the truth.
    pub async fn client_token_is_live(&self, id: &ClientId, issued_at: Timestamp, token: &str) -> Result<bool> {
        let live: bool = sql!(
            self,
            scalar,
            "SELECT EXISTS (SELECT 1 FROM clients WHERE id = $1 AND tokens_valid_from <= $2)
                    AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE id = $3)",
            id,
            issued_at,
            token,
        )?;
        Ok(live)
    }
}

/// `false` where the id is that of a person.
async fn insert(tx: &mut Tx, client: &Client) -> Result<bool> {
    let inserted = sql!(
        &mut *tx,
        execute,
        "INSERT INTO clients (id, secret_hash, secret_expires_at, metadata, tokens_valid_from,
                registration_token_hash, origin, created_at, updated_at, secret_sealed, used_at, expires_at)
         SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS BIGINT),
                CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS BIGINT), CAST($9 AS BIGINT), CAST($10 AS TEXT),
                CAST($11 AS BIGINT), CAST($12 AS BIGINT)
          WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = $1)",
        &client.id,
        client.secret_hash.as_deref(),
        client.secret_expires_at,
        &client.metadata,
        client.tokens_valid_from,
        client.registration_token_hash.as_deref(),
        &client.origin,
        client.created_at,
        client.updated_at,
        client.secret_sealed.as_deref(),
        client.used_at,
        client.expires_at,
    )?;
    if inserted == 1 {
        replace_origins(tx, &client.id, client.metadata()).await?;
        events::client_changed(tx, &client.id).await?;
    }
    Ok(inserted == 1)
}

async fn replace_origins(tx: &mut Tx, id: &ClientId, metadata: &ClientMetadata) -> Result<()> {
    sql!(&mut *tx, execute, "DELETE FROM client_origins WHERE client_id = $1", id)?;
    for origin in &metadata.allowed_cors_origins {
        sql!(
            &mut *tx,
            execute,
            "INSERT INTO client_origins (origin, client_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            origin,
            id
        )?;
    }
    Ok(())
}

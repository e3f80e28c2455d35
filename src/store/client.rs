//! Clients: their registration, their secret's hash, and the memory that spares the database.

mod memory;
mod registration;
mod secret;
mod told;

use std::sync::Arc;

use serde_json::json;

pub use memory::Memory;
pub use registration::{Registered, SELF_REGISTERED};
pub use secret::{KeptSecret, RotatedSecret, SealedSecret};

use super::audit::{self, Action};
use super::db::{Error, Json, Result, Tx, row, sql};
use super::{Store, events};
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::oauth::client_metadata::ClientMetadata;

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
        /// Earlier secrets that are still good, newest first.
        pub rotated_secrets: Json<Vec<RotatedSecret>>,
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
        /// Counts the changes of the row. Only the store sets it.
        pub revision: i64,
    }
}

/// How many rows are read at once where few of them may be meant.
const AT_ONCE: i64 = 500;

/// `origin` of a client that an operator made.
const OPERATORS: &str = "admin";

impl Client {
    /// A client of the operator's, of this moment, that has no secret.
    pub fn new(id: ClientId, metadata: ClientMetadata, now: Timestamp) -> Self {
        Self {
            id,
            secret_hash: None,
            secret_sealed: None,
            secret_expires_at: 0,
            rotated_secrets: Json::default(),
            metadata: Json(metadata),
            tokens_valid_from: now,
            registration_token_hash: None,
            origin: OPERATORS.to_owned(),
            created_at: now,
            updated_at: now,
            used_at: None,
            expires_at: None,
            revision: 0,
        }
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
        audit::record(&mut tx, Action::ClientCreated, client.id.as_str(), None, Some(client.told())).await?;
        tx.commit().await?;
        self.0.clients.forget(&client.id);
        Ok(())
    }

    /// The client as the database has it, to be changed.
    pub async fn client_to_change(&self, id: &ClientId) -> Result<Option<Client>> {
        sql!(self, fetch_optional, "SELECT * FROM clients WHERE id = $1", id)
    }

    /// Puts a client in place of the row that was read before; the row as it is afterwards. `None` where that row was
    /// changed meanwhile, or deleted: of two that have read the same, one has to read again. `action` is what an operator
    /// does by it.
    pub async fn change_client(
        &self,
        before: &Client,
        client: &Client,
        action: Action,
        now: Timestamp,
    ) -> Result<Option<Client>> {
        let mut tx = self.begin().await?;
        let changed: Option<Client> = sql!(
            &mut tx,
            fetch_optional,
            "UPDATE clients SET metadata = $3, secret_hash = $4, secret_sealed = $5, secret_expires_at = $6,
                    rotated_secrets = $7, registration_token_hash = $8, updated_at = $9, revision = revision + 1
              WHERE id = $1 AND revision = $2 RETURNING *",
            &client.id,
            before.revision,
            &client.metadata,
            client.secret_hash.as_deref(),
            client.secret_sealed.as_deref(),
            client.secret_expires_at,
            &client.rotated_secrets,
            client.registration_token_hash.as_deref(),
            now,
        )?;
        if let Some(after) = &changed {
            let told = (Some(before.told()), Some(after.told_after(before)));
            audit::record(&mut tx, action, client.id.as_str(), told.0, told.1).await?;
            replace_origins(&mut tx, &client.id, client.metadata()).await?;
            events::client_changed(&mut tx, &client.id).await?;
            tx.commit().await?;
            self.0.clients.forget(&client.id);
        }
        Ok(changed)
    }

    /// Ends everything that a client was given so far: grants and tokens of before count as made too early, whatever the
    /// clock says.
    pub async fn end_client_tokens(&self, id: &ClientId, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let ended: Option<Timestamp> = sql!(
            &mut tx,
            scalar_optional,
            "UPDATE clients
                SET tokens_valid_from = CASE WHEN tokens_valid_from > $2 THEN tokens_valid_from + 1 ELSE $2 + 1 END
              WHERE id = $1 RETURNING tokens_valid_from",
            id,
            now,
        )?;
        if let Some(valid_from) = ended {
            let told = json!({ "tokens_valid_from": valid_from.rfc3339() });
            audit::record(&mut tx, Action::ClientTokensRevoked, id.as_str(), None, Some(told)).await?;
            events::client_changed(&mut tx, id).await?;
            tx.commit().await?;
            self.0.clients.forget(id);
        }
        Ok(ended.is_some())
    }

    /// Deletes a client with its consents. Its grants die with it: every statement on a grant asks for its client, and
    /// a later client of the same id starts with a later `tokens_valid_from`. The sweep takes the rows.
    pub async fn delete_client(&self, id: &ClientId) -> Result<bool> {
        let mut tx = self.begin().await?;
        let deleted: Option<Client> =
            sql!(&mut tx, fetch_optional, "DELETE FROM clients WHERE id = $1 RETURNING *", id)?;
        if let Some(client) = &deleted {
            audit::record(&mut tx, Action::ClientDeleted, id.as_str(), Some(client.told()), None).await?;
        }
        clear(&mut tx, id).await?;
        tx.commit().await?;
        self.0.clients.forget(id);
        Ok(deleted.is_some())
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
        let is_filtered = name.is_some() || owner.is_some();
        let read = if is_filtered { limit.max(AT_ONCE) } else { limit };
        let count = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        let mut found: Vec<Client> = Vec::new();
        let mut after = after.map(str::to_owned);
        loop {
            let page: Vec<Client> = sql!(
                self,
                fetch_all,
                "SELECT * FROM clients WHERE (CAST($1 AS TEXT) IS NULL OR id > $1) ORDER BY id LIMIT $2",
                after.as_deref(),
                read,
            )?;
            let last = page.len() < count(read);
            after = page.last().map(|client| client.id.to_string());
            found.extend(page.into_iter().filter(|client| {
                let metadata = client.metadata();
                name.is_none_or(|name| metadata.client_name == name)
                    && owner.is_none_or(|owner| metadata.owner == owner)
            }));
            if last || found.len() >= count(limit) {
                found.truncate(count(limit));
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

/// Takes what people have allowed a client that is deleted, and what it knew them as; every replica is told.
pub(super) async fn clear(tx: &mut Tx, id: &ClientId) -> Result<()> {
    sql!(&mut *tx, execute, "DELETE FROM consents WHERE client_id = $1", id)?;
    sql!(&mut *tx, execute, "DELETE FROM forced_subjects WHERE client_id = $1", id)?;
    sql!(&mut *tx, execute, "DELETE FROM session_clients WHERE client_id = $1", id)?;
    sql!(&mut *tx, execute, "DELETE FROM logout_tokens WHERE client_id = $1", id)?;
    events::client_changed(tx, id).await
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

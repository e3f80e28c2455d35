//! What is different for clients that register themselves (RFC 7591, RFC 7592): they are let in one by one, hold a token
//! for their registration, and go again by themselves.

use super::{Client, ClientChange, KeptSecret, insert, replace_origins};
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::store::db::{Connection, Error, Json, Result, sql};
use crate::store::{Store, events, registration_token};

/// `origin` of a client that registered itself.
pub const SELF_REGISTERED: &str = "registration";

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    Done,
    /// There are as many as there may be.
    Full,
    /// The initial access token was used up, revoked or has expired.
    TokenSpent,
}

/// A client's registration as it replaces the one before.
#[derive(Clone, Debug)]
pub struct Replacement<'a> {
    pub change: ClientChange,
    /// Seconds since 1970, 0 for never; counts only with a new secret.
    pub secret_expires_at: i64,
    /// The hash of the registration access token that the client gets.
    pub token_hash: &'a str,
    /// That of the one before.
    pub presented_hash: &'a str,
}

impl Client {
    pub fn is_self_registered(&self) -> bool {
        self.origin == SELF_REGISTERED
    }

    /// Whether its time is over: what is swept away later is gone for everybody now.
    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

impl Store {
    /// Lets a client in: with one use of the initial access token, where it has one, and while there are fewer than `most`.
    /// Where it is not let in the token keeps its use.
    pub async fn register_client(
        &self,
        client: &Client,
        token_hash: Option<&str>,
        most: u32,
        now: Timestamp,
    ) -> Result<Registered> {
        let mut tx = self.begin().await?;
        if let Some(hash) = token_hash
            && !registration_token::spend(&mut tx, hash, now).await?
        {
            return Ok(Registered::TokenSpent);
        }
        if let Connection::Postgres(connection) = tx.place(true).await?.connection() {
            // One at a time: two that count at once would both find the last place free. (SQLite has one writer anyway.)
            sqlx::query("SELECT pg_advisory_xact_lock(4913)").execute(connection).await?;
        }
        let count: i64 = sql!(&mut tx, scalar, "SELECT count(*) FROM clients WHERE origin = $1", SELF_REGISTERED)?;
        if count >= i64::from(most) {
            return Ok(Registered::Full);
        }
        if !insert(&mut tx, client).await? {
            return Err(Error::Conflict);
        }
        tx.commit().await?;
        self.0.clients.forget(&client.id);
        Ok(Registered::Done)
    }

    /// Replaces a registration and its token. Of any number of calls on the same one before, one finds it: the condition
    /// is in the statement.
    pub async fn replace_registration(
        &self,
        id: &ClientId,
        new: &Replacement<'_>,
        now: Timestamp,
    ) -> Result<Option<Client>> {
        let (hash, sealed) = KeptSecret::columns(new.change.secret.as_ref());
        let mut tx = self.begin().await?;
        let updated: Option<Client> = sql!(
            &mut tx,
            fetch_optional,
            "UPDATE clients SET metadata = $2, updated_at = $3, registration_token_hash = $4,
                    secret_hash = CASE WHEN CAST($5 AS BOOLEAN) THEN CAST($6 AS TEXT) ELSE secret_hash END,
                    secret_sealed = CASE WHEN CAST($5 AS BOOLEAN) THEN CAST($7 AS TEXT) ELSE secret_sealed END,
                    secret_expires_at = CASE WHEN CAST($5 AS BOOLEAN) THEN CAST($8 AS BIGINT) ELSE secret_expires_at END
              WHERE id = $1 AND origin = $10 AND registration_token_hash = $9 RETURNING *",
            id,
            Json(&new.change.metadata),
            now,
            new.token_hash,
            new.change.secret.is_some(),
            hash,
            sealed,
            new.secret_expires_at,
            new.presented_hash,
            SELF_REGISTERED,
        )?;
        if updated.is_some() {
            replace_origins(&mut tx, id, &new.change.metadata).await?;
            events::client_changed(&mut tx, id).await?;
            tx.commit().await?;
            self.0.clients.forget(id);
        }
        Ok(updated)
    }

    /// Deletes a client that registered itself, if its token is still this one.
    pub async fn delete_registration(&self, id: &ClientId, presented_hash: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let deleted = sql!(
            &mut tx,
            execute,
            "DELETE FROM clients WHERE id = $1 AND origin = $2 AND registration_token_hash = $3",
            id,
            SELF_REGISTERED,
            presented_hash,
        )?;
        if deleted == 0 {
            return Ok(false);
        }
        sql!(&mut tx, execute, "DELETE FROM consents WHERE client_id = $1", id)?;
        events::client_changed(&mut tx, id).await?;
        tx.commit().await?;
        self.0.clients.forget(id);
        Ok(true)
    }

    /// Remembers that a client which registered itself has got tokens: it is one that is used, and lasts until `ends_at`.
    /// Asks the database once in a client's life.
    pub async fn client_was_used(&self, client: &Client, ends_at: Option<Timestamp>, now: Timestamp) -> Result<()> {
        if !client.is_self_registered() || client.used_at.is_some() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let marked = sql!(
            &mut tx,
            execute,
            "UPDATE clients SET used_at = $2, expires_at = $3 WHERE id = $1 AND used_at IS NULL AND origin = $4",
            &client.id,
            now,
            ends_at,
            SELF_REGISTERED,
        )?;
        if marked == 1 {
            events::client_changed(&mut tx, &client.id).await?;
            tx.commit().await?;
            self.0.clients.forget(&client.id);
        }
        Ok(())
    }
}

//! What is different for clients that register themselves (RFC 7591, RFC 7592): they are let in one by one, hold a token
//! for their registration, and go again by themselves.

use super::{Client, clear, insert};
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::store::db::{Connection, Error, Result, sql};
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

    /// Deletes a client that manages itself, if its token is still this one.
    pub async fn delete_registration(&self, id: &ClientId, presented_hash: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let deleted = sql!(
            &mut tx,
            execute,
            "DELETE FROM clients WHERE id = $1 AND registration_token_hash = $2",
            id,
            presented_hash,
        )?;
        if deleted == 0 {
            return Ok(false);
        }
        clear(&mut tx, id).await?;
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

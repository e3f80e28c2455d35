//! Keys: made once for all replicas, kept sealed.

use std::slice;
use std::time::Duration;

use serde_json::{Value, json};

use super::audit::{self, Action};
use super::db::{Json, Result, Tx, row, sql};
use super::{Store, events};
use crate::clock::Timestamp;
use crate::jose::Jwk;
use crate::oauth::client_metadata::Lifespans;

row! {
    /// A key as it is kept.
    #[derive(Clone, Debug)]
    pub struct KeyRow {
        /// `kid`.
        pub id: String,
        pub key_set: String,
        pub ordinal: i64,
        /// `sig`, or `seal`.
        pub key_use: String,
        pub alg: String,
        pub private_sealed: String,
        pub public: Option<String>,
        pub created_at: Timestamp,
        pub active_from: Timestamp,
        pub retire_at: Option<Timestamp>,
    }
}

/// What becomes of keys in one step, by their ids.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// They leave no trace.
    pub forget: Vec<String>,
    /// They end as by [`Store::revoke_key`].
    pub revoke: Vec<String>,
    pub add: Vec<KeyRow>,
}

impl KeyChange {
    pub fn is_empty(&self) -> bool {
        self.forget.is_empty() && self.revoke.is_empty() && self.add.is_empty()
    }
}

/// `retire_at` of a key that was revoked: in the past by every clock.
const REVOKED: Timestamp = Timestamp::from_millis(0);

/// Clients of one statement.
const PAGE: i64 = 1000;

impl KeyRow {
    pub fn is_revoked(&self) -> bool {
        self.retire_at == Some(REVOKED)
    }

    /// As events tell of it: the public part.
    fn told(&self) -> Value {
        let mut told = json!({
            "kid": self.id, "use": self.key_use, "alg": self.alg, "active_from": self.active_from.rfc3339(),
        });
        if let Some(public) = self.public.as_deref().and_then(|text| serde_json::from_str::<Jwk>(text).ok()) {
            told["public_key"] = json!(public);
        }
        told
    }
}

impl Store {
    /// All keys that are not long retired, newest first.
    pub async fn keys(&self) -> Result<Vec<KeyRow>> {
        sql!(self, fetch_all, "SELECT * FROM keys ORDER BY key_set, alg, ordinal DESC")
    }

    /// Adds a key. Of two replicas that add the same ordinal one wins; the other is told `false` and finds the winner's.
    pub async fn insert_key(&self, key: &KeyRow) -> Result<bool> {
        let mut tx = self.begin().await?;
        let inserted = match insert(&mut tx, key).await {
            // At the stricter isolation levels PostgreSQL says so instead of doing nothing.
            Err(error) if error.is_transient() => return Ok(false),
            inserted => inserted?,
        };
        if inserted {
            audit::record(&mut tx, Action::KeyMade, &key.key_set, None, told(slice::from_ref(key))).await?;
            events::keys_changed(&mut tx).await?;
            tx.commit().await?;
        }
        Ok(inserted)
    }

    /// Gives the keys before this one in its succession an end. Those that have one keep it.
    pub async fn retire_keys_before(&self, key: &KeyRow, retire_at: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let retired = sql!(
            &mut tx,
            execute,
            "UPDATE keys SET retire_at = $4 WHERE key_set = $1 AND alg = $2 AND ordinal < $3 AND retire_at IS NULL",
            &key.key_set,
            &key.alg,
            key.ordinal,
            retire_at,
        )?;
        if retired > 0 {
            events::keys_changed(&mut tx).await?;
            tx.commit().await?;
        }
        Ok(retired)
    }

    /// Ends a key at once, and forgets its private part. A successor that only waits for its time takes over now; where
    /// there is none, `successor` does. `false` where the key is not there or was revoked before.
    pub async fn revoke_key(&self, key: &KeyRow, successor: Option<&KeyRow>, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let Some(revoked) = revoke(&mut tx, &key.id).await? else { return Ok(false) };
        let mut added = None;
        if let Some(successor) = successor
            && insert(&mut tx, successor).await?
        {
            added = told(slice::from_ref(successor));
        }
        audit::record(&mut tx, Action::KeyRevoked, &key.key_set, told(&[revoked]), added).await?;
        sql!(
            &mut tx,
            execute,
            "UPDATE keys SET active_from = $3
              WHERE key_set = $1 AND alg = $2 AND retire_at IS NULL AND active_from > $3
                AND NOT EXISTS (SELECT 1 FROM keys AS other
                                 WHERE other.key_set = $1 AND other.alg = $2 AND other.active_from <= $3
                                   AND (other.retire_at IS NULL OR other.retire_at > $3))",
            &key.key_set,
            &key.alg,
            now,
        )?;
        events::keys_changed(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Does all of it or nothing. `false` where the keys are not any more what the change was thought out for: one of them
    /// has gone, or the name or the ordinal of one that is added is taken. `action` is what an operator does by it to `set`.
    pub async fn change_keys(&self, set: &str, change: &KeyChange, action: Action) -> Result<bool> {
        match self.try_change_keys(set, change, action).await {
            Err(error) if error.is_transient() => Ok(false),
            outcome => outcome,
        }
    }

    async fn try_change_keys(&self, set: &str, change: &KeyChange, action: Action) -> Result<bool> {
        let mut tx = self.begin().await?;
        let mut gone: Vec<KeyRow> = Vec::new();
        for id in &change.forget {
            let forgotten: Option<KeyRow> = sql!(
                &mut tx,
                fetch_optional,
                "DELETE FROM keys WHERE id = $1 AND (retire_at IS NULL OR retire_at <> $2) RETURNING *",
                id,
                REVOKED,
            )?;
            let Some(forgotten) = forgotten else { return Ok(false) };
            gone.push(forgotten);
        }
        for id in &change.revoke {
            let Some(revoked) = revoke(&mut tx, id).await? else { return Ok(false) };
            gone.push(revoked);
        }
        for key in &change.add {
            if !insert(&mut tx, key).await? {
                return Ok(false);
            }
        }
        audit::record(&mut tx, action, set, told(&gone), told(&change.add)).await?;
        events::keys_changed(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Keeps a key sealed under another secret, unless it has changed meanwhile.
    pub async fn reseal_key(&self, id: &str, old: &str, new: &str) -> Result<()> {
        sql!(self, execute, "UPDATE keys SET private_sealed = $3 WHERE id = $1 AND private_sealed = $2", id, old, new)?;
        Ok(())
    }

    /// Forgets the keys that were retired before. Those that were revoked stay: they are few, and evidence.
    pub async fn forget_keys(&self, retired_before: Timestamp) -> Result<u64> {
        sql!(self, execute, "DELETE FROM keys WHERE retire_at <= $1 AND retire_at <> $2", retired_before, REVOKED)
    }

    /// The longest life that any client has registered for its access or ID tokens; zero where none has.
    pub async fn longest_lifespan(&self) -> Result<Duration> {
        let mut longest = Duration::ZERO;
        let mut after: Option<String> = None;
        loop {
            let page: Vec<(String, Json<Lifespans>)> = sql!(
                self,
                fetch_all,
                "SELECT id, metadata FROM clients
                  WHERE (CAST($1 AS TEXT) IS NULL OR id > $1) AND metadata LIKE '%_token_lifespan%'
                  ORDER BY id LIMIT $2",
                after.as_deref(),
                PAGE,
            )?;
            let of_signed = |name: &str| !name.ends_with("_refresh_token_lifespan");
            for (_, Json(lifespans)) in &page {
                let lives = lifespans.iter().filter(|(name, _)| of_signed(name)).map(|(_, life)| life.duration());
                longest = lives.fold(longest, Duration::max);
            }
            match page.last() {
                Some((id, _)) if page.len() == usize::try_from(PAGE).unwrap_or(usize::MAX) => after = Some(id.clone()),
                _ => return Ok(longest),
            }
        }
    }
}

/// Some keys of a set, where there are any: those that are gone from it, or have come to it.
fn told(keys: &[KeyRow]) -> Option<Value> {
    (!keys.is_empty()).then(|| json!({ "keys": keys.iter().map(KeyRow::told).collect::<Vec<_>>() }))
}

async fn revoke(tx: &mut Tx, id: &str) -> Result<Option<KeyRow>> {
    sql!(
        tx,
        fetch_optional,
        "UPDATE keys SET retire_at = $2, private_sealed = ''
          WHERE id = $1 AND (retire_at IS NULL OR retire_at <> $2) RETURNING *",
        id,
        REVOKED,
    )
}

async fn insert(tx: &mut Tx, key: &KeyRow) -> Result<bool> {
    let inserted = sql!(
        &mut *tx,
        execute,
        "INSERT INTO keys (id, key_set, ordinal, key_use, alg, private_sealed, public, created_at, active_from, retire_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        &key.id,
        &key.key_set,
        key.ordinal,
        &key.key_use,
        &key.alg,
        &key.private_sealed,
        key.public.as_deref(),
        key.created_at,
        key.active_from,
        key.retire_at,
    )?;
    Ok(inserted == 1)
}

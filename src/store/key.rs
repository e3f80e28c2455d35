//! Keys: made once for all replicas, kept sealed.

use super::db::{Result, row, sql};
use super::{Store, events};
use crate::clock::Timestamp;

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

impl Store {
    /// All keys that are not long retired, newest first.
    pub async fn keys(&self) -> Result<Vec<KeyRow>> {
        sql!(self, fetch_all, "SELECT * FROM keys ORDER BY key_set, alg, ordinal DESC")
    }

    /// Adds a key, and gives those before it in its set an end. Of two replicas that add the same ordinal one wins; the
    /// other is told `false` and finds the winner's.
    pub async fn insert_key(&self, key: &KeyRow, retire_others_at: Option<Timestamp>) -> Result<bool> {
        let mut tx = self.begin().await?;
        let inserted = sql!(
            &mut tx,
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
        if inserted == 0 {
            return Ok(false);
        }
        if let Some(retire_at) = retire_others_at {
            sql!(
                &mut tx,
                execute,
                "UPDATE keys SET retire_at = $4
                  WHERE key_set = $1 AND alg = $2 AND ordinal < $3 AND retire_at IS NULL",
                &key.key_set,
                &key.alg,
                key.ordinal,
                retire_at,
            )?;
        }
        events::keys_changed(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }
}

//! What an operator may see of a key: nothing that is private.

use serde::Serialize;

use super::set::is_operators;
use super::{Error, Keys, Purpose};
use crate::clock::Timestamp;
use crate::store::Store;
use crate::store::key::KeyRow;

/// A key as `hydrant key list` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub kid: String,
    pub set: String,
    pub alg: String,
    pub created_at: String,
    pub active_from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retire_at: Option<String>,
    pub state: &'static str,
}

impl Keys {
    /// Every key that is kept, newest first in its set.
    pub async fn list(&self, store: &Store, now: Timestamp) -> Result<Vec<Listed>, Error> {
        let rows = store.keys().await?;
        let listed = |row: &KeyRow| Listed {
            kid: row.id.clone(),
            set: row.key_set.clone(),
            alg: row.alg.clone(),
            created_at: row.created_at.rfc3339(),
            active_from: row.active_from.rfc3339(),
            retire_at: row.retire_at.filter(|_| !row.is_revoked()).map(Timestamp::rfc3339),
            state: state(row, &rows, now),
        };
        Ok(rows.iter().map(listed).collect())
    }
}

fn state(row: &KeyRow, rows: &[KeyRow], now: Timestamp) -> &'static str {
    if is_operators(&row.key_set) {
        return "kept";
    }
    let Some(purpose) = Purpose::of(row) else { return "unknown" };
    if row.is_revoked() {
        "revoked"
    } else if row.retire_at.is_some_and(|at| at <= now) {
        "retired"
    } else if row.active_from > now {
        "published"
    } else if purpose.in_use(rows, now).is_some_and(|active| active.id == row.id) {
        "active"
    } else {
        match purpose {
            Purpose::Sign(..) => "verifying",
            Purpose::Decrypt(_) => "decrypting",
            Purpose::Seal => "opening",
        }
    }
}

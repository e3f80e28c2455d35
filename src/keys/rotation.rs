//! How keys follow one another: published, in use, verifying only, gone; or revoked at once.
//!
//! A successor is published `keys.rotation.publish_ahead` before it signs, so that every replica and every cache has it
//! by then. The one before verifies until what it signed has expired; how long that takes is known when it has signed its
//! last, which is when the successor takes over.

use std::time::Duration;

use serde::Serialize;

use super::make::{Place, make};
use super::purpose::is_operators;
use super::{Error, KeyUse, Keys, Purpose};
use crate::clock::Timestamp;
use crate::store::Store;
use crate::store::audit::Action;
use crate::store::key::{KeyChange, KeyRow};

/// What a retired key is kept beyond the last signature's life: clocks differ, and a replica may notice late.
const MARGIN: Duration = Duration::from_hours(1);

/// How long clients may go on encrypting to a key that is not published any more.
const ENCRYPTED_LIFE: Duration = Duration::from_hours(24);

/// How long a key is listed after it has retired.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// The key that comes next.
#[derive(Clone, Debug, Serialize)]
pub struct Successor {
    pub set: &'static str,
    pub alg: &'static str,
    pub kid: String,
    #[serde(serialize_with = "rfc3339")]
    pub active_from: Timestamp,
}

/// What came of a rotation.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Rotated {
    Made(Successor),
    /// Nothing was made: this one waits for its time already, or another process was quicker.
    AlreadyThere(Successor),
}

/// What came of a revocation.
#[derive(Clone, Debug, Serialize)]
pub struct Revoked {
    pub set: String,
    pub alg: String,
    pub kid: String,
    /// What signs, or seals, from now on; it may have done so before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_use: Option<String>,
}

impl Successor {
    fn new(purpose: Purpose, row: &KeyRow) -> Self {
        Self { set: purpose.set(), alg: purpose.alg(), kid: row.id.clone(), active_from: row.active_from }
    }
}

impl Keys {
    /// Adds a successor: published now, in use once every cache has had the time to see it. Only one waits at a time.
    pub async fn rotate(&self, store: &Store, purpose: Purpose, now: Timestamp) -> Result<Rotated, Error> {
        let one = self.0.one.lock().await;
        let rows = store.keys().await?;
        let none = Error::NoSuccession { set: purpose.set(), alg: purpose.alg() };
        let Some(newest) = purpose.newest(&rows) else { return Err(none) };
        if newest.active_from > now {
            return Ok(Rotated::AlreadyThere(Successor::new(purpose, newest)));
        }
        let active_from = now + self.0.publish_ahead;
        let place = Place { ordinal: purpose.next_ordinal(&rows), now, active_from };
        let made = make(&self.0.system, purpose, place).await?;
        let rotated = if store.insert_key(&made).await? {
            tracing::info!(kid = made.id, set = made.key_set, alg = made.alg, %active_from, "a key has a successor");
            Rotated::Made(Successor::new(purpose, &made))
        } else {
            let rows = store.keys().await?;
            Rotated::AlreadyThere(Successor::new(purpose, purpose.newest(&rows).ok_or(none)?))
        };
        self.read(&one, store, &[], now).await?;
        Ok(rotated)
    }

    /// The successions of a set, with those that nobody has needed yet left out.
    pub async fn successions(&self, store: &Store, set: &str) -> Result<Vec<Purpose>, Error> {
        let rows = store.keys().await?;
        Ok(Purpose::all(&rows).into_iter().filter(|purpose| purpose.set() == set).collect())
    }

    /// Does what is due: retires the keys that a successor has taken over from, adds successors to those that have been
    /// in use for long enough, forgets those that have long retired. Every replica does so; the database decides which of
    /// them it was.
    pub async fn tend(&self, store: &Store, now: Timestamp) -> Result<(), Error> {
        let rows = store.keys().await?;
        for purpose in Purpose::all(&rows) {
            if let Some(current) = purpose.in_use(&rows, now)
                && purpose.rows(&rows).any(|row| row.ordinal < current.ordinal && row.retire_at.is_none())
            {
                let retire_at = current.active_from + self.life(store, purpose).await? + MARGIN;
                if store.retire_keys_before(current, retire_at).await? > 0 {
                    tracing::info!(set = current.key_set, alg = current.alg, %retire_at, "a key has taken over");
                }
            }
            if self.is_due(purpose.newest(&rows), now) {
                self.rotate(store, purpose, now).await?;
            }
        }
        let forgotten = now - KEPT;
        if rows.iter().any(|row| !row.is_revoked() && row.retire_at.is_some_and(|at| at <= forgotten)) {
            store.forget_keys(forgotten).await?;
        }
        Ok(())
    }

    /// Whether a key has been in use for so long that its successor is to be published, to take over when the interval
    /// is over.
    fn is_due(&self, newest: Option<&KeyRow>, now: Timestamp) -> bool {
        let (Some(newest), Some(interval)) = (newest, self.0.interval) else { return false };
        newest.active_from + interval.saturating_sub(self.0.publish_ahead) <= now
    }

    /// How long at most something is good that was signed or sealed for this purpose: as the configuration says, or as a
    /// client has registered.
    async fn life(&self, store: &Store, purpose: Purpose) -> Result<Duration, Error> {
        let configured = match purpose {
            Purpose::Sign(KeyUse::IdToken, _) => self.0.hint_life,
            Purpose::Sign(KeyUse::AccessToken, _) => self.0.signature_life,
            Purpose::Seal => self.0.sealed_life,
            Purpose::Decrypt(_) => return Ok(ENCRYPTED_LIFE),
        };
        Ok(configured.max(store.longest_lifespan().await?))
    }

    /// Ends a key that is not to be trusted any more: it leaves the published set at once, whatever it signed or sealed
    /// is refused from then on, and another takes its place at once; one of an operator's set is simply gone. `None` where
    /// there is no such key, or it was revoked before.
    pub async fn revoke(&self, store: &Store, kid: &str, now: Timestamp) -> Result<Option<Revoked>, Error> {
        let one = self.0.one.lock().await;
        let rows = store.keys().await?;
        let Some(row) = rows.iter().find(|row| row.id == kid) else { return Ok(None) };
        if is_operators(&row.key_set) {
            let change = KeyChange { forget: vec![row.id.clone()], ..KeyChange::default() };
            if !store.change_keys(&row.key_set, &change, Action::KeyRemoved).await? {
                return Ok(None);
            }
            tracing::info!(kid, set = row.key_set, alg = row.alg, "a key was removed");
            self.read(&one, store, &[], now).await?;
            let (set, alg, kid) = (row.key_set.clone(), row.alg.clone(), row.id.clone());
            return Ok(Some(Revoked { set, alg, kid, in_use: None }));
        }
        let Some(purpose) = Purpose::of(row) else { return Ok(None) };
        // Made before it is needed, so that there is no moment between the two.
        let others = purpose.rows(&rows).any(|other| other.id != row.id && other.retire_at.is_none());
        let successor = match others {
            true => None,
            false => {
                let place = Place { ordinal: purpose.next_ordinal(&rows), now, active_from: now };
                Some(make(&self.0.system, purpose, place).await?)
            }
        };
        if !store.revoke_key(row, successor.as_ref(), now).await? {
            return Ok(None);
        }
        tracing::warn!(kid, set = row.key_set, alg = row.alg, "a key was revoked");
        self.read(&one, store, &[], now).await?;
        let rows = store.keys().await?;
        Ok(Some(Revoked {
            set: row.key_set.clone(),
            alg: row.alg.clone(),
            kid: row.id.clone(),
            in_use: purpose.in_use(&rows, now).map(|row| row.id.clone()),
        }))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn rfc3339<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.rfc3339())
}

//! Sets of keys as an operator sees and changes them: the two that the server signs with, and others of the operator's own.
//!
//! A key that is added to a set of the server's follows the rules of a rotation: it is published at once and signs when
//! every cache has had the time to see it, unless it is the first of its algorithm. A set that is put as a whole takes the
//! place of what was there at once, as after a revocation.

use super::live::{Opened, newest_first};
use super::make::{Place, keep, make, make_signing};
use super::purpose::{is_name, is_operators};
use super::{ACCESS_TOKEN_SET, Error, ID_TOKEN_SET, KeyUse, Keys, Purpose, unreadable};
use crate::clock::Timestamp;
use crate::jose::{self, Algorithm, GivenJwk, GivenKey, Jwk};
use crate::store;
use crate::store::Store;
use crate::store::audit::Action;
use crate::store::key::{KeyChange, KeyRow};

/// How often a change begins anew that another replica was quicker with.
const TRIES: usize = 8;

/// A set that an operator may look at and change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// Its private keys sign for the server.
    Server(KeyUse),
    /// The server does nothing with it but to publish it, where the configuration says so.
    Operator(String),
}

impl Set {
    /// `None` for the server's own sets that nobody sees, and for what is no name.
    pub fn read(name: &str) -> Option<Self> {
        match name {
            ID_TOKEN_SET => Some(Self::Server(KeyUse::IdToken)),
            ACCESS_TOKEN_SET => Some(Self::Server(KeyUse::AccessToken)),
            _ => is_operators(name).then(|| Self::Operator(name.to_owned())),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Server(use_) => use_.set(),
            Self::Operator(name) => name,
        }
    }

    /// Its rows in force.
    fn rows<'a>(&self, rows: &'a [KeyRow], now: Timestamp) -> impl Iterator<Item = &'a KeyRow> {
        rows.iter().filter(move |row| row.key_set == self.name() && in_force(row, now))
    }

    fn next_ordinal(&self, rows: &[KeyRow], alg: Algorithm) -> i64 {
        let own = rows.iter().filter(|row| row.key_set == self.name() && row.alg == alg.as_str());
        own.map(|row| row.ordinal).max().unwrap_or(0) + 1
    }
}

fn in_force(row: &KeyRow, now: Timestamp) -> bool {
    row.retire_at.is_none_or(|at| at > now)
}

fn public(row: &KeyRow) -> Result<Option<Jwk>, Error> {
    let text = row.public.as_deref();
    text.map(serde_json::from_str).transpose().map_err(|error| unreadable(&row.id, error))
}

fn refused(at: usize, why: jose::Error) -> Error {
    Error::Refused(why).numbered(at)
}

/// Reads keys that somebody gave us: some milliseconds of computing each, not on a thread that serves requests.
pub async fn read(given: Vec<GivenJwk>) -> Result<Vec<GivenKey>, Error> {
    let read = tokio::task::spawn_blocking(move || {
        let read = |(at, jwk)| GivenKey::read(jwk).map_err(|why| refused(at, why));
        given.iter().enumerate().map(read).collect()
    });
    read.await.map_err(|_| Error::NotMade(jose::Error::Key("interrupted")))?
}

impl Keys {
    /// The public keys of a set that are in force, newest first.
    pub async fn in_set(&self, store: &Store, set: &Set, now: Timestamp) -> Result<Vec<Jwk>, Error> {
        let rows = store.keys().await?;
        let mut rows: Vec<_> = set.rows(&rows, now).collect();
        rows.sort_by(|a, b| newest_first(a, b));
        rows.into_iter().filter_map(|row| public(row).transpose()).collect()
    }

    /// Makes a key and adds it. In a set of the server's that is a rotation: where a successor waits for its time already,
    /// and no name was chosen, it is that one.
    pub async fn add(
        &self,
        store: &Store,
        set: &Set,
        alg: Algorithm,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<Jwk, Error> {
        if kid.is_some_and(|kid| !is_name(kid)) {
            return Err(Error::Refused(BAD_KID));
        }
        let one = self.0.one.lock().await;
        let mut made: Option<KeyRow> = None;
        for _ in 0..TRIES {
            let rows = store.keys().await?;
            if let Some(kid) = kid
                && rows.iter().any(|row| row.id == kid)
            {
                return Err(Error::Taken);
            }
            Opened::of(&rows, &self.0.system, self.0.live.load().as_deref(), now)?;
            if let Some(waiting) = waiting(set, alg, &rows, now).filter(|_| kid.is_none()) {
                return public(waiting)?.ok_or_else(|| unreadable(&waiting.id, "it has no public part"));
            }
            let ordinal = set.next_ordinal(&rows, alg);
            let place = Place { ordinal, now, active_from: self.takes_over(set, alg, &rows, now) };
            let row = match made.take() {
                Some(before) => KeyRow { ordinal, active_from: place.active_from, ..before },
                None => make_signing(&self.0.system, set.name(), alg, kid, place).await?,
            };
            if store.insert_key(&row).await? {
                tracing::info!(kid = row.id, set = row.key_set, alg = row.alg, active_from = %row.active_from, "a key was made");
                self.read(&one, store, &self.0.needed, now).await?;
                return public(&row)?.ok_or_else(|| unreadable(&row.id, "it has no public part"));
            }
            made = Some(row);
        }
        Err(store::Error::Busy.into())
    }

    /// Adds keys that somebody gave us, all or none. Of several for one algorithm the first in the list is the newest. What
    /// a set of the server's has already stays as it is; an operator's key takes the place of one of its name.
    pub async fn import(&self, store: &Store, set: &Set, given: &[GivenKey], now: Timestamp) -> Result<(), Error> {
        check(given)?;
        let one = self.0.one.lock().await;
        for _ in 0..TRIES {
            let rows = store.keys().await?;
            Opened::of(&rows, &self.0.system, self.0.live.load().as_deref(), now)?;
            let mut change = KeyChange::default();
            for (at, key) in given.iter().enumerate().rev() {
                let before = known(set, key, &rows, now).map_err(|error| error.numbered(at))?;
                if before.is_some() && matches!(set, Set::Server(_)) {
                    continue;
                }
                let active_from = self.takes_over(set, key.alg(), &rows, now);
                let place = Place { ordinal: next(set, &rows, &change, key.alg()), now, active_from };
                let row = self.row(set, key, before, place).map_err(|error| error.numbered(at))?;
                change.forget.extend(before.map(|before| before.id.clone()));
                change.add.push(row);
            }
            if self.done(store, set, &change, Action::KeysImported).await? {
                self.read(&one, store, &self.0.needed, now).await?;
                return Ok(());
            }
        }
        Err(store::Error::Busy.into())
    }

    /// Puts keys in the place of all that a set has. In a set of the server's those that are not among them are revoked, and
    /// the first for each algorithm signs from now on; an algorithm that none is left for gets a new one. A key that is
    /// there already may come without its private part; one that waits for its time goes on waiting. What is put back as it
    /// was shown changes nothing.
    pub async fn replace(&self, store: &Store, set: &Set, given: &[GivenKey], now: Timestamp) -> Result<(), Error> {
        check(given)?;
        let action = if given.is_empty() { Action::KeySetRemoved } else { Action::KeySetReplaced };
        let one = self.0.one.lock().await;
        for _ in 0..TRIES {
            let rows = store.keys().await?;
            Opened::of(&rows, &self.0.system, self.0.live.load().as_deref(), now)?;
            if is_as_shown(set, given, &rows, now)? {
                return Ok(());
            }
            let mut change = KeyChange::default();
            for (at, key) in given.iter().enumerate().rev() {
                let before = known(set, key, &rows, now).map_err(|error| error.numbered(at))?;
                let active_from = before.map_or(now, |before| before.active_from.max(now));
                let place = Place { ordinal: next(set, &rows, &change, key.alg()), now, active_from };
                let row = self.row(set, key, before, place).map_err(|error| error.numbered(at))?;
                change.forget.extend(before.map(|before| before.id.clone()));
                change.add.push(row);
            }
            let gone = set.rows(&rows, now).map(|row| row.id.clone()).filter(|id| !change.forget.contains(id));
            let gone: Vec<_> = gone.collect();
            match set {
                Set::Operator(_) => change.forget.extend(gone),
                Set::Server(use_) => {
                    change.revoke = gone;
                    self.fill(*use_, &rows, &mut change, now).await?;
                }
            }
            if self.done(store, set, &change, action).await? {
                self.read(&one, store, &self.0.needed, now).await?;
                return Ok(());
            }
        }
        Err(store::Error::Busy.into())
    }

    /// Takes a key away, for good; in a set of the server's that is a revocation. `false` where there is no such key.
    pub async fn remove(&self, store: &Store, set: &Set, kid: &str, now: Timestamp) -> Result<bool, Error> {
        let rows = store.keys().await?;
        if !set.rows(&rows, now).any(|row| row.id == kid) {
            return Ok(false);
        }
        match set {
            Set::Server(_) => Ok(self.revoke(store, kid, now).await?.is_some()),
            Set::Operator(_) => {
                let one = self.0.one.lock().await;
                let change = KeyChange { forget: vec![kid.to_owned()], ..KeyChange::default() };
                let removed = self.done(store, set, &change, Action::KeyRemoved).await?;
                self.read(&one, store, &self.0.needed, now).await?;
                Ok(removed)
            }
        }
    }

    /// The same for all keys of a set.
    pub async fn remove_all(&self, store: &Store, set: &Set, now: Timestamp) -> Result<bool, Error> {
        let rows = store.keys().await?;
        let is_there = set.rows(&rows, now).next().is_some();
        if is_there {
            self.replace(store, set, &[], now).await?;
        }
        Ok(is_there)
    }

    /// The row that a given key becomes. What it has not of itself, it has from the same key before it.
    fn row(&self, set: &Set, given: &GivenKey, before: Option<&KeyRow>, place: Place) -> Result<KeyRow, Error> {
        let mut row = keep(&self.0.system, set.name(), given, place)?;
        if let Some(before) = before
            && given.pkcs8().is_none()
            && is_same(given, before)?
        {
            row.private_sealed.clone_from(&before.private_sealed);
        }
        if matches!(set, Set::Server(_)) && row.private_sealed.is_empty() {
            return Err(Error::Refused(NO_PRIVATE));
        }
        Ok(row)
    }

    /// A key for each algorithm of the set that the change leaves without one.
    async fn fill(&self, use_: KeyUse, rows: &[KeyRow], change: &mut KeyChange, now: Timestamp) -> Result<(), Error> {
        let of_set = |purpose: &Purpose| matches!(purpose, Purpose::Sign(own, _) if *own == use_);
        for purpose in Purpose::all(rows).into_iter().filter(of_set) {
            if change.add.iter().any(|row| row.alg == purpose.alg()) {
                continue;
            }
            let place = Place { ordinal: purpose.next_ordinal(rows), now, active_from: now };
            change.add.push(make(&self.0.system, purpose, place).await?);
        }
        Ok(())
    }

    /// `false` where another was quicker.
    async fn done(&self, store: &Store, set: &Set, change: &KeyChange, action: Action) -> Result<bool, Error> {
        if change.is_empty() {
            return Ok(true);
        }
        let done = store.change_keys(set.name(), change, action).await?;
        if done {
            let kids = |rows: &[KeyRow]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
            let (added, revoked, removed) = (kids(&change.add), &change.revoke, &change.forget);
            tracing::info!(set = set.name(), ?added, ?removed, "a set of keys was changed");
            if !revoked.is_empty() {
                tracing::warn!(set = set.name(), ?revoked, "keys were revoked");
            }
        }
        Ok(done)
    }

    /// When a key that is added now signs: at once where it is the first.
    fn takes_over(&self, set: &Set, alg: Algorithm, rows: &[KeyRow], now: Timestamp) -> Timestamp {
        match set {
            Set::Server(use_) if Purpose::Sign(*use_, alg).newest(rows).is_some() => now + self.0.publish_ahead,
            _ => now,
        }
    }
}

const NO_PRIVATE: jose::Error = jose::Error::Key("it has no private part, and the server is to sign with it");
const TWIN: jose::Error = jose::Error::Key("it or its kid is that of another key");
const BAD_KID: jose::Error = jose::Error::Key("its kid is not 1 to 128 letters, digits and characters of -._~:@+=");

/// The successor that waits for its time in a set of the server's.
fn waiting<'a>(set: &Set, alg: Algorithm, rows: &'a [KeyRow], now: Timestamp) -> Option<&'a KeyRow> {
    let Set::Server(use_) = set else { return None };
    Purpose::Sign(*use_, alg).newest(rows).filter(|newest| newest.active_from > now)
}

/// The key of this name that the given one is, or whose place it takes. One that the server signs with is never replaced,
/// and never comes under a second name, or for a second algorithm (RFC 8725 section 3.1); not even if it was revoked.
fn known<'a>(set: &Set, given: &GivenKey, rows: &'a [KeyRow], now: Timestamp) -> Result<Option<&'a KeyRow>, Error> {
    let is_servers = matches!(set, Set::Server(_));
    let thumbprint = given.public_jwk().thumbprint();
    for row in
        rows.iter().filter(|row| row.id != given.kid() && matches!(Set::read(&row.key_set), Some(Set::Server(_))))
    {
        if is_servers && public(row)?.and_then(|other| other.thumbprint()) == thumbprint {
            return Err(Error::Refused(TWIN));
        }
    }
    let Some(row) = rows.iter().find(|row| row.id == given.kid()) else { return Ok(None) };
    let is_own = row.key_set == set.name() && !row.is_revoked();
    if is_own && (!is_servers || (is_same(given, row)? && in_force(row, now))) {
        return Ok(Some(row));
    }
    Err(Error::Taken)
}

fn is_same(given: &GivenKey, row: &KeyRow) -> Result<bool, Error> {
    Ok(public(row)?.as_ref() == Some(given.public_jwk()))
}

/// Whether these are the keys that the set has, in the order in which it is shown.
fn is_as_shown(set: &Set, given: &[GivenKey], rows: &[KeyRow], now: Timestamp) -> Result<bool, Error> {
    let mut shown: Vec<_> = set.rows(rows, now).collect();
    shown.sort_by(|a, b| newest_first(a, b));
    if given.is_empty() || given.len() != shown.len() {
        return Ok(false);
    }
    for (given, row) in given.iter().zip(shown) {
        if given.kid() != row.id || !is_same(given, row)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The ordinal after those of the rows and of the change.
fn next(set: &Set, rows: &[KeyRow], change: &KeyChange, alg: Algorithm) -> i64 {
    let added = change.add.iter().filter(|row| row.alg == alg.as_str()).count();
    set.next_ordinal(rows, alg) + i64::try_from(added).unwrap_or(0)
}

fn check(given: &[GivenKey]) -> Result<(), Error> {
    for (at, key) in given.iter().enumerate() {
        if !is_name(key.kid()) {
            return Err(refused(at, BAD_KID));
        }
        let thumbprint = key.public_jwk().thumbprint();
        for other in &given[..at] {
            if other.kid() == key.kid() || other.public_jwk().thumbprint() == thumbprint {
                return Err(refused(at, TWIN));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{REQUEST_OBJECT_SET, SEAL_SET};

    #[test]
    fn the_sets_of_the_server_are_told_from_an_operators() {
        assert_eq!(Set::read(ID_TOKEN_SET), Some(Set::Server(KeyUse::IdToken)));
        assert_eq!(Set::read(ACCESS_TOKEN_SET), Some(Set::Server(KeyUse::AccessToken)));
        for name in ["mine", "hydra.https-tls", "a:b@c", "..a"] {
            assert_eq!(Set::read(name), Some(Set::Operator(name.to_owned())));
        }
        for name in [SEAL_SET, REQUEST_OBJECT_SET, "hydrant.of-the-future", "", ".", "..", "a/b", "a b", "é"] {
            assert_eq!(Set::read(name), None, "{name}");
        }
        for name in [ID_TOKEN_SET, ACCESS_TOKEN_SET, "mine"] {
            assert_eq!(Set::read(name).unwrap().name(), name);
        }
    }

    /// JK-08.
    #[test]
    fn jk_08_a_name_is_short_and_plain() {
        for name in ["k", "public:hydra.openid.id-token", "2f4c1d1e-7f5a-4d7b-9f0e-0b7a1c2d3e4f", "-A_b~9+="] {
            assert!(is_name(name), "{name}");
        }
        let (longest, longer) = ("k".repeat(128), "k".repeat(129));
        assert!(is_name(&longest) && !is_name(&longer));
        for name in ["", "..", "../x", "a/b", "a\\b", "a b", "a\"b", "a'b", "a%2fb", "a\0", "a\n", "kéy"] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}

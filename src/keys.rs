//! The keys in force: made when they are first needed, shared by all replicas, published before they sign.

mod listed;
mod live;
mod make;
mod purpose;
mod rotation;
mod set;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

pub use listed::Listed;
pub use live::Live;
pub use purpose::{ACCESS_TOKEN_SET, ID_TOKEN_SET, KeyUse, Purpose, REQUEST_OBJECT_SET, SEAL_SET, SETS, is_name};
pub use rotation::{Revoked, Rotated, Successor};
pub use set::{Set, read};

use crate::clock::{Clock, Timestamp};
use crate::config::{AccessTokenStrategy, Config};
use crate::jose::{self, Algorithm, KeyManagement};
use crate::oauth::{self, ErrorCode};
use crate::seal::SystemSeal;
use crate::store::key::KeyRow;
use crate::store::{self, Store};
use live::Opened;
use make::{Place, make};

/// How long at most a change is not noticed that nobody tells us of.
const LISTEN: Duration = Duration::from_secs(30);

/// How long a request waits for others that have keys made. Making one takes a tenth of a second, if the database answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often at most strangers can make us read the keys.
const STRANGERS_PAUSE: Duration = Duration::from_secs(5);

/// Why the keys can not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(
        "secrets.system: none of the secrets given opens the key {id} of the set {key_set}; \
         put the secret that it was sealed under back into the list (the first seals, all of them open)"
    )]
    Sealed { id: String, key_set: String },
    #[error("the key {id} can not be read: {reason}")]
    Unreadable { id: String, reason: String },
    #[error("a key could not be made: {0}")]
    NotMade(jose::Error),
    #[error("the set {set} has no key for {alg} yet; one is made when it is first needed")]
    NoSuccession { set: &'static str, alg: &'static str },
    #[error("the kid is that of another key, or of one that was revoked")]
    Taken,
    #[error("the key can not be taken: {0}")]
    Refused(jose::Error),
    #[error("key {number} of the set can not be taken: {why}")]
    RefusedAt {
        /// From 1.
        number: usize,
        why: jose::Error,
    },
}

impl Error {
    /// Where only one key was given, its number says nothing.
    #[must_use]
    pub fn of_one(self) -> Self {
        match self {
            Self::RefusedAt { why, .. } => Self::Refused(why),
            other => other,
        }
    }

    /// Where several were given: which of them, from 0.
    #[must_use]
    fn numbered(self, at: usize) -> Self {
        match self {
            Self::Refused(why) => Self::RefusedAt { number: at + 1, why },
            other => other,
        }
    }
}

impl From<Error> for oauth::Error {
    /// What is not wrong with a key that an operator gave us is nobody's fault who asks, and may be over in a moment: 503.
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => Self::unavailable(error),
            Error::Taken => ErrorCode::Conflict.because("The kid is that of another key, or of one that was revoked."),
            Error::Refused(why) => ErrorCode::InvalidRequest.because(format!("The key can not be taken: {why}.")),
            Error::RefusedAt { number, why } => {
                ErrorCode::InvalidRequest.because(format!("Key {number} of the set can not be taken: {why}."))
            }
            other => unusable(other),
        }
    }
}

fn unusable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> oauth::Error {
    ErrorCode::TemporarilyUnavailable
        .because("The server can not use its keys at the moment. Please try again.")
        .retry_after(2)
        .caused_by(source)
}

/// The key manager. Cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    live: ArcSwapOption<Live>,
    system: SystemSeal,
    /// The operator's sets that are published with ours.
    broadcast: Vec<String>,
    /// How long JWKS may be cached.
    max_age: Duration,
    /// How long a key is published before it signs.
    publish_ahead: Duration,
    /// How long a key is in use; `None`: until somebody rotates it.
    interval: Option<Duration>,
    /// How long what is signed has to verify, clients' own lifespans aside.
    signature_life: Duration,
    /// The same for ID tokens, which come back as hints for as long as a session lasts.
    hint_life: Duration,
    /// The same for what is sealed.
    sealed_life: Duration,
    /// What this server needs from its start on.
    needed: Vec<Purpose>,
    /// One reads or makes keys at a time: what was read earlier must not take the place of what was read later, and what
    /// many need at once is made once.
    one: Mutex<()>,
    /// When a stranger's key id last made us read the keys, and whether they could be read.
    reloaded: Mutex<Option<(Instant, bool)>>,
}

impl Keys {
    pub fn new(config: &Config) -> Self {
        let ttl = &config.ttl;
        Self(Arc::new(Inner {
            live: ArcSwapOption::empty(),
            system: SystemSeal::new(&config.secrets.system),
            broadcast: config.keys.broadcast.clone(),
            max_age: config.keys.max_age,
            publish_ahead: config.keys.publish_ahead,
            interval: config.keys.rotation_interval,
            needed: needed(config),
            signature_life: ttl.id_token.max(ttl.access_token),
            hint_life: ttl.id_token.max(ttl.authentication_session).max(config.accounts.unremembered_session),
            sealed_life: ttl
                .grant
                .max(ttl.access_token)
                .max(ttl.authentication_session)
                .max(config.accounts.unremembered_session),
            one: Mutex::new(()),
            reloaded: Mutex::new(None),
        }))
    }

    /// The keys, or 503 while the database has not been reached yet.
    pub fn live(&self) -> oauth::Result<Arc<Live>> {
        self.0.live.load_full().ok_or_else(|| oauth::Error::unavailable("the keys have not been read yet"))
    }

    pub fn max_age(&self) -> Duration {
        self.0.max_age
    }

    /// What seals under `secrets.system`.
    pub fn system(&self) -> &SystemSeal {
        &self.0.system
    }

    /// Reads the keys, and makes what is missing. Of several replicas that start on an empty database at once, one makes
    /// each key and the others find it.
    pub async fn load(&self, store: &Store, now: Timestamp) -> Result<(), Error> {
        let one = self.0.one.lock().await;
        self.read(&one, store, &self.0.needed, now).await.map(drop)
    }

    /// Keys among which there is one that signs this: made now where nobody has needed one before. However many ask at
    /// once, on however many replicas, one is made.
    ///
    /// Called where a client registers that will need it, so that the key is published for as long as possible before it
    /// signs; and before a token is signed, where anything that can be spent once has not been spent yet.
    pub async fn ensure(
        &self,
        store: &Store,
        use_: KeyUse,
        alg: Algorithm,
        now: Timestamp,
    ) -> oauth::Result<Arc<Live>> {
        self.ensure_any(store, Purpose::Sign(use_, alg), now).await
    }

    /// The same for a key that clients encrypt request objects to.
    pub async fn ensure_decryption(
        &self,
        store: &Store,
        alg: KeyManagement,
        now: Timestamp,
    ) -> oauth::Result<Arc<Live>> {
        self.ensure_any(store, Purpose::Decrypt(alg), now).await
    }

    async fn ensure_any(&self, store: &Store, purpose: Purpose, now: Timestamp) -> oauth::Result<Arc<Live>> {
        let live = self.live()?;
        if live.has(purpose) {
            return Ok(live);
        }
        let one = tokio::time::timeout(PATIENCE, self.0.one.lock()).await;
        let one = one.map_err(|_| unusable("others have been waiting for the keys for too long"))?;
        let live = self.live()?;
        if live.has(purpose) {
            return Ok(live);
        }
        Ok(self.read(&one, store, &[purpose], now).await?)
    }

    /// Seals what is under an older one of `secrets.system` under the first, so that the older one can go; how many.
    pub async fn reseal(&self, store: &Store) -> Result<usize, store::Error> {
        let mut resealed = 0;
        for row in store.keys().await?.iter().filter(|row| !row.private_sealed.is_empty()) {
            let identity = row_identity(&row.key_set, &row.id);
            if let Ok(Some(anew)) = self.0.system.reseal(&identity, &row.private_sealed) {
                store.reseal_key(&row.id, &row.private_sealed, &anew).await?;
                resealed += 1;
            }
        }
        Ok(resealed)
    }

    /// Keeps the keys as the database has them and as the schedule wants them: at once when a replica has changed them,
    /// and otherwise often enough that a new key is published here well before it signs anywhere.
    pub async fn follow(self, store: Store, clock: Clock) {
        let pause = self.0.max_age.min(LISTEN);
        loop {
            let _ = tokio::time::timeout(pause, store.keys_changed()).await;
            let one = self.0.one.lock().await;
            let read = self.read(&one, &store, &self.0.needed, clock.now()).await;
            drop(one);
            if let Err(error) = read {
                tracing::warn!(%error, "the keys could not be read again; those in memory stay in force");
            } else if let Err(error) = self.tend(&store, clock.now()).await {
                tracing::warn!(%error, "the keys could not be rotated; the next attempt follows");
            }
        }
    }

    /// The keys to try again with, because a string names one that is not among `seen`; `None` where there are no others.
    /// They are not read more often than every few seconds, whatever strangers send; and where they can not be read,
    /// nobody knows whether the string is ours: that is 503, and never "not ours".
    pub async fn other_than(
        &self,
        seen: &Arc<Live>,
        store: &Store,
        now: Timestamp,
    ) -> oauth::Result<Option<Arc<Live>>> {
        let mut reloaded = self.0.reloaded.lock().await;
        let others = |live: Arc<Live>| (!Arc::ptr_eq(&live, seen)).then_some(live);
        if let Some(others) = others(self.live()?) {
            // Somebody else has read them meanwhile.
            return Ok(Some(others));
        }
        match *reloaded {
            Some((at, true)) if at.elapsed() < STRANGERS_PAUSE => return Ok(None),
            Some((at, false)) if at.elapsed() < STRANGERS_PAUSE => {
                return Err(unusable("the keys could not be read a moment ago"));
            }
            _ => {}
        }
        let read = self.load(store, now).await;
        *reloaded = Some((Instant::now(), read.is_ok()));
        read?;
        Ok(others(self.live()?))
    }

    /// Reads the keys, makes those that are needed, and puts them in force.
    async fn read(
        &self,
        _one: &MutexGuard<'_, ()>,
        store: &Store,
        needed: &[Purpose],
        now: Timestamp,
    ) -> Result<Arc<Live>, Error> {
        let Inner { system, live, .. } = &*self.0;
        // What is missing the server makes for itself, whoever was the occasion.
        let store = &store.by_itself();
        let mut rows = store.keys().await?;
        // A succession never ends: where its last key was revoked and whoever did that came no further, it goes on here.
        let missing = |rows: &[KeyRow]| -> Option<Purpose> {
            let mut all = needed.iter().copied().chain(Purpose::all(rows));
            all.find(|purpose| purpose.newest(rows).is_none())
        };
        let mut opened = false;
        while let Some(purpose) = missing(&rows) {
            if !opened {
                // Under a secret that does not open the others no key is made.
                Opened::of(&rows, system, live.load().as_deref(), now)?;
                opened = true;
            }
            let place = Place { ordinal: purpose.next_ordinal(&rows), now, active_from: now };
            let made = make(system, purpose, place).await?;
            if store.insert_key(&made).await? {
                tracing::info!(kid = made.id, set = made.key_set, alg = made.alg, "a key was made");
            }
            rows = store.keys().await?;
        }
        let read = Arc::new(Live::open(&rows, system, &self.0.broadcast, live.load().as_deref(), now)?);
        live.store(Some(Arc::clone(&read)));
        Ok(read)
    }
}

/// What this server needs from its start on; all else is made when it is needed. JWT access tokens are checked by resource
/// servers with a cache of their own, so their key is published before the first of them is signed.
fn needed(config: &Config) -> Vec<Purpose> {
    let strategies = &config.strategies;
    let jwt = (strategies.access_token == AccessTokenStrategy::Jwt).then(|| strategies.access_token_alg.parse().ok());
    let access_token = jwt.flatten().map(|alg| Purpose::Sign(KeyUse::AccessToken, alg));
    Purpose::AT_FIRST_START.into_iter().chain(access_token).collect()
}

/// What a sealed private key is bound to: moved to another row it does not open.
fn row_identity(set: &str, id: &str) -> String {
    format!("keys/{set}/{id}")
}

fn unreadable(id: &str, reason: impl std::fmt::Display) -> Error {
    Error::Unreadable { id: id.to_owned(), reason: format!("{reason}") }
}

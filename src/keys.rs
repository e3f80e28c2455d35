//! The keys in force: made at the first start, shared by all replicas, published before they sign.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::jose::{self, Algorithm, Expect, Jwk, KeySet, SigningKey};
use crate::oauth;
use crate::seal::{Sealer, SealingKey, SystemSeal};
use crate::secret;
use crate::store::key::KeyRow;
use crate::store::{self, Store};

/// Hydra's name for the set that signs ID tokens.
pub const ID_TOKEN_SET: &str = "hydra.openid.id-token";
/// The keys that seal tokens, codes, challenges and cookies.
pub const SEAL_SET: &str = "hydrant.seal";

const SEAL_ALG: &str = "A256GCMSIV";

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
}

/// The key manager. Cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    live: ArcSwapOption<Live>,
    system: SystemSeal,
    /// How long JWKS may be cached; a key is published twice as long before it signs.
    max_age: Duration,
    /// How long a signature of ours has to verify.
    signature_life: Duration,
    /// One reads the keys at a time: what was read earlier must not take the place of what was read later.
    loading: Mutex<()>,
    /// When a stranger's key id last made us read the keys.
    reloaded: Mutex<Option<Instant>>,
}

/// The keys as they stood when they were last read.
pub struct Live {
    pub sealer: Sealer,
    signing: Vec<Signing>,
    published: KeySet,
    /// The body of `/.well-known/jwks.json`.
    pub jwks: Bytes,
    pub etag: String,
}

struct Signing {
    key: SigningKey,
    active_from: Timestamp,
}

/// What an operator may see of a key.
#[derive(Clone, Debug, serde::Serialize)]
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
    pub fn new(config: &Config) -> Self {
        Self(Arc::new(Inner {
            live: ArcSwapOption::empty(),
            loading: Mutex::new(()),
            system: SystemSeal::new(&config.secrets.system),
            max_age: config.keys.max_age,
            signature_life: config.ttl.id_token.max(config.ttl.access_token),
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
        self.load_as_of(store, || now).await
    }

    async fn load_as_of(&self, store: &Store, now: impl FnOnce() -> Timestamp) -> Result<(), Error> {
        let _one = self.0.loading.lock().await;
        let now = now();
        let mut rows = store.keys().await?;
        for (set, alg) in [(SEAL_SET, SEAL_ALG), (ID_TOKEN_SET, Algorithm::Rs256.as_str())] {
            if !rows.iter().any(|row| row.key_set == set && row.alg == alg && row.retire_at.is_none()) {
                let made = self.make(set, alg, next_ordinal(&rows, set, alg), now, now).await?;
                store.insert_key(&made, None).await?;
                rows = store.keys().await?;
            }
        }
        let live = self.open(&rows, now)?;
        self.0.live.store(Some(Arc::new(live)));
        Ok(())
    }

    /// Keeps the keys as the database has them: at once when a replica has changed them, and every half minute.
    pub async fn follow(self, store: Store, clock: Clock) {
        loop {
            let _ = tokio::time::timeout(Duration::from_secs(30), store.keys_changed()).await;
            if let Err(error) = self.load_as_of(&store, || clock.now()).await {
                tracing::warn!(%error, "the keys could not be read again; those in memory stay in force");
            }
        }
    }

    /// Reads the keys because a string names one that is not here; not more often than every few seconds, whatever
    /// strangers send.
    pub async fn reload_for_stranger(&self, store: &Store, now: Timestamp) -> bool {
        let mut reloaded = self.0.reloaded.lock().await;
        if reloaded.is_some_and(|at| at.elapsed() < Duration::from_secs(5)) {
            return false;
        }
        *reloaded = Some(Instant::now());
        self.load(store, now).await.is_ok()
    }

    /// Adds a successor to a set: published now, in use once every cache has had the time to see it. What was signed
    /// before verifies until it has expired. `false` where another process has just done so.
    pub async fn rotate(&self, store: &Store, set: &str, now: Timestamp) -> Result<bool, Error> {
        let rows = store.keys().await?;
        let alg = if set == SEAL_SET { SEAL_ALG } else { Algorithm::Rs256.as_str() };
        let active_from = now + self.0.max_age * 2;
        let made = self.make(set, alg, next_ordinal(&rows, set, alg), now, active_from).await?;
        // Sealed strings live as long as a grant: their old keys stay.
        let retire_at = (set != SEAL_SET).then(|| active_from + self.0.signature_life + Duration::from_hours(1));
        Ok(store.insert_key(&made, retire_at).await?)
    }

    /// Every key, newest first in its set.
    pub async fn list(&self, store: &Store, now: Timestamp) -> Result<Vec<Listed>, Error> {
        let rows = store.keys().await?;
        Ok(rows
            .iter()
            .map(|row| Listed {
                kid: row.id.clone(),
                set: row.key_set.clone(),
                alg: row.alg.clone(),
                created_at: row.created_at.rfc3339(),
                active_from: row.active_from.rfc3339(),
                retire_at: row.retire_at.map(Timestamp::rfc3339),
                state: state(row, &rows, now),
            })
            .collect())
    }

    async fn make(
        &self,
        set: &str,
        alg: &str,
        ordinal: i64,
        now: Timestamp,
        active_from: Timestamp,
    ) -> Result<KeyRow, Error> {
        let (id, private, public) = if set == SEAL_SET {
            let key = Zeroizing::new(secret::random::<32>());
            (URL_SAFE_NO_PAD.encode(secret::random::<12>()), Zeroizing::new(key.to_vec()), None)
        } else {
            let alg: Algorithm =
                alg.parse().map_err(|_| Error::NotMade(jose::Error::Key("the algorithm is not known")))?;
            // Some 70 ms of computing for RSA: not on a thread that serves requests.
            let made = tokio::task::spawn_blocking(move || SigningKey::generate(alg)).await;
            let (key, private) =
                made.map_err(|_| Error::NotMade(jose::Error::Key("interrupted")))?.map_err(Error::NotMade)?;
            let public = serde_json::to_string(&key.public_jwk()).map_err(|error| unreadable(key.kid(), error))?;
            (key.kid().to_owned(), private, Some(public))
        };
        Ok(KeyRow {
            private_sealed: self.0.system.seal(&row_identity(set, &id), &private),
            id,
            key_set: set.to_owned(),
            ordinal,
            key_use: if set == SEAL_SET { "seal" } else { "sig" }.to_owned(),
            alg: alg.to_owned(),
            public,
            created_at: now,
            active_from,
            retire_at: None,
        })
    }

    fn open(&self, rows: &[KeyRow], now: Timestamp) -> Result<Live, Error> {
        let in_force = || rows.iter().filter(|row| row.retire_at.is_none_or(|at| at > now));
        let mut sealing = Vec::new();
        let mut signing = Vec::new();
        let mut published: Vec<Jwk> = Vec::new();
        for row in in_force() {
            let private = self
                .0
                .system
                .open(&row_identity(&row.key_set, &row.id), &row.private_sealed)
                .ok_or_else(|| Error::Sealed { id: row.id.clone(), key_set: row.key_set.clone() })?;
            if row.key_set == SEAL_SET {
                let key: &[u8; 32] = private.as_slice().try_into().map_err(|_| unreadable(&row.id, "not 32 bytes"))?;
                sealing.push((row.active_from, SealingKey::new(key)));
            } else {
                let alg: Algorithm = row.alg.parse().map_err(|_| unreadable(&row.id, "unknown algorithm"))?;
                let key = SigningKey::from_pkcs8(alg, &private).map_err(|error| unreadable(&row.id, error))?;
                published.push(key.public_jwk());
                signing.push(Signing { key, active_from: row.active_from });
            }
        }
        // Newest first, but what is not in use yet comes last: it opens, and does not seal.
        sealing.sort_by_key(|(active_from, _)| (*active_from > now, std::cmp::Reverse(*active_from)));
        signing.sort_by_key(|signing| std::cmp::Reverse(signing.active_from));
        if sealing.is_empty() || signing.is_empty() {
            return Err(unreadable("(none)", "there is no key in force"));
        }
        let published = KeySet::new(published);
        let jwks = serde_json::to_vec(&published).map_err(|error| unreadable("(jwks)", error))?;
        Ok(Live {
            sealer: Sealer::new(sealing.into_iter().map(|(_, key)| key).collect()),
            signing,
            published,
            etag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(secret::sha256(&jwks))),
            jwks: jwks.into(),
        })
    }
}

impl Live {
    /// The key that signs now.
    pub fn signer(&self, now: Timestamp) -> &SigningKey {
        let current = self.signing.iter().find(|signing| signing.active_from <= now);
        &current.unwrap_or(&self.signing[self.signing.len() - 1]).key
    }

    /// Verifies an ID token of ours, whatever its age, by any published key.
    pub fn verify_id_token(&self, token: &str) -> Result<serde_json::Map<String, serde_json::Value>, jose::Refusal> {
        let expect = Expect { algs: &[Algorithm::Rs256], typ: &["JWT"], typ_optional: true };
        self.published.verify(token, &expect).map(|verified| verified.claims)
    }
}

fn next_ordinal(rows: &[KeyRow], set: &str, alg: &str) -> i64 {
    rows.iter().filter(|row| row.key_set == set && row.alg == alg).map(|row| row.ordinal).max().unwrap_or(0) + 1
}

/// What a sealed private key is bound to: moved to another row it does not open.
fn row_identity(set: &str, id: &str) -> String {
    format!("keys/{set}/{id}")
}

fn unreadable(id: &str, reason: impl std::fmt::Display) -> Error {
    Error::Unreadable { id: id.to_owned(), reason: format!("{reason}") }
}

fn state(row: &KeyRow, rows: &[KeyRow], now: Timestamp) -> &'static str {
    let newest_active = rows
        .iter()
        .filter(|other| other.key_set == row.key_set && other.alg == row.alg && other.active_from <= now)
        .map(|other| other.ordinal)
        .max();
    if row.retire_at.is_some_and(|at| at <= now) {
        "retired"
    } else if row.active_from > now {
        "published"
    } else if newest_active == Some(row.ordinal) {
        "active"
    } else {
        "verifying"
    }
}

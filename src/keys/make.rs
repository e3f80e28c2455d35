//! A new key, as the row that keeps it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{Error, Purpose, row_identity, unreadable};
use crate::clock::Timestamp;
use crate::jose::{self, Algorithm, DecryptionKey, GivenKey, Jwk, SigningKey};
use crate::seal::SystemSeal;
use crate::secret;
use crate::store::key::KeyRow;

/// The `key_use` of keys that sign.
pub(super) const SIG: &str = "sig";

/// Where a key stands in its succession, and from when on.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub ordinal: i64,
    pub now: Timestamp,
    pub active_from: Timestamp,
}

/// Makes a key; nothing is kept of it but what is returned.
pub(super) async fn make(system: &SystemSeal, purpose: Purpose, place: Place) -> Result<KeyRow, Error> {
    let (set, alg, key_use) = (purpose.set(), purpose.alg(), purpose.key_use());
    match purpose {
        Purpose::Seal => {
            let key = Zeroizing::new(secret::random::<32>());
            let id = URL_SAFE_NO_PAD.encode(secret::random::<12>());
            Ok(KeyRow {
                private_sealed: system.seal(&row_identity(set, &id), key.as_slice()),
                id,
                key_set: set.to_owned(),
                ordinal: place.ordinal,
                key_use: key_use.to_owned(),
                alg: alg.to_owned(),
                public: None,
                created_at: place.now,
                active_from: place.active_from,
                retire_at: None,
            })
        }
        Purpose::Sign(_, alg) => make_signing(system, set, alg, None, place).await,
        Purpose::Decrypt(alg) => {
            let (key, private) = compute(move || DecryptionKey::generate(alg)).await?;
            row(system, set, key_use, &key.public_jwk(), Some(&private), place)
        }
    }
}

/// The same for a key that signs, in a set of any name, and with a name that somebody may have chosen.
pub(super) async fn make_signing(
    system: &SystemSeal,
    set: &str,
    alg: Algorithm,
    kid: Option<&str>,
    place: Place,
) -> Result<KeyRow, Error> {
    let (key, private) = compute(move || SigningKey::generate(alg)).await?;
    let mut public = key.public_jwk();
    if let Some(kid) = kid {
        public.kid = Some(kid.to_owned());
    }
    row(system, set, SIG, &public, Some(&private), place)
}

/// A key that somebody gave us.
pub(super) fn keep(system: &SystemSeal, set: &str, given: &GivenKey, place: Place) -> Result<KeyRow, Error> {
    row(system, set, SIG, given.public_jwk(), given.pkcs8(), place)
}

fn row(
    system: &SystemSeal,
    set: &str,
    key_use: &str,
    public: &Jwk,
    private: Option<&[u8]>,
    place: Place,
) -> Result<KeyRow, Error> {
    let id = public.kid.clone().unwrap_or_default();
    Ok(KeyRow {
        public: Some(serde_json::to_string(public).map_err(|error| unreadable(&id, error))?),
        private_sealed: private.map(|private| system.seal(&row_identity(set, &id), private)).unwrap_or_default(),
        key_set: set.to_owned(),
        ordinal: place.ordinal,
        key_use: key_use.to_owned(),
        alg: public.alg.clone().unwrap_or_default(),
        created_at: place.now,
        active_from: place.active_from,
        retire_at: None,
        id,
    })
}

/// Some 70 ms of computing for RSA: not on a thread that serves requests.
async fn compute<K: Send + 'static>(
    generate: impl FnOnce() -> jose::Result<(K, Zeroizing<Vec<u8>>)> + Send + 'static,
) -> Result<(K, Zeroizing<Vec<u8>>), Error> {
    let made = tokio::task::spawn_blocking(generate).await;
    made.map_err(|_| Error::NotMade(jose::Error::Key("interrupted")))?.map_err(Error::NotMade)
}

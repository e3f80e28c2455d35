//! A new key, as the row that keeps it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{Error, Purpose, row_identity, unreadable};
use crate::clock::Timestamp;
use crate::jose::{self, DecryptionKey, SigningKey};
use crate::seal::SystemSeal;
use crate::secret;
use crate::store::key::KeyRow;

/// Makes a key; nothing is kept of it but what is returned.
pub(super) async fn make(
    system: &SystemSeal,
    purpose: Purpose,
    ordinal: i64,
    now: Timestamp,
    active_from: Timestamp,
) -> Result<KeyRow, Error> {
    let (id, private, public) = match purpose {
        Purpose::Seal => {
            let key = Zeroizing::new(secret::random::<32>());
            (URL_SAFE_NO_PAD.encode(secret::random::<12>()), Zeroizing::new(key.to_vec()), None)
        }
        Purpose::Sign(_, alg) => {
            let (key, private) = compute(move || SigningKey::generate(alg)).await?;
            (key.kid().to_owned(), private, Some(key.public_jwk()))
        }
        Purpose::Decrypt(alg) => {
            let (key, private) = compute(move || DecryptionKey::generate(alg)).await?;
            (key.kid().to_owned(), private, Some(key.public_jwk()))
        }
    };
    let public = public.map(|jwk| serde_json::to_string(&jwk)).transpose();
    Ok(KeyRow {
        public: public.map_err(|error| unreadable(&id, error))?,
        private_sealed: system.seal(&row_identity(purpose.set(), &id), &private),
        id,
        key_set: purpose.set().to_owned(),
        ordinal,
        key_use: purpose.key_use().to_owned(),
        alg: purpose.alg().to_owned(),
        created_at: now,
        active_from,
        retire_at: None,
    })
}

/// Some 70 ms of computing for RSA: not on a thread that serves requests.
async fn compute<K: Send + 'static>(
    generate: impl FnOnce() -> jose::Result<(K, Zeroizing<Vec<u8>>)> + Send + 'static,
) -> Result<(K, Zeroizing<Vec<u8>>), Error> {
    let made = tokio::task::spawn_blocking(generate).await;
    made.map_err(|_| Error::NotMade(jose::Error::Key("interrupted")))?.map_err(Error::NotMade)
}

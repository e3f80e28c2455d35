//! A new key, as the row that keeps it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{Error, Purpose, row_identity, unreadable};
use crate::clock::Timestamp;
use crate::jose::{self, SigningKey};
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
            // Some 70 ms of computing for RSA: not on a thread that serves requests.
            let made = tokio::task::spawn_blocking(move || SigningKey::generate(alg)).await;
            let (key, private) =
                made.map_err(|_| Error::NotMade(jose::Error::Key("interrupted")))?.map_err(Error::NotMade)?;
            let public = serde_json::to_string(&key.public_jwk()).map_err(|error| unreadable(key.kid(), error))?;
            (key.kid().to_owned(), private, Some(public))
        }
    };
    Ok(KeyRow {
        private_sealed: system.seal(&row_identity(purpose.set(), &id), &private),
        id,
        key_set: purpose.set().to_owned(),
        ordinal,
        key_use: purpose.key_use().to_owned(),
        alg: purpose.alg().to_owned(),
        public,
        created_at: now,
        active_from,
        retire_at: None,
    })
}

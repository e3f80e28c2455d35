//! The keys as they stood when they were last read: what signs, what verifies, what is published.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use super::set::is_operators;
use super::{Error, KeyUse, Purpose, row_identity, unreadable};
use crate::clock::Timestamp;
use crate::jose::{
    Algorithm, ContentEncryption, Decrypted, DecryptionKey, Expect, Jwk, KeyManagement, KeySet, Refusal, SigningKey,
    peek,
};
use crate::seal::{Sealer, SealingKey, SystemSeal};
use crate::secret;
use crate::store::key::KeyRow;

/// The keys in force. Nothing in it changes; a change of keys is another of it.
pub struct Live {
    pub sealer: Sealer,
    /// Newest first in their succession.
    signing: Vec<Signing>,
    /// Newest first.
    decrypting: Vec<Arc<DecryptionKey>>,
    id_token: KeySet,
    access_token: KeySet,
    /// The body of `/.well-known/jwks.json`.
    pub jwks: Bytes,
    pub etag: String,
}

struct Signing {
    key: Arc<SigningKey>,
    use_: KeyUse,
    active_from: Timestamp,
}

impl Live {
    /// The key that signs now; `None` where nobody has needed one of this use and algorithm yet (`Keys::ensure`).
    pub fn signer(&self, use_: KeyUse, alg: Algorithm, now: Timestamp) -> Option<&SigningKey> {
        let mut oldest = None;
        for signing in self.signing.iter().filter(|signing| signing.use_ == use_ && signing.key.alg() == alg) {
            if signing.active_from <= now {
                return Some(&signing.key);
            }
            oldest = Some(&*signing.key);
        }
        // By our clock none is in use yet: a replica whose clock is ahead has made the first, or ours was set back.
        oldest
    }

    /// Verifies an ID token of ours, whatever its age, by any published key that signs ID tokens. Where the refusal
    /// `is_unknown_key()` another replica may have signed with a key that has not been read here yet.
    pub fn verify_id_token(&self, token: &str) -> Result<Map<String, Value>, Refusal> {
        let expect = Expect { algs: &Algorithm::ALL, typ: &["JWT"], typ_optional: true };
        self.id_token.verify(token, &expect).map(|verified| verified.claims)
    }

    /// The same for a JWT access token (RFC 9068 section 4), by the keys that sign those.
    pub fn verify_access_token(&self, token: &str) -> Result<Map<String, Value>, Refusal> {
        let expect = Expect { algs: &Algorithm::ALL, typ: &["at+jwt"], typ_optional: false };
        self.access_token.verify(token, &expect).map(|verified| verified.claims)
    }

    /// Every key that decrypts request objects, those that are not published any more among them; newest first.
    pub fn decryption_keys(&self) -> impl Iterator<Item = &DecryptionKey> {
        self.decrypting.iter().map(|key| &**key)
    }

    /// Decrypts what was encrypted to us: by the key that it names, else by any of its algorithm. Where the refusal
    /// `is_unknown_key()` another replica may have published a key that has not been read here yet.
    pub fn decrypt(&self, token: &str) -> Result<Decrypted, Refusal> {
        let header = peek(token)?;
        if header.alg.parse::<KeyManagement>().is_err() {
            return Err(Refusal::because("it is not encrypted in a way of ours"));
        }
        let fits = |key: &&DecryptionKey| match &header.kid {
            Some(kid) => key.kid() == kid,
            None => key.alg().as_str() == header.alg,
        };
        let mut outcome = Err(Refusal::unknown_key());
        for key in self.decryption_keys().filter(fits) {
            outcome = key.decrypt(token, &ContentEncryption::ALL);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Whether there is any key for this.
    pub(super) fn has(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Seal => true,
            Purpose::Sign(use_, alg) => self.signing.iter().any(|key| key.use_ == use_ && key.key.alg() == alg),
            Purpose::Decrypt(alg) => self.decrypting.iter().any(|key| key.alg() == alg),
        }
    }

    /// Opens the rows in force. What `before` has open already is not opened again.
    pub(super) fn open(
        rows: &[KeyRow],
        system: &SystemSeal,
        broadcast: &[String],
        before: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let Opened { mut sealing, mut signing, mut decrypting, mut operators } = Opened::of(rows, system, before, now)?;
        // The newest in use seals. Where by our clock none is in use yet, the oldest does.
        sealing.sort_by_key(|(row, _)| {
            let waits = row.active_from > now;
            (waits, if waits { row.ordinal } else { -row.ordinal })
        });
        signing.sort_by(|(a, ..), (b, ..)| newest_first(a, b));
        decrypting.sort_by(|(a, _), (b, _)| newest_first(a, b));
        if sealing.is_empty() || signing.is_empty() {
            return Err(unreadable("(none)", "there is no key in force"));
        }
        let of = |use_| KeySet::new(signing.iter().filter(|key| key.1 == use_).map(|key| key.2.public_jwk()).collect());
        let (id_token, access_token) = (of(KeyUse::IdToken), of(KeyUse::AccessToken));
        // Nobody is to encrypt any more to a key that has an end.
        let encrypted_to =
            decrypting.iter().filter(|(row, _)| row.retire_at.is_none()).map(|(_, key)| key.public_jwk());
        operators.retain(|(row, _)| broadcast.contains(&row.key_set));
        operators.sort_by(|(a, _), (b, _)| newest_first(a, b));
        let of_operator = operators.into_iter().map(|(_, key)| key);
        let signed_with = signing.iter().map(|key| key.2.public_jwk());
        let published = Document { keys: signed_with.chain(of_operator).chain(encrypted_to).collect() };
        let jwks = serde_json::to_vec(&published).map_err(|error| unreadable("(jwks)", error))?;
        signing.sort_by_key(|(row, ..)| Reverse(row.ordinal));
        Ok(Self {
            sealer: Sealer::new(sealing.into_iter().map(|(_, key)| key).collect()),
            signing: signing
                .into_iter()
                .map(|(row, use_, key)| Signing { key, use_, active_from: row.active_from })
                .collect(),
            decrypting: decrypting.into_iter().map(|(_, key)| key).collect(),
            id_token,
            access_token,
            etag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(secret::sha256(&jwks))),
            jwks: jwks.into(),
        })
    }

    fn decryption_key(&self, kid: &str, alg: KeyManagement) -> Option<Arc<DecryptionKey>> {
        self.decrypting.iter().find(|key| key.kid() == kid && key.alg() == alg).map(Arc::clone)
    }

    fn signing_key(&self, kid: &str, alg: Algorithm) -> Option<Arc<SigningKey>> {
        self.signing
            .iter()
            .find(|signing| signing.key.kid() == kid && signing.key.alg() == alg)
            .map(|signing| Arc::clone(&signing.key))
    }
}

/// The order in which keys are published: the same on every replica.
pub(super) fn newest_first(a: &KeyRow, b: &KeyRow) -> Ordering {
    let place = |row: &KeyRow| (Reverse(row.created_at), Reverse(row.ordinal));
    place(a).cmp(&place(b)).then_with(|| (&a.key_set, &a.alg).cmp(&(&b.key_set, &b.alg)))
}

fn check_public(key: &Jwk, row: &KeyRow) -> Result<(), Error> {
    let kept: Option<Jwk> = row.public.as_deref().and_then(|text| serde_json::from_str(text).ok());
    if kept.as_ref() == Some(key) { Ok(()) } else { Err(unreadable(&row.id, "it is another key")) }
}

#[derive(Serialize)]
struct Document {
    keys: Vec<Jwk>,
}

/// The rows in force with their private keys.
pub(super) struct Opened<'a> {
    sealing: Vec<(&'a KeyRow, SealingKey)>,
    signing: Vec<(&'a KeyRow, KeyUse, Arc<SigningKey>)>,
    decrypting: Vec<(&'a KeyRow, Arc<DecryptionKey>)>,
    /// Of sets of the operator's: nothing is done with their private keys.
    operators: Vec<(&'a KeyRow, Jwk)>,
}

impl<'a> Opened<'a> {
    pub(super) fn of(
        rows: &'a [KeyRow],
        system: &SystemSeal,
        before: Option<&Live>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let mut opened =
            Self { sealing: Vec::new(), signing: Vec::new(), decrypting: Vec::new(), operators: Vec::new() };
        for row in rows.iter().filter(|row| row.retire_at.is_none_or(|at| at > now)) {
            let open = || {
                system
                    .open(&row_identity(&row.key_set, &row.id), &row.private_sealed)
                    .ok_or_else(|| Error::Sealed { id: row.id.clone(), key_set: row.key_set.clone() })
            };
            match Purpose::of(row) {
                None if is_operators(&row.key_set) => {
                    if !row.private_sealed.is_empty() {
                        open()?;
                    }
                    let public = row.public.as_deref().unwrap_or_default();
                    opened
                        .operators
                        .push((row, serde_json::from_str(public).map_err(|error| unreadable(&row.id, error))?));
                }
                None => {
                    tracing::debug!(
                        kid = row.id,
                        set = row.key_set,
                        alg = row.alg,
                        "a key of a newer version is left alone"
                    );
                }
                Some(Purpose::Seal) => {
                    let private = open()?;
                    let key: &[u8; 32] =
                        private.as_slice().try_into().map_err(|_| unreadable(&row.id, "not 32 bytes"))?;
                    opened.sealing.push((row, SealingKey::new(key)));
                }
                Some(Purpose::Sign(use_, alg)) => {
                    let key = match before.and_then(|before| before.signing_key(&row.id, alg)) {
                        Some(key) => key,
                        None => {
                            let key = SigningKey::named(alg, &open()?, &row.id);
                            Arc::new(key.map_err(|error| unreadable(&row.id, error))?)
                        }
                    };
                    check_public(&key.public_jwk(), row)?;
                    opened.signing.push((row, use_, key));
                }
                Some(Purpose::Decrypt(alg)) => {
                    let key = match before.and_then(|before| before.decryption_key(&row.id, alg)) {
                        Some(key) => key,
                        None => Arc::new(
                            DecryptionKey::from_pkcs8(alg, &open()?).map_err(|error| unreadable(&row.id, error))?,
                        ),
                    };
                    check_public(&key.public_jwk(), row)?;
                    opened.decrypting.push((row, key));
                }
            }
        }
        Ok(opened)
    }
}

//! The secret of a client: made, kept, checked, followed by another, and given back where something is signed with it.
//!
//! Only its hash is kept, unless the secret itself is a key (`client_secret_jwt`, HS256 and its kin): then it rests sealed
//! under `secrets.system`, and there is no hash.

use std::net::IpAddr;

use crate::app::App;
use crate::attempts::{TooMany, household};
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::oauth::client_metadata::{AuthMethod, ClientMetadata};
use crate::oauth::{Error, ErrorCode, Result};
use crate::password::{self, PasswordError};
use crate::secret::{self, Secret, sha256};
use crate::store;
use crate::store::client::{Client, KeptSecret, RotatedSecret, SealedSecret};
use crate::store::db::Json;

/// Enough for every HMAC (RFC 7518 section 3.2).
const KEY_BYTES: usize = 64;

/// How many earlier secrets are good besides the newest, as in Hydra.
const MOST_ROTATED: usize = 5;

/// A new secret, and how it is kept.
pub fn make(app: &App, id: &ClientId, metadata: &ClientMetadata) -> (KeptSecret, Secret) {
    if metadata.needs_secret_back() {
        let secret = Secret::of_random_bytes::<KEY_BYTES>();
        (seal(app, id, &secret), secret)
    } else {
        let secret = Secret::random();
        (KeptSecret::Hashed(Client::hash_of_generated(&secret)), secret)
    }
}

/// How a secret that somebody chose is kept.
pub async fn keep(app: &App, id: &ClientId, metadata: &ClientMetadata, chosen: &Secret) -> Result<KeptSecret> {
    if metadata.needs_secret_back() {
        metadata.check_secret_as_key(chosen.expose())?;
        return Ok(seal(app, id, chosen));
    }
    hash(app, chosen).await.map(KeptSecret::Hashed)
}

/// How a secret is kept of which only a hash has come here, from Hydra for example.
pub fn keep_hash(metadata: &ClientMetadata, hash: &Secret) -> Result<KeptSecret> {
    let refused = |why: String| Err(ErrorCode::InvalidClientMetadata.because(why));
    if metadata.needs_secret_back() {
        return refused("Field client_secret_hash is not enough where the secret itself is a key: its algorithms of the HS family need the client_secret.".to_owned());
    }
    match password::check_hash(hash.expose()) {
        Ok(()) => Ok(KeptSecret::Hashed(hash.expose().to_owned())),
        Err(why) => refused(format!("Field client_secret_hash can not be used: {why}.")),
    }
}

/// What becomes of the secret where a registration is replaced and names none: how it is kept from now on, with the new
/// one if there had to be one. `None`: it stays as it is.
pub async fn rekeep(
    app: &App,
    client: &Client,
    metadata: &ClientMetadata,
) -> Result<Option<(KeptSecret, Option<Secret>)>> {
    let needs_it_back = metadata.needs_secret_back();
    match (unseal(app, client)?, &client.secret_hash) {
        (Some(secret), _) if needs_it_back => metadata.check_secret_as_key(secret.expose()).map(|()| None),
        (Some(secret), _) => Ok(Some((KeptSecret::Hashed(hash_of_unsealed(app, client, &secret).await?), None))),
        (None, Some(_)) if !needs_it_back => Ok(None),
        (None, None) if !metadata.has_use_for_secret() => Ok(None),
        (None, _) => {
            let (kept, secret) = make(app, &client.id, metadata);
            Ok(Some((kept, Some(secret))))
        }
    }
}

/// The secret itself, for HMACs. `None` where only its hash is kept, and where it has expired.
pub fn reveal(app: &App, client: &Client) -> Result<Option<Secret>> {
    if is_expired(client, app.clock.now()) { Ok(None) } else { unseal(app, client) }
}

/// When a secret that the client gets now ends, in seconds since 1970, 0 for never (RFC 7591 section 3.2.1): those of
/// clients that registered themselves may.
pub fn expires_at(app: &App, client: &Client, now: Timestamp) -> i64 {
    let life = app.config.oidc.registration.secret_lifetime.filter(|_| client.is_self_registered());
    life.map_or(0, |life| (now + life).seconds())
}

/// The client with another secret. The one before stays good until it is forgotten, or ends as it would have; so do those
/// before it, five in all.
pub async fn rotate(app: &App, client: &Client, now: Timestamp) -> Result<(Client, Secret)> {
    check_rotation(client.metadata())?;
    let current = match unseal(app, client)? {
        Some(secret) => Some(hash_of_unsealed(app, client, &secret).await?),
        None => client.secret_hash.clone(),
    };
    let current = current.map(|hash| RotatedSecret { hash, expires_at: client.secret_expires_at });
    let earlier = current.into_iter().chain(client.rotated_secrets.0.iter().cloned());
    let earlier = earlier.filter(|earlier| earlier.is_good(now)).take(MOST_ROTATED).collect();
    let (kept, secret) = make(app, &client.id, client.metadata());
    let mut after =
        Client { secret_expires_at: expires_at(app, client, now), rotated_secrets: Json(earlier), ..client.clone() };
    after.set_secret(Some(&kept));
    Ok((after, secret))
}

/// Where a client authenticates by something else, an earlier secret would be good for nothing.
pub fn check_rotation(metadata: &ClientMetadata) -> Result<()> {
    match metadata.auth_method() {
        AuthMethod::Basic | AuthMethod::Post => Ok(()),
        other => Err(ErrorCode::InvalidRequest.because(format!(
            "The client is configured to use the {} authentication method, which does not support client secret \
             rotation.",
            other.as_str()
        ))),
    }
}

/// Whether this is the client's secret, and still good, or one before it that is. The address is the one that guesses at a
/// secret that somebody chose are counted by.
pub async fn is_right(app: &App, client: &Client, presented: &Secret, address: IpAddr) -> Result<bool> {
    let now = app.clock.now();
    is_among(app, client, !is_expired(client, now), presented, address, now).await
}

/// Whether this is the client's secret, expired or not, or one before it that is still good.
pub async fn is_same(app: &App, client: &Client, presented: &Secret, address: IpAddr) -> Result<bool> {
    is_among(app, client, true, presented, address, app.clock.now()).await
}

async fn is_among(
    app: &App,
    client: &Client,
    current_counts: bool,
    presented: &Secret,
    address: IpAddr,
    now: Timestamp,
) -> Result<bool> {
    if current_counts && let Some(secret) = unseal(app, client)? {
        // By their hashes, so that not even the length shows.
        let of = |secret: &Secret| sha256(secret.expose().as_bytes());
        if secret::same(&of(&secret), &of(presented)) {
            return Ok(true);
        }
    }
    let current = client.secret_hash.as_deref().filter(|hash| current_counts && !hash.is_empty());
    let earlier = client.rotated_secrets.0.iter().filter(|earlier| earlier.is_good(now));
    let mut slow = Vec::new();
    for hash in current.into_iter().chain(earlier.map(|earlier| earlier.hash.as_str())) {
        match Client::is_generated_secret(hash, presented) {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => slow.push(hash),
        }
    }
    // One at most, however often a secret was rotated: what a rotation makes is ours, and what somebody chooses has none
    // before it.
    for hash in slow {
        if is_chosen(app, client, hash, presented, address).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether this is the secret with this hash, which somebody chose.
async fn is_chosen(app: &App, client: &Client, stored: &str, presented: &Secret, address: IpAddr) -> Result<bool> {
    let look = async {
        // A chosen secret can be guessed, and each guess takes a place where people's passwords are hashed. By address,
        // so that nobody can shut a client out from elsewhere.
        let attempt =
            app.guard.per_address.begin((&client.id, household(address))).await.map_err(NotLooked::Guessing)?;
        let verdict = match app.guard.passwords.of_clients().verify(presented, Some(stored)).await {
            Ok(verdict) => verdict,
            Err(error) => {
                // Nobody has looked whether it is right: to come back is no second guess.
                attempt.succeeded();
                return Err(NotLooked::Busy(error));
            }
        };
        if verdict.matches {
            attempt.succeeded();
            if verdict.rehash && client.secret_hash.as_deref() == Some(stored) {
                rehash(app, client, stored, presented).await;
            }
        }
        Ok(verdict.matches)
    };
    app.guard.verified_secrets.is_right(&client.id, stored, presented, look).await.map_err(|why| match why {
        NotLooked::Guessing(wait) => refuse_guessing(wait),
        NotLooked::Busy(error) => refuse_busy(error),
    })
}

/// Clients whose secrets none of `secrets.system` opens: to be told at the start, and not when they come.
pub async fn unopened(app: &App) -> Result<Vec<ClientId>, store::Error> {
    let sealed = app.store.sealed_client_secrets().await?;
    let opens = |secret: &SealedSecret| app.keys.system().open(&row(&secret.id), &secret.secret_sealed).is_some();
    Ok(sealed.into_iter().filter(|secret| !opens(secret)).map(|secret| secret.id).collect())
}

/// Seals what is under an older one of `secrets.system` under the first, so that the older one can go; how many.
pub async fn reseal(app: &App) -> Result<usize, store::Error> {
    let mut resealed = 0;
    for SealedSecret { id, secret_sealed } in app.store.sealed_client_secrets().await? {
        if let Ok(Some(anew)) = app.keys.system().reseal(&row(&id), &secret_sealed) {
            app.store.reseal_client_secret(&id, &secret_sealed, &anew).await?;
            resealed += 1;
        }
    }
    Ok(resealed)
}

/// RFC 7591 section 3.2.1.
pub fn is_expired(client: &Client, now: Timestamp) -> bool {
    client.secret_expires_at != 0 && client.secret_expires_at <= now.seconds()
}

fn seal(app: &App, id: &ClientId, secret: &Secret) -> KeptSecret {
    KeptSecret::Sealed(app.keys.system().seal(&row(id), secret.expose().as_bytes()))
}

fn unseal(app: &App, client: &Client) -> Result<Option<Secret>> {
    let Some(sealed) = &client.secret_sealed else { return Ok(None) };
    let opened = app.keys.system().open(&row(&client.id), sealed).ok_or_else(|| {
        Error::internal(format!(
            "secrets.system: none of the secrets given opens the secret of the client {:?}; put the one that it was \
             sealed under back into the list, or give the client a new secret",
            client.id.as_str()
        ))
    })?;
    let text = std::str::from_utf8(&opened).map_err(|_| Error::internal("a client's secret is not text"))?;
    Ok(Some(Secret::new(text)))
}

/// What a sealed secret is bound to: moved to another client it does not open.
fn row(id: &ClientId) -> String {
    format!("clients/{id}/secret")
}

/// The hash of a secret that was kept sealed. Where earlier ones are still good a rotation has made it; otherwise nobody
/// remembers whether somebody chose it, so it is hashed as if.
async fn hash_of_unsealed(app: &App, client: &Client, secret: &Secret) -> Result<String> {
    match client.rotated_secrets.0.is_empty() {
        true => hash(app, secret).await,
        false => Ok(Client::hash_of_generated(secret)),
    }
}

async fn hash(app: &App, secret: &Secret) -> Result<String> {
    app.guard.passwords.of_clients().hash(secret).await.map_err(|error| match error {
        PasswordError::TooLong | PasswordError::Nul => ErrorCode::InvalidClientMetadata
            .because("Field client_secret must have at most 256 printable ASCII characters."),
        PasswordError::Busy => refuse_busy(error),
        PasswordError::Parameters | PasswordError::Failed => Error::internal(error),
    })
}

/// Why a secret was not looked at.
#[derive(Clone, Copy)]
enum NotLooked {
    Guessing(TooMany),
    Busy(PasswordError),
}

fn refuse_busy(error: PasswordError) -> Error {
    ErrorCode::TemporarilyUnavailable
        .because("The server is busy checking other secrets. Please try again.")
        .retry_after(1)
        .caused_by(error)
}

fn refuse_guessing(TooMany(wait): TooMany) -> Error {
    ErrorCode::TooManyRequests
        .because("Client authentication has failed too often. Please wait and try again.")
        .retry_after(wait.as_secs().max(1))
}

/// A weaker hash is replaced on the way; a failure to do so is not the client's concern.
async fn rehash(app: &App, client: &Client, stored: &str, secret: &Secret) {
    let Ok(stronger) = app.guard.passwords.of_clients().hash(secret).await else { return };
    if let Err(error) = app.store.rehash_client_secret(&client.id, stored, &stronger).await {
        tracing::warn!(%error, client = %client.id, "the client's secret could not be hashed anew");
    }
}

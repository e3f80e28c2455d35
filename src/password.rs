//! What people choose as passwords and secrets: argon2id (RFC 9106), kept as PHC strings, computed within bounds. Hashes of
//! PBKDF2 and bcrypt that came from elsewhere are verified within the same bounds.
//!
//! A hash takes 15 ms of a core and 19 MiB with the default parameters. So there are never more at once than configured,
//! a short queue waits, and the rest is told to come back: a flood of sign-ins must not starve everything else. Whoever is
//! not a flood's target does not feel it: hashes give way to requests (`aside.rs`), and clients have a queue of their own.

mod aside;
mod imported;
mod stored;
mod verified_secrets;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Block, Params};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

use self::aside::{Aside, Failure};
use self::imported::Imported;
use self::stored::Stored;
pub use self::verified_secrets::VerifiedSecrets;
use crate::config::Argon2Params;
use crate::secret::{Secret, same};

/// Bytes after normalisation. More is no password but a way to keep us busy.
const MAX_LENGTH: usize = 256;

/// No text shrinks to less than a quarter of its bytes in NFC: what is longer need not be normalised to be too long.
const MAX_RAW_LENGTH: usize = 4 * MAX_LENGTH;

/// How many may wait for each one that is computed.
const QUEUE: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Worth a 503 with `Retry-After`.
    #[error("too many passwords are being checked at the moment")]
    Busy,
    #[error("a password may have 256 bytes at most")]
    TooLong,
    #[error("a password must not contain the character NUL")]
    Nul,
    #[error("argon2 cannot work with these parameters")]
    Parameters,
    #[error("the password could not be hashed")]
    Failed,
}

/// What came of comparing a password with a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub matches: bool,
    /// It matches, and the hash was made with other parameters than today's: now is the moment to make a new one.
    pub rehash: bool,
}

impl Verdict {
    const WRONG: Self = Self { matches: false, rehash: false };
}

/// A stored hash, taken apart.
enum Hash {
    Own(Stored),
    Imported(Imported),
}

impl Hash {
    /// The error is for the log, and has nothing of the hash in it.
    fn read(stored: &str) -> Result<Self, &'static str> {
        match Imported::read(stored) {
            Some(imported) => imported.map(Self::Imported),
            None => Stored::read(stored).map(Self::Own),
        }
    }

    /// As it was given to the function that made the hash.
    fn password(&self, given: &Secret) -> Result<Secret, PasswordError> {
        match self {
            Self::Own(_) => normalise(given),
            Self::Imported(_) => check_raw(given).map(|()| given.clone()),
        }
    }
}

/// Whether a hash that was made elsewhere can be verified here; if not, why.
pub fn check_hash(stored: &str) -> Result<(), &'static str> {
    Hash::read(stored).map(|_| ())
}

/// Hashes and verifies. Clones share the bounds.
#[derive(Clone)]
pub struct Passwords {
    inner: Arc<Inner>,
    whose: Whose,
}

/// Who waits in which queue.
#[derive(Clone, Copy)]
enum Whose {
    People,
    Clients,
}

struct Inner {
    params: Params,
    /// Of each queue.
    capacity: usize,
    /// Those that wait and those that are computed, people and clients.
    admitted: [Arc<Semaphore>; 2],
    running: AtomicUsize,
    threads: Aside,
    /// Memory of finished computations, for the next ones; given back when nobody is left.
    arenas: Mutex<Vec<Vec<Block>>>,
}

impl Passwords {
    /// `concurrency` computations at once, and eight times as many people waiting.
    pub fn new(params: Argon2Params, concurrency: usize) -> Result<Self, PasswordError> {
        let Argon2Params { memory_kib, iterations, parallelism } = params;
        let length = Some(Params::DEFAULT_OUTPUT_LEN);
        let params = Params::new(memory_kib, iterations, parallelism, length).map_err(|_| PasswordError::Parameters)?;
        let concurrency = concurrency.clamp(1, Semaphore::MAX_PERMITS / (1 + QUEUE));
        let capacity = concurrency * (1 + QUEUE);
        let inner = Inner {
            params,
            capacity,
            admitted: [(); 2].map(|()| Arc::new(Semaphore::new(capacity))),
            running: AtomicUsize::new(0),
            threads: Aside::new(concurrency),
            arenas: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner), whose: Whose::People })
    }

    /// The same computations with a queue for clients: while people are told to come back, a client whose secret somebody
    /// chose still gets its tokens, and who guesses at clients' secrets keeps no person out.
    #[must_use]
    pub fn of_clients(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), whose: Whose::Clients }
    }

    /// How many are computed at the moment, and how many wait.
    pub fn load(&self) -> (usize, usize) {
        let running = self.inner.running.load(Ordering::Relaxed);
        (running, self.inner.admitted().saturating_sub(running))
    }

    /// The PHC string to keep. How short a password may be is not decided here.
    pub async fn hash(&self, password: &Secret) -> Result<String, PasswordError> {
        let password = normalise(password)?;
        let fresh = Stored::nobodys(&self.inner.params);
        self.compute(fresh.params.block_count(), move |memory| {
            let hash = fresh.compute(&password, memory)?;
            fresh.with_hash(hash).phc()
        })
        .await
    }

    /// Compares with a stored hash. Where there is none, because nobody has that name, or none that can be used, just as
    /// long is spent on a hash that nothing matches: the time must not tell who has an account here.
    pub async fn verify(&self, password: &Secret, stored: Option<&str>) -> Result<Verdict, PasswordError> {
        let hash = stored.and_then(|phc| {
            Hash::read(phc).inspect_err(|reason| tracing::error!(reason, "a stored password hash cannot be used")).ok()
        });
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| Hash::Own(Stored::nobodys(&self.inner.params)));
        // No account has a password that `hash` refuses; that it takes no time says nothing about accounts.
        let Ok(password) = hash.password(password) else { return Ok(Verdict::WRONG) };
        let (blocks, outdated) = match &hash {
            Hash::Own(own) => (own.params.block_count(), !own.is_current(&self.inner.params)),
            Hash::Imported(imported) => (0, imported.knows_all_of(&password)),
        };
        let fits = self
            .compute(blocks, move |memory| match hash {
                Hash::Own(own) => Ok(same(&own.compute(&password, memory)?, own.hash())),
                Hash::Imported(imported) => Ok(imported.matches(&password)),
            })
            .await?;
        let matches = fits && known;
        Ok(Verdict { matches, rehash: matches && outdated })
    }

    /// Runs `work` aside, with memory of that many blocks. Who no longer waits for the answer keeps his place until the
    /// computation ends, if it has begun: it cannot be stopped, and must be counted.
    async fn compute<T, W>(&self, blocks: usize, work: W) -> Result<T, PasswordError>
    where
        T: Send + 'static,
        W: FnOnce(&mut [Block]) -> Result<T, PasswordError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let queue = Arc::clone(&inner.admitted[self.whose as usize]);
        let admitted = queue.try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let computed = self.inner.threads.run(move || {
            let running = Running::one_more(&inner);
            let mut arena = inner.arena(blocks)?;
            let result = work(&mut arena[..blocks]);
            inner.give_back(arena);
            drop((running, admitted));
            result
        });
        computed.await.unwrap_or_else(|failure| match failure {
            Failure::NoThread => Err(PasswordError::Busy),
            Failure::Panicked => Err(PasswordError::Failed),
        })
    }
}

/// Counts a computation for as long as it runs, however it ends.
struct Running<'a>(&'a Inner);

impl<'a> Running<'a> {
    fn one_more(inner: &'a Inner) -> Self {
        inner.running.fetch_add(1, Ordering::Relaxed);
        Self(inner)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Inner {
    /// How many wait or are computed.
    fn admitted(&self) -> usize {
        self.admitted.iter().map(|queue| self.capacity - queue.available_permits()).sum()
    }

    fn arena(&self, blocks: usize) -> Result<Vec<Block>, PasswordError> {
        let kept = self.arenas.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(arena) = kept
            && arena.len() >= blocks
        {
            return Ok(arena);
        }
        let mut arena = Vec::new();
        arena.try_reserve_exact(blocks).map_err(|_| PasswordError::Failed)?;
        arena.resize(blocks, Block::new());
        Ok(arena)
    }

    fn give_back(&self, arena: Vec<Block>) {
        let mut arenas = self.arenas.lock().unwrap_or_else(PoisonError::into_inner);
        if self.admitted() <= 1 {
            // The last one out.
            arenas.clear();
        } else if arena.len() == self.params.block_count() {
            arenas.push(arena);
        }
    }
}

/// NFC, because the same letters reach us differently composed from different keyboards (RFC 8265 section 4.2.2). Nothing
/// is cut off: what is too long is refused.
pub fn normalise(password: &Secret) -> Result<Secret, PasswordError> {
    check_raw(password)?;
    let raw = password.expose();
    let mut normal = String::with_capacity(3 * raw.len());
    normal.extend(raw.nfc());
    let normal = Secret::new(normal);
    if normal.expose().len() > MAX_LENGTH { Err(PasswordError::TooLong) } else { Ok(normal) }
}

fn check_raw(password: &Secret) -> Result<(), PasswordError> {
    match password.expose() {
        text if text.len() > MAX_RAW_LENGTH => Err(PasswordError::TooLong),
        text if text.contains('\0') => Err(PasswordError::Nul),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

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

use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Block, Params};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

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
    running: Arc<Semaphore>,
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
            running: Arc::new(Semaphore::new(concurrency)),
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
        let running = self.inner.capacity / (1 + QUEUE) - self.inner.running.available_permits();
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

    /// Runs `work` on a thread of its own, with memory of that many blocks. Who no longer waits for the answer keeps his
    /// place until the computation ends: it cannot be stopped, and must be counted.
    async fn compute<T, W>(&self, blocks: usize, work: W) -> Result<T, PasswordError>
    where
        T: Send + 'static,
        W: FnOnce(&mut [Block]) -> Result<T, PasswordError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let queue = Arc::clone(&inner.admitted[self.whose as usize]);
        let admitted = queue.try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let running = Arc::clone(&inner.running).acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        let computation = aside::run(move || {
            let mut arena = inner.arena(blocks)?;
            let result = work(&mut arena[..blocks]);
            inner.give_back(arena);
            drop((running, admitted));
            result
        });
        // Where the system has no thread left there is one later.
        let computation = computation.map_err(|_| PasswordError::Busy)?;
        computation.await.map_err(|_| PasswordError::Failed)?
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
mod tests {
    use super::*;

    const QUICK: Argon2Params = Argon2Params { memory_kib: 64, iterations: 1, parallelism: 1 };
    const RIGHT: Verdict = Verdict { matches: true, rehash: false };

    fn passwords() -> Passwords {
        Passwords::new(QUICK, 2).unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[tokio::test]
    async fn what_was_hashed_is_verified_and_nothing_else() {
        let passwords = passwords();
        let stored = passwords.hash(&secret("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        assert_ne!(stored, passwords.hash(&secret("correct horse")).await.unwrap(), "each hash has its own salt");
        assert_eq!(passwords.verify(&secret("correct horse"), Some(&stored)).await, Ok(RIGHT));
        for wrong in ["correct horsf", "correct hors", "correct horse ", "Correct horse", ""] {
            assert_eq!(passwords.verify(&secret(wrong), Some(&stored)).await, Ok(Verdict::WRONG), "{wrong}");
        }
        assert_eq!(passwords.verify(&secret("correct horse"), None).await, Ok(Verdict::WRONG));
    }

    #[tokio::test]
    async fn the_reference_implementations_hashes_are_understood() {
        // phc-winner-argon2, src/test.c
        let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let verdict = passwords().verify(&secret("password"), Some(stored)).await;
        assert_eq!(verdict, Ok(Verdict { matches: true, rehash: true }));
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_asks_to_be_made_anew() {
        let old = passwords().hash(&secret("a")).await.unwrap();
        for changed in [
            Argon2Params { memory_kib: 128, ..QUICK },
            Argon2Params { iterations: 2, ..QUICK },
            Argon2Params { memory_kib: 64, iterations: 1, parallelism: 2 },
        ] {
            let passwords = Passwords::new(changed, 1).unwrap();
            let outdated = Verdict { matches: true, rehash: true };
            assert_eq!(passwords.verify(&secret("a"), Some(&old)).await, Ok(outdated));
            assert_eq!(passwords.verify(&secret("b"), Some(&old)).await, Ok(Verdict::WRONG));
            let new = passwords.hash(&secret("a")).await.unwrap();
            assert_eq!(passwords.verify(&secret("a"), Some(&new)).await, Ok(RIGHT));
        }
    }

    #[tokio::test]
    async fn a_stored_hash_that_asks_for_too_much_is_a_wrong_password() {
        let tail = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(Stored::read(&format!("$argon2id$v=19$m=64,t=1,p=1${tail}")).is_ok());
        for head in [
            "$argon2id$v=19$m=4194304,t=1,p=1$",
            "$argon2id$v=19$m=64,t=1000000,p=1$",
            "$argon2id$v=19$m=4096,t=1,p=255$",
            "$argon2id$v=19$m=1048576,t=64,p=1$",
            "$argon2id$v=99$m=64,t=1,p=1$",
            "$argon2id$v=19$m=1,t=1,p=1$",
            "$argon2id$v=19$m=64,t=0,p=1$",
            "$scrypt$ln=15,r=8,p=1$",
            "$2b$12$",
            "",
        ] {
            let stored = format!("{head}{tail}");
            assert!(Stored::read(&stored).is_err(), "{stored}");
            let verdict = passwords().verify(&secret("password"), Some(&stored)).await;
            assert_eq!(verdict, Ok(Verdict::WRONG), "{stored}");
        }
        let short_salt = "$argon2id$v=19$m=64,t=1,p=1$c29tc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for stored in
            ["", "$argon2id$v=19$m=64,t=1,p=1", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ", short_salt, "password"]
        {
            assert_eq!(passwords().verify(&secret("password"), Some(stored)).await, Ok(Verdict::WRONG), "{stored}");
        }
        assert!(Passwords::new(Argon2Params { memory_kib: 1, ..QUICK }, 1).is_err());
    }

    /// Whoever waits for a computation is refused while all places are taken: so these all make one.
    #[tokio::test]
    async fn an_unknown_user_costs_a_computation_too() {
        let passwords = passwords();
        let stored = passwords.hash(&secret("a")).await.unwrap();
        let all = u32::try_from(passwords.inner.capacity).unwrap();
        let _taken = passwords.inner.admitted[0].acquire_many(all).await.unwrap();
        for stored in
            [None, Some(""), Some("$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAA"), Some(&*stored)]
        {
            assert_eq!(passwords.verify(&secret("a"), stored).await, Err(PasswordError::Busy));
        }
        assert_eq!(passwords.hash(&secret("a")).await, Err(PasswordError::Busy));
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_drains() {
        let passwords = Passwords::new(QUICK, 1).unwrap();
        let held = Arc::clone(&passwords.inner.running).acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..=QUEUE)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move { passwords.hash(&secret("a")).await })
            })
            .collect();
        while passwords.inner.admitted[0].available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(passwords.hash(&secret("a")).await, Err(PasswordError::Busy));

        // One goes away: there is room for one more.
        let mut waiting = waiting.into_iter();
        let first = waiting.next().unwrap();
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(passwords.inner.admitted[0].available_permits(), 1);

        drop(held);
        for task in waiting {
            assert!(task.await.unwrap().is_ok());
        }
        assert!(passwords.hash(&secret("a")).await.is_ok());
        assert!(passwords.inner.arenas.lock().unwrap().is_empty(), "the last one out gives the memory back");
    }

    /// A flood of people keeps no client out, and the other way round.
    #[tokio::test]
    async fn clients_wait_in_a_queue_of_their_own() {
        let passwords = Passwords::new(QUICK, 1).unwrap();
        let all = u32::try_from(passwords.inner.capacity).unwrap();
        for (flooded, other) in
            [(passwords.clone(), passwords.of_clients()), (passwords.of_clients(), passwords.clone())]
        {
            let queue = &flooded.inner.admitted[flooded.whose as usize];
            let _taken = queue.acquire_many(all).await.unwrap();
            assert_eq!(flooded.hash(&secret("a")).await, Err(PasswordError::Busy));
            assert!(other.hash(&secret("a")).await.is_ok());
            assert_eq!(other.load(), (0, passwords.inner.capacity), "one number for both");
        }
    }

    /// A hash of Hydra's is right until the moment comes to make one of ours.
    #[tokio::test]
    async fn an_imported_hash_asks_to_be_made_anew() {
        let passwords = passwords();
        let bcrypt = bcrypt::hash_with_salt("hunter2", 4, [1; 16]).unwrap().to_string();
        let long = bcrypt::hash_with_salt("x".repeat(80), 4, [1; 16]).unwrap().to_string();
        let pbkdf2 = "$pbkdf2-sha256$i=100000,l=32$1jP+5Zxpxgtee/iPxGgOz0RfE9/KJuDElP1ley4VxXc$QJxzfvdbHYBpydCbHoFg3GJEqMFULwskiuqiJctoYpI";
        let outdated = Verdict { matches: true, rehash: true };
        assert_eq!(passwords.verify(&secret("hunter2"), Some(&bcrypt)).await, Ok(outdated));
        assert_eq!(passwords.verify(&secret("test"), Some(pbkdf2)).await, Ok(outdated));
        for (wrong, stored) in [("hunter3", &*bcrypt), ("hunter2\0", &*bcrypt), ("", &*bcrypt), ("hunter2", pbkdf2)] {
            assert_eq!(passwords.verify(&secret(wrong), Some(stored)).await, Ok(Verdict::WRONG), "{wrong}");
        }
        assert_eq!(passwords.verify(&secret(&"x".repeat(80)), Some(&long)).await, Ok(RIGHT), "which 80 is not known");
        assert!(check_hash(&bcrypt).is_ok() && check_hash(pbkdf2).is_ok() && check_hash("sha256:x").is_err());
    }

    #[tokio::test]
    async fn a_password_is_the_same_however_it_is_composed() {
        let passwords = passwords();
        let stored = passwords.hash(&secret("caf\u{e9}")).await.unwrap();
        assert_eq!(passwords.verify(&secret("cafe\u{301}"), Some(&stored)).await, Ok(RIGHT));
    }

    #[tokio::test]
    async fn length_is_limited_after_normalisation_and_nothing_is_cut_off() {
        let passwords = passwords();
        let longest = "x".repeat(256);
        let stored = passwords.hash(&secret(&longest)).await.unwrap();
        assert_eq!(passwords.verify(&secret(&longest), Some(&stored)).await, Ok(RIGHT));
        assert_eq!(passwords.verify(&secret(&longest[1..]), Some(&stored)).await, Ok(Verdict::WRONG));
        for (too_long, error) in [
            ("x".repeat(257), PasswordError::TooLong),
            ("x".repeat(1 << 20), PasswordError::TooLong),
            ("pass\0word".to_owned(), PasswordError::Nul),
        ] {
            assert_eq!(passwords.hash(&secret(&too_long)).await, Err(error));
            assert_eq!(passwords.verify(&secret(&too_long), Some(&stored)).await, Ok(Verdict::WRONG));
        }
        // 128 letters of two bytes each, sent as 384 bytes.
        assert!(normalise(&secret(&"e\u{301}".repeat(128))).is_ok());
        assert_eq!(normalise(&secret(&"e\u{301}".repeat(129))).unwrap_err(), PasswordError::TooLong);
    }
}

//! The bounds, the two queues and the hashes, with parameters that take no time.

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
    for stored in ["", "$argon2id$v=19$m=64,t=1,p=1", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ", short_salt, "password"]
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
    let (held, is_held) = std::sync::mpsc::channel::<()>();
    let holding = passwords.clone();
    let holding = tokio::spawn(async move { holding.inner.threads.run(move || is_held.recv()).await });
    tokio::task::yield_now().await;
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
    assert_eq!(holding.await.unwrap(), Ok(Err(std::sync::mpsc::RecvError)));
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
    for (flooded, other) in [(passwords.clone(), passwords.of_clients()), (passwords.of_clients(), passwords.clone())] {
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

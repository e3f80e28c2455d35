//! What the cores can compute when nothing else is to be done: RS256 and ES256 signatures (RFC 7518 sections 3.3 and 3.4)
//! and argon2id (RFC 9106), one thread a core.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};

use crate::drive::count;

/// About the length of an ID token's signing input.
const SIGNING_INPUT: [u8; 618] = [b'x'; 618];

/// Signatures a second with a 2048-bit key.
pub fn rs256(time: Duration) -> Result<f64> {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).context("an RSA key could not be made")?;
    on_every_core(time, || {
        let (key, random) = (&key, SystemRandom::new());
        let mut signature = vec![0; key.public_modulus_len()];
        move || {
            key.sign(&RSA_PKCS1_SHA256, &random, &SIGNING_INPUT, &mut signature).map_err(|_| anyhow!("no signature"))
        }
    })
}

/// Signatures a second on P-256.
pub fn es256(time: Duration) -> Result<f64> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).context("a P-256 key could not be made")?;
    on_every_core(time, || {
        let (key, random) = (&key, SystemRandom::new());
        move || key.sign(&random, &SIGNING_INPUT).map(drop).map_err(|_| anyhow!("no signature"))
    })
}

/// Hashes a second with the server's default parameters (19 MiB, two passes, one lane), memory reused as it does.
pub fn argon2id(time: Duration) -> Result<f64> {
    let params = Params::new(19_456, 2, 1, None).map_err(|error| anyhow!("argon2: {error}"))?;
    on_every_core(time, || {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let mut memory = vec![Block::new(); params.block_count()];
        let mut hash = [0; 32];
        move || {
            argon2
                .hash_password_into_with_memory(
                    b"correct horse battery staple",
                    b"0123456789abcdef",
                    &mut hash,
                    &mut memory,
                )
                .map_err(|error| anyhow!("argon2: {error}"))
        }
    })
}

/// How often a second all cores together can do it.
fn on_every_core<W: FnMut() -> Result<()>>(time: Duration, work: impl Fn() -> W + Sync) -> Result<f64> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let one = || {
            let mut work = work();
            let begin = Instant::now();
            let mut done = 0;
            while begin.elapsed() < time {
                work()?;
                done += 1;
            }
            anyhow::Ok(count(done) / begin.elapsed().as_secs_f64())
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a computing thread broke"))?).sum()
    })
}

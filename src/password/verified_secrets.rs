//! A short memory of client secrets that were found right.

use std::time::Duration;

use aws_lc_rs::hmac;
use moka::future::Cache;

use crate::id::ClientId;
use crate::secret::{Secret, random};

/// Client secrets that people chose, remembered for five minutes after argon2id found them right: a client that asks for
/// tokens all day must not cost 15 ms each time.
///
/// Only a MAC under a key of this process is kept. The stored hash goes into it, so that a changed secret is forgotten at
/// once, on every replica. Failures are never remembered.
#[derive(Clone)]
pub struct VerifiedSecrets {
    key: hmac::Key,
    seen: Cache<[u8; 32], ()>,
}

impl Default for VerifiedSecrets {
    fn default() -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()),
            seen: Cache::builder().max_capacity(10_000).time_to_live(Duration::from_mins(5)).build(),
        }
    }
}

impl VerifiedSecrets {
    /// Whether the secret is right: remembered, or by what `look` finds. Of the same one at the same moment one is looked
    /// at, and the others get its answer: a busy client's own requests must not fill the queue that they wait in.
    pub async fn is_right<E: Clone + Send + Sync + 'static>(
        &self,
        client: &ClientId,
        stored: &str,
        presented: &Secret,
        look: impl Future<Output = Result<bool, E>>,
    ) -> Result<bool, E> {
        let mac = self.mac(client, stored, presented);
        if self.seen.get(&mac).await.is_some() {
            return Ok(true);
        }
        let right = async { if look.await.map_err(Some)? { Ok(()) } else { Err(None) } };
        // Boxed: it is large, and most requests never come here.
        match Box::pin(self.seen.try_get_with(mac, right)).await {
            Ok(()) => Ok(true),
            Err(why) => Option::clone(&why).map_or(Ok(false), Err),
        }
    }

    /// Each part with its length before it, so that no two triples run together.
    fn mac(&self, client: &ClientId, stored: &str, presented: &Secret) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [client.as_str(), stored, presented.expose()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[tokio::test]
    async fn a_verified_secret_is_known_only_as_it_was() {
        let secrets = VerifiedSecrets::default();
        let (client, other) = (ClientId::new("a"), ClientId::new("ab"));
        assert!(!knows(&secrets, &client, "hash", "s").await);
        assert!(!knows(&secrets, &client, "hash", "s").await, "a failure is not remembered");
        assert_eq!(secrets.is_right(&client, "hash", &secret("s"), async { Err("busy") }).await, Err("busy"));
        assert_eq!(secrets.is_right(&client, "hash", &secret("s"), async { Ok::<_, ()>(true) }).await, Ok(true));
        assert!(knows(&secrets, &client, "hash", "s").await);
        assert!(knows(&secrets.clone(), &client, "hash", "s").await);
        assert!(!knows(&secrets, &client, "hash", "t").await);
        assert!(!knows(&secrets, &client, "new hash", "s").await);
        assert!(!knows(&secrets, &other, "hash", "s").await);
        assert_eq!(secrets.is_right(&other, "c", &secret("s"), async { Ok::<_, ()>(true) }).await, Ok(true));
        assert!(!knows(&secrets, &client, "bc", "s").await);
        assert!(!knows(&VerifiedSecrets::default(), &client, "hash", "s").await, "another process, another key");
    }

    /// Without looking.
    async fn knows(secrets: &VerifiedSecrets, client: &ClientId, stored: &str, presented: &str) -> bool {
        secrets.is_right(client, stored, &secret(presented), async { Ok::<_, ()>(false) }).await.unwrap()
    }

    #[tokio::test]
    async fn of_many_at_once_one_is_looked_at() {
        let (secrets, client) = (VerifiedSecrets::default(), ClientId::new("a"));
        let looks = std::sync::atomic::AtomicU32::new(0);
        let ask = || {
            let (secrets, client, looks) = (&secrets, &client, &looks);
            async move {
                let look = async {
                    looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok::<_, ()>(true)
                };
                secrets.is_right(client, "hash", &secret("s"), look).await
            }
        };
        let answers = futures_util::future::join_all((0..100).map(|_| ask())).await;
        assert!(answers.into_iter().all(|answer| answer == Ok(true)));
        assert_eq!(looks.into_inner(), 1);
    }
}

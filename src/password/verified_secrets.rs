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
    pub async fn knows(&self, client: &ClientId, stored: &str, presented: &Secret) -> bool {
        self.seen.get(&self.mac(client, stored, presented)).await.is_some()
    }

    pub async fn remember(&self, client: &ClientId, stored: &str, presented: &Secret) {
        self.seen.insert(self.mac(client, stored, presented), ()).await;
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
        assert!(!secrets.knows(&client, "hash", &secret("s")).await);
        secrets.remember(&client, "hash", &secret("s")).await;
        assert!(secrets.knows(&client, "hash", &secret("s")).await);
        assert!(secrets.clone().knows(&client, "hash", &secret("s")).await);
        assert!(!secrets.knows(&client, "hash", &secret("t")).await);
        assert!(!secrets.knows(&client, "new hash", &secret("s")).await);
        assert!(!secrets.knows(&other, "hash", &secret("s")).await);
        secrets.remember(&other, "c", &secret("s")).await;
        assert!(!secrets.knows(&client, "bc", &secret("s")).await);
        assert!(!VerifiedSecrets::default().knows(&client, "hash", &secret("s")).await, "another process, another key");
    }
}

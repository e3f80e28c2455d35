//! What may be used once: the `jti` of assertions, by which a client proves who it is or that come as a grant (RFC 7523
//! section 3).

use super::Store;
use super::db::{Result, sql};
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::secret;

impl Store {
    /// Spends a `jti` of this client; `false` where it was spent before. Of any number of calls at once, on any number of
    /// replicas, one gets `true`: the primary key decides. `expires_at` is when nothing with this `jti` can pass any more.
    pub async fn spend_jti(&self, client: &ClientId, jti: &str, expires_at: Timestamp) -> Result<bool> {
        self.spend(&hash(client, jti), expires_at).await
    }

    /// The same for a `jti` of an issuer whose assertions are grants.
    pub async fn spend_grant_jti(&self, issuer: &str, jti: &str, expires_at: Timestamp) -> Result<bool> {
        self.spend(&grant_hash(issuer, jti), expires_at).await
    }

    /// Whether that has been spent. Only spending it decides.
    pub async fn grant_jti_is_spent(&self, issuer: &str, jti: &str) -> Result<bool> {
        let hash = grant_hash(issuer, jti);
        let spent: bool = sql!(self, scalar, "SELECT EXISTS (SELECT 1 FROM used_jtis WHERE hash = $1)", hash)?;
        Ok(spent)
    }

    async fn spend(&self, hash: &str, expires_at: Timestamp) -> Result<bool> {
        let inserted = sql!(
            self,
            execute,
            "INSERT INTO used_jtis (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
            hash,
            expires_at,
        )?;
        Ok(inserted == 1)
    }
}

/// One client's names are no other's (RFC 7519 section 4.1.7). The length keeps the two parts apart.
fn hash(client: &ClientId, jti: &str) -> String {
    secret::fingerprint(&format!("{}:{client}:{jti}", client.as_str().len()))
}

/// An issuer may be called like a client: what is before the length keeps them apart.
fn grant_hash(issuer: &str, jti: &str) -> String {
    secret::fingerprint(&format!("grant:{}:{issuer}:{jti}", issuer.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_has_its_own_hash() {
        let of = |client: &str, jti: &str| hash(&ClientId::new(client), jti);
        assert_eq!(of("a", "1"), of("a", "1"));
        let pairs = [of("a", "1"), of("b", "1"), of("a", "2"), of("a:1", ""), of("a", ":1"), of("a:", "1")];
        let pairs = pairs.into_iter().chain([grant_hash("a", "1"), grant_hash("a:", "1"), grant_hash("a", ":1")]);
        let pairs: Vec<_> = pairs.collect();
        let different: std::collections::HashSet<_> = pairs.iter().collect();
        assert_eq!(different.len(), pairs.len());
    }
}

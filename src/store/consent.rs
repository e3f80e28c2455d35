//! Consents that a person wants remembered: per client and scope.

use super::Store;
use super::db::{Json, Result, row, sql};
use crate::clock::Timestamp;
use crate::id::{ClientId, Subject};
use crate::oauth::scope::Scope;

row! {
    /// What a person has granted to a client and wants remembered.
    #[derive(Clone, Debug)]
    pub struct Consent {
        pub subject: Subject,
        pub client_id: ClientId,
        pub scope: Scope,
        pub audience: Json<Vec<String>>,
        /// Names of claims that were granted by themselves, without the scope that opens them.
        pub claims: Json<Vec<String>>,
        pub granted_at: Timestamp,
        /// `None`: until it is revoked.
        pub expires_at: Option<Timestamp>,
    }
}

impl Store {
    pub async fn consent(&self, subject: &Subject, client: &ClientId, now: Timestamp) -> Result<Option<Consent>> {
        sql!(
            self,
            fetch_optional,
            "SELECT * FROM consents WHERE subject = $1 AND client_id = $2 AND (expires_at IS NULL OR expires_at > $3)",
            subject,
            client,
            now,
        )
    }

    /// Remembers a consent in place of what was remembered before.
    pub async fn remember_consent(&self, consent: &Consent) -> Result<()> {
        sql!(
            self,
            execute,
            "INSERT INTO consents (subject, client_id, scope, audience, granted_at, expires_at, claims)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (subject, client_id) DO UPDATE
                SET scope = excluded.scope, audience = excluded.audience, granted_at = excluded.granted_at,
                    expires_at = excluded.expires_at, claims = excluded.claims",
            &consent.subject,
            &consent.client_id,
            &consent.scope,
            &consent.audience,
            consent.granted_at,
            consent.expires_at,
            &consent.claims,
        )?;
        Ok(())
    }
}

//! Trusted issuers: whose assertions are grants, for whom, and by which key (RFC 7523 section 3).

use serde_json::{Value, json};

use super::Store;
use super::audit::{self, Action};
use super::db::{Json, Result, row, sql};
use crate::clock::Timestamp;
use crate::id::Subject;
use crate::jose::Jwk;
use crate::oauth::scope::Scope;

row! {
    /// One key of an issuer, for one subject or for any.
    #[derive(Clone, Debug)]
    pub struct TrustedIssuer {
        pub id: String,
        pub issuer: String,
        /// Empty for any.
        pub subject: String,
        pub scope: Scope,
        pub kid: String,
        /// With its `alg`.
        pub public: Json<Jwk>,
        pub created_at: Timestamp,
        pub expires_at: Timestamp,
    }
}

/// How the subject of an assertion stands to those whom the server knows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It is the id of a client, which must not pass for a person (RFC 9700 section 4.15).
    pub is_client: bool,
    pub is_disabled: bool,
}

impl TrustedIssuer {
    /// As events tell of it.
    fn told(&self) -> Value {
        json!({
            "id": self.id, "issuer": self.issuer, "subject": self.subject, "allow_any_subject": self.subject.is_empty(),
            "scope": self.scope.iter().collect::<Vec<_>>(), "public_key": self.public.0,
            "created_at": self.created_at.rfc3339(), "expires_at": self.expires_at.rfc3339(),
        })
    }
}

impl Store {
    /// `Conflict` where the issuer is trusted for that subject and key already.
    pub async fn insert_trusted_issuer(&self, trusted: &TrustedIssuer) -> Result<()> {
        let mut tx = self.begin().await?;
        // One that has ended is only still to be swept.
        sql!(
            &mut tx,
            execute,
            "DELETE FROM trusted_issuers WHERE issuer = $1 AND subject = $2 AND kid = $3 AND expires_at <= $4",
            &trusted.issuer,
            &trusted.subject,
            &trusted.kid,
            trusted.created_at,
        )?;
        sql!(
            &mut tx,
            execute,
            "INSERT INTO trusted_issuers (id, issuer, subject, scope, kid, public, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &trusted.id,
            &trusted.issuer,
            &trusted.subject,
            &trusted.scope,
            &trusted.kid,
            &trusted.public,
            trusted.created_at,
            trusted.expires_at,
        )?;
        audit::record(&mut tx, Action::TrustedIssuerCreated, &trusted.id, None, Some(trusted.told())).await?;
        tx.commit().await
    }

    pub async fn trusted_issuer(&self, id: &str, now: Timestamp) -> Result<Option<TrustedIssuer>> {
        sql!(self, fetch_optional, "SELECT * FROM trusted_issuers WHERE id = $1 AND expires_at > $2", id, now)
    }

    /// Those that have not ended, in the order of their ids, after the one of that id.
    pub async fn trusted_issuers(
        &self,
        after: Option<&str>,
        issuer: Option<&str>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<TrustedIssuer>> {
        sql!(
            self,
            fetch_all,
            "SELECT * FROM trusted_issuers
              WHERE (CAST($1 AS TEXT) IS NULL OR id > $1) AND (CAST($2 AS TEXT) IS NULL OR issuer = $2)
                AND expires_at > $3
              ORDER BY id LIMIT $4",
            after,
            issuer,
            now,
            limit,
        )
    }

    pub async fn delete_trusted_issuer(&self, id: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let deleted: Option<TrustedIssuer> =
            sql!(&mut tx, fetch_optional, "DELETE FROM trusted_issuers WHERE id = $1 RETURNING *", id)?;
        if let Some(trusted) = &deleted {
            audit::record(&mut tx, Action::TrustedIssuerDeleted, id, Some(trusted.told()), None).await?;
            tx.commit().await?;
        }
        Ok(deleted.is_some())
    }

    /// By which keys this issuer may speak for this subject now; those for the subject alone come first.
    pub async fn trusted_for(
        &self,
        issuer: &str,
        subject: &str,
        kid: Option<&str>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<TrustedIssuer>> {
        sql!(
            self,
            fetch_all,
            "SELECT * FROM trusted_issuers
              WHERE issuer = $1 AND subject IN ($2, '') AND (CAST($3 AS TEXT) IS NULL OR kid = $3) AND expires_at > $4
              ORDER BY subject DESC, id LIMIT $5",
            issuer,
            subject,
            kid,
            now,
            limit,
        )
    }

    pub async fn standing(&self, subject: &Subject) -> Result<Standing> {
        let (is_client, is_disabled): (bool, bool) = sql!(
            self,
            fetch_one,
            "SELECT EXISTS (SELECT 1 FROM clients WHERE id = $1),
                    EXISTS (SELECT 1 FROM users WHERE id = $1 AND disabled)",
            subject,
        )?;
        Ok(Standing { is_client, is_disabled })
    }
}

//! Grants: what a user let a client do, its code, its refresh rotation and its revocation, in one row.

mod lanes;
mod revocation;

use std::time::Duration;

pub use lanes::Lanes;
use serde_json::{Map, Value};

use super::Store;
use super::consent::{self, Consent};
use super::db::{Json, Result, row, sql};
use super::decision::ConsentRecord;
use crate::clock::Timestamp;
use crate::id::{ClientId, GrantId, SessionId, Subject};
use crate::oauth::claims;
use crate::oauth::claims_request::ClaimsRequest;
use crate::oauth::scope::Scope;
use crate::oauth::session_claims::SessionClaims;
use crate::oauth::token::Due;

row! {
    /// A grant as it stands.
    #[derive(Clone, Debug)]
    pub struct Grant {
        pub id: GrantId,
        pub client_id: ClientId,
        pub subject: Subject,
        /// What the client knows the person as, where the login app has said so.
        pub seen_as: Option<Subject>,
        pub session_id: SessionId,
        pub scope: Scope,
        pub audience: Json<Vec<String>>,
        /// What the consent added to tokens.
        pub claims: Option<Json<SessionClaims>>,
        /// What the request asked for by name and the person allowed.
        pub claims_requested: Option<Json<ClaimsRequest>>,
        pub authenticated_at: Timestamp,
        pub acr: Option<String>,
        pub amr: Json<Vec<String>>,
        pub nonce: Option<String>,
        pub redirect_uri: Option<String>,
        pub code_challenge: Option<String>,
        pub code_expires_at: Timestamp,
        pub code_redeemed_at: Option<Timestamp>,
        /// The refresh generation that is alive; 0 before the code is redeemed.
        pub refresh_generation: i64,
        pub refreshed_at: Option<Timestamp>,
        pub refresh_expires_at: Option<Timestamp>,
        pub revoked_at: Option<Timestamp>,
        pub created_at: Timestamp,
        /// The absolute end.
        pub ends_at: Timestamp,
    }
}

impl Grant {
    /// What an exchange of its refresh token will need.
    pub fn due(&self) -> Due {
        Due::of(&self.scope, self.claims_requested.as_ref().map(|requested| &requested.0))
    }
}

row! {
    /// A grant whose client and user are still there, with what userinfo tells of the user.
    #[derive(Clone, Debug)]
    pub struct LiveGrant {
        pub id: GrantId,
        pub client_id: ClientId,
        pub subject: Subject,
        pub seen_as: Option<Subject>,
        pub session_id: SessionId,
        pub scope: Scope,
        pub audience: Json<Vec<String>>,
        pub claims: Option<Json<SessionClaims>>,
        pub claims_requested: Option<Json<ClaimsRequest>>,
        pub refresh_generation: i64,
        pub refresh_expires_at: Option<Timestamp>,
        pub created_at: Timestamp,
        pub ends_at: Timestamp,
        pub username: Option<String>,
        pub email: Option<String>,
        pub user_claims: Option<String>,
    }
}

impl LiveGrant {
    /// What is known of the person, under the names of claims.
    pub fn known(&self) -> Map<String, Value> {
        let kept = self.user_claims.as_deref().and_then(|text| serde_json::from_str(text).ok());
        claims::known(kept, self.username.as_deref(), self.email.as_deref())
    }
}

/// How much later than it needs a row's end is set, so that what happens within a day does not move it.
pub const SLACK: Duration = Duration::from_hours(24);

/// A new grant, with its code if it has one.
#[derive(Clone, Debug)]
pub struct NewGrant {
    pub id: GrantId,
    pub client_id: ClientId,
    pub subject: Subject,
    pub seen_as: Option<Subject>,
    pub session_id: SessionId,
    pub scope: Scope,
    pub audience: Vec<String>,
    pub claims: Option<SessionClaims>,
    pub claims_requested: Option<ClaimsRequest>,
    /// How the person was asked; `None`: nobody was.
    pub consent: Option<ConsentRecord>,
    /// The client has registered where it is told of the session's end.
    pub hears_of_logout: bool,
    /// It comes of a decision that was recorded, also where nobody was asked.
    pub is_decided: bool,
    pub authenticated_at: Timestamp,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    pub nonce: Option<String>,
    pub redirect_uri: Option<String>,
    pub code_challenge: Option<String>,
    /// `false`: everything was given at the authorization endpoint, and no code can ever be redeemed.
    pub has_code: bool,
    pub code_expires_at: Timestamp,
    /// Not before the client's `tokens_valid_from`.
    pub created_at: Timestamp,
    pub ends_at: Timestamp,
    /// When the row may be swept if the code is never redeemed: not before the flow's verifiers have expired, because
    /// the row is what keeps a flow from ending twice. `None`: there is no code.
    pub unredeemed_until: Option<Timestamp>,
    /// When it may be swept in any case: as if the code were redeemed at its last moment, and its refresh token used
    /// `SLACK` later. A redemption that does not change it touches no index, which is far cheaper (a heap-only tuple).
    pub expires_at: Timestamp,
}

impl NewGrant {
    /// As it will be once it is inserted, for what is given out together with the code.
    pub fn as_granted(&self) -> Grant {
        Grant {
            id: self.id,
            client_id: self.client_id.clone(),
            subject: self.subject.clone(),
            seen_as: self.seen_as.clone(),
            session_id: self.session_id,
            scope: self.scope.clone(),
            audience: Json(self.audience.clone()),
            claims: self.claims.clone().map(Json),
            claims_requested: self.claims_requested.clone().map(Json),
            authenticated_at: self.authenticated_at,
            acr: self.acr.clone(),
            amr: Json(self.amr.clone()),
            nonce: self.nonce.clone(),
            redirect_uri: self.redirect_uri.clone(),
            code_challenge: self.code_challenge.clone(),
            code_expires_at: self.code_expires_at,
            code_redeemed_at: None,
            refresh_generation: 0,
            refreshed_at: None,
            refresh_expires_at: None,
            revoked_at: None,
            created_at: self.created_at,
            ends_at: self.ends_at,
        }
    }
}

/// What a code is redeemed with; everything that binds the code.
#[derive(Clone, Debug)]
pub struct CodeClaim {
    pub grant: GrantId,
    pub client: ClientId,
    pub redirect_uri: Option<String>,
    /// The S256 challenge of the verifier that was sent.
    pub challenge: Option<String>,
    /// When the first refresh token ends, if the client may have one. It gets one where the scope asks for it.
    pub refresh_expires_at: Option<Timestamp>,
    /// When nothing of the grant can be alive any more, without a refresh token.
    pub expires_at: Timestamp,
    /// What tokens carry from now on; `None` leaves what the consent said.
    pub claims: Option<Json<SessionClaims>>,
    pub now: Timestamp,
}

/// What a refresh token is rotated with.
#[derive(Clone, Debug)]
pub struct Rotation {
    pub grant: GrantId,
    pub client: ClientId,
    pub generation: i64,
    pub refresh_expires_at: Timestamp,
    pub expires_at: Timestamp,
    /// What tokens carry from now on; `None` leaves it as it is.
    pub claims: Option<Json<SessionClaims>>,
    pub now: Timestamp,
}

/// The one statement, for a connection of its own or a transaction's.
macro_rules! insert {
    ($on:expr, $new:ident, $now:ident) => {
        sql!(
            $on,
            execute,
        "INSERT INTO grants (id, client_id, subject, session_id, scope, audience, authenticated_at, acr, amr, nonce,
                    redirect_uri, code_challenge, code_expires_at, code_failures, refresh_generation,
                    refresh_expires_at, created_at, ends_at, expires_at, claims_requested, code_redeemed_at, claims,
                    consent, seen_as, unredeemed_until)
             SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT),
                    CAST($6 AS TEXT), CAST($7 AS BIGINT), CAST($8 AS TEXT), CAST($9 AS TEXT), CAST($10 AS TEXT),
                    CAST($11 AS TEXT), CAST($12 AS TEXT), CAST($13 AS BIGINT), 0, 0,
                    CASE WHEN CAST($17 AS BOOLEAN) THEN CAST($13 AS BIGINT) END,
                    CAST($18 AS BIGINT), CAST($15 AS BIGINT), CAST($16 AS BIGINT), CAST($19 AS TEXT),
                    CASE WHEN CAST($20 AS BOOLEAN) THEN NULL ELSE CAST($14 AS BIGINT) END, CAST($21 AS TEXT),
                    CAST($22 AS TEXT), CAST($23 AS TEXT), CAST($24 AS BIGINT)
              WHERE EXISTS (SELECT 1 FROM sessions s WHERE s.id = $4 AND s.subject = $3 AND s.authenticated_at = CAST($7 AS BIGINT)
                                 AND s.expires_at > CAST($14 AS BIGINT))
             ON CONFLICT (id) DO NOTHING",
            $new.id,
            &$new.client_id,
            &$new.subject,
            $new.session_id,
            &$new.scope,
            Json(&$new.audience),
            $new.authenticated_at,
            $new.acr.as_deref(),
            Json(&$new.amr),
            $new.nonce.as_deref(),
            $new.redirect_uri.as_deref(),
            $new.code_challenge.as_deref(),
            $new.code_expires_at,
            $now,
            $new.ends_at,
            $new.expires_at,
            $new.has_code && $new.scope.wants_refresh(),
            $new.created_at,
            $new.claims_requested.as_ref().map(Json),
            $new.has_code,
            $new.claims.as_ref().map(Json),
            $new.consent.as_ref().map(Json),
            $new.seen_as.as_ref(),
            $new.unredeemed_until,
        )
    };
}

impl Store {
    /// Ends a flow in a grant, once: the grant has the flow's id, so of two attempts exactly one inserts it. Only while
    /// the session that it comes from is alive, and as it was looked at: nobody has signed in to it anew since.
    ///
    /// A code asks for the session again when it is redeemed. What is given out at once does not, so it is inserted with
    /// the session's row held: whoever ends the session at this moment finds the grant, or this finds no session. The same
    /// of a client that is to be told when the session ends.
    ///
    /// What was decided is ended in a grant only while the decision is there; what they want remembered is with it. Whoever revokes
    /// the consent at this moment finds the grant, or this finds no decision.
    pub async fn insert_grant(
        &self,
        new: &NewGrant,
        remembered: Option<Consent>,
        is_given_at_once: bool,
        now: Timestamp,
    ) -> Result<bool> {
        let holds_session = is_given_at_once || new.hears_of_logout;
        if !holds_session && !new.is_decided {
            return Ok(insert!(self, new, now)? == 1);
        }
        let mut tx = self.begin().await?;
        if new.is_decided {
            let decided =
                sql!(&mut tx, execute, "UPDATE interactions SET consent = consent WHERE flow_id = $1", new.id)?;
            if decided == 0 {
                return Ok(false);
            }
        }
        if holds_session {
            let held = sql!(
                &mut tx,
                execute,
                "UPDATE sessions SET expires_at = expires_at WHERE id = $1 AND expires_at > $2",
                new.session_id,
                now,
            )?;
            if held == 0 {
                return Ok(false);
            }
        }
        let inserted = insert!(&mut tx, new, now)? == 1;
        if new.hears_of_logout && inserted {
            sql!(
                &mut tx,
                execute,
                "INSERT INTO session_clients (session_id, client_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                new.session_id,
                &new.client_id,
            )?;
        }
        if let Some(consent) = remembered.filter(|_| inserted) {
            consent::remember(&mut tx, consent, now).await?;
        }
        tx.commit().await?;
        Ok(inserted)
    }

    /// Redeems the code, once: of two concurrent calls exactly one gets the grant, because every condition that binds a
    /// code (RFC 6749 section 4.1.3, RFC 7636 section 4.6) is in the statement, not in a row read before it.
    pub async fn redeem_code(&self, claim: CodeClaim) -> Result<Option<Grant>> {
        self.0.lanes.redeem.run(claim).await
    }

    /// The grant whose code this would redeem, by every condition of the statement that does. It decides nothing: the code
    /// may be spent before it is redeemed.
    pub async fn redeemable(&self, claim: &CodeClaim) -> Result<Option<Grant>> {
        sql!(
            self,
            fetch_optional,
            "SELECT g.* FROM grants g
              WHERE g.id = $1 AND g.client_id = $2
                AND (g.redirect_uri IS NULL OR g.redirect_uri = $3)
                AND g.code_challenge IS NOT DISTINCT FROM $4
                AND g.code_redeemed_at IS NULL AND g.code_expires_at > $5 AND g.revoked_at IS NULL
                AND EXISTS (SELECT 1 FROM sessions s WHERE s.id = g.session_id)
                AND EXISTS (SELECT 1 FROM clients c WHERE c.id = g.client_id AND c.tokens_valid_from <= g.created_at)
                AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = g.subject
                                    AND (u.disabled OR u.tokens_valid_from > g.authenticated_at))",
            claim.grant,
            &claim.client,
            claim.redirect_uri.as_deref(),
            claim.challenge.as_deref(),
            claim.now,
        )
    }

    /// The same of a refresh generation.
    pub async fn rotatable(&self, rotation: &Rotation) -> Result<Option<Grant>> {
        sql!(
            self,
            fetch_optional,
            "SELECT g.* FROM grants g
              WHERE g.id = $1 AND g.client_id = $2 AND g.refresh_generation = $3
                AND g.revoked_at IS NULL AND g.refresh_expires_at > $4 AND g.ends_at > $4
                AND EXISTS (SELECT 1 FROM clients c WHERE c.id = g.client_id AND c.tokens_valid_from <= g.created_at)
                AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = g.subject
                                    AND (u.disabled OR u.tokens_valid_from > g.authenticated_at))",
            rotation.grant,
            &rotation.client,
            rotation.generation,
            rotation.now,
        )
    }

    /// Spends a refresh generation, once, and makes the next one the one that is alive.
    pub async fn rotate_refresh(&self, rotation: Rotation) -> Result<Option<Grant>> {
        self.0.lanes.rotate.run(rotation).await
    }

    /// The grant, if it is not revoked and neither its client nor its user is gone: always the truth.
    pub async fn live_grant(&self, id: GrantId, now: Timestamp) -> Result<Option<LiveGrant>> {
        self.0.lanes.look_up.run(lanes::LookUp { grant: id, now }).await
    }

    /// The row as it is, to say why a statement on it changed nothing.
    pub async fn grant(&self, id: GrantId) -> Result<Option<Grant>> {
        sql!(self, fetch_optional, "SELECT * FROM grants WHERE id = $1", id)
    }

    /// Counts a wrong verifier against the code; the third one kills it, so that it can not be guessed at.
    pub async fn count_code_failure(&self, id: GrantId, now: Timestamp) -> Result<()> {
        sql!(
            self,
            execute,
            "UPDATE grants SET code_failures = code_failures + 1,
                    revoked_at = CASE WHEN code_failures >= 2 THEN $2 ELSE revoked_at END
              WHERE id = $1 AND code_redeemed_at IS NULL AND revoked_at IS NULL",
            id,
            now,
        )?;
        Ok(())
    }
}

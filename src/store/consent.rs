//! Consents that a person wants remembered: per client and scope.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Store;
use super::audit::{self, Action};
use super::db::{Json, Result, Tx, row, sql};
use super::decision::{ConsentRecord, Forced};
use super::logout_token;
use super::session::Ending;
use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId, Subject};
use crate::oauth::scope::Scope;
use crate::oauth::session_claims::SessionClaims;

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
        /// The flow in which it was given last.
        pub flow_id: String,
    }
}

row! {
    /// A consent as the admin API lists it: of a grant that is alive, or one that is remembered.
    #[derive(Clone, Debug)]
    pub struct Consented {
        pub flow_id: String,
        pub client_id: ClientId,
        pub session_id: Option<SessionId>,
        pub scope: Scope,
        pub audience: Json<Vec<String>>,
        pub claims: Option<Json<SessionClaims>>,
        pub acr: Option<String>,
        pub amr: Json<Vec<String>>,
        pub consent: Option<Json<ConsentRecord>>,
        pub granted_at: Timestamp,
        /// Of one that is remembered and whose grant is gone.
        pub expires_at: Option<Timestamp>,
    }
}

row! {
    /// What a client was allowed, of all its grants that are alive and of what is remembered.
    #[derive(Clone, Debug)]
    pub struct ConnectedClient {
        pub client_id: ClientId,
        pub scope: Scope,
        /// The first of them.
        pub since: Timestamp,
    }
}

/// Clients and scopes of one person that are looked at.
const MOST_CONNECTED: i64 = 1000;

impl Consent {
    /// Both together. What was remembered for longer is not shortened where this one says the same; where it says less,
    /// or something else, neither outlasts the earlier end.
    #[must_use]
    pub fn beside(self, before: Option<Self>) -> Self {
        let Some(before) = before else { return self };
        let covers = before.scope.is_subset_of(&self.scope)
            && before.audience.0.iter().all(|one| self.audience.0.contains(one))
            && before.claims.0.iter().all(|one| self.claims.0.contains(one));
        if covers {
            return self;
        }
        Self {
            scope: before.scope.iter().chain(self.scope.iter()).collect(),
            audience: Json(united(before.audience.0, self.audience.0)),
            claims: Json(united(before.claims.0, self.claims.0)),
            expires_at: match (before.expires_at, self.expires_at) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
            ..self
        }
    }
}

/// Both, each once.
fn united(mut before: Vec<String>, now: Vec<String>) -> Vec<String> {
    for one in now {
        if !before.contains(&one) {
            before.push(one);
        }
    }
    before
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

    /// What a person has been asked for and has allowed, newest first, from the one after `before` on: of grants that are
    /// alive, and what is remembered of others.
    pub async fn consented(
        &self,
        subject: &Subject,
        session: Option<SessionId>,
        before: Option<&str>,
        most: i64,
        now: Timestamp,
    ) -> Result<Vec<Consented>> {
        sql!(
            self,
            fetch_all,
            "SELECT g.id AS flow_id, g.client_id, g.session_id, g.scope, g.audience, g.claims, g.acr, g.amr, g.consent,
                    g.created_at AS granted_at, CAST(NULL AS BIGINT) AS expires_at
               FROM grants g JOIN clients c ON c.id = g.client_id AND c.tokens_valid_from <= g.created_at
              WHERE g.subject = $1 AND g.consent IS NOT NULL AND g.revoked_at IS NULL AND g.ends_at > $2
                AND (g.code_redeemed_at IS NOT NULL OR g.code_expires_at > $2)
                AND (CAST($3 AS TEXT) IS NULL OR g.session_id = $3) AND (CAST($4 AS TEXT) IS NULL OR g.id < $4)
             UNION ALL
             SELECT k.flow_id, k.client_id, NULL, k.scope, k.audience, NULL, NULL, '[]', NULL, k.granted_at, k.expires_at
               FROM consents k JOIN clients c ON c.id = k.client_id
              WHERE k.subject = $1 AND (k.expires_at IS NULL OR k.expires_at > $2) AND CAST($3 AS TEXT) IS NULL
                AND (CAST($4 AS TEXT) IS NULL OR k.flow_id < $4)
                AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.id = k.flow_id AND g.consent IS NOT NULL
                                   AND g.revoked_at IS NULL AND g.ends_at > $2
                                   AND (g.code_redeemed_at IS NOT NULL OR g.code_expires_at > $2))
              ORDER BY 1 DESC LIMIT $5",
            subject,
            now,
            session,
            before,
            most,
        )
    }

    /// The clients that a person has connected, newest first, once for each scope: by grants that are alive, and by what is
    /// remembered.
    pub async fn connected_clients(&self, subject: &Subject, now: Timestamp) -> Result<Vec<ConnectedClient>> {
        sql!(
            self,
            fetch_all,
            "SELECT a.client_id, a.scope, MIN(a.since) AS since
               FROM (SELECT g.client_id, g.scope, g.created_at AS since
                       FROM grants g JOIN clients c ON c.id = g.client_id AND c.tokens_valid_from <= g.created_at
                      WHERE g.subject = $1 AND g.revoked_at IS NULL AND g.ends_at > $2 AND g.expires_at > $2
                        AND (g.code_redeemed_at IS NOT NULL OR g.code_expires_at > $2)
                        AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = g.subject
                                           AND (u.disabled OR u.tokens_valid_from > g.authenticated_at))
                      UNION ALL
                     SELECT k.client_id, k.scope, k.granted_at
                       FROM consents k JOIN clients c ON c.id = k.client_id
                      WHERE k.subject = $1 AND (k.expires_at IS NULL OR k.expires_at > $2)) a
              GROUP BY a.client_id, a.scope ORDER BY MAX(a.since) DESC, a.client_id LIMIT $3",
            subject,
            now,
            MOST_CONNECTED,
        )
    }

    /// Revokes what a person has allowed one client, or all: what is remembered, every grant, and what was decided and is
    /// not finished yet; the clients are told. How many grants.
    ///
    /// What is being finished at this moment holds its interaction: this waits for it there, and then finds its grant.
    pub async fn revoke_consents(&self, subject: &Subject, client: Option<&ClientId>, ending: Ending) -> Result<u64> {
        let mut tx = self.begin().await?;
        let undecided = sql!(
            &mut tx,
            execute,
            "DELETE FROM interactions WHERE subject = $1 AND (CAST($2 AS TEXT) IS NULL OR client_id = $2)",
            subject,
            client,
        )?;
        let forgotten: Vec<(ClientId,)> = sql!(
            &mut tx,
            fetch_all,
            "DELETE FROM consents WHERE subject = $1 AND (CAST($2 AS TEXT) IS NULL OR client_id = $2) RETURNING client_id",
            subject,
            client,
        )?;
        // Before the grants, as where a session ends: who takes rows in one order never waits in a circle.
        let signed_in = leave(&mut tx, subject, client).await?;
        let revoked: Vec<(ClientId, SessionId)> = sql!(
            &mut tx,
            fetch_all,
            "UPDATE grants SET revoked_at = $3
              WHERE subject = $1 AND (CAST($2 AS TEXT) IS NULL OR client_id = $2) AND revoked_at IS NULL
             RETURNING client_id, session_id",
            subject,
            client,
            ending.now,
        )?;
        let grants = revoked.len() as u64;
        if undecided > 0 || !forgotten.is_empty() || !revoked.is_empty() || !signed_in.is_empty() {
            let gone = gone(forgotten.iter().map(|(client,)| client), revoked.iter().map(|(client, _)| client));
            audit::record(&mut tx, Action::ConsentRevoked, subject.as_str(), Some(gone), None).await?;
        }
        tell(&mut tx, subject, revoked.into_iter().chain(signed_in).collect(), ending).await?;
        tx.commit().await?;
        self.0.logout_tokens_due.notify_one();
        Ok(grants)
    }

    /// Revokes one consent: its grant, and what the person has had remembered for the client, which is one with it; the
    /// client is told.
    pub async fn revoke_consent(&self, flow: &str, ending: Ending) -> Result<u64> {
        let mut tx = self.begin().await?;
        let undecided: Option<(Option<Subject>,)> =
            sql!(&mut tx, fetch_optional, "DELETE FROM interactions WHERE flow_id = $1 RETURNING subject", flow,)?;
        let mut forgotten: Vec<(Subject, ClientId)> =
            sql!(&mut tx, fetch_all, "DELETE FROM consents WHERE flow_id = $1 RETURNING subject, client_id", flow,)?;
        let of_grant: Vec<(Subject, ClientId)> = sql!(
            &mut tx,
            fetch_all,
            "DELETE FROM consents WHERE (subject, client_id) IN (SELECT subject, client_id FROM grants WHERE id = $1)
             RETURNING subject, client_id",
            flow,
        )?;
        forgotten.extend(of_grant);
        // What is remembered was given in many sessions; one that is not is its grant's.
        let mut signed_in = Vec::new();
        for (subject, client) in &forgotten {
            signed_in.push((subject.clone(), leave(&mut tx, subject, Some(client)).await?));
        }
        let revoked: Option<(Subject, ClientId, SessionId)> = sql!(
            &mut tx,
            fetch_optional,
            "UPDATE grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING subject, client_id, session_id",
            flow,
            ending.now,
        )?;
        let grants = u64::from(revoked.is_some());
        let whose = revoked.as_ref().map(|(subject, ..)| subject).or(forgotten.first().map(|gone| &gone.0));
        let undecided = undecided.and_then(|(subject,)| subject);
        if let Some(subject) = whose.or(undecided.as_ref()) {
            let gone = gone(forgotten.iter().map(|gone| &gone.1), revoked.iter().map(|(_, client, _)| client));
            audit::record(&mut tx, Action::ConsentRevoked, subject.as_str(), Some(gone), None).await?;
        }
        if let Some((subject, client, session)) = revoked {
            signed_in.push((subject, vec![(client, session)]));
        }
        let mut told: BTreeMap<Subject, BTreeSet<(ClientId, SessionId)>> = BTreeMap::new();
        for (subject, left) in signed_in {
            told.entry(subject).or_default().extend(left);
        }
        for (subject, left) in told {
            tell(&mut tx, &subject, left, ending).await?;
        }
        tx.commit().await?;
        self.0.logout_tokens_due.notify_one();
        Ok(grants)
    }

    /// What a pairwise client knows a person as, where the login app has said so.
    pub async fn forced_subject(&self, client: &ClientId, subject: &Subject) -> Result<Option<Subject>> {
        sql!(
            self,
            scalar_optional,
            "SELECT seen_as FROM forced_subjects WHERE client_id = $1 AND subject = $2",
            client,
            subject,
        )
    }

    /// Whether a client knows somebody else as this.
    pub async fn is_somebody_else(&self, client: &ClientId, subject: &Subject, seen_as: &Subject) -> Result<bool> {
        sql!(
            self,
            scalar,
            "SELECT EXISTS (SELECT 1 FROM forced_subjects WHERE client_id = $1 AND seen_as = $3 AND subject <> $2)",
            client,
            subject,
            seen_as,
        )
    }
}

/// Takes clients out of a person's sessions: one, or all. Those that were to be told of these sessions' end.
async fn leave(tx: &mut Tx, subject: &Subject, client: Option<&ClientId>) -> Result<Vec<(ClientId, SessionId)>> {
    sql!(
        tx,
        fetch_all,
        "DELETE FROM session_clients
          WHERE session_id IN (SELECT id FROM sessions WHERE subject = $1)
            AND (CAST($2 AS TEXT) IS NULL OR client_id = $2)
         RETURNING client_id, session_id",
        subject,
        client,
    )
}

/// What a person had allowed, by client, as events tell of it.
fn gone<'a>(remembered: impl Iterator<Item = &'a ClientId>, granted: impl Iterator<Item = &'a ClientId>) -> Value {
    let mut clients = BTreeMap::<&ClientId, (bool, u64)>::new();
    remembered.for_each(|client| clients.entry(client).or_default().0 = true);
    granted.for_each(|client| clients.entry(client).or_default().1 += 1);
    let told = |(client, (remembered, grants)): (&ClientId, (bool, u64))| {
        (client.to_string(), json!({ "remembered": remembered, "grants": grants }))
    };
    Value::Object(clients.into_iter().map(told).collect())
}

/// Has clients told that what they were given in these sessions is over: for each session that is alive; for a client that
/// has none any more, whatever the person is still signed in to there.
async fn tell(tx: &mut Tx, subject: &Subject, revoked: BTreeSet<(ClientId, SessionId)>, ending: Ending) -> Result<()> {
    let alive: Vec<(SessionId,)> = sql!(&mut *tx, fetch_all, "SELECT id FROM sessions WHERE subject = $1", subject)?;
    let is_alive = |session: &SessionId| alive.iter().any(|(alive,)| alive == session);
    let elsewhere: BTreeSet<_> = revoked.iter().map(|(client, _)| client).collect();
    let told: BTreeSet<_> = revoked.iter().filter(|(_, session)| is_alive(session)).collect();
    for (client, session) in &told {
        logout_token::enqueue(tx, client, subject, Some(*session), ending).await?;
    }
    for client in elsewhere.into_iter().filter(|client| !told.iter().any(|(told, _)| told == *client)) {
        logout_token::enqueue(tx, client, subject, None, ending).await?;
    }
    Ok(())
}

/// Lets a client know a person as something else from here on; `Conflict` where that is somebody else by now.
pub(super) async fn force_subject(tx: &mut Tx, forced: &Forced) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO forced_subjects (client_id, subject, seen_as) VALUES ($1, $2, $3)
         ON CONFLICT (client_id, subject) DO UPDATE SET seen_as = excluded.seen_as",
        &forced.client_id,
        &forced.subject,
        &forced.seen_as,
    )?;
    Ok(())
}

/// Remembers a consent beside what was remembered before.
pub(super) async fn remember(tx: &mut Tx, consent: Consent, now: Timestamp) -> Result<()> {
    let before: Option<Consent> = sql!(
        &mut *tx,
        fetch_optional,
        "SELECT * FROM consents WHERE subject = $1 AND client_id = $2 AND (expires_at IS NULL OR expires_at > $3)",
        &consent.subject,
        &consent.client_id,
        now,
    )?;
    let consent = consent.beside(before);
    sql!(
        tx,
        execute,
        "INSERT INTO consents (subject, client_id, scope, audience, granted_at, expires_at, claims, flow_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (subject, client_id) DO UPDATE
            SET scope = excluded.scope, audience = excluded.audience, granted_at = excluded.granted_at,
                expires_at = excluded.expires_at, claims = excluded.claims, flow_id = excluded.flow_id",
        &consent.subject,
        &consent.client_id,
        &consent.scope,
        &consent.audience,
        consent.granted_at,
        consent.expires_at,
        &consent.claims,
        &consent.flow_id,
    )?;
    Ok(())
}

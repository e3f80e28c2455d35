//! Logout tokens that are to be delivered: the outbox of back-channel logout (OpenID Connect Back-Channel Logout 1.0).
//!
//! A row is written in the transaction that ends the session, so that a server that dies afterwards has forgotten nobody.
//! Whichever replica claims it sends it; a claim ends by itself, so that one that died in between is sent again.

use std::time::Duration;

use super::db::{Result, Tx, row, sql};
use super::session::Ending;
use super::{Store, events};
use crate::clock::Timestamp;
use crate::id::{ClientId, SessionId, Subject, TokenId};

row! {
    /// A logout token, as far as it does not depend on when it is sent.
    #[derive(Clone, Debug)]
    pub struct LogoutToken {
        /// `jti`: the same at every attempt, so that the client can tell one that it has seen.
        pub id: TokenId,
        pub client_id: ClientId,
        pub subject: Subject,
        /// What the client knew the person as, where the login app has said so.
        pub seen_as: Option<Subject>,
        /// `None`: all sessions of the person at this client.
        pub session_id: Option<SessionId>,
        pub attempts: i64,
        /// The next attempt, or the end of the claim on this one; `None`: there will be none.
        pub due_at: Option<Timestamp>,
        pub delivered_at: Option<Timestamp>,
        /// Why the last attempt failed; `None` also while one is under way.
        pub failure: Option<String>,
        pub created_at: Timestamp,
        /// No attempt begins after it.
        pub ends_at: Timestamp,
    }
}

/// Where a logout token has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    Delivered,
    /// Given up.
    Failed,
}

impl State {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl LogoutToken {
    pub fn state(&self) -> State {
        match (self.due_at, self.delivered_at) {
            (_, Some(_)) => State::Delivered,
            (Some(_), None) => State::Pending,
            (None, None) => State::Failed,
        }
    }
}

/// Which logout tokens are listed.
#[derive(Clone, Debug, Default)]
pub struct Listed<'a> {
    pub client: Option<&'a ClientId>,
    pub subject: Option<&'a Subject>,
    pub state: Option<State>,
    /// From the one after this on.
    pub before: Option<&'a str>,
    pub most: i64,
}

/// How long it can be seen what became of one.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// Has a client told that a session has ended, if it has registered where (`backchannel_logout_uri`). What is registered
/// when it is sent counts in the end.
pub(super) async fn enqueue(
    tx: &mut Tx,
    client: &ClientId,
    subject: &Subject,
    session: Option<SessionId>,
    ending: Ending,
) -> Result<()> {
    let ends_at = ending.now + ending.tells_for;
    let enqueued = sql!(
        &mut *tx,
        execute,
        "INSERT INTO logout_tokens (id, client_id, subject, session_id, attempts, due_at, created_at, ends_at, expires_at,
                seen_as)
         SELECT CAST($1 AS TEXT), c.id, CAST($3 AS TEXT), CAST($4 AS TEXT), 0, CAST($5 AS BIGINT), CAST($5 AS BIGINT),
                CAST($6 AS BIGINT), CAST($7 AS BIGINT),
                COALESCE((SELECT max(g.seen_as) FROM grants g WHERE g.session_id = $4 AND g.client_id = c.id),
                         (SELECT f.seen_as FROM forced_subjects f WHERE f.client_id = c.id AND f.subject = $3))
           FROM clients c WHERE c.id = $2 AND lower(c.metadata) LIKE '%\"backchannel_logout_uri\":\"http%'",
        TokenId::new(ending.now),
        client,
        subject,
        session,
        ending.now,
        ends_at,
        ends_at + KEPT,
    )?;
    if enqueued == 1 {
        events::logout_tokens_due(tx).await?;
    }
    Ok(())
}

impl Store {
    /// Waits until a logout token may be due: somebody has written one, here or at another replica.
    pub async fn logout_tokens_due(&self) {
        self.0.logout_tokens_due.notified().await;
    }

    /// The clients that are to be told something now. From one to the next by the index: what waits for a client that is
    /// away may be much, and is not read.
    pub async fn clients_to_tell(&self, now: Timestamp) -> Result<Vec<ClientId>> {
        let clients: Vec<(ClientId,)> = sql!(
            self,
            fetch_all,
            "WITH RECURSIVE waiting (client_id) AS (
                SELECT min(client_id) FROM logout_tokens WHERE due_at IS NOT NULL
                UNION ALL
                SELECT (SELECT min(t.client_id) FROM logout_tokens t
                         WHERE t.client_id > waiting.client_id AND t.due_at IS NOT NULL)
                  FROM waiting WHERE waiting.client_id IS NOT NULL)
             SELECT client_id FROM waiting
              WHERE client_id IS NOT NULL
                AND EXISTS (SELECT 1 FROM logout_tokens t WHERE t.client_id = waiting.client_id AND t.due_at <= $1)",
            now,
        )?;
        Ok(clients.into_iter().map(|(id,)| id).collect())
    }

    /// Takes what a client is to be told, the longest due first: of any number of replicas one gets each. The claim lasts
    /// until `until`; what has come to no end by then is due again.
    pub async fn claim_logout_tokens(
        &self,
        client: &ClientId,
        most: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<LogoutToken>> {
        sql!(
            self,
            fetch_all,
            "UPDATE logout_tokens SET due_at = $4, attempts = attempts + 1, failure = NULL
              WHERE id IN (SELECT id FROM logout_tokens WHERE client_id = $1 AND due_at <= $3 ORDER BY due_at LIMIT $2)
                AND due_at <= $3
             RETURNING *",
            client,
            i64::try_from(most).unwrap_or(i64::MAX),
            now,
            until,
        )
    }

    /// The client has it. Where the claim had ended, somebody else sees to it, and this changes nothing.
    pub async fn logout_token_was_delivered(&self, token: &LogoutToken, now: Timestamp) -> Result<()> {
        sql!(
            self,
            execute,
            "UPDATE logout_tokens SET due_at = NULL, delivered_at = $3, failure = NULL, expires_at = $4
              WHERE id = $1 AND due_at = $2",
            token.id,
            token.due_at,
            now,
            now + KEPT,
        )?;
        Ok(())
    }

    /// The client does not have it; the next attempt is at `next`, or it is given up. The same of the claim.
    pub async fn logout_token_failed(&self, token: &LogoutToken, failure: &str, next: Option<Timestamp>) -> Result<()> {
        sql!(
            self,
            execute,
            "UPDATE logout_tokens SET due_at = $3, failure = $4 WHERE id = $1 AND due_at = $2",
            token.id,
            token.due_at,
            next,
            failure,
        )?;
        Ok(())
    }

    /// Logout tokens, newest first.
    pub async fn logout_tokens(&self, listed: &Listed<'_>) -> Result<Vec<LogoutToken>> {
        sql!(
            self,
            fetch_all,
            "SELECT * FROM logout_tokens
              WHERE (CAST($1 AS TEXT) IS NULL OR client_id = $1) AND (CAST($2 AS TEXT) IS NULL OR subject = $2)
                AND (CAST($3 AS TEXT) IS NULL
                     OR $3 = CASE WHEN delivered_at IS NOT NULL THEN 'delivered'
                                  WHEN due_at IS NOT NULL THEN 'pending' ELSE 'failed' END)
                AND (CAST($4 AS TEXT) IS NULL OR id < $4)
              ORDER BY id DESC LIMIT $5",
            listed.client,
            listed.subject,
            listed.state.map(State::as_str),
            listed.before,
            listed.most,
        )
    }

    /// How many are still to be delivered.
    pub async fn pending_logout_tokens(&self) -> Result<i64> {
        sql!(self, scalar, "SELECT count(*) FROM logout_tokens WHERE due_at IS NOT NULL")
    }
}

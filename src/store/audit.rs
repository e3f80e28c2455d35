//! Events: who changed what as an operator, and what was there before and after (security-cases.md AD-13).
//!
//! An event is written in the transaction of the change that it tells of: there is never one without the other. No
//! statement changes one, and only the sweep takes them. What is told of a row is a value that is made for it, which has no
//! member for a secret, a hash or a private key.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::Store;
use super::db::{Json, Result, Tx, row, sql};
use crate::clock::{Clock, Timestamp};
use crate::id::EventIds;

/// Who changes something as an operator.
#[derive(Clone, Debug)]
pub struct Actor {
    /// An admin token's name, `admin:` with an address, or `cli:` with a user of the machine. No token's name has a colon.
    pub name: String,
    /// The id of the request that it is done by, as in the log.
    pub request: Option<String>,
    pub clock: Clock,
    /// How long its events are kept.
    pub kept: Duration,
}

/// An actor, and the ids for what they do.
#[derive(Debug)]
pub struct Acting {
    actor: Actor,
    ids: Arc<EventIds>,
}

macro_rules! actions {
    ($($name:ident = $text:literal,)+) => {
        /// What was done: the kind of its target, and after the dot what has become of that.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action { $($name,)+ }

        impl Action {
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

actions! {
    ClientCreated = "client.created",
    ClientChanged = "client.changed",
    ClientSecretRotated = "client.secret_rotated",
    ClientSecretsForgotten = "client.secrets_forgotten",
    ClientTokensRevoked = "client.tokens_revoked",
    ClientDeleted = "client.deleted",
    RegistrationTokenCreated = "registration_token.created",
    RegistrationTokenDeleted = "registration_token.deleted",
    UserCreated = "user.created",
    UserChanged = "user.changed",
    UserPasswordSet = "user.password_set",
    UserDeleted = "user.deleted",
    KeyMade = "key_set.key_made",
    KeysImported = "key_set.keys_imported",
    KeyRemoved = "key_set.key_removed",
    KeyRevoked = "key_set.key_revoked",
    KeySetReplaced = "key_set.replaced",
    KeySetRemoved = "key_set.removed",
    TrustedIssuerCreated = "trusted_issuer.created",
    TrustedIssuerDeleted = "trusted_issuer.deleted",
    ConsentRevoked = "consent.revoked",
    SessionEnded = "session.ended",
    InteractionsEnded = "interaction.ended",
    GrantRevoked = "grant.revoked",
    TokenRevoked = "token.revoked",
}

impl Action {
    pub fn target_type(self) -> &'static str {
        self.as_str().split_once('.').map_or("", |(kind, _)| kind)
    }
}

/// No id is as large.
const AFTER_ALL: &str = "g";

row! {
    /// An event as it is kept.
    #[derive(Clone, Debug)]
    pub struct Event {
        pub id: String,
        pub at: Timestamp,
        pub actor: String,
        pub action: String,
        pub target_type: String,
        pub target: String,
        /// Where both are there, each has only the members that differ.
        pub before: Option<Json<Value>>,
        pub after: Option<Json<Value>>,
        pub request_id: Option<String>,
    }
}

/// Which events are asked for: each is compared as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    pub target: Option<&'a str>,
    pub target_type: Option<&'a str>,
    pub actor: Option<&'a str>,
    pub action: Option<&'a str>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

impl Store {
    /// The same store in the hands of an operator: what is changed by it is recorded.
    #[must_use]
    pub fn by(&self, actor: Actor) -> Self {
        Self(Arc::clone(&self.0), Some(Arc::new(Acting { actor, ids: Arc::clone(&self.0.event_ids) })))
    }

    /// The same store for what the server does of its own accord, whoever was the occasion.
    #[must_use]
    pub fn by_itself(&self) -> Self {
        Self(Arc::clone(&self.0), None)
    }

    /// Events newest first, from the one after `before` on.
    pub async fn events(&self, wanted: Wanted<'_>, before: Option<&str>, most: i64) -> Result<Vec<Event>> {
        let Wanted { target, target_type, actor, action, since, until } = wanted;
        // Ids are in the order of time, and never of a time before the event's: what is older is not read.
        let from = since.map(EventIds::first_of).unwrap_or_default();
        let before = before.unwrap_or(AFTER_ALL);
        // Two statements: a condition that may be left out is asked of every row, and what became of one target is found by
        // its index.
        if let Some(target) = target {
            return sql!(
                self,
                fetch_all,
                "SELECT * FROM events
                  WHERE target = $1 AND id < $2 AND id >= $9
                    AND (CAST($3 AS TEXT) IS NULL OR target_type = $3) AND (CAST($4 AS TEXT) IS NULL OR actor = $4)
                    AND (CAST($5 AS TEXT) IS NULL OR action = $5) AND (CAST($6 AS BIGINT) IS NULL OR at >= $6)
                    AND (CAST($7 AS BIGINT) IS NULL OR at < $7)
                  ORDER BY id DESC LIMIT $8",
                target,
                before,
                target_type,
                actor,
                action,
                since,
                until,
                most,
                from,
            );
        }
        sql!(
            self,
            fetch_all,
            "SELECT * FROM events
              WHERE id < $1 AND id >= $8
                AND (CAST($2 AS TEXT) IS NULL OR target_type = $2) AND (CAST($3 AS TEXT) IS NULL OR actor = $3)
                AND (CAST($4 AS TEXT) IS NULL OR action = $4) AND (CAST($5 AS BIGINT) IS NULL OR at >= $5)
                AND (CAST($6 AS BIGINT) IS NULL OR at < $6)
              ORDER BY id DESC LIMIT $7",
            before,
            target_type,
            actor,
            action,
            since,
            until,
            most,
            from,
        )
    }
}

/// Records what the transaction does, where an operator does it; otherwise it is the protocol's own, and nothing is
/// written. Of what was there before and is there after only the members are kept that differ.
pub(super) async fn record(
    tx: &mut Tx,
    action: Action,
    target: &str,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<()> {
    let Some(acting) = tx.acting() else { return Ok(()) };
    let (before, after) = differences(before, after);
    let Acting { actor, ids } = &*acting;
    let now = actor.clock.now();
    sql!(
        tx,
        execute,
        "INSERT INTO events (id, at, actor, action, target_type, target, before, after, request_id, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        ids.next(now).to_string(),
        now,
        &actor.name,
        action.as_str(),
        action.target_type(),
        target,
        before.map(Json),
        after.map(Json),
        actor.request.as_deref(),
        now + actor.kept,
    )?;
    Ok(())
}

/// Of two objects the members that are not the same in both; what is alone stays whole.
fn differences(before: Option<Value>, after: Option<Value>) -> (Option<Value>, Option<Value>) {
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (&before, &after) else { return (before, after) };
    let less = |of: &Map<String, Value>, other: &Map<String, Value>| {
        let differs = |(name, value): &(&String, &Value)| other.get(*name) != Some(*value);
        Value::Object(of.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    (Some(less(before, after)), Some(less(after, before)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_change_the_members_are_told_that_differ() {
        let (before, after) = differences(
            Some(json!({ "a": 1, "b": [1], "c": { "d": 1 }, "gone": true })),
            Some(json!({ "a": 1, "b": [2], "c": { "d": 1 }, "new": true })),
        );
        assert_eq!(before, Some(json!({ "b": [1], "gone": true })));
        assert_eq!(after, Some(json!({ "b": [2], "new": true })));
        assert_eq!(differences(None, Some(json!({ "a": 1 }))), (None, Some(json!({ "a": 1 }))));
        assert_eq!(differences(Some(json!({ "a": 1 })), None), (Some(json!({ "a": 1 })), None));
    }

    #[test]
    fn an_action_names_the_kind_of_its_target() {
        for action in Action::ALL {
            assert!(action.as_str().split('.').all(|part| !part.is_empty()), "{action:?}");
            assert!(action.as_str().starts_with(&format!("{}.", action.target_type())), "{action:?}");
        }
    }
}

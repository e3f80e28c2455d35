//! Identifiers: a type for each, so that none is taken for another.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Uuid};

use crate::clock::Timestamp;
use crate::secret::random;

/// A time-ordered UUID (RFC 9562 section 5.7): rows of one hour lie together, which databases reward.
fn ordered(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random()).into_uuid()
}

/// Seconds, and nanoseconds beyond them.
fn unix(now: Timestamp) -> (u64, u32) {
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    (millis / 1000, u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000)
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            pub fn new(now: Timestamp) -> Self {
                Self(ordered(now))
            }

            /// The millisecond in which it was made, as the UUID itself says.
            pub fn made_at(self) -> Timestamp {
                let (seconds, nanos) = self.0.get_timestamp().map_or((0, 0), |stamp| stamp.to_unix());
                Timestamp::from_millis(
                    i64::try_from(seconds).unwrap_or(0).saturating_mul(1000) + i64::from(nanos / 1_000_000),
                )
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[schemars(inline)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn new(value: impl Into<String>) -> Self {
                Self(value.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

uuid_id! {
    /// One login and consent, from the authorization request to the end of its tokens. A grant has the id of the flow
    /// that it came from: the primary key is what makes a flow end in one grant at most.
    GrantId
}
uuid_id! {
    /// A person's session in one browser; `sid` in ID tokens.
    SessionId
}
uuid_id! {
    /// An access token's own id (`jti`), by which it alone can be revoked.
    TokenId
}
uuid_id! {
    /// That an issuer is trusted for a subject, by one key.
    TrustedIssuerId
}
uuid_id! {
    /// What an operator has changed, once.
    EventId
}
text_id! {
    /// `client_id`, RFC 6749 section 2.2. Compared byte for byte.
    ClientId
}
text_id! {
    /// `sub`: a user's id, never reassigned. For client credentials it is the client's id (RFC 9068 section 2.2).
    Subject
}

impl Subject {
    /// The subject of a new user.
    pub fn made(now: Timestamp) -> Self {
        Self(ordered(now).hyphenated().to_string())
    }
}

impl ClientId {
    /// The id of a client that did not choose its own.
    pub fn made() -> Self {
        Self(Uuid::new_v4().hyphenated().to_string())
    }
}

/// Ids of events, which sort in the order in which they are made here: within a millisecond too, and where the clock is set
/// back (RFC 9562 section 6.2, method 1).
#[derive(Debug)]
pub struct EventIds(Mutex<ContextV7>);

impl Default for EventIds {
    fn default() -> Self {
        Self(Mutex::new(ContextV7::new()))
    }
}

impl EventIds {
    pub fn next(&self, now: Timestamp) -> EventId {
        let (seconds, nanos) = unix(now);
        EventId(Uuid::new_v7(uuid::Timestamp::from_unix(&self.0, seconds, nanos)))
    }

    /// As text sorts, no id of this moment or of a later one is before it.
    pub fn first_of(now: Timestamp) -> String {
        let millis = u64::try_from(now.millis()).unwrap_or(0) & 0xffff_ffff_ffff;
        format!("{:08x}-{:04x}-", millis >> 16, millis & 0xffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_it_was_made_and_sorts_by_it() {
        let early = GrantId::new(Timestamp::from_millis(1_753_358_400_123));
        let late = GrantId::new(Timestamp::from_millis(1_753_358_400_124));
        assert_eq!(early.made_at().millis(), 1_753_358_400_123);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn events_sort_in_the_order_of_their_making() {
        let ids = EventIds::default();
        let at = |millis: i64| Timestamp::from_millis(1_753_358_400_000 + millis);
        let mut made: Vec<_> = (0..5000).map(|_| ids.next(at(5)).to_string()).collect();
        made.push(ids.next(at(0)).to_string());
        made.push(ids.next(at(9)).to_string());
        assert!(made.is_sorted() && made.windows(2).all(|two| two[0] != two[1]));
        let later = ids.next(at(20)).to_string();
        assert!(EventIds::first_of(at(20)) < later && later < EventIds::first_of(at(21)));
    }
}

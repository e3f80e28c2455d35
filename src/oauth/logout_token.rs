//! The logout token: OpenID Connect Back-Channel Logout 1.0 section 2.4.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::id::{ClientId, Subject, TokenId};

/// The header's `typ`, which keeps it from being taken for an ID token (section 2.4).
pub const TYP: &str = "logout+jwt";

/// How long one is good for: "preferably at most two minutes in the future" (section 2.4). One that is sent again is made
/// anew.
const LIFE: Duration = Duration::from_mins(2);

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of a logout token. There is no `nonce`, which would make it look like an ID token.
#[derive(Debug, Serialize)]
pub struct LogoutToken<'a> {
    iss: &'a str,
    sub: &'a Subject,
    aud: [&'a ClientId; 1],
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    events: Map<String, Value>,
}

impl<'a> LogoutToken<'a> {
    /// Without `sid` the person is signed out of all their sessions at the client (section 2.4).
    pub fn new(
        issuer: &'a str,
        client: &'a ClientId,
        id: TokenId,
        subject: &'a Subject,
        session: Option<&'a str>,
        now: Timestamp,
    ) -> Self {
        Self {
            iss: issuer,
            sub: subject,
            aud: [client],
            iat: now.seconds(),
            exp: (now + LIFE).seconds(),
            jti: id.to_string(),
            sid: session,
            events: Map::from_iter([(EVENT.to_owned(), json!({}))]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 2.4: the required claims, `events` with one member whose value is `{}`, never a `nonce`.
    #[test]
    fn it_says_what_the_specification_asks_for_and_no_more() {
        let (client, subject) = (ClientId::new("web"), Subject::new("alice"));
        let id = TokenId::new(Timestamp::from_millis(1_000_000));
        let now = Timestamp::from_millis(1_471_566_154_000);
        let token = LogoutToken::new("https://op.example/", &client, id, &subject, Some("s1"), now);
        assert_eq!(
            serde_json::to_value(&token).unwrap(),
            json!({
                "iss": "https://op.example/",
                "sub": "alice",
                "aud": ["web"],
                "iat": 1_471_566_154,
                "exp": 1_471_566_274,
                "jti": id.to_string(),
                "sid": "s1",
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            })
        );
        let of_all = LogoutToken::new("https://op.example/", &client, id, &subject, None, now);
        assert!(serde_json::to_value(&of_all).unwrap().get("sid").is_none());
    }
}

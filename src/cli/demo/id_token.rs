//! What a relying party holds an ID token to: OpenID Connect Core section 3.1.3.7, and 12.2 after a refresh.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::jose::{Verified, left_half_hash};

/// How far the two clocks may be apart, in seconds.
const LEEWAY: i64 = 30;

/// What the token must say to be the answer to this very request.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    /// `None` after a refresh, where no nonce was sent.
    pub nonce: Option<&'a str>,
    /// The token that came with it, for `at_hash`.
    pub access_token: &'a str,
    pub now: Timestamp,
}

impl Due<'_> {
    /// Checks the claims of a token whose signature was verified; why not is for the person in front of it.
    pub fn check(&self, token: &Verified) -> Result<(), &'static str> {
        let claims = &token.claims;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let time = |name: &str| claims.get(name).and_then(Value::as_i64);
        let now = self.now.seconds();
        let rules = [
            (text("iss") == Some(self.issuer), "the ID token is not of this issuer"),
            (self.is_audience(claims), "the ID token is not for this client alone"),
            (text("sub").is_some_and(|sub| (1..=255).contains(&sub.len())), "the ID token names nobody"),
            (time("exp").is_some_and(|exp| exp > now - LEEWAY), "the ID token has expired"),
            (time("iat").is_some_and(|iat| iat <= now + LEEWAY), "the ID token is from the future"),
            (self.nonce.is_none() || text("nonce") == self.nonce, "the ID token answers another request (nonce)"),
            (
                text("at_hash") == Some(&left_half_hash(token.header.alg.hash_alg(), self.access_token)),
                "the ID token belongs to another access token (at_hash)",
            ),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, why)| Err(why))
    }

    /// One audience, this client; and `azp`, where there is one, says the same.
    fn is_audience(&self, claims: &Map<String, Value>) -> bool {
        let own = |value: &Value| value.as_str() == Some(self.client_id);
        let aud = claims.get("aud").is_some_and(|aud| match aud {
            Value::Array(all) => !all.is_empty() && all.iter().all(own),
            one => own(one),
        });
        aud && claims.get("azp").is_none_or(own)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{Algorithm, Header};

    // OpenID Connect Core appendix A.6: the access token and its hash.
    const ACCESS_TOKEN: &str = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    const AT_HASH: &str = "77QmUPtjPfzWtF2AnpK9RQ";
    const DUE: Due<'_> = Due {
        issuer: "http://127.0.0.1:4444",
        client_id: "demo",
        nonce: Some("n-0S6_WzA2Mj"),
        access_token: ACCESS_TOKEN,
        now: Timestamp::from_seconds(1_000),
    };

    /// A sound token, with one claim replaced, or left out where `value` is null.
    fn with(name: &str, value: Value) -> Verified {
        let mut claims = json!({
            "iss": "http://127.0.0.1:4444", "aud": ["demo"], "sub": "alice", "exp": 4_600, "iat": 1_000,
            "nonce": "n-0S6_WzA2Mj", "at_hash": AT_HASH,
        });
        claims[name] = value;
        let mut claims = claims.as_object().cloned().unwrap();
        claims.retain(|_, value| !value.is_null());
        Verified { header: Header { alg: Algorithm::Rs256, kid: None, typ: None }, claims }
    }

    #[test]
    fn the_answer_to_the_request_is_believed() {
        for (name, value) in [("x", json!(1)), ("aud", json!("demo")), ("azp", json!("demo")), ("exp", json!(980))] {
            assert_eq!(DUE.check(&with(name, value.clone())), Ok(()), "{name}: {value}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for (name, value) in [
            ("iss", json!("http://127.0.0.1:4444/")),
            ("iss", Value::Null),
            ("aud", json!("other")),
            ("aud", json!(["demo", "other"])),
            ("aud", json!([])),
            ("aud", Value::Null),
            ("azp", json!("other")),
            ("sub", json!("")),
            ("sub", Value::Null),
            ("exp", json!(970)),
            ("exp", json!("4600")),
            ("iat", json!(1_031)),
            ("iat", Value::Null),
            ("nonce", json!("another")),
            ("nonce", Value::Null),
            ("at_hash", json!("another")),
            ("at_hash", Value::Null),
        ] {
            assert!(DUE.check(&with(name, value.clone())).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn a_refreshed_token_needs_no_nonce() {
        assert_eq!(Due { nonce: None, ..DUE }.check(&with("nonce", Value::Null)), Ok(()));
    }
}

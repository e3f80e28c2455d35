//! Assertions as grants: RFC 7521 section 4.1, RFC 7523 sections 2.1 and 3.

use std::time::Duration;

use serde_json::{Map, Value};

use super::jwt_claims::{Fault, LEEWAY, Times, is_for, text};
use super::params::Params;
use super::{ErrorCode, Result};
use crate::clock::Timestamp;
use crate::config::JwtGrant;
use crate::id::Subject;
use crate::jose::Token;

/// What `typ` may say, if it says anything: an assertion that is of another kind is for something else (RFC 8725 section
/// 3.11).
pub const TYPES: &[&str] = &["JWT"];

/// In bytes.
const LONGEST: usize = 16 * 1024;
const LONGEST_ISSUER: usize = 1024;
const LONGEST_SUBJECT: usize = 255;
const LONGEST_JTI: usize = 256;

/// Who an assertion may be meant for.
#[derive(Clone, Copy, Debug)]
pub struct Audience<'a> {
    pub issuer: &'a str,
    pub token_endpoint: &'a str,
    /// Where older issuers are put up with: then `aud` may be a list.
    pub lists: bool,
}

/// Who speaks for whom; nothing is proven by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub issuer: String,
    pub subject: Subject,
    pub kid: Option<String>,
}

/// A valid assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valid {
    /// With one it counts once.
    pub jti: Option<String>,
    /// When no assertion with this `jti` can be valid any more.
    pub forget_at: Timestamp,
}

/// The assertion of a request.
pub fn of(form: &Params) -> Result<&str> {
    let assertion = form.require("assertion")?;
    if assertion.len() > LONGEST {
        return Err(ErrorCode::InvalidRequest.because("The assertion is longer than 16 KiB."));
    }
    Ok(assertion)
}

/// Whose assertion it claims to be and about whom, so that the keys can be found.
pub fn claimed(token: &Token<'_>) -> Result<Claimed, Fault> {
    let claims = token.unverified_claims().map_err(|refusal| refusal.reason())?;
    let plain = |name: &str, longest: usize| {
        let is_plain = |value: &&str| (1..=longest).contains(&value.len()) && !value.chars().any(char::is_control);
        text(&claims, name).filter(is_plain).map(str::to_owned)
    };
    Ok(Claimed {
        issuer: plain("iss", LONGEST_ISSUER).ok_or("iss is not a string of 1 to 1024 bytes")?,
        subject: Subject::new(plain("sub", LONGEST_SUBJECT).ok_or("sub is not a string of 1 to 255 bytes")?),
        // What no key can be called is not looked for: databases fail at a NUL.
        kid: match &token.header.kid {
            Some(kid) if kid.chars().any(char::is_control) => return Err("there is no such kid"),
            kid => kid.clone(),
        },
    })
}

/// Judges the claims of an assertion whose signature is that of a key that is trusted for its `iss` and `sub`.
pub fn judge(
    claims: &Map<String, Value>,
    audience: &Audience<'_>,
    rules: &JwtGrant,
    now: Timestamp,
) -> Result<Valid, Fault> {
    let ours = [audience.issuer, audience.token_endpoint];
    let is_ours = match audience.lists {
        true => is_for(claims, &ours),
        false => text(claims, "aud").is_some_and(|aud| ours.contains(&aud)),
    };
    if !is_ours {
        return Err("aud is neither the issuer nor the token endpoint alone");
    }
    let times = Times::current(claims, now)?;
    let exp = times.exp.ok_or("there is no exp")?;
    if times.iat.is_none() && !rules.iat_optional {
        return Err("there is no iat");
    }
    if exp > times.iat.unwrap_or(now) + rules.max_ttl {
        return Err("it is good for longer than allowed");
    }
    let jti = match claims.get("jti") {
        None if rules.jti_optional => None,
        None => return Err("there is no jti"),
        Some(jti) => {
            let jti = jti.as_str().filter(|jti| (1..=LONGEST_JTI).contains(&jti.len()));
            Some(jti.ok_or("jti is not a string of 1 to 256 bytes")?.to_owned())
        }
    };
    // Longer than it could pass: another replica's clock may be behind the one that sweeps.
    Ok(Valid { jti, forget_at: exp + LEEWAY + Duration::from_mins(1) })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const AUDIENCE: Audience<'static> =
        Audience { issuer: "https://op.example", token_endpoint: "https://op.example/oauth2/token", lists: false };
    const RULES: JwtGrant = JwtGrant { iat_optional: false, jti_optional: false, max_ttl: Duration::from_hours(720) };

    fn valid() -> Value {
        json!({
            "iss": "https://idp.example", "sub": "alice", "aud": AUDIENCE.issuer, "jti": "1", "iat": 1_000_000,
            "nbf": 1_000_000, "exp": 1_000_300,
        })
    }

    fn with(changes: &Value) -> Value {
        let mut claims = valid();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = valid();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    fn judged(claims: &Value, audience: &Audience<'_>, rules: &JwtGrant) -> Result<Valid, Fault> {
        judge(claims.as_object().unwrap(), audience, rules, NOW)
    }

    /// TX-11: each of these is enough to refuse.
    #[test]
    fn tx_11_one_wrong_claim_is_enough() {
        let forget_at = Timestamp::from_seconds(1_000_300 + 70);
        assert_eq!(judged(&valid(), &AUDIENCE, &RULES), Ok(Valid { jti: Some("1".to_owned()), forget_at }));
        for changes in [
            json!({ "aud": "https://other.example" }),
            json!({ "aud": "https://op.example/" }),
            json!({ "aud": "https://op.example/oauth2" }),
            json!({ "aud": ["https://op.example"] }),
            json!({ "aud": [] }),
            json!({ "aud": null }),
            json!({ "exp": 999_990 }),
            json!({ "exp": null }),
            json!({ "exp": "1000300" }),
            json!({ "exp": 1_000_000 + 720 * 3600 + 1 }),
            json!({ "iat": 1_000_011 }),
            json!({ "iat": null }),
            json!({ "iat": 0, "exp": 720 * 3600 + 1 }),
            json!({ "nbf": 1_000_011 }),
            json!({ "jti": "" }),
            json!({ "jti": 7 }),
            json!({ "jti": null }),
            json!({ "jti": "x".repeat(257) }),
        ] {
            assert!(judged(&with(&changes), &AUDIENCE, &RULES).is_err(), "{changes}");
        }
        for name in ["aud", "exp", "iat", "jti"] {
            assert!(judged(&without(name), &AUDIENCE, &RULES).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_optional_may_be_left_out() {
        assert!(judged(&without("nbf"), &AUDIENCE, &RULES).is_ok());
        assert!(judged(&with(&json!({ "aud": AUDIENCE.token_endpoint })), &AUDIENCE, &RULES).is_ok());
        assert!(judged(&with(&json!({ "exp": 1_000_000 + 720 * 3600 })), &AUDIENCE, &RULES).is_ok());
        let lax = JwtGrant { iat_optional: true, jti_optional: true, ..RULES };
        assert!(judged(&without("iat"), &AUDIENCE, &lax).is_ok());
        assert_eq!(judged(&without("jti"), &AUDIENCE, &lax).unwrap().jti, None);
        assert!(judged(&with(&json!({ "jti": 7 })), &AUDIENCE, &lax).is_err());
        let mut endless = without("iat");
        endless["exp"] = json!(1_000_000 + 720 * 3600 + 1);
        assert!(judged(&endless, &AUDIENCE, &lax).is_err());
        let lists = Audience { lists: true, ..AUDIENCE };
        assert!(judged(&with(&json!({ "aud": ["x", AUDIENCE.issuer] })), &lists, &RULES).is_ok());
        assert!(judged(&with(&json!({ "aud": ["x"] })), &lists, &RULES).is_err());
    }

    #[test]
    fn who_speaks_for_whom_is_read_from_plain_strings() {
        let read = |header: &Value, claims: &Value| {
            let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
            let token = format!("{header}.{claims}.eA");
            claimed(&Token::read(&token).unwrap())
        };
        let es256 = json!({ "alg": "ES256" });
        let found = read(&json!({ "alg": "ES256", "kid": "k1" }), &valid()).unwrap();
        let subject = Subject::new("alice");
        assert_eq!(found, Claimed { issuer: "https://idp.example".to_owned(), subject, kid: Some("k1".to_owned()) });
        assert_eq!(read(&es256, &valid()).unwrap().kid, None);
        for changes in [
            json!({ "iss": "" }),
            json!({ "iss": 7 }),
            json!({ "iss": ["https://idp.example"] }),
            json!({ "iss": "a\u{0}" }),
            json!({ "sub": "" }),
            json!({ "sub": null }),
            json!({ "sub": "a\n" }),
            json!({ "sub": "x".repeat(256) }),
        ] {
            assert!(read(&es256, &with(&changes)).is_err(), "{changes}");
        }
        assert!(read(&json!({ "alg": "ES256", "kid": "k\u{0}" }), &valid()).is_err());
    }

    proptest! {
        #[test]
        fn no_claims_panic(name in "[a-z]{3}", value in any::<i64>(), text in ".*") {
            for value in [json!(value), json!(text), json!([text]), json!({ &text: value })] {
                let _ = judged(&with(&json!({ &name: value })), &AUDIENCE, &RULES);
                for known in ["aud", "exp", "iat", "nbf", "jti"] {
                    let _ = judged(&with(&json!({ known: value })), &AUDIENCE, &RULES);
                }
            }
        }
    }
}

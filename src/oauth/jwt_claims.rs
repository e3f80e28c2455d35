//! The registered claims of JWTs that clients make (RFC 7519 section 4.1), judged alike wherever they come from.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// Clocks differ. FAPI 2.0 Security Profile section 5.3.2.1: 10 seconds ahead are accepted, more than 60 are not.
pub const LEEWAY: Duration = Duration::from_secs(10);

/// What is wrong with a claim, for the log: never made of what the claim says.
pub type Fault = &'static str;

/// The times of a JWT; each is optional here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub exp: Option<Timestamp>,
    pub nbf: Option<Timestamp>,
    pub iat: Option<Timestamp>,
}

impl Times {
    /// Reads them; none that is there may have gone by, or not have come yet.
    pub fn current(claims: &Map<String, Value>, now: Timestamp) -> Result<Self, Fault> {
        let exp = moment(claims, "exp").map_err(|()| "exp is not a time")?;
        let nbf = moment(claims, "nbf").map_err(|()| "nbf is not a time")?;
        let iat = moment(claims, "iat").map_err(|()| "iat is not a time")?;
        if exp.is_some_and(|exp| exp + LEEWAY <= now) {
            return Err("it has expired");
        }
        if nbf.is_some_and(|nbf| nbf > now + LEEWAY) {
            return Err("nbf is in the future");
        }
        if iat.is_some_and(|iat| iat > now + LEEWAY) {
            return Err("iat is in the future");
        }
        Ok(Self { exp, nbf, iat })
    }
}

/// A `NumericDate` (RFC 7519 section 2): seconds, with or without a fraction.
fn moment(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, ()> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    if let Some(seconds) = value.as_i64() {
        return Ok(Some(Timestamp::from_seconds(seconds)));
    }
    let span = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or(())?;
    Ok(Some(Timestamp::default() + span))
}

/// A claim that is a string.
pub fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// Whether `aud`, a string or a list of nothing but strings, has one of these (RFC 7519 section 4.1.3), letter for letter.
pub fn is_for(claims: &Map<String, Value>, audiences: &[&str]) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => audiences.contains(&one.as_str()),
        Some(Value::Array(many)) => {
            many.iter().all(Value::is_string)
                && many.iter().filter_map(Value::as_str).any(|one| audiences.contains(&one))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn current(claims: &Value) -> Result<Times, Fault> {
        Times::current(claims.as_object().unwrap(), NOW)
    }

    #[test]
    fn ten_seconds_of_leeway_either_way() {
        for claims in [
            json!({}),
            json!({ "exp": 1_000_001, "nbf": 999_999, "iat": 999_999 }),
            json!({ "exp": 999_999 }),
            json!({ "exp": 999_990.5 }),
            json!({ "nbf": 1_000_008, "iat": 1_000_010 }),
            json!({ "exp": i64::MAX, "nbf": -1, "iat": i64::MIN }),
        ] {
            current(&claims).unwrap_or_else(|fault| panic!("{claims}: {fault}"));
        }
        for claims in [
            json!({ "exp": 999_990 }),
            json!({ "exp": 0 }),
            json!({ "exp": -1 }),
            json!({ "nbf": 1_000_011 }),
            json!({ "iat": 1_000_010.5 }),
            json!({ "exp": "1000100" }),
            json!({ "exp": null }),
            json!({ "nbf": [1] }),
            json!({ "iat": true }),
            json!({ "exp": u64::MAX }),
            json!({ "nbf": i64::MAX }),
            json!({ "iat": 1e300 }),
        ] {
            assert!(current(&claims).is_err(), "{claims}");
        }
    }

    #[test]
    fn an_audience_is_compared_letter_for_letter() {
        let is_ours = |aud: Value| is_for(json!({ "aud": aud }).as_object().unwrap(), &["https://op.example"]);
        assert!(is_ours(json!("https://op.example")) && is_ours(json!(["https://x.example", "https://op.example"])));
        for aud in [
            json!("https://op.example/"),
            json!("https://OP.example"),
            json!("https://op.example.evil"),
            json!(""),
            json!([]),
            json!([1]),
            json!(["https://op.example", 1]),
            json!({ "https://op.example": 1 }),
            json!(null),
        ] {
            assert!(!is_ours(aud.clone()), "{aud}");
        }
        assert!(!is_for(&Map::new(), &["https://op.example"]));
    }
}

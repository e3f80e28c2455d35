//! Client assertions: `private_key_jwt` and `client_secret_jwt` (RFC 7523 section 3, OpenID Connect Core section 9).

use std::time::Duration;

use serde_json::{Map, Value};

use super::client_metadata::{ClientMetadata, check_client_id};
use super::jwt_claims::{Fault, LEEWAY, Times, is_for, text};
use super::params::Params;
use super::{ErrorCode, Result};
use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::jose::{Algorithm, MacAlgorithm, unverified_claims};

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What `typ` may say, if it says anything (RFC 8725 section 3.11).
pub const TYPES: &[&str] = &["JWT", "client-authentication+jwt"];

/// In bytes.
const LONGEST: usize = 16 * 1024;
const LONGEST_JTI: usize = 256;

/// How long an assertion may be good, and how old it may be. Its `jti` is remembered for as long.
const LIFETIME: Duration = Duration::from_hours(1);

/// Who an assertion may be meant for.
#[derive(Clone, Copy, Debug)]
pub struct Audience<'a> {
    pub issuer: &'a str,
    /// Where older clients are put up with: then `aud` may be this URL as well, and a list.
    pub token_endpoint: Option<&'a str>,
}

/// A valid assertion. It counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valid {
    pub jti: String,
    /// When no assertion with this `jti` can be valid any more.
    pub forget_at: Timestamp,
    /// Whether its `aud` is one that only compatibility lets pass.
    pub has_old_audience: bool,
}

/// The assertion of a request, if it has one (RFC 7521 section 4.2).
pub fn of(form: &Params) -> Result<Option<&str>> {
    match (form.get("client_assertion_type"), form.get("client_assertion")) {
        (None, None) => Ok(None),
        (Some(ASSERTION_TYPE), Some(assertion)) if assertion.len() <= LONGEST => Ok(Some(assertion)),
        (Some(ASSERTION_TYPE), Some(_)) => {
            Err(ErrorCode::InvalidRequest.because("The client_assertion is longer than 16 KiB."))
        }
        (Some(ASSERTION_TYPE), None) => {
            Err(ErrorCode::InvalidRequest.because("The request parameter client_assertion is missing."))
        }
        (Some(_), _) => {
            Err(ErrorCode::InvalidRequest.because(format!("The client_assertion_type must be {ASSERTION_TYPE}.")))
        }
        (None, Some(_)) => {
            Err(ErrorCode::InvalidRequest.because("The request parameter client_assertion_type is missing."))
        }
    }
}

/// Whose assertion it claims to be, so that his keys can be asked. Nothing is proven by it.
pub fn claimed_client(assertion: &str) -> Result<ClientId, Fault> {
    let claims = unverified_claims(assertion).map_err(|refusal| refusal.reason())?;
    match (text(&claims, "iss"), text(&claims, "sub")) {
        // What no client can be called is not looked for.
        (Some(iss), Some(sub)) if iss == sub && check_client_id(sub).is_ok() => Ok(ClientId::new(sub)),
        _ => Err("iss and sub do not name the same client"),
    }
}

/// What `private_key_jwt` may be signed with: as registered, and otherwise anything that the client's keys are for.
pub fn signature_algs(client: &ClientMetadata) -> Vec<Algorithm> {
    registered(client, &Algorithm::ALL)
}

/// The same for `client_secret_jwt`.
pub fn mac_algs(client: &ClientMetadata) -> Vec<MacAlgorithm> {
    registered(client, &MacAlgorithm::ALL)
}

fn registered<A: Copy + ToString>(client: &ClientMetadata, all: &[A]) -> Vec<A> {
    let own = &client.token_endpoint_auth_signing_alg;
    all.iter().copied().filter(|alg| own.is_empty() || alg.to_string() == *own).collect()
}

/// Judges the claims of an assertion whose signature is the client's.
pub fn judge(
    claims: &Map<String, Value>,
    client: &ClientId,
    audience: &Audience<'_>,
    now: Timestamp,
) -> Result<Valid, Fault> {
    if text(claims, "iss") != Some(client.as_str()) || text(claims, "sub") != Some(client.as_str()) {
        return Err("iss and sub do not name the client");
    }
    let is_strict = text(claims, "aud") == Some(audience.issuer);
    let is_tolerated = audience.token_endpoint.is_some_and(|endpoint| is_for(claims, &[audience.issuer, endpoint]));
    if !is_strict && !is_tolerated {
        return Err("aud is not the issuer alone");
    }
    let times = Times::current(claims, now)?;
    let exp = times.exp.ok_or("there is no exp")?;
    if exp > now + LIFETIME + LEEWAY {
        return Err("exp is more than an hour ahead");
    }
    if times.iat.is_some_and(|iat| iat + LIFETIME + LEEWAY < now) {
        return Err("iat is more than an hour ago");
    }
    let jti = text(claims, "jti").filter(|jti| (1..=LONGEST_JTI).contains(&jti.len()));
    let jti = jti.ok_or("jti is not a string of 1 to 256 bytes")?;
    // Longer than it could pass: another replica's clock may be behind the one that sweeps.
    let forget_at = exp + LEEWAY + Duration::from_mins(1);
    Ok(Valid { jti: jti.to_owned(), forget_at, has_old_audience: !is_strict })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const ISSUER: &str = "https://op.example";
    const ENDPOINT: &str = "https://op.example/oauth2/token";

    fn valid() -> Value {
        json!({
            "iss": "jwtc", "sub": "jwtc", "aud": ISSUER, "jti": "1", "exp": 1_000_060, "iat": 1_000_000,
            "nbf": 1_000_000,
        })
    }

    fn with(changes: &Value) -> Value {
        let mut claims = valid();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn judged(claims: &Value, token_endpoint: Option<&str>) -> Result<Valid, Fault> {
        let audience = Audience { issuer: ISSUER, token_endpoint };
        judge(claims.as_object().unwrap(), &ClientId::new("jwtc"), &audience, NOW)
    }

    /// CA-16 to CA-26: each of these is enough to refuse.
    #[test]
    fn one_wrong_claim_is_enough() {
        assert_eq!(judged(&valid(), None).unwrap().jti, "1");
        for changes in [
            json!({ "iss": "other" }),
            json!({ "sub": "JWTC" }),
            json!({ "sub": ["jwtc"] }),
            json!({ "aud": "https://other.example" }),
            json!({ "aud": [ISSUER] }),
            json!({ "aud": ENDPOINT }),
            json!({ "exp": null }),
            json!({ "exp": 999_989 }),
            json!({ "exp": 1_003_611 }),
            json!({ "nbf": 1_000_061 }),
            json!({ "iat": 1_000_061 }),
            json!({ "iat": 1_000_000 - 7 * 86_400 }),
            json!({ "jti": "" }),
            json!({ "jti": 7 }),
            json!({ "jti": ["a"] }),
            json!({ "jti": "x".repeat(257) }),
        ] {
            assert!(judged(&with(&changes), None).is_err(), "{changes}");
        }
        for name in ["iss", "sub", "aud", "exp", "jti"] {
            let mut claims = valid();
            claims.as_object_mut().unwrap().remove(name);
            assert!(judged(&claims, Some(ENDPOINT)).is_err(), "{name}");
        }
        for changes in [
            json!({ "exp": 999_999 }),
            json!({ "exp": 1_003_600 }),
            json!({ "nbf": 1_000_008, "iat": 1_000_008 }),
            json!({ "jti": "x".repeat(256) }),
            json!({ "anything": { "else": [1] } }),
        ] {
            judged(&with(&changes), None).unwrap_or_else(|fault| panic!("{changes}: {fault}"));
        }
    }

    /// CA-22, CA-23: what compatibility adds, and nothing more.
    #[test]
    fn older_audiences_only_where_they_are_put_up_with() {
        for (aud, is_old) in [
            (json!(ISSUER), false),
            (json!(ENDPOINT), true),
            (json!([ISSUER]), true),
            (json!([ENDPOINT, "https://other.example"]), true),
        ] {
            let claims = with(&json!({ "aud": aud }));
            assert_eq!(judged(&claims, Some(ENDPOINT)).unwrap().has_old_audience, is_old, "{claims}");
            assert_eq!(judged(&claims, None).is_err(), is_old, "{claims}");
        }
        for aud in [
            json!("https://op.example/oauth2/token/"),
            json!("https://op.example/oauth2/TOKEN"),
            json!("https://op.example/"),
            json!(["https://other.example"]),
            json!([ISSUER, 1]),
            json!([]),
        ] {
            assert!(judged(&with(&json!({ "aud": aud })), Some(ENDPOINT)).is_err());
        }
    }

    #[test]
    fn a_jti_is_remembered_for_longer_than_its_assertion_passes() {
        let valid = judged(&valid(), None).unwrap();
        assert!(valid.forget_at > Timestamp::from_seconds(1_000_060) + LEEWAY);
    }

    /// RFC 7521 section 4.2; CA-34, CA-14.
    #[test]
    fn both_parameters_or_neither() {
        let read = |form: &str| of(&Params::parse(form.as_bytes()).unwrap()).map(|found| found.map(str::to_owned));
        let kind = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        assert_eq!(read("grant_type=x").unwrap(), None);
        assert_eq!(read(&format!("{kind}&client_assertion=a.b.c")).unwrap().as_deref(), Some("a.b.c"));
        for form in [
            kind.to_owned(),
            "client_assertion=a.b.c".to_owned(),
            "client_assertion_type=urn:x:foo&client_assertion=a.b.c".to_owned(),
            "client_assertion_type=urn:x:foo".to_owned(),
            format!("{kind}&client_assertion={}", "a".repeat(LONGEST + 1)),
        ] {
            assert_eq!(read(&form).unwrap_err().code, ErrorCode::InvalidRequest);
        }
    }

    #[test]
    fn the_algorithm_is_the_registered_one_or_any_of_its_family() {
        let client =
            |alg: &str| ClientMetadata { token_endpoint_auth_signing_alg: alg.to_owned(), ..ClientMetadata::default() };
        assert_eq!(signature_algs(&client("ES256")), [Algorithm::Es256]);
        assert_eq!((signature_algs(&client("")).len(), mac_algs(&client("")).len()), (10, 3));
        assert_eq!((signature_algs(&client("HS256")).len(), mac_algs(&client("ES256")).len()), (0, 0));
        assert_eq!(mac_algs(&client("HS512")), [MacAlgorithm::Hs512]);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".{0,6}", inner, 0..4)
                    .prop_map(|members| { Value::Object(members.into_iter().collect()) }),
            ]
        })
    }

    proptest! {
        /// CA-37: whatever stands in place of one claim, it is refused, unless it says something as good.
        #[test]
        fn ca_37_any_other_value_of_a_claim_is_refused(
            name in prop::sample::select(vec!["iss", "sub", "aud"]), value in any_json(),
        ) {
            prop_assume!(valid()[name] != value);
            let judged = judged(&with(&json!({ name: value })), None);
            prop_assert!(judged.is_err());
        }

        /// CA-37: what the rules do not speak of does no harm.
        #[test]
        fn ca_37_any_other_claim_is_accepted(name in "[a-z]{4,10}", value in any_json()) {
            let judged = judged(&with(&json!({ name: value })), None);
            prop_assert!(judged.is_ok());
        }

        #[test]
        fn ca_37_a_time_is_a_time(name in prop::sample::select(vec!["exp", "nbf", "iat"]), value in any_json()) {
            prop_assume!(!value.is_number());
            let judged = judged(&with(&json!({ name: value })), None);
            prop_assert!(judged.is_err());
        }

        #[test]
        fn no_input_panics(claims in any_json(), text in ".{0,60}") {
            if let Some(claims) = claims.as_object() {
                let audience = Audience { issuer: ISSUER, token_endpoint: Some(ENDPOINT) };
                let _ = judge(claims, &ClientId::new("jwtc"), &audience, NOW);
            }
            let _ = claimed_client(&text);
        }
    }
}

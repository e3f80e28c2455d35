//! `alg: none`: JWTs that nothing protects, RFC 7519 section 6. Only functions named so make or take them.

use serde::Serialize;
use serde_json::{Map, Value};

use super::compact::{self, Jws};
use super::{Refusal, Result};

/// As it is spelled in a header; `None` and `NONE` are nobody's algorithm.
pub(super) const NONE: &str = "none";

/// The compact form of `claims` with an empty signature. Whoever sends it elsewhere than over TLS, to somebody who asked
/// for it, gives its claims to anybody to change.
pub fn unsecured(typ: &str, claims: &impl Serialize) -> Result<String> {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: &'static str,
        typ: &'a str,
    }
    let mut token = compact::signing_input(&Header { alg: NONE, typ }, claims)?;
    token.push('.');
    Ok(token)
}

/// The claims of a token with exactly `alg: none` and an empty signature. Anybody may have written them.
pub fn read_unsecured(token: &str, typ: &[&str], typ_optional: bool) -> Result<Map<String, Value>, Refusal> {
    let jws = Jws::read(token)?;
    if jws.header.alg()? != NONE {
        return Err(Refusal::because("the algorithm is not none"));
    }
    if !jws.signature.is_empty() {
        return Err(Refusal::because("the token is unsecured and has a signature"));
    }
    if !compact::is_kind(jws.header.typ()?.as_deref(), typ, typ_optional) {
        return Err(Refusal::because("the token is of another kind"));
    }
    compact::claims(&jws.payload)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{Algorithm, MacAlgorithm, MacKey, SigningKey, Token, decode, encode, vectors};

    fn reason(token: &str) -> &'static str {
        read_unsecured(token, &["JWT"], true).unwrap_err().reason()
    }

    /// RFC 7515 appendix A.5, RFC 7519 section 6.1.
    #[test]
    fn the_unsecured_token_of_the_specifications_is_read() {
        let claims = read_unsecured(vectors::RFC7515_A5_TOKEN, &["JWT"], true).unwrap();
        assert_eq!(claims["iss"], "joe");
        assert_eq!(claims["exp"], 1_300_819_380);
        assert_eq!(claims["http://example.com/is_root"], true);
        assert!(read_unsecured(vectors::RFC7515_A5_TOKEN, &["JWT"], false).unwrap_err().reason().contains("kind"));
    }

    #[test]
    fn what_is_written_is_read() {
        let claims = json!({ "iss": "https://op.example", "sub": "é\"" });
        let token = unsecured("JWT", &claims).unwrap();
        assert!(token.ends_with('.'));
        let header = decode(token.split('.').next().unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&header).unwrap(), json!({ "alg": "none", "typ": "JWT" }));
        assert_eq!(Value::Object(read_unsecured(&token, &["JWT"], false).unwrap()), claims);
        assert!(read_unsecured(&token, &["at+jwt"], true).is_err());
    }

    #[test]
    fn only_none_is_none() {
        for alg in ["None", "NONE", "nOnE", "none ", "", "HS256", "RS256"] {
            let token = format!("{}.{}.", encode(json!({ "alg": alg }).to_string()), encode("{}"));
            assert!(reason(&token).contains("algorithm is not none"), "{alg}");
        }
        for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["none"]}"#] {
            let token = format!("{}.{}.", encode(header), encode("{}"));
            assert!(reason(&token).contains("no algorithm"), "{header}");
        }
        let (signing, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let mac = MacKey::new(MacAlgorithm::Hs256, &[7; 32]).unwrap();
        for token in [signing.sign("JWT", &json!({})).unwrap(), mac.sign("JWT", &json!({})).unwrap()] {
            let stripped = format!("{}.", token.rsplit_once('.').unwrap().0);
            assert!(reason(&token).contains("algorithm"));
            assert!(reason(&stripped).contains("algorithm"));
        }
    }

    #[test]
    fn nothing_follows_the_second_dot() {
        let token = unsecured("JWT", &json!({})).unwrap();
        for bad in [
            format!("{token}{}", encode("x")),
            format!("{token}AA"),
            format!("{token}="),
            format!("{token} "),
            format!("{token}."),
            token.trim_end_matches('.').to_owned(),
        ] {
            assert!(read_unsecured(&bad, &["JWT"], true).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_form_is_as_strict_as_that_of_signed_tokens() {
        for (header, claims, why) in [
            (r#"{"alg":"none","crit":["exp"]}"#, "{}", "critical"),
            (r#"{"alg":"none","b64":false}"#, "{}", "critical"),
            (r#"{"alg":"RS256","alg":"none"}"#, "{}", "twice"),
            (r#"{"alg":"none"}"#, r#"{"a":1,"a":1}"#, "twice"),
            (r#"{"alg":"none"}"#, "[]", "claims"),
            (r#"{"alg":"none","typ":null}"#, "{}", "typ"),
        ] {
            assert!(reason(&format!("{}.{}.", encode(header), encode(claims))).contains(why), "{header}");
        }
        assert!(reason(&"x".repeat(16 * 1024 + 1)).contains("too long"));
    }

    /// RFC 8725 section 3.2: nobody else takes it.
    #[test]
    fn a_signed_token_is_never_expected_to_be_unsecured() {
        let token = unsecured("JWT", &json!({})).unwrap();
        assert!(Token::read(&token).unwrap_err().reason().contains("algorithm"));
        let mac = MacKey::new(MacAlgorithm::Hs256, &[7; 32]).unwrap();
        assert!(mac.verify(&token, &["JWT"], true).is_err());
    }
}

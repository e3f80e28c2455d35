//! A compact JWS taken apart, not yet believed (RFC 7515 sections 5.2 and 7.1).

use serde_json::{Map, Value};

use super::compact::{self, Jws, Members};
use super::{Algorithm, Refusal};

/// What the header says. Only `alg` and `typ` are ever compared with anything, and `kid` only looked up by equality in
/// the set that the caller chose: `jku`, `x5u` and `jwk` are never followed (RFC 8725 section 3.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub alg: Algorithm,
    pub kid: Option<String>,
    pub typ: Option<String>,
}

impl Header {
    fn read(members: &Members) -> Result<Self, Refusal> {
        let alg = members.alg()?.parse().map_err(|_| Refusal::because("the algorithm is none of the server's"))?;
        Ok(Self { alg, kid: members.kid()?, typ: members.typ()? })
    }
}

/// A token whose signature has not been checked.
///
/// Good for finding out whose it claims to be (`iss`, `sub`, `kid`) and so which keys to ask; for nothing else.
#[derive(Debug)]
pub struct Token<'a> {
    pub header: Header,
    /// The first two parts and the dot between, as they came.
    pub(super) signed: &'a [u8],
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Reads the one form that there is: three parts of base64url. Neither the JSON serialisations nor a JWE pass.
    pub fn read(token: &'a str) -> Result<Self, Refusal> {
        let Jws { header, signed, payload, signature } = Jws::read(token)?;
        Ok(Self { header: Header::read(&header)?, signed, payload, signature })
    }

    /// The claims, each of them once (RFC 7519 section 4).
    pub fn unverified_claims(&self) -> Result<Map<String, Value>, Refusal> {
        compact::claims(&self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::compact::MAX_LENGTH;
    use crate::jose::encode;

    fn refused(header: &str) -> &'static str {
        let token = format!("{}.{}.{}", encode(header), encode("{}"), encode("x"));
        Token::read(&token).unwrap_err().reason()
    }

    #[test]
    fn a_header_is_read() {
        let token = format!(
            "{}.{}.{}",
            encode(r#"{"alg":"ES256","kid":"k","typ":"JWT","x":1}"#),
            encode(r#"{"iss":"a"}"#),
            encode("x")
        );
        let token = Token::read(&token).unwrap();
        let header = Header { alg: Algorithm::Es256, kid: Some("k".to_owned()), typ: Some("JWT".to_owned()) };
        assert_eq!(token.header, header);
        assert_eq!(token.unverified_claims().unwrap()["iss"], "a");
    }

    #[test]
    fn no_algorithm_none_and_secret_key_ones_are_refused() {
        for alg in [
            r#""none""#,
            r#""None""#,
            r#""NONE""#,
            r#""nOnE""#,
            r#""HS256""#,
            r#""HS512""#,
            r#""RS256 ""#,
            "null",
            "0",
            r#"["RS256"]"#,
        ] {
            let reason = refused(&format!(r#"{{"alg":{alg}}}"#));
            assert!(reason.contains("algorithm"), "{alg}: {reason}");
        }
        assert!(refused("{}").contains("no algorithm"));
    }

    #[test]
    fn critical_extensions_are_refused_in_every_form() {
        for member in [
            r#""crit":["b64"],"b64":false"#,
            r#""crit":["exp"]"#,
            r#""crit":[]"#,
            r#""crit":"exp""#,
            r#""crit":["foo"],"foo":1"#,
            r#""b64":false"#,
        ] {
            assert!(refused(&format!(r#"{{"alg":"RS256",{member}}}"#)).contains("critical"), "{member}");
        }
    }

    #[test]
    fn a_header_member_twice_is_refused() {
        for header in [r#"{"alg":"RS256","alg":"none"}"#, r#"{"alg":"RS256","kid":"a","kid":"a"}"#] {
            assert!(refused(header).contains("twice"), "{header}");
        }
    }

    #[test]
    fn a_kid_or_typ_that_is_no_string_is_refused() {
        for value in ["1", "{}", "[]", "null", "true"] {
            assert!(refused(&format!(r#"{{"alg":"RS256","kid":{value}}}"#)).contains("kid"));
            assert!(refused(&format!(r#"{{"alg":"RS256","typ":{value}}}"#)).contains("typ"));
        }
    }

    #[test]
    fn only_the_strict_compact_form_is_read() {
        let good = format!("{}.{}.{}", encode(r#"{"alg":"RS256"}"#), encode("{}"), encode("signature"));
        assert!(Token::read(&good).is_ok());
        let two = good.rsplit_once('.').unwrap().0;
        for bad in [
            String::new(),
            two.to_owned(),
            format!("{good}.x"),
            format!("{good}.x.y"),
            format!("{good}="),
            format!("{good}\n"),
            format!(" {good}"),
            good.replacen('.', " .", 1),
            // "signature" is c2lnbmF0dXJl; these hold the same or stray bits in another spelling
            format!("{two}.c2lnbmF0dXJl+/"),
            format!("{two}.c2lnbmF0dXJ"),
            format!("{two}.c2lnbmF0dXJlA"),
            format!("{two}.QR"),
            r#"{"payload":"e30","signatures":[]}"#.to_owned(),
        ] {
            assert!(Token::read(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn length_is_checked_before_anything_else() {
        let token = "!".repeat(MAX_LENGTH + 1);
        assert!(Token::read(&token).unwrap_err().reason().contains("too long"));
    }

    #[test]
    fn claims_are_an_object_without_doubles() {
        for claims in ["[]", "1", r#"{"sub":"a","sub":"b"}"#, "", "{"] {
            let token = format!("{}.{}.{}", encode(r#"{"alg":"RS256"}"#), encode(claims), encode("x"));
            assert!(Token::read(&token).unwrap().unverified_claims().is_err(), "{claims}");
        }
    }
}

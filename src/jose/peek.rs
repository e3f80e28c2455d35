//! What a stranger's token says of itself, before it is decided how to check it.

use serde_json::{Map, Value};

use super::compact::{self, Jws, Members};
use super::{Refusal, Result};

/// Which of the two compact forms it is (RFC 7516 section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Three parts: signed, or unsecured.
    Jws,
    /// Five parts: encrypted.
    Jwe,
}

/// A header, strictly read. Nothing in it is verified, and `alg` may be any name at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    pub form: Form,
    pub alg: String,
    pub typ: Option<String>,
    pub kid: Option<String>,
}

/// Reads the header and nothing else: good for choosing whom to ask next, for nothing more.
pub fn peek(token: &str) -> Result<Peeked, Refusal> {
    let (form, header) = match compact::parts::<3>(token) {
        Ok([header, ..]) => (Form::Jws, header),
        Err(_) => (Form::Jwe, compact::parts::<5>(token)?[0]),
    };
    let header = Members::read(header)?;
    Ok(Peeked { form, alg: header.alg()?.to_owned(), typ: header.typ()?, kid: header.kid()? })
}

/// The claims of a JWS of any algorithm, verified by nobody.
///
/// Good for finding out whose it claims to be (`iss`, `sub`) and so with which key to verify it; for nothing else.
pub fn unverified_claims(token: &str) -> Result<Map<String, Value>, Refusal> {
    let jws = Jws::read(token)?;
    jws.header.alg()?;
    compact::claims(&jws.payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jose::{MacAlgorithm, MacKey, Token, encode, read_unsecured, strict_json, vectors};

    #[test]
    fn a_header_is_read_whatever_its_algorithm() {
        for (alg, parts) in [("HS256", 3), ("none", 3), ("RS256", 3), ("unheard-of", 3), ("RSA1_5", 5), ("dir", 5)] {
            let header = encode(format!(r#"{{"alg":"{alg}","kid":"k","typ":"JWT"}}"#));
            let peeked = peek(&format!("{header}{}", ".".repeat(parts - 1))).unwrap();
            let form = if parts == 3 { Form::Jws } else { Form::Jwe };
            let expected = Peeked { form, alg: alg.to_owned(), typ: Some("JWT".to_owned()), kid: Some("k".to_owned()) };
            assert_eq!(peeked, expected);
        }
        let peeked = peek(vectors::RFC7515_A5_TOKEN).unwrap();
        assert_eq!(peeked, Peeked { form: Form::Jws, alg: "none".to_owned(), typ: None, kid: None });
    }

    #[test]
    fn a_header_is_held_to_the_same_rules_as_anywhere() {
        for header in [
            "{}",
            r#"{"alg":1}"#,
            r#"{"alg":"RS256","crit":["exp"]}"#,
            r#"{"alg":"RS256","b64":true}"#,
            r#"{"alg":"RS256","alg":"RS256"}"#,
            r#"{"alg":"RS256","kid":1}"#,
            r#"{"alg":"RS256","typ":null}"#,
            "[]",
            "",
        ] {
            for rest in ["..", "...."] {
                assert!(peek(&format!("{}{rest}", encode(header))).is_err(), "{header}");
            }
        }
        let header = encode(r#"{"alg":"RS256"}"#);
        for rest in ["", ".", "...", ".....", "=.."] {
            assert!(peek(&format!("{header}{rest}")).is_err(), "{rest}");
        }
        assert!(peek(&format!("{header}.{}.", "A".repeat(16 * 1024))).unwrap_err().reason().contains("too long"));
    }

    #[test]
    fn claims_are_read_without_a_key() {
        for token in [vectors::RFC7515_A1_TOKEN, vectors::RFC7515_A2_TOKEN, vectors::RFC7515_A5_TOKEN] {
            assert_eq!(unverified_claims(token).unwrap()["iss"], "joe");
        }
        let with = |header: &str, claims: &str| format!("{}.{}.", encode(header), encode(claims));
        assert!(unverified_claims(&with(r#"{"alg":"x"}"#, "{}")).is_ok());
        for token in [
            with("{}", "{}"),
            with(r#"{"alg":"x","crit":[]}"#, "{}"),
            with(r#"{"alg":"x"}"#, r#"{"iss":"a","iss":"b"}"#),
            with(r#"{"alg":"x"}"#, "1"),
            format!("{}....", encode(r#"{"alg":"dir"}"#)),
        ] {
            assert!(unverified_claims(&token).is_err(), "{token}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(
            text in ".*",
            header in "\\PC*",
            parts in 0..6_usize,
            bytes in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let key = MacKey::new(MacAlgorithm::Hs256, &[7; 32]).unwrap();
            let rest = format!(".{}", encode(&bytes)).repeat(parts);
            let algs = ["none", "HS256", "ES256"].map(|alg| format!(r#"{{"alg":"{alg}"}}"#));
            let headers = algs.iter().chain([&header]).map(|header| format!("{}{rest}", encode(header)));
            for token in headers.chain([text, format!("{header}{rest}")]) {
                let _ = (peek(&token), unverified_claims(&token), Token::read(&token));
                let _ = (strict_json(token.as_bytes()), strict_json(&bytes));
                prop_assert!(key.verify(&token, &["JWT"], true).is_err());
                prop_assert!(read_unsecured(&token, &["JWT"], true).is_err() || token.ends_with('.'));
            }
        }
    }
}

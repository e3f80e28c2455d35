//! Proof Key for Code Exchange (RFC 7636), with S256 alone: `plain` protects nothing once the request is seen.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::oauth::{ErrorCode, Result};
use crate::secret::sha256;

/// What metadata says; the only method that [`Challenge::parse`] takes.
pub const METHODS: &[&str] = &["S256"];

/// `code_challenge` of method S256: 32 bytes in base64url, 43 characters. Not a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Challenge(String);

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method` of an authorization request; a fault is told there, before
    /// anyone signs in. Without a method RFC 7636 section 4.3 means `plain`, so that is refused by name.
    pub fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Option<Self>> {
        let refuse = |why: &'static str| Err(ErrorCode::InvalidRequest.because(why));
        match (challenge, method) {
            (None, None) => Ok(None),
            (None, Some(_)) => refuse("The parameter code_challenge_method needs a code_challenge."),
            (Some(_), method) if method != Some("S256") => {
                refuse("Clients must use code_challenge_method=S256, plain is not allowed.")
            }
            (Some(challenge), _) => {
                // the decoder takes neither padding nor stray bits in the last character
                if URL_SAFE_NO_PAD.decode(challenge).is_ok_and(|hash| hash.len() == 32) {
                    Ok(Some(Self(challenge.to_owned())))
                } else {
                    refuse("The code_challenge is not a SHA-256 hash in base64url, 43 characters without padding.")
                }
            }
        }
    }

    /// The challenge that this `code_verifier` answers. RFC 7636 section 4.1: 43 to 128 unreserved characters, all else is
    /// `invalid_grant`, as a verifier that does not fit is (section 4.6).
    pub fn of_verifier(verifier: &str) -> Result<Self> {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if (43..=128).contains(&verifier.len()) && verifier.bytes().all(is_unreserved) {
            Ok(Self(URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()))))
        } else {
            Err(ErrorCode::InvalidGrant
                .because("The code_verifier must have 43 to 128 of the characters A-Z a-z 0-9 - . _ ~"))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_vector_of_rfc_7636() {
        let asked = Challenge::parse(Some(CHALLENGE), Some("S256")).unwrap().unwrap();
        assert_eq!(asked, Challenge::of_verifier(VERIFIER).unwrap());
        assert_eq!(asked.as_str(), CHALLENGE);
        assert_ne!(asked, Challenge::of_verifier(&VERIFIER.replace('d', "e")).unwrap());
        assert_eq!(serde_json::to_string(&asked).unwrap(), format!("\"{CHALLENGE}\""));
    }

    /// CP-13, CP-14.
    #[test]
    fn a_challenge_needs_its_method_and_a_method_its_challenge() {
        assert_eq!(Challenge::parse(None, None).unwrap(), None);
        for (challenge, method) in [
            (None, Some("S256")),
            (Some(CHALLENGE), None),
            (Some(CHALLENGE), Some("plain")),
            (Some(CHALLENGE), Some("s256")),
            (Some(CHALLENGE), Some("")),
        ] {
            let error = Challenge::parse(challenge, method).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{challenge:?} {method:?}");
        }
        assert!(Challenge::parse(Some(CHALLENGE), None).unwrap_err().description.contains("S256"));
    }

    /// CP-16.
    #[test]
    fn a_challenge_is_43_characters_of_base64url() {
        for challenge in [
            String::new(),
            CHALLENGE[1..].to_owned(),
            format!("{CHALLENGE}A"),
            format!("{CHALLENGE}="),
            "A".repeat(129),
            CHALLENGE.replace('-', "+"),
            CHALLENGE.replace('-', "/"),
            CHALLENGE.replace('-', "é"),
            CHALLENGE.replace('-', " "),
            // the same 32 bytes for a careless decoder: two bits of the last character are not used
            format!("{}N", &CHALLENGE[..42]),
        ] {
            let error = Challenge::parse(Some(&challenge), Some("S256")).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{challenge}");
        }
    }

    /// CP-20.
    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        for verifier in ["a".repeat(43), "a".repeat(128), format!("{}-._~", "Z9".repeat(20))] {
            assert_eq!(Challenge::of_verifier(&verifier).unwrap().as_str().len(), 43);
        }
        for verifier in ["a".repeat(42), "a".repeat(129), format!("{}!", "a".repeat(43)), "é".repeat(30), String::new()]
        {
            assert_eq!(Challenge::of_verifier(&verifier).unwrap_err().code, ErrorCode::InvalidGrant, "{verifier}");
        }
    }
}

//! `serve.admin.tokens`: who may call the admin API.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::value::{Given, Value};

/// Somebody who has a token. The token itself is nowhere: what the server made has 256 bits, so its SHA-256 is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminToken {
    /// For the log.
    pub name: String,
    pub hash: [u8; 32],
    pub access: AdminAccess,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminAccess {
    Full,
    /// What changes nothing.
    ReadOnly,
}

impl AdminAccess {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ReadOnly => "read-only",
        }
    }
}

impl AdminToken {
    /// `sha256:` and the hash, as `hash_of_text` reads it.
    pub fn hash_text(hash: &[u8; 32]) -> String {
        format!("sha256:{}", URL_SAFE_NO_PAD.encode(hash))
    }

    /// In base64url, or in hex as `sha256sum` prints it.
    pub fn hash_of_text(text: &str) -> Option<[u8; 32]> {
        let digits = text.strip_prefix("sha256:")?;
        let bytes = match digits.len() {
            64 => of_hex(digits)?,
            _ => URL_SAFE_NO_PAD.decode(digits).ok()?,
        };
        bytes.try_into().ok()
    }

    pub fn is_name(name: &str) -> bool {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b))
    }
}

fn of_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::try_from(pair.iter().try_fold(0, |value, byte| Some(value * 16 + digit(byte)?))?).ok())
        .collect()
}

/// An item of the list before its name and hash are judged.
#[derive(Clone, Debug)]
pub struct GivenToken {
    pub name: String,
    pub hash: String,
    pub access: AdminAccess,
}

impl Value for GivenToken {
    fn schema() -> serde_json::Value {
        json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "pattern": "^[A-Za-z0-9._@-]{1,64}$" },
                "hash": { "type": "string", "pattern": "^sha256:([0-9A-Fa-f]{64}|[A-Za-z0-9_-]{43})$" },
                "access": { "enum": ["full", "read-only"], "default": "full" },
            },
            "required": ["name", "hash"],
            "additionalProperties": false,
        })
    }

    fn parse(given: &Given) -> Result<Self, String> {
        let wrong = || "must have a name and a hash, and may have an access".to_owned();
        let Given::Section(members) = given else { return Err(wrong()) };
        let (mut name, mut hash, mut access) = (None, None, None);
        for (member, value) in members {
            let slot = match member.as_str() {
                "name" => &mut name,
                "hash" => &mut hash,
                "access" => &mut access,
                _ => return Err("has only name, hash and access, each once".to_owned()),
            };
            if slot.replace(value.text()?).is_some() {
                return Err("has only name, hash and access, each once".to_owned());
            }
        }
        let access = match access {
            None | Some("full") => AdminAccess::Full,
            Some("read-only") => AdminAccess::ReadOnly,
            Some(_) => return Err("access must be one of full, read-only".to_owned()),
        };
        let (name, hash) = name.zip(hash).ok_or_else(wrong)?;
        Ok(Self { name: name.to_owned(), hash: hash.to_owned(), access })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::sha256;

    #[test]
    fn a_hash_is_read_in_both_spellings() {
        // FIPS 180-2 appendix B.1
        let hash = Some(sha256(b"abc"));
        for text in [
            "sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
        ] {
            assert_eq!(AdminToken::hash_of_text(text), hash, "{text}");
        }
        assert_eq!(AdminToken::hash_of_text(&AdminToken::hash_text(&sha256(b"abc"))), hash);
        for wrong in [
            "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",
            "sha256:",
            "sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa",
            "sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0",
            "sha256:+a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha512:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",
        ] {
            assert_eq!(AdminToken::hash_of_text(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_is_fit_for_a_log() {
        assert!(AdminToken::is_name("ci-deploy") && AdminToken::is_name("alice@example.com"));
        for wrong in ["", "a b", "a\n", "\"", "ä", &"a".repeat(65)] {
            assert!(!AdminToken::is_name(wrong), "{wrong:?}");
        }
    }
}

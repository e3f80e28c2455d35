//! The compact forms taken apart (RFC 7515 section 7.1, RFC 7516 section 7.1), and what every header keeps to.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Refusal, Result, decode, encode, json};

/// A longer token is refused before any of it is decoded.
pub(super) const MAX_LENGTH: usize = 16 * 1024;

/// Cuts the token at its dots: `N` parts, no more and no fewer. Neither of the JSON serialisations passes.
pub(super) fn parts<const N: usize>(token: &str) -> Result<[&str; N], Refusal> {
    const WRONG: Refusal = Refusal::because("the token has too few or too many parts");
    if token.len() > MAX_LENGTH {
        return Err(Refusal::because("the token is too long"));
    }
    let mut rest = token.split('.');
    let mut parts = [""; N];
    for part in &mut parts {
        *part = rest.next().ok_or(WRONG)?;
    }
    if rest.next().is_some() { Err(WRONG) } else { Ok(parts) }
}

pub(super) fn bytes(part: &str) -> Result<Vec<u8>, Refusal> {
    decode(part).ok_or(Refusal::because("a part of the token is not base64url"))
}

/// The claims, each of them once (RFC 7519 section 4).
pub(super) fn claims(payload: &[u8]) -> Result<Map<String, Value>, Refusal> {
    json::object(payload).ok_or(Refusal::because("the claims are not an object, or have a member twice"))
}

/// The first two parts of a JWS, which are what is signed.
pub(super) fn signing_input(header: &impl Serialize, claims: &impl Serialize) -> Result<String> {
    Ok(format!("{}.{}", encode(serde_json::to_vec(header)?), encode(serde_json::to_vec(claims)?)))
}

/// Whether a token of this `typ` is of the kind that is due (RFC 8725 section 3.11).
pub(super) fn is_kind(typ: Option<&str>, due: &[&str], optional: bool) -> bool {
    typ.map_or(optional, |typ| due.iter().any(|due| is_media_type(typ, due)))
}

/// RFC 7515 section 4.1.9: `application/` may be left out; media types are compared without regard to case.
fn is_media_type(typ: &str, due: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match typ.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &typ[PREFIX.len()..],
        _ => typ,
    };
    short.eq_ignore_ascii_case(due)
}

/// The members of a header, each once and none of them critical.
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn read(part: &str) -> Result<Self, Refusal> {
        let members = json::object(&bytes(part)?)
            .ok_or(Refusal::because("the header is not an object, or has a member twice"))?;
        // RFC 7515 section 4.1.11: an extension that must be understood, and none is. RFC 7797 needs `crit` as well,
        // but some would honour `b64` without it.
        if members.contains_key("crit") || members.contains_key("b64") {
            return Err(Refusal::because("the header has a critical extension"));
        }
        Ok(Self(members))
    }

    pub(super) fn alg(&self) -> Result<&str, Refusal> {
        self.0.get("alg").and_then(Value::as_str).ok_or(Refusal::because("the header has no algorithm"))
    }

    pub(super) fn kid(&self) -> Result<Option<String>, Refusal> {
        self.text("kid", "the header's kid is not a string")
    }

    pub(super) fn typ(&self) -> Result<Option<String>, Refusal> {
        self.text("typ", "the header's typ is not a string")
    }

    pub(super) fn text(&self, name: &str, otherwise: &'static str) -> Result<Option<String>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value.clone())),
            Some(_) => Err(Refusal::because(otherwise)),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

/// A JWS of any algorithm, not yet believed.
pub(super) struct Jws<'a> {
    pub header: Members,
    /// The first two parts and the dot between, as they came.
    pub signed: &'a [u8],
    pub payload: Vec<u8>,
    pub signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    pub(super) fn read(token: &'a str) -> Result<Self, Refusal> {
        let [header, payload, signature] = parts(token)?;
        Ok(Self {
            signed: &token.as_bytes()[..header.len() + 1 + payload.len()],
            header: Members::read(header)?,
            payload: bytes(payload)?,
            signature: bytes(signature)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_compared_as_a_media_type() {
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
            assert!(is_kind(Some(typ), &["JWT", "at+jwt"], false), "{typ}");
        }
        for typ in ["", "application/", "text/at+jwt", "at+jwt ", "application/application/at+jwt", "é"] {
            assert!(!is_kind(Some(typ), &["JWT", "at+jwt"], true), "{typ}");
        }
        assert!(is_kind(None, &[], true));
        assert!(!is_kind(None, &["JWT"], false));
    }

    #[test]
    fn parts_are_counted() {
        assert_eq!(parts("a.b.c").ok(), Some(["a", "b", "c"]));
        assert_eq!(parts("....").ok(), Some([""; 5]));
        assert!(parts::<3>("a.b").is_err());
        assert!(parts::<3>("a.b.c.").is_err());
        assert!(parts::<5>("").is_err());
    }
}

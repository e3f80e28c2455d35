//! What a person may be called, and what may be claimed of one.

use serde_json::{Map, Value};

use crate::oauth::id_token::without_reserved;
use crate::oauth::{Error, ErrorCode, Result, claims};
use crate::store::user::canonical;

/// In characters.
const LONGEST_NAME: usize = 64;
/// In bytes, as JSON: with the server's own claims it must fit into an ID token.
const LARGEST_CLAIMS: usize = 8 * 1024;

/// Names that people would take for the server's, the operator's or nobody's (RFC 2142 section 2 to 7 among them).
const RESERVED: &[&str] = &[
    "abuse",
    "account",
    "admin",
    "administrator",
    "anonymous",
    "api",
    "everyone",
    "guest",
    "help",
    "hostmaster",
    "hydra",
    "hydrant",
    "info",
    "login",
    "logout",
    "mailer-daemon",
    "me",
    "moderator",
    "nobody",
    "no-reply",
    "noreply",
    "null",
    "oauth",
    "oauth2",
    "official",
    "openid",
    "operator",
    "owner",
    "postmaster",
    "root",
    "security",
    "self",
    "service",
    "staff",
    "superuser",
    "support",
    "sysadmin",
    "system",
    "undefined",
    "user",
    "webmaster",
];

fn refused(why: &'static str) -> Error {
    ErrorCode::InvalidRequest.because(why)
}

/// A username: 1 to 64 characters without whitespace, and none that could be taken for somebody else's (LC-38). An `@`
/// only where it is the person's own email: names and emails are one namespace, and nobody may sit on another's.
pub fn check_username(name: &str, email: Option<&str>) -> Result<()> {
    let length = name.chars().count();
    if length == 0 || length > LONGEST_NAME {
        return Err(refused("The username must have 1 to 64 characters."));
    }
    if name.chars().any(|c| c.is_control() || c.is_whitespace() || is_invisible(c) || matches!(c, '/' | '\\' | '"')) {
        return Err(refused("The username must not have whitespace, slashes, quotes or invisible characters."));
    }
    let folded = canonical(name);
    if folded.is_empty() || folded.starts_with('.') || RESERVED.contains(&folded.as_str()) {
        return Err(refused("The username is reserved."));
    }
    if mixes_scripts(&folded) {
        return Err(refused("The username mixes letters of several alphabets that look alike."));
    }
    if folded.contains('@') && email.map(canonical) != Some(folded) {
        return Err(refused("A username with an @ must be the email of the same user."));
    }
    Ok(())
}

/// An email's form, not whether it exists (RFC 5321 section 4.5.3.1 for the lengths).
pub fn check_email(email: &str) -> Result<()> {
    let sound = email.rsplit_once('@').is_some_and(|(local, domain)| {
        let name = |c: char| !c.is_control() && !c.is_whitespace() && !is_invisible(c);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        (1..=64).contains(&local.len())
            && local.chars().all(|c| name(c) && !"@<>()[],;:\\\"".contains(c))
            && domain.len() <= 253
            && domain.split('.').all(label)
    });
    if sound { Ok(()) } else { Err(refused("The email is not an address.")) }
}

/// OpenID Connect Core section 5.1 for the types; what only the server says, and the address, are said elsewhere.
pub fn check_claims(given: &Map<String, Value>, email: Option<&str>) -> Result<()> {
    if without_reserved(given.clone()).len() != given.len() {
        return Err(refused("The claims have a null, or one that only the server sets, like sub or iss."));
    }
    if given.get("email").is_some_and(|claimed| claimed.as_str() != email) {
        return Err(refused("The email belongs into the member email, not into the claims."));
    }
    if serde_json::to_string(given).map_or(usize::MAX, |text| text.len()) > LARGEST_CLAIMS {
        return Err(refused("The claims must have at most 8192 bytes as JSON."));
    }
    // It names only claims of the standard: no input gets out.
    claims::check(given).map_err(|why| ErrorCode::InvalidRequest.because(format!("The claims are refused: {why}.")))
}

/// Shows nothing, or turns the direction of what follows (Unicode UAX #9, UTS #39).
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
    ) || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Latin, Greek and Cyrillic have letters that nobody can tell apart: a name is written in one of them (UTS #39
/// section 5).
fn mixes_scripts(name: &str) -> bool {
    let has = |script: fn(char) -> bool| u8::from(name.chars().any(script));
    let latin = has(|c| c.is_alphabetic() && matches!(c, 'a'..='z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}'));
    let greek = has(|c| matches!(c, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}'));
    let cyrillic = has(|c| matches!(c, '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}'));
    latin + greek + cyrillic > 1
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// LC-38
    #[test]
    fn a_username_is_nobody_elses() {
        for name in ["alice", "Zoë", "李明", "алиса", "a.b-c_d+1", "x", &"n".repeat(64)] {
            assert!(check_username(name, None).is_ok(), "{name}");
        }
        for name in [
            "",
            " ",
            "a b",
            "admin",
            "ADMIN",
            "ｒｏｏｔ",
            "..",
            ".well-known",
            "a/b",
            "a\\b",
            "tab\t",
            "nul\0",
            "bidi\u{202e}x",
            "zero\u{200b}",
            "\u{3164}",
            "аlice",
            "bob@x.example",
            "a\"b",
            &"n".repeat(65),
        ] {
            assert!(check_username(name, None).is_err(), "{name:?}");
        }
        assert!(check_username("Bob@x.example", Some("bob@X.example")).is_ok());
        assert!(check_username("bob@x.example", Some("eve@x.example")).is_err());
    }

    #[test]
    fn an_email_has_the_form_of_one() {
        for email in ["a@b", "alice@example.com", "o'neil+x@sub.example.org", "ü@exämple.de"] {
            assert!(check_email(email).is_ok(), "{email}");
        }
        for email in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a@-b.c",
            "a@b..c",
            "a@b.",
            "<a@b.c>",
            "a@b\0",
            "a@b\u{200b}",
        ] {
            assert!(check_email(email).is_err(), "{email:?}");
        }
        assert!(check_email(&format!("{}@b", "a".repeat(65))).is_err());
    }

    #[test]
    fn claims_are_of_their_types_and_not_the_servers() {
        let check = |claims: Value| check_claims(claims.as_object().unwrap(), Some("a@b.c"));
        assert!(check(json!({"name": "A", "email_verified": true, "roles": ["x"], "email": "a@b.c"})).is_ok());
        for claims in [
            json!({"sub": "eve"}),
            json!({"iss": "https://evil.example"}),
            json!({"tenant": null}),
            json!({"name": 7}),
            json!({"email_verified": "true"}),
            json!({"email": "eve@b.c"}),
            json!({"big": "x".repeat(9000)}),
        ] {
            assert!(check(claims.clone()).is_err(), "{claims}");
        }
    }
}

//! What a person is called to a client: OpenID Connect Core section 8.

use std::fmt::Write as _;

use url::Url;

use super::client_metadata::ClientMetadata;
use crate::id::{SessionId, Subject};
use crate::secret::{Secret, sha256};

/// The host of a web address: a sector is a place that only its owner answers at, which an app's own scheme is not.
pub fn host(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    url.host_str().map(str::to_owned)
}

/// The sector identifier (section 8.1): the host of `sector_identifier_uri`, else of the redirect URIs, which have one.
fn sector(client: &ClientMetadata) -> Option<String> {
    let named = Some(&client.sector_identifier_uri).filter(|uri| !uri.is_empty());
    host(named.or_else(|| client.redirect_uris.first())?)
}

/// `sub` as this client sees it: the person's own, or for a pairwise client SHA-256 of sector, subject and salt (the first
/// example of section 8.1) in hex, as Hydra writes it: the same for every client of the sector, and telling nothing about
/// the person.
///
/// `None` where a pairwise client has no sector, or the server no salt any more: then it must be told nothing.
pub fn seen_by(client: &ClientMetadata, subject: &Subject, salt: Option<&Secret>) -> Option<Subject> {
    if client.subject_type != "pairwise" {
        return Some(subject.clone());
    }
    let text = [sector(client)?.as_str(), subject.as_str(), salt?.expose()].concat();
    Some(Subject::new(hex_digest(&text)))
}

/// `sid` as this client sees it: the session's own id, or for a pairwise client one of its sector alone, because sectors
/// that saw the same session would know that they see the same person (OpenID Connect Core section 17.3).
pub fn session_seen_by(client: &ClientMetadata, session: SessionId, salt: Option<&Secret>) -> Option<String> {
    if client.subject_type != "pairwise" {
        return Some(session.to_string());
    }
    Some(hex_digest(&format!("sid {} {session} {}", sector(client)?, salt?.expose())))
}

fn hex_digest(text: &str) -> String {
    sha256(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn client(mut json: Value) -> ClientMetadata {
        json["subject_type"] = "pairwise".into();
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn one_sector_sees_one_subject_and_no_other_does() {
        let salt = Secret::new("a salt for tests");
        let see = |client: &ClientMetadata, who: &str| seen_by(client, &Subject::new(who), Some(&salt)).unwrap();
        let one = client(json!({"redirect_uris": ["https://a.example/cb", "https://a.example/other"]}));
        let same =
            client(json!({"redirect_uris": ["https://x.example/cb"], "sector_identifier_uri": "https://a.example/s"}));
        let other = client(json!({"redirect_uris": ["https://b.example/cb"]}));
        assert_eq!(see(&one, "alice"), see(&same, "alice"));
        assert_ne!(see(&one, "alice"), see(&other, "alice"));
        assert_ne!(see(&one, "alice"), see(&one, "bob"));
        assert_ne!(see(&one, "alice").as_str(), "alice");
        assert_eq!(see(&one, "alice").as_str().len(), 64);
        let salted = seen_by(&one, &Subject::new("alice"), Some(&Secret::new("another salt")));
        assert_ne!(salted, Some(see(&one, "alice")));
    }

    #[test]
    fn who_can_not_be_hidden_is_not_named() {
        let pairwise = client(json!({"redirect_uris": ["https://a.example/cb"]}));
        assert_eq!(seen_by(&pairwise, &Subject::new("alice"), None), None);
        for uri in ["com.example.app:/cb", "com.example.app://a.example/cb"] {
            let nowhere = client(json!({"redirect_uris": [uri]}));
            assert_eq!(seen_by(&nowhere, &Subject::new("alice"), Some(&Secret::new("a salt for tests"))), None);
        }
        let public = ClientMetadata::default();
        assert_eq!(seen_by(&public, &Subject::new("alice"), None), Some(Subject::new("alice")));
    }
}

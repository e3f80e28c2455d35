//! What a client may register, with Hydra's words for what it may not (RFC 7591 section 3.2.2; hydra.md section 1.12).

use std::borrow::Cow;
use std::slice;

use super::{AuthMethod, ClientMetadata, Rules};
use crate::oauth::response_mode::ResponseType;
use crate::oauth::scope::Scope;
use crate::oauth::{Error, ErrorCode, Result, redirect_uri};

pub(super) const MAX_URI_BYTES: usize = 2048;
pub(super) const MAX_ENTRIES: usize = 50;
/// Of a name that pages show, in characters.
const MAX_NAME: usize = 200;

impl ClientMetadata {
    /// Whether the server can keep what this promises: `invalid_redirect_uri`, or `invalid_client_metadata` that names
    /// the field. Never repeats a value.
    pub fn validate(&self, rules: &Rules) -> Result<()> {
        redirect_uri::check_all(&self.redirect_uris, self.is_native(), rules.http())?;
        self.check_choices(rules)?;
        self.check_response_types(rules)?;
        self.unkept.check()?;
        self.software.check()?;
        self.check_texts()?;
        self.check_web_uris(rules)?;
        self.check_keys(rules)?;
        self.check_post_logout_redirect_uris(rules)
    }

    /// The one table of fields that have a few values only.
    fn check_choices(&self, rules: &Rules) -> Result<()> {
        let named = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let choices: [(&str, &[String], Vec<String>); 15] = [
            ("grant_types", &self.grant_types, named(&rules.grant_types)),
            ("token_endpoint_auth_method", one(&self.token_endpoint_auth_method), named(&rules.auth_methods)),
            (
                "token_endpoint_auth_signing_alg",
                one(&self.token_endpoint_auth_signing_alg),
                named(&self.assertion_algs(rules)),
            ),
            ("application_type", one(&self.application_type), named(&["web", "native"])),
            ("subject_type", one(&self.subject_type), named(&rules.subject_types)),
            ("id_token_signed_response_alg", one(&self.id_token_signed_response_alg), rules.id_token_algs.clone()),
            ("userinfo_signed_response_alg", one(&self.userinfo_signed_response_alg), rules.userinfo_algs.clone()),
            ("access_token_strategy", one(&self.access_token_strategy), named(&rules.access_token_strategies)),
            ("request_object_signing_alg", one(&self.request_object_signing_alg), named(&rules.request_object_algs)),
            (
                "id_token_encrypted_response_alg",
                one(&self.id_token_encrypted_response_alg),
                named(&rules.encryption_algs),
            ),
            (
                "id_token_encrypted_response_enc",
                one(&self.id_token_encrypted_response_enc),
                named(&rules.encryption_encs),
            ),
            (
                "userinfo_encrypted_response_alg",
                one(&self.userinfo_encrypted_response_alg),
                named(&rules.encryption_algs),
            ),
            (
                "userinfo_encrypted_response_enc",
                one(&self.userinfo_encrypted_response_enc),
                named(&rules.encryption_encs),
            ),
            ("request_object_encryption_alg", one(&self.request_object_encryption_alg), named(&rules.encryption_algs)),
            ("request_object_encryption_enc", one(&self.request_object_encryption_enc), named(&rules.encryption_encs)),
        ];
        for (field, given, supported) in choices {
            if given.iter().any(|value| !supported.contains(value)) {
                return Err(refused(match supported.as_slice() {
                    [] => format!("Field {field} has no place beside the client's token_endpoint_auth_method."),
                    some => format!(
                        "A value of field {field} is not supported by server, only [{}] are allowed.",
                        some.join(" ")
                    ),
                }));
            }
        }
        Ok(())
    }

    /// What the registered method can be signed with.
    fn assertion_algs(&self, rules: &Rules) -> Vec<&'static str> {
        let is_mac = |alg: &&str| alg.starts_with("HS");
        let algs = rules.assertion_algs.iter().copied();
        match self.auth_method() {
            AuthMethod::PrivateKeyJwt => algs.filter(|alg| !is_mac(alg)).collect(),
            AuthMethod::SecretJwt => algs.filter(is_mac).collect(),
            AuthMethod::Basic | AuthMethod::Post | AuthMethod::None => Vec::new(),
        }
    }

    /// OpenID Connect Dynamic Client Registration section 2: what `response_types` names needs its grant types.
    fn check_response_types(&self, rules: &Rules) -> Result<()> {
        for text in &self.response_types {
            let Some(kind) = ResponseType::parse(text).ok().filter(|kind| rules.response_types.contains(kind)) else {
                let allowed: Vec<_> = rules.response_types.iter().map(|kind| kind.as_str()).collect();
                return Err(refused(format!(
                    "A value of field response_types is not supported by server, only [{}] are allowed \
                     (oauth2.response_types of the server's configuration).",
                    allowed.join(", ")
                )));
            };
            if kind.is_front() && !self.has_grants_of(kind) {
                let code = if kind.gives_code() { "authorization_code and implicit" } else { "implicit" };
                return Err(refused(format!(
                    "Field grant_types must have {code} for the response type {}.",
                    kind.as_str()
                )));
            }
        }
        Ok(())
    }

    fn check_texts(&self) -> Result<()> {
        if Scope::parse(&self.scope).is_err() {
            return Err(refused("Field scope must be a space-separated list of at most 100 scope values."));
        }
        // DR-10: what could make a page say something else than it seems to
        if self.client_name.chars().count() > MAX_NAME || self.client_name.chars().any(misleads) {
            return Err(refused(
                "Field client_name must have at most 200 characters, none of them invisible or a control character.",
            ));
        }
        let lists = [("contacts", &self.contacts[..]), ("audience", &self.audience[..]), ("owner", one(&self.owner))];
        for (field, values) in lists {
            if values.len() > MAX_ENTRIES
                || values.iter().any(|value| value.len() > MAX_URI_BYTES || value.contains(char::is_control))
            {
                return Err(refused(format!("Field {field} is too long or has control characters.")));
            }
        }
        if let Some((field, _)) = self.lifespans.iter().find(|(_, lifespan)| lifespan.duration().as_secs() == 0) {
            return Err(refused(format!("Field {field} must be one second at least.")));
        }
        Ok(())
    }
}

/// A secret that a person chose. It is hashed slowly (argon2id), so a short one is the only one too weak.
pub fn check_secret(secret: &str) -> Result<()> {
    if secret.chars().count() < 6 {
        return Err(refused("Field client_secret must contain a secret that is at least 6 characters long."));
    }
    if secret.len() > 512 || !is_vschar(secret) {
        return Err(refused("Field client_secret must have at most 512 printable ASCII characters."));
    }
    Ok(())
}

/// An id that an operator chose (RFC 6749 appendix A.1).
pub fn check_client_id(id: &str) -> Result<()> {
    if id.is_empty() || id.len() > 255 || !is_vschar(id) {
        return Err(refused("Field client_id must have 1 to 255 printable ASCII characters."));
    }
    Ok(())
}

/// The member as a list: a text that is empty is not set.
fn one(member: &String) -> &[String] {
    if member.is_empty() { &[] } else { slice::from_ref(member) }
}

pub(super) fn refused(why: impl Into<Cow<'static, str>>) -> Error {
    ErrorCode::InvalidClientMetadata.because(why)
}

/// RFC 6749 appendix A: `VSCHAR = %x20-7E`
fn is_vschar(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x20..=0x7E))
}

/// Control characters, and those that show nothing or turn the direction of what follows (Unicode UAX #9, UTS #39).
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub fn check(client: Value) -> Result<()> {
        serde_json::from_value::<ClientMetadata>(client)
            .unwrap()
            .with_defaults(&[])
            .validate(&Rules::new(false, &[ResponseType::Code]))
    }

    pub fn fault(client: &Value) -> (&'static str, String) {
        let error = check(client.clone()).expect_err(&client.to_string());
        let is_clean = error.description.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E));
        assert!(is_clean, "RFC 6749 section 5.2: {}", error.description);
        (error.code.as_str(), error.description.into_owned())
    }

    #[test]
    fn usual_clients_are_fine() {
        for client in [
            json!({}),
            json!({"redirect_uris": ["https://app.example/cb"]}),
            json!({"grant_types": ["client_credentials"], "response_types": ["code"],
                   "token_endpoint_auth_method": "client_secret_post"}),
            json!({"redirect_uris": ["http://127.0.0.1/cb", "com.example.app:/cb"],
                   "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"], "application_type": "native"}),
            json!({"jwks": {}, "request_uris": [], "jwks_uri": "", "subject_type": "public",
                   "access_token_strategy": "opaque", "userinfo_signed_response_alg": "none", "scope": "openid offline photos.*"}),
            json!({"client_name": "Bücher & Söhne 📚", "client_uri": "https://app.example",
                   "logo_uri": "http://cdn.example/l.png", "policy_uri": "https://other.example/p?x=1#top", "tos_uri": "https://openid.net"}),
            json!({"allowed_cors_origins": ["https://app.example/", "http://localhost:3000",
                   "https://app.example:8443"]}),
            json!({"redirect_uris": ["https://app.example/cb", "com.example.app:/cb"],
                   "post_logout_redirect_uris": ["https://app.example/out?a=1", "https://app.example:443/",
                   "com.example.app:/out"]}),
            json!({"backchannel_logout_uri": "https://app.example/b?x=1",
                   "frontchannel_logout_uri": "https://app.example/f"}),
            json!({"authorization_code_grant_access_token_lifespan": "5m"}),
        ] {
            check(client.clone()).unwrap_or_else(|error| panic!("{client}: {error}"));
        }
    }

    /// RU-07, RU-13, RU-14, RU-22: the words are Hydra's where it has any.
    #[test]
    fn redirect_uris_have_their_own_code() {
        let of = |uri: &str| fault(&json!({"redirect_uris": ["https://app.example/cb", uri]}));
        assert_eq!(
            of("https://app.example/#f"),
            ("invalid_redirect_uri", "Redirect URIs must not contain fragments (#).".to_owned())
        );
        for uri in [
            "",
            "/cb",
            "http://app.example/cb",
            "https://*.app.example/",
            "javascript:alert(1)",
            "https://u@app.example/",
        ] {
            assert_eq!(of(uri).0, "invalid_redirect_uri", "{uri}");
        }
        assert_eq!(
            fault(&json!({"redirect_uris": ["http://127.0.0.1/"], "application_type": "web"})).0,
            "invalid_redirect_uri"
        );
    }

    /// TC-16, TC-17: what is not offered can not be registered, and the field is named.
    #[test]
    fn what_can_not_be_honoured_is_refused_by_name() {
        for (field, value) in [
            ("grant_types", json!(["implicit"])),
            ("grant_types", json!([""])),
            ("grant_types", json!(["authorization_code", "password"])),
            ("grant_types", json!(["urn:ietf:params:oauth:grant-type:device_code"])),
            ("grant_types", json!(["jwt-bearer"])),
            ("response_types", json!(["token"])),
            ("response_types", json!(["code", "code id_token"])),
            ("token_endpoint_auth_method", json!("tls_client_auth")),
            ("token_endpoint_auth_signing_alg", json!("ES256")),
            ("application_type", json!("desktop")),
            ("subject_type", json!("pairwise")),
            ("sector_identifier_uri", json!("http://app.example/sector")),
            ("id_token_signed_response_alg", json!("none")),
            ("id_token_signed_response_alg", json!("RS1")),
            ("userinfo_signed_response_alg", json!("rs256")),
            ("access_token_strategy", json!("paseto")),
            ("request_object_signing_alg", json!("ES256K")),
            ("id_token_encrypted_response_alg", json!("RSA1_5")),
            ("id_token_encrypted_response_alg", json!("RSA-OAEP")),
            ("id_token_encrypted_response_enc", json!("A128GCM")),
            ("request_object_encryption_enc", json!("A128GCM")),
            ("request_uris", json!(["http://app.example/r"])),
            ("jwks_uri", json!("https://app.example/jwks#f")),
            ("jwks", json!({"keys": []})),
        ] {
            let (code, description) = fault(&json!({ field: value }));
            assert_eq!(code, "invalid_client_metadata", "{field}");
            assert!(description.contains(field) && !description.contains("app.example"), "{description}");
        }
        let both = fault(&json!({"jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks"}));
        assert_eq!(both.1, "Fields jwks and jwks_uri can not both be set, you must choose one.");
        assert!(
            fault(&json!({"subject_type": "pairwise"}))
                .1
                .ends_with("is not supported by server, only [public] are allowed.")
        );
    }

    /// DR-10.
    #[test]
    fn a_name_shows_what_it_is() {
        for name in ["a\nb", "a\u{0}", "Bank\u{202e}knab", "Ba\u{200b}nk", "\u{feff}Bank", &"x".repeat(201)] {
            assert!(fault(&json!({"client_name": name})).1.contains("client_name"), "{name:?}");
        }
        check(json!({"client_name": "ü".repeat(200)})).unwrap();
    }

    #[test]
    fn texts_and_lifespans_have_their_limits() {
        for (field, value) in [
            ("scope", json!("openid \"")),
            ("scope", json!("a ".repeat(101))),
            ("owner", json!("a\u{0}")),
            ("contacts", json!(vec!["a"; 51])),
            ("audience", json!(["a\n"])),
            ("refresh_token_grant_access_token_lifespan", json!("0s")),
            ("refresh_token_grant_access_token_lifespan", json!("10ms")),
        ] {
            assert!(fault(&json!({ field: value })).1.contains(field), "{field}");
        }
    }

    #[test]
    fn chosen_ids_and_secrets() {
        assert!(check_secret("123456").is_ok() && check_client_id("my app:1").is_ok());
        assert_eq!(
            check_secret("12345").unwrap_err().description,
            "Field client_secret must contain a secret that is at least 6 characters long."
        );
        for secret in ["", "12345\u{0}7", "pässword", &"x".repeat(513)] {
            assert_eq!(check_secret(secret).unwrap_err().code, ErrorCode::InvalidClientMetadata, "{secret}");
        }
        for id in ["", "a\nb", "ä", &"x".repeat(256)] {
            assert_eq!(check_client_id(id).unwrap_err().code, ErrorCode::InvalidClientMetadata, "{id}");
        }
    }
}

//! Client metadata: Hydra's `OAuth2Client` JSON (RFC 7591 section 2, OpenID Connect Dynamic Client Registration
//! section 2).

mod choice;
mod keys;
mod lifespan;
mod unkept;
mod uris;
mod validate;

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use choice::{AuthMethod, GrantType};
pub use keys::encryption_enc;
pub use lifespan::{Lifespan, Lifespans, TokenKind};
pub use unkept::Unkept;
pub use validate::{Rules, check_client_id, check_secret};

use crate::oauth::redirect_uri;
use crate::oauth::response_mode::ResponseType;
use crate::oauth::scope::Scope;

/// What a client registers: every member of Hydra's model that the server does not make itself (`client_id`, the secret
/// and its expiry, the registration token and URI, the two times).
///
/// Read: a missing member, an empty one and null are the same; an unknown one is dropped. Written: never a null, and
/// nothing empty that the SDKs refuse (an empty `scope`, an empty URI).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientMetadata {
    #[serde(deserialize_with = "or_default")]
    pub client_name: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub application_type: String,
    #[serde(deserialize_with = "or_default")]
    pub redirect_uris: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub grant_types: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub response_types: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub scope: String,
    #[serde(deserialize_with = "or_default")]
    pub audience: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub owner: String,
    #[serde(deserialize_with = "or_default")]
    pub contacts: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub client_uri: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub logo_uri: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub policy_uri: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub tos_uri: String,
    #[serde(deserialize_with = "or_default")]
    pub allowed_cors_origins: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub subject_type: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub sector_identifier_uri: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub token_endpoint_auth_method: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub token_endpoint_auth_signing_alg: String,
    /// RS256 unless set.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub id_token_signed_response_alg: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub id_token_encrypted_response_alg: String,
    /// `A128CBC-HS256` unless set, where the one before is.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub id_token_encrypted_response_enc: String,
    /// Hydra shows `{}` for none, which readers of RFC 7517 refuse: it is left out.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_unset")]
    pub jwks: Value,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub jwks_uri: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub request_object_signing_alg: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub request_object_encryption_alg: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub request_object_encryption_enc: String,
    /// RFC 9101 section 10.5: only what is in a signed request object counts.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub require_signed_request_object: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub userinfo_signed_response_alg: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub userinfo_encrypted_response_alg: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub userinfo_encrypted_response_enc: String,
    /// In seconds; `max_age` of requests that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u64>,
    /// `auth_time` is in every ID token anyway.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub require_auth_time: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub default_acr_values: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub initiate_login_uri: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub frontchannel_logout_uri: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub frontchannel_logout_session_required: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub backchannel_logout_uri: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub backchannel_logout_session_required: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// Whatever the operator keeps with the client; Hydra's own member, not of any specification.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub access_token_strategy: String,
    /// A first party's: the built-in pages do not ask for consent.
    #[serde(deserialize_with = "or_default")]
    pub skip_consent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_logout_consent: Option<bool>,
    #[serde(flatten)]
    pub lifespans: Lifespans,
    #[serde(flatten)]
    pub unkept: Unkept,
}

impl ClientMetadata {
    /// What is stored and shown: members that were left out hold what the server takes them for (RFC 7591 section
    /// 3.2.1).
    #[must_use]
    pub fn with_defaults(mut self, default_scope: &[String]) -> Self {
        let fill = |member: &mut String, value: &str| {
            if member.is_empty() {
                value.clone_into(member);
            }
        };
        fill(&mut self.scope, default_scope.iter().collect::<Scope>().as_str());
        fill(&mut self.subject_type, "public");
        fill(&mut self.token_endpoint_auth_method, AuthMethod::Basic.as_str());
        fill(&mut self.userinfo_signed_response_alg, "none");
        for origin in &mut self.allowed_cors_origins {
            if origin.ends_with('/') {
                origin.pop();
            }
        }
        if self.metadata.is_null() {
            self.metadata = Value::Object(serde_json::Map::new());
        }
        self
    }

    /// RFC 7591 section 2: none means `authorization_code`.
    pub fn grant_types(&self) -> impl Iterator<Item = GrantType> {
        GrantType::ALL.iter().copied().filter(|grant| self.may_use(*grant))
    }

    pub fn may_use(&self, grant: GrantType) -> bool {
        if self.grant_types.is_empty() {
            grant == GrantType::AuthorizationCode
        } else {
            self.grant_types.iter().any(|own| own == grant.as_str())
        }
    }

    /// RFC 7591 section 2: none means `code`; section 2.1: without the grants of a type a client has not the type either.
    pub fn response_types(&self) -> impl Iterator<Item = ResponseType> {
        ResponseType::ALL.iter().copied().filter(|kind| {
            let is_registered = match self.response_types.is_empty() {
                true => *kind == ResponseType::Code,
                false => self.response_types.iter().any(|own| ResponseType::parse(own).is_ok_and(|own| own == *kind)),
            };
            is_registered && self.has_grants_of(*kind)
        })
    }

    /// The correspondence of OpenID Connect Dynamic Client Registration section 2. `none` gives nothing, and needs none.
    pub fn has_grants_of(&self, kind: ResponseType) -> bool {
        (!kind.gives_code() || self.may_use(GrantType::AuthorizationCode))
            && (!kind.gives_token() && !kind.gives_id_token() || self.may_use(GrantType::Implicit))
    }

    /// RFC 7591 section 2: none means `client_secret_basic`. So does a name that we do not know: it asks for a secret.
    pub fn auth_method(&self) -> AuthMethod {
        let is_own = |method: &AuthMethod| method.as_str() == self.token_endpoint_auth_method;
        AuthMethod::ALL.iter().copied().find(is_own).unwrap_or(AuthMethod::Basic)
    }

    /// The scope that the client may ask for; `default` is `oidc.dynamic_client_registration.default_scope`.
    pub fn scope(&self, default: &[String]) -> Scope {
        if self.scope.is_empty() { default.iter().collect() } else { self.scope.split(' ').collect() }
    }

    pub fn is_public(&self) -> bool {
        self.auth_method() == AuthMethod::None
    }

    pub fn is_native(&self) -> bool {
        redirect_uri::is_native(&self.redirect_uris, &self.application_type)
    }

    /// What a page calls the client.
    pub fn name<'a>(&'a self, client_id: &'a str) -> &'a str {
        if self.client_name.is_empty() { client_id } else { &self.client_name }
    }

    /// The client's own lifespan of a token from that grant; it goes before `ttl.*`.
    pub fn lifespan(&self, grant: GrantType, token: TokenKind) -> Option<Duration> {
        self.lifespans.of(grant, token)
    }
}

/// Null is no value (SDKs of several languages send it for what is not set).
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn is_unset(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if asks with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> ClientMetadata {
        serde_json::from_value(value).unwrap()
    }

    fn scopes(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn has_null(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Array(items) => items.iter().any(has_null),
            Value::Object(members) => members.values().any(has_null),
            _ => false,
        }
    }

    /// hydra.md appendix A1, without what the server makes and without nulls.
    #[test]
    fn a_client_with_only_a_redirect_uri() {
        let client = read(json!({"redirect_uris": ["https://app.example/cb"]}));
        let stored = client.with_defaults(&scopes("offline_access offline openid"));
        assert_eq!(
            serde_json::to_value(&stored).unwrap(),
            json!({
                "client_name": "", "redirect_uris": ["https://app.example/cb"], "grant_types": [], "response_types": [],
                "scope": "offline_access offline openid", "audience": [], "owner": "", "contacts": [],
                "allowed_cors_origins": [], "subject_type": "public",
                "token_endpoint_auth_method": "client_secret_basic", "userinfo_signed_response_alg": "none",
                "metadata": {}, "skip_consent": false,
            })
        );
        assert_eq!(read(serde_json::to_value(&stored).unwrap()), stored);
    }

    /// conformance.md section 3: the SDK raises an error at a null and at an empty scope.
    #[test]
    fn null_is_read_as_nothing_and_never_written() {
        let members = [
            "client_name",
            "application_type",
            "redirect_uris",
            "grant_types",
            "response_types",
            "scope",
            "audience",
            "owner",
            "contacts",
            "client_uri",
            "logo_uri",
            "policy_uri",
            "tos_uri",
            "allowed_cors_origins",
            "subject_type",
            "sector_identifier_uri",
            "token_endpoint_auth_method",
            "token_endpoint_auth_signing_alg",
            "jwks",
            "jwks_uri",
            "request_uris",
            "request_object_signing_alg",
            "userinfo_signed_response_alg",
            "frontchannel_logout_uri",
            "frontchannel_logout_session_required",
            "backchannel_logout_uri",
            "backchannel_logout_session_required",
            "post_logout_redirect_uris",
            "metadata",
            "access_token_strategy",
            "skip_consent",
            "skip_logout_consent",
            "client_credentials_grant_access_token_lifespan",
        ];
        let nulls = read(
            members.iter().map(|name| ((*name).to_owned(), Value::Null)).collect::<serde_json::Map<_, _>>().into(),
        );
        assert_eq!(nulls, ClientMetadata::default());
        let written = serde_json::to_value(&nulls).unwrap();
        assert!(!has_null(&written) && written.get("scope").is_none(), "{written}");
        assert!(!has_null(&serde_json::to_value(nulls.with_defaults(&[])).unwrap()));
    }

    /// DR-29: unknown members are dropped; a member twice or of another type is no client.
    #[test]
    fn what_is_no_client_is_not_read() {
        let client = read(json!({"client_id": "chosen", "client_secret": "hidden", "made_up": 1}));
        assert_eq!(client, ClientMetadata::default());
        for text in [
            r#"{"client_name": 1}"#,
            r#"{"redirect_uris": "https://app.example/cb"}"#,
            r#"{"redirect_uris": [null]}"#,
            r#"{"scope": ["openid"]}"#,
            r#"{"skip_consent": "yes"}"#,
            r#"{"scope": "a", "scope": "b"}"#,
            r#"{"refresh_token_grant_id_token_lifespan": "1h", "refresh_token_grant_id_token_lifespan": "2h"}"#,
            "null",
        ] {
            assert!(serde_json::from_str::<ClientMetadata>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn everything_that_is_set_comes_back() {
        let full = json!({
            "client_name": "App", "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "scope": "openid offline",
            "audience": ["https://api.example"], "owner": "alice", "contacts": ["a@app.example"],
            "client_uri": "https://app.example/", "logo_uri": "https://app.example/l.png",
            "policy_uri": "https://app.example/p", "tos_uri": "https://app.example/t",
            "allowed_cors_origins": ["https://app.example"], "subject_type": "public",
            "sector_identifier_uri": "https://app.example/s", "token_endpoint_auth_method": "none",
            "token_endpoint_auth_signing_alg": "ES256", "jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks",
            "request_uris": ["https://app.example/r"], "request_object_signing_alg": "RS256",
            "userinfo_signed_response_alg": "none", "frontchannel_logout_uri": "https://app.example/f",
            "frontchannel_logout_session_required": true, "backchannel_logout_uri": "https://app.example/b",
            "backchannel_logout_session_required": true, "post_logout_redirect_uris": ["http://127.0.0.1/out"],
            "metadata": {"tenant": 7, "deep": [{"a": 1.5}]}, "access_token_strategy": "opaque", "skip_consent": true,
            "skip_logout_consent": false, "refresh_token_grant_refresh_token_lifespan": "720h0m0s",
        });
        assert_eq!(serde_json::to_value(read(full.clone())).unwrap(), full);
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let client = ClientMetadata::default();
        assert_eq!(client.grant_types().collect::<Vec<_>>(), [GrantType::AuthorizationCode]);
        assert_eq!(client.response_types().collect::<Vec<_>>(), [ResponseType::Code]);
        assert_eq!(client.auth_method(), AuthMethod::Basic);
        assert_eq!(client.scope(&scopes("openid offline")).as_str(), "openid offline");
        assert!(!client.is_public() && !client.is_native());
        assert_eq!(client.name("0b2c"), "0b2c");
    }

    #[test]
    fn what_is_set_counts() {
        let client = read(json!({
            "client_name": "Robot", "grant_types": ["client_credentials"], "response_types": ["code"],
            "scope": "jobs.read", "token_endpoint_auth_method": "none", "redirect_uris": ["com.example.app:/cb"],
        }));
        assert_eq!(client.grant_types().collect::<Vec<_>>(), [GrantType::ClientCredentials]);
        assert_eq!(client.response_types().count(), 0, "code needs the grant authorization_code, RFC 7591 section 2.1");
        assert!(!client.may_use(GrantType::AuthorizationCode) && client.is_public() && client.is_native());
        assert_eq!((client.scope(&scopes("openid")).as_str(), client.name("id")), ("jobs.read", "Robot"));
        for method in AuthMethod::ALL {
            assert_eq!(read(json!({"token_endpoint_auth_method": method.as_str()})).auth_method(), *method);
        }
        assert_eq!(read(json!({"token_endpoint_auth_method": "None"})).auth_method(), AuthMethod::Basic);
    }
}

//! Client metadata: Hydra's `OAuth2Client` JSON (RFC 7591 section 2, OpenID Connect Dynamic Client Registration
//! section 2).

mod choice;
mod keys;
mod lifespan;
mod rules;
mod software;
mod unkept;
mod uris;
mod validate;

#[cfg(test)]
mod tests;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use choice::{AuthMethod, GrantType};
pub use keys::encryption_enc;
pub use lifespan::{Lifespan, Lifespans, TokenKind};
pub use rules::Rules;
pub use software::Software;
pub use unkept::Unkept;
pub use validate::{check_client_id, check_secret};

use crate::oauth::redirect_uri;
use crate::oauth::response_mode::ResponseType;
use crate::oauth::scope::Scope;

/// What a client registers: every member of Hydra's model that the server does not make itself (`client_id`, the secret
/// and its expiry, the registration token and URI, the two times).
///
/// Read: a missing member, an empty one and null are the same; an unknown one is dropped. Written: never a null, and
/// nothing empty that the SDKs refuse (an empty `scope`, an empty URI).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    pub software: Software,
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
            && (!kind.is_front() || self.may_use(GrantType::Implicit))
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

    /// Whether the client knows people by names of its own (OpenID Connect Core section 8).
    pub fn is_pairwise(&self) -> bool {
        self.subject_type == "pairwise"
    }

    /// Whether it has registered where it is told that a session has ended.
    pub fn hears_of_logout(&self) -> bool {
        !self.backchannel_logout_uri.is_empty() || !self.frontchannel_logout_uri.is_empty()
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

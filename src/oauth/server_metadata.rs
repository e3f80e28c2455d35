//! Server metadata (OpenID Connect Discovery section 3, RFC 8414 section 2): made of what is enabled, never of wishes.

use schemars::JsonSchema;
use serde::Serialize;
use url::Url;

use crate::config::{Config, Oidc, Urls};
use crate::oauth::client_metadata::Rules;
use crate::oauth::response_mode::ResponseMode;
use crate::oauth::{acr, claims, pkce};

/// The public endpoints, below `urls.self.public`.
pub mod path {
    pub const AUTHORIZATION: &str = "/oauth2/auth";
    pub const TOKEN: &str = "/oauth2/token";
    pub const USERINFO: &str = "/userinfo";
    pub const REVOCATION: &str = "/oauth2/revoke";
    pub const INTROSPECTION: &str = "/oauth2/introspect";
    pub const END_SESSION: &str = "/oauth2/sessions/logout";
    pub const CHECK_SESSION: &str = "/oauth2/sessions/check";
    /// As `seed.md` has it; discovery names this one.
    pub const REGISTRATION: &str = "/connect/register";
    /// As Hydra has it since 2.0.
    pub const REGISTRATION_OF_HYDRA: &str = "/oauth2/register";
    pub const JWKS: &str = "/.well-known/jwks.json";
    pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
    pub const OAUTH_AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
}

/// Scope values that mean something to the server itself.
const OWN_SCOPES: [&str; 3] = ["openid", "offline", "offline_access"];

/// The discovery document. A member is left out where there is nothing to say, never null.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "oidcConfiguration")]
pub struct ServerMetadata {
    /// `urls.self.issuer` letter for letter (OpenID Connect Discovery section 4.3).
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub userinfo_endpoint: String,
    pub revocation_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    pub end_session_endpoint: String,
    /// OpenID Connect Session Management section 3.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_session_iframe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    pub jwks_uri: String,

    pub response_types_supported: Vec<&'static str>,
    pub response_modes_supported: Vec<&'static str>,
    pub grant_types_supported: Vec<&'static str>,
    pub code_challenge_methods_supported: &'static [&'static str],
    /// RFC 9207 section 3.
    pub authorization_response_iss_parameter_supported: bool,
    /// OpenID Connect Prompt Create section 4 registers the name.
    pub prompt_values_supported: &'static [&'static str],
    pub ui_locales_supported: &'static [&'static str],

    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint_auth_methods_supported: Option<Vec<&'static str>>,
    pub token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint_auth_signing_alg_values_supported: Option<Vec<&'static str>>,

    pub scopes_supported: Vec<String>,
    pub claims_supported: Vec<String>,
    pub claim_types_supported: &'static [&'static str],
    pub subject_types_supported: Vec<&'static str>,
    pub id_token_signing_alg_values_supported: Vec<String>,
    pub id_token_encryption_alg_values_supported: Vec<&'static str>,
    pub id_token_encryption_enc_values_supported: Vec<&'static str>,
    pub userinfo_signing_alg_values_supported: Vec<String>,
    pub userinfo_encryption_alg_values_supported: Vec<&'static str>,
    pub userinfo_encryption_enc_values_supported: Vec<&'static str>,
    /// Hydra's own two members; today's SDKs of Ory refuse a document without them.
    pub id_token_signed_response_alg: Vec<String>,
    pub userinfo_signed_response_alg: Vec<String>,

    /// Empty where another app signs people in: what it can reach is not ours to say.
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub acr_values_supported: &'static [&'static str],
    pub claims_parameter_supported: bool,
    pub request_parameter_supported: bool,
    /// Said because a document without it says true (OpenID Connect Discovery section 3).
    pub request_uri_parameter_supported: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_request_uri_registration: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_object_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_object_encryption_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_object_encryption_enc_values_supported: Vec<&'static str>,
    pub backchannel_logout_supported: bool,
    pub backchannel_logout_session_supported: bool,
    pub frontchannel_logout_supported: bool,
    pub frontchannel_logout_session_supported: bool,
}

/// What is there or not as a whole.
#[derive(Clone, Copy)]
struct Switches {
    introspection: bool,
    session_management: bool,
}

impl ServerMetadata {
    pub fn of(config: &Config) -> Self {
        let switches = Switches {
            introspection: config.oauth2.public_introspection,
            session_management: config.logout.session_management,
        };
        Self::describe(&config.urls, &config.oidc, &Rules::of(config), switches)
    }

    fn describe(urls: &Urls, oidc: &Oidc, rules: &Rules, switches: Switches) -> Self {
        let Switches { introspection, session_management } = switches;
        let endpoint = |path: &str| format!("{}{path}", urls.public);
        let by_request_object = rules.request_by_value || rules.request_by_reference;
        let of_request_objects = |values: &[&'static str]| if by_request_object { values.to_vec() } else { Vec::new() };
        let own_scopes: Vec<&str> = OWN_SCOPES.into_iter().chain(claims::scopes()).collect();
        let own_claims: Vec<&str> = std::iter::once("sub").chain(claims::names()).collect();
        Self {
            issuer: urls.issuer.clone(),
            authorization_endpoint: endpoint(path::AUTHORIZATION),
            token_endpoint: endpoint(path::TOKEN),
            userinfo_endpoint: endpoint(path::USERINFO),
            revocation_endpoint: endpoint(path::REVOCATION),
            introspection_endpoint: introspection.then(|| endpoint(path::INTROSPECTION)),
            end_session_endpoint: endpoint(path::END_SESSION),
            check_session_iframe: session_management.then(|| endpoint(path::CHECK_SESSION)),
            registration_endpoint: oidc.registration.enabled.then(|| endpoint(path::REGISTRATION)),
            jwks_uri: endpoint(path::JWKS),

            response_types_supported: rules.response_types.iter().map(|kind| kind.as_str()).collect(),
            response_modes_supported: ResponseMode::ALL.iter().map(|mode| mode.as_str()).collect(),
            grant_types_supported: rules.grant_types.clone(),
            code_challenge_methods_supported: pkce::METHODS,
            authorization_response_iss_parameter_supported: true,
            // A login app may let people register (Initiating User Registration via OpenID Connect 1.0).
            prompt_values_supported: match urls.login {
                None => &["none", "login", "consent", "select_account"],
                Some(_) => &["none", "login", "consent", "select_account", "create"],
            },
            ui_locales_supported: &["en"],

            token_endpoint_auth_methods_supported: rules.auth_methods.clone(),
            revocation_endpoint_auth_methods_supported: rules.auth_methods.clone(),
            // A public client may ask about its own tokens (RFC 7662 section 2.1): it is known by having one.
            introspection_endpoint_auth_methods_supported: introspection.then(|| rules.auth_methods.clone()),
            token_endpoint_auth_signing_alg_values_supported: rules.assertion_algs.clone(),
            revocation_endpoint_auth_signing_alg_values_supported: rules.assertion_algs.clone(),
            introspection_endpoint_auth_signing_alg_values_supported: introspection
                .then(|| rules.assertion_algs.clone()),

            scopes_supported: union(&own_scopes, &oidc.supported_scope),
            claims_supported: union(&own_claims, &oidc.supported_claims),
            claim_types_supported: &["normal"],
            subject_types_supported: rules.subject_types.clone(),
            id_token_signing_alg_values_supported: rules.id_token_algs.clone(),
            id_token_encryption_alg_values_supported: rules.encryption_algs.clone(),
            id_token_encryption_enc_values_supported: rules.encryption_encs.clone(),
            userinfo_signing_alg_values_supported: rules.userinfo_algs.clone(),
            userinfo_encryption_alg_values_supported: rules.encryption_algs.clone(),
            userinfo_encryption_enc_values_supported: rules.encryption_encs.clone(),
            id_token_signed_response_alg: rules.id_token_algs.clone(),
            userinfo_signed_response_alg: rules.userinfo_algs.clone(),

            acr_values_supported: if urls.login.is_none() { acr::SUPPORTED } else { &[] },
            claims_parameter_supported: true,
            request_parameter_supported: rules.request_by_value,
            request_uri_parameter_supported: rules.request_by_reference,
            require_request_uri_registration: rules.request_by_reference,
            request_object_signing_alg_values_supported: of_request_objects(&rules.request_object_algs),
            request_object_encryption_alg_values_supported: of_request_objects(&rules.encryption_algs),
            request_object_encryption_enc_values_supported: of_request_objects(&rules.encryption_encs),
            backchannel_logout_supported: true,
            backchannel_logout_session_supported: true,
            frontchannel_logout_supported: true,
            frontchannel_logout_session_supported: true,
        }
    }
}

/// Ours first, then the operator's; each once.
fn union(own: &[&str], configured: &[String]) -> Vec<String> {
    let mut all: Vec<String> = own.iter().map(|&value| value.to_owned()).collect();
    for value in configured {
        if !all.contains(value) {
            all.push(value.clone());
        }
    }
    all
}

/// Where the document is found. For an issuer with a path its clients look in three places: before the path (RFC 8414
/// section 3.1), behind it (OpenID Connect Discovery section 4), and, when a proxy takes the path away, at the root.
pub fn well_known_paths(issuer: &Url) -> Vec<String> {
    let issuer_path = issuer.path().trim_end_matches('/');
    let mut paths = Vec::new();
    for name in [path::OPENID_CONFIGURATION, path::OAUTH_AUTHORIZATION_SERVER] {
        paths.push(name.to_owned());
        if !issuer_path.is_empty() {
            paths.push(format!("{name}{issuer_path}"));
            paths.push(format!("{issuer_path}{name}"));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// With introspection, session management and registration, or none of them.
    fn document(issuer: &str, all: bool) -> Value {
        let urls = Urls {
            issuer: issuer.to_owned(),
            issuer_url: issuer.parse().unwrap(),
            public: "https://op.example".to_owned(),
            login: None,
            registration: None,
            consent: None,
            logout: None,
            post_logout_redirect: None,
            error: None,
        };
        let list = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
        let oidc = Oidc {
            signing_algs: list(&["RS256", "ES256"]),
            request_by_value: true,
            request_by_reference: true,
            request_unsigned: false,
            pairwise_salt: None,
            default_scope: Vec::new(),
            registration: crate::config::Registration { enabled: all, ..Default::default() },
            supported_scope: list(&["profile", "photos.read", "openid"]),
            supported_claims: list(&["sub", "role", "email"]),
        };
        let rules = Rules {
            id_token_algs: oidc.signing_algs.clone(),
            ..Rules::new(false, &[crate::config::ResponseType::Code])
        }
        .with_userinfo_algs();
        let switches = Switches { introspection: all, session_management: all };
        let metadata = ServerMetadata::describe(&urls, &oidc, &rules, switches);
        serde_json::to_value(metadata).unwrap()
    }

    /// hydra.md section 1.10, less what this version does not have.
    #[test]
    fn the_document_says_what_there_is() {
        let methods =
            json!(["client_secret_basic", "client_secret_post", "none", "private_key_jwt", "client_secret_jwt"]);
        let signed = [
            "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384",
            "HS512",
        ];
        let algs = json!(["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]);
        let encs = json!(["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"]);
        let mut expected = json!({
            "issuer": "https://op.example/",
            "authorization_endpoint": "https://op.example/oauth2/auth",
            "token_endpoint": "https://op.example/oauth2/token",
            "userinfo_endpoint": "https://op.example/userinfo",
            "revocation_endpoint": "https://op.example/oauth2/revoke",
            "introspection_endpoint": "https://op.example/oauth2/introspect",
            "end_session_endpoint": "https://op.example/oauth2/sessions/logout",
            "check_session_iframe": "https://op.example/oauth2/sessions/check",
            "registration_endpoint": "https://op.example/connect/register",
            "jwks_uri": "https://op.example/.well-known/jwks.json",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": [
                "authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer",
            ],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "ui_locales_supported": ["en"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": signed,
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": signed,
            "introspection_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_signing_alg_values_supported": signed,
            "scopes_supported":
                ["openid", "offline", "offline_access", "profile", "email", "address", "phone", "photos.read"],
            "claims_supported": [
                "sub", "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile",
                "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "email",
                "email_verified", "address", "phone_number", "phone_number_verified", "role",
            ],
            "claim_types_supported": ["normal"],
            "subject_types_supported": ["public"],
        });
        let openid = json!({
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "id_token_encryption_alg_values_supported": algs,
            "id_token_encryption_enc_values_supported": encs,
            "userinfo_signing_alg_values_supported": ["none", "RS256", "ES256"],
            "userinfo_encryption_alg_values_supported": algs,
            "userinfo_encryption_enc_values_supported": encs,
            "id_token_signed_response_alg": ["RS256", "ES256"],
            "userinfo_signed_response_alg": ["none", "RS256", "ES256"],
            "acr_values_supported": ["1"],
            "claims_parameter_supported": true,
            "request_parameter_supported": true,
            "request_uri_parameter_supported": true,
            "require_request_uri_registration": true,
            "request_object_signing_alg_values_supported": signed,
            "request_object_encryption_alg_values_supported": algs,
            "request_object_encryption_enc_values_supported": encs,
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
            "frontchannel_logout_supported": true,
            "frontchannel_logout_session_supported": true,
        });
        expected.as_object_mut().unwrap().extend(openid.as_object().unwrap().clone());
        assert_eq!(document("https://op.example/", true), expected);
    }

    /// conformance.md section 3: the SDK raises an error at a null. TC-16, TC-17, DI-05: nothing that is off is named.
    #[test]
    fn what_is_off_is_not_there() {
        let document = document("https://op.example", false);
        assert_eq!(document["issuer"], "https://op.example", "DI-01: no slash added, none taken");
        let members = document.as_object().unwrap();
        assert!(members.values().all(|value| !value.is_null()));
        for name in [
            "introspection_endpoint",
            "introspection_endpoint_auth_methods_supported",
            "registration_endpoint",
            "check_session_iframe",
        ] {
            assert!(!members.contains_key(name), "{name}");
        }
        for word in ["implicit", "password", "plain", "token id_token"] {
            assert!(!document.to_string().contains(&format!("\"{word}\"")), "{word}");
        }
    }

    /// DI-08.
    #[test]
    fn the_document_is_found_by_every_rule() {
        let of = |issuer: &str| well_known_paths(&issuer.parse().unwrap());
        let root = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];
        assert_eq!(of("https://op.example"), root);
        assert_eq!(of("https://op.example/"), root);
        let below = [
            "/.well-known/openid-configuration",
            "/.well-known/openid-configuration/t1",
            "/t1/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/t1",
            "/t1/.well-known/oauth-authorization-server",
        ];
        assert_eq!(of("https://op.example/t1"), below);
        assert_eq!(of("https://op.example/t1/"), below);
    }
}

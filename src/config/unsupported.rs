//! Hydra's keys that Hydrant knows by name only.
//!
//! Most are taken without effect, and one warning names them, so that a Hydra file starts. Where silence would be
//! unsafe or misleading (sign-in pages that nobody would be sent to, keys that are not in the HSM) the start is refused.

/// Keys and whole sections without effect.
const IGNORED: &[&str] = &[
    "cgroups",
    "db",
    "feature_flags",
    "hsm",
    "log.leak_sensitive_values",
    "log.redaction_text",
    "oauth2.allowed_top_level_claims",
    "oauth2.client_id_metadata_document",
    "oauth2.device_authorization",
    "oauth2.exclude_not_before_claim",
    "oauth2.grant.jwt.omit_assertion_audience",
    "oauth2.grant.refresh_token.rotation_grace_reuse_count",
    "oauth2.hashers",
    "oauth2.mirror_top_level_claims",
    "oauth2.preserve_ext_claims",
    "oauth2.session",
    "oauth2.token_prefix",
    "profiling",
    "secrets.cookie",
    "secrets.pagination",
    "serve.admin.access_log",
    "serve.admin.base_url",
    "serve.admin.cors.debug",
    "serve.admin.cors.options_passthrough",
    "serve.cookies.names.consent_csrf",
    "serve.cookies.names.device_csrf",
    "serve.cookies.names.login_csrf",
    "serve.cookies.paths",
    "serve.cookies.same_site_legacy_workaround",
    "serve.cookies.secure",
    "serve.public.access_log",
    "serve.public.base_url",
    "serve.public.cors.debug",
    "serve.public.cors.options_passthrough",
    "sqa",
    "tracing",
    "ttl.device_user_code",
    "ttl.vc_nonce",
    "urls.device",
    "urls.device_verification",
    "urls.device_verification_success",
    "urls.identity_provider",
    "urls.self.admin",
    "version",
    "webfinger.oidc_discovery.auth_url",
    "webfinger.oidc_discovery.client_registration_url",
    "webfinger.oidc_discovery.device_authorization_url",
    "webfinger.oidc_discovery.jwks_url",
    "webfinger.oidc_discovery.token_url",
    "webfinger.oidc_discovery.userinfo_url",
];

/// A key that cannot be ignored.
#[derive(Debug)]
pub struct Missing {
    pub key: &'static str,
    /// The one value that asks for nothing.
    pub harmless: Option<&'static str>,
    pub fix: &'static str,
}

const MISSING: &[Missing] = &[Missing {
    key: "hsm.enabled",
    harmless: Some("false"),
    fix: "set it to false: keys are kept sealed in the database",
}];

/// The section or key without effect that `key` belongs to.
pub fn ignored(key: &str) -> Option<&'static str> {
    IGNORED.iter().find(|entry| key == **entry || is_below(key, entry)).copied()
}

pub fn missing() -> &'static [Missing] {
    MISSING
}

/// Whether `key` is in the section `section`.
pub fn is_below(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_without_effect_covers_its_keys() {
        assert_eq!(ignored("tracing"), Some("tracing"));
        assert_eq!(ignored("tracing.providers.otlp.server_url"), Some("tracing"));
        assert_eq!(ignored("tracings"), None);
        assert_eq!(ignored("urls.self.issuer"), None);
    }
}

//! The keys of client metadata, and what is signed and encrypted with them (OpenID Connect Dynamic Client Registration
//! section 2, RFC 7591 section 2): what a client asks for must be possible with the keys that it names.

use super::validate::refused;
use super::{AuthMethod, ClientMetadata, Rules, is_unset};
use crate::jose::{Encrypter, KeySet};
use crate::oauth::Result;
use crate::oauth::response_mode::ResponseType;

impl ClientMetadata {
    pub(super) fn check_keys(&self, rules: &Rules) -> Result<()> {
        let has_jwks = !is_unset(&self.jwks);
        if has_jwks && !self.jwks_uri.is_empty() {
            return Err(refused("Fields jwks and jwks_uri can not both be set, you must choose one."));
        }
        let keys = match has_jwks {
            true => Some(
                KeySet::strict(&self.jwks).map_err(|error| refused(format!("Field jwks is not valid: {error}.")))?,
            ),
            false => None,
        };
        let has_keys = has_jwks || !self.jwks_uri.is_empty();
        if self.auth_method() == AuthMethod::PrivateKeyJwt && !has_keys {
            return Err(refused("Field jwks or jwks_uri must be set for token_endpoint_auth_method private_key_jwt."));
        }
        if self.is_public() && self.needs_secret_back() {
            return Err(refused("A client without a secret can not have an algorithm of the HS family."));
        }
        if self.require_signed_request_object && self.request_object_signing_alg == "none" {
            return Err(refused(
                "Field require_signed_request_object contradicts the request_object_signing_alg none.",
            ));
        }
        if self.require_signed_request_object && !rules.request_by_value && !rules.request_by_reference {
            return Err(refused("Field require_signed_request_object is not supported by server."));
        }
        self.check_unsigned()?;
        for (kind, alg, enc) in [
            ("id_token", &self.id_token_encrypted_response_alg, &self.id_token_encrypted_response_enc),
            ("userinfo", &self.userinfo_encrypted_response_alg, &self.userinfo_encrypted_response_enc),
        ] {
            if alg.is_empty() {
                if !enc.is_empty() {
                    return Err(refused(format!("Field {kind}_encrypted_response_enc needs the _alg beside it.")));
                }
                continue;
            }
            // ID-13: who asks for encryption is never answered in the clear, so the key must be there.
            let fits = keys.as_ref().is_none_or(|keys| {
                let parsed = alg.parse().ok().zip(encryption_enc(enc).parse().ok());
                parsed.is_some_and(|(alg, enc)| Encrypter::of(keys, alg, enc).is_ok())
            });
            if !has_keys || !fits {
                return Err(refused(format!(
                    "Field jwks or jwks_uri must hold a key for this {kind}_encrypted_response_alg."
                )));
            }
        }
        if self.request_object_encryption_alg.is_empty() && !self.request_object_encryption_enc.is_empty() {
            return Err(refused("Field request_object_encryption_enc needs the _alg beside it."));
        }
        Ok(())
    }

    /// Whether something is signed or checked with the client's secret itself, so that its hash is not enough.
    pub fn needs_secret_back(&self) -> bool {
        self.auth_method() == AuthMethod::SecretJwt || self.signing_algs().iter().any(|alg| alg.starts_with("HS"))
    }

    /// What is signed for the client or by it, in the names of RFC 7518 section 3.1.
    fn signing_algs(&self) -> [&str; 4] {
        [
            &self.token_endpoint_auth_signing_alg,
            &self.id_token_signed_response_alg,
            &self.userinfo_signed_response_alg,
            &self.request_object_signing_alg,
        ]
    }

    /// Whether there is anything that the client would need a secret for.
    pub fn has_use_for_secret(&self) -> bool {
        self.needs_secret_back() || matches!(self.auth_method(), AuthMethod::Basic | AuthMethod::Post)
    }

    /// RFC 7518 section 3.2: a key of an HMAC is as long as the hash at least. Only where the secret is one.
    pub fn check_secret_as_key(&self, secret: &str) -> Result<()> {
        let needs = |alg: &str| match alg {
            "HS256" => 32,
            "HS384" => 48,
            "HS512" => 64,
            _ => 0,
        };
        // Without a registered algorithm, the client chooses among those that its secret is long enough for.
        let any = if self.auth_method() == AuthMethod::SecretJwt { 32 } else { 0 };
        let least = self.signing_algs().into_iter().map(needs).max().unwrap_or(0).max(any);
        if secret.len() < least {
            return Err(refused(format!(
                "Field client_secret must have at least {least} characters for the algorithms of the HS family that \
                 the client is registered for (RFC 7518 section 3.2)."
            )));
        }
        Ok(())
    }

    /// OpenID Connect Core section 2: an ID token without a signature only where it comes from the token endpoint.
    fn check_unsigned(&self) -> Result<()> {
        let front = self.response_types().any(ResponseType::gives_id_token);
        if self.id_token_signed_response_alg == "none" && front {
            return Err(refused(
                "Field id_token_signed_response_alg can not be none where response_types has id_token.",
            ));
        }
        Ok(())
    }
}

/// OpenID Connect Dynamic Client Registration section 2: `A128CBC-HS256` where an `alg` stands alone.
pub fn encryption_enc(enc: &str) -> &str {
    if enc.is_empty() { "A128CBC-HS256" } else { enc }
}

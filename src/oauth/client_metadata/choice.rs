//! What client metadata chooses from by name: grant types and client authentication methods.

use serde::{Deserialize, Serialize};

use crate::oauth::{ErrorCode, Result};

/// RFC 6749 section 4: how tokens are come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    /// Tokens from the authorization endpoint (RFC 6749 section 4.2); none of the token endpoint's.
    Implicit,
    /// An assertion of an issuer that the operator trusts (RFC 7523 section 2.1).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:jwt-bearer")]
    JwtBearer,
}

impl GrantType {
    pub const ALL: &[Self] =
        &[Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::Implicit, Self::JwtBearer];

    /// Those of the token endpoint, RFC 6749 section 5.2; compared with its case.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .iter()
            .filter(|grant| **grant != Self::Implicit)
            .copied()
            .find(|grant| grant.as_str() == text)
            .ok_or_else(|| {
                ErrorCode::UnsupportedGrantType.because(
                    "The grant_type must be authorization_code, refresh_token, client_credentials or \
                     urn:ietf:params:oauth:grant-type:jwt-bearer.",
                )
            })
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Implicit => "implicit",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }
}

/// How the client proves at the token endpoint who it is (OpenID Connect Core section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    Basic,
    Post,
    /// A public client: its id is a claim, not a proof.
    None,
    PrivateKeyJwt,
    SecretJwt,
}

impl AuthMethod {
    pub const ALL: &[Self] = &[Self::Basic, Self::Post, Self::None, Self::PrivateKeyJwt, Self::SecretJwt];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::None => "none",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::SecretJwt => "client_secret_jwt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TC-14, TC-16.
    #[test]
    fn unknown_grant_types_are_refused() {
        for grant in GrantType::ALL.iter().filter(|grant| **grant != GrantType::Implicit) {
            assert_eq!(GrantType::parse(grant.as_str()).unwrap(), *grant);
        }
        for text in ["", "foo", "Authorization_Code", "password", "implicit", "refresh_token "] {
            assert_eq!(GrantType::parse(text).unwrap_err().code, ErrorCode::UnsupportedGrantType, "{text}");
        }
    }
}

//! How surely a person was recognised: `acr` (OpenID Connect Core section 2).

/// A password was given. The built-in pages know no more than that.
pub const PASSWORD: &str = "1";

/// What a sign-in of the built-in pages can reach, for discovery.
pub const SUPPORTED: &[&str] = &[PASSWORD];

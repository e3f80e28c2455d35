//! `oauth2.token_hook` and `oauth2.refresh_token_hook`: who is asked before tokens are issued.

use std::time::Duration;

use url::Url;

use crate::secret::Secret;

/// A web service of the operator's. Its URL is the operator's own word: private addresses are what it usually has.
#[derive(Clone, Debug)]
pub struct Hook {
    pub url: Url,
    /// The whole call, from the first connection to the last byte.
    pub timeout: Duration,
    /// What the call proves itself with.
    pub api_key: Option<ApiKey>,
}

#[derive(Clone, Debug)]
pub struct ApiKey {
    pub place: ApiKeyPlace,
    /// Of the header or the cookie: a token of RFC 9110 section 5.6.2.
    pub name: String,
    /// Fits its place.
    pub value: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKeyPlace {
    Header,
    Cookie,
}

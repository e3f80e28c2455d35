//! `urls.*` as it is written: who the server is to others.

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::config::setting::Setting;

/// Who the server is to others.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Urls {
    #[serde(rename = "self")]
    pub own: OwnUrls,
    /// The page of a login app of yours, which answers by the admin API as with Hydra; ours unless set.
    pub login: Setting<Option<Url>>,
    /// Where `prompt=registration` leads, if that is not the login app's page.
    pub registration: Setting<Option<Url>>,
    /// The page of a consent app of yours; ours unless set.
    pub consent: Setting<Option<Url>>,
    /// The page of a logout app of yours; ours unless set.
    pub logout: Setting<Option<Url>>,
    /// Where logout ends when the client named no place.
    pub post_logout_redirect: Setting<Option<Url>>,
    /// A page of yours for errors that cannot go back to a client; ours unless set.
    pub error: Setting<Option<Url>>,
}

/// The server's own URLs.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct OwnUrls {
    /// The issuer, letter for letter as clients compare it; https outside dev mode. Required.
    pub issuer: Setting<Option<String>>,
    /// What endpoint URLs are built on, if that is not the issuer.
    pub public: Setting<Option<String>>,
}

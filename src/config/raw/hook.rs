//! `oauth2.token_hook` and `oauth2.refresh_token_hook` as they are written.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::config::ApiKeyPlace;
use crate::config::setting::Setting;
use crate::config::value::HookAuthKind;
use crate::secret::Secret;

/// A hook. Where nothing but the URL is to be said, it may stand in place of the section, as in Hydra.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("type" = ["string", "object"]))]
pub struct Hook {
    /// What is called; nobody is asked unless set. Private addresses are fine: it is you who name it.
    pub url: Setting<Option<Url>>,
    /// How long the whole call may take; shorter than `limits.request_timeout`.
    #[schemars(extend("default" = "2s"))]
    pub timeout: Setting<Duration>,
    pub auth: HookAuth,
}

/// What the call proves itself with.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct HookAuth {
    /// The one way that there is.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "api_key"))]
    pub kind: Setting<HookAuthKind>,
    pub config: ApiKey,
}

/// A secret that comes along with each call.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ApiKey {
    /// Where it stands: `header` or `cookie`.
    #[serde(rename = "in")]
    #[schemars(extend("default" = "header"))]
    pub place: Setting<ApiKeyPlace>,
    /// The name of the header or cookie.
    pub name: Setting<Option<String>>,
    /// The secret itself.
    pub value: Setting<Option<Secret>>,
}

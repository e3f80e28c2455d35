//! `serve.*` as it is written: the two ports, their TLS and CORS, the cookies.

use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::SameSite;
use crate::config::admin_token::GivenToken;
use crate::config::setting::Setting;
use crate::config::socket::{GivenHost, Mode};
use crate::config::value::AdminAuth;
use crate::secret::Secret;

/// The two listeners and the cookies.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Serve {
    pub tls: Tls,
    pub public: Public,
    pub admin: Admin,
    pub cookies: Cookies,
}

/// TLS; `serve.tls` holds for both listeners, `serve.public.tls` and `serve.admin.tls` override it key by key.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Tls {
    /// Serve https by itself; needs a certificate and its key. Off unless set.
    pub enabled: Setting<Option<bool>>,
    /// The certificate and the chain behind it.
    pub cert: Pem,
    /// The certificate's private key.
    pub key: Pem,
    /// Networks of the proxies that end TLS; only their X-Forwarded-Proto and X-Forwarded-For count.
    pub allow_termination_from: Setting<Option<Vec<IpNet>>>,
}

/// PEM in a file or in the configuration.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Pem {
    /// A PEM file.
    pub path: Setting<Option<PathBuf>>,
    /// The same PEM text as base64, instead of a file.
    pub base64: Setting<Option<Secret>>,
}

/// The port that everybody sees.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Public {
    /// The address to listen on, or `unix:/path`; 127.0.0.1 in dev mode.
    #[schemars(extend("default" = "0.0.0.0"))]
    pub host: Setting<GivenHost>,
    /// The port of the OAuth 2.0 and OpenID endpoints and the sign-in pages; 0 takes a free one.
    #[schemars(extend("default" = 4444))]
    pub port: Setting<u16>,
    pub socket: PublicSocket,
    pub tls: Tls,
    pub cors: Cors,
    pub request_log: RequestLog,
}

/// The file of the public port's unix socket; who may write to it may connect.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PublicSocket {
    /// The user whose file it is, by name or number; the server's own unless set.
    pub owner: Setting<Option<String>>,
    /// The group of the file, by name or number; the server's own unless set.
    pub group: Setting<Option<String>>,
    /// Its permissions, in octal with the leading 0; 0755 lets only its owner connect, 0660 its group too.
    #[schemars(extend("default" = "0755"))]
    pub mode: Setting<Mode>,
}

/// The file of the admin port's unix socket; who may write to it may connect.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct AdminSocket {
    /// The user whose file it is, by name or number; the server's own unless set.
    pub owner: Setting<Option<String>>,
    /// The group of the file, by name or number; the server's own unless set.
    pub group: Setting<Option<String>>,
    /// Its permissions, in octal with the leading 0; whoever may connect is the administrator.
    #[schemars(extend("default" = "0660"))]
    pub mode: Setting<Mode>,
}

/// The port of the admin API.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Admin {
    /// The address to listen on, or `unix:/path`: loopback, because without tokens whoever reaches the admin API is the administrator.
    #[schemars(extend("default" = "127.0.0.1"))]
    pub host: Setting<GivenHost>,
    /// The port of the admin API; 0 takes a free one.
    #[schemars(extend("default" = 4445))]
    pub port: Setting<u16>,
    /// `none` says that something else (a firewall, a mesh) guards the admin port, and allows a host off loopback.
    pub auth: Setting<Option<AdminAuth>>,
    /// Who may call the admin API, each a `name`, the `hash` of a token and its `access` (`full` or `read-only`); `hydrant admin-token create` makes one.
    #[schemars(extend("default" = []))]
    pub tokens: Setting<Vec<GivenToken>>,
    pub socket: AdminSocket,
    pub tls: Tls,
    pub cors: Cors,
    pub request_log: RequestLog,
}

/// Which web pages may call from a browser.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Cors {
    /// Answer cross-origin calls of browsers at all.
    #[schemars(extend("default" = false))]
    pub enabled: Setting<bool>,
    /// Origins that may call, `https://*.example.com` for one label; empty leaves those that a client names itself.
    #[schemars(extend("default" = []))]
    pub allowed_origins: Setting<Vec<String>>,
    /// Methods that a preflight allows.
    #[schemars(extend("default" = ["POST", "GET", "PUT", "PATCH", "DELETE", "CONNECT", "HEAD", "OPTIONS", "TRACE"]))]
    pub allowed_methods: Setting<Vec<String>>,
    /// Request headers that a preflight allows.
    #[schemars(extend("default" = ["Accept", "Content-Type", "Content-Length", "Accept-Language", "Content-Language", "Authorization"]))]
    pub allowed_headers: Setting<Vec<String>>,
    /// Response headers that the page may read.
    #[schemars(extend("default" = ["Cache-Control", "Expires", "Last-Modified", "Pragma", "Content-Length", "Content-Language", "Content-Type"]))]
    pub exposed_headers: Setting<Vec<String>>,
    /// Cookies and Authorization may come along; not together with an origin of `*`.
    #[schemars(extend("default" = true))]
    pub allow_credentials: Setting<bool>,
    /// Seconds that a browser may remember a preflight; 0 leaves it to the browser.
    #[schemars(extend("default" = 0))]
    pub max_age: Setting<u32>,
}

/// One line a request.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RequestLog {
    /// Leave `/health/*` out of the request log.
    #[schemars(extend("default" = false))]
    pub disable_for_health: Setting<bool>,
}

/// The cookies of the sign-in pages.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Cookies {
    /// Lax keeps foreign pages from posting with the session; None is for sign-in inside foreign frames.
    #[schemars(extend("default" = "Lax"))]
    pub same_site_mode: Setting<SameSite>,
    /// Share cookies with subdomains; without it they are bound to the host alone (`__Host-`).
    pub domain: Setting<Option<String>>,
    pub names: CookieNames,
}

/// The names of cookies.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CookieNames {
    /// The session cookie, without the `__Host-` that https adds.
    #[schemars(extend("default" = "hydrant_session"))]
    pub session: Setting<String>,
}

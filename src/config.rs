//! The configuration: one YAML file in Hydra's key tree, environment names over it, checked as a whole.
//!
//! The types here are what the rest of the server reads: every default is filled in, every rule has been checked. The
//! keys as they are written, with their descriptions and defaults, are in `config/raw.rs`; the rules in `config/rules/`.

mod admin_token;
mod document;
pub mod duration;
mod hook;
mod load;
mod logout;
mod problem;
mod raw;
mod registration;
mod rules;
mod schema;
mod setting;
mod socket;
mod source;
mod unsupported;
mod value;

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::admin_token::{AdminAccess, AdminToken};
pub use self::hook::{ApiKey, ApiKeyPlace, Hook};
pub use self::load::Loaded;
pub use self::logout::{BackChannel, Logout};
pub use self::problem::{Place, Problem};
pub use self::registration::{Registration, TrustedIssuer, TrustedKeys, UntrustedRedirects};
pub use self::schema::schema;
pub use self::socket::{Host, SocketFile, user_name};
use crate::secret::Secret;

/// Everything an operator can decide; made by [`Config::load`].
#[derive(Clone, Debug)]
pub struct Config {
    /// `dev`, or `--dev`: http issuer allowed, cookies without `Secure`, plain http redirect URIs.
    pub dev: bool,
    pub database: Database,
    pub log: Log,
    pub serve: Serve,
    pub urls: Urls,
    pub secrets: Secrets,
    pub ttl: Ttl,
    pub oauth2: OAuth2,
    pub oidc: Oidc,
    pub strategies: Strategies,
    pub clients: Clients,
    pub accounts: Accounts,
    pub logout: Logout,
    pub ui: Ui,
    pub keys: Keys,
    pub limits: Limits,
}

/// `dsn` and `database.*`.
#[derive(Clone, Debug)]
pub struct Database {
    /// `postgres://…`, `sqlite://path` or `memory`. A secret, because it may hold a password.
    pub dsn: Secret,
    /// `database.auto_migrate`: `serve` brings the schema up to date by itself.
    pub auto_migrate: bool,
    /// `database.max_connections`, per process (PostgreSQL).
    pub max_connections: u32,
}

/// `log.*`.
#[derive(Clone, Debug)]
pub struct Log {
    /// `log.level`: trace, debug, info, warn, error (Hydra's fatal and panic count as error).
    pub level: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Text,
    Json,
}

/// `serve.*`.
#[derive(Clone, Debug)]
pub struct Serve {
    pub public: Listener,
    pub admin: Listener,
    /// `serve.admin.auth: none`: the operator says that something else guards the admin port.
    pub admin_open: bool,
    /// `serve.admin.tokens`: who may call the admin API; nobody listed, whoever reaches it.
    pub admin_tokens: Vec<AdminToken>,
    pub cookies: Cookies,
}

/// `serve.public.*` or `serve.admin.*`.
#[derive(Clone, Debug)]
pub struct Listener {
    pub host: Host,
    /// Of no use to a socket.
    pub port: u16,
    pub tls: Option<Tls>,
    /// `tls.allow_termination_from`: proxies whose `X-Forwarded-Proto` and `X-Forwarded-For` count. Whoever writes to a
    /// unix socket is one.
    pub allow_termination_from: Vec<IpNet>,
    pub cors: Cors,
    pub request_log_disable_for_health: bool,
}

/// A certificate chain and its key, each PEM in a file or as base64 in the configuration.
#[derive(Clone, Debug)]
pub struct Tls {
    pub cert: Pem,
    pub key: Pem,
}

#[derive(Clone, Debug)]
pub enum Pem {
    File(PathBuf),
    /// Decoded from `…base64`.
    Inline(Secret),
}

/// `serve.*.cors.*`, with Hydra's defaults but for the origins.
#[derive(Clone, Debug)]
pub struct Cors {
    pub enabled: bool,
    /// `*`, or origins with at most one `*` each. Unlike Hydra's, an empty list means nobody, not everybody; a client's
    /// own `allowed_cors_origins` come on top.
    pub allowed_origins: Vec<String>,
    pub allowed_methods: Vec<String>,
    pub allowed_headers: Vec<String>,
    pub exposed_headers: Vec<String>,
    pub allow_credentials: bool,
    /// In seconds; 0 sends no `Access-Control-Max-Age`.
    pub max_age: u32,
}

/// `serve.cookies.*`.
#[derive(Clone, Debug)]
pub struct Cookies {
    pub same_site: SameSite,
    /// `serve.cookies.domain`; without one, and on https, names carry the `__Host-` prefix.
    pub domain: Option<String>,
    /// `serve.cookies.names.session`.
    pub session_name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    Strict,
    Lax,
    None,
}

/// `urls.*`.
#[derive(Clone, Debug)]
pub struct Urls {
    /// `urls.self.issuer`, letter for letter as configured: clients compare it so (OpenID Connect Discovery section 4.3).
    pub issuer: String,
    /// The same, parsed.
    pub issuer_url: Url,
    /// `urls.self.public`: what endpoint URLs are built on; the issuer unless set. Never ends in a slash.
    pub public: String,
    /// `urls.login`, `urls.registration`, `urls.consent`, `urls.logout`: another app's pages in place of ours.
    pub login: Option<Url>,
    pub registration: Option<Url>,
    pub consent: Option<Url>,
    pub logout: Option<Url>,
    /// `urls.post_logout_redirect`.
    pub post_logout_redirect: Option<Url>,
    /// `urls.error`.
    pub error: Option<Url>,
}

/// `secrets.*`.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// `secrets.system`: the first seals, all of them open. 16 characters at least.
    pub system: Vec<Secret>,
}

/// `ttl.*`.
#[derive(Clone, Debug)]
pub struct Ttl {
    pub login_consent_request: Duration,
    pub authentication_session: Duration,
    pub access_token: Duration,
    /// Sliding; `None` is Hydra's `-1`: no idle end (the absolute end still holds).
    pub refresh_token: Option<Duration>,
    /// `ttl.grant`: the absolute end of a grant, however often it is refreshed.
    pub grant: Duration,
    pub id_token: Duration,
    pub auth_code: Duration,
    /// `ttl.admin_event`: of events that are written from now on.
    pub admin_event: Duration,
}

/// `oauth2.*`.
#[derive(Clone, Debug)]
pub struct OAuth2 {
    /// `oauth2.expose_internal_errors`: the log's words also in `error_description`. Not for production.
    pub expose_internal_errors: bool,
    /// `oauth2.pkce.enforced`: for every client. Public clients always need it.
    pub pkce_enforced: bool,
    /// `oauth2.response_types`: what the authorization endpoint may give.
    pub response_types: Vec<ResponseType>,
    /// `oauth2.localhost_redirect_uris`: plain http to `localhost` by name.
    pub localhost_redirect_uris: bool,
    /// `oauth2.client_assertion.compatible_audience`: `aud` may be the token endpoint too, and a list.
    pub compatible_audience: bool,
    /// `oauth2.client_credentials.default_grant_allowed_scope`.
    pub client_credentials_default_scope: bool,
    /// `oauth2.grant.refresh_token.rotation_grace_period`.
    pub refresh_grace: Duration,
    /// `oauth2.grant.authorization_code.replay_grace_period`: 0 revokes at every replay of a code.
    pub code_replay_grace: Duration,
    /// `oauth2.grant.jwt`.
    pub jwt_grant: JwtGrant,
    /// `oauth2.introspection.public`: `/oauth2/introspect` on the public port, with client authentication.
    pub public_introspection: bool,
    /// `oauth2.token_hook`: asked before every token of the token endpoint.
    pub token_hook: Option<Box<Hook>>,
    /// `oauth2.refresh_token_hook`: asked first at a refresh.
    pub refresh_token_hook: Option<Box<Hook>>,
}

/// `oauth2.grant.jwt.*`: what assertions of the grant of RFC 7523 must have.
#[derive(Clone, Copy, Debug)]
pub struct JwtGrant {
    /// `oauth2.grant.jwt.iat_optional`.
    pub iat_optional: bool,
    /// `oauth2.grant.jwt.jti_optional`: one without can be used again until it ends.
    pub jti_optional: bool,
    /// `oauth2.grant.jwt.max_ttl`: from `iat`, or from now, to `exp`.
    pub max_ttl: Duration,
}

/// What the authorization endpoint gives (OAuth 2.0 Multiple Response Type Encoding Practices sections 3 to 5). What they
/// mean stands in `oauth/response_mode.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseType {
    Code,
    IdToken,
    IdTokenToken,
    Token,
    CodeIdToken,
    CodeToken,
    CodeIdTokenToken,
    None,
}

/// `oidc.*`.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// `oidc.id_token.signing_algs`: names of signature algorithms; RS256 is always one of them.
    pub signing_algs: Vec<String>,
    /// `oidc.request_objects.by_value`.
    pub request_by_value: bool,
    /// `oidc.request_objects.by_reference`.
    pub request_by_reference: bool,
    /// `oidc.request_objects.unsigned`.
    pub request_unsigned: bool,
    /// `oidc.subject_identifiers`: the salt of pairwise subjects, where they are supported.
    pub pairwise_salt: Option<Secret>,
    /// `oidc.dynamic_client_registration.default_scope`: the scope of clients that name none.
    pub default_scope: Vec<String>,
    /// `oidc.dynamic_client_registration`, the rest of it.
    pub registration: Registration,
    /// `webfinger.oidc_discovery.supported_scope`.
    pub supported_scope: Vec<String>,
    /// `webfinger.oidc_discovery.supported_claims`.
    pub supported_claims: Vec<String>,
}

/// `strategies.*`.
#[derive(Clone, Debug)]
pub struct Strategies {
    pub scope: ScopeStrategy,
    pub access_token: AccessTokenStrategy,
    /// `strategies.jwt.scope_claim`.
    pub scope_claim: ScopeClaim,
    /// `strategies.jwt.signing_alg`: the name of an asymmetric signature algorithm.
    pub access_token_alg: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenStrategy {
    Opaque,
    Jwt,
}

/// Where the scope of a JWT access token stands: `scp`, `scope` (RFC 9068 section 2.2.3), or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeClaim {
    List,
    String,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeStrategy {
    Exact,
    Wildcard,
    /// A registered value covers those below it: `photos` covers `photos.read`.
    Hierarchic,
}

/// `clients.http.*`: how the server calls out.
#[derive(Clone, Debug)]
pub struct Clients {
    /// `clients.http.disallow_private_ip_ranges`; true by default, unlike Hydra.
    pub disallow_private_ip_ranges: bool,
    /// `clients.http.private_ip_exception_urls`.
    pub private_ip_exception_urls: Vec<Url>,
    /// `clients.http.allowed_networks`: private networks that may be called all the same.
    pub allowed_networks: Vec<IpNet>,
    /// `clients.http.extra_root_certificates`: PEM files of private authorities.
    pub extra_root_certificates: Vec<PathBuf>,
}

/// `accounts.*`: the people who sign in at the built-in pages.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// `accounts.page`: the page at `/account`.
    pub page: bool,
    /// `accounts.password.min_length`, in characters (NIST SP 800-63B section 5.1.1.2).
    pub password_min_length: usize,
    /// `accounts.password.argon2.{memory_kib, iterations, parallelism}`.
    pub argon2: Argon2Params,
    /// `accounts.unremembered_session`: how long a login without "remember me" lasts at most.
    pub unremembered_session: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Params {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
}

/// `ui.*`: the built-in pages.
#[derive(Clone, Debug)]
pub struct Ui {
    /// `ui.title`: whose sign-in page it is.
    pub title: String,
    /// `ui.accent_color`: `#rrggbb`.
    pub accent_color: String,
}

/// `keys.*`.
#[derive(Clone, Debug)]
pub struct Keys {
    /// `keys.max_age`: how long JWKS and discovery may be cached.
    pub max_age: Duration,
    /// `keys.rotation.interval`: how long a key is in use; `None` (written 0) until somebody rotates it.
    pub rotation_interval: Option<Duration>,
    /// `keys.rotation.publish_ahead`: how long a new key is published before it is in use; twice `max_age` at least.
    pub publish_ahead: Duration,
    /// `webfinger.jwks.broadcast_keys`: sets of the operator's that JWKS has besides the server's own.
    pub broadcast: Vec<String>,
}

/// `limits.*`: what keeps one caller from spending everybody's resources.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `limits.login.per_account`: failed or unfinished sign-ins an account may have at once, refilled over `window`.
    pub login_per_account: u32,
    /// `limits.login.per_address`.
    pub login_per_address: u32,
    /// `limits.login.window`.
    pub login_window: Duration,
    /// `limits.threads`: that answer requests; the number of cores unless set.
    pub threads: usize,
    /// `limits.password_hashes`: argon2 computations at once; the number of cores unless set.
    pub password_hashes: usize,
    /// `limits.body`: bytes of a request body.
    pub body: usize,
    /// `limits.header_read_timeout`, `limits.request_timeout`, `limits.idle_timeout`, `limits.drain_timeout`.
    pub header_read_timeout: Duration,
    pub request_timeout: Duration,
    pub idle_timeout: Duration,
    pub drain_timeout: Duration,
    /// `limits.connections`, per listener.
    pub connections: usize,
    /// `limits.max_in_flight`: requests that a listener answers at once.
    pub max_in_flight: usize,
}

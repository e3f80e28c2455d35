//! The key tree as it is written: Hydra's keys and our own, each with its description and default.
//!
//! This is the one list of keys. The JSON Schema, the environment names, the defaults and the unknown-key check are
//! made from it; tests hold `config/hydrant.yml` and `docs/configuration.md` to it. What the rest of the server reads
//! is `Config`, which `rules.rs` makes.

mod hook;
mod logout;
mod openid;
mod registration;
mod serve;
mod urls;

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

pub use self::hook::{Hook, HookAuth};
pub use self::logout::Logout;
pub use self::openid::{IdToken, Oidc, SubjectIdentifiers};
pub use self::registration::Registration;
pub use self::serve::{Cookies, Cors, Pem, Serve, Tls};
pub use self::urls::Urls;
use super::setting::Setting;
use super::value::{Lifetime, LogLevel};
use super::{AccessTokenStrategy, LogFormat, ResponseType, ScopeClaim, ScopeStrategy};
use crate::secret::Secret;

/// The configuration of Hydrant: Ory Hydra's key tree, and `database`, `accounts`, `logout`, `ui`, `keys`, `limits`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Hydrant")]
pub struct Raw {
    /// For a laptop: http issuer and redirect URIs, cookies without Secure, sample secrets, no port open to the network.
    #[schemars(extend("default" = false))]
    pub dev: Setting<bool>,
    /// Where everything is kept: `postgres://…`, `sqlite://path`, or `memory` (gone when the server stops).
    #[schemars(extend("default" = "sqlite://hydrant.db"))]
    pub dsn: Setting<Secret>,
    pub database: Database,
    pub log: Log,
    pub serve: Serve,
    pub urls: Urls,
    pub secrets: Secrets,
    pub ttl: Ttl,
    pub oauth2: OAuth2,
    pub oidc: Oidc,
    pub webfinger: Webfinger,
    pub strategies: Strategies,
    pub clients: Clients,
    pub accounts: Accounts,
    pub logout: Logout,
    pub ui: Ui,
    pub keys: Keys,
    pub limits: Limits,
}

/// How the database is used.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Database {
    /// `hydrant serve` brings the schema up to date by itself, as it does in dev mode; otherwise `hydrant migrate up` does.
    #[schemars(extend("default" = false))]
    pub auto_migrate: Setting<bool>,
    /// Connections per process (PostgreSQL): three for what goes on in the background, the others in parts of at least three for `limits.threads`. Requests are grouped, so few are enough.
    #[schemars(extend("default" = 12))]
    pub max_connections: Setting<u32>,
}

/// What is written to standard error.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Log {
    /// The least important line that is written.
    #[schemars(extend("default" = "info"))]
    pub level: Setting<LogLevel>,
    /// `auto` is text on a terminal and JSON otherwise; `json_pretty` counts as `json`.
    #[schemars(extend("default" = "auto"))]
    pub format: Setting<LogFormat>,
}

/// What must not be known to others.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Secrets {
    /// Seals keys and tokens, 16 characters or more each: the first seals, all open; put a new one first. Required.
    pub system: Setting<Vec<Secret>>,
}

/// How long things last.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Ttl {
    /// How long one may take to sign in and consent.
    #[schemars(extend("default" = "30m"))]
    pub login_consent_request: Setting<Duration>,
    /// How long a remembered sign-in lasts; 180 days at most.
    #[schemars(extend("default" = "720h"))]
    pub authentication_session: Setting<Duration>,
    /// How long an access token is good for.
    #[schemars(extend("default" = "1h"))]
    pub access_token: Setting<Duration>,
    /// How long a refresh token waits to be used; -1 for no such end (`ttl.grant` still ends it).
    #[schemars(extend("default" = "720h"))]
    pub refresh_token: Setting<Lifetime>,
    /// The end of what a user granted, however often it is refreshed.
    #[schemars(extend("default" = "8760h"))]
    pub grant: Setting<Duration>,
    /// How long an ID token is good for.
    #[schemars(extend("default" = "1h"))]
    pub id_token: Setting<Duration>,
    /// How long an authorization code may wait; 10 minutes at most (RFC 6749 section 4.1.2).
    #[schemars(extend("default" = "10m"))]
    pub auth_code: Setting<Duration>,
    /// How long it is kept who changed what by the admin API or the command line; what is written already keeps its end.
    #[schemars(extend("default" = "8760h"))]
    pub admin_event: Setting<Duration>,
}

/// OAuth 2.0.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct OAuth2 {
    /// Put the log's words into `error_description`; for debugging, not for production.
    #[schemars(extend("default" = false))]
    pub expose_internal_errors: Setting<bool>,
    pub pkce: Pkce,
    /// What the authorization endpoint may give; a client must register each of its own besides. Types with `token` or `id_token` hand tokens to the browser (RFC 9700 section 2.1.2).
    #[schemars(extend("default" = ["code"]))]
    pub response_types: Setting<Vec<ResponseType>>,
    /// Let clients register `http://localhost` as redirect URI, with an exact port, as many tools on developers' machines do; another program there may be listening (RFC 8252 section 8.3). `127.0.0.1` and `[::1]` are always fine for native clients.
    #[schemars(extend("default" = false))]
    pub localhost_redirect_uris: Setting<bool>,
    pub client_credentials: ClientCredentials,
    pub client_assertion: ClientAssertion,
    pub grant: Grant,
    pub introspection: Introspection,
    /// A web service of yours that is asked before every token of the token endpoint, and may refuse it or change its claims.
    pub token_hook: Hook,
    /// Hydra's older hook, which is asked at a refresh only, before `oauth2.token_hook`.
    pub refresh_token_hook: Hook,
}

/// PKCE, RFC 7636.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Pkce {
    /// PKCE for every client.
    #[schemars(extend("default" = false))]
    pub enforced: Setting<bool>,
    /// Hydra's switch for public clients; here they always need PKCE (RFC 9700 section 2.1.1).
    #[schemars(extend("default" = true))]
    pub enforced_for_public_clients: Setting<bool>,
}

/// The client credentials grant.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ClientCredentials {
    /// A request without scope gets the client's whole scope.
    #[schemars(extend("default" = false))]
    pub default_grant_allowed_scope: Setting<bool>,
}

/// `private_key_jwt` and `client_secret_jwt`, RFC 7523.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ClientAssertion {
    /// Take the token endpoint's URL, and lists, for `aud` too, as older client libraries send them; the strict form is the issuer alone.
    #[schemars(extend("default" = false))]
    pub compatible_audience: Setting<bool>,
}

/// Grant types.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Grant {
    pub refresh_token: RefreshGrant,
    pub authorization_code: CodeGrant,
    pub jwt: JwtGrant,
}

/// Refresh tokens.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RefreshGrant {
    /// How long a used refresh token gives the same successor again (a lost answer, two tabs); 5 minutes at most.
    #[schemars(extend("default" = "10s"))]
    pub rotation_grace_period: Setting<Duration>,
}

/// Authorization codes.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CodeGrant {
    /// How long a replayed code is only refused; after that its tokens are revoked. 0s revokes at every replay.
    #[schemars(extend("default" = "0s"))]
    pub replay_grace_period: Setting<Duration>,
}

/// Assertions of trusted issuers as grants, RFC 7523 section 2.1.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct JwtGrant {
    /// Take assertions without `iat`.
    #[schemars(extend("default" = false))]
    pub iat_optional: Setting<bool>,
    /// Take assertions without `jti`; such a one can be used again until it ends.
    #[schemars(extend("default" = false))]
    pub jti_optional: Setting<bool>,
    /// How long an assertion may be good, from its `iat` to its `exp`.
    #[schemars(extend("default" = "720h"))]
    pub max_ttl: Setting<Duration>,
}

/// Token introspection, RFC 7662.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Introspection {
    /// Serve `/oauth2/introspect` on the public port too, for authenticated clients.
    #[schemars(extend("default" = true))]
    pub public: Setting<bool>,
}

/// What is published under `/.well-known`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Webfinger {
    pub jwks: Jwks,
    pub oidc_discovery: Discovery,
}

/// The published keys.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Jwks {
    /// Key sets to publish besides those that the server signs with, which always are: sets of yours at `/admin/keys/{set}`.
    #[schemars(extend("default" = ["hydra.openid.id-token"]))]
    pub broadcast_keys: Setting<Vec<String>>,
}

/// OpenID Connect Discovery.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Discovery {
    /// Scopes to publish besides the built-in ones.
    #[schemars(extend("default" = []))]
    pub supported_scope: Setting<Vec<String>>,
    /// Claims to publish besides the built-in ones.
    #[schemars(extend("default" = []))]
    pub supported_claims: Setting<Vec<String>>,
}

/// Choices between ways of doing the same.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Strategies {
    /// How a requested scope is matched with a client's: `wildcard` (`photos.*`), `exact`, or `hierarchic` (`photos` covers `photos.read`).
    #[schemars(extend("default" = "wildcard"))]
    pub scope: Setting<ScopeStrategy>,
    /// The form of access tokens of clients that do not say: `opaque`, or `jwt` (RFC 9068).
    #[schemars(extend("default" = "opaque"))]
    pub access_token: Setting<AccessTokenStrategy>,
    pub jwt: JwtStrategy,
}

/// JWT access tokens.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct JwtStrategy {
    /// Where the scope stands: `list` is `scp`, `string` is `scope` (RFC 9068 section 2.2.3).
    #[schemars(extend("default" = "both"))]
    pub scope_claim: Setting<ScopeClaim>,
    /// What they are signed with; an asymmetric one.
    #[schemars(extend("default" = "RS256"))]
    pub signing_alg: Setting<String>,
}

/// What clients make the server do.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Clients {
    pub http: ClientsHttp,
}

/// Calls to URLs that clients registered (`jwks_uri`, `backchannel_logout_uri`, …).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ClientsHttp {
    /// Refuse to call private, loopback and link-local addresses (server-side request forgery).
    #[schemars(extend("default" = true))]
    pub disallow_private_ip_ranges: Setting<bool>,
    /// URLs that may be called all the same.
    #[schemars(extend("default" = []))]
    pub private_ip_exception_urls: Setting<Vec<Url>>,
    /// Private networks that may be called all the same.
    #[schemars(extend("default" = []))]
    pub allowed_networks: Setting<Vec<IpNet>>,
    /// PEM files of authorities to trust besides the public ones.
    #[schemars(extend("default" = []))]
    pub extra_root_certificates: Setting<Vec<PathBuf>>,
}

/// The people who sign in at the built-in pages.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Accounts {
    /// The page at `/account`, where people see and end their sessions and connected applications.
    #[schemars(extend("default" = true))]
    pub page: Setting<bool>,
    pub password: Password,
    /// How long a sign-in without "remember me" lasts at most.
    #[schemars(extend("default" = "12h"))]
    pub unremembered_session: Setting<Duration>,
}

/// Passwords.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Password {
    /// The least number of characters (NIST SP 800-63B section 5.1.1.2).
    #[schemars(extend("default" = 8))]
    pub min_length: Setting<usize>,
    pub argon2: Argon2,
}

/// Argon2id, RFC 9106: what a guess costs an attacker, and a sign-in costs you.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Argon2 {
    /// Memory of one computation in KiB, 8192 (8 MiB) to 1048576 (1 GiB).
    #[schemars(extend("default" = 19456))]
    pub memory_kib: Setting<u32>,
    /// Passes over the memory, 1 to 10.
    #[schemars(extend("default" = 2))]
    pub iterations: Setting<u32>,
    /// Lanes, 1 to 16.
    #[schemars(extend("default" = 1))]
    pub parallelism: Setting<u32>,
}

/// The built-in pages.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Ui {
    /// Whose sign-in page it is.
    #[schemars(extend("default" = "Hydrant"))]
    pub title: Setting<String>,
    /// The colour of buttons and links, `#rrggbb`.
    #[schemars(extend("default" = "#1f5fbf"))]
    pub accent_color: Setting<String>,
}

/// The keys that sign and seal.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Keys {
    /// How long JWKS and discovery may be cached.
    #[schemars(extend("default" = "5m"))]
    pub max_age: Setting<Duration>,
    pub rotation: Rotation,
}

/// How keys follow one another.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Rotation {
    /// How long a key is in use before its successor takes over; 0 for as long as nobody rotates it by hand.
    #[schemars(extend("default" = "2160h"))]
    pub interval: Setting<Duration>,
    /// How long a new key is published before it is in use; twice `keys.max_age` unless set, and never less.
    pub publish_ahead: Setting<Option<Duration>>,
}

/// What keeps one caller from spending everybody's resources.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Limits {
    pub login: LoginLimits,
    /// Threads that answer requests; the number of cores unless set.
    pub threads: Setting<Option<usize>>,
    /// Password computations at once, which give way to requests; the number of cores unless set.
    pub password_hashes: Setting<Option<usize>>,
    /// Bytes of a request body.
    #[schemars(extend("default" = 65536))]
    pub body: Setting<usize>,
    /// How long a caller may take to send the headers.
    #[schemars(extend("default" = "10s"))]
    pub header_read_timeout: Setting<Duration>,
    /// How long a request may take.
    #[schemars(extend("default" = "10s"))]
    pub request_timeout: Setting<Duration>,
    /// How long a connection without a request stays open.
    #[schemars(extend("default" = "60s"))]
    pub idle_timeout: Setting<Duration>,
    /// How long a stop waits for the requests that are still running.
    #[schemars(extend("default" = "30s"))]
    pub drain_timeout: Setting<Duration>,
    /// Connections per listener.
    #[schemars(extend("default" = 10000))]
    pub connections: Setting<usize>,
    /// Requests that a listener answers at once; more are told 503 with `Retry-After`. Probes and metrics are not counted.
    #[schemars(extend("default" = 1024))]
    pub max_in_flight: Setting<usize>,
}

/// Failed or unfinished sign-ins.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct LoginLimits {
    /// Sign-ins that an account may have failed or open within the window.
    #[schemars(extend("default" = 10))]
    pub per_account: Setting<u32>,
    /// The same for a caller's address, and for one that tries a chosen client secret.
    #[schemars(extend("default" = 50))]
    pub per_address: Setting<u32>,
    /// The window over which both are refilled.
    #[schemars(extend("default" = "5m"))]
    pub window: Setting<Duration>,
}

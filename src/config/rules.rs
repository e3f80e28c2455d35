//! From the key tree as written to the configuration as used: every rule is checked, and each broken one noted.

mod cookies;
mod hook;
mod keys;
mod listener;
mod logout;
mod registration;
mod secrets;
mod urls;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::duration::format;
use super::problem::unreadable;
use super::raw::{self, Raw};
use super::setting::{Check, Setting};
use super::value::Lifetime;
use super::{
    Accounts, Argon2Params, Clients, Config, Database, JwtGrant, Limits, Log, OAuth2, Oidc, ResponseType, Strategies,
    Ttl, Ui,
};
use crate::secret::Secret;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The configuration; it counts only if `check` has no problem afterwards.
pub fn build(raw: &Raw, check: &mut Check) -> Config {
    let urls = urls::build(&raw.urls, check);
    let serve = listener::build(&raw.serve, &urls.issuer_url, check);
    Config {
        dev: check.dev,
        database: database(raw, check),
        log: log(&raw.log, check),
        serve,
        urls,
        secrets: secrets::build(&raw.secrets, check),
        ttl: ttl(&raw.ttl, check),
        oauth2: oauth2(&raw.oauth2, &raw.limits, check),
        oidc: oidc(&raw.oidc, &raw.webfinger, check),
        strategies: strategies(&raw.strategies, check),
        clients: clients(&raw.clients.http, check),
        accounts: accounts(&raw.accounts, check),
        logout: logout::build(&raw.logout, check),
        ui: ui(&raw.ui, check),
        keys: keys::build(&raw.keys, &raw.webfinger.jwks, check),
        limits: limits(&raw.limits, check),
    }
}

/// A duration between two others.
fn lasts(check: &mut Check, setting: &Setting<Duration>, least: Duration, most: Duration) -> Duration {
    check.within(setting, (least, most), |duration| format(*duration))
}

/// A number between two others.
fn number<T: Clone + PartialOrd + ToString>(check: &mut Check, setting: &Setting<T>, least: T, most: T) -> T {
    check.within(setting, (least, most), T::to_string)
}

fn database(raw: &Raw, check: &mut Check) -> Database {
    let dsn = check.read(&raw.dsn);
    let (wrong, fix) = dsn_problem(&dsn);
    check.rule(wrong.is_empty(), &raw.dsn, wrong, fix);
    let without = without_hydras_parameters(&dsn);
    let pool = without.is_some();
    check.warn(
        pool,
        &raw.dsn,
        "Hydra's max_conns, max_idle_conns and max_conn_* have no effect; database.max_connections has",
    );
    Database {
        dsn: without.unwrap_or(dsn),
        auto_migrate: check.read(&raw.database.auto_migrate),
        // One listens for what other replicas change, and never does anything else.
        max_connections: number(check, &raw.database.max_connections, 2, 1000),
    }
}

/// The address without the parameters that are Hydra's own; `None` where it has none of them.
fn without_hydras_parameters(dsn: &Secret) -> Option<Secret> {
    const HYDRAS: [&str; 4] = ["max_conns", "max_idle_conns", "max_conn_lifetime", "max_conn_idle_time"];
    let (address, query) = dsn.expose().split_once('?')?;
    let is_hydras = |pair: &&str| HYDRAS.contains(&pair.split('=').next().unwrap_or_default());
    let kept: Vec<_> = query.split('&').filter(|pair| !is_hydras(pair)).collect();
    if kept.len() == query.split('&').count() {
        return None;
    }
    let mark = if kept.is_empty() { "" } else { "?" };
    Some(Secret::new(format!("{address}{mark}{}", kept.join("&"))))
}

/// What is wrong with a `dsn`, and the way out; nothing where nothing is.
fn dsn_problem(dsn: &Secret) -> (&'static str, &'static str) {
    const FIX: &str = "use postgres://user:password@host/database, sqlite://path or memory";
    let Some((scheme, rest)) = dsn.expose().split_once("://") else {
        return if dsn.expose() == "memory" { ("", "") } else { ("is not the address of a database", FIX) };
    };
    match scheme {
        "postgres" | "postgresql" if url::Url::parse(dsn.expose()).is_err() => ("is not a complete URL", FIX),
        "sqlite" if rest.is_empty() || rest.starts_with('?') => ("names no file", FIX),
        "sqlite" if rest.contains(":memory:") => ("names no file", "write `memory`"),
        "postgres" | "postgresql" | "sqlite" => ("", ""),
        "mysql" => ("is MySQL, which Hydrant does not speak", FIX),
        "cockroach" | "cockroachdb" | "crdb" => ("is CockroachDB, which Hydrant does not speak", FIX),
        _ => ("has an unknown scheme", FIX),
    }
}

fn log(raw: &raw::Log, check: &mut Check) -> Log {
    Log { level: check.read(&raw.level).0.to_owned(), format: check.read(&raw.format) }
}

fn ttl(raw: &raw::Ttl, check: &mut Check) -> Ttl {
    let access_token = lasts(check, &raw.access_token, SECOND, 30 * DAY);
    let grant = lasts(check, &raw.grant, SECOND, 3650 * DAY);
    check.rule(grant >= access_token, &raw.grant, "must not be shorter than ttl.access_token", "raise it");
    let Lifetime(refresh_token) = check.read(&raw.refresh_token);
    let range = refresh_token.is_none_or(|idle| (SECOND..=3650 * DAY).contains(&idle));
    check.rule(range, &raw.refresh_token, "must be from 1s to 87600h, or -1 for no end", "");
    Ttl {
        login_consent_request: lasts(check, &raw.login_consent_request, 10 * SECOND, DAY),
        authentication_session: lasts(check, &raw.authentication_session, SECOND, 180 * DAY),
        access_token,
        refresh_token,
        grant,
        id_token: lasts(check, &raw.id_token, SECOND, 30 * DAY),
        auth_code: lasts(check, &raw.auth_code, SECOND, 10 * MINUTE),
        admin_event: lasts(check, &raw.admin_event, HOUR, 3650 * DAY),
    }
}

fn oauth2(raw: &raw::OAuth2, limits: &raw::Limits, check: &mut Check) -> OAuth2 {
    let grace = &raw.grant.refresh_token.rotation_grace_period;
    let refresh_grace = lasts(check, grace, Duration::ZERO, 5 * MINUTE);
    let long = refresh_grace > MINUTE;
    check.warn(long, grace, "over a minute, a stolen refresh token goes unnoticed for that long");
    let public_clients = &raw.pkce.enforced_for_public_clients;
    let lax = !check.read(public_clients);
    check.warn(lax, public_clients, "has no effect: public clients always need PKCE (RFC 9700 section 2.1.1)");
    let expose_internal_errors = check.read(&raw.expose_internal_errors);
    let exposed = expose_internal_errors && !check.dev;
    check.warn(exposed, &raw.expose_internal_errors, "shows the log's words to everybody; not for production");
    let request_timeout = check.read(&limits.request_timeout);
    OAuth2 {
        expose_internal_errors,
        response_types: response_types(raw, check),
        localhost_redirect_uris: check.read(&raw.localhost_redirect_uris),
        compatible_audience: check.read(&raw.client_assertion.compatible_audience),
        pkce_enforced: check.read(&raw.pkce.enforced),
        client_credentials_default_scope: check.read(&raw.client_credentials.default_grant_allowed_scope),
        refresh_grace,
        code_replay_grace: lasts(check, &raw.grant.authorization_code.replay_grace_period, Duration::ZERO, MINUTE),
        jwt_grant: jwt_grant(&raw.grant.jwt, check),
        public_introspection: check.read(&raw.introspection.public),
        token_hook: hook::build(&raw.token_hook, request_timeout, check),
        refresh_token_hook: hook::build(&raw.refresh_token_hook, request_timeout, check),
    }
}

fn jwt_grant(raw: &raw::JwtGrant, check: &mut Check) -> JwtGrant {
    let jti_optional = check.read(&raw.jti_optional);
    check.warn(jti_optional, &raw.jti_optional, "whoever finds an assertion without jti can use it until it ends");
    JwtGrant {
        iat_optional: check.read(&raw.iat_optional),
        jti_optional,
        max_ttl: lasts(check, &raw.max_ttl, SECOND, 3650 * DAY),
    }
}

fn oidc(raw: &raw::Oidc, webfinger: &raw::Webfinger, check: &mut Check) -> Oidc {
    let registration = &raw.dynamic_client_registration;
    Oidc {
        signing_algs: signing_algs(&raw.id_token, check),
        request_by_value: check.read(&raw.request_objects.by_value),
        request_by_reference: check.read(&raw.request_objects.by_reference),
        request_unsigned: check.read(&raw.request_objects.unsigned),
        pairwise_salt: pairwise_salt(&raw.subject_identifiers, check),
        default_scope: words(check, &registration.default_scope),
        registration: registration::build(registration, check),
        supported_scope: words(check, &webfinger.oidc_discovery.supported_scope),
        supported_claims: words(check, &webfinger.oidc_discovery.supported_claims),
    }
}

/// Scope tokens as RFC 6749 section 3.3 spells them; claim names are held to the same.
fn words(check: &mut Check, setting: &Setting<Vec<String>>) -> Vec<String> {
    let words = check.read(setting);
    let token = |word: &String| !word.is_empty() && word.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    let what = "must be words without spaces, quotes and backslashes (RFC 6749 section 3.3)";
    check.rule(words.iter().all(token), setting, what, "write one word an item");
    words
}

fn strategies(raw: &raw::Strategies, check: &mut Check) -> Strategies {
    let access_token_alg = check.read(&raw.jwt.signing_alg);
    let known = ASYMMETRIC.contains(&access_token_alg.as_str());
    check.rule(known, &raw.jwt.signing_alg, format!("must be one of {}", ASYMMETRIC.join(", ")), "");
    Strategies {
        scope: check.read(&raw.scope),
        access_token: check.read(&raw.access_token),
        scope_claim: check.read(&raw.jwt.scope_claim),
        access_token_alg,
    }
}

/// `alg` values of RFC 7518 section 3.1 and RFC 8037 section 3.1. The algorithms themselves stand in `jose`, above.
const ASYMMETRIC: [&str; 10] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
const NOT_ASYMMETRIC: [&str; 4] = ["HS256", "HS384", "HS512", "none"];

fn signing_algs(raw: &raw::IdToken, check: &mut Check) -> Vec<String> {
    let algs = check.read(&raw.signing_algs);
    let all: Vec<_> = ASYMMETRIC.into_iter().chain(NOT_ASYMMETRIC).collect();
    let known = algs.iter().all(|alg| all.contains(&alg.as_str()));
    check.rule(known, &raw.signing_algs, format!("must hold names from {}", all.join(", ")), "");
    let mandatory = algs.iter().any(|alg| alg == "RS256");
    check.rule(mandatory, &raw.signing_algs, "must hold RS256 (OpenID Connect Core section 15.1)", "add RS256");
    let unsigned = algs.iter().any(|alg| alg == "none");
    check.warn(unsigned, &raw.signing_algs, "lets clients that ask for it have ID tokens without a signature");
    algs
}

fn response_types(raw: &raw::OAuth2, check: &mut Check) -> Vec<ResponseType> {
    let types = check.read(&raw.response_types);
    let code = types.contains(&ResponseType::Code);
    check.rule(code, &raw.response_types, "must hold code", "add code: it is the flow of RFC 9700 section 2.1");
    types
}

fn pairwise_salt(raw: &raw::SubjectIdentifiers, check: &mut Check) -> Option<Secret> {
    let types = check.read(&raw.supported_types);
    let known = !types.is_empty() && types.iter().all(|kind| matches!(kind.as_str(), "public" | "pairwise"));
    check.rule(known, &raw.supported_types, "must hold public, pairwise or both", "");
    let public = !known || types.iter().any(|kind| kind == "public");
    check.rule(public, &raw.supported_types, "must hold public, which clients have that do not choose", "add public");
    let salt = check.read(&raw.pairwise.salt);
    let pairwise = types.iter().any(|kind| kind == "pairwise");
    let long = salt.as_ref().is_some_and(|salt| salt.expose().chars().count() >= 8);
    let fix = "set it once and never change it: it decides what people are called";
    check.rule(!pairwise || long, &raw.pairwise.salt, "must have 8 characters at least for pairwise subjects", fix);
    let guessable = pairwise && salt.as_ref().is_some_and(|salt| salt.expose().chars().count() < 22);
    check.warn(
        guessable,
        &raw.pairwise.salt,
        "under 22 random characters, who knows one subject can look for the salt",
    );
    salt.filter(|_| pairwise)
}

fn clients(raw: &raw::ClientsHttp, check: &mut Check) -> Clients {
    let disallow_private_ip_ranges = check.read(&raw.disallow_private_ip_ranges);
    let open = !disallow_private_ip_ranges && !check.dev;
    let words = "clients can make the server call your private network; clients.http.allowed_networks is narrower";
    check.warn(open, &raw.disallow_private_ip_ranges, words);
    let extra_root_certificates = check.read(&raw.extra_root_certificates);
    for path in &extra_root_certificates {
        pem_file(check, &raw.extra_root_certificates, path, "CERTIFICATE");
    }
    Clients {
        disallow_private_ip_ranges,
        private_ip_exception_urls: check.read(&raw.private_ip_exception_urls),
        allowed_networks: check.read(&raw.allowed_networks),
        extra_root_certificates,
    }
}

/// The file can be read and holds a PEM block whose label ends in `label`.
fn pem_file<T>(check: &mut Check, setting: &Setting<T>, path: &Path, label: &str) {
    match fs::read(path) {
        Ok(bytes) => pem_text(check, setting, &String::from_utf8_lossy(&bytes), label),
        Err(error) => {
            let what = format!("cannot be read: {} ({})", path.display(), unreadable(&error));
            check.rule(false, setting, what, "check the path and its permissions");
        }
    }
}

fn pem_text<T>(check: &mut Check, setting: &Setting<T>, text: &str, label: &str) {
    let is_block = |line: &str| {
        line.trim()
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.strip_suffix("-----"))
            .is_some_and(|name| name.ends_with(label))
    };
    let what = format!("holds no PEM block of a {}", label.to_lowercase());
    check.rule(text.lines().any(is_block), setting, what, "give the PEM text with its BEGIN and END lines");
}

fn accounts(raw: &raw::Accounts, check: &mut Check) -> Accounts {
    let argon2 = &raw.password.argon2;
    Accounts {
        page: check.read(&raw.page),
        password_min_length: number(check, &raw.password.min_length, 8, 64),
        argon2: Argon2Params {
            memory_kib: number(check, &argon2.memory_kib, 8 * 1024, 1024 * 1024),
            iterations: number(check, &argon2.iterations, 1, 10),
            parallelism: number(check, &argon2.parallelism, 1, 16),
        },
        unremembered_session: lasts(check, &raw.unremembered_session, MINUTE, 180 * DAY),
    }
}

fn ui(raw: &raw::Ui, check: &mut Check) -> Ui {
    let title = check.read(&raw.title);
    let fits = (1..=100).contains(&title.trim().chars().count()) && !title.chars().any(char::is_control);
    check.rule(fits, &raw.title, "must be 1 to 100 characters on one line", "");
    let accent_color = check.read(&raw.accent_color);
    let digits = accent_color.strip_prefix('#').unwrap_or_default();
    let color = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    check.rule(color, &raw.accent_color, "must be a colour as #rrggbb", "quote it in YAML, where # begins a comment");
    Ui { title, accent_color }
}

fn limits(raw: &raw::Limits, check: &mut Check) -> Limits {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let password_hashes = check.read(&raw.password_hashes).unwrap_or(cores);
    let some = (1..=1024).contains(&password_hashes);
    check.rule(some, &raw.password_hashes, "must be from 1 to 1024", "leave it out for the number of cores");
    let threads = check.read(&raw.threads).unwrap_or(cores.min(1024));
    let some = (1..=1024).contains(&threads);
    check.rule(some, &raw.threads, "must be from 1 to 1024", "leave it out for the number of cores");
    Limits {
        login_per_account: number(check, &raw.login.per_account, 1, 10_000),
        login_per_address: number(check, &raw.login.per_address, 1, 1_000_000),
        login_window: lasts(check, &raw.login.window, SECOND, DAY),
        threads,
        password_hashes,
        body: number(check, &raw.body, 4096, 16 * 1024 * 1024),
        header_read_timeout: lasts(check, &raw.header_read_timeout, SECOND, 5 * MINUTE),
        request_timeout: lasts(check, &raw.request_timeout, SECOND, 10 * MINUTE),
        idle_timeout: lasts(check, &raw.idle_timeout, SECOND, HOUR),
        drain_timeout: lasts(check, &raw.drain_timeout, Duration::ZERO, HOUR),
        connections: number(check, &raw.connections, 1, 1_000_000),
        max_in_flight: number(check, &raw.max_in_flight, 1, 1_000_000),
    }
}

//! The configuration as an operator meets it: a text and an environment in, a configuration or every problem out.

mod hooks;
mod refusals;
mod shipped;

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use super::*;
use crate::config::{Host, LogFormat, Pem, SameSite, ScopeStrategy, SocketFile};

const ISSUER: (&str, &str) = ("URLS_SELF_ISSUER", "https://login.example.com");
const SECRET: (&str, &str) = ("SECRETS_SYSTEM", "q8Zt1mPw0xKc7RbV");

/// `text` as `t.yml` with exactly these variables.
fn exactly(text: &str, env: &[(&str, &str)], dev: bool) -> Result<Loaded, Vec<Problem>> {
    let env: HashMap<_, _> = env.iter().copied().collect();
    Config::from_text(Some(("t.yml", text)), &|name| env.get(name).map(|value| (*value).to_owned()), dev)
}

/// The same with the two required settings, unless `text` or `env` has them.
fn load(text: &str, env: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let mut env = env.to_vec();
    for (word, required) in [("issuer:", ISSUER), ("system:", SECRET)] {
        if !text.contains(word) && !env.iter().any(|(name, _)| name.starts_with(required.0)) {
            env.push(required);
        }
    }
    exactly(text, &env, false)
}

fn config(text: &str, env: &[(&str, &str)]) -> Config {
    load(text, env).unwrap_or_else(|problems| panic!("{problems:#?}")).config
}

fn warnings(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    load(text, env).unwrap_or_else(|problems| panic!("{problems:#?}")).warnings
}

fn problems(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    load(text, env).map_or_else(|problems| problems.iter().map(Problem::to_string).collect(), |_| Vec::new())
}

#[test]
fn the_defaults_are_hydras_and_safe() {
    let loaded = load("", &[]).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let config = loaded.config;
    assert!(!config.dev);
    assert_eq!(config.database.dsn.expose(), "sqlite://hydrant.db");
    assert!(!config.database.auto_migrate);
    assert_eq!(config.database.max_connections, 12);
    assert_eq!((config.log.level.as_str(), config.log.format), ("info", LogFormat::Auto));
    let (public, admin) = (&config.serve.public, &config.serve.admin);
    assert_eq!((public.host.to_string(), public.port), ("0.0.0.0".into(), 4444));
    assert_eq!((admin.host.to_string(), admin.port), ("127.0.0.1".into(), 4445));
    assert!(public.tls.is_none() && public.allow_termination_from.is_empty() && !public.cors.enabled);
    assert_eq!(public.cors.allowed_methods.len(), 9);
    assert!(public.cors.allow_credentials && !config.serve.admin_open);
    assert_eq!(config.serve.cookies.same_site, SameSite::Lax);
    assert_eq!(config.serve.cookies.session_name, "hydrant_session");
    assert_eq!(config.urls.issuer, "https://login.example.com");
    assert_eq!(config.urls.public, "https://login.example.com");
    let hours = Duration::from_hours;
    assert_eq!(config.ttl.login_consent_request, Duration::from_mins(30));
    assert_eq!(config.ttl.authentication_session, hours(720));
    assert_eq!(config.ttl.access_token, hours(1));
    assert_eq!(config.ttl.refresh_token, Some(hours(720)));
    assert_eq!(config.ttl.grant, hours(8760));
    assert_eq!(config.ttl.id_token, hours(1));
    assert_eq!(config.ttl.auth_code, Duration::from_mins(10));
    assert_eq!(config.oauth2.refresh_grace, Duration::from_secs(10));
    assert_eq!(config.oauth2.code_replay_grace, Duration::ZERO);
    assert!(!config.oauth2.pkce_enforced && !config.oauth2.expose_internal_errors);
    assert_eq!(config.oidc.default_scope, ["offline_access", "offline", "openid"]);
    assert_eq!(config.strategies.scope, ScopeStrategy::Wildcard);
    assert!(config.clients.disallow_private_ip_ranges);
    assert_eq!(config.accounts.password_min_length, 8);
    let argon2 = config.accounts.argon2;
    assert_eq!((argon2.memory_kib, argon2.iterations, argon2.parallelism), (19456, 2, 1));
    assert_eq!(config.accounts.unremembered_session, hours(12));
    assert_eq!(config.keys.max_age, Duration::from_mins(5));
    assert_eq!(config.keys.publish_ahead, Duration::from_mins(10));
    assert_eq!(config.keys.rotation_interval, Some(Duration::from_hours(90 * 24)));
    let limits = &config.limits;
    assert_eq!((limits.login_per_account, limits.login_per_address), (10, 50));
    assert_eq!(limits.login_window, Duration::from_mins(5));
    assert_eq!((limits.body, limits.connections, limits.max_in_flight), (65536, 10_000, 1024));
    assert!(limits.password_hashes >= 1);
    assert_eq!(limits.drain_timeout, Duration::from_secs(30));
}

#[test]
fn the_file_sets_what_it_says() {
    let text = "
log: {level: fatal, format: json_pretty}
serve:
  public: {port: 80, cors: {enabled: true, allowed_origins: ['https://*.example.com']}}
  tls: {allow_termination_from: [10.0.0.0/8, 192.0.2.1]}
  admin: {host: 0.0.0.0, auth: none, tls: {allow_termination_from: []}}
urls: {self: {issuer: https://login.example.com/op/, public: https://cdn.example.com/op/}}
secrets: {system: [0123456789012345, 99999999999999998765432]}
ttl: {refresh_token: -1, auth_code: 1m30s}
";
    let config = config(text, &[]);
    assert_eq!((config.log.level.as_str(), config.log.format), ("error", LogFormat::Json));
    assert_eq!(config.serve.public.port, 80);
    assert_eq!(config.serve.public.cors.allowed_origins, ["https://*.example.com"]);
    assert_eq!(config.serve.public.allow_termination_from.len(), 2);
    assert!(
        config.serve.admin.allow_termination_from.is_empty(),
        "its own list, although empty, is not the shared one"
    );
    assert!(config.serve.admin_open);
    assert_eq!(config.urls.issuer, "https://login.example.com/op/", "letter for letter");
    assert_eq!(config.urls.public, "https://cdn.example.com/op");
    let secrets: Vec<_> = config.secrets.system.iter().map(crate::secret::Secret::expose).collect();
    assert_eq!(secrets, ["0123456789012345", "99999999999999998765432"], "digits are kept as they are written");
    assert_eq!(config.ttl.refresh_token, None);
    assert_eq!(config.ttl.auth_code, Duration::from_secs(90));
}

#[test]
fn a_port_may_be_a_unix_socket() {
    let text = "
serve:
  public: {host: 'unix:/run/public.sock', socket: {owner: root, group: 0, mode: 493}}
  admin: {host: 'unix:/run/admin.sock', port: 4444}
";
    let serve = config(text, &[]).serve;
    let file = |path: &str, id, mode| Host::Socket(SocketFile { path: path.into(), owner: id, group: id, mode });
    assert_eq!(serve.public.host, file("/run/public.sock", Some(0), 0o755));
    assert_eq!(serve.admin.host, file("/run/admin.sock", None, 0o660));
    let hydras = "serve: {public: {socket: {owner: '', group: '', mode: 0755}}}";
    assert_eq!(warnings(hydras, &[]).len(), 3, "they are of no use beside an address");
}

#[test]
fn the_environment_beats_the_file() {
    let text = "dsn: memory\nserve: {public: {port: 1}}\nttl: {access_token: 5m}\n";
    let env = [
        ("DSN", "postgres://hydrant:hunter2@db/hydrant"),
        ("SERVE_PUBLIC_PORT", "8080"),
        ("SERVE_PUBLIC_CORS_ALLOWED_ORIGINS", "https://a.example, https://b.example"),
        ("SERVE_ADMIN_CORS_ALLOWED_ORIGINS", r#"["https://c.example"]"#),
        ("OAUTH2_GRANT_REFRESH_TOKEN_ROTATION_GRACE_PERIOD", "0s"),
        ("TTL_ACCESS_TOKEN", ""),
        ("TTL_REFRESH_TOKEN", "-1"),
        ("URLS_SELF_ISUER", "not a key, so not ours"),
        ("PATH", "/bin"),
    ];
    let config = config(text, &env);
    assert_eq!(config.database.dsn.expose(), "postgres://hydrant:hunter2@db/hydrant");
    assert_eq!(config.serve.public.port, 8080);
    assert_eq!(config.serve.public.cors.allowed_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.serve.admin.cors.allowed_origins, ["https://c.example"]);
    assert_eq!(config.oauth2.refresh_grace, Duration::ZERO);
    assert_eq!(config.ttl.access_token, Duration::from_mins(5), "an empty variable counts as not set");
    assert_eq!(config.ttl.refresh_token, None);
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_value_comes_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (system, dsn) = (path("system", "q8Zt1mPw0xKc7RbV\nanother-Secret-17\n"), path("dsn", "memory\r\n"));
    let config = config("dsn: sqlite://a.db\n", &[("SECRETS_SYSTEM_FILE", &system), ("DSN_FILE", &dsn)]);
    assert_eq!(config.database.dsn.expose(), "memory");
    assert_eq!(config.secrets.system.len(), 2);
    assert_eq!(config.secrets.system[1].expose(), "another-Secret-17");

    let found = problems("", &[("SECRETS_SYSTEM_FILE", "/nonexistent/secret")]);
    assert_eq!(found.len(), 1, "and not also that it is required: {found:?}");
    assert!(found[0].starts_with("environment SECRETS_SYSTEM_FILE: secrets.system: names a file that cannot be read"));
    let found = problems("", &[("DSN", "memory"), ("DSN_FILE", &dsn)]);
    assert_eq!(found, ["environment DSN: dsn: is set by both DSN and DSN_FILE (fix: unset one of them)"]);
}

#[test]
fn tls_is_read_from_files_or_base64_and_shared() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    fs::write(&cert, "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n").unwrap();
    fs::write(&key, "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n").unwrap();
    // `-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n`
    let inline = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCkFBPT0KLS0tLS1FTkQgUFJJVkFURSBLRVktLS0tLQo=";
    let text = format!(
        "serve:\n  tls: {{enabled: true, cert: {{path: {}}}, key: {{path: {}}}}}\n  admin: {{tls: {{key: {{base64: {inline}}}}}}}\n",
        cert.display(),
        key.display()
    );
    let serve = config(&text, &[]).serve;
    assert!(matches!(serve.public.tls.unwrap().key, Pem::File(path) if path == key));
    let admin = serve.admin.tls.unwrap();
    assert!(matches!(admin.cert, Pem::File(path) if path == cert));
    assert!(matches!(admin.key, Pem::Inline(pem) if pem.expose().starts_with("-----BEGIN PRIVATE KEY-----")));

    let off = format!("serve: {{public: {{tls: {{cert: {{path: {}}}}}}}}}\n", cert.display());
    assert!(config(&off, &[]).serve.public.tls.is_none());
    assert!(warnings(&off, &[])[0].starts_with("serve.public.tls.enabled: is not true"));
}

#[test]
fn keys_without_effect_are_named_in_one_warning() {
    let text = "
version: v2.2.0
tracing: {provider: otel, providers: {otlp: {server_url: 'http://x'}}}
sqa: {opt_out: true}
hsm: {enabled: false, library: x}
serve: {cookies: {secure: true, names: {login_csrf: x}}}
oauth2: {hashers: {algorithm: bcrypt}, session: {encrypt_at_rest: true}}
urls: {device: {verification: https://x.example/}}
";
    assert_eq!(
        warnings(text, &[]),
        ["has no effect in Hydrant yet: hsm, oauth2.hashers, oauth2.session, serve.cookies.names.login_csrf, \
          serve.cookies.secure, sqa, tracing, urls.device, version"]
    );
}

#[test]
fn what_opens_something_is_worth_a_word() {
    for (text, begins) in [
        ("clients: {http: {disallow_private_ip_ranges: false}}", "t.yml:1: clients.http.disallow_private_ip_ranges:"),
        ("oauth2: {expose_internal_errors: true}", "t.yml:1: oauth2.expose_internal_errors:"),
        ("oauth2: {pkce: {enforced_for_public_clients: false}}", "t.yml:1: oauth2.pkce.enforced_for_public_clients:"),
        ("oauth2: {grant: {refresh_token: {rotation_grace_period: 2m}}}", "t.yml:1: oauth2.grant.refresh_token."),
        ("serve: {public: {cors: {enabled: true}}}", "t.yml:1: serve.public.cors.enabled: without allowed_origins"),
        ("dsn: postgres://a@b/c?max_conns=20", "t.yml:1: dsn: Hydra's max_conns"),
        ("dsn: postgres://a@b/c?max_idle_conns=4", "t.yml:1: dsn: Hydra's max_conns"),
    ] {
        let found = warnings(text, &[]);
        assert!(found.len() == 1 && found[0].starts_with(begins), "{text}: {found:?}");
    }
}

#[test]
fn hydras_pool_is_left_out_of_the_address() {
    for (written, kept) in [
        ("postgres://a:b@c/d?sslmode=disable&max_conns=20&max_idle_conns=4", "postgres://a:b@c/d?sslmode=disable"),
        ("postgres://a@c/d?max_conn_lifetime=1h&max_conn_idle_time=1m&max_conns=1", "postgres://a@c/d"),
        ("postgres://a@c/d?sslmode=require&sslrootcert=/x%20y", "postgres://a@c/d?sslmode=require&sslrootcert=/x%20y"),
        ("sqlite:///a.db?_fk=true&mode=rwc", "sqlite:///a.db?_fk=true&mode=rwc"),
    ] {
        assert_eq!(config(&format!("dsn: {written}"), &[]).database.dsn.expose(), kept);
    }
}

#[test]
fn a_file_that_is_not_there_is_one_problem() {
    let found = Config::load(Some(Path::new("/nonexistent/hydrant.yml")), &|_| None, false).unwrap_err();
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().starts_with("/nonexistent/hydrant.yml: the configuration cannot be read"));
}

#[test]
fn without_a_file_the_environment_is_enough() {
    let env = |name: &str| [ISSUER, SECRET].iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    assert_eq!(Config::load(None, &env, false).unwrap().config.urls.issuer, ISSUER.1);
    let keys: Vec<_> =
        Config::load(None, &|_| None, false).unwrap_err().into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["secrets.system", "urls.self.issuer"]);
}

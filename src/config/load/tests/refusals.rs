//! Each rule is broken once, and refused with its line and key.

use super::*;

/// One line of YAML, the key it breaks, and part of what is said.
const BROKEN: &[(&str, &str, &str)] = &[
    // DI-04: RFC 8414 section 2, OpenID Connect Discovery section 3
    ("urls: {self: {issuer: 'http://login.example.com'}}", "urls.self.issuer", "must use https"),
    ("urls: {self: {issuer: 'https://op.example/?x'}}", "urls.self.issuer", "must have no query"),
    ("urls: {self: {issuer: 'https://op.example/#f'}}", "urls.self.issuer", "must have no fragment"),
    ("urls: {self: {issuer: 'https://u:p@op.example'}}", "urls.self.issuer", "must have no user name"),
    ("urls: {self: {issuer: 'https://op.example '}}", "urls.self.issuer", "must have no white space"),
    ("urls: {self: {issuer: op.example}}", "urls.self.issuer", "must be a complete URL"),
    ("urls: {self: {issuer: 'ftp://op.example'}}", "urls.self.issuer", "must be a complete URL"),
    ("urls: {self: {issuer: [a]}}", "urls.self.issuer", "must be one value, not a list"),
    ("urls: {self: {public: 'http://op.example'}}", "urls.self.public", "must use https"),
    ("urls: {error: /error}", "urls.error", "must be a complete http or https URL"),
    ("urls: {login: /login}", "urls.login", "must be a complete http or https URL"),
    (
        "urls: {login: 'https://x.example', registration: x}",
        "urls.registration",
        "must be a complete http or https URL",
    ),
    ("urls: {registration: 'https://x.example'}", "urls.registration", "has no effect without urls.login"),
    ("urls: {consent: 'ftp://x.example'}", "urls.consent", "must be a complete http or https URL"),
    ("urls: {logout: 'javascript:alert(1)'}", "urls.logout", "must be a complete http or https URL"),
    ("urls: {post_logout_redirect: 'javascript:alert(1)'}", "urls.post_logout_redirect", "must be a complete http"),
    // SC-04
    ("secrets: {system: []}", "secrets.system", "is required"),
    ("secrets: {system: [q8Zt1mPw0xKc7Rb]}", "secrets.system", "must be 16 characters or more"),
    ("secrets: {system: [q8Zt1mPw0xKc7RbV, short]}", "secrets.system", "must be 16 characters or more"),
    ("secrets: {system: [youReallyNeedToChangeThis]}", "secrets.system", "sample secret"),
    ("secrets: {system: [this-is-the-primary-secret]}", "secrets.system", "sample secret"),
    ("secrets: {system: [aaaaaaaaaaaaaaaaaaaaaaaa]}", "secrets.system", "repeats a few characters"),
    ("secrets: {system: q8Zt1mPw0xKc7RbV}", "secrets.system", "must be a list"),
    ("ttl: {auth_code: 11m}", "ttl.auth_code", "must be from 1s to 10m"),
    ("ttl: {auth_code: 0s}", "ttl.auth_code", "must be from 1s to 10m"),
    ("ttl: {auth_code: 10}", "ttl.auth_code", "must be a duration"),
    ("ttl: {access_token: 721h}", "ttl.access_token", "must be from 1s to 720h"),
    ("ttl: {access_token: -1}", "ttl.access_token", "must be a duration"),
    ("ttl: {id_token: 0s}", "ttl.id_token", "must be from 1s to 720h"),
    ("ttl: {grant: 59m}", "ttl.grant", "must not be shorter than ttl.access_token"),
    ("ttl: {grant: 99999h}", "ttl.grant", "must be from 1s to 87600h"),
    ("ttl: {refresh_token: 0s}", "ttl.refresh_token", "or -1"),
    ("ttl: {refresh_token: -2}", "ttl.refresh_token", "or -1"),
    ("ttl: {login_consent_request: 1s}", "ttl.login_consent_request", "must be from 10s to 24h"),
    ("ttl: {authentication_session: 4321h}", "ttl.authentication_session", "must be from 1s to 4320h"),
    (
        "oauth2: {grant: {refresh_token: {rotation_grace_period: 301s}}}",
        "oauth2.grant.refresh_token.rotation_grace_period",
        "must be from 0s to 5m",
    ),
    (
        "oauth2: {grant: {authorization_code: {replay_grace_period: 61s}}}",
        "oauth2.grant.authorization_code.replay_grace_period",
        "must be from 0s to 1m",
    ),
    ("serve: {public: {port: 65536}}", "serve.public.port", "must be a whole number from 0 to 65535"),
    ("serve: {public: {port: 4445}}", "serve.public.port", "are the same"),
    ("serve: {admin: {port: 4444}}", "serve.admin.port", "are the same"),
    ("serve: {public: {host: example.com}}", "serve.public.host", "must be an IP address"),
    ("serve: {public: {host: 'unix:run/x'}}", "serve.public.host", "must be unix: and an absolute path"),
    (
        "serve: {public: {host: 'unix:/run/x'}, admin: {host: 'unix:/run/x'}}",
        "serve.admin.host",
        "must differ: the public and the admin port have the same socket",
    ),
    ("serve: {public: {host: 'unix:/run/x', socket: {mode: 755}}}", "serve.public.socket.mode", "with the leading 0"),
    (
        "serve: {admin: {host: 'unix:/run/x', socket: {owner: no such user}}}",
        "serve.admin.socket.owner",
        "is no user of this machine (/etc/passwd does not have it) (fix: use its number)",
    ),
    ("serve: {admin: {host: 'unix:/run/x', socket: {group: ':'}}}", "serve.admin.socket.group", "is no group of"),
    // AD-02, D9
    ("serve: {admin: {host: 0.0.0.0}}", "serve.admin.host", "must be a loopback address"),
    ("serve: {admin: {host: '::'}}", "serve.admin.host", "must be a loopback address"),
    ("serve: {admin: {auth: basic}}", "serve.admin.auth", "must be one of none"),
    ("serve: {admin: {tokens: []}}", "serve.admin.tokens", "lists nobody (fix: `hydrant admin-token create`"),
    ("serve: {admin: {host: 0.0.0.0, tokens: []}}", "serve.admin.tokens", "lists nobody"),
    ("serve: {admin: {tokens: [hunter2]}}", "serve.admin.tokens", "item 1: must have a name and a hash"),
    ("serve: {admin: {tokens: [{name: a}]}}", "serve.admin.tokens", "item 1: must have a name and a hash"),
    (
        "serve: {admin: {tokens: [{name: a, hash: hunter2}]}}",
        "serve.admin.tokens",
        "item 1: hash must be sha256: and the SHA-256 of a token, in hex or base64url (fix: `hydrant admin-token create`",
    ),
    (
        "serve: {admin: {tokens: [{name: a, hash: 'sha256:hunter2'}]}}",
        "serve.admin.tokens",
        "item 1: hash must be sha256:",
    ),
    (
        "serve: {admin: {tokens: [{name: a b, hash: 'sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0'}]}}",
        "serve.admin.tokens",
        "item 1: name must be 1 to 64 letters",
    ),
    (
        "serve: {admin: {tokens: [{name: a, hash: 'sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0', access: all}]}}",
        "serve.admin.tokens",
        "item 1: access must be one of full, read-only",
    ),
    (
        "serve: {admin: {tokens: [{name: a, hash: 'sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0', token: hunter2}]}}",
        "serve.admin.tokens",
        "item 1: has only name, hash and access, each once",
    ),
    (
        "serve: {admin: {tokens: [{name: a, hash: 'sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0'}, {name: b, hash: 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'}]}}",
        "serve.admin.tokens",
        "item 2: has the name or the hash of another item",
    ),
    (
        "serve: {admin: {auth: none, tokens: [{name: a, hash: 'sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0'}]}}",
        "serve.admin.auth",
        "is none beside serve.admin.tokens",
    ),
    ("serve: {public: {tls: {enabled: 'yes'}}}", "serve.public.tls.enabled", "must be true or false"),
    (
        "serve: {tls: {allow_termination_from: [10.0.0.0/33]}}",
        "serve.tls.allow_termination_from",
        "item 1: must be a network",
    ),
    (
        "serve: {public: {cors: {allowed_origins: ['https://*.*.example.com']}}}",
        "serve.public.cors.allowed_origins",
        "at most one *",
    ),
    (
        "serve: {public: {cors: {allowed_origins: ['https://a.example/']}}}",
        "serve.public.cors.allowed_origins",
        "must be origins",
    ),
    (
        "serve: {public: {cors: {enabled: true, allowed_origins: ['*']}}}",
        "serve.public.cors.allowed_origins",
        "must not be * with credentials",
    ),
    (
        "serve: {admin: {cors: {enabled: true, allowed_origins: ['https://*']}}}",
        "serve.admin.cors.allowed_origins",
        "must not be * with credentials",
    ),
    ("serve: {public: {cors: {max_age: 86401}}}", "serve.public.cors.max_age", "must be from 0 to 86400"),
    ("serve: {public: {cors: {allowed_methods: ['GET,POST']}}}", "serve.public.cors.allowed_methods", "must be names"),
    ("serve: {cookies: {names: {session: 'a b'}}}", "serve.cookies.names.session", "must be the name of a cookie"),
    ("serve: {cookies: {names: {session: __Host-a}}}", "serve.cookies.names.session", "must not begin with __Host-"),
    ("serve: {cookies: {same_site_mode: lax}}", "serve.cookies.same_site_mode", "must be one of Strict, Lax, None"),
    ("serve: {cookies: {domain: 'https://example.com'}}", "serve.cookies.domain", "must be a bare domain"),
    ("serve: {cookies: {domain: .example.com}}", "serve.cookies.domain", "must be a bare domain"),
    ("serve: {cookies: {domain: other.example}}", "serve.cookies.domain", "browsers drop other cookies"),
    ("serve: {cookies: {domain: ample.com}}", "serve.cookies.domain", "browsers drop other cookies"),
    ("dsn: mysql://u:hunter2@h/d", "dsn", "is MySQL"),
    ("dsn: cockroach://u:hunter2@h/d", "dsn", "is CockroachDB"),
    ("dsn: hunter2", "dsn", "is not the address of a database"),
    ("dsn: redis://hunter2", "dsn", "has an unknown scheme"),
    ("dsn: 'sqlite://'", "dsn", "names no file"),
    ("dsn: 'sqlite://file::memory:?_fk=true'", "dsn", "names no file (fix: write `memory`)"),
    ("dsn: 'postgres://u:hunter2@h:port/d'", "dsn", "is not a complete URL"),
    ("database: {max_connections: 1}", "database.max_connections", "must be from 2 to 1000"),
    ("log: {level: loud}", "log.level", "must be one of trace, debug"),
    ("log: {format: xml}", "log.format", "must be one of auto, text"),
    ("strategies: {scope: fuzzy}", "strategies.scope", "must be one of exact, wildcard, hierarchic"),
    ("strategies: {access_token: paseto}", "strategies.access_token", "must be one of opaque, jwt"),
    ("strategies: {jwt: {scope_claim: scp}}", "strategies.jwt.scope_claim", "must be one of list, string, both"),
    ("strategies: {jwt: {signing_alg: HS256}}", "strategies.jwt.signing_alg", "must be one of RS256"),
    ("oauth2: {response_types: [token]}", "oauth2.response_types", "must hold code"),
    ("oauth2: {response_types: [code, id_tokens]}", "oauth2.response_types", "item 2: must be one of code, id_token"),
    ("oidc: {id_token: {signing_algs: [ES256]}}", "oidc.id_token.signing_algs", "must hold RS256"),
    ("oidc: {id_token: {signing_algs: [RS256, RS1]}}", "oidc.id_token.signing_algs", "must hold names from RS256"),
    (
        "oidc: {subject_identifiers: {supported_types: [pairwise], pairwise: {salt: hunter2hunter2}}}",
        "oidc.subject_identifiers.supported_types",
        "must hold public",
    ),
    (
        "oidc: {subject_identifiers: {supported_types: [public, secret]}}",
        "oidc.subject_identifiers.supported_types",
        "must hold public, pairwise or both",
    ),
    (
        "oidc: {subject_identifiers: {supported_types: [public, pairwise], pairwise: {salt: hunter2}}}",
        "oidc.subject_identifiers.pairwise.salt",
        "must have 8 characters",
    ),
    ("clients: {http: {allowed_networks: [x]}}", "clients.http.allowed_networks", "item 1: must be a network"),
    (
        "clients: {http: {private_ip_exception_urls: [x]}}",
        "clients.http.private_ip_exception_urls",
        "item 1: must be a complete",
    ),
    (
        "clients: {http: {extra_root_certificates: [/nonexistent.pem]}}",
        "clients.http.extra_root_certificates",
        "cannot be read: /nonexistent.pem",
    ),
    (
        "oidc: {dynamic_client_registration: {default_scope: ['a b']}}",
        "oidc.dynamic_client_registration.default_scope",
        "must be words",
    ),
    (
        "oidc: {dynamic_client_registration: {allowed_scope: ['a b']}}",
        "oidc.dynamic_client_registration.allowed_scope",
        "must be words",
    ),
    (
        "oidc: {dynamic_client_registration: {allowed_grant_types: [password]}}",
        "oidc.dynamic_client_registration.allowed_grant_types",
        "must hold names from authorization_code",
    ),
    (
        "oidc: {dynamic_client_registration: {per_address: 0}}",
        "oidc.dynamic_client_registration.per_address",
        "must be from 1 to 1000000",
    ),
    (
        "oidc: {dynamic_client_registration: {unused_for: 1s}}",
        "oidc.dynamic_client_registration.unused_for",
        "must be 0, or from 1m to 87600h",
    ),
    (
        "oidc: {dynamic_client_registration: {software_statement_issuers: ['https://x.example']}}",
        "oidc.dynamic_client_registration.software_statement_issuers",
        "item 1: must be an issuer, a blank",
    ),
    (
        "oidc: {dynamic_client_registration: {untrusted_redirects: never}}",
        "oidc.dynamic_client_registration.untrusted_redirects",
        "must be one of interstitial, redirect",
    ),
    ("accounts: {password: {min_length: 7}}", "accounts.password.min_length", "must be from 8 to 64"),
    ("accounts: {password: {argon2: {memory_kib: 8191}}}", "accounts.password.argon2.memory_kib", "8192 to 1048576"),
    ("accounts: {password: {argon2: {memory_kib: 1048577}}}", "accounts.password.argon2.memory_kib", "8192 to"),
    ("accounts: {password: {argon2: {iterations: 11}}}", "accounts.password.argon2.iterations", "from 1 to 10"),
    ("accounts: {password: {argon2: {parallelism: 0}}}", "accounts.password.argon2.parallelism", "from 1 to 16"),
    ("accounts: {unremembered_session: 1s}", "accounts.unremembered_session", "must be from 1m to 4320h"),
    ("ui: {accent_color: blue}", "ui.accent_color", "must be a colour as #rrggbb"),
    ("ui: {title: ''}", "ui.title", "must be 1 to 100 characters"),
    ("keys: {max_age: 0s}", "keys.max_age", "must be from 1s to 24h"),
    ("keys: {rotation: {publish_ahead: 9m}}", "keys.rotation.publish_ahead", "must be from 10m (twice keys.max_age)"),
    ("keys: {rotation: {interval: 23h}}", "keys.rotation.interval", "must be 0, or from 24h to 87600h"),
    (
        "keys: {rotation: {interval: 24h, publish_ahead: 13h}}",
        "keys.rotation.interval",
        "must be 0, or from 26h to 87600h",
    ),
    ("limits: {login: {per_account: 0}}", "limits.login.per_account", "must be from 1 to 10000"),
    ("limits: {login: {per_address: 0}}", "limits.login.per_address", "must be from 1 to 1000000"),
    ("limits: {login: {window: 25h}}", "limits.login.window", "must be from 1s to 24h"),
    ("limits: {password_hashes: 0}", "limits.password_hashes", "must be from 1 to 1024"),
    ("limits: {body: 1}", "limits.body", "must be from 4096 to 16777216"),
    ("limits: {body: 64KiB}", "limits.body", "must be a whole number"),
    ("limits: {header_read_timeout: 0s}", "limits.header_read_timeout", "must be from 1s to 5m"),
    ("limits: {request_timeout: 11m}", "limits.request_timeout", "must be from 1s to 10m"),
    ("limits: {idle_timeout: 2h}", "limits.idle_timeout", "must be from 1s to 1h"),
    ("limits: {drain_timeout: 2h}", "limits.drain_timeout", "must be from 0s to 1h"),
    ("limits: {connections: 0}", "limits.connections", "must be from 1 to 1000000"),
    (
        "oauth2: {token_hook: 'ftp://hunter2@x.example'}",
        "oauth2.token_hook.url",
        "must be a complete http or https URL",
    ),
    ("oauth2: {token_hook: [a]}", "oauth2.token_hook", "must be a section"),
    (
        "oauth2: {token_hook: {uri: 'https://x.example'}}",
        "oauth2.token_hook.uri",
        "did you mean oauth2.token_hook.url?",
    ),
    ("oauth2: {token_hook: {url: 'https://x.example', timeout: 10ms}}", "oauth2.token_hook.timeout", "from 50ms to 1m"),
    (
        "oauth2: {refresh_token_hook: {url: 'https://x.example', timeout: 10s}}",
        "oauth2.refresh_token_hook.timeout",
        "must be shorter than limits.request_timeout",
    ),
    (
        "oauth2: {token_hook: {url: 'https://x.example', auth: {type: basic_auth}}}",
        "oauth2.token_hook.auth.type",
        "must be one of api_key",
    ),
    (
        "oauth2: {token_hook: {url: 'https://x.example', auth: {config: {in: query, name: a, value: hunter2}}}}",
        "oauth2.token_hook.auth.config.in",
        "must be one of header, cookie",
    ),
    (
        "oauth2: {token_hook: {url: 'https://x.example', auth: {config: {name: 'X Key', value: hunter2}}}}",
        "oauth2.token_hook.auth.config.name",
        "is not the name of a header or cookie",
    ),
    (
        "oauth2: {token_hook: {url: 'https://x.example', auth: {config: {name: Content-Length, value: hunter2}}}}",
        "oauth2.token_hook.auth.config.name",
        "is a header that the server sets itself",
    ),
    (
        "oauth2: {token_hook: {url: 'https://x.example', auth: {config: {name: X-Key, value: \"hunter2\\r\\nHost: a\"}}}}",
        "oauth2.token_hook.auth.config.value",
        "has characters that do not fit there",
    ),
    (
        "oauth2: {token_hook: {url: 'https://x.example', auth: {config: {in: cookie, name: k, value: 'hunter2; a=b'}}}}",
        "oauth2.token_hook.auth.config.value",
        "has characters that do not fit there",
    ),
    // What this version does not have, where silence would mislead
    ("hsm: {enabled: true}", "hsm.enabled", "does not have yet"),
    // The tree itself
    ("urls: {self: {isuer: x}}", "urls.self.isuer", "is not a known key (fix: did you mean urls.self.issuer?)"),
    ("issuer: x", "issuer", "is not a known key (fix: did you mean urls.self.issuer?)"),
    ("xyzzy: 1", "xyzzy", "is not a known key (fix: remove it)"),
    ("urls.self.public: x", "urls.self.public", "is one key with dots in it"),
    ("serve: 1", "serve", "must be a section"),
    ("ttl: [1h]", "ttl", "must be a section"),
    ("ui: {title: {a: b}}", "ui.title", "must be a value, not a section"),
    ("ui: {title: a, title: b}", "ui.title", "is set twice, first in line 3"),
];

#[test]
fn each_rule_is_refused_with_its_line_and_key() {
    for (text, key, what) in BROKEN {
        let mut env = vec![];
        if !text.contains("issuer:") {
            env.push(ISSUER);
        }
        if !text.contains("system") {
            env.push(SECRET);
        }
        if *key == "issuer" || key.contains("isuer") {
            env.push(ISSUER);
        }
        let found = exactly(&format!("# why\n\n{text}\n"), &env, false).unwrap_err();
        let found: Vec<_> = found.iter().map(Problem::to_string).collect();
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(&format!("t.yml:3: {key}: ")), "{text}: {found:?}");
        assert!(found[0].contains(what), "{text}: {found:?}");
        assert!(!found[0].contains("hunter2"), "{text}: {found:?}");
    }
}

#[test]
fn the_same_rules_hold_for_the_environment() {
    for (name, value, begins) in [
        ("URLS_SELF_ISSUER", "http://a.example", "environment URLS_SELF_ISSUER: urls.self.issuer: must use https"),
        ("SECRETS_SYSTEM", "short", "environment SECRETS_SYSTEM: secrets.system: must be 16 characters"),
        ("SERVE_ADMIN_HOST", "0.0.0.0", "environment SERVE_ADMIN_HOST: serve.admin.host: must be a loopback"),
        ("TTL_AUTH_CODE", "1d", "environment TTL_AUTH_CODE: ttl.auth_code: must be a duration"),
        ("DEV", "1", "environment DEV: dev: must be true or false"),
        ("URLS_LOGIN", "/login", "environment URLS_LOGIN: urls.login: must be a complete http or https URL"),
        ("STRATEGIES_ACCESS_TOKEN", "x", "environment STRATEGIES_ACCESS_TOKEN: strategies.access_token: must be one"),
        ("OAUTH2_TOKEN_HOOK", "x", "environment OAUTH2_TOKEN_HOOK: oauth2.token_hook.url: must be a complete"),
        (
            "OAUTH2_TOKEN_HOOK",
            r#"{"url": 1}"#,
            "environment OAUTH2_TOKEN_HOOK: oauth2.token_hook.url: must be a complete",
        ),
        (
            "OAUTH2_TOKEN_HOOK",
            r#"{"auth": {"kind": "x"}}"#,
            "environment OAUTH2_TOKEN_HOOK: oauth2.token_hook.auth.kind: is",
        ),
        (
            "OAUTH2_TOKEN_HOOK_FILE",
            "/nonexistent",
            "environment OAUTH2_TOKEN_HOOK_FILE: oauth2.token_hook: names a file",
        ),
    ] {
        let found = problems("", &[(name, value)]);
        assert!(found.len() == 1 && found[0].starts_with(begins), "{name}: {found:?}");
    }
}

/// F-44: all errors at once, one clear line each.
#[test]
fn every_problem_is_reported_at_once_in_the_files_order() {
    let text = "\
dsn: mysql://a/b
log: {level: loud}
serve:
  public:
    prot: 4444
  admin:
    host: 10.0.0.1
    port: many
ttl:
  auth_code: 1h
  auth_code: 2h
  access_token: soon
urls:
  login: /login
tracing: {}
";
    let found = exactly(text, &[("LIMITS_BODY", "big")], false).unwrap_err();
    let found: Vec<_> = found.iter().map(Problem::to_string).collect();
    let begins = [
        "t.yml:1: dsn: is MySQL",
        "t.yml:2: log.level: must be one of",
        "t.yml:5: serve.public.prot: is not a known key (fix: did you mean serve.public.port?)",
        "t.yml:7: serve.admin.host: must be a loopback",
        "t.yml:8: serve.admin.port: must be a whole number",
        "t.yml:10: ttl.auth_code: must be from",
        "t.yml:11: ttl.auth_code: is set twice, first in line 10",
        "t.yml:12: ttl.access_token: must be a duration",
        "t.yml:14: urls.login: must be a complete http or https URL",
        "environment LIMITS_BODY: limits.body: must be a whole number",
        "secrets.system: is required",
        "urls.self.issuer: is required",
    ];
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (problem, begin) in found.iter().zip(begins) {
        assert!(problem.starts_with(begin), "{problem} should begin {begin}");
        assert!(!problem.contains('\n'));
    }
}

#[test]
fn tls_needs_both_halves_and_they_must_be_pem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.pem");
    fs::write(&path, "nothing\n").unwrap();
    let empty = path.display();
    for (tls, keys) in [
        ("enabled: true".into(), vec!["enabled: needs a certificate", "enabled: needs the certificate's key"]),
        (
            "enabled: true, cert: {path: /nonexistent.crt}, key: {path: /nonexistent.key}".into(),
            vec!["cert.path: cannot be read: /nonexistent.crt", "key.path: cannot be read: /nonexistent.key"],
        ),
        (
            format!("enabled: true, cert: {{path: {empty}}}, key: {{path: {empty}}}"),
            vec!["cert.path: holds no PEM block of a certificate", "key.path: holds no PEM block of a private key"],
        ),
        ("cert: {base64: 'hunter2!'}".into(), vec!["cert.base64: is not base64"]),
        ("cert: {base64: aHVudGVyMg==}".into(), vec!["cert.base64: holds no PEM block"]),
        (format!("cert: {{path: {empty}, base64: aHVudGVyMg==}}"), vec!["cert.base64: is set beside path"]),
    ] {
        let found = problems(&format!("serve: {{public: {{tls: {{{tls}}}}}}}"), &[]);
        for begin in &keys {
            let begin = format!("t.yml:1: serve.public.tls.{begin}");
            assert!(found.iter().any(|problem| problem.starts_with(&begin)), "{begin}: {found:?}");
        }
        assert!(found.iter().all(|problem| !problem.contains("hunter2")), "{found:?}");
    }
}

#[test]
fn broken_yaml_is_one_problem_with_its_line() {
    for text in
        ["a: [1, 2\nb: 3\n", "a: 'x\n", "a: 1\n b: 2\n", "- 1\n", "just words\n", "a: *nobody\n", "a: 1\n---\nb: 2\n"]
    {
        let found = problems(text, &[]);
        assert!(found.len() == 1 && found[0].starts_with("t.yml:"), "{text}: {found:?}");
    }
}

#[test]
fn dev_mode_permits_http_and_samples_but_no_open_admin_port() {
    let text = "urls: {self: {issuer: 'http://a.example'}}\nsecrets: {system: [change-me-change-me]}\n";
    let loaded = exactly(&format!("dev: true\n{text}"), &[], false).unwrap();
    assert!(loaded.config.dev && loaded.config.serve.public.host.is_local());
    assert!(exactly(text, &[], true).unwrap().config.dev);
    assert!(exactly(text, &[("DEV", "true")], false).unwrap().config.dev);
    assert_eq!(exactly(text, &[], false).unwrap_err().len(), 2);
    let open = exactly(text, &[("SERVE_ADMIN_HOST", "0.0.0.0")], true).unwrap_err();
    assert_eq!(open[0].key, "serve.admin.host");
    let none = exactly(text, &[("SERVE_COOKIES_SAME_SITE_MODE", "None")], true).unwrap();
    assert_eq!(none.config.serve.cookies.same_site, SameSite::Lax);
    assert!(none.warnings[0].contains("None needs https"));
}

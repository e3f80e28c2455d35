//! Each rule is broken once, and refused with its line and key.

mod broken;

use broken::BROKEN;

use super::*;

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

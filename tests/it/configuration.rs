//! Configurations that do not hold, as an operator meets them (security-cases.md F-44, AD-02): every problem at once, exit
//! status 2, nothing started. Each rule by itself has its test beside the code (`src/config/load/tests`).

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::process::{Ran, run_with};

/// Runs a command on this file in a folder of its own, with this environment.
fn hydrant(folder: &Path, yaml: &str, arguments: &[&str], env: &[(&str, &str)]) -> Ran {
    let file = folder.join("hydrant.yml");
    std::fs::write(&file, yaml).unwrap();
    let arguments: Vec<String> =
        arguments.iter().copied().chain(["-c", file.to_str().unwrap()]).map(str::to_owned).collect();
    let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    run_with(&env, &arguments, "")
}

const GOOD: &str = "urls: {self: {issuer: 'https://id.example.com'}}\nsecrets: {system: [kT4pR7vW2xZ9cN5mQ8sB]}\n";

/// What is wrong, and what each line of standard error begins with after the heading.
const BAD: &[(&str, &[&str])] = &[
    ("", &["secrets.system: is required", "urls.self.issuer: is required"]),
    (
        "urls: {self: {issuer: 'http://id.example.com'}}",
        &[":1: urls.self.issuer: must use https", "secrets.system: is"],
    ),
    (
        "urls: {self: {isuer: 'https://id.example.com'}}\nsecrets: {system: [kT4pR7vW2xZ9cN5mQ8sB]}\nttl: {auth_code: soon}",
        &[
            ":1: urls.self.isuer: is not a known key (fix: did you mean",
            ":3: ttl.auth_code: must be a duration",
            "urls.self.issuer: is required",
        ],
    ),
    (
        // AD-02: whoever reaches the admin API is the administrator.
        "urls: {self: {issuer: 'https://id.example.com'}}\nsecrets: {system: [kT4pR7vW2xZ9cN5mQ8sB]}\nserve: {admin: {host: 0.0.0.0}}",
        &[":3: serve.admin.host: must be a loopback address"],
    ),
    (
        "urls: {self: {issuer: 'https://id.example.com'}}\nsecrets: {system: [kT4pR7vW2xZ9cN5mQ8sB]}\nserve:\n  public:\n    tls:\n      enabled: true\n      cert: {path: missing.crt}\n      key: {path: missing.key}\n",
        &[
            ":7: serve.public.tls.cert.path: cannot be read: missing.crt",
            ":8: serve.public.tls.key.path: cannot be read: missing.key",
        ],
    ),
    (
        "urls: {self: {issuer: 'https://id.example.com'}}\nsecrets: {system: [kT4pR7vW2xZ9cN5mQ8sB]}\ndsn: 'postgres://u:hunter2@h:port/d'\nserve: {public: {port: many}, admin: {port: 70000}}\nlimits: [1]",
        &[
            ":3: dsn: is not a complete URL",
            ":4: serve.admin.port: must be a whole number",
            ":4: serve.public.port: must be a whole number",
            ":5: limits: must be a section",
        ],
    ),
    (
        "secrets: {system: [change-me-change-me]}\nurls: {self: {issuer: 'https://id.example.com'}}",
        &[":1: secrets.system: holds a sample secret"],
    ),
    ("urls: {self: ", &[":"]),
];

#[test]
fn f_44_every_problem_is_told_at_once_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("hydrant.yml").display().to_string();
    let database = folder.path().join("untouched.db");
    for (yaml, begins) in BAD {
        let env = [("DSN", format!("sqlite://{}", database.display()))];
        let env: Vec<_> = env.iter().filter(|_| !yaml.contains("dsn")).map(|(n, v)| (*n, v.as_str())).collect();
        let mut quickest = Duration::MAX;
        for command in ["check", "serve"] {
            let began = Instant::now();
            let ran = hydrant(folder.path(), yaml, &[command], &env);
            quickest = quickest.min(began.elapsed());
            assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{command} {yaml}: {}", ran.stderr);
            let lines: Vec<_> = ran.stderr.lines().collect();
            let heading = match begins.len() {
                1 => "error: the configuration has a problem:".to_owned(),
                count => format!("error: the configuration has {count} problems:"),
            };
            assert_eq!((lines[0], lines.len()), (heading.as_str(), 1 + begins.len()), "{yaml}: {}", ran.stderr);
            for (line, begin) in lines[1..].iter().zip(*begins) {
                let wanted = if begin.starts_with(':') { format!("  {name}{begin}") } else { format!("  {begin}") };
                assert!(line.starts_with(&wanted), "{yaml}: {line} should begin {wanted}");
            }
            assert!(!ran.stderr.contains("hunter2") && !ran.stderr.contains("kT4pR7vW2xZ9cN5mQ8sB"), "{}", ran.stderr);
        }
        assert!(quickest < Duration::from_secs(1), "{yaml}: {quickest:?}");
    }
    assert!(!database.exists(), "a database was made");
}

#[test]
fn f_44_a_file_that_can_not_be_read_is_named() {
    for command in [&["check"][..], &["serve"], &["client", "list"], &["migrate", "up"]] {
        let arguments = [command, &["-c", "/nowhere/hydrant.yml"]].concat();
        let ran = run_with(&[], &arguments.iter().map(ToString::to_string).collect::<Vec<_>>(), "");
        ran.failed(2, "/nowhere/hydrant.yml: the configuration cannot be read");
    }
}

/// One line where it holds; what works but deserves a word is a warning.
#[test]
fn a_configuration_that_holds_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let ran = hydrant(folder.path(), GOOD, &["check"], &[]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let file = folder.path().join("hydrant.yml").display().to_string();
    assert_eq!(ran.stdout, format!("ok: {file} holds; the issuer is https://id.example.com\n"));
    let ran = hydrant(folder.path(), &format!("{GOOD}tracing: {{provider: jaeger}}\n"), &["check"], &[]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("warning: ") && ran.stderr.contains("tracing"), "{}", ran.stderr);
    assert!(!folder.path().join("hydrant.db").exists(), "a check opens no database");
}

/// The environment rules over the file, and is enough by itself; what must not be read by others comes from files.
#[test]
fn the_environment_rules_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "kT4pR7vW2xZ9cN5mQ8sB\n").unwrap();
    let secret = secret.to_str().unwrap();
    let ran = hydrant(folder.path(), GOOD, &["check"], &[("URLS_SELF_ISSUER", "https://other.example.com")]);
    assert!(ran.stdout.ends_with("the issuer is https://other.example.com\n"), "{ran:?}");

    let alone = |env: &[(&str, &str)]| {
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        run_with(&env, &["check".to_owned()], "")
    };
    let issuer = ("URLS_SELF_ISSUER", "https://id.example.com");
    let ran = alone(&[issuer, ("SECRETS_SYSTEM_FILE", secret)]);
    assert_eq!(ran.stdout, "ok: the environment holds; the issuer is https://id.example.com\n", "{ran:?}");
    alone(&[issuer, ("SECRETS_SYSTEM_FILE", "/nowhere/secret")])
        .failed(2, "environment SECRETS_SYSTEM_FILE: secrets.system:");
    let both = [issuer, ("SECRETS_SYSTEM", "kT4pR7vW2xZ9cN5mQ8sB"), ("SECRETS_SYSTEM_FILE", secret)];
    alone(&both).failed(2, "is set by both SECRETS_SYSTEM and SECRETS_SYSTEM_FILE");
    let ran = alone(&[issuer, ("SECRETS_SYSTEM", "short"), ("DSN", "mysql://u:hunter2@h/d")]);
    ran.failed(2, "the configuration has 2 problems");
    assert!(!ran.stderr.contains("hunter2") && !ran.stderr.contains("short\n"), "{}", ran.stderr);
}

/// JSON Schema 2020-12, with a description for every key of `config/hydrant.yml`.
#[test]
fn the_schema_is_one_for_editors() {
    let schema = run_with(&[], &["schema".to_owned()], "").json();
    assert!(schema["$schema"].as_str().unwrap().starts_with("https://json-schema.org/draft/"), "{schema}");
    assert_eq!((&schema["type"], &schema["additionalProperties"]), (&"object".into(), &false.into()));
    let mut depth = Vec::new();
    let mut keys = 0;
    for line in include_str!("../../config/hydrant.yml").lines() {
        let indent = line.len() - line.trim_start().len();
        let text = line.trim_start();
        let text = if text.starts_with("# ") || text == "#" { continue } else { text.trim_start_matches('#') };
        let Some((key, _)) = text.split_once(':').filter(|_| !text.starts_with(' ')) else { continue };
        depth.truncate(indent / 2);
        depth.push(key);
        let mut at = &schema;
        for name in &depth {
            at = resolve(&schema, &at["properties"][name]);
            assert!(at.is_object(), "{} is not in the schema", depth.join("."));
        }
        assert!(at["description"].is_string(), "{}: {at}", depth.join("."));
        keys += 1;
    }
    assert!(keys > 100, "only {keys} keys were found: is config/hydrant.yml still read rightly?");
}

fn resolve<'a>(root: &'a serde_json::Value, at: &'a serde_json::Value) -> &'a serde_json::Value {
    match at["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
        Some(pointer) if at.get("properties").is_none() => root.pointer(pointer).unwrap(),
        _ => at,
    }
}

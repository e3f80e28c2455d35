//! `oauth2.token_hook` and `oauth2.refresh_token_hook` in both of their shapes.

use super::*;
use crate::config::{ApiKeyPlace, Hook};

/// What a test compares: the URL, the time, and the place, name and value of the secret.
type Shown = (String, Duration, Option<(ApiKeyPlace, String, String)>);

fn shown(hook: Option<Box<Hook>>) -> Option<Shown> {
    hook.map(|hook| {
        let key = hook.api_key.map(|key| (key.place, key.name, key.value.expose().to_owned()));
        (hook.url.to_string(), hook.timeout, key)
    })
}

const TWO_SECONDS: Duration = Duration::from_secs(2);

#[test]
fn nobody_is_asked_by_default() {
    let oauth2 = config("", &[]).oauth2;
    assert!(oauth2.token_hook.is_none() && oauth2.refresh_token_hook.is_none());
}

/// hydra.md section 4.2.
#[test]
fn a_hook_is_a_url_or_a_section_as_in_hydra() {
    let text = "
oauth2:
  refresh_token_hook: http://10.0.0.7/refresh
  token_hook:
    url: https://hooks.example/token?a=b
    timeout: 500ms
    auth: {type: api_key, config: {in: cookie, name: session, value: hunter2}}
";
    let loaded = load(text, &[]).unwrap();
    let oauth2 = loaded.config.oauth2;
    assert_eq!(shown(oauth2.refresh_token_hook), Some(("http://10.0.0.7/refresh".into(), TWO_SECONDS, None)));
    let key = (ApiKeyPlace::Cookie, "session".into(), "hunter2".into());
    let expected = ("https://hooks.example/token?a=b".into(), Duration::from_millis(500), Some(key));
    assert_eq!(shown(oauth2.token_hook.clone()), Some(expected));
    assert!(!format!("{:?}", oauth2.token_hook).contains("hunter2"));
    assert!(loaded.warnings.len() == 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].starts_with("t.yml:3: oauth2.refresh_token_hook.url: what it answers"));
}

#[test]
fn the_environment_says_a_part_or_the_whole() {
    let text = "oauth2: {token_hook: {url: 'https://a.example/', auth: {config: {name: X-Key, value: hunter2}}}}";
    let hook = |env: &[(&str, &str)]| shown(config(text, env).oauth2.token_hook).unwrap();
    let key = |value: &str| Some((ApiKeyPlace::Header, "X-Key".to_owned(), value.to_owned()));
    let part = hook(&[("OAUTH2_TOKEN_HOOK_AUTH_CONFIG_VALUE", "better")]);
    assert_eq!(part, ("https://a.example/".into(), TWO_SECONDS, key("better")));
    // The file's secret is not for another URL.
    let whole = hook(&[("OAUTH2_TOKEN_HOOK", "https://b.example/")]);
    assert_eq!(whole, ("https://b.example/".into(), TWO_SECONDS, None));
    let json = r#"{"url": "https://b.example/", "timeout": "1s", "auth": {"type": "api_key", "config": {"in": "header", "name": "X-Key"}}}"#;
    let both = hook(&[("OAUTH2_TOKEN_HOOK", json), ("OAUTH2_TOKEN_HOOK_AUTH_CONFIG_VALUE", "better")]);
    assert_eq!(both, ("https://b.example/".into(), Duration::from_secs(1), key("better")));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "from-a-file\n").unwrap();
    let from_file = hook(&[("OAUTH2_TOKEN_HOOK_AUTH_CONFIG_VALUE_FILE", file.to_str().unwrap())]);
    assert_eq!(from_file.2, key("from-a-file"));
}

#[test]
fn a_secret_needs_a_name_and_a_name_a_secret() {
    for (config, key) in [("value: hunter2", "name"), ("name: X-Key", "value")] {
        let text = format!("oauth2: {{token_hook: {{url: 'https://a.example', auth: {{config: {{{config}}}}}}}}}");
        let found = problems(&text, &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("oauth2.token_hook.auth.config.{key}: is required")), "{found:?}");
    }
    let text = "oauth2: {token_hook: {auth: {config: {name: X-Key, value: hunter2}}}}";
    assert!(warnings(text, &[])[0].contains("oauth2.token_hook.auth.config.value: has no effect"));
}

/// The time that a request has is the bound that counts.
#[test]
fn a_hook_is_given_less_time_than_the_request() {
    let text = "limits: {request_timeout: 2s}\noauth2: {token_hook: 'https://a.example'}";
    let found = problems(text, &[]);
    assert!(found.len() == 1 && found[0].contains("must be shorter than limits.request_timeout"), "{found:?}");
    assert!(problems("limits: {request_timeout: 2s}", &[]).is_empty(), "without a hook there is nothing to bound");
}

#[test]
fn off_this_machine_https_is_worth_a_word() {
    for (url, expected) in [
        ("https://10.0.0.7/", 0),
        ("http://127.0.0.1:8080/", 0),
        ("http://[::1]/", 0),
        ("http://localhost/", 0),
        ("http://hooks.internal/", 1),
    ] {
        assert_eq!(warnings(&format!("oauth2: {{token_hook: '{url}'}}"), &[]).len(), expected, "{url}");
    }
}

use serde_json::json;

use super::*;

fn read(value: Value) -> ClientMetadata {
    serde_json::from_value(value).unwrap()
}

fn scopes(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// hydra.md appendix A1, without what the server makes and without nulls.
#[test]
fn a_client_with_only_a_redirect_uri() {
    let client = read(json!({"redirect_uris": ["https://app.example/cb"]}));
    let stored = client.with_defaults(&scopes("offline_access offline openid"));
    assert_eq!(
        serde_json::to_value(&stored).unwrap(),
        json!({
            "client_name": "", "redirect_uris": ["https://app.example/cb"], "grant_types": [], "response_types": [],
            "scope": "offline_access offline openid", "audience": [], "owner": "", "contacts": [],
            "allowed_cors_origins": [], "subject_type": "public",
            "token_endpoint_auth_method": "client_secret_basic", "userinfo_signed_response_alg": "none",
            "metadata": {}, "skip_consent": false,
        })
    );
    assert_eq!(read(serde_json::to_value(&stored).unwrap()), stored);
}

/// conformance.md section 3: the SDK raises an error at a null and at an empty scope.
#[test]
fn null_is_read_as_nothing_and_never_written() {
    let members = [
        "client_name",
        "application_type",
        "redirect_uris",
        "grant_types",
        "response_types",
        "scope",
        "audience",
        "owner",
        "contacts",
        "client_uri",
        "logo_uri",
        "policy_uri",
        "tos_uri",
        "allowed_cors_origins",
        "subject_type",
        "sector_identifier_uri",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        "jwks",
        "jwks_uri",
        "request_uris",
        "request_object_signing_alg",
        "userinfo_signed_response_alg",
        "frontchannel_logout_uri",
        "frontchannel_logout_session_required",
        "backchannel_logout_uri",
        "backchannel_logout_session_required",
        "post_logout_redirect_uris",
        "metadata",
        "access_token_strategy",
        "skip_consent",
        "skip_logout_consent",
        "client_credentials_grant_access_token_lifespan",
    ];
    let nulls =
        read(members.iter().map(|name| ((*name).to_owned(), Value::Null)).collect::<serde_json::Map<_, _>>().into());
    assert_eq!(nulls, ClientMetadata::default());
    let written = serde_json::to_value(&nulls).unwrap();
    assert!(!has_null(&written) && written.get("scope").is_none(), "{written}");
    assert!(!has_null(&serde_json::to_value(nulls.with_defaults(&[])).unwrap()));
}

/// DR-29: unknown members are dropped; a member twice or of another type is no client.
#[test]
fn what_is_no_client_is_not_read() {
    let client = read(json!({"client_id": "chosen", "client_secret": "hidden", "made_up": 1}));
    assert_eq!(client, ClientMetadata::default());
    for text in [
        r#"{"client_name": 1}"#,
        r#"{"redirect_uris": "https://app.example/cb"}"#,
        r#"{"redirect_uris": [null]}"#,
        r#"{"scope": ["openid"]}"#,
        r#"{"skip_consent": "yes"}"#,
        r#"{"scope": "a", "scope": "b"}"#,
        r#"{"refresh_token_grant_id_token_lifespan": "1h", "refresh_token_grant_id_token_lifespan": "2h"}"#,
        "null",
    ] {
        assert!(serde_json::from_str::<ClientMetadata>(text).is_err(), "{text}");
    }
}

#[test]
fn everything_that_is_set_comes_back() {
    let full = json!({
        "client_name": "App", "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "scope": "openid offline",
        "audience": ["https://api.example"], "owner": "alice", "contacts": ["a@app.example"],
        "client_uri": "https://app.example/", "logo_uri": "https://app.example/l.png",
        "policy_uri": "https://app.example/p", "tos_uri": "https://app.example/t",
        "allowed_cors_origins": ["https://app.example"], "subject_type": "public",
        "sector_identifier_uri": "https://app.example/s", "token_endpoint_auth_method": "none",
        "token_endpoint_auth_signing_alg": "ES256", "jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks",
        "request_uris": ["https://app.example/r"], "request_object_signing_alg": "RS256",
        "userinfo_signed_response_alg": "none", "frontchannel_logout_uri": "https://app.example/f",
        "frontchannel_logout_session_required": true, "backchannel_logout_uri": "https://app.example/b",
        "backchannel_logout_session_required": true, "post_logout_redirect_uris": ["http://127.0.0.1/out"],
        "metadata": {"tenant": 7, "deep": [{"a": 1.5}]}, "access_token_strategy": "opaque", "skip_consent": true,
        "skip_logout_consent": false, "refresh_token_grant_refresh_token_lifespan": "720h0m0s",
    });
    assert_eq!(serde_json::to_value(read(full.clone())).unwrap(), full);
}

#[test]
fn what_is_left_out_has_its_default() {
    let client = ClientMetadata::default();
    assert_eq!(client.grant_types().collect::<Vec<_>>(), [GrantType::AuthorizationCode]);
    assert_eq!(client.response_types().collect::<Vec<_>>(), [ResponseType::Code]);
    assert_eq!(client.auth_method(), AuthMethod::Basic);
    assert_eq!(client.scope(&scopes("openid offline")).as_str(), "openid offline");
    assert!(!client.is_public() && !client.is_native());
    assert_eq!(client.name("0b2c"), "0b2c");
}

#[test]
fn what_is_set_counts() {
    let client = read(json!({
        "client_name": "Robot", "grant_types": ["client_credentials"], "response_types": ["code"],
        "scope": "jobs.read", "token_endpoint_auth_method": "none", "redirect_uris": ["com.example.app:/cb"],
    }));
    assert_eq!(client.grant_types().collect::<Vec<_>>(), [GrantType::ClientCredentials]);
    assert_eq!(client.response_types().count(), 0, "code needs the grant authorization_code, RFC 7591 section 2.1");
    assert!(!client.may_use(GrantType::AuthorizationCode) && client.is_public() && client.is_native());
    assert_eq!((client.scope(&scopes("openid")).as_str(), client.name("id")), ("jobs.read", "Robot"));
    for method in AuthMethod::ALL {
        assert_eq!(read(json!({"token_endpoint_auth_method": method.as_str()})).auth_method(), *method);
    }
    assert_eq!(read(json!({"token_endpoint_auth_method": "None"})).auth_method(), AuthMethod::Basic);
}

//! The token endpoint's own rules: RFC 6749 section 3.2 and 5.2.

use std::collections::HashSet;

use futures_util::future::join_all;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;

use crate::support::{Answer, SECRET, Server};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// A raw body from `svc`.
async fn raw(server: &Server, media_type: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let request = server.http.post(server.url("/oauth2/token")).basic_auth("svc", Some(SECRET)).body(body);
    let request = match media_type {
        Some(media_type) => request.header(CONTENT_TYPE, media_type),
        None => request,
    };
    Answer::of(request.send().await.unwrap()).await
}

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

/// RFC 6749 section 5.1: nobody on the way keeps the answer.
#[tokio::test]
async fn an_answer_with_tokens_is_not_stored() {
    let server = Server::start().await;
    let answer = server.post_as("svc", "/oauth2/token", &[GRANT]).await;
    answer.tokens();
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
    assert!(answer.header("content-type").unwrap().starts_with("application/json"));
}

/// RFC 6749 section 5.2. TC-16: the password grant is gone (RFC 9700 section 2.4).
#[tokio::test]
async fn tc_14_a_missing_unknown_or_repeated_grant_type_is_refused() {
    let server = Server::start().await;
    for body in ["", "grant_type=", "grant_type", "grant_type=client_credentials&grant_type=client_credentials"] {
        assert_eq!(raw(&server, FORM, body).await.error(), (400, "invalid_request".to_owned()), "{body}");
    }
    for grant in [
        "foo",
        "Client_Credentials",
        "client_credentials%20",
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
    ] {
        let answer = raw(&server, FORM, format!("grant_type={grant}&username=alice&password=x")).await;
        assert_eq!(answer.error(), (400, "unsupported_grant_type".to_owned()), "{grant}");
    }
}

/// RFC 9700 sections 2.1.2 and 2.4: neither is advertised, nor can a client be registered for it.
#[tokio::test]
async fn tc_16_tc_17_password_and_implicit_can_not_be_switched_on() {
    let server = Server::start().await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    let grants = metadata["grant_types_supported"].as_array().unwrap();
    for gone in ["password", "implicit"] {
        assert!(!grants.contains(&json!(gone)), "{grants:?}");
        let client = json!({ "grant_types": [gone], "redirect_uris": ["https://rp.example/cb"] });
        let answer = server.admin(reqwest::Method::POST, "/clients", Some(&client)).await;
        answer.assert_error(400, "invalid_client_metadata");
    }
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    for kind in ["token", "id_token", "code token"] {
        let client = json!({ "response_types": [kind], "redirect_uris": ["https://rp.example/cb"] });
        let answer = server.admin(reqwest::Method::POST, "/clients", Some(&client)).await;
        assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()), "{kind}");
    }
}

/// RFC 6749 section 3.2: a form, in UTF-8, and nothing else.
#[tokio::test]
async fn tc_19_another_media_type_is_refused() {
    let server = Server::start().await;
    let form = "grant_type=client_credentials";
    for media_type in [
        Some("application/json"),
        Some("text/plain"),
        None,
        Some("multipart/form-data; boundary=x"),
        Some("application/x-www-form-urlencoded; charset=utf-16"),
        Some("application/x-www-form-urlencodedx"),
        Some("application/x-www-form-urlencoded, application/json"),
    ] {
        for body in [form, r#"{"grant_type":"client_credentials"}"#] {
            let answer = raw(&server, media_type, body).await;
            assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{media_type:?}");
        }
    }
    for media_type in ["application/x-www-form-urlencoded;charset=UTF-8", "Application/X-WWW-Form-Urlencoded"] {
        raw(&server, Some(media_type), form).await.tokens();
    }
}

/// RFC 6749 section 5.2, TC-22: always the error object, in its own alphabet, and never what was sent.
#[tokio::test]
async fn tc_20_an_error_is_the_error_object_and_echoes_nothing() {
    let server = Server::start().await;
    let grant = "grant_type=client_credentials";
    let mut bodies: Vec<Vec<u8>> = [
        "grant_type=%zz",
        "grant_type=%",
        "%00=1",
        "grant_type=client_credentials%00",
        "grant_type=%ff",
        "grant_type=m4rk3r%22%0d%0a%5C%C3%A9",
        "grant_type=authorization_code&code=m4rk3r%22",
        "grant_type=refresh_token&refresh_token=m4rk3r%22",
        "grant_type=client_credentials&scope=m4rk3r%22%5C",
        "grant_type=client_credentials&audience=m4rk3r%0d%0aX:y",
        "grant_type=client_credentials&resource=m4rk3r",
        "grant_type=client_credentials&client_id=m4rk3r",
        "m4rk3r=1&m4rk3r=2",
    ]
    .map(|body| body.as_bytes().to_vec())
    .to_vec();
    bodies.push(b"grant_type=\xff\xfe".to_vec());
    bodies.push(format!("{grant}&{}", "m4rk3r=1&".repeat(200)).into_bytes());
    for body in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = raw(&server, FORM, body).await;
        assert_eq!(answer.status, 400, "{shown}: {}", answer.body);
        answer.error();
        let description = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert!(!answer.body.contains("m4rk3r") && !answer.body.contains("deserialize"), "{shown}: {description}");
        let sound = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        assert!(!description.is_empty() && description.bytes().all(sound), "{shown}: {description}");
    }
}

/// Ory 26.2.5: what one request did wrong never shows in the answer to another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tc_23_an_error_tells_of_its_own_request_only() {
    let server = Server::start().await;
    let kinds = [
        ("grant_type=refresh_token&refresh_token=hyr_x", "invalid_grant"),
        ("grant_type=client_credentials&scope=nothing", "invalid_scope"),
        ("grant_type=client_credentials&audience=https://other.example", "invalid_request"),
        ("grant_type=nothing", "unsupported_grant_type"),
    ];
    let alone: Vec<String> =
        join_all(kinds.map(|(body, _)| raw(&server, FORM, body))).await.into_iter().map(|answer| answer.body).collect();
    for _ in 0..25 {
        let answers = join_all((0..32).map(|at| raw(&server, FORM, kinds[at % 4].0))).await;
        for (at, answer) in answers.iter().enumerate() {
            assert_eq!(answer.body, alone[at % 4], "round with {}", kinds[at % 4].0);
        }
    }
    // `svc` has not the grant type refresh_token: that comes first.
    assert!(alone[0].contains("unauthorized_client") && alone[1].contains(kinds[1].1) && alone[3].contains(kinds[3].1));
}

/// CVE-2026-4634: a scope of any length is refused before it costs anything.
#[tokio::test]
async fn tc_28_a_very_long_scope_is_refused() {
    let server = Server::start().await;
    let many = (0..6000).map(|at| format!("s{at}")).collect::<Vec<_>>().join("+");
    for scope in ["a+".repeat(30_000), many, "a".repeat(5000), "a+".repeat(101)] {
        let answer = raw(&server, FORM, format!("grant_type=client_credentials&scope={scope}")).await;
        assert_eq!(answer.error(), (400, "invalid_scope".to_owned()), "{} bytes", scope.len());
    }
    let huge =
        raw(&server, FORM, format!("grant_type=client_credentials&scope={}", "a+".repeat(4 * 1024 * 1024))).await;
    assert_eq!(huge.error(), (413, "invalid_request".to_owned()));
}

/// RFC 6749 section 10.10, RFC 6750 section 5.2: tokens are random, each its own, and fit into a header.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tc_29_no_two_tokens_are_alike() {
    let server = Server::start().await;
    let mut seen = HashSet::new();
    for _ in 0..16 {
        for answer in join_all((0..64).map(|_| server.post_as("svc", "/oauth2/token", &[GRANT]))).await {
            let token = answer.tokens().access_token;
            assert!(
                token.len() > 64 && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            );
            // The nonce alone tells two apart.
            assert!(seen.insert(token["hya_".len() + 7..][..16].to_owned()), "a nonce was used twice");
            assert!(seen.insert(token), "a token was given twice");
        }
    }
}

/// RFC 6749 section 3.2: "The client MUST use the HTTP POST method".
#[tokio::test]
async fn the_token_endpoint_takes_post_alone() {
    let server = Server::start().await;
    let answer = server.get("/oauth2/token?grant_type=client_credentials").await;
    answer.assert_error(405, "invalid_request");
    assert!(answer.header("allow").unwrap().contains("POST"));
}

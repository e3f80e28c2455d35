//! Client authentication through HTTP: RFC 6749 section 2.3.

use hydrant::id::ClientId;
use hydrant::oauth::client_metadata::ClientMetadata;
use hydrant::secret::Secret;
use hydrant::store::client::Client;
use serde_json::json;

use crate::support::{Answer, Authorize, SECRET, Server, VERIFIER, race};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

/// 401, the error object, and the challenge of the scheme that could be tried (RFC 6749 section 5.2).
#[track_caller]
fn assert_unauthenticated(answer: &Answer) {
    answer.assert_error(401, "invalid_client");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="), "{:?}", answer.headers);
}

async fn basic(server: &Server, id: &str, secret: &str, fields: &[(&str, &str)]) -> Answer {
    send(server.http.post(server.url("/oauth2/token")).basic_auth(id, Some(secret)).form(fields)).await
}

/// RFC 6749 section 3.2.1: a confidential client has to authenticate, and the code waits for it.
#[tokio::test]
async fn tc_01_a_confidential_client_that_only_names_itself_is_refused() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::web()).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "https://rp.example/cb"),
        ("code_verifier", VERIFIER),
        ("client_id", "web"),
    ];
    assert_unauthenticated(&server.post("/oauth2/token", &fields).await);
    assert_unauthenticated(&server.post("/oauth2/token", &fields[..4]).await);
    server.token(&code).await.tokens();
}

/// RFC 6749 section 5.2: whether the client or its secret is wrong makes no difference.
#[tokio::test]
async fn tc_02_a_wrong_secret_looks_like_an_unknown_client() {
    let server = Server::start().await;
    let fields = [("grant_type", "authorization_code"), ("code", "x")];
    let wrong = basic(&server, "web", "wrong", &fields).await;
    let unknown = basic(&server, "nobody", "wrong", &fields).await;
    for answer in [&wrong, &unknown] {
        assert_unauthenticated(answer);
    }
    assert_eq!(wrong.body, unknown.body);
    for near in [&SECRET[1..], &SECRET[..SECRET.len() - 1], &format!("{SECRET} "), &SECRET.to_uppercase(), ""] {
        assert_unauthenticated(&basic(&server, "web", near, &fields).await);
    }
}

/// TC-03, RFC 6749 section 2.3.1: id and secret are form-encoded inside Basic; what is not well-formed is 401.
#[tokio::test]
async fn tc_03_basic_is_form_encoded_and_well_formed() {
    let server = Server::start().await;
    let client = json!({
        "client_id": "a:b c", "client_secret": "p+q r%&:long-enough-to-be-one", "grant_types": ["client_credentials"],
        "response_types": [], "scope": "photos.read",
    });
    let made = server.admin(reqwest::Method::POST, "/clients", Some(&client)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    basic(&server, "a%3Ab+c", "p%2Bq+r%25%26%3Along-enough-to-be-one", &[GRANT]).await.tokens();
    for header in
        ["Basic", "Basic ", "Basic !!!", "Basic d2Vi", "Basic OnNlY3JldA==", "Basic /////w==", "Basic AAAA AAAA"]
    {
        let request = server.http.post(server.url("/oauth2/token")).header("authorization", header).form(&[GRANT]);
        assert_unauthenticated(&send(request).await);
    }
    let request = server.http.post(server.url("/oauth2/token")).header("authorization", b"Basic \xff".as_slice());
    assert_unauthenticated(&send(request.form(&[GRANT])).await);
}

/// RFC 6749 section 2.3: "The client MUST NOT use more than one authentication method in each request."
#[tokio::test]
async fn tc_04_two_methods_at_once_are_refused() {
    let server = Server::start().await;
    let basic_and = |field| {
        let request = server.http.post(server.url("/oauth2/token")).basic_auth("svc", Some(SECRET));
        send(request.form(&[GRANT, field]))
    };
    basic_and(("client_secret", SECRET)).await.assert_error(400, "invalid_request");
    basic_and(("client_assertion", "a.b.c")).await.assert_error(400, "invalid_request");
    basic_and(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
        .await
        .assert_error(400, "invalid_request");
    let both = [GRANT, ("client_id", "svc"), ("client_secret", SECRET), ("client_assertion", "a.b.c")];
    server.post("/oauth2/token", &both).await.assert_error(400, "invalid_request");
    let twice = server.http.post(server.url("/oauth2/token")).basic_auth("svc", Some(SECRET));
    send(twice.basic_auth("svc", Some(SECRET)).form(&[GRANT])).await.assert_error(400, "invalid_request");
    basic_and(("client_id", "svc")).await.tokens();
}

#[tokio::test]
async fn tc_05_header_and_body_must_name_the_same_client() {
    let server = Server::start().await;
    for named in ["evil", "SVC", "svc "] {
        let answer = basic(&server, "svc", SECRET, &[GRANT, ("client_id", named)]).await;
        assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{named}");
    }
}

/// TC-06: the method is the one that the client has registered, not another.
#[tokio::test]
async fn tc_06_only_the_registered_method_counts() {
    let server = Server::start().await;
    let posted = [GRANT, ("client_id", "svc"), ("client_secret", SECRET)];
    assert_unauthenticated(&server.post("/oauth2/token", &posted).await);
    server
        .client(
            "poster",
            json!({
                "grant_types": ["client_credentials"], "response_types": [], "scope": "photos.read",
                "token_endpoint_auth_method": "client_secret_post",
            }),
        )
        .await;
    let posted = [GRANT, ("client_id", "poster"), ("client_secret", SECRET)];
    server.post("/oauth2/token", &posted).await.tokens();
    assert_unauthenticated(&basic(&server, "poster", SECRET, &[GRANT]).await);
    assert_unauthenticated(
        &basic(&server, "spa", SECRET, &[("grant_type", "authorization_code"), ("code", "x")]).await,
    );
    let public = [("client_id", "spa"), ("client_secret", SECRET), ("grant_type", "authorization_code"), ("code", "x")];
    assert_unauthenticated(&server.post("/oauth2/token", &public).await);
}

/// RFC 6749 section 2.3.1: an empty secret is none: enough for a public client, nothing for a confidential one.
#[tokio::test]
async fn tc_07_an_empty_secret_is_no_secret() {
    let server = Server::start().await;
    let code = server.code_for(&Authorize::of("spa", "https://spa.example/cb")).await;
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "https://spa.example/cb"),
        ("code_verifier", VERIFIER),
        ("client_secret", ""),
    ];
    fields.push(("client_id", "web"));
    assert_unauthenticated(&server.post("/oauth2/token", &fields).await);
    fields.pop();
    fields.push(("client_id", "spa"));
    server.post("/oauth2/token", &fields).await.tokens();
}

/// A client as it could stand in a database that somebody else has filled.
async fn insert(server: &Server, id: &str, secret_hash: Option<&str>, secret_expires_at: i64) {
    let metadata = json!({ "grant_types": ["client_credentials"], "response_types": [], "scope": "photos.read" });
    let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
    let now = server.clock.now();
    let client = Client {
        secret_hash: secret_hash.map(str::to_owned),
        secret_expires_at,
        ..Client::new(ClientId::new(id), metadata.with_defaults(&[]), now)
    };
    server.app().store.insert_client(&client).await.unwrap();
}

/// An empty secret never matches an empty hash.
#[tokio::test]
async fn tc_08_a_client_without_a_secret_can_not_authenticate_with_nothing() {
    let server = Server::start().await;
    let cases = [("null", None), ("empty", Some("")), ("bare", Some("sha256:")), ("junk", Some("not a hash"))];
    for (id, hash) in cases {
        insert(&server, id, hash, 0).await;
        for secret in ["", " ", "sha256:", "null", "not a hash"] {
            let answer = basic(&server, id, secret, &[GRANT]).await;
            assert_eq!(answer.error(), (401, "invalid_client".to_owned()), "{id} {secret:?}");
        }
        assert_unauthenticated(&server.post("/oauth2/token", &[GRANT, ("client_id", id)]).await);
    }
}

/// RFC 7591 section 3.2.1: a secret ends when its client was told that it does.
#[tokio::test]
async fn tc_10_an_expired_secret_is_refused() {
    let server = Server::start().await;
    let hash = Client::hash_of_generated(&Secret::new(SECRET));
    let at = server.clock.now().seconds() + 60;
    insert(&server, "short", Some(&hash), at).await;
    basic(&server, "short", SECRET, &[GRANT]).await.tokens();
    server.pass(60);
    assert_unauthenticated(&basic(&server, "short", SECRET, &[GRANT]).await);
}

/// A secret that was changed is dead at once, also where the old one was remembered as right.
#[tokio::test]
async fn tc_11_a_changed_secret_ends_the_old_one() {
    let server = Server::start().await;
    for (old, new) in
        [(SECRET, "another-secret-of-some-length"), ("another-secret-of-some-length", "and-one-more-secret-here")]
    {
        basic(&server, "svc", old, &[GRANT]).await.tokens();
        server.change_client("svc", |client| client["client_secret"] = json!(new)).await;
        assert_unauthenticated(&basic(&server, "svc", old, &[GRANT]).await);
        basic(&server, "svc", new, &[GRANT]).await.tokens();
    }
}

/// RE-01: a client that asks from everywhere at once with a chosen secret does not stand in its own way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_of_one_client_take_one_place() {
    let server = Server::with(|config| {
        config.limits.password_hashes = 1;
        config.limits.login_per_address = 1;
    })
    .await;
    server.change_client("svc", |client| client["client_secret"] = json!("chosen-by-a-person")).await;
    let server = std::sync::Arc::new(server);
    let answers = race(32, |_| {
        let server = std::sync::Arc::clone(&server);
        async move { basic(&server, "svc", "chosen-by-a-person", &[GRANT]).await.status }
    })
    .await;
    assert_eq!(answers, [200; 32]);
}

/// RE-01: who guesses at a secret that somebody chose is held to a limit, and what it is has no part in it. The client
/// itself, once seen, goes on.
#[tokio::test]
async fn a_chosen_secret_is_not_guessed_at_for_long() {
    let server = Server::with(|config| config.limits.login_per_address = 3).await;
    server.change_client("svc", |client| client["client_secret"] = json!("chosen-by-a-person")).await;
    basic(&server, "svc", "chosen-by-a-person", &[GRANT]).await.tokens();
    for _ in 0..3 {
        assert_unauthenticated(&basic(&server, "svc", "a wrong one", &[GRANT]).await);
    }
    let refused = basic(&server, "svc", "another wrong one", &[GRANT]).await;
    refused.assert_error(429, "too_many_requests");
    assert!(refused.header("retry-after").is_some_and(|wait| wait.parse::<u64>().unwrap() > 0));
    basic(&server, "svc", "chosen-by-a-person", &[GRANT]).await.tokens();
    // One of ours has 256 bits: there is nothing to guess, and nothing to hash.
    for _ in 0..10 {
        assert_unauthenticated(&basic(&server, "rs1", "a wrong one", &[GRANT]).await);
    }
}

/// RFC 6749 section 2.3.1: credentials "MUST NOT be included in the request URI".
#[tokio::test]
async fn tc_13_credentials_in_the_url_do_not_count() {
    let server = Server::start().await;
    server
        .client(
            "poster",
            json!({
                "grant_types": ["client_credentials"], "response_types": [], "scope": "photos.read",
                "token_endpoint_auth_method": "client_secret_post",
            }),
        )
        .await;
    let path = format!("/oauth2/token?client_id=poster&client_secret={SECRET}");
    assert_unauthenticated(&server.post(&path, &[GRANT]).await);
    assert_unauthenticated(&server.post(&path, &[GRANT, ("client_id", "poster")]).await);
    let all = format!("{path}&grant_type=client_credentials");
    assert_unauthenticated(&server.post(&all, &[]).await);
}

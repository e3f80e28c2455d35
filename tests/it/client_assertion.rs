//! Client assertions through HTTP: `private_key_jwt` and `client_secret_jwt` (RFC 7523 section 3, OpenID Connect Core
//! section 9): what they say, whom they are for, and that they count once. Group CA of security-cases.md.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::signer::{Signer, assertion, mac, proof};
use crate::support::{Answer, Authorize, Database, Server, VERIFIER, race};

pub const GRANT: (&str, &str) = ("grant_type", "client_credentials");
/// Long enough for every HMAC.
const LONG_SECRET: &str = "a-secret-of-sixty-four-characters-which-is-as-long-as-sha-512-is";

/// Registers a client that authenticates by its keys.
pub async fn by_key(server: &Server, id: &str, jwks: &Value, changes: Value) {
    let mut client = json!({
        "client_id": id, "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"],
        "response_types": [], "scope": "photos.read", "jwks": jwks,
    });
    client.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let made = server.admin(Method::POST, "/clients", Some(&client)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert!(made.json().get("client_secret").is_none(), "a secret that is good for nothing: {}", made.body);
}

/// `jwtc` of security-cases.md.
pub async fn jwtc(server: &Server) -> Signer {
    let signer = Signer::es256();
    by_key(server, "jwtc", &signer.jwks(), json!({ "token_endpoint_auth_signing_alg": "ES256" })).await;
    signer
}

pub async fn by_secret(server: &Server, id: &str, changes: Value) -> String {
    let mut client = json!({
        "client_id": id, "token_endpoint_auth_method": "client_secret_jwt", "grant_types": ["client_credentials"],
        "response_types": [], "scope": "photos.read",
    });
    client.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let made = server.admin(Method::POST, "/clients", Some(&client)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()["client_secret"].as_str().unwrap().to_owned()
}

pub async fn token(server: &Server, assertion: &str) -> Answer {
    let [kind, own] = proof(assertion);
    server.post("/oauth2/token", &[GRANT, kind, own]).await
}

#[track_caller]
pub fn assert_accepted(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 200, "{what}: {}", answer.body);
}

/// Refused, in the words that every refusal has.
#[track_caller]
pub fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.body);
    answer.assert_error(401, "invalid_client");
    let description = answer.json()["error_description"].as_str().unwrap().to_owned();
    let same = "Client authentication failed (unknown client, no authentication included, or wrong credentials).";
    assert_eq!(description, same, "{what}");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="));
}

pub fn with(mut claims: Value, changes: &Value) -> Value {
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

/// OpenID Connect Core section 9, at every endpoint where clients authenticate.
#[tokio::test]
async fn an_assertion_is_the_client_at_every_endpoint() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let secret = by_secret(&server, "secretjwt", json!({})).await;
    assert_eq!(secret.len(), 86, "64 random bytes");
    let by = |client: &str| match client {
        "jwtc" => signer.sign(&assertion(&server, client)),
        _ => mac("HS256", secret.as_bytes(), &assertion(&server, client)),
    };
    for client in ["jwtc", "secretjwt"] {
        let proven = by(client);
        let [kind, own] = proof(&proven);
        let answer = server.post("/oauth2/token", &[GRANT, kind, own, ("client_id", client)]).await;
        let access_token = answer.tokens().access_token;
        let proven = by(client);
        let [kind, own] = proof(&proven);
        let told = server.post("/oauth2/introspect", &[("token", &access_token), kind, own]).await;
        assert_eq!(told.json()["active"], true, "{}", told.body);
        let proven = by(client);
        let [kind, own] = proof(&proven);
        assert_eq!(server.post("/oauth2/revoke", &[("token", &access_token), kind, own]).await.status, 200);
        assert!(!server.introspect(&access_token).await.active);
    }
    for alg in ["HS384", "HS512"] {
        let proven = mac(alg, secret.as_bytes(), &assertion(&server, "secretjwt"));
        assert_accepted(&token(&server, &proven).await, alg);
    }
}

/// A code and a refresh token of a client that has keys.
#[tokio::test]
async fn a_code_is_redeemed_by_assertion() {
    let server = Server::start().await;
    let signer = Signer::es256();
    let changes = json!({
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "redirect_uris": ["https://jwt.example/cb"], "scope": "openid offline",
    });
    by_key(&server, "jwtweb", &signer.jwks(), changes).await;
    let request = Authorize::of("jwtweb", "https://jwt.example/cb").set("scope", "openid offline");
    let code = server.browser().code(&request, "alice").await;
    let proven = signer.sign(&assertion(&server, "jwtweb"));
    let [kind, own] = proof(&proven);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "https://jwt.example/cb"),
        ("code_verifier", VERIFIER),
    ];
    server
        .post("/oauth2/token", &[&fields[..], &[("client_id", "jwtweb")]].concat())
        .await
        .assert_error(401, "invalid_client");
    let tokens = server.post("/oauth2/token", &[&fields[..], &[kind, own]].concat()).await.tokens();
    let again = server.post("/oauth2/token", &[&fields[..], &[kind, own]].concat()).await;
    assert_refused(&again, "the assertion is spent, so the code is not even looked at");
    let proven = signer.sign(&assertion(&server, "jwtweb"));
    let [kind, own] = proof(&proven);
    let refreshed = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), kind, own];
    server.post("/oauth2/token", &refreshed).await.tokens();
}

/// CA-16 to CA-22, CA-26, CA-37: every claim is judged; whatever else is in it does no harm.
#[tokio::test]
async fn ca_16_to_ca_26_ca_37_one_changed_claim_is_enough() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let now = server.clock.now().seconds();
    let issuer = server.issuer.clone();
    for changes in [
        json!({ "exp": null }),
        json!({ "exp": now - 11 }),
        json!({ "exp": now - 300 }),
        json!({ "exp": now + 3700 }),
        json!({ "exp": (now + 60).to_string() }),
        json!({ "exp": [now + 60] }),
        json!({ "nbf": now + 61 }),
        json!({ "nbf": "now" }),
        json!({ "iat": now + 61 }),
        json!({ "iat": now - 7 * 86_400 }),
        json!({ "iat": null }),
        json!({ "aud": "https://other.example" }),
        json!({ "aud": "" }),
        json!({ "aud": [] }),
        json!({ "aud": [1] }),
        json!({ "aud": { "a": issuer } }),
        json!({ "aud": null }),
        json!({ "aud": [issuer] }),
        json!({ "aud": format!("{issuer}/") }),
        json!({ "aud": format!("{issuer}/oauth2/token") }),
        json!({ "aud": format!("{issuer}.evil.example") }),
        json!({ "aud": issuer.to_uppercase() }),
        json!({ "jti": null }),
        json!({ "jti": "" }),
        json!({ "jti": 7 }),
        json!({ "jti": ["a"] }),
        json!({ "jti": "x".repeat(257) }),
        json!({ "iss": "web" }),
        json!({ "iss": ["jwtc"] }),
        json!({ "sub": "web" }),
        json!({ "sub": null }),
        json!({ "iss": "web", "sub": "web" }),
        json!({ "iss": "svc", "sub": "svc" }),
        json!({ "iss": "nobody", "sub": "nobody" }),
    ] {
        let jwt = signer.sign(&with(assertion(&server, "jwtc"), &changes));
        assert_refused(&token(&server, &jwt).await, &changes.to_string());
    }
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        let mut claims = assertion(&server, "jwtc");
        claims.as_object_mut().unwrap().remove(name);
        assert_refused(&token(&server, &signer.sign(&claims)).await, name);
    }
    for changes in [
        json!({ "exp": now - 1 }),
        json!({ "exp": now + 3600 }),
        json!({ "exp": now + 60, "nbf": now + 8, "iat": now + 8 }),
        json!({ "jti": "x".repeat(256) }),
        json!({ "anything": [{ "else": 1 }], "nonce": "n", "sid": null }),
    ] {
        let jwt = signer.sign(&with(assertion(&server, "jwtc"), &changes));
        assert_accepted(&token(&server, &jwt).await, &changes.to_string());
    }
    let mut bare = assertion(&server, "jwtc");
    bare.as_object_mut().unwrap().remove("iat");
    assert_accepted(&token(&server, &signer.sign(&bare)).await, "iat may be left out");
}

/// CVE-2025-27370: only where the operator puts up with it, and only these.
#[tokio::test]
async fn ca_23_older_audiences_where_they_are_put_up_with() {
    let server = Server::with(|config| config.oauth2.compatible_audience = true).await;
    let signer = jwtc(&server).await;
    let issuer = server.issuer.clone();
    for (aud, is_good) in [
        (json!(issuer), true),
        (json!([issuer]), true),
        (json!(format!("{issuer}/oauth2/token")), true),
        (json!([format!("{issuer}/oauth2/token"), "https://other.example"]), true),
        (json!(format!("{issuer}/oauth2/token/")), false),
        (json!(format!("{issuer}/oauth2/revoke")), false),
        (json!(format!("{issuer}/oauth2/TOKEN")), false),
        (json!(["https://other.example"]), false),
        (json!([issuer, 1]), false),
    ] {
        let jwt = signer.sign(&with(assertion(&server, "jwtc"), &json!({ "aud": aud })));
        let answer = token(&server, &jwt).await;
        match is_good {
            true => assert_accepted(&answer, &aud.to_string()),
            false => assert_refused(&answer, &aud.to_string()),
        }
    }
}

/// RFC 8725 sections 3.11 and 3.12.
#[tokio::test]
async fn ca_25_a_token_of_another_kind_is_no_assertion() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let tokens = server.tokens_with("openid offline").await;
    for other in [tokens.id_token.as_deref().unwrap(), &tokens.access_token, tokens.refresh()] {
        assert_refused(&token(&server, other).await, other);
    }
    for typ in ["at+jwt", "dpop+jwt", "logout+jwt", "oauth-authz-req+jwt", "secevent+jwt", "jwt2", "", "JWT "] {
        let header = json!({ "alg": "ES256", "typ": typ });
        assert_refused(&token(&server, &signer.sign_as(&header, &assertion(&server, "jwtc"))).await, typ);
    }
    for typ in ["JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"] {
        let header = json!({ "alg": "ES256", "typ": typ });
        assert_accepted(&token(&server, &signer.sign_as(&header, &assertion(&server, "jwtc"))).await, typ);
    }
}

/// CA-28: one of many, at three endpoints and two replicas; and after a restart none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ca_28_an_assertion_counts_once() {
    let mut one = Server::on(Database::new().await, hydrant::clock::Clock::manual(), |_| {}).await;
    let issuer = one.issuer.clone();
    let mut two = Server::on(one.database.clone(), one.clock.clone(), |config| {
        config.urls.issuer.clone_from(&issuer);
        config.urls.issuer_url = issuer.parse().unwrap();
    })
    .await;
    two.issuer = format!("http://127.0.0.1:{}", two.config().serve.public.port);
    let signer = jwtc(&one).await;
    let spent = {
        let servers = [Arc::new(one), Arc::new(two)];
        let mut spent = String::new();
        for _ in 0..3 {
            spent = signer.sign(&assertion(&servers[0], "jwtc"));
            let answers = race(32, |racer| {
                let (server, own) = (Arc::clone(&servers[racer % 2]), spent.clone());
                async move {
                    let [kind, own] = proof(&own);
                    match racer % 3 {
                        0 => server.post("/oauth2/token", &[GRANT, kind, own]).await,
                        1 => server.post("/oauth2/revoke", &[("token", "hya_x"), kind, own]).await,
                        _ => server.post("/oauth2/introspect", &[("token", "hya_x"), kind, own]).await,
                    }
                }
            })
            .await;
            assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
            for answer in answers.iter().filter(|answer| answer.status != 200) {
                assert_refused(answer, "a racer");
            }
        }
        let [first, _] = servers;
        one = Arc::into_inner(first).unwrap();
        spent
    };
    one.stop().await;
    one.resume().await;
    assert_refused(&token(&one, &spent).await, "after a restart");
    // It leaves the table when it could not pass any more, and not before.
    one.pass(60);
    one.app().store.sweep(one.clock.now()).await.unwrap();
    assert_eq!(one.database.count("used_jtis").await, 3);
    one.pass(120);
    one.app().store.sweep(one.clock.now()).await.unwrap();
    assert_eq!(one.database.count("used_jtis").await, 0);
}

/// RFC 7519 section 4.1.7.
#[tokio::test]
async fn ca_29_one_clients_jti_is_not_anothers() {
    let server = Server::start().await;
    let first = jwtc(&server).await;
    let second = Signer::es256();
    by_key(&server, "other", &second.jwks(), json!({})).await;
    let same = json!({ "jti": "1" });
    for (signer, client) in [(&first, "jwtc"), (&second, "other")] {
        let jwt = signer.sign(&with(assertion(&server, client), &same));
        assert_accepted(&token(&server, &jwt).await, client);
        assert_refused(&token(&server, &jwt).await, client);
    }
}

/// RFC 7521 section 4.2; RFC 6749 section 2.3.
#[tokio::test]
async fn ca_34_both_parameters_once_and_no_other_method() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let jwt = signer.sign(&assertion(&server, "jwtc"));
    let [kind, own] = proof(&jwt);
    for fields in [
        vec![GRANT, own],
        vec![GRANT, kind],
        vec![GRANT, ("client_assertion_type", "urn:x:foo"), own],
        vec![GRANT, kind, own, own],
        vec![GRANT, kind, kind, own],
        vec![GRANT, kind, own, ("client_secret", "x")],
        vec![GRANT, kind, own, ("client_id", "jwtc"), ("client_secret", "x")],
    ] {
        server.post("/oauth2/token", &fields).await.assert_error(400, "invalid_request");
    }
    let answer = server.post("/oauth2/token", &[GRANT, kind, own, ("client_id", "web")]).await;
    assert_refused(&answer, "client_id names another");
    for (path, rest) in [("/oauth2/token?", ""), ("/oauth2/token?client_id=jwtc&", "&grant_type=client_credentials")] {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs([kind, own]).finish();
        let in_url = server.post(&format!("{path}{query}{rest}"), &[GRANT]).await;
        in_url.assert_error(401, "invalid_client");
    }
    assert_accepted(&server.post("/oauth2/token", &[GRANT, kind, own, ("client_id", "jwtc")]).await, "as it should be");
}

/// Only the method that is registered: a secret is no key, and a key no secret.
#[tokio::test]
async fn only_the_registered_method_counts() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let secret = by_secret(&server, "secretjwt", json!({ "client_secret": LONG_SECRET })).await;
    assert_eq!(secret, LONG_SECRET);
    // `svc` has a secret, and is registered for Basic.
    let posted = mac("HS256", crate::support::SECRET.as_bytes(), &assertion(&server, "svc"));
    assert_refused(&token(&server, &posted).await, "svc");
    assert_refused(&token(&server, &signer.sign(&assertion(&server, "svc"))).await, "svc by a key of another");
    assert_refused(&token(&server, &signer.sign(&assertion(&server, "secretjwt"))).await, "secretjwt by a key");
    assert_refused(
        &token(&server, &mac("HS256", secret.as_bytes(), &assertion(&server, "jwtc"))).await,
        "jwtc by a secret",
    );
    for basic in [true, false] {
        let request = server.http.post(server.url("/oauth2/token"));
        let request = match basic {
            true => request.basic_auth("secretjwt", Some(LONG_SECRET)).form(&[GRANT]),
            false => request.form(&[GRANT, ("client_id", "secretjwt"), ("client_secret", LONG_SECRET)]),
        };
        Answer::of(request.send().await.unwrap()).await.assert_error(401, "invalid_client");
    }
    server.post("/oauth2/token", &[GRANT, ("client_id", "jwtc")]).await.assert_error(401, "invalid_client");
    assert_accepted(&token(&server, &mac("HS256", secret.as_bytes(), &assertion(&server, "secretjwt"))).await, "own");
}

/// CA-04 for secrets: the registered algorithm alone.
#[tokio::test]
async fn a_secret_signs_with_the_registered_algorithm() {
    let server = Server::start().await;
    let secret = by_secret(&server, "hs384", json!({ "token_endpoint_auth_signing_alg": "HS384" })).await;
    for alg in ["HS256", "HS384", "HS512"] {
        let answer = token(&server, &mac(alg, secret.as_bytes(), &assertion(&server, "hs384"))).await;
        assert_eq!(answer.status == 200, alg == "HS384", "{alg}: {}", answer.body);
    }
    for wrong in ["", "x", &secret[1..], LONG_SECRET] {
        assert_refused(&token(&server, &mac("HS384", wrong.as_bytes(), &assertion(&server, "hs384"))).await, wrong);
    }
    let short = json!({
        "token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS384",
        "client_secret": "x".repeat(47),
    });
    let answer = server.admin(Method::POST, "/clients", Some(&short)).await;
    assert_eq!(answer.error().1, "invalid_client_metadata");
    assert!(answer.body.contains("client_secret") && answer.body.contains("48"), "{}", answer.body);
}

/// TC-10.
#[tokio::test]
async fn tc_10_an_expired_secret_signs_nothing() {
    let server = Server::start().await;
    let secret = by_secret(&server, "short", json!({})).await;
    let at = server.clock.now().seconds() + 60;
    server.database.execute(&format!("UPDATE clients SET secret_expires_at = {at} WHERE id = 'short'")).await;
    server.change_client("short", |client| client["client_name"] = json!("read anew")).await;
    assert_accepted(&token(&server, &mac("HS256", secret.as_bytes(), &assertion(&server, "short"))).await, "before");
    server.pass(60);
    assert_refused(&token(&server, &mac("HS256", secret.as_bytes(), &assertion(&server, "short"))).await, "after");
}

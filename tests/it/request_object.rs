//! Request objects through HTTP: RFC 9101, OpenID Connect Core section 6. Group RO of security-cases.md;
//! `request_object_elsewhere.rs` has those that are encrypted or fetched.

use hydrant::jose::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::signer::{Signer, assertion, mac, proof, unsigned};
use crate::support::{Authorize, Server, VERIFIER, challenge_of};

pub const CALLBACK: &str = "https://rp.example/cb";

/// Registers a client that makes request objects; its secret.
pub async fn register(server: &Server, id: &str, changes: Value) -> String {
    let mut client = json!({
        "client_id": id, "redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid offline profile", "audience": ["https://api.example/v1", "https://api.example/v2"],
        "skip_consent": true,
    });
    client.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let made = server.admin(Method::POST, "/clients", Some(&client)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()["client_secret"].as_str().unwrap_or_default().to_owned()
}

/// `ro`, with one key.
async fn ro(server: &Server) -> Signer {
    let signer = Signer::es256();
    register(server, "ro", json!({ "jwks": signer.jwks() })).await;
    signer
}

/// The claims of a good object of this client, with these in addition or in place.
pub fn object(server: &Server, client: &str, changes: &Value) -> Value {
    let now = server.clock.now().seconds();
    let mut claims = json!({
        "iss": client, "aud": server.config().urls.issuer, "exp": now + 300, "nbf": now, "client_id": client,
        "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid", "code_challenge_method": "S256",
        "code_challenge": challenge_of(VERIFIER),
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

pub fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// What stands outside in any case, and the object.
pub fn by_value(client: &str, object: &str) -> Authorize {
    outside(client).set("request", object)
}

pub fn by_reference(client: &str, uri: &str) -> Authorize {
    outside(client).set("request_uri", uri)
}

pub fn outside(client: &str) -> Authorize {
    ["redirect_uri", "scope", "nonce", "code_challenge", "code_challenge_method"]
        .into_iter()
        .fold(Authorize::of(client, CALLBACK), Authorize::without)
}

/// Somebody signs in and the client gets its code.
pub async fn assert_granted(server: &Server, request: &Authorize) -> String {
    let mut browser = server.browser();
    let page = browser.authorize(request).await;
    assert!(page.has_field("login_challenge"), "{} {:?} {}", page.status, page.location(), page.body);
    let answer = browser.login(&page, "alice", crate::support::PASSWORD, false).await;
    let code = answer.parameter("code");
    assert!(answer.location().unwrap_or_default().starts_with(CALLBACK), "{:?} {}", answer.location(), answer.body);
    code.unwrap_or_else(|| panic!("{:?}", answer.location()))
}

/// By GET: a form without cookies is sent on, to see who is signed in.
pub async fn assert_login_required(server: &Server, request: &Authorize) {
    server.ask(request).await.get.assert_back(server, 302, "login_required");
}

/// OpenID Connect Core section 6.3.3: inside goes first, and what is only outside counts too.
#[tokio::test]
async fn a_signed_request_is_the_request_that_counts() {
    let server = Server::start().await;
    let signer = Signer::es256();
    let secret = register(&server, "ro", json!({ "jwks": signer.jwks() })).await;
    let inside = json!({ "nonce": "inside", "scope": "openid offline", "audience": ["https://api.example/v1"] });
    let jwt = signer.sign(&object(&server, "ro", &inside));
    let request = by_value("ro", &jwt).set("nonce", "outside").set("scope", "openid profile");
    let code = assert_granted(&server, &request).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let redeem = server.http.post(server.url("/oauth2/token")).basic_auth("ro", Some(secret)).form(&fields);
    let tokens = crate::support::Answer::of(redeem.send().await.unwrap()).await.tokens();
    assert_eq!(tokens.scope, "openid offline");
    assert_eq!(tokens.claims()["nonce"], "inside");
    let told = server.introspect(&tokens.access_token).await;
    assert_eq!(told.rest["aud"], json!(["https://api.example/v1"]));
    // From outside comes what is not inside: here, that nobody may be asked.
    assert_login_required(&server, &by_value("ro", &jwt).set("prompt", "none")).await;
}

/// RFC 9101 section 5: the object and `client_id` are a whole request, also of a client that does not require objects.
#[tokio::test]
async fn nothing_else_has_to_stand_outside() {
    let server = Server::start().await;
    let signer = ro(&server).await;
    let alone = |claims: &Value| by_value("ro", &signer.sign(claims)).without("response_type").without("state");
    assert_granted(&server, &alone(&object(&server, "ro", &json!({})))).await;
    let nothing = without(object(&server, "ro", &json!({})), "response_type");
    server.assert_back(&alone(&nothing), "invalid_request").await;
}

/// OpenID Connect Core section 3.1.2.6.
#[tokio::test]
async fn ro_01_what_is_switched_off_is_refused_and_not_ignored() {
    let server = Server::with(|config| {
        config.oidc.request_by_value = false;
        config.oidc.request_by_reference = false;
    })
    .await;
    let signer = ro(&server).await;
    let jwt = signer.sign(&object(&server, "ro", &json!({})));
    let whole = Authorize::of("ro", CALLBACK);
    server.assert_back(&whole.clone().set("request", &jwt), "request_not_supported").await;
    server.assert_back(&whole.clone().set("request_uri", "https://rp.example/r"), "request_uri_not_supported").await;
    server.assert_back(&whole.set("registration", "{}"), "registration_not_supported").await;
    server.assert_back(&by_value("ro", &jwt), "request_not_supported").await;
}

/// RFC 9101 section 10.1.
#[tokio::test]
async fn ro_02_only_what_the_client_has_signed_is_believed() {
    let server = Server::start().await;
    let signer = ro(&server).await;
    let stranger = Signer::es256();
    let claims = object(&server, "ro", &json!({}));
    let good = signer.sign(&claims);
    let (message, signature) = good.rsplit_once('.').unwrap();
    for object in [
        unsigned(&claims),
        stranger.sign(&claims),
        stranger.sign_as(&json!({ "alg": "ES256", "kid": signer.kid() }), &claims),
        stranger.sign_as(&json!({ "alg": "ES256", "jwk": stranger.jwk() }), &claims),
        signer.sign_as(&json!({ "alg": "RS256" }), &claims),
        signer.sign_as(&json!({ "alg": "ES256", "typ": "at+jwt" }), &claims),
        mac("HS256", signer.jwk().to_string().as_bytes(), &claims),
        mac("HS256", crate::support::SECRET.as_bytes(), &claims),
        format!("{message}."),
        format!("{message}.{}", signature.to_uppercase()),
        message.to_owned(),
        "x".to_owned(),
        "..".to_owned(),
        "....".to_owned(),
        claims.to_string(),
    ] {
        server.assert_page(&by_value("ro", &object), 400, "invalid_request_object").await;
    }
    for typ in ["JWT", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt"] {
        let jwt = signer.sign_as(&json!({ "alg": "ES256", "typ": typ }), &claims);
        assert_granted(&server, &by_value("ro", &jwt)).await;
    }
    let rsa = Signer::new(Algorithm::Rs256);
    let keys = json!({ "keys": [signer.jwk(), rsa.jwk()] });
    register(&server, "only", json!({ "jwks": keys, "request_object_signing_alg": "RS256" })).await;
    let claims = object(&server, "only", &json!({}));
    server.assert_page(&by_value("only", &signer.sign(&claims)), 400, "invalid_request_object").await;
    assert_granted(&server, &by_value("only", &rsa.sign(&claims))).await;
    // `web` has no keys: nobody can sign for it.
    let claims = object(&server, "web", &json!({}));
    server.assert_page(&by_value("web", &signer.sign(&claims)), 400, "invalid_request_object").await;
    server.assert_page(&by_value("web", &unsigned(&claims)), 400, "invalid_request_object").await;
}

/// OpenID Connect Core section 6.1: with the client's secret, only where that is registered.
#[tokio::test]
async fn a_secret_signs_where_it_is_registered() {
    let server = Server::start().await;
    let secret = register(&server, "hs", json!({ "request_object_signing_alg": "HS256" })).await;
    let claims = object(&server, "hs", &json!({}));
    assert_granted(&server, &by_value("hs", &mac("HS256", secret.as_bytes(), &claims))).await;
    for object in [mac("HS384", secret.as_bytes(), &claims), mac("HS256", b"", &claims), unsigned(&claims)] {
        server.assert_page(&by_value("hs", &object), 400, "invalid_request_object").await;
    }
}

/// OpenID Connect Core section 6.1: `none` only where the client has registered it, and then nothing else.
#[tokio::test]
async fn unsigned_only_where_none_is_registered() {
    let server = Server::with(|config| config.oidc.request_unsigned = true).await;
    let signer = Signer::es256();
    register(&server, "none", json!({ "request_object_signing_alg": "none", "jwks": signer.jwks() })).await;
    let bare = ["iss", "aud", "exp", "nbf"].into_iter().fold(object(&server, "none", &json!({})), without);
    assert_granted(&server, &by_value("none", &unsigned(&bare))).await;
    server.assert_page(&by_value("none", &signer.sign(&bare)), 400, "invalid_request_object").await;
    for changes in [json!({ "aud": "https://other.example" }), json!({ "iss": "web" }), json!({ "exp": 1 })] {
        let object = unsigned(&object(&server, "none", &changes));
        server.assert_back(&by_value("none", &object), "invalid_request_object").await;
    }
}

/// RFC 9101 section 4; FAPI.
#[tokio::test]
async fn ro_04_ro_05_ro_07_ro_08_what_is_wrong_inside_goes_back_to_the_client() {
    let server = Server::start().await;
    let signer = ro(&server).await;
    let now = server.clock.now().seconds();
    let issuer = server.issuer.clone();
    for changes in [
        // RO-04
        json!({ "aud": "https://other.example" }),
        json!({ "aud": format!("{issuer}/") }),
        json!({ "aud": [] }),
        json!({ "aud": null }),
        json!({ "iss": "web" }),
        // RO-05
        json!({ "exp": null }),
        json!({ "exp": now - 11 }),
        json!({ "exp": now + 3601 }),
        json!({ "nbf": now + 61 }),
        json!({ "iat": now + 61 }),
        // RO-07
        json!({ "request": "x" }),
        json!({ "request_uri": "https://rp.example/r" }),
        json!({ "registration": {} }),
        // RO-08
        json!({ "scope": ["openid"] }),
        json!({ "nonce": 1 }),
        json!({ "max_age": "soon", "prompt": false }),
        json!({ "max_age": 1.5 }),
        json!({ "claims": [1] }),
        json!({ "acr_values": { "a": 1 } }),
        // RO-10
        json!({ "sub": "ro" }),
        // What must be the same outside.
        json!({ "client_id": "web" }),
    ] {
        let jwt = signer.sign(&object(&server, "ro", &changes));
        server.assert_back(&by_value("ro", &jwt), "invalid_request_object").await;
    }
    for name in ["iss", "aud", "exp"] {
        let jwt = signer.sign(&without(object(&server, "ro", &json!({})), name));
        server.assert_back(&by_value("ro", &jwt), "invalid_request_object").await;
    }
    let jwt = signer.sign(&object(&server, "ro", &json!({})));
    server.assert_back(&by_value("ro", &jwt).add("nonce", "1").add("nonce", "1"), "invalid_request").await;
    server.assert_back(&by_value("ro", &jwt).set("registration", "{}"), "registration_not_supported").await;
    for changes in [
        json!({ "aud": [issuer, "https://other.example"] }),
        json!({ "exp": now + 300, "nbf": now + 8, "iat": now + 8 }),
        json!({ "exp": now + 3600 }),
        json!({ "max_age": 3600 }),
        json!({ "max_age": "3600" }),
        json!({ "claims": { "id_token": {} } }),
        json!({ "audience": ["https://api.example/v1", "https://api.example/v2"] }),
        json!({ "resource": "https://api.example/v1" }),
        json!({ "unheard_of": [1, 2], "jti": 7, "sub": "alice" }),
    ] {
        let jwt = signer.sign(&object(&server, "ro", &changes));
        assert_granted(&server, &by_value("ro", &jwt)).await;
    }
    // What the request asks for is judged as in any request.
    for (changes, error) in [
        (json!({ "scope": "openid admin" }), "invalid_scope"),
        (json!({ "response_mode": "x" }), "unsupported_response_mode"),
        (json!({ "code_challenge_method": "plain" }), "invalid_request"),
        (json!({ "audience": ["https://evil.example"] }), "invalid_request"),
    ] {
        let jwt = signer.sign(&object(&server, "ro", &changes));
        server.assert_back(&by_value("ro", &jwt), error).await;
    }
}

/// RFC 9101 section 5: who requires it is answered by nothing else.
#[tokio::test]
async fn a_client_that_requires_objects_is_not_answered_without_one() {
    let server = Server::start().await;
    let signer = Signer::es256();
    register(&server, "strict", json!({ "jwks": signer.jwks(), "require_signed_request_object": true })).await;
    server.assert_page(&Authorize::of("strict", CALLBACK), 400, "invalid_request").await;
    // Only what is inside counts: neither the prompt nor a scope of outside.
    let jwt = signer.sign(&object(&server, "strict", &json!({})));
    let outer = Authorize::of("strict", CALLBACK).without("response_type").without("state");
    let request = outer.set("prompt", "none").set("scope", "openid admin").set("request", &jwt);
    assert_granted(&server, &request).await;
    let state = signer.sign(&object(&server, "strict", &json!({ "prompt": "none" })));
    let answer = server.ask(&request.clone().set("request", &state).set("state", "outside")).await;
    assert_eq!(
        (answer.get.parameter("error").as_deref(), answer.get.parameter("state")),
        (Some("login_required"), None)
    );
    server
        .assert_page(
            &request.set("request", &unsigned(&object(&server, "strict", &json!({})))),
            400,
            "invalid_request_object",
        )
        .await;
}

/// RFC 9101 section 10.8: neither can be taken for the other.
#[tokio::test]
async fn ro_10_a_request_is_no_proof_and_a_proof_no_request() {
    let server = Server::start().await;
    let signer = Signer::es256();
    let changes = json!({ "jwks": signer.jwks(), "token_endpoint_auth_method": "private_key_jwt" });
    register(&server, "both", changes).await;
    let jwt = signer.sign(&object(&server, "both", &json!({ "jti": "1" })));
    let [kind, own] = proof(&jwt);
    let token = [("grant_type", "authorization_code"), ("code", "x"), kind, own];
    server.post("/oauth2/token", &token).await.assert_error(401, "invalid_client");
    for header in [json!({ "alg": "ES256" }), json!({ "alg": "ES256", "typ": "client-authentication+jwt" })] {
        let proof = signer.sign_as(&header, &assertion(&server, "both"));
        server.assert_page(&by_value("both", &proof), 400, "invalid_request_object").await;
    }
}

#[tokio::test]
async fn ro_11_an_object_is_given_once() {
    let server = Server::start().await;
    let signer = ro(&server).await;
    let jwt = signer.sign(&object(&server, "ro", &json!({})));
    for request in [
        by_value("ro", &jwt).set("request_uri", "https://rp.example/r"),
        by_value("ro", &jwt).add("request", &jwt),
        by_reference("ro", "https://rp.example/r").add("request_uri", "https://rp.example/r"),
    ] {
        server.assert_page(&request, 400, "invalid_request").await;
    }
}

/// RFC 9101 section 7: nothing leads where the object does not say.
#[tokio::test]
async fn ro_14_a_bad_object_never_redirects_where_the_request_says() {
    let server = Server::start().await;
    let signer = ro(&server).await;
    let evil = |object: &str| by_value("ro", object).set("redirect_uri", "https://evil.example/cb");
    server.assert_page(&evil("a.b.c"), 400, "invalid_request_object").await;
    server.assert_page(&evil(&unsigned(&object(&server, "ro", &json!({})))), 400, "invalid_request_object").await;
    for changes in [json!({ "exp": 1 }), json!({ "aud": "x" })] {
        let jwt = signer.sign(&object(&server, "ro", &changes));
        server.assert_back(&evil(&jwt), "invalid_request_object").await;
    }
    let silent = signer.sign(&object(&server, "ro", &json!({ "prompt": "none" })));
    assert_login_required(&server, &evil(&silent)).await;
    for uri in [json!("https://evil.example/cb"), json!([CALLBACK]), json!(1)] {
        let jwt = signer.sign(&object(&server, "ro", &json!({ "exp": 1, "redirect_uri": uri })));
        server.assert_page(&by_value("ro", &jwt).set("redirect_uri", CALLBACK), 400, "invalid_request_object").await;
    }
    let jwt = signer.sign(&object(&server, "ro", &json!({ "redirect_uri": "https://evil.example/cb" })));
    server.assert_page(&by_value("ro", &jwt), 400, "invalid_request").await;
}

#[tokio::test]
async fn ro_16_a_query_has_its_length() {
    let server = Server::start().await;
    let request = by_value("web", &"x".repeat(20 * 1024));
    let answer = server.http.get(request.url(&server)).send().await.unwrap();
    assert_eq!(answer.status(), 414);
}

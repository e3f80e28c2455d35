//! That discovery is true: every value that it names is called, and what it does not name fails (OpenID Connect Discovery
//! section 3, RFC 8414 section 2).

use hydrant::jose::Algorithm;
use serde_json::{Value, json};

use crate::support::signer::{Signer, assertion, mac, proof};
use crate::support::{Answer, Authorize, PASSWORD, SECRET, Server, VERIFIER};

pub fn list(document: &Value, name: &str) -> Vec<String> {
    let values = document[name].as_array().unwrap_or_else(|| panic!("{name} is not a list: {}", document[name]));
    assert!(!values.is_empty(), "{name}");
    values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

pub async fn document(server: &Server) -> Value {
    server.get("/.well-known/openid-configuration").await.json()
}

/// DI-05: every endpoint that is named is there, under its method; an endpoint that is not named is not there.
#[tokio::test]
async fn di_05_every_endpoint_is_there_and_no_other() {
    let server = Server::start().await;
    let document = document(&server).await;
    let named: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
    let endpoints: Vec<_> =
        named.iter().copied().filter(|name| name.ends_with("_endpoint") || name.ends_with("_uri")).collect();
    let mut called = 0;
    for (name, get, post) in [
        ("authorization_endpoint", Some(400), Some(415)),
        ("token_endpoint", None, Some(400)),
        ("userinfo_endpoint", Some(401), Some(401)),
        ("revocation_endpoint", None, Some(400)),
        ("introspection_endpoint", None, Some(400)),
        ("end_session_endpoint", Some(302), Some(303)),
        ("jwks_uri", Some(200), None),
    ] {
        let url = document[name].as_str().unwrap_or_else(|| panic!("{name} is not named"));
        for (method, expected) in [(reqwest::Method::GET, get), (reqwest::Method::POST, post)] {
            let answer = Answer::of(server.http.request(method.clone(), url).send().await.unwrap()).await;
            assert_eq!(answer.status, expected.unwrap_or(405), "{method} {name}: {}", answer.body);
            assert_eq!(answer.status == 405, answer.header("allow").is_some(), "{method} {name}");
        }
        called += 1;
    }
    assert_eq!(endpoints.len(), called, "one of these is not called here: {endpoints:?}");
    for path in [
        "/connect/register",
        "/oauth2/register",
        "/oauth2/par",
        "/oauth2/device/auth",
        "/oauth2/device/verify",
        "/oauth2/sessions/check",
        "/oauth2/fallbacks/error",
        "/oauth2/introspect/",
        "/.well-known/webfinger",
        "/admin/clients",
        "/clients",
        "/admin/keys/hydra.openid.id-token",
    ] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
        assert_eq!(server.post(path, &[]).await.status, 404, "{path}");
    }
}

/// DI-05: without the public introspection, it is neither named nor there.
#[tokio::test]
async fn di_05_what_is_switched_off_is_not_named() {
    let server = Server::with(|config| config.oauth2.public_introspection = false).await;
    let document = document(&server).await;
    assert!(document.as_object().unwrap().keys().all(|name| !name.starts_with("introspection_")), "{document}");
    assert_eq!(server.post_as("rs1", "/oauth2/introspect", &[("token", "x")]).await.status, 404);
}

/// DI-05: response types, response modes and prompts.
#[tokio::test]
async fn di_05_the_authorization_endpoint_takes_what_is_named() {
    let server = Server::start().await;
    let document = document(&server).await;
    let mut browser = server.signed_in("alice").await;
    for kind in list(&document, "response_types_supported") {
        let answer = browser.authorize(&Authorize::web().set("response_type", &kind)).await;
        assert!(answer.parameter("code").is_some(), "{kind}");
    }
    for mode in list(&document, "response_modes_supported") {
        let answer = browser.authorize(&Authorize::web().set("response_mode", &mode)).await;
        let location = answer.location().unwrap_or_default();
        match mode.as_str() {
            "query" => assert!(location.contains("?code="), "{location}"),
            "fragment" => assert!(location.contains("#code="), "{location}"),
            "form_post" => assert!(answer.has_field("code"), "{}", answer.body),
            other => panic!("{other} is not tested"),
        }
    }
    for prompt in list(&document, "prompt_values_supported") {
        let answer = browser.authorize(&Authorize::web().set("prompt", &prompt)).await;
        match prompt.as_str() {
            "none" => assert!(answer.parameter("code").is_some(), "{:?}", answer.location()),
            "login" | "select_account" => assert!(answer.has_field("login_challenge"), "{:?}", answer.location()),
            "consent" => assert!(answer.has_field("consent_challenge"), "{:?}", answer.location()),
            other => panic!("{other} is not tested"),
        }
    }
    let named = [
        (
            "response_type",
            "response_types_supported",
            "unsupported_response_type",
            vec!["token", "id_token", "code token"],
        ),
        ("response_mode", "response_modes_supported", "unsupported_response_mode", vec!["jwt", "web_message"]),
        ("prompt", "prompt_values_supported", "invalid_request", vec!["create", "enrol"]),
    ];
    for (parameter, name, error, values) in named {
        for value in values {
            assert!(!list(&document, name).contains(&value.to_owned()), "{value}");
            server.assert_back(&Authorize::web().set(parameter, value), error).await;
        }
    }
}

/// DI-05: PKCE by every method that is named and by no other.
#[tokio::test]
async fn di_05_pkce_methods() {
    let server = Server::start().await;
    let document = document(&server).await;
    let mut browser = server.signed_in("alice").await;
    for method in list(&document, "code_challenge_methods_supported") {
        let code = browser.code(&Authorize::web().set("code_challenge_method", &method), "alice").await;
        server.redeem("web", &code, "https://rp.example/cb", None).await.assert_error(400, "invalid_grant");
        server.redeem("web", &code, "https://rp.example/cb", Some(VERIFIER)).await.tokens();
    }
    for method in ["plain", "s256", "S512", ""] {
        assert!(!list(&document, "code_challenge_methods_supported").contains(&method.to_owned()));
        server.assert_back(&Authorize::web().set("code_challenge_method", method), "invalid_request").await;
    }
}

/// DI-05: a grant type that is named leads to tokens; any other is `unsupported_grant_type`.
#[tokio::test]
async fn di_05_grant_types() {
    let server = Server::start().await;
    let document = document(&server).await;
    let named = list(&document, "grant_types_supported");
    let mut refresh_token = String::new();
    for grant in &named {
        match grant.as_str() {
            "authorization_code" => {
                let tokens = server.tokens_with("openid offline").await;
                tokens.refresh().clone_into(&mut refresh_token);
            }
            "refresh_token" => drop(server.refresh("web", &refresh_token).await.tokens()),
            "client_credentials" => {
                let answer = server.post_as("svc", "/oauth2/token", &[("grant_type", grant)]).await;
                assert_eq!(answer.tokens().token_type, "bearer");
            }
            crate::jwt_bearer::GRANT => {
                let signer = crate::jwt_bearer::setting(&server).await;
                let assertion = signer.sign(&crate::jwt_bearer::claims(&server));
                let answer = crate::jwt_bearer::exchange(&server, "exchanger", &assertion, &[]).await;
                assert_eq!(answer.tokens().token_type, "bearer");
            }
            other => panic!("{other} is not tested"),
        }
    }
    for grant in [
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ] {
        assert!(!named.contains(&grant.to_owned()));
        let fields = [("grant_type", grant), ("username", "alice"), ("password", PASSWORD), ("assertion", "x")];
        server.post_as("web", "/oauth2/token", &fields).await.assert_error(400, "unsupported_grant_type");
    }
}

/// DI-05: how clients authenticate, at each endpoint that names it.
#[tokio::test]
async fn di_05_client_authentication() {
    let server = Server::start().await;
    let document = document(&server).await;
    let post = json!({
        "redirect_uris": ["https://rp.example/cb"], "grant_types": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_method": "client_secret_post", "scope": "openid photos.read",
    });
    server.client("post", post).await;
    let signers = Algorithm::ALL.map(Signer::new);
    let keys = json!({
        "client_id": "keys", "grant_types": ["client_credentials"], "scope": "photos.read", "response_types": [],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": { "keys": signers.iter().map(Signer::jwk).collect::<Vec<_>>() },
    });
    assert_eq!(server.admin(reqwest::Method::POST, "/clients", Some(&keys)).await.status, 201);
    let secret = json!({
        "client_id": "secret", "grant_types": ["client_credentials"], "scope": "photos.read", "response_types": [],
        "token_endpoint_auth_method": "client_secret_jwt",
    });
    let secret = server.admin(reqwest::Method::POST, "/clients", Some(&secret)).await.json();
    let secret = secret["client_secret"].as_str().unwrap();
    let methods = |endpoint: &str| list(&document, &format!("{endpoint}_endpoint_auth_methods_supported"));
    for (endpoint, path, fields, granted) in [
        ("token", "/oauth2/token", vec![("grant_type", "client_credentials"), ("scope", "photos.read")], 200),
        ("revocation", "/oauth2/revoke", vec![("token", "hya_x")], 200),
        ("introspection", "/oauth2/introspect", vec![("token", "hya_x")], 200),
    ] {
        let url = server.url(path);
        for method in ["client_secret_basic", "client_secret_post", "none"] {
            let is_named = methods(endpoint).contains(&method.to_owned());
            let mut fields = fields.clone();
            let request = server.http.post(&url);
            let request = match method {
                "client_secret_basic" => request.basic_auth("svc", Some(SECRET)),
                "client_secret_post" => {
                    fields.extend([("client_id", "post"), ("client_secret", SECRET)]);
                    request
                }
                _ => {
                    fields.push(("client_id", "spa"));
                    request
                }
            };
            let answer = Answer::of(request.form(&fields).send().await.unwrap()).await;
            // A public client is known by its id, and has no token of its own (RFC 6749 section 4.4).
            let granted = if (endpoint, method) == ("token", "none") { 400 } else { granted };
            assert_eq!(answer.status, if is_named { granted } else { 401 }, "{endpoint} {method}: {}", answer.body);
            if granted == 400 {
                assert_eq!(answer.error().1, "unauthorized_client");
            }
        }
        let all = ["client_secret_basic", "client_secret_post", "none", "private_key_jwt", "client_secret_jwt"];
        for method in methods(endpoint) {
            assert!(all.contains(&method.as_str()), "{method}");
        }
        let named = list(&document, &format!("{endpoint}_endpoint_auth_signing_alg_values_supported"));
        for alg in named {
            let jwt = match signers.iter().find(|signer| signer.alg() == alg) {
                Some(signer) => signer.sign_as_we_do(&assertion(&server, "keys")),
                None => mac(&alg, secret.as_bytes(), &assertion(&server, "secret")),
            };
            let [kind, own] = proof(&jwt);
            let fields: Vec<_> = fields.iter().copied().chain([kind, own]).collect();
            let answer = server.post(path, &fields).await;
            assert_eq!(answer.status, granted, "{endpoint} {alg}: {}", answer.body);
        }
        let jwt = mac("HS224", secret.as_bytes(), &assertion(&server, "secret"));
        let [kind, own] = proof(&jwt);
        let fields: Vec<_> = fields.iter().copied().chain([kind, own]).collect();
        server.post(path, &fields).await.assert_error(401, "invalid_client");
    }
    let tokens = server.browser().code(&Authorize::of("spa", "https://spa.example/cb"), "alice").await;
    server.redeem("spa", &tokens, "https://spa.example/cb", Some(VERIFIER)).await.tokens();
}

/// DI-05: every scope that is named is granted and does something; every claim that is named can be had, and the person's
/// others can not.
#[tokio::test]
async fn di_05_scopes_and_claims() {
    let server = Server::start().await;
    let document = document(&server).await;
    let (scopes, claims) = (list(&document, "scopes_supported"), list(&document, "claims_supported"));
    let everything = json!({
        "name": "n", "family_name": "n", "given_name": "n", "middle_name": "n", "nickname": "n", "profile": "https://p.example",
        "picture": "https://p.example/p", "website": "https://w.example", "gender": "n", "birthdate": "2000-01-01",
        "zoneinfo": "Europe/Paris", "locale": "fr-CA", "updated_at": 1, "email_verified": true,
        "address": { "country": "FR" }, "phone_number": "+1", "phone_number_verified": false, "role": "admin",
    });
    server.user("carol", everything, false).await;
    let client = json!({
        "redirect_uris": ["https://rp.example/cb"], "grant_types": ["authorization_code", "refresh_token"],
        "scope": scopes.join(" "),
    });
    server.client("all", client).await;
    let tokens = |scope: String| {
        let server = &server;
        async move {
            let request = Authorize::of("all", "https://rp.example/cb").set("scope", &scope);
            let code = server.browser().code(&request, "carol").await;
            server.redeem("all", &code, "https://rp.example/cb", Some(VERIFIER)).await.tokens()
        }
    };
    let bare = tokens("openid".to_owned()).await;
    assert!(bare.refresh_token.is_none());
    let nothing = server.userinfo(&bare.access_token).await.json();
    assert_eq!(nothing.as_object().unwrap().len(), 1, "{nothing}");
    for scope in &scopes {
        let given = tokens(format!("openid {scope}").replace("openid openid", "openid")).await;
        assert!(given.scope.split(' ').any(|one| one == scope), "{scope}: {}", given.scope);
        let told = server.userinfo(&given.access_token).await.json();
        match scope.as_str() {
            "openid" => assert!(given.id_token.is_some()),
            "offline" | "offline_access" => assert!(given.refresh_token.is_some(), "{scope}"),
            _ => assert!(told.as_object().unwrap().len() > 1, "{scope} tells nothing: {told}"),
        }
    }
    let all = tokens(scopes.join(" ")).await;
    let told = server.userinfo(&all.access_token).await.json();
    let mut told: Vec<_> = told.as_object().unwrap().keys().cloned().collect();
    let mut named = claims;
    told.sort();
    named.sort();
    assert_eq!(told, named, "what is told, and what is named");
    let not_registered = Authorize::web().set("scope", "openid address");
    server.assert_back(&not_registered, "invalid_scope").await;
}

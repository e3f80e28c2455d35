//! Claims asked for by name, and how surely a person is to be recognised: OpenID Connect Core sections 5.2 and 5.5.

use serde_json::{Value, json};

use crate::support::{Answer, Authorize, PASSWORD, Server, Tokens, VERIFIER};

const URI: &str = "https://rp.example/cb";

async fn server() -> Server {
    let server = Server::with(|config| config.oidc.supported_claims = vec!["role".to_owned()]).await;
    server.front_client("all", json!({})).await;
    let carol = json!({
        "name": "Carol", "name#de": "Karola", "given_name": "Carol", "birthdate": "1990-01-01", "role": "admin",
        "secret_note": "x", "address": { "country": "FR" }, "phone_number": "+1", "updated_at": 1,
    });
    server.user("carol", carol, false).await;
    server
}

fn ask(claims: &Value) -> Authorize {
    Authorize::of("all", URI).set("claims", &claims.to_string())
}

/// Answers the consent page with every box that it shows checked, as a browser does.
async fn tokens(server: &Server, request: &Authorize) -> Tokens {
    let mut browser = server.browser();
    let page = browser.authorize(request).await;
    let page = browser.login(&page, "carol", PASSWORD, false).await;
    let answer = allow(server, &mut browser, &page, false).await;
    let code = answer.parameter("code").unwrap_or_else(|| panic!("{:?} {}", answer.location(), answer.body));
    server.redeem("all", &code, URI, Some(VERIFIER)).await.tokens()
}

async fn allow(server: &Server, browser: &mut crate::support::Browser<'_>, page: &Answer, remember: bool) -> Answer {
    let challenge = page.field("consent_challenge");
    let boxes = boxes(page);
    let mut fields = vec![("consent_challenge", challenge.as_str()), ("action", "accept")];
    fields.extend(boxes.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if remember {
        fields.push(("remember", "true"));
    }
    let answer = browser.post(&server.url("/consent"), &fields).await;
    browser.follow(answer).await
}

/// The checked boxes of a page.
fn boxes(page: &Answer) -> Vec<(String, String)> {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let tags = page.body.split("<input ").skip(1).filter_map(|rest| rest.split('>').next());
    tags.filter(|tag| tag.contains("type=\"checkbox\"") && tag.ends_with("checked"))
        .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
        .collect()
}

/// conformance.md section 1: an essential `name` comes from userinfo and not in the ID token.
#[tokio::test]
async fn a_claim_is_told_where_it_was_asked_for() {
    let server = server().await;
    let tokens = tokens(
        &server,
        &ask(&json!({
            "userinfo": { "name": { "essential": true }, "role": null },
            "id_token": { "birthdate": null, "auth_time": { "essential": true }, "acr": null },
        })),
    )
    .await;
    let claims = tokens.claims();
    let told = server.userinfo(&tokens.access_token).await.json();
    assert_eq!(told, json!({ "sub": claims["sub"], "name": "Carol", "role": "admin" }));
    assert_eq!((&claims["birthdate"], &claims["acr"]), (&json!("1990-01-01"), &json!("1")));
    assert!(!claims.contains_key("name") && !claims.contains_key("role") && claims["auth_time"].is_i64());
}

/// A claim by its name opens neither what the client has no scope for nor what the operator has not published.
#[tokio::test]
async fn a_claim_by_name_is_no_way_around_the_registration() {
    let server = server().await;
    server.front_client("few", json!({ "scope": "openid email" })).await;
    let claims = json!({ "userinfo": { "name": null, "email": null, "secret_note": null, "sub": null, "iss": null } });
    let request = Authorize::of("few", URI).set("claims", &claims.to_string());
    let mut browser = server.browser();
    let page = browser.authorize(&request).await;
    let page = browser.login(&page, "carol", PASSWORD, false).await;
    assert_eq!(
        boxes(&page),
        [("grant_scope".to_owned(), "openid".to_owned()), ("grant_claim".to_owned(), "email".to_owned())]
    );
    let answer = allow(&server, &mut browser, &page, false).await;
    let code = answer.parameter("code").unwrap();
    let tokens = server.redeem("few", &code, URI, Some(VERIFIER)).await.tokens();
    let told = server.userinfo(&tokens.access_token).await.json();
    assert_eq!(told, json!({ "sub": tokens.claims()["sub"], "email": "carol@example.com" }));
}

/// The person decides claim by claim, and is asked again only for what they have not granted yet.
#[tokio::test]
async fn the_person_decides_over_each_claim() {
    let server = server().await;
    let request = ask(&json!({ "userinfo": { "name": null, "birthdate": null } }));
    let mut browser = server.browser();
    let page = browser.authorize(&request).await;
    let page = browser.login(&page, "carol", PASSWORD, false).await;
    let challenge = page.field("consent_challenge");
    let form = |claims: &[&'static str]| {
        let mut fields = vec![("consent_challenge", challenge.clone()), ("action", "accept".to_owned())];
        fields.push(("grant_scope", "openid".to_owned()));
        fields.extend(claims.iter().map(|claim| ("grant_claim", (*claim).to_owned())));
        fields
    };
    let post = |fields: Vec<(&'static str, String)>| {
        server.http.post(server.url("/consent")).form(&fields).header("sec-fetch-site", "same-origin")
    };
    let more = browser.send(post(form(&["name", "email"]))).await;
    assert_eq!(more.status, 400, "more than was asked for: {}", more.body);
    let given = browser.send(post(form(&["name"]))).await;
    let code = browser.follow(given).await.parameter("code").unwrap();
    let tokens = server.redeem("all", &code, URI, Some(VERIFIER)).await.tokens();
    let told = server.userinfo(&tokens.access_token).await.json();
    assert_eq!((&told["name"], told.get("birthdate")), (&json!("Carol"), None));

    let page = browser.authorize(&request).await;
    assert!(page.has_field("consent_challenge"), "nothing was remembered");
    let all = allow(&server, &mut browser, &page, true).await;
    assert!(all.parameter("code").is_some());
    assert!(browser.authorize(&request).await.parameter("code").is_some(), "remembered");
    let other = ask(&json!({ "id_token": { "phone_number": null } }));
    assert!(browser.authorize(&other).await.has_field("consent_challenge"), "not granted yet");
    let silent = browser.authorize(&other.set("prompt", "none")).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("consent_required"));
}

/// OpenID Connect Core section 5.5.1: a value that is not the asked one is not told; section 5.2: languages.
#[tokio::test]
async fn values_and_languages() {
    let server = server().await;
    let claims = json!({ "userinfo": {
        "given_name": { "value": "Carol" }, "birthdate": { "values": ["2000-01-01", "2000-01-02"] }, "name": null,
    }});
    let tokens = tokens(&server, &ask(&claims).set("claims_locales", "fr de")).await;
    let told = server.userinfo(&tokens.access_token).await.json();
    assert_eq!(
        told,
        json!({ "sub": tokens.claims()["sub"], "given_name": "Carol", "name": "Carol", "name#de": "Karola" })
    );
}

/// A refresh gives the same claims again (OpenID Connect Core section 12.2).
#[tokio::test]
async fn a_refresh_gives_the_same_claims() {
    let server = server().await;
    let claims = json!({ "id_token": { "birthdate": null }, "userinfo": { "name": null } });
    let first = tokens(&server, &ask(&claims).set("scope", "openid offline_access")).await;
    let second = server.refresh("all", first.refresh()).await.tokens();
    assert_eq!(second.claims()["birthdate"], "1990-01-01");
    assert_eq!(server.userinfo(&second.access_token).await.json()["name"], "Carol");
}

/// AZ-26: what is not of the form of section 5.5 is refused at once.
#[tokio::test]
async fn az_26_a_malformed_claims_parameter_is_refused() {
    let server = Server::start().await;
    let deep = format!("{}1{}", "{\"id_token\":".repeat(200), "}".repeat(200));
    let long = json!({ "userinfo": { "name": { "value": "x".repeat(3000) } } }).to_string();
    for claims in ["x", "[]", "{", r#"{"userinfo":[]}"#, r#"{"userinfo":{"name":1}}"#, &deep, &long] {
        server.assert_back(&Authorize::web().set("claims", claims), "invalid_request").await;
    }
    let large = server.ask(&Authorize::web().set("claims", &"x".repeat(20 * 1024))).await;
    assert_eq!(large.get.status, 414);
    let form = Authorize::web().set("claims", &"x".repeat(1024 * 1024));
    let answer = server.http.post(server.url("/oauth2/auth")).form(form.fields()).send().await.unwrap();
    Answer::of(answer).await.assert_error(413, "invalid_request");
}

/// AZ-26: a `sub` that is asked for is the one who answers, or nobody.
#[tokio::test]
async fn az_26_another_sub_is_asked_to_sign_in() {
    let server = Server::start().await;
    let (alice, bob) = (server.subject("alice").await, server.subject("bob").await);
    let mut browser = server.signed_in("alice").await;
    let ask = |sub: &str| {
        let claims = json!({ "id_token": { "sub": { "value": sub } } });
        Authorize::web().set("claims", &claims.to_string())
    };
    assert!(browser.authorize(&ask(alice.as_str())).await.parameter("code").is_some());
    let silent = browser.authorize(&ask(bob.as_str()).set("prompt", "none")).await;
    silent.assert_back(&server, 302, "login_required");
    let page = browser.authorize(&ask(bob.as_str())).await;
    assert!(page.has_field("login_challenge"));
    let still_alice = browser.login(&page, "alice", PASSWORD, false).await;
    still_alice.assert_back(&server, 302, "login_required");
}

/// AZ-28, ID-07: an essential `acr` that can not be reached is an error, before anybody has to sign in; a voluntary one is
/// harmless, and what is said is what was done.
#[tokio::test]
async fn az_28_an_essential_acr_is_reached_or_refused() {
    let server = Server::start().await;
    let acr = |values: &[&str], essential: bool| {
        let claims = json!({ "id_token": { "acr": { "essential": essential, "values": values } } });
        Authorize::web().set("claims", &claims.to_string())
    };
    server.assert_back(&acr(&["urn:x:loa9"], true), "unmet_authentication_requirements").await;
    for request in [acr(&["urn:x:loa9", "1"], true), acr(&["urn:x:loa9"], false)] {
        let tokens = server.token(&server.code_for(&request).await).await.tokens();
        assert_eq!(tokens.claims()["acr"], "1");
    }
    // A session of another kind does not do, and a fresh sign-in does.
    let mut browser = server.signed_in("alice").await;
    server.database.execute("UPDATE sessions SET acr = '0'").await;
    assert!(browser.authorize(&acr(&["1"], true)).await.has_field("login_challenge"));
    let silent = browser.authorize(&acr(&["1"], true).set("prompt", "none")).await;
    silent.assert_back(&server, 302, "login_required");
}

/// OpenID Connect Dynamic Client Registration section 2: `default_max_age`.
#[tokio::test]
async fn a_client_may_have_a_default_max_age() {
    let server = Server::start().await;
    server.front_client("strict", json!({ "default_max_age": 60 })).await;
    let request = Authorize::of("strict", URI);
    let mut browser = server.browser();
    browser.journey(&request, "alice").await;
    server.pass(30);
    assert!(browser.authorize(&request).await.parameter("code").is_some());
    server.pass(31);
    assert!(browser.authorize(&request).await.has_field("login_challenge"));
}

/// RFC 6749 section 6: a claim that a scope opens goes where the scope goes; one that was allowed by itself stays.
#[tokio::test]
async fn a_narrowed_token_tells_less() {
    let server = server().await;
    let claims = json!({ "userinfo": { "email": null, "birthdate": null } });
    let first = tokens(&server, &ask(&claims).set("scope", "openid email offline_access")).await;
    let all = server.userinfo(&first.access_token).await.json();
    assert!(all.get("email").is_some() && all.get("birthdate").is_some(), "{all}");
    let fields = [("grant_type", "refresh_token"), ("refresh_token", first.refresh()), ("scope", "openid")];
    let narrowed = server.post_as("all", "/oauth2/token", &fields).await.tokens();
    let less = server.userinfo(&narrowed.access_token).await.json();
    assert!(less.get("email").is_none() && less.get("birthdate").is_some(), "{less}");
}

/// What only the server says is no claim to ask a person about, even where an operator publishes its name.
#[tokio::test]
async fn reserved_claims_are_no_question() {
    let server = Server::with(|config| config.oidc.supported_claims = vec!["sub".to_owned(), "acr".to_owned()]).await;
    let claims = json!({ "id_token": { "acr": { "essential": true }, "sub": null, "auth_time": null } });
    let mut browser = server.signed_in("alice").await;
    let silent = Authorize::web().set("claims", &claims.to_string()).set("prompt", "none");
    assert!(browser.authorize(&silent).await.parameter("code").is_some());
}

/// Who was allowed nothing does not learn by guessing who is signed in.
#[tokio::test]
async fn a_guess_at_who_is_here_is_not_answered() {
    let server = Server::start().await;
    let (alice, bob) = (server.subject("alice").await, server.subject("bob").await);
    let mut browser = server.signed_in("alice").await;
    for sub in [alice, bob] {
        let claims = json!({ "id_token": { "sub": { "value": sub } } });
        let request = Authorize::of("evil", "https://evil.example/cb").set("prompt", "none");
        let answer = browser.authorize(&request.set("claims", &claims.to_string())).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("login_required"), "{sub}");
    }
}

//! Consent by another app: hydra.md section 2.6, security-cases.md LC-11, LC-13 and AD-11.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::apps::Asked;
use crate::support::signer::Signer;
use crate::support::{Answer, Authorize, Browser, Server, VERIFIER};

fn alice() -> Value {
    json!({ "subject": "alice@crm", "remember": true })
}

/// A browser that is at the consent app.
async fn at_consent<'a>(server: &'a Server, request: &Authorize) -> (Browser<'a>, String) {
    let mut browser = server.browser();
    let answer = browser.get(&request.url(server)).await;
    let answer = browser.app_login(server, &answer, alice()).await;
    let challenge = Asked::Consent.challenge(&answer);
    (browser, challenge)
}

/// LC-11, AD-11: at most what was asked for, and each wrong field is named.
#[tokio::test]
async fn lc_11_no_more_is_granted_than_was_asked_for() {
    let server = Server::with_apps().await;
    let request = Authorize::web().set("scope", "openid profile").set("audience", "https://api.example/v1");
    let (mut browser, challenge) = at_consent(&server, &request).await;
    for (field, body) in [
        ("grant_scope", json!({ "grant_scope": ["openid", "email"] })),
        ("grant_scope", json!({ "grant_scope": ["openid profile"] })),
        ("grant_scope", json!({ "grant_scope": ["OpenID"] })),
        ("grant_access_token_audience", json!({ "grant_access_token_audience": ["https://other.example"] })),
        ("grant_access_token_audience", json!({ "grant_access_token_audience": ["https://api.example/v1/"] })),
        ("remember_for", json!({ "grant_scope": ["openid"], "remember": true, "remember_for": -1 })),
        ("session", json!({ "grant_scope": ["openid"], "session": { "id_token": { "x": "x".repeat(17 * 1024) } } })),
        ("context", json!({ "grant_scope": ["openid"], "context": "x".repeat(17 * 1024) })),
    ] {
        let answer = server.answer(Asked::Consent, "accept", &challenge, &body).await;
        answer.assert_error(400, "invalid_request");
        assert!(answer.json()["error_description"].as_str().unwrap().contains(field), "{field}: {}", answer.body);
    }
    for body in [json!({ "session": [] }), json!({ "grant_scope": "openid" }), json!({ "session": { "id_token": 1 } })]
    {
        server.answer(Asked::Consent, "accept", &challenge, &body).await.assert_error(400, "invalid_request");
    }
    assert_eq!(server.database.count("grants").await, 0);
    // SDKs send null for what they have nothing for.
    let body = json!({
        "grant_scope": ["openid"], "grant_access_token_audience": null, "session": null, "remember": null,
        "remember_for": null, "context": null, "handled_at": "2026-01-01T00:00:00Z",
    });
    let location = server.accept(Asked::Consent, &challenge, body).await;
    let tokens = server.token(&browser.get(&location).await.parameter("code").unwrap()).await.tokens();
    assert_eq!(tokens.scope, "openid");
    assert_eq!(server.introspect(&tokens.access_token).await.rest["aud"], json!([]), "none was granted");
}

/// A client that gets nothing of what it asked for may still get a token that opens nothing; an ID token it does not get.
#[tokio::test]
async fn nothing_may_be_granted() {
    let server = Server::with_apps().await;
    let (mut browser, challenge) = at_consent(&server, &Authorize::web()).await;
    let location = server.accept(Asked::Consent, &challenge, json!({})).await;
    let tokens = server.token(&browser.get(&location).await.parameter("code").unwrap()).await.tokens();
    assert!(tokens.scope.is_empty() && tokens.id_token.is_none());
}

/// hydra.md section 2.6: what was remembered is skipped, for as long as it was to be remembered.
#[tokio::test]
async fn a_consent_is_remembered_for_as_long_as_the_app_says() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let request = Authorize::web().set("scope", "openid profile");
    let remembered = json!({ "remember": true, "remember_for": 100 });
    browser.app_journey(&server, &request, alice(), remembered).await;
    let mut skip = async |request: &Authorize| -> Value {
        let answer = browser.get(&request.url(&server)).await;
        let answer = browser.app_login(&server, &answer, alice()).await;
        server.asked(Asked::Consent, &Asked::Consent.challenge(&answer)).await.json()["skip"].clone()
    };
    server.pass(99);
    assert_eq!(skip(&request).await, true);
    assert_eq!(skip(&Authorize::web()).await, true, "less than was granted");
    assert_eq!(skip(&Authorize::web().set("scope", "openid email")).await, false, "more than was granted");
    assert_eq!(skip(&request.clone().set("prompt", "consent")).await, false);
    assert_eq!(skip(&Authorize::of("two", "https://two.example/cb")).await, false, "of another client");
    server.pass(2);
    assert_eq!(skip(&request).await, false);
}

/// Of two consents neither outlasts the earlier end, unless the later one says all that the earlier said.
#[tokio::test]
async fn a_shorter_consent_is_not_made_longer_by_another() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let mut consent = async |scope: &str, remember_for: i64| {
        let request = Authorize::web().set("scope", scope).set("prompt", "consent");
        let more = json!({ "remember": true, "remember_for": remember_for });
        browser.app_journey(&server, &request, alice(), more).await;
    };
    consent("openid profile", 100).await;
    consent("openid email", 0).await;
    let ends = async |server: &Server| {
        let text = server.database.column("SELECT CAST(COALESCE(expires_at, 0) AS TEXT) FROM consents").await.remove(0);
        text.parse::<i64>().unwrap()
    };
    assert_eq!(ends(&server).await, server.clock.now().millis() + 100_000);
    consent("openid profile email", 0).await;
    assert_eq!(ends(&server).await, 0, "for ever, and all of it");
}

/// LC-13: of a public client that only its redirect URI proves, nothing is skipped.
#[tokio::test]
async fn lc_13_a_native_client_is_never_skipped() {
    let server = Server::with_apps().await;
    let request = Authorize::of("native", "com.example.app:/cb");
    let mut browser = server.browser();
    for _ in 0..2 {
        let answer = browser.get(&request.url(&server)).await;
        let answer = browser.app_login(&server, &answer, alice()).await;
        let challenge = Asked::Consent.challenge(&answer);
        assert_eq!(server.asked(Asked::Consent, &challenge).await.json()["skip"], false);
        let answer = browser.app_consent(&server, &answer, &json!({ "remember": true })).await;
        let code = answer.parameter("code").unwrap();
        assert_eq!(server.redeem("native", &code, "com.example.app:/cb", Some(VERIFIER)).await.status, 200);
    }
}

/// What the consent app refuses with is what the client is told; nothing is remembered of it.
#[tokio::test]
async fn a_refused_consent_goes_to_the_client() {
    let server = Server::with_apps().await;
    let (mut browser, challenge) = at_consent(&server, &Authorize::web()).await;
    let body = json!({ "error": "access_denied", "error_description": "The resource owner denied the request" });
    let rejected = server.answer(Asked::Consent, "reject", &challenge, &body).await.json();
    let answer = browser.get(rejected["redirect_to"].as_str().unwrap()).await;
    answer.assert_back(&server, 302, "access_denied");
    assert_eq!(answer.parameter("error_description").as_deref(), Some("The resource owner denied the request"));
    assert_eq!(server.asked(Asked::Consent, &challenge).await.status, 410);
    assert_eq!((server.database.count("grants").await, server.database.count("consents").await), (0, 0));
}

/// LC-10: a consent without a session that is alive is none: the request begins anew.
#[tokio::test]
async fn a_consent_needs_the_session_that_it_is_asked_of() {
    let server = Server::with_apps().await;
    let (mut browser, challenge) = at_consent(&server, &Authorize::web()).await;
    let accepted = server.accept(Asked::Consent, &challenge, json!({ "grant_scope": ["openid"] })).await;
    server.admin(Method::DELETE, "/oauth2/auth/sessions/login?subject=alice@crm", None).await;
    let gone = server.asked(Asked::Consent, &challenge).await;
    assert_eq!((gone.status, gone.json()), (410, json!({ "redirect_to": Authorize::web().url(&server) })));
    browser.get(&accepted).await.assert_page(403, "request_forbidden");
    assert_eq!(server.database.count("grants").await, 0);
}

/// A consent is finished by who has given it: not where somebody else has signed in in that browser since.
#[tokio::test]
async fn lc_34_a_consent_is_not_finished_by_somebody_else() {
    let server = Server::with_apps().await;
    let (mut browser, challenge) = at_consent(&server, &Authorize::web()).await;
    let accepted = server.accept(Asked::Consent, &challenge, json!({ "grant_scope": ["openid"] })).await;
    let answer = browser.get(&Authorize::web().set("prompt", "login").url(&server)).await;
    browser.app_login(&server, &answer, json!({ "subject": "bob@crm", "remember": true })).await;
    browser.get(&accepted).await.assert_page(403, "request_forbidden");
    assert_eq!(server.database.count("grants").await, 0);
}

/// What is revoked takes along what was allowed and is not finished yet, and what the next app is told is the truth of then.
#[tokio::test]
async fn a_revoked_consent_is_revoked_under_way_too() {
    let server = Server::with_apps().await;
    let (mut browser, challenge) = at_consent(&server, &Authorize::web()).await;
    let body = json!({ "grant_scope": ["openid"], "remember": true });
    let accepted = server.accept(Asked::Consent, &challenge, body.clone()).await;
    assert_eq!(revoke(&server, "subject=alice@crm&all=true").await.status, 204);
    browser.get(&accepted).await.assert_page(410, "request_already_handled");
    assert_eq!((server.database.count("grants").await, server.database.count("consents").await), (0, 0));

    browser.app_journey(&server, &Authorize::web(), alice(), json!({ "remember": true })).await;
    let answer = browser.get(&Authorize::web().url(&server)).await;
    let answer = browser.app_login(&server, &answer, alice()).await;
    let challenge = Asked::Consent.challenge(&answer);
    assert_eq!(server.asked(Asked::Consent, &challenge).await.json()["skip"], true);
    assert_eq!(revoke(&server, "subject=alice@crm&client=web").await.status, 204);
    assert_eq!(server.asked(Asked::Consent, &challenge).await.json()["skip"], false);
    let accepted = server.accept(Asked::Consent, &challenge, body).await;
    assert!(browser.get(&accepted).await.parameter("code").is_some());
    let listed = consents(&server, "subject=alice@crm").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "who was asked again is listed again");
}

/// CO-07: of a revocation and the end of a flow at once, whichever is first: nothing that was revoked comes back.
#[tokio::test]
async fn co_07_a_consent_does_not_come_back_while_it_is_revoked() {
    let server = Server::with_apps().await;
    for round in 0..24 {
        let (browser, challenge) = at_consent(&server, &Authorize::web().set("prompt", "consent")).await;
        let body = json!({ "grant_scope": ["openid"], "remember": true });
        let accepted = server.accept(Asked::Consent, &challenge, body).await;
        let visit = browser.visit(&accepted);
        let revocation = revoke(&server, "subject=alice@crm&all=true");
        let revoking = async {
            tokio::time::sleep(std::time::Duration::from_millis(round % 8)).await;
            revocation.await
        };
        let (answer, revoked) = tokio::join!(visit, revoking);
        assert_eq!(revoked.status, 204);
        let alive = server.database.column("SELECT id FROM grants WHERE revoked_at IS NULL").await.len();
        let remembered = server.database.count("consents").await;
        let after = answer.parameter("code").is_some() && alive == 1;
        assert_eq!(remembered, i64::from(after), "round {round}: {alive} grants alive");
        revoke(&server, "subject=alice@crm&all=true").await;
    }
}

/// A client's own `skip_consent` is for its app to look at, as with Hydra: what nobody was asked is not remembered.
#[tokio::test]
async fn skip_consent_is_the_apps_to_look_at() {
    let server = Server::with_apps().await;
    server.change_client("web", |client| client["skip_consent"] = json!(true)).await;
    let (_, challenge) = at_consent(&server, &Authorize::web()).await;
    let asked = server.asked(Asked::Consent, &challenge).await.json();
    assert_eq!((&asked["skip"], &asked["client"]["skip_consent"]), (&json!(false), &json!(true)));
}

/// A hint is told as it was verified; one that nobody has verified is not told, wherever it stands.
#[tokio::test]
async fn an_unverified_hint_is_not_told() {
    let server = Server::with_apps().await;
    let signer = Signer::es256();
    let by_object = json!({
        "redirect_uris": ["https://rp.example/cb"], "grant_types": ["authorization_code"], "scope": "openid",
        "jwks": signer.jwks(), "request_object_signing_alg": "ES256",
    });
    server.client("signing", by_object).await;
    let mut browser = server.browser();
    let request = Authorize::of("signing", "https://rp.example/cb").set("scope", "openid");
    let code = browser.app_journey(&server, &request, alice(), json!({})).await.parameter("code").unwrap();
    let tokens = server.redeem("signing", &code, "https://rp.example/cb", Some(VERIFIER)).await.tokens();
    let mut object = json!({
        "iss": "signing", "aud": server.issuer, "client_id": "signing", "response_type": "code", "scope": "openid",
        "redirect_uri": "https://rp.example/cb", "state": "s", "nonce": "n-0123456789",
        "iat": server.clock.now().seconds(), "exp": server.clock.now().seconds() + 60,
        "code_challenge": crate::support::challenge_of(VERIFIER), "code_challenge_method": "S256",
    });
    // {"alg":"none"} and {"sub":"boss"}
    let forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJib3NzIn0.";
    let url = |object: &Value| {
        let query = format!("client_id=signing&response_type=code&scope=openid&request={}", signer.sign(object));
        server.url(&format!("/oauth2/auth?{query}&id_token_hint={forged}"))
    };
    // Where it is the only one, it is what the request says, and wrong.
    let answer = browser.get(&url(&object)).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "{:?}", answer.location());
    // Where the object has another, it is nothing.
    object["id_token_hint"] = json!(tokens.id_token);
    let answer = browser.get(&url(&object)).await;
    assert!(Asked::Login.is_at(&answer), "{} {:?} {}", answer.status, answer.location(), answer.body);
    let asked = server.asked(Asked::Login, &Asked::Login.challenge(&answer)).await.json();
    assert_eq!(asked["oidc_context"]["id_token_hint_claims"]["sub"], "alice@crm", "{asked}");
    assert!(!asked["request_url"].as_str().unwrap().contains("id_token_hint"), "{asked}");
}

async fn consents(server: &Server, query: &str) -> Answer {
    server.admin(Method::GET, &format!("/oauth2/auth/sessions/consent?{query}"), None).await
}

async fn revoke(server: &Server, query: &str) -> Answer {
    server.admin(Method::DELETE, &format!("/oauth2/auth/sessions/consent?{query}"), None).await
}

async fn tokens_of(server: &Server, browser: &mut Browser<'_>, request: &Authorize, consent: Value) -> String {
    let answer = browser.app_journey(server, request, alice(), consent).await;
    server.token(&answer.parameter("code").unwrap()).await.tokens().access_token
}

/// hydra.md section 3.6: what a person has allowed is listed as it was asked and answered.
#[tokio::test]
async fn consents_are_listed_as_they_were_given() {
    let server = Server::with_apps().await;
    assert_eq!(consents(&server, "subject=alice@crm").await.json(), json!([]));
    consents(&server, "").await.assert_error(400, "invalid_request");
    let mut browser = server.browser();
    let request = Authorize::web().set("scope", "openid profile").set("audience", "https://api.example/v1");
    let consent = json!({
        "grant_scope": ["openid"], "remember": true, "remember_for": 60, "context": { "asked": "nicely" },
        "session": { "access_token": { "a": 1 }, "id_token": { "b": 2 } },
    });
    tokens_of(&server, &mut browser, &request, consent).await;
    let listed = consents(&server, "subject=alice@crm").await;
    let listed = listed.json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let one = &listed[0];
    for (name, value) in [
        ("grant_scope", json!(["openid"])),
        ("grant_access_token_audience", json!(["https://api.example/v1"])),
        ("remember", json!(true)),
        ("remember_for", json!(60)),
        ("context", json!({ "asked": "nicely" })),
        ("session", json!({ "access_token": { "a": 1 }, "id_token": { "b": 2 } })),
        ("handled_at", json!(server.clock.now().rfc3339())),
    ] {
        assert_eq!(one[name], value, "{name}: {one}");
    }
    let asked = &one["consent_request"];
    assert_eq!(asked["requested_scope"], json!(["openid", "profile"]));
    assert_eq!((&asked["client"]["client_id"], &asked["subject"]), (&json!("web"), &json!("alice@crm")));
    assert_eq!(asked["request_url"], request.url(&server));
    assert_eq!(asked["consent_request_id"], one["consent_request_id"]);
    let session = asked["login_session_id"].as_str().unwrap();
    assert!(!one.to_string().contains("null") && !one.to_string().contains("secret\":\""), "{one}");
    for (query, found) in [
        (format!("subject=alice@crm&login_session_id={session}"), 1),
        ("subject=alice@crm&login_session_id=0198f000-0000-7000-8000-000000000000".to_owned(), 0),
        ("subject=bob@crm".to_owned(), 0),
    ] {
        assert_eq!(consents(&server, &query).await.json().as_array().unwrap().len(), found, "{query}");
    }
    // One that is skipped is not listed again; what is remembered is listed when its grant has ended.
    browser.app_journey(&server, &Authorize::web(), alice(), json!({})).await;
    assert_eq!(consents(&server, "subject=alice@crm").await.json().as_array().unwrap().len(), 1);
    server.database.execute("UPDATE grants SET revoked_at = 1").await;
    let listed = consents(&server, "subject=alice@crm").await.json();
    assert_eq!((&listed[0]["grant_scope"], &listed[0]["remember_for"]), (&json!(["openid"]), &json!(60)), "{listed}");
    server.pass(61);
    assert_eq!(consents(&server, "subject=alice@crm").await.json(), json!([]));
}

/// A list goes on where its page has ended.
#[tokio::test]
async fn consents_are_listed_by_pages() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    for _ in 0..5 {
        tokens_of(&server, &mut browser, &Authorize::web(), json!({})).await;
    }
    let mut seen = Vec::new();
    let mut path = "/oauth2/auth/sessions/consent?subject=alice@crm&page_size=2".to_owned();
    loop {
        let page = server.admin(Method::GET, &path, None).await;
        let items = page.json();
        seen.extend(items.as_array().unwrap().iter().map(|one| one["consent_request_id"].as_str().unwrap().to_owned()));
        let link = page.header("link").unwrap();
        let Some(next) = link.split(", ").find(|one| one.ends_with("rel=\"next\"")) else { break };
        path = next[1..next.find('>').unwrap()].strip_prefix("/admin").unwrap().to_owned();
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    sorted.reverse();
    assert_eq!((seen.len(), &seen), (5, &sorted), "each once, newest first");
    consents(&server, "subject=alice@crm&page_token=x").await.assert_error(400, "invalid_request");
    consents(&server, "subject=alice@crm&page_size=0").await.assert_error(400, "invalid_request");
}

/// AD-10: nothing is revoked by leaving something out.
#[tokio::test]
async fn ad_10_consents_are_revoked_only_by_name() {
    let server = Server::with_apps().await;
    let mut browser = server.browser();
    let token = tokens_of(&server, &mut browser, &Authorize::web(), json!({ "remember": true })).await;
    for query in [
        "",
        "subject=alice@crm",
        "all=true",
        "client=web",
        "client=web&all=true",
        "subject=alice@crm&all=false",
        "subject=alice@crm&client=web&all=true",
        "subject=alice@crm&all=yes",
        "subject=&all=true",
        "subject=alice@crm&client=web&consent_request_id=x",
        "subject=alice@crm&subject=bob&all=true",
    ] {
        revoke(&server, query).await.assert_error(400, "invalid_request");
    }
    for query in ["subject=bob@crm&all=true", "subject=alice@crm&client=two", "consent_request_id=x"] {
        assert_eq!(revoke(&server, query).await.status, 204, "{query}");
    }
    assert!(server.introspect(&token).await.active);
    assert_eq!(server.database.count("consents").await, 1);
}

/// hydra.md section 6.6: with a consent go its tokens, its codes and what was remembered.
#[tokio::test]
async fn a_revoked_consent_takes_its_tokens_along() {
    let server = Server::with_apps().await;
    for by in ["client", "all", "id"] {
        let mut browser = server.browser();
        let remembered = json!({ "remember": true });
        let request = Authorize::web().set("scope", "openid offline");
        let answer = browser.app_journey(&server, &request, alice(), remembered.clone()).await;
        let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
        let two = Authorize::of("two", "https://two.example/cb");
        let answer = browser.app_journey(&server, &two, alice(), json!({})).await;
        let code = answer.parameter("code").unwrap();
        let of_two = server.redeem("two", &code, "https://two.example/cb", Some(VERIFIER)).await.tokens();
        let listed = consents(&server, "subject=alice@crm").await.json();
        let of_web =
            listed.as_array().unwrap().iter().find(|one| one["consent_request"]["client"]["client_id"] == "web");
        let query = match by {
            "client" => "subject=alice@crm&client=web".to_owned(),
            "all" => "subject=alice@crm&all=true".to_owned(),
            _ => format!("consent_request_id={}", of_web.unwrap()["consent_request_id"].as_str().unwrap()),
        };
        assert_eq!(revoke(&server, &query).await.status, 204, "{by}");
        assert!(!server.introspect(&tokens.access_token).await.active, "{by}");
        server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
        assert_eq!(server.introspect(&of_two.access_token).await.active, by != "all", "{by}");
        let answer = browser.get(&Authorize::web().url(&server)).await;
        let answer = browser.app_login(&server, &answer, alice()).await;
        let asked = server.asked(Asked::Consent, &Asked::Consent.challenge(&answer)).await.json();
        assert_eq!(asked["skip"], false, "{by}: the person is asked again");
        assert_eq!(revoke(&server, "subject=alice@crm&all=true").await.status, 204);
    }
}

/// OpenID Connect Core section 8.1: the login app may say what a pairwise client knows a person as.
#[tokio::test]
async fn a_forced_subject_is_what_the_client_sees_everywhere() {
    let server = Server::with(|config| {
        config.urls.login = Some(crate::support::apps::LOGIN_APP.parse().unwrap());
        config.urls.consent = Some(crate::support::apps::CONSENT_APP.parse().unwrap());
        config.oidc.pairwise_salt = Some(hydrant::secret::Secret::new("salt-of-twenty-characters"));
    })
    .await;
    let pairwise = json!({
        "redirect_uris": ["https://rp.example/cb"], "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid offline", "subject_type": "pairwise",
    });
    server.client("pair", pairwise).await;
    let mut browser = server.browser();
    let request = Authorize::of("pair", "https://rp.example/cb").set("scope", "openid offline");
    let mut login = alice();
    login["force_subject_identifier"] = json!("customer-17");
    let answer = browser.app_journey(&server, &request, login.clone(), json!({})).await;
    let code = answer.parameter("code").unwrap();
    let tokens = server.redeem("pair", &code, "https://rp.example/cb", Some(VERIFIER)).await.tokens();
    assert_eq!(tokens.claims()["sub"], "customer-17");
    assert_eq!(server.userinfo(&tokens.access_token).await.json()["sub"], "customer-17");
    assert_eq!(server.introspect(&tokens.access_token).await.rest["sub"], "customer-17");
    let refreshed = server.refresh("pair", tokens.refresh()).await.tokens();
    assert_eq!(refreshed.claims()["sub"], "customer-17");
    // A hint with it names the person.
    let hinted = request.clone().set("id_token_hint", tokens.id_token.as_deref().unwrap());
    let answer = browser.get(&hinted.url(&server)).await;
    let asked = server.asked(Asked::Login, &Asked::Login.challenge(&answer)).await.json();
    assert_eq!((&asked["skip"], &asked["subject"]), (&json!(true), &json!("alice@crm")));
    assert_eq!(asked["oidc_context"]["id_token_hint_claims"]["sub"], "customer-17");
    // Two people are never one.
    let mut other = server.browser();
    let answer = other.get(&request.url(&server)).await;
    let body = json!({ "subject": "bob@crm", "force_subject_identifier": "customer-17" });
    server.answer(Asked::Login, "accept", &Asked::Login.challenge(&answer), &body).await.assert_error(409, "conflict");
    // A public client knows people as they are.
    let answer = browser.app_journey(&server, &Authorize::web(), login, json!({})).await;
    let tokens = server.token(&answer.parameter("code").unwrap()).await.tokens();
    assert_eq!(tokens.claims()["sub"], "alice@crm");
}

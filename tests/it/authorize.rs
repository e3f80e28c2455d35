//! The authorization endpoint: RFC 6749 sections 3.1 and 4.1.1, RFC 9207, RFC 9700 section 4.

use hydrant::id::ClientId;

use crate::support::{Answer, Authorize, Browser, PASSWORD, Server};

/// AZ-01, RFC 6749 section 4.1.2.1: nothing is redirected while the client is not known.
#[tokio::test]
async fn az_01_without_a_client_id_there_is_a_page() {
    let server = Server::start().await;
    let request = Authorize::web().set("redirect_uri", "https://evil.example/cb");
    server.assert_page(&request.clone().without("client_id"), 400, "invalid_request").await;
    server.assert_page(&request.set("client_id", ""), 400, "invalid_request").await;
}

/// AZ-02: and a deleted client looks like one that never was.
#[tokio::test]
async fn az_02_an_unknown_client_leads_to_a_page() {
    let server = Server::start().await;
    server.app().store.delete_client(&ClientId::new("evil")).await.unwrap();
    let never = Authorize::of("nope", "https://evil.example/cb");
    let deleted = Authorize::of("evil", "https://evil.example/cb");
    for request in [&never, &deleted] {
        server.assert_page(request, 401, "invalid_client").await;
    }
    let (never, deleted) = (server.ask(&never).await, server.ask(&deleted).await);
    // But for what finds each in the log.
    let page = |answer: &Answer| answer.body.replace(answer.header("x-request-id").unwrap(), "");
    assert_eq!(page(&never.get), page(&deleted.get));
    assert!(never.get.header("www-authenticate").is_none(), "a browser would ask for a password");
}

/// AZ-04, OpenID conformance `oidcc-response-type-missing`.
#[tokio::test]
async fn az_04_without_a_response_type_the_client_is_told() {
    let server = Server::start().await;
    server.assert_back(&Authorize::web().without("response_type"), "invalid_request").await;
}

/// AZ-05, RFC 6749 section 3.1.1. Implicit and hybrid types are among the unknown (RFC 9700 section 2.1.2).
#[tokio::test]
async fn az_05_unknown_response_types_are_refused() {
    let server = Server::start().await;
    for text in ["foo", "code foo", "code code", "token", "id_token", "id_token token", "code token", "CODE", "none"] {
        server.assert_back(&Authorize::web().set("response_type", text), "unsupported_response_type").await;
    }
}

/// AZ-10, RFC 6749 section 4.1.2: `state` comes back as the very bytes that were sent, in a code and in an error.
#[tokio::test]
async fn az_10_state_comes_back_as_it_was_sent() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let base = Authorize::web().without("state").query();
    let raw = "%22%3E%3Cscript%3E%26x%3D1%25%30%30%2B+é";
    let long = "0123456789abcdef".repeat(64);
    for (raw, state) in [(raw, "\"><script>&x=1%00+ é"), (&long, &long), ("x", "x"), ("%26code%3Devil", "&code=evil")]
    {
        let url = server.url(&format!("/oauth2/auth?{base}&state={raw}"));
        let code = browser.get(&url).await;
        assert!(code.parameter("code").is_some(), "{} {:?}", code.status, code.location());
        assert_eq!(code.parameter("state").as_deref(), Some(state));
        let names: Vec<_> = code.pairs().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["code", "state", "iss"], "state={raw}");
        let error = browser.get(&format!("{url}&prompt=foo")).await;
        error.assert_back(&server, 302, "invalid_request");
        assert_eq!(error.parameter("state").as_deref(), Some(state));
        let form = browser.get(&format!("{url}&response_mode=form_post")).await;
        assert!(form.hidden_fields().contains(&("state".to_owned(), state.to_owned())), "{}", form.body);
        assert_eq!(form.body.matches("<script").count(), 1, "only ours: {}", form.body);
    }
    let code = browser.get(&server.url(&format!("/oauth2/auth?{base}"))).await;
    assert_eq!((code.parameter("code").is_some(), code.parameter("state")), (true, None), "none was sent");
}

/// AZ-11, CWE-113.
#[tokio::test]
async fn az_11_a_line_break_in_state_splits_no_header() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let state = "a\r\nSet-Cookie: x=1";
    for (extra, what) in [("", "code"), ("foo", "error")] {
        let answer = browser.get(&Authorize::web().set("state", state).set("prompt", extra).url(&server)).await;
        assert_eq!(answer.headers.get_all("location").iter().count(), 1);
        assert!(!answer.headers.contains_key("set-cookie"), "{:?}", answer.headers);
        assert!(answer.location().unwrap().contains("a%0D%0ASet-Cookie"), "{:?}", answer.location());
        assert_eq!((answer.parameter("state").as_deref(), answer.parameter(what).is_some()), (Some(state), true));
    }
    let form = browser.get(&Authorize::web().set("state", state).set("response_mode", "form_post").url(&server)).await;
    assert!(!form.headers.contains_key("set-cookie"));
    assert!(form.hidden_fields().contains(&("state".to_owned(), state.to_owned())));
}

/// AZ-13, RFC 6749 section 3.1: of two targets neither is believed.
#[tokio::test]
async fn az_13_two_client_ids_lead_to_a_page() {
    let server = Server::start().await;
    for (name, value) in [
        ("client_id", "evil"),
        ("client_id", "web"),
        ("client_id", ""),
        ("redirect_uri", "https://evil.example/cb"),
        ("redirect_uri", "https://rp.example/cb"),
        ("redirect_uri", ""),
    ] {
        server.assert_page(&Authorize::web().add(name, value), 400, "invalid_request").await;
        // Whatever else is repeated, and before it.
        let query = format!("state=1&x=1&x=2&{}", Authorize::web().add(name, value).query());
        server.get(&format!("/oauth2/auth?{query}")).await.assert_page(400, "invalid_request");
    }
}

/// AZ-13: any other parameter that is given twice goes back as an error.
#[tokio::test]
async fn az_13_a_repeated_parameter_is_an_error() {
    let server = Server::start().await;
    for name in ["response_type", "scope", "nonce", "code_challenge", "code_challenge_method"] {
        let request = Authorize::web();
        let value = request.fields().iter().find(|(found, _)| found == name).unwrap().1.clone();
        server.assert_back(&request.add(name, &value), "invalid_request").await;
    }
    for name in ["prompt", "max_age", "extra", "display", "login_hint"] {
        server.assert_back(&Authorize::web().add(name, "1").add(name, "1"), "invalid_request").await;
    }
}

/// AZ-14: a parameter in the query and in the body is one given twice, whatever a framework would make of it.
#[tokio::test]
async fn az_14_a_form_has_no_query() {
    let server = Server::start().await;
    for query in ["redirect_uri=https://evil.example/cb", "redirect_uri=https://rp.example/cb", "client_id=evil", "x=1"]
    {
        let url = server.url(&format!("/oauth2/auth?{query}"));
        let form = server.http.post(url).form(Authorize::web().fields());
        Answer::of(form.send().await.unwrap()).await.assert_page(400, "invalid_request");
    }
}

/// AZ-16, RFC 6749 section 3.3: what no scope can be is refused, and shows in no header.
#[tokio::test]
async fn az_16_a_scope_outside_the_grammar_is_refused() {
    let server = Server::start().await;
    for scope in ["openid\"\\", "openid\tx", "öpenid", "openid\u{7f}", "openid\nx", "openid\r\nX: y", "openid  \"a\""]
    {
        let request = Authorize::web().set("scope", scope);
        server.assert_back(&request, "invalid_scope").await;
        let asked = server.ask(&request).await;
        let location = asked.get.location().unwrap();
        assert!(!location.contains(scope) && location.bytes().all(|byte| byte.is_ascii_graphic()), "{location}");
    }
}

/// AZ-17: a scope that the client is not registered for is neither granted nor left out.
#[tokio::test]
async fn az_17_a_scope_that_is_not_the_clients_is_refused() {
    let server = Server::start().await;
    for scope in ["openid admin", "admin", "openid photos", "openid photos.read.all", "openid PROFILE", "openid *"] {
        server.assert_back(&Authorize::web().set("scope", scope), "invalid_scope").await;
    }
}

/// AZ-19, RFC 6749 section 3.1; and those of OpenID Connect Core section 3.1.2.1 that ask for nothing that we have.
#[tokio::test]
async fn az_19_unknown_parameters_are_ignored() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    for (name, value) in [
        ("extra", "foobar"),
        ("display", "page"),
        ("display", "popup"),
        ("ui_locales", "fr-CA se"),
        ("ui_locales", "../../etc/passwd"),
        ("claims_locales", "se"),
        ("acr_values", "1 2"),
        ("login_hint", "bob"),
        ("__proto__", "x"),
    ] {
        let answer = browser.authorize(&Authorize::web().set(name, value)).await;
        let code = answer.parameter("code").unwrap_or_else(|| panic!("{name}={value}: {:?}", answer.location()));
        assert_eq!(server.token(&code).await.tokens().claims()["sub"], server.subject("alice").await.as_str());
    }
}

/// conformance.md section 1: neither the order of scopes nor that of parameters matters.
#[tokio::test]
async fn order_does_not_matter() {
    let server = Server::start().await;
    let mut browser = server.browser();
    browser.code(&Authorize::web().set("scope", "openid profile email"), "alice").await;
    let answer = browser.authorize(&Authorize::web().set("scope", "email openid profile")).await;
    assert!(answer.parameter("code").is_some(), "the same consent: {:?}", answer.location());
    let mut query: Vec<_> = Authorize::web().query().split('&').map(str::to_owned).collect();
    query.reverse();
    let answer = browser.get(&server.url(&format!("/oauth2/auth?{}", query.join("&")))).await;
    assert!(answer.parameter("code").is_some(), "{:?}", answer.location());
}

/// Parameters of features that are not there (OpenID Connect Core section 3.1.2.6): refused by name, never ignored.
#[tokio::test]
async fn what_is_not_supported_has_its_own_error() {
    let server = Server::start().await;
    server.assert_back(&Authorize::web().set("registration", "x"), "registration_not_supported").await;
}

/// AZ-29, RFC 8707 section 2; `audience` is Hydra's.
#[tokio::test]
async fn az_29_a_resource_that_is_not_the_clients_is_refused() {
    let server = Server::start().await;
    for (name, value, code) in [
        ("resource", "https://other.example", "invalid_target"),
        ("resource", "relative", "invalid_target"),
        ("resource", "https://a/#f", "invalid_target"),
        ("resource", "https://api.example/v1#f", "invalid_target"),
        ("resource", "https://api.example/v1evil", "invalid_target"),
        ("audience", "https://other.example", "invalid_request"),
        ("audience", "https://api.example/v1 https://other.example", "invalid_request"),
    ] {
        server.assert_back(&Authorize::web().set(name, value), code).await;
        let both = Authorize::web().set(name, "https://api.example/v1").add(name, value);
        server.assert_back(&both, code).await;
    }
    let mut browser = server.browser();
    for name in ["resource", "audience"] {
        let code = browser.code(&Authorize::web().set(name, "https://api.example/v1"), "alice").await;
        let tokens = server.token(&code).await.tokens();
        let about = server.introspect(&tokens.access_token).await;
        assert_eq!(about.rest["aud"], serde_json::json!(["https://api.example/v1"]), "{name}");
    }
}

/// AZ-31, OpenID Connect Core section 3.1.2.1: a POST is a form.
#[tokio::test]
async fn az_31_another_media_type_is_refused() {
    let server = Server::start().await;
    let url = server.url("/oauth2/auth");
    for (media_type, body) in [
        ("application/json", r#"{"client_id":"web"}"#.to_owned()),
        ("multipart/form-data; boundary=x", "--x--".to_owned()),
        ("text/plain", Authorize::web().query()),
        ("application/x-www-form-urlencoded; charset=utf-16", Authorize::web().query()),
    ] {
        let answer = server.http.post(&url).header("content-type", media_type).body(body).send().await.unwrap();
        let answer = Answer::of(answer).await;
        assert_eq!(answer.status, 415, "{media_type}");
        answer.assert_page(415, "invalid_request");
    }
    let bare = Answer::of(server.http.post(&url).send().await.unwrap()).await;
    bare.assert_page(415, "invalid_request");
}

/// AZ-32, RFC 9207 section 2: every response names its issuer, letter for letter as discovery does, once.
#[tokio::test]
async fn az_32_every_response_names_the_issuer() {
    let server = Server::start().await;
    let discovery = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(discovery["authorization_response_iss_parameter_supported"], true);
    let issuer = discovery["issuer"].as_str().unwrap();
    let mut browser = server.signed_in("alice").await;
    for (prompt, what) in [("none", "code"), ("foo", "error"), ("consent", "error")] {
        let mut answer = browser.authorize(&Authorize::web().set("prompt", prompt)).await;
        if prompt == "consent" {
            let challenge = answer.field("consent_challenge");
            let fields = [("consent_challenge", challenge.as_str()), ("action", "reject")];
            answer = browser.post(&server.url("/consent"), &fields).await;
            answer = browser.follow(answer).await;
            answer.assert_back(&server, 302, "access_denied");
        }
        let pairs = answer.pairs();
        let issuers: Vec<_> = pairs.iter().filter(|(name, _)| name == "iss").map(|(_, value)| value.as_str()).collect();
        assert_eq!((answer.parameter(what).is_some(), issuers), (true, vec![issuer]), "{prompt}");
    }
}

/// AZ-34, RFC 9700 section 4.12: a redirect after a form is 303, so that no credential is sent on. And conformance.md
/// section 1: a request may come as a form.
#[tokio::test]
async fn az_34_no_redirect_sends_a_form_on() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let first = browser.post(&server.url("/oauth2/auth"), &pairs(&Authorize::web())).await;
    assert_eq!(first.status, 303);
    let login = walk(&server, &mut browser, first).await;
    let challenge = login.field("login_challenge");
    let fields =
        [("login_challenge", challenge.as_str()), ("email", "alice"), ("password", PASSWORD), ("action", "accept")];
    let answer = browser.post(&server.url("/login"), &fields).await;
    assert_eq!(answer.status, 303);
    let consent = walk(&server, &mut browser, answer).await;
    let challenge = consent.field("consent_challenge");
    let fields = [("consent_challenge", challenge.as_str()), ("action", "accept"), ("grant_scope", "openid")];
    let answer = browser.post(&server.url("/consent"), &fields).await;
    assert_eq!(answer.status, 303);
    let code = walk(&server, &mut browser, answer).await.parameter("code").unwrap();
    assert!(server.token(&code).await.tokens().id_token.is_some());
    // Signed in and remembered by now, straight from a form to the client.
    browser.journey(&Authorize::web(), "alice").await;
    let answer = browser.post(&server.url("/oauth2/auth"), &pairs(&Authorize::web())).await;
    assert_eq!((answer.status, answer.parameter("code").is_some()), (303, true));
}

fn pairs(request: &Authorize) -> Vec<(&str, &str)> {
    request.fields().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Follows the redirects of GETs, which are 302, to a page or the client.
async fn walk(server: &Server, browser: &mut Browser<'_>, mut answer: Answer) -> Answer {
    while let Some(location) = answer.location().filter(|location| location.starts_with(&server.issuer)) {
        answer = browser.get(&location).await;
        assert!([200, 302].contains(&answer.status), "{} {location}", answer.status);
    }
    answer
}

/// AZ-35, RFC 9700 sections 4.2.4 and 4.16: nothing of an authorization is kept, framed, or told to anybody else.
#[tokio::test]
async fn az_35_codes_do_not_leak() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let redirect = browser.get(&Authorize::web().url(&server)).await;
    let login = browser.follow(redirect).await;
    let consent = browser.login(&login, "alice", PASSWORD, false).await;
    let code = browser.consent(&consent, &["openid"], true).await;
    let form_post = browser.get(&Authorize::web().set("response_mode", "form_post").url(&server)).await;
    let fault = browser.get(&Authorize::web().set("client_id", "nope").url(&server)).await;
    let error = browser.get(&Authorize::web().set("prompt", "foo").url(&server)).await;
    let redirect = server.browser().get(&Authorize::web().url(&server)).await;
    assert!(code.parameter("code").is_some() && form_post.has_field("code") && error.parameter("error").is_some());
    for (what, answer) in [
        ("login", &login),
        ("consent", &consent),
        ("form_post", &form_post),
        ("fault", &fault),
        ("code", &code),
        ("error", &error),
        ("redirect", &redirect),
    ] {
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{what}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{what}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
        if answer.location().is_some() {
            continue;
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{what}: {policy}");
        assert!(!policy.contains("unsafe-"), "{what}: {policy}");
        for attribute in ["src=\"", "href=\"", "srcset=\""] {
            for target in answer.body.split(attribute).skip(1) {
                assert!(target.starts_with('/') && !target.starts_with("//"), "{what} loads {}", &target[..40]);
            }
        }
        assert!(!answer.body.contains("url(") && !answer.body.contains("@import"), "{what}");
    }
}

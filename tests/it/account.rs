//! The account page: how one comes to it, what it shows of connected applications, and that nobody else can use it.

use reqwest::Method;
use serde_json::json;

use crate::support::apps::{Asked, LOGIN_APP};
use crate::support::{Answer, Authorize, Browser, PASSWORD, Server, Tokens, VERIFIER};

async fn tokens(server: &Server, browser: &mut Browser<'_>, request: &Authorize) -> Tokens {
    let code = browser.code(request, "alice").await;
    server.token(&code).await.tokens()
}

async fn is_alive(server: &Server, tokens: &Tokens) -> bool {
    server.introspect(&tokens.access_token).await.active
}

/// Who is not signed in comes by way of the login page and back. Nothing is written before that, and nothing but the
/// session by it; the page leads nowhere else.
#[tokio::test]
async fn who_is_not_signed_in_signs_in_and_is_back() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let answer = browser.get(&server.url("/account")).await;
    assert_eq!(answer.status, 302);
    let page = browser.follow(answer).await;
    assert!(page.body.contains("<h1>Sign in</h1>") && !page.body.contains("id=\"reject\""), "{}", page.body);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self';"), "{policy}");
    assert_eq!(server.database.count("sessions").await, 0);
    let failed = browser.submit_login(&page, "alice", "wrong").await;
    assert!(failed.status == 400 && failed.has_field("login_challenge"), "{}", failed.body);
    let answer = browser.submit_login(&page, "alice", PASSWORD).await;
    assert_eq!((answer.status, answer.location()), (303, Some(server.url("/account"))));
    let page = browser.follow(answer).await;
    assert_eq!(page.status, 200);
    for part in ["<h1>Your account</h1>", ">alice@example.com<", "This browser", "No application has access"] {
        assert!(page.body.contains(part), "{part} in {}", page.body);
    }
    assert_eq!((server.database.count("sessions").await, server.database.count("interactions").await), (1, 0));
    // It is the session of every other login.
    assert!(browser.authorize(&Authorize::web()).await.has_field("consent_challenge"));
}

/// The challenge of that login is this browser's, for a while, and nobody else's to answer.
#[tokio::test]
async fn lc_07_such_a_login_is_bound_to_its_browser() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let answer = browser.get(&server.url("/account")).await;
    let challenge = answer.parameter("login_challenge").unwrap();
    let url = server.url(&format!("/login?login_challenge={challenge}"));
    server.browser().get(&url).await.assert_page(403, "request_forbidden");
    let mut other = server.signed_in("bob").await;
    other.get(&url).await.assert_page(403, "request_forbidden");
    for verb in ["accept", "reject"] {
        let answer = server.answer(Asked::Login, verb, &challenge, &json!({ "subject": "mallory" })).await;
        answer.assert_error(404, "not_found");
    }
    server.asked(Asked::Login, &challenge).await.assert_error(404, "not_found");
    let verifier = server.url(&format!("/oauth2/auth?login_verifier={challenge}"));
    browser.get(&verifier).await.assert_page(404, "not_found");
    // LC-28: whatever stands beside it, it leads to the account page.
    let page = browser.get(&format!("{url}&return_to=https://evil.example")).await;
    let challenge = page.field("login_challenge");
    let fields = [
        ("login_challenge", challenge.as_str()),
        ("email", "alice"),
        ("password", PASSWORD),
        ("return_to", "https://evil.example"),
        ("redirect_uri", "//evil.example"),
    ];
    let answer = browser.post(&server.url("/login"), &fields).await;
    assert_eq!(answer.location(), Some(server.url("/account")));
    let turned = browser.post(&server.url("/login"), &[("login_challenge", &challenge), ("action", "reject")]).await;
    assert_eq!(turned.location(), Some(server.issuer.clone()));
    server.pass(server.config().ttl.login_consent_request.as_secs());
    browser.get(&url).await.assert_page(410, "already_handled");
}

/// What a client may stands there in the words of the consent page, once for each client.
#[tokio::test]
async fn connected_applications_are_shown_and_removed() {
    let server = Server::start().await;
    server.change_client("web", |client| client["backchannel_logout_uri"] = json!("https://rp.example/bye")).await;
    let mut browser = server.signed_in("alice").await;
    let of_web = tokens(&server, &mut browser, &Authorize::web().set("scope", "openid profile")).await;
    let offline = tokens(&server, &mut browser, &Authorize::web().set("scope", "openid offline_access")).await;
    let two = Authorize::of("two", "https://two.example/cb").set("scope", "openid photos.read");
    let code = browser.code(&two, "alice").await;
    let of_two = server.redeem("two", &code, "https://two.example/cb", Some(VERIFIER)).await.tokens();
    let mut of_bob = server.signed_in("bob").await;
    let bobs = {
        let code = of_bob.code(&Authorize::web(), "bob").await;
        server.token(&code).await.tokens()
    };
    let page = browser.account("alice").await;
    for words in ["Sign you in", "See your profile", "Stay connected", ">photos.read<", "Connected since"] {
        assert!(page.body.contains(words), "{words} in {}", page.body);
    }
    assert_eq!(page.body.matches("name=\"disconnect\"").count(), 2, "{}", page.body);

    let answer = browser.press(&page, "disconnect", "web").await;
    assert_eq!(answer.status, 303);
    let page = browser.follow(answer).await;
    assert!(page.body.contains("role=\"status\">The application has no access"), "{}", page.body);
    assert_eq!(page.body.matches("name=\"disconnect\"").count(), 1);
    for dead in [&of_web, &offline] {
        assert!(!is_alive(&server, dead).await);
    }
    server.refresh("web", offline.refresh()).await.assert_error(400, "invalid_grant");
    assert!(is_alive(&server, &of_two).await && is_alive(&server, &bobs).await);
    assert!(server.database.count("logout_tokens").await >= 1, "the client is told");
    assert!(browser.authorize(&Authorize::web()).await.has_field("consent_challenge"), "it has to ask again");
    // What was never there is not there any more.
    assert_eq!(browser.press(&page, "disconnect", "nobody").await.status, 303);
}

/// A consent that is remembered is shown when its grant is long gone; so is a grant where nobody was asked.
#[tokio::test]
async fn what_is_remembered_is_shown_without_its_grant() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    server.database.execute("DELETE FROM grants").await;
    assert!(browser.account("alice").await.body.contains("value=\"web\""));
    server.database.execute("DELETE FROM consents").await;
    assert!(!browser.account("alice").await.body.contains("value=\"web\""));
    server.change_client("two", |client| client["skip_consent"] = json!(true)).await;
    let code = browser.code(&Authorize::of("two", "https://two.example/cb"), "alice").await;
    server.redeem("two", &code, "https://two.example/cb", Some(VERIFIER)).await.tokens();
    let page = browser.account("alice").await;
    assert!(page.body.contains("value=\"two\""), "{}", page.body);
    server.pass(server.config().ttl.access_token.as_secs() + 3600);
    assert!(!browser.account("alice").await.body.contains("value=\"two\""), "nothing of it is alive");
}

/// AD-14: what others wrote is text.
#[tokio::test]
async fn ad_14_what_others_wrote_is_text() {
    let server = Server::start().await;
    let metadata = json!({
        "redirect_uris": ["https://evil2.example/cb"], "scope": "openid <b>x</b>", "client_name": "<script>alert(1)</script>",
    });
    server.client("\"><img src=x>", metadata).await;
    let mut browser = server.browser().calling_itself("<script>alert(2)</script>");
    let request = Authorize::of("\"><img src=x>", "https://evil2.example/cb").set("scope", "openid <b>x</b>");
    browser.journey(&request, "alice").await;
    let mut other = server.browser().calling_itself("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko Firefox/140.0");
    let page = other.account("alice").await;
    for markup in ["<script", "<b>", "<img src=x"] {
        assert!(!page.body.contains(markup), "{markup} in {}", page.body);
    }
    assert!(page.body.contains("&lt;script&gt;alert(1)") && page.body.contains("&lt;script&gt;alert(2)"));
    assert!(page.body.contains(">Firefox on Linux<"), "{}", page.body);
    let id = page.body.split("name=\"disconnect\" value=\"").nth(1).unwrap().split("\" aria").next().unwrap();
    assert_eq!(id, "&quot;&gt;&lt;img src=x&gt;");
    other.press(&page, "disconnect", "\"><img src=x>").await;
    assert!(other.account("alice").await.body.contains("No application has access"));
}

/// LC-01: a form is sent by the page that was shown to this browser in this session, and by nothing else.
#[tokio::test]
async fn lc_01_a_form_of_anybody_else_does_nothing() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    server.signed_in("alice").await;
    let page = browser.account("alice").await;
    let own = page.field("form");
    let mut elsewhere = server.signed_in("alice").await;
    let other_session = elsewhere.account("alice").await.field("form");
    let mut of_bob = server.signed_in("bob").await;
    let of_bob = of_bob.account("bob").await.field("form");
    let url = server.url("/account");
    let answer = browser.authorize(&Authorize::web().set("prompt", "login")).await;
    let challenge = answer.field("login_challenge");
    let cookie = browser.cookie("session").unwrap().to_owned();
    for form in ["", "x", &other_session, &of_bob, &challenge, &cookie, &own[1..]] {
        let answer = browser.post(&url, &[("form", form), ("end_others", "true")]).await;
        assert!(matches!(answer.status, 400 | 403) && answer.is_html(), "{form}: {}", answer.body);
    }
    browser.post(&url, &[("end_others", "true")]).await.assert_page(400, "invalid_request");
    for site in ["cross-site", "same-site"] {
        let request = server.http.post(&url).form(&[("form", own.as_str()), ("end_others", "true")]);
        let request = request.header("sec-fetch-site", site).header("accept", "text/html");
        browser.send(request).await.assert_page(403, "request_forbidden");
    }
    let request = server.http.post(&url).form(&[("form", own.as_str()), ("end_others", "true")]);
    let request = request.header("origin", "https://evil.example").header("accept", "text/html");
    browser.send(request).await.assert_page(403, "request_forbidden");
    // As a link it only shows the page.
    let link = browser.get(&format!("{url}?form={own}&end_others=true")).await;
    assert_eq!(link.status, 200);
    // Several at once, or none, is no order.
    for fields in [&[][..], &[("end_others", "true"), ("disconnect", "web")], &[("other", "x")]] {
        let fields: Vec<_> = fields.iter().copied().chain([("form", own.as_str())]).collect();
        browser.post(&url, &fields).await.assert_page(400, "invalid_request");
    }
    assert_eq!(server.database.count("sessions").await, 4);
    // A stranger with the form and without the cookies.
    let answer = server.browser().post(&url, &[("form", &own), ("end_others", "true")]).await;
    answer.assert_page(403, "request_forbidden");
    // The browser's cookie alone is nobody who is signed in.
    let mut signed_out = browser.copy();
    signed_out.cookies.retain(|name, _| !name.ends_with("session"));
    let answer = signed_out.post(&url, &[("form", &own), ("end_others", "true")]).await;
    assert_eq!((answer.status, answer.location()), (303, Some(url)));
    assert_eq!(server.database.count("sessions").await, 4);
    assert_eq!(browser.press(&page, "end_others", "true").await.status, 303);
    assert_eq!(server.database.count("sessions").await, 2);
}

/// What the page says was done was done in this session: no link makes it say so.
#[tokio::test]
async fn nobody_else_makes_the_page_say_anything() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let page = browser.account("alice").await;
    let said = browser.press(&page, "end_others", "true").await.location().unwrap();
    assert!(browser.get(&said).await.body.contains("There was no other session."));
    let mut other = server.signed_in("alice").await;
    assert!(!other.get(&said).await.body.contains("role=\"status\""));
    for notice in ["x", "PasswordChanged", &page.field("form")] {
        let page = browser.get(&server.url(&format!("/account?notice={notice}"))).await;
        assert!(page.status == 200 && !page.body.contains("role=\"status\""), "{notice}");
    }
}

/// `accounts.page: false`: there is none, and no login leads there.
#[tokio::test]
async fn an_operator_may_do_without_the_page() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let challenge = browser.get(&server.url("/account")).await.parameter("login_challenge").unwrap();
    let without =
        Server::on(server.database.clone(), server.clock.clone(), |config| config.accounts.page = false).await;
    let mut other = without.signed_in("alice").await;
    other.get(&without.url("/account")).await.assert_page(404, "not_found");
    other.post(&without.url("/account"), &[("form", "x")]).await.assert_page(404, "not_found");
    let mut same = without.browser();
    same.cookies.clone_from(&browser.cookies);
    same.get(&without.url(&format!("/login?login_challenge={challenge}"))).await.assert_page(404, "not_found");
}

/// Where another app signs people in, the page works in a session that this app lets be used again; without one it says
/// what to do. Who has no account here has no password to change.
#[tokio::test]
async fn where_another_app_signs_people_in_the_page_needs_its_session() {
    let server = Server::with(|config| config.urls.login = Some(LOGIN_APP.parse().unwrap())).await;
    let mut browser = server.browser();
    let page = browser.get(&server.url("/account")).await;
    assert!(page.status == 200 && page.body.contains("<h1>You are not signed in</h1>"), "{}", page.body);
    assert!(!page.headers.contains_key("set-cookie") && !page.body.contains("<form"));
    let local = server.subject("bob").await;
    for (subject, remember, signed_in, password) in
        [("alice@crm", false, false, false), ("alice@crm", true, true, false), (local.as_str(), true, true, true)]
    {
        let mut browser = server.browser().calling_itself("curl/8.14.1");
        let login = json!({ "subject": subject, "remember": remember });
        let answer = browser.get(&Authorize::web().url(&server)).await;
        let answer = browser.app_login(&server, &answer, login).await;
        let answer = browser.follow(answer).await;
        if answer.has_field("consent_challenge") {
            browser.consent(&answer, &["openid"], true).await;
        }
        let page = browser.get(&server.url("/account")).await;
        assert_eq!(page.body.contains("<h1>Your account</h1>"), signed_in, "{subject} {remember}: {}", page.body);
        assert_eq!(page.body.contains("name=\"current_password\""), password, "{subject}");
        if signed_in {
            assert!(page.body.contains(">curl/8.14.1<") && page.body.contains("127.0.0.1"), "{}", page.body);
            assert!(page.body.contains("value=\"web\""), "{}", page.body);
            let refused = browser.press(&page, "change_password", "true").await;
            assert_eq!(refused.status, if password { 400 } else { 404 }, "{}", refused.body);
            assert_eq!(browser.press(&page, "end_others", "true").await.status, 303);
        }
    }
}

/// An issuer with a path has its page there, behind a proxy that strips the path and one that does not.
#[tokio::test]
async fn the_page_is_under_the_issuers_path() {
    let server = Server::with(|config| {
        config.urls.issuer.push_str("/t1");
        config.urls.public.push_str("/t1");
        config.urls.issuer_url = config.urls.issuer.parse().unwrap();
    })
    .await;
    let mut browser = server.browser();
    let page = browser.account("alice").await;
    assert!(page.body.contains("action=\"/t1/account\"") && page.body.contains("href=\"/t1/oauth2/sessions/logout\""));
    let answer = browser.press(&page, "end_others", "true").await;
    assert!(answer.location().unwrap().starts_with(&server.url("/account?notice=")), "{:?}", answer.location());
    assert_eq!(browser.get(&server.url("/account").replace("/t1", "")).await.status, 200);
}

/// A failure of the store is neither "not signed in" nor "done".
#[tokio::test]
async fn without_the_store_the_page_is_503() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let page = browser.account("alice").await;
    server.app().store.close().await;
    let assert_unavailable = |answer: &Answer| {
        answer.assert_page(503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some());
    };
    assert_unavailable(&browser.get(&server.url("/account")).await);
    for (name, value) in [("end_others", "true"), ("disconnect", "web"), ("change_password", "true")] {
        assert_unavailable(&browser.press(&page, name, value).await);
    }
    assert!(browser.cookie("session").is_some());
}

/// Other methods, other bodies, two of one field.
#[tokio::test]
async fn the_page_takes_forms_and_nothing_else() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let form = browser.account("alice").await.field("form");
    let url = server.url("/account");
    let answer = browser.post(&url, &[("form", &form), ("end_others", "true"), ("end_others", "true")]).await;
    answer.assert_page(400, "invalid_request");
    let request =
        server.http.post(&url).json(&json!({ "form": form, "end_others": "true" })).header("accept", "text/html");
    browser.send(request).await.assert_page(400, "invalid_request");
    let answer = Answer::of(server.http.request(Method::DELETE, &url).send().await.unwrap()).await;
    assert_eq!(answer.status, 405);
}

//! What every page has in common: its headers, nothing from elsewhere, no script, and the names that tests, password
//! managers and screen readers look for.

use serde_json::json;

use crate::support::{Answer, Authorize, PASSWORD, Server};

/// One of each page, in the order of a journey.
async fn pages(server: &Server) -> Vec<(&'static str, Answer)> {
    let mut browser = server.browser();
    let login = browser.authorize(&Authorize::web().set("scope", "openid profile")).await;
    let failed = browser.submit_login(&login, "alice", "wrong").await;
    let consent = browser.login(&login, "alice", PASSWORD, false).await;
    browser.consent(&consent, &["openid"], false).await;
    server.signed_in("alice").await;
    let account = browser.account("alice").await;
    let unchanged = browser.press(&account, "change_password", "true").await;
    let logout = browser.get(&server.url("/oauth2/sessions/logout")).await;
    let logout = browser.follow(logout).await;
    let done = browser.get(&server.url("/logout/done")).await;
    let fault = browser.get(&server.url("/oauth2/auth?client_id=nobody")).await;
    let gone = browser.submit_login(&login, "alice", PASSWORD).await;
    vec![
        ("login", login),
        ("failed", failed),
        ("consent", consent),
        ("account", account),
        ("unchanged", unchanged),
        ("logout", logout),
        ("done", done),
        ("fault", fault),
        ("gone", gone),
    ]
}

fn tags<'a>(body: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("<{name}");
    body.match_indices(&start)
        .map(|(at, _)| &body[at..at + body[at..].find('>').unwrap()])
        .filter(|tag| tag[start.len()..].starts_with([' ', '/']) || tag.len() == start.len())
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split_once('"').map(|(value, _)| value)
}

/// RFC 9700 section 4.16: no page of ours is shown inside another's.
#[tokio::test]
async fn lc_14_no_page_can_be_framed() {
    let server = Server::start().await;
    for (name, page) in pages(&server).await {
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{name}: {policy}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"), "{name}");
    }
}

/// The headers that keep a page and its address to itself.
#[tokio::test]
async fn every_page_has_its_headers() {
    let server = Server::start().await;
    for (name, page) in pages(&server).await {
        for (header, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(page.header(header), Some(value), "{name}");
        }
        let policy = page.header("content-security-policy").unwrap();
        for part in
            ["default-src 'none'", "style-src 'self'", "img-src 'self'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(policy.split("; ").any(|directive| directive.starts_with(part)), "{name}: {part} in {policy}");
        }
        assert!(
            !policy.contains("unsafe") && !policy.contains('*') && !policy.contains("script-src"),
            "{name}: {policy}"
        );
    }
}

/// A page's form may lead to the client that asked, and the policy can not be written by one.
#[tokio::test]
async fn a_redirect_uri_does_not_write_the_policy() {
    let server = Server::start().await;
    let uri = "com.example.app:/cb;script-src%20https:";
    let metadata = json!({
        "redirect_uris": [uri], "scope": "openid", "token_endpoint_auth_method": "none", "application_type": "native",
    });
    server.client("odd", metadata).await;
    let page = server.browser().authorize(&Authorize::of("odd", uri)).await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("com.example.app:") && !policy.contains("script-src"), "{policy}");
    let page = server.browser().authorize(&Authorize::web()).await;
    assert!(page.header("content-security-policy").unwrap().contains("form-action 'self' https://rp.example"));
}

/// Nothing is loaded from anywhere else, nothing runs, and what is loaded is there.
#[tokio::test]
async fn lc_40_pages_need_no_script_and_nobody_else() {
    let server = Server::start().await;
    for (name, page) in pages(&server).await {
        let body = &page.body;
        assert!(tags(body, "script").is_empty() && tags(body, "iframe").is_empty(), "{name}: {body}");
        assert!(tags(body, "style").is_empty() && !body.contains(" style=\""), "{name}: {body}");
        assert!(!body.contains("javascript:") && !body.contains(" onclick=") && !body.contains(" onload="), "{name}");
        assert!(!body.contains("http-equiv"), "{name}");
        let loaded = tags(body, "link").into_iter().filter_map(|tag| attribute(tag, "href"));
        let loaded: Vec<_> =
            loaded.chain(tags(body, "img").into_iter().filter_map(|tag| attribute(tag, "src"))).collect();
        assert!(loaded.len() >= 2, "{name}");
        for path in loaded {
            assert!(path.starts_with("/ui/"), "{name}: {path}");
            let answer = server.get(path).await;
            assert_eq!(answer.status, 200, "{name}: {path}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
    }
}

/// A logo is served from here, whatever the client registered.
#[tokio::test]
async fn lc_40_a_clients_logo_is_not_loaded_from_the_client() {
    let server = Server::start().await;
    let metadata = json!({
        "redirect_uris": ["https://logo.example/cb"], "scope": "openid", "logo_uri": "https://logo.example/logo.png",
        "client_uri": "https://logo.example/", "tos_uri": "https://logo.example/tos", "client_name": "<b>Logo</b> & \"co\"",
    });
    server.client("logo", metadata).await;
    let page = server.browser().authorize(&Authorize::of("logo", "https://logo.example/cb")).await;
    let images = tags(&page.body, "img");
    assert_eq!(images.iter().filter_map(|tag| attribute(tag, "src")).collect::<Vec<_>>(), ["/ui/logo/logo"]);
    assert!(!page.body.contains("<b>") && page.body.contains("&lt;b&gt;Logo&lt;/b&gt; &amp;"), "{}", page.body);
    // The host does not exist: no broken image, and no markup out of the name.
    let logo = server.get("/ui/logo/logo").await;
    assert_eq!((logo.status, logo.header("content-type")), (200, Some("image/svg+xml")));
    assert!(logo.body.contains(">B</text>") && logo.header("content-security-policy").unwrap().contains("sandbox"));
    for link in tags(&page.body, "a") {
        let rel = attribute(link, "rel").unwrap_or_default();
        assert!(rel.contains("noopener") && rel.contains("noreferrer"), "{link}");
    }
}

/// The ids that a test of a browser presses, once each; every field has its label.
#[tokio::test]
async fn lc_40_fields_and_buttons_have_their_names() {
    let server = Server::start().await;
    for (name, page) in pages(&server).await {
        let ids: Vec<_> = page.body.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "{name}: {ids:?}");
        let expected: &[&str] = match name {
            "login" | "failed" => &["email", "password", "remember", "accept", "reject"],
            "consent" => &["openid", "profile", "remember", "accept", "reject", "switch"],
            "account" | "unchanged" => {
                &["sign-out", "end-others", "current_password", "new_password", "new_password_again", "change-password"]
            }
            "logout" => &["accept", "reject"],
            _ => &[],
        };
        for id in expected {
            assert!(ids.contains(id), "{name}: #{id} in {ids:?}");
        }
        assert!(page.body.contains("<html lang=\"en\">") && page.body.matches("<h1").count() == 1, "{name}");
        assert!(page.body.contains("<main") && page.body.contains("<title>"), "{name}");
        for field in tags(&page.body, "input") {
            if attribute(field, "type") == Some("hidden") {
                continue;
            }
            let id = attribute(field, "id").unwrap();
            let at = page.body.find(field).unwrap();
            let wrapped = page.body[..at].rfind("<label") > page.body[..at].rfind("</label>");
            assert!(wrapped || page.body.contains(&format!("<label for=\"{id}\">")), "{name}: #{id} has a label");
        }
    }
}

/// RFC 9700 section 4.2.4: the page that carries a response to a client runs one known script, and works without.
#[tokio::test]
async fn the_form_post_page_works_without_script_too() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let request = Authorize::web().set("response_mode", "form_post").set("state", "\"><script>alert(1)</script>");
    let page = browser.authorize(&request).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let form = tags(&page.body, "form");
    assert_eq!(attribute(form[0], "action"), Some("https://rp.example/cb"));
    assert!(page.has_field("code") && page.field("iss") == server.issuer);
    assert_eq!(tags(&page.body, "script").len(), 1, "{}", page.body);
    assert!(page.body.contains("type=\"submit\""), "a button for those without script");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("form-action https://rp.example") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
}

/// The issuer, typed into a browser, and any other address where nothing is.
#[tokio::test]
async fn ht_31_nothing_is_a_page_for_browsers_alone() {
    let server = Server::start().await;
    for path in ["/", "/nothing"] {
        let ask = async |accept: &str| {
            let request = server.http.get(server.url(path)).header("accept", accept);
            Answer::of(request.send().await.unwrap()).await
        };
        ask("*/*").await.assert_error(404, "not_found");
        ask("application/json").await.assert_error(404, "not_found");
        let page = ask("text/html,application/xhtml+xml,*/*;q=0.8").await;
        assert!(page.status == 404 && page.is_html(), "{}", page.body);
        assert!(page.body.contains(page.header("x-request-id").unwrap()), "{}", page.body);
    }
}

/// `Accept` decides what an error at the browser is; it is never refused for it.
#[tokio::test]
async fn ht_31_an_error_comes_as_page_or_as_json() {
    let server = Server::start().await;
    let garbage = "x".repeat(10_240);
    for (accept, json) in [
        ("text/html", false),
        ("*/*", false),
        ("", false),
        ("text/html,application/json;q=0.5", false),
        ("application/json", true),
        ("application/json, text/html", true),
        ("application/xml;q=b;;,", false),
        (garbage.as_str(), false),
    ] {
        for path in [
            "/oauth2/auth?client_id=nobody",
            "/login",
            "/consent?consent_challenge=x",
            "/oauth2/sessions/logout?id_token_hint=x",
        ] {
            let request = server.http.get(server.url(path)).header("accept", accept);
            let answer = Answer::of(request.send().await.unwrap()).await;
            assert!(matches!(answer.status, 400 | 401 | 404), "{path}: {}", answer.status);
            assert_eq!(answer.is_html(), !json, "{path} {accept:.40}");
            if json {
                assert!(answer.json()["error_description"].is_string());
            }
        }
        let request = server.http.post(server.url("/oauth2/token")).header("accept", accept);
        let answer = Answer::of(request.form(&[("grant_type", "x")]).send().await.unwrap()).await;
        answer.assert_error(401, "invalid_client");
    }
}

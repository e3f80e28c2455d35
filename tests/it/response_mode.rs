//! Where the authorization response travels: OAuth 2.0 Multiple Response Types, OAuth 2.0 Form Post Response Mode.

use serde_json::json;

use crate::support::{Answer, Authorize, Server};

/// The parameters of a redirect's fragment.
fn fragment(answer: &Answer) -> Vec<(String, String)> {
    let location = answer.location().unwrap();
    let fragment = location.strip_prefix("https://rp.example/cb#").unwrap_or_else(|| panic!("{location}"));
    url::form_urlencoded::parse(fragment.as_bytes()).into_owned().collect()
}

fn names(pairs: &[(String, String)]) -> Vec<&str> {
    pairs.iter().map(|(name, _)| name.as_str()).collect()
}

/// Each mode has the whole response in its place and nothing of it in another.
#[tokio::test]
async fn the_response_is_where_its_mode_says() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    for (prompt, what, error) in [("none", "code", None), ("foo", "error", Some("invalid_request"))] {
        let expected: &[&str] = match error {
            None => &["code", "state", "iss"],
            Some(_) => &["error", "error_description", "state", "iss"],
        };
        let request = |mode: &str| Authorize::web().set("prompt", prompt).set("response_mode", mode);
        let query = browser.get(&request("query").url(&server)).await;
        assert_eq!(names(&query.pairs()), expected);
        assert!(query.location().unwrap().starts_with("https://rp.example/cb?") && query.body.is_empty());
        let in_fragment = browser.get(&request("fragment").url(&server)).await;
        assert_eq!((in_fragment.status, names(&fragment(&in_fragment))), (302, expected.to_vec()));
        let posted = browser.get(&request("form_post").url(&server)).await;
        assert_eq!((posted.status, posted.location()), (200, None));
        let fields = posted.hidden_fields();
        assert_eq!(names(&fields), expected);
        assert!(posted.body.contains("<form method=\"post\" action=\"https://rp.example/cb\""), "{}", posted.body);
        for pairs in [query.pairs(), fragment(&in_fragment), fields] {
            let value = |name: &str| pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
            assert_eq!(value("iss"), Some(server.issuer.as_str()));
            assert_eq!(value("state"), Some("state-0123456789-0123456789-0123"));
            match error {
                Some(_) => assert_eq!(value(what), error),
                None => drop(server.token(value("code").unwrap()).await.tokens()),
            }
        }
    }
}

/// A `form_post` response may not be kept, framed, or sent anywhere but to its client; what carries it is one script of ours
/// (OAuth 2.0 Form Post Response Mode section 2; RU-25).
#[tokio::test]
async fn a_form_post_page_can_do_nothing_else() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let request = Authorize::web().set("response_mode", "form_post").set("state", "\"><script>alert(1)</script>");
    let page = browser.get(&request.url(&server)).await;
    assert!(page.is_html() && page.header("cache-control") == Some("no-store"));
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "script-src 'sha256-", "form-action https://rp.example;", "base-uri 'none'"] {
        assert!(policy.contains(part), "{part} is not in {policy}");
    }
    assert_eq!((page.body.matches("<script").count(), page.body.matches("<form").count()), (1, 1), "{}", page.body);
    assert!(page.hidden_fields().contains(&("state".to_owned(), "\"><script>alert(1)</script>".to_owned())));
    let fault = server.ask(&request.set("redirect_uri", "https://evil.example/cb")).await;
    for answer in [fault.get, fault.post] {
        answer.assert_page(400, "invalid_request");
        assert!(!answer.body.contains("evil.example"), "{}", answer.body);
    }
}

/// The target of a `form_post` is written into an attribute: a registered query stays data.
#[tokio::test]
async fn ru_25_a_registered_query_stays_in_its_attribute() {
    let server = Server::start().await;
    let uri = "https://rp.example/cb?a=1&lt;b=2&amp;x=(onfocus=alert)";
    server.client("query", json!({ "redirect_uris": [uri], "scope": "openid" })).await;
    let request = Authorize::of("query", uri).set("response_mode", "form_post");
    let page = server.browser().journey(&request, "alice").await;
    let action = page.body.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(action, uri.replace('&', "&amp;"));
    let query = server.browser().journey(&Authorize::of("query", uri), "alice").await;
    assert!(query.location().unwrap().starts_with(&format!("{uri}&code=")), "{:?}", query.location());
}

/// AZ-08: the error goes back in the default mode of the response type.
#[tokio::test]
async fn az_08_unknown_response_modes_are_refused() {
    let server = Server::start().await;
    for mode in ["web_message", "xyz", "QUERY", "query.jwt", "form_post.jwt", "jwt"] {
        server.assert_back(&Authorize::web().set("response_mode", mode), "unsupported_response_mode").await;
    }
    for (first, second) in [("query", "query"), ("query", "fragment"), ("form_post", "xyz"), ("fragment", "")] {
        let request = Authorize::web().add("response_mode", first).add("response_mode", second);
        server.assert_back(&request, "invalid_request").await;
    }
}

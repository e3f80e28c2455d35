//! The two cookies: their names, their flags and their lives (RFC 6265bis).

use reqwest::header::{HOST, SET_COOKIE};

use crate::support::{Answer, Authorize, Browser, PASSWORD, Server};

fn lines(answer: &Answer) -> Vec<String> {
    answer.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
}

fn line(answer: &Answer, name: &str) -> String {
    let found: Vec<_> = lines(answer).into_iter().filter(|line| line.starts_with(&format!("{name}="))).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found.into_iter().next().unwrap()
}

fn max_age(line: &str) -> Option<u64> {
    line.split("; ").find_map(|part| part.strip_prefix("Max-Age=")).map(|seconds| seconds.parse().unwrap())
}

/// A server that believes to be `https://op.example`, behind a proxy.
async fn behind_tls() -> Server {
    Server::with(|config| {
        let issuer = "https://op.example";
        issuer.clone_into(&mut config.urls.issuer);
        config.urls.issuer_url = issuer.parse().unwrap();
        issuer.clone_into(&mut config.urls.public);
    })
    .await
}

/// A request to it as its proxy would pass it on.
async fn proxied(server: &Server, browser: &mut Browser<'_>, url: &str, form: Option<&[(&str, &str)]>) -> Answer {
    let local = url.replace("https://op.example", &format!("http://{}", server.address()));
    let request = match form {
        Some(fields) => server.http.post(local).form(fields).header("sec-fetch-site", "same-origin"),
        None => server.http.get(local),
    };
    browser.send(request.header(HOST, "op.example").header("x-forwarded-proto", "http")).await
}

/// OWASP ASVS 3.4: every cookie on https is host-bound, secure, out of scripts' reach, and has an end.
#[tokio::test]
async fn lc_05_cookies_on_https_are_bound_to_the_host() {
    let server = behind_tls().await;
    let mut browser = server.browser();
    let answer = proxied(&server, &mut browser, &Authorize::web().url(&server), None).await;
    assert_eq!(answer.status, 302, "{}", answer.body);
    let mut seen = lines(&answer);
    let page = proxied(&server, &mut browser, &answer.location().unwrap(), None).await;
    let challenge = page.field("login_challenge");
    let form = [
        ("login_challenge", challenge.as_str()),
        ("email", "alice"),
        ("password", PASSWORD),
        ("action", "accept"),
        ("remember", "true"),
    ];
    let answer = proxied(&server, &mut browser, &server.url("/login"), Some(&form)).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    seen.extend(lines(&answer));
    let answer = proxied(&server, &mut browser, &answer.location().unwrap(), None).await;
    seen.extend(lines(&answer));
    let answer = proxied(&server, &mut browser, &server.url("/oauth2/sessions/logout"), None).await;
    let page = proxied(&server, &mut browser, &answer.location().unwrap(), None).await;
    let challenge = page.field("logout_challenge");
    let form = [("logout_challenge", challenge.as_str()), ("action", "accept")];
    let answer = proxied(&server, &mut browser, &server.url("/logout"), Some(&form)).await;
    seen.extend(lines(&answer));
    // The browser's own twice, its tab's, the session's, and its end.
    assert_eq!(seen.len(), 5, "{seen:?}");
    for line in &seen {
        assert!(line.starts_with("__Host-hydrant_"), "{line}");
        for flag in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
            assert!(line.contains(flag), "{flag}: {line}");
        }
        assert!(!line.contains("Domain"), "{line}");
        assert!(max_age(line).is_some_and(|seconds| seconds <= 400 * 86_400), "{line}");
    }
}

/// A proxy that says `http` does not talk the server out of https.
#[tokio::test]
async fn ht_16_a_forwarded_scheme_changes_nothing() {
    let server = behind_tls().await;
    let mut browser = server.browser();
    let answer = proxied(&server, &mut browser, &Authorize::web().url(&server), None).await;
    assert!(answer.location().unwrap().starts_with("https://op.example/login?"), "{:?}", answer.location());
    assert!(lines(&answer).iter().all(|line| line.contains("; Secure")));
    assert!(answer.header("strict-transport-security").unwrap().starts_with("max-age="));
    let discovery = proxied(&server, &mut browser, &server.url("/.well-known/openid-configuration"), None).await;
    assert!(!discovery.body.contains("http://"), "{}", discovery.body);
}

/// Without "keep me signed in" the browser forgets the session when it is closed; with it, as long as it lasts.
#[tokio::test]
async fn lc_05_remember_decides_how_long_the_browser_keeps_the_session() {
    let server = Server::start().await;
    for remember in [false, true] {
        let mut browser = server.browser();
        let page = browser.authorize(&Authorize::web()).await;
        let challenge = page.field("login_challenge");
        let mut form = vec![
            ("login_challenge", challenge.as_str()),
            ("email", "alice"),
            ("password", PASSWORD),
            ("action", "accept"),
        ];
        if remember {
            form.push(("remember", "true"));
        }
        let answer = browser.post(&server.url("/login"), &form).await;
        let session = line(&answer, "hydrant_session");
        assert_eq!(max_age(&session), remember.then_some(720 * 3600), "{session}");
        assert!(session.contains("HttpOnly") && !session.contains("Expires"), "{session}");
        assert_eq!(max_age(&line(&answer, "hydrant_browser")), Some(365 * 86_400));
    }
}

/// Who is no browser gets no cookie.
#[tokio::test]
async fn lc_05_no_cookie_where_no_page_is() {
    let server = Server::start().await;
    let tokens = server.tokens_with("openid offline_access").await;
    let answers = [
        server.get("/.well-known/openid-configuration").await,
        server.get("/.well-known/jwks.json").await,
        server.get("/health/ready").await,
        server.get("/ui/hydrant.css").await,
        server.get("/logout/done").await,
        server.get("/oauth2/auth?client_id=nobody").await,
        server.userinfo(&tokens.access_token).await,
        server.refresh("web", tokens.refresh()).await,
        server.revoke("web", &tokens.access_token).await,
    ];
    for answer in answers {
        assert_eq!(lines(&answer), Vec::<String>::new(), "{}", answer.body);
    }
}

/// Cookie tossing: two cookies of one name are none, and no jar is too strange.
#[tokio::test]
async fn lc_04_two_cookies_of_one_name_are_none() {
    let server = Server::start().await;
    let mut browser = server.signed_in("alice").await;
    let (session, bound) =
        (browser.cookie("session").unwrap().to_owned(), browser.cookie("browser").unwrap().to_owned());
    let other = server.signed_in("bob").await.cookie("session").unwrap().to_owned();
    let ask = async |cookie: String| {
        let get = server.http.get(Authorize::web().url(&server)).header("cookie", cookie);
        Answer::of(get.send().await.unwrap()).await
    };
    let whole = format!("hydrant_browser={bound}; hydrant_session={session}");
    assert!(ask(whole.clone()).await.parameter("code").is_some());
    for tossed in [
        format!("{whole}; hydrant_session={other}"),
        format!("hydrant_session={other}; {whole}"),
        format!("{whole}; hydrant_session="),
        format!("{whole}; hydrant_session={session}"),
        format!("hydrant_browser={bound}; hydrant_session={}", &session[..session.len() - 1]),
        format!("hydrant_browser={bound}; hydrant_session={bound}"),
        format!("hydrant_browser={bound}; HYDRANT_SESSION={session}"),
        format!("hydrant_browser={bound}; hydrant_session=\"; drop table sessions; --"),
    ] {
        let answer = ask(tossed.clone()).await;
        let to = answer.location().unwrap_or_default();
        assert!(to.starts_with(&server.url("/login?login_challenge=")), "{tossed}: {} {to}", answer.status);
    }
    let jar = (0..300).map(|number| format!("stuff{number}=aaaaaaaaaaaaaaaaaaaa")).collect::<Vec<_>>().join("; ");
    assert!(ask(format!("{jar}; {whole}")).await.parameter("code").is_some());
    assert!(browser.authorize(&Authorize::web()).await.parameter("code").is_some());
}

/// A browser's cookie as a session's, a challenge as a cookie: each kind of sealed string is only what it is.
#[tokio::test]
async fn a_sealed_string_of_another_kind_is_no_cookie() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let page = browser.authorize(&Authorize::web()).await;
    let challenge = page.field("login_challenge");
    let mut odd = browser.copy();
    for value in odd.cookies.values_mut() {
        value.clone_from(&challenge);
    }
    odd.get(&server.url(&format!("/login?login_challenge={challenge}"))).await.assert_page(403, "request_forbidden");
}

//! The relying party: what an application has to do so that people can sign in to it with OpenID Connect.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::Markup;
use serde_json::Value;

use super::oidc::{Client, Failure, Login, Query, Result};
use super::pages;
use super::visits::{Notice, SignedIn, Visits};
use crate::secret::Secret;
use crate::ui;

struct Party {
    client: Client,
    visits: Visits,
    /// With the port in its name, because cookies do not tell ports apart (RFC 6265 section 8.5).
    cookie: String,
    policy: HeaderValue,
}

type Shared = State<Arc<Party>>;

/// Serves `client`'s redirect URI, and everything around it, at the root of its own origin.
pub fn router(client: Client) -> Router {
    let base = &client.settings.base;
    let port = base.rsplit(':').next().unwrap_or_default();
    let policy = ui::csp(Some(&*ui::form_action_source(&client.settings.issuer)));
    let party = Arc::new(Party {
        cookie: format!("hydrant_demo_{port}"),
        policy: HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
        visits: Visits::default(),
        client,
    });
    Router::new()
        .route("/", get(start))
        .route("/login", get(login))
        .route("/callback", get(callback))
        .route("/result", get(result))
        .route("/refresh", post(refresh))
        .route("/introspect", post(introspect))
        .route("/revoke", post(revoke))
        .route("/sign-out", post(sign_out))
        .route(
            "/demo.css",
            get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], pages::stylesheet()) }),
        )
        .route("/icon.svg", get(|| async { ([(header::CONTENT_TYPE, "image/svg+xml")], pages::icon()) }))
        .layer(middleware::from_fn_with_state(Arc::clone(&party), guard))
        .with_state(party)
}

/// One origin, and only pages of that origin press its buttons. Another name for this machine would get another cookie,
/// and a stranger's name would be DNS rebinding.
async fn guard(State(party): Shared, request: Request, next: Next) -> Response {
    let base = &party.client.settings.base;
    let (here, ours) = {
        let headers = request.headers();
        let has = |name: header::HeaderName, due: &str| {
            headers.get(name).is_some_and(|value| value.as_bytes() == due.as_bytes())
        };
        let here = has(header::HOST, base.trim_start_matches("http://"));
        (here, request.method() != Method::POST || has(header::ORIGIN, base))
    };
    let mut response = match (here, ours) {
        (true, true) => next.run(request).await,
        (true, false) => StatusCode::FORBIDDEN.into_response(),
        (false, _) => Redirect::to(&format!("{base}/")).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, party.policy.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The callback's address has the code in it: no other site is told it.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Party {
    /// The browser's visit, by its cookie.
    fn visit(&self, headers: &HeaderMap) -> Option<String> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let ours = pairs.filter(|(name, _)| *name == self.cookie).map(|(_, value)| value);
        ours.map(str::to_owned).find(|id| self.visits.with(id, |_| ()).is_some())
    }

    fn signed_in(&self, headers: &HeaderMap) -> Option<(String, SignedIn)> {
        let id = self.visit(headers)?;
        let signed_in = self.visits.with(&id, |visit| visit.signed_in.clone()).flatten()?;
        Some((id, signed_in))
    }

    /// Not `Secure`, because the demo speaks http on 127.0.0.1; `Lax`, because the server's redirect has to bring it.
    fn set_cookie(&self, id: &Secret) -> [(header::HeaderName, String); 1] {
        [(header::SET_COOKIE, format!("{}={}; Path=/; HttpOnly; SameSite=Lax", self.cookie, id.expose()))]
    }
}

fn page(status: StatusCode, markup: Markup) -> Response {
    let html = [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
    (status, html, markup.into_string()).into_response()
}

async fn start(State(party): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let query = Query::read(query.as_deref().unwrap_or_default());
    let state = query.get("state").ok().flatten();
    let seen = party.visit(&headers).and_then(|id| {
        party.visits.with(&id, |visit| {
            // The way back from the logout endpoint; `state` says that it was this browser's own.
            let back = visit.signing_out.as_ref().is_some_and(|sent| state == Some(sent.expose()));
            (visit.signed_in.is_some(), back.then(|| visit.signing_out.take()).is_some())
        })
    });
    let (signed_in, signed_out) = seen.unwrap_or_default();
    let notice = signed_out.then_some("You are signed out, here and at the server.");
    page(StatusCode::OK, pages::start(&party.client.settings, signed_in, notice))
}

/// Sends the browser to sign in. What the answer has to fit waits in the visit.
async fn login(State(party): Shared, headers: HeaderMap) -> Response {
    let login = Login::new();
    let url = match party.client.authorization_url(&login, "consent") {
        Ok(url) => url,
        Err(failure) => return page(StatusCode::INTERNAL_SERVER_ERROR, pages::fault(&failure)),
    };
    let visit = party.visit(&headers).map_or_else(|| party.visits.open(), Secret::new);
    party.visits.with(visit.expose(), |visit| visit.began(login));
    (party.set_cookie(&visit), Redirect::to(url.as_str())).into_response()
}

/// The redirect URI. A refusal that the person chose is an answer like another; what is not to be believed is not.
async fn callback(State(party): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let query = Query::read(query.as_deref().unwrap_or_default());
    let (visit, login) = match began(&party, &headers, &query) {
        Ok(began) => began,
        Err(failure) => return page(StatusCode::BAD_REQUEST, pages::fault(&failure)),
    };
    let code = match party.client.code(&query) {
        Ok(code) => code,
        Err(failure @ Failure::Refused { .. }) => return page(StatusCode::OK, pages::fault(&failure)),
        Err(failure) => return page(StatusCode::BAD_REQUEST, pages::fault(&failure)),
    };
    match learn(&party.client, &code, &login).await {
        Ok(signed_in) => {
            let visit = party.visits.rename(&visit);
            party.visits.with(visit.expose(), |visit| {
                visit.signed_in = Some(signed_in);
                visit.signing_out = None;
                visit.notice = None;
            });
            (party.set_cookie(&visit), Redirect::to("/result")).into_response()
        }
        Err(failure) => page(StatusCode::BAD_GATEWAY, pages::fault(&failure)),
    }
}

/// The login that the response belongs to, by its `state` and the browser that began it (RFC 6749 section 10.12).
fn began(party: &Party, headers: &HeaderMap, query: &Query) -> Result<(String, Login)> {
    let unknown = || Failure::wrong("No sign-in that began in this browser has this state, or it was answered before.");
    let visit = party.visit(headers).ok_or_else(unknown)?;
    let state = query.get("state")?.ok_or_else(unknown)?;
    let login = party.visits.with(&visit, |visit| visit.take_login(state)).flatten().ok_or_else(unknown)?;
    Ok((visit, login))
}

async fn learn(client: &Client, code: &Secret, login: &Login) -> Result<SignedIn> {
    let (tokens, id_token) = client.exchange(code, login).await?;
    let userinfo = client.userinfo(&tokens.access_token, id_token.claims.get("sub")).await?;
    Ok(SignedIn { tokens, claims: id_token.claims, userinfo })
}

async fn result(State(party): Shared, headers: HeaderMap) -> Response {
    let Some((id, signed_in)) = party.signed_in(&headers) else { return Redirect::to("/").into_response() };
    let notice = party.visits.with(&id, |visit| visit.notice.clone()).flatten();
    page(StatusCode::OK, pages::result(&party.client, &signed_in, notice.as_ref()))
}

/// Shows what a button did; a refusal as well.
fn done(party: &Party, id: &str, done: Result<(String, Option<Value>)>) -> Response {
    let (words, answer) = done.unwrap_or_else(|failure| (format!("That did not work. {failure}"), None));
    party.visits.with(id, |visit| visit.notice = Some(Notice { words, answer }));
    Redirect::to("/result").into_response()
}

async fn refresh(State(party): Shared, headers: HeaderMap) -> Response {
    let Some((id, old)) = party.signed_in(&headers) else { return Redirect::to("/").into_response() };
    let refreshed = renew(&party.client, old).await.map(|signed_in| {
        party.visits.with(&id, |visit| visit.signed_in = Some(signed_in));
        ("The tokens are new, the ID token too. The ones before are worth nothing any more.".to_owned(), None)
    });
    done(&party, &id, refreshed)
}

/// OpenID Connect Core section 12.2: the new ID token is about the same person. RFC 6749 section 6: without a new
/// refresh token the old one stays good.
async fn renew(client: &Client, old: SignedIn) -> Result<SignedIn> {
    let Some(refresh_token) = old.tokens.refresh_token else {
        return Err(Failure::wrong("There is no refresh token."));
    };
    let (mut tokens, id_token) = client.refresh(&refresh_token).await?;
    if id_token.claims.get("sub") != old.claims.get("sub") {
        return Err(Failure::wrong("The new ID token is about somebody else."));
    }
    tokens.refresh_token.get_or_insert(refresh_token);
    Ok(SignedIn { tokens, claims: id_token.claims, userinfo: old.userinfo })
}

async fn introspect(State(party): Shared, headers: HeaderMap) -> Response {
    let Some((id, signed_in)) = party.signed_in(&headers) else { return Redirect::to("/").into_response() };
    let answer = party.client.introspect(&signed_in.tokens.access_token).await;
    done(&party, &id, answer.map(|answer| ("The server says of the access token:".to_owned(), Some(answer))))
}

async fn revoke(State(party): Shared, headers: HeaderMap) -> Response {
    let Some((id, signed_in)) = party.signed_in(&headers) else { return Redirect::to("/").into_response() };
    let tokens = &signed_in.tokens;
    let revoked = party.client.revoke(tokens.refresh_token.as_ref().unwrap_or(&tokens.access_token)).await;
    let words = "Revoked: neither token is worth anything any more. Introspect or refresh, and see.";
    done(&party, &id, revoked.map(|()| (words.to_owned(), None)))
}

/// Forgets the person here first, then sends the browser to end the session at the server.
async fn sign_out(State(party): Shared, headers: HeaderMap) -> Response {
    let state = Secret::random();
    let signed_in = party.visit(&headers).and_then(|id| {
        let leave = |visit: &mut super::visits::Visit| {
            visit.signing_out = Some(state.clone());
            visit.notice = None;
            visit.signed_in.take()
        };
        party.visits.with(&id, leave).flatten()
    });
    match signed_in.and_then(|signed_in| signed_in.tokens.id_token) {
        Some(id_token) => Redirect::to(party.client.end_session_url(&id_token, &state).as_str()).into_response(),
        None => Redirect::to("/").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::super::oidc::tests as fixture;
    use super::*;

    const HOST: &str = "127.0.0.1:5555";

    async fn send(router: &Router, method: Method, path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    fn header_of(response: &Response, name: header::HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Starts a login; its cookie and its state.
    async fn begin(router: &Router) -> (String, String) {
        let response = send(router, Method::GET, "/login", &[(header::HOST, HOST)]).await;
        let url = url::Url::parse(header_of(&response, header::LOCATION)).unwrap();
        let state = Query::read(url.query().unwrap()).get("state").unwrap().unwrap().to_owned();
        (header_of(&response, header::SET_COOKIE).split(';').next().unwrap().to_owned(), state)
    }

    #[tokio::test]
    async fn another_name_for_this_machine_is_sent_to_the_one_origin() {
        let router = router(fixture::client());
        for host in ["localhost:5555", "evil.example", "127.0.0.1:5556"] {
            let response = send(&router, Method::GET, "/login", &[(header::HOST, host)]).await;
            assert_eq!(header_of(&response, header::LOCATION), "http://127.0.0.1:5555/", "{host}");
            assert_eq!(header_of(&response, header::SET_COOKIE), "");
        }
    }

    #[tokio::test]
    async fn only_its_own_pages_press_its_buttons() {
        let router = router(fixture::client());
        for path in ["/refresh", "/introspect", "/revoke", "/sign-out"] {
            for origin in ["http://127.0.0.1:4444", "null", "http://evil.example"] {
                let headers = [(header::HOST, HOST), (header::ORIGIN, origin)];
                assert_eq!(send(&router, Method::POST, path, &headers).await.status(), StatusCode::FORBIDDEN);
            }
            let without = send(&router, Method::POST, path, &[(header::HOST, HOST)]).await;
            assert_eq!(without.status(), StatusCode::FORBIDDEN, "{path}");
            let own = [(header::HOST, HOST), (header::ORIGIN, "http://127.0.0.1:5555")];
            let response = send(&router, Method::POST, path, &own).await;
            assert_eq!(header_of(&response, header::LOCATION), "/", "{path}: nobody is signed in");
        }
    }

    #[tokio::test]
    async fn every_answer_has_the_policy() {
        let router = router(fixture::client());
        for path in ["/", "/result", "/callback", "/nothing"] {
            let response = send(&router, Method::GET, path, &[(header::HOST, HOST)]).await;
            let policy = header_of(&response, header::CONTENT_SECURITY_POLICY);
            assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
            assert!(policy.contains("form-action 'self' http://127.0.0.1:4444"), "the way to the logout endpoint");
            assert_eq!(header_of(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        }
    }

    #[tokio::test]
    async fn a_response_counts_once_and_only_in_the_browser_that_asked() {
        let router = router(fixture::client());
        let (cookie, state) = begin(&router).await;
        let (other, _) = begin(&router).await;
        assert!(cookie.starts_with("hydrant_demo_5555="));
        let path = format!("/callback?error=access_denied&iss=http%3A%2F%2F127.0.0.1%3A4444&state={state}");
        let status = async |cookie: &str| {
            let headers = [(header::HOST, HOST), (header::COOKIE, cookie)];
            send(&router, Method::GET, &path, &headers).await.status()
        };
        for stranger in ["", "hydrant_demo_5555=", &*other] {
            assert_eq!(status(stranger).await, StatusCode::BAD_REQUEST, "{stranger}");
        }
        assert_eq!(status(&cookie).await, StatusCode::OK, "a refusal is an answer");
        assert_eq!(status(&cookie).await, StatusCode::BAD_REQUEST, "once");
    }

    #[tokio::test]
    async fn a_response_of_another_server_is_not_believed() {
        let router = router(fixture::client());
        for iss in ["", "&iss=http%3A%2F%2Fevil.example"] {
            let (cookie, state) = begin(&router).await;
            let headers = [(header::HOST, HOST), (header::COOKIE, &*cookie)];
            let path = format!("/callback?code=abc&state={state}{iss}");
            assert_eq!(send(&router, Method::GET, &path, &headers).await.status(), StatusCode::BAD_REQUEST);
        }
    }
}

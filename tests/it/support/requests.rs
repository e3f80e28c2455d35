//! Requests and answers, as a client of the server writes and reads them.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hydrant::secret::sha256;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use serde_json::{Map, Value};

use super::browser::query_of;
use super::{SECRET, Server};

/// The `code_verifier` of every request here.
pub const VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more-0123456789";

pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()))
}

/// An authorization request: the valid one of a client, with what a test changes.
#[derive(Clone)]
pub struct Authorize(Vec<(String, String)>);

impl Authorize {
    pub fn web() -> Self {
        Self::of("web", "https://rp.example/cb")
    }

    pub fn of(client: &str, redirect_uri: &str) -> Self {
        let challenge = challenge_of(VERIFIER);
        let fields = [
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", redirect_uri),
            ("scope", "openid"),
            ("state", "state-0123456789-0123456789-0123"),
            ("nonce", "nonce-0123456789-0123456789-0123"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        Self(fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        match self.0.iter_mut().find(|(found, _)| found == name) {
            Some((_, found)) => value.clone_into(found),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Once more, in addition.
    pub fn add(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(found, _)| found != name);
        self
    }

    pub fn scopes(&self) -> Vec<String> {
        let scope = self.0.iter().find(|(name, _)| name == "scope").map(|(_, value)| value.as_str());
        scope.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }

    pub fn fields(&self) -> &[(String, String)] {
        &self.0
    }

    pub fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.0);
        query.finish()
    }

    pub fn url(&self, server: &Server) -> String {
        server.url(&format!("/oauth2/auth?{}", self.query()))
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

#[derive(Debug, Clone, serde::Deserialize)]
pub struct Tokens {
    pub access_token: String,
    pub token_type: String,
    pub expires_in: u64,
    #[serde(default)]
    pub scope: String,
    pub refresh_token: Option<String>,
    pub id_token: Option<String>,
}

impl Tokens {
    pub fn refresh(&self) -> &str {
        self.refresh_token.as_deref().unwrap()
    }

    /// The ID token's claims, unverified.
    pub fn claims(&self) -> Map<String, Value> {
        unverified(self.id_token.as_deref().unwrap(), 1)
    }
}

/// A part of a JWT, 0 for the header and 1 for the claims, unverified.
pub fn unverified(token: &str, part: usize) -> Map<String, Value> {
    let part = token.split('.').nth(part).unwrap_or_else(|| panic!("no JWT: {token}"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[derive(Debug, serde::Deserialize)]
pub struct Introspection {
    pub active: bool,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn location(&self) -> Option<String> {
        self.headers.get(LOCATION).map(|value| value.to_str().unwrap().to_owned())
    }

    pub fn is_html(&self) -> bool {
        self.header(CONTENT_TYPE.as_str()).is_some_and(|media_type| media_type.starts_with("text/html"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }

    /// Status and `error` of an OAuth error object.
    pub fn error(&self) -> (u16, String) {
        let body = self.json();
        assert!(self.header("content-type").unwrap().starts_with("application/json"), "{:?}", self.headers);
        assert!(body["error_description"].is_string(), "{body}");
        (self.status, body["error"].as_str().unwrap().to_owned())
    }

    /// Asserts that this is the error object with this status and code, and may not be kept.
    #[track_caller]
    pub fn assert_error(&self, status: u16, code: &str) {
        assert_eq!(self.error(), (status, code.to_owned()), "{}", self.body);
        assert_eq!(self.header("cache-control"), Some("no-store"), "{:?}", self.headers);
    }

    #[track_caller]
    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    /// A parameter of the redirect's query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        query_of(&self.location()?).remove(name)
    }

    /// The authorization response from the one place where it is: query, fragment, or a form's fields.
    #[track_caller]
    pub fn response(&self) -> HashMap<String, String> {
        let Some(location) = self.location() else {
            return self.hidden_fields().into_iter().collect();
        };
        let url = url::Url::parse(&location).unwrap();
        let part = url.fragment().or(url.query()).unwrap_or_else(|| panic!("no response in {location}"));
        url::form_urlencoded::parse(part.as_bytes()).into_owned().collect()
    }

    /// Asserts a page of the server's own: this status, the code shown, nothing that leads to a client.
    #[track_caller]
    pub fn assert_page(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.location()), (status, None), "{}", self.body);
        assert!(self.is_html() && self.body.contains(code), "{code} is not in {}", self.body);
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert!(self.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    }

    /// Asserts an error that went back to the client of [`Authorize::web`].
    #[track_caller]
    pub fn assert_back(&self, server: &Server, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        let location = self.location().unwrap();
        assert!(location.starts_with("https://rp.example/cb?"), "{location}");
        self.assert_refusal(server, code);
    }

    /// Asserts that the response, wherever it is, is this error and nothing else.
    #[track_caller]
    pub fn assert_refusal(&self, server: &Server, code: &str) {
        let response = self.response();
        assert_eq!(response.get("error").map(String::as_str), Some(code), "{response:?}");
        assert_eq!(response.get("iss"), Some(&server.issuer), "{response:?}");
        for name in ["code", "access_token", "id_token"] {
            assert!(!response.contains_key(name), "{response:?}");
        }
    }

    /// The value of a hidden field.
    pub fn field(&self, name: &str) -> String {
        self.find_field(name).unwrap_or_else(|| panic!("no field {name}: {} {}", self.status, self.body))
    }

    pub fn has_field(&self, name: &str) -> bool {
        self.find_field(name).is_some()
    }

    fn find_field(&self, name: &str) -> Option<String> {
        let tag_start = self.body.find(&format!("name=\"{name}\""))?;
        let start = self.body[..tag_start].rfind('<')?;
        let tag = &self.body[start..start + self.body[start..].find('>')?];
        let value = tag.split_once("value=\"")?.1.split_once('"')?.0;
        Some(value.replace("&amp;", "&").replace("&quot;", "\""))
    }
}

impl Server {
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.url(path)).send().await.unwrap()).await
    }

    /// A form to the public port from a client that authenticates as it has registered.
    pub async fn post_as(&self, client: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.http.post(self.url(path));
        let request = match client {
            "spa" | "native" => {
                let mut fields = fields.to_vec();
                fields.push(("client_id", client));
                request.form(&fields)
            }
            _ => request.basic_auth(client, Some(SECRET)).form(fields),
        };
        Answer::of(request.send().await.unwrap()).await
    }

    /// A form without any authentication.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(self.http.post(self.url(path)).form(fields).send().await.unwrap()).await
    }

    /// Redeems a code of `web`.
    pub async fn token(&self, code: &str) -> Answer {
        self.redeem("web", code, "https://rp.example/cb", Some(VERIFIER)).await
    }

    pub async fn redeem(&self, client: &str, code: &str, redirect_uri: &str, verifier: Option<&str>) -> Answer {
        let mut fields = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
        fields.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        self.post_as(client, "/oauth2/token", &fields).await
    }

    pub async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.post_as(client, "/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub async fn revoke(&self, client: &str, token: &str) -> Answer {
        self.post_as(client, "/oauth2/revoke", &[("token", token)]).await
    }

    /// What the public port tells this client of a token.
    pub async fn introspect_as(&self, client: &str, token: &str) -> Answer {
        self.post_as(client, "/oauth2/introspect", &[("token", token)]).await
    }

    /// Tokens of a client for itself.
    pub async fn client_tokens(&self, client: &str, fields: &[(&str, &str)]) -> Tokens {
        let fields: Vec<_> = fields.iter().copied().chain([("grant_type", "client_credentials")]).collect();
        self.post_as(client, "/oauth2/token", &fields).await.tokens()
    }

    /// What the admin port says of a token.
    pub async fn introspect(&self, token: &str) -> Introspection {
        let request = self.http.post(format!("{}/admin/oauth2/introspect", self.admin)).form(&[("token", token)]);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    pub async fn userinfo(&self, token: &str) -> Answer {
        Answer::of(self.http.get(self.url("/userinfo")).bearer_auth(token).send().await.unwrap()).await
    }

    /// A fresh code of `web` for alice.
    pub async fn code_for(&self, request: &Authorize) -> String {
        self.browser().code(request, "alice").await
    }

    /// Tokens of `web` for alice with this scope.
    pub async fn tokens_with(&self, scope: &str) -> Tokens {
        let code = self.code_for(&Authorize::web().set("scope", scope)).await;
        self.token(&code).await.tokens()
    }
}

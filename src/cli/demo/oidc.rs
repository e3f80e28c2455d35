//! OpenID Connect as a relying party speaks it: discovery, the code flow with PKCE, and what is done with tokens later.

mod wire;

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::RequestBuilder;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

pub use self::wire::{Failure, Result, http};
use self::wire::{answer, basic, refused};
use super::id_token::Due;
use super::seed;
use crate::clock::Clock;
use crate::jose::{Algorithm, Expect, KeySet, Verified};
use crate::oauth::pkce::Challenge;
use crate::secret::Secret;

/// What a relying party is configured with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub issuer: String,
    /// The relying party's own origin.
    pub base: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub redirect_uri: String,
    pub post_logout_redirect_uri: String,
}

impl Settings {
    pub fn new(issuer: &str, base: &str, client_secret: Secret) -> Self {
        Self {
            issuer: issuer.to_owned(),
            base: base.to_owned(),
            client_id: seed::CLIENT_ID.to_owned(),
            client_secret,
            redirect_uri: format!("{base}/callback"),
            post_logout_redirect_uri: format!("{base}/"),
        }
    }
}

/// As much of the server's metadata as is used here (OpenID Connect Discovery section 3, RFC 8414 section 2).
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub userinfo_endpoint: Url,
    pub introspection_endpoint: Url,
    pub revocation_endpoint: Url,
    pub end_session_endpoint: Url,
    pub jwks_uri: Url,
    pub code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// The token endpoint's answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Tokens {
    pub access_token: Secret,
    pub token_type: String,
    pub expires_in: u64,
    #[serde(default)]
    pub scope: String,
    pub refresh_token: Option<Secret>,
    pub id_token: Option<Secret>,
}

/// The secrets of one authorization request.
#[derive(Clone, Debug)]
pub struct Login {
    pub state: Secret,
    pub nonce: Secret,
    verifier: Secret,
}

impl Login {
    pub fn new() -> Self {
        Self { state: Secret::random(), nonce: Secret::random(), verifier: Secret::random() }
    }
}

/// A relying party that knows its server.
pub struct Client {
    pub settings: Settings,
    pub metadata: Metadata,
    http: reqwest::Client,
    clock: Clock,
    keys: Mutex<Arc<KeySet>>,
}

impl Client {
    /// Reads the server's metadata; its keys are read when the first token needs one.
    pub async fn discover(settings: Settings, clock: Clock) -> Result<Self> {
        let http = http()?;
        let url = format!("{}/.well-known/openid-configuration", settings.issuer.trim_end_matches('/'));
        let metadata: Metadata = answer(http.get(url).send().await?).await?;
        if metadata.issuer != settings.issuer {
            return Err(Failure::wrong("the metadata is another issuer's (OpenID Connect Discovery section 4.3)"));
        }
        if !metadata.code_challenge_methods_supported.iter().any(|method| method == "S256") {
            return Err(Failure::wrong("the server does not do PKCE with S256"));
        }
        Ok(Self { settings, metadata, http, clock, keys: Mutex::default() })
    }

    /// Reads the server's keys; how many there are.
    pub async fn load_keys(&self) -> Result<usize> {
        let response = self.http.get(self.metadata.jwks_uri.clone()).send().await?.error_for_status()?;
        let keys = KeySet::parse(&response.bytes().await?).map_err(|error| Failure::wrong(error.to_string()))?;
        let count = keys.keys().len();
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(count)
    }

    /// Where the browser is sent to sign in. `offline_access` needs `prompt=consent` (OpenID Connect Core section 11).
    pub fn authorization_url(&self, login: &Login, prompt: &str) -> Result<Url> {
        let challenge = Challenge::of_verifier(login.verifier.expose()).map_err(|e| Failure::wrong(e.to_string()))?;
        let mut url = self.metadata.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.settings.redirect_uri)
            .append_pair("scope", seed::SCOPE)
            .append_pair("state", login.state.expose())
            .append_pair("nonce", login.nonce.expose())
            .append_pair("code_challenge", challenge.as_str())
            .append_pair("code_challenge_method", "S256")
            .append_pair("prompt", prompt);
        Ok(url)
    }

    /// The code out of an authorization response. Its sender is proven by `iss` (RFC 9207 section 2.4) before anything
    /// else in it counts; that `state` is the login's, the caller has found out by it.
    pub fn code(&self, response: &Query) -> Result<Secret> {
        let iss = response.get("iss")?;
        let due = iss.is_some() || self.metadata.authorization_response_iss_parameter_supported;
        if due && iss != Some(&self.settings.issuer) {
            return Err(Failure::wrong("the response is not from the issuer that was asked (iss, RFC 9207)"));
        }
        if let Some(code) = response.get("error")? {
            let description = response.get("error_description")?.unwrap_or_default().to_owned();
            return Err(Failure::Refused { code: code.to_owned(), description });
        }
        response.get("code")?.map(Secret::new).ok_or_else(|| Failure::wrong("the response has no code"))
    }

    /// Exchanges the code (RFC 6749 section 4.1.3) and believes the ID token only after every check.
    pub async fn exchange(&self, code: &Secret, login: &Login) -> Result<(Tokens, Verified)> {
        let tokens = self
            .token(&[
                ("grant_type", "authorization_code"),
                ("code", code.expose()),
                ("redirect_uri", &self.settings.redirect_uri),
                ("code_verifier", login.verifier.expose()),
            ])
            .await?;
        let id_token = self.verify(&tokens, Some(&login.nonce)).await?;
        Ok((tokens, id_token))
    }

    /// RFC 6749 section 6.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<(Tokens, Verified)> {
        let tokens = self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())]).await?;
        let id_token = self.verify(&tokens, None).await?;
        Ok((tokens, id_token))
    }

    async fn token(&self, form: &[(&str, &str)]) -> Result<Tokens> {
        let tokens: Tokens = answer(self.post(&self.metadata.token_endpoint, form).send().await?).await?;
        // RFC 6749 section 7.1: a token of a type that is not understood must not be used.
        if tokens.token_type.eq_ignore_ascii_case("bearer") {
            Ok(tokens)
        } else {
            Err(Failure::wrong("the access token is of an unknown type"))
        }
    }

    /// Keys are read anew when the token names one that is not known, as after a rotation.
    async fn verify(&self, tokens: &Tokens, nonce: Option<&Secret>) -> Result<Verified> {
        let Some(token) = &tokens.id_token else { return Err(Failure::wrong("the answer has no ID token")) };
        let expect = Expect { algs: &Algorithm::ALL, typ: &["JWT"], typ_optional: true };
        let verified = match self.keys().verify(token.expose(), &expect) {
            Err(refusal) if refusal.is_unknown_key() => {
                self.load_keys().await?;
                self.keys().verify(token.expose(), &expect)
            }
            done => done,
        };
        let verified = verified.map_err(|refusal| Failure::wrong(format!("the ID token: {}", refusal.reason())))?;
        let due = Due {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: nonce.map(Secret::expose),
            access_token: tokens.access_token.expose(),
            now: self.clock.now(),
        };
        due.check(&verified).map_err(Failure::wrong)?;
        Ok(verified)
    }

    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The claims about `subject`; another person's are refused (OpenID Connect Core section 5.3.2).
    pub async fn userinfo(&self, access_token: &Secret, subject: Option<&Value>) -> Result<Map<String, Value>> {
        let request = self.http.get(self.metadata.userinfo_endpoint.clone()).bearer_auth(access_token.expose());
        let claims: Map<String, Value> = answer(request.send().await?).await?;
        if subject.is_some() && claims.get("sub") == subject {
            Ok(claims)
        } else {
            Err(Failure::wrong("the userinfo answer is about somebody else than the ID token"))
        }
    }

    /// RFC 7662.
    pub async fn introspect(&self, token: &Secret) -> Result<Value> {
        let form = [("token", token.expose())];
        answer(self.post(&self.metadata.introspection_endpoint, &form).send().await?).await
    }

    /// RFC 7009. There is nothing in the answer.
    pub async fn revoke(&self, token: &Secret) -> Result<()> {
        let response = self.post(&self.metadata.revocation_endpoint, &[("token", token.expose())]).send().await?;
        if response.status().is_success() { Ok(()) } else { Err(refused(response).await) }
    }

    /// Where the browser is sent to sign out (OpenID Connect RP-Initiated Logout section 2).
    pub fn end_session_url(&self, id_token: &Secret, state: &Secret) -> Url {
        let mut url = self.metadata.end_session_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("id_token_hint", id_token.expose())
            .append_pair("post_logout_redirect_uri", &self.settings.post_logout_redirect_uri)
            .append_pair("state", state.expose());
        url
    }

    fn post(&self, url: &Url, form: &[(&str, &str)]) -> RequestBuilder {
        let Settings { client_id, client_secret, .. } = &self.settings;
        self.http
            .post(url.clone())
            .header(AUTHORIZATION, basic(client_id, client_secret.expose()))
            .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish())
    }
}

/// The parameters of an authorization response, as they came.
#[derive(Clone, Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn read(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A parameter that comes twice is none to choose from (RFC 6749 section 3.1).
    pub fn get(&self, name: &str) -> Result<Option<&str>> {
        let mut found = self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Failure::wrong(format!("the response has {name} twice"))),
            (first, None) => Ok(first),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::super::visits::SignedIn;
    use super::*;

    pub fn signed_in(name: &str) -> SignedIn {
        let tokens = json!({
            "access_token": format!("hya_{}", Secret::random().expose()), "token_type": "bearer", "expires_in": 3600,
            "scope": name, "refresh_token": "hyr_1", "id_token": "e.y.J",
        });
        let claims = json!({ "sub": name, "name": name }).as_object().cloned().unwrap();
        SignedIn { tokens: serde_json::from_value(tokens).unwrap(), userinfo: claims.clone(), claims }
    }

    pub fn client() -> Client {
        let issuer = "http://127.0.0.1:4444";
        let endpoint = |path: &str| Url::parse(&format!("{issuer}{path}")).unwrap();
        let metadata = Metadata {
            issuer: issuer.to_owned(),
            authorization_endpoint: endpoint("/oauth2/auth"),
            token_endpoint: endpoint("/oauth2/token"),
            userinfo_endpoint: endpoint("/userinfo"),
            introspection_endpoint: endpoint("/oauth2/introspect"),
            revocation_endpoint: endpoint("/oauth2/revoke"),
            end_session_endpoint: endpoint("/oauth2/sessions/logout"),
            jwks_uri: endpoint("/.well-known/jwks.json"),
            code_challenge_methods_supported: vec!["S256".to_owned()],
            authorization_response_iss_parameter_supported: true,
        };
        let settings = Settings::new(issuer, "http://127.0.0.1:5555", Secret::random());
        Client { settings, metadata, http: http().unwrap(), clock: Clock::System, keys: Mutex::default() }
    }

    #[test]
    fn every_request_has_secrets_of_its_own_and_shows_only_the_challenge() {
        let (client, login) = (client(), Login::new());
        let url = client.authorization_url(&login, "none").unwrap();
        let query = Query::read(url.query().unwrap());
        let get = |name: &str| query.get(name).unwrap().unwrap().to_owned();
        assert_eq!(get("redirect_uri"), "http://127.0.0.1:5555/callback");
        assert_eq!(get("code_challenge"), Challenge::of_verifier(login.verifier.expose()).unwrap().as_str());
        assert_eq!((get("state"), get("nonce")), (login.state.expose().to_owned(), login.nonce.expose().to_owned()));
        assert_eq!((get("prompt"), get("code_challenge_method")), ("none".to_owned(), "S256".to_owned()));
        assert!(!url.as_str().contains(login.verifier.expose()));
        assert_ne!(
            client.authorization_url(&Login::new(), "none").unwrap(),
            client.authorization_url(&login, "none").unwrap()
        );
    }

    /// RFC 9207 section 2.4: a response of another server is not even read for its error.
    #[test]
    fn a_response_counts_only_from_the_issuer_that_was_asked() {
        let client = client();
        let iss = "iss=http%3A%2F%2F127.0.0.1%3A4444";
        let code = |query: &str| client.code(&Query::read(query));
        assert_eq!(code(&format!("code=abc&{iss}")).unwrap().expose(), "abc");
        let refused = code(&format!("error=access_denied&error_description=No&{iss}")).unwrap_err();
        assert_eq!((refused.code(), &*refused.to_string()), (Some("access_denied"), "access_denied: No"));
        for query in [
            "code=abc",
            "code=abc&iss=http%3A%2F%2Fevil.example",
            "error=access_denied",
            iss,
            &format!("code=a&code=b&{iss}"),
        ] {
            assert!(matches!(code(query), Err(Failure::Wrong(_))), "{query}");
        }
    }

    /// What `Debug` shows ends in logs.
    #[test]
    fn tokens_hide_themselves() {
        let tokens: Tokens = serde_json::from_str(
            r#"{"access_token":"hya_1","token_type":"bearer","expires_in":3600,"refresh_token":"hyr_1","id_token":"e.y.J"}"#,
        )
        .unwrap();
        let shown = format!("{tokens:?} {:?}", Login::new());
        assert!(!shown.contains("hy") && !shown.contains("e.y.J"), "{shown}");
    }
}

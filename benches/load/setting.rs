//! Who and what a run is with: the servers, their clients and the people, and the requests that clients send.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::browser::{Person, REDIRECT_URI};
use crate::http::{Connection, Site, form};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub const WITH_ID_TOKEN: &str = "openid offline_access profile email";
pub const WITHOUT_ID_TOKEN: &str = "offline_access";

/// People who sign in, and sign-ins at once: enough to keep the cores busy, few enough for the server's queue of password
/// hashes.
pub const PEOPLE: usize = 8;

const PASSWORD: &str = "correct horse battery staple";

/// A server's two ports.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub public: Site,
    pub admin: Site,
}

/// A client as the admin API shows it once.
#[derive(Clone, Debug, Deserialize)]
pub struct Client {
    pub client_id: String,
    pub client_secret: String,
}

impl Client {
    async fn register(on: &mut Connection, admin: &Site, id: &str, metadata: Value) -> Result<Self> {
        let mut body = metadata;
        body["client_id"] = id.into();
        body["token_endpoint_auth_method"] = "client_secret_basic".into();
        let answer = on.exchange(&admin.json("POST", "/admin/clients", &body.to_string())).await?;
        ensure!(answer.status == 201, "the client {id} was not registered: {}", answer.describe());
        answer.json()
    }

    /// HTTP Basic, RFC 6749 section 2.3.1: both are form-encoded first.
    pub fn basic(&self) -> String {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(&self.client_id), encode(&self.client_secret));
        format!("Basic {}", STANDARD.encode(pair))
    }
}

pub struct Setting {
    /// People sign in at its own pages; JWT access tokens have ES256.
    pub pages: Deployment,
    /// The same database and issuer: people sign in at another app, JWT access tokens have RS256.
    pub elsewhere: Deployment,
    /// Has the authorization code and the refresh token grant; its ID tokens have RS256, the default.
    pub web: Client,
    /// The same with ES256.
    pub web_es256: Client,
    /// Has the client credentials grant.
    pub service: Client,
    /// The same with JWT access tokens.
    pub service_jwt: Client,
    pub people: Vec<Person>,
}

impl Setting {
    /// Registers the clients and the people by the admin API, as an operator does.
    pub async fn make(pages: Deployment, elsewhere: Deployment) -> Result<Self> {
        let admin = &pages.admin;
        let mut on = Connection::open(admin).await?;
        let web = json!({
            "redirect_uris": [REDIRECT_URI], "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"], "scope": WITH_ID_TOKEN,
        });
        let mut web_es256 = web.clone();
        web_es256["id_token_signed_response_alg"] = "ES256".into();
        let service = json!({ "grant_types": ["client_credentials"], "response_types": [], "scope": "read write" });
        let mut service_jwt = service.clone();
        service_jwt["access_token_strategy"] = "jwt".into();
        let mut people = Vec::with_capacity(PEOPLE);
        for nth in 0..PEOPLE {
            let name = format!("person-{nth}");
            let body = json!({
                "username": name, "email": format!("{name}@example.com"), "password": PASSWORD,
                "claims": { "name": format!("Person {nth}"), "email_verified": true },
            });
            let answer = on.exchange(&admin.json("POST", "/admin/users", &body.to_string())).await?;
            ensure!(answer.status == 201, "{name} was not made: {}", answer.describe());
            people.push(Person { name, password: PASSWORD.to_owned() });
        }
        Ok(Self {
            web: Client::register(&mut on, admin, "web", web).await?,
            web_es256: Client::register(&mut on, admin, "web-es256", web_es256).await?,
            service: Client::register(&mut on, admin, "service", service).await?,
            service_jwt: Client::register(&mut on, admin, "service-jwt", service_jwt).await?,
            people,
            pages,
            elsewhere,
        })
    }

    pub fn person(&self, nth: usize) -> Result<&Person> {
        self.people.get(nth % PEOPLE).context("nobody can sign in")
    }
}

impl Client {
    /// An authorization request's path and query.
    pub fn authorization(&self, scope: &str, prompt: &str) -> String {
        let mut pairs = vec![
            ("client_id", self.client_id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT_URI),
            ("scope", scope),
            ("state", "the-state-of-a-benchmark"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        if scope.contains("openid") {
            pairs.push(("nonce", "the-nonce-of-a-benchmark"));
        }
        if !prompt.is_empty() {
            pairs.push(("prompt", prompt));
        }
        format!("/oauth2/auth?{}", form(&pairs))
    }

    pub fn exchange(&self, at: &Site, code: &str) -> Vec<u8> {
        self.token(
            at,
            &[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", REDIRECT_URI),
                ("code_verifier", VERIFIER),
            ],
        )
    }

    pub fn credentials(&self, at: &Site) -> Vec<u8> {
        self.token(at, &[("grant_type", "client_credentials"), ("scope", "read")])
    }

    pub fn revocation(&self, at: &Site, token: &str) -> Vec<u8> {
        at.post("/oauth2/revoke", &[("authorization", &self.basic())], &form(&[("token", token)]))
    }

    fn token(&self, at: &Site, pairs: &[(&str, &str)]) -> Vec<u8> {
        at.post("/oauth2/token", &[("authorization", &self.basic())], &form(pairs))
    }
}

impl Deployment {
    pub fn introspection(&self, token: &str) -> Vec<u8> {
        self.admin.post("/admin/oauth2/introspect", &[], &form(&[("token", token)]))
    }

    pub fn userinfo(&self, token: &str) -> Vec<u8> {
        self.public.get("/userinfo", &[("authorization", &format!("Bearer {token}"))])
    }
}

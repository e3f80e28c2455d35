//! Makes a database with clients, a person, and grants in every state that a handler needs, and writes down the requests.
//!
//! Everything goes through the two routers, as clients and operators do it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::plan::{Answer, COUNTED, Expect, Plan, Port, Recorded, WARM_UP, Work, encode};
use crate::server::{self, ADMIN, HOST, Server};
use crate::visitor::{Person, Visitor};

const REDIRECT_URI: &str = "https://rp.example.com/cb";

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const WITH_ID_TOKEN: &str = "openid offline_access profile email";
const WITHOUT_ID_TOKEN: &str = "offline_access";

const PERSON: Person = Person { name: "ada", password: "correct horse battery staple" };

/// Leaves the database and the plan in this folder.
pub fn prepare(folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::open(server::config(folder)).await?;
        let plan = Preparation::begin(&server).await?.plan().await?;
        server.app.store.close().await;
        plan.write(folder)
    })
}

struct Preparation {
    public: Router,
    visitor: Visitor,
    /// The header of a client of the code and refresh grants.
    web: String,
    /// Of one of the client credentials grant.
    service: String,
    /// Of another whose access tokens are JWTs.
    signed: String,
}

impl Preparation {
    async fn begin(server: &Server) -> Result<Self> {
        let (public, mut admin) = (server.port(Port::Public), server.port(Port::Admin));
        let web = json!({
            "client_id": "web", "client_name": "Web", "redirect_uris": [REDIRECT_URI], "scope": WITH_ID_TOKEN,
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_basic", "id_token_signed_response_alg": "ES256",
        });
        let service = json!({
            "client_id": "service", "grant_types": ["client_credentials"], "response_types": [],
            "scope": "read write", "token_endpoint_auth_method": "client_secret_basic",
        });
        let mut signed = service.clone();
        signed["client_id"] = json!("signed");
        signed["access_token_strategy"] = json!("jwt");
        let (web, service) = (register(&mut admin, &web).await?, register(&mut admin, &service).await?);
        let signed = register(&mut admin, &signed).await?;
        let person = json!({
            "username": PERSON.name, "password": PERSON.password, "email": "ada@example.com",
            "claims": { "name": "Ada Lovelace", "given_name": "Ada", "email_verified": true },
        });
        create(&mut admin, "/admin/users", &person).await?;
        let mut visitor = Visitor::new(public.clone());
        visitor.code(&authorization(WITH_ID_TOKEN), REDIRECT_URI, &PERSON).await.context("signing in")?;
        Ok(Self { public, visitor, web, service, signed })
    }

    /// The hot handlers. Their names are the baseline's, and where `scripts/bench` has the same ones, its own.
    async fn plan(&mut self) -> Result<Plan> {
        let discovery = Recorded::get(HOST, "/.well-known/openid-configuration", &[]);
        let jwks = Recorded::get(HOST, "/.well-known/jwks.json", &[]);
        let (opaque, signed) = (client_credentials(&self.service), client_credentials(&self.signed));
        let authorization = self.visitor.asks(&authorization(WITH_ID_TOKEN));
        let client_tokens = self.client_tokens().await?;
        let tokens = self.tokens("access_token").await?;
        let refresh_tokens = self.tokens("refresh_token").await?;
        let revoked = self.tokens("refresh_token").await?;
        let codes = self.codes(WITH_ID_TOKEN).await?;
        let codes_without = self.codes(WITHOUT_ID_TOKEN).await?;
        let (public, admin) = (Port::Public, Port::Admin);
        Ok(Plan(vec![
            same("discovery", public, (200, "\"issuer\":"), &discovery),
            same("jwks", public, (200, "\"keys\":"), &jwks),
            same("client-credentials", public, (200, "\"access_token\":\"hya_"), &opaque),
            same("client-credentials-jwt", public, (200, "\"access_token\":\"ey"), &signed),
            each("introspection", admin, (200, "\"sub\":\""), &tokens, introspection),
            each("introspection-of-client-token", admin, (200, "\"active\":true"), &client_tokens, introspection),
            same("introspection-of-nothing", admin, (200, "\"active\":false"), &introspection(&"hya_".repeat(20))),
            each("userinfo", public, (200, "\"email\":"), &tokens, userinfo),
            same("authorization", public, (302, "code="), &authorization),
            each("code", public, (200, "\"id_token\":\"ey"), &codes, |code| exchange(&self.web, code)),
            each("code-without-id-token", public, (200, "\"refresh_token\":"), &codes_without, |code| {
                exchange(&self.web, code)
            }),
            each("refresh", public, (200, "\"refresh_token\":"), &refresh_tokens, |token| refresh(&self.web, token)),
            each("revocation", public, (200, ""), &revoked, |token| revocation(&self.web, token)),
        ]))
    }

    /// By the signed-in browser's session and the remembered consent.
    async fn codes(&mut self, scope: &str) -> Result<Vec<String>> {
        let mut codes = Vec::with_capacity(WARM_UP + COUNTED);
        for _ in 0..WARM_UP + COUNTED {
            codes.push(self.visitor.code(&authorization(scope), REDIRECT_URI, &PERSON).await?);
        }
        Ok(codes)
    }

    /// A token of as many new grants.
    async fn tokens(&mut self, kind: &str) -> Result<Vec<String>> {
        let mut tokens = Vec::with_capacity(WARM_UP + COUNTED);
        for code in self.codes(WITH_ID_TOKEN).await? {
            tokens.push(member(&mut self.public, &exchange(&self.web, &code), kind).await?);
        }
        Ok(tokens)
    }

    async fn client_tokens(&mut self) -> Result<Vec<String>> {
        let mut tokens = Vec::with_capacity(WARM_UP + COUNTED);
        for _ in 0..WARM_UP + COUNTED {
            tokens.push(member(&mut self.public, &client_credentials(&self.service), "access_token").await?);
        }
        Ok(tokens)
    }
}

fn same(handler: &str, port: Port, expect: (u16, &str), request: &Recorded) -> Work {
    work(handler, port, expect, vec![request.clone(); WARM_UP + COUNTED])
}

fn each(handler: &str, port: Port, expect: (u16, &str), things: &[String], request: impl Fn(&str) -> Recorded) -> Work {
    work(handler, port, expect, things.iter().map(|thing| request(thing)).collect())
}

fn work(handler: &str, port: Port, (status, text): (u16, &str), requests: Vec<Recorded>) -> Work {
    let expect = Expect { status, text: text.to_owned() };
    Work { handler: handler.to_owned(), port, expect, requests }
}

fn authorization(scope: &str) -> String {
    let mut fields = vec![
        ("client_id", "web"),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", scope),
        ("state", "the-state-of-a-benchmark"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    if scope.contains("openid") {
        fields.push(("nonce", "the-nonce-of-a-benchmark"));
    }
    format!("/oauth2/auth?{}", encode(&fields))
}

fn client_credentials(client: &str) -> Recorded {
    let fields = [("grant_type", "client_credentials"), ("scope", "read")];
    Recorded::form(HOST, "/oauth2/token", &[("authorization", client)], &fields)
}

fn exchange(client: &str, code: &str) -> Recorded {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    Recorded::form(HOST, "/oauth2/token", &[("authorization", client)], &fields)
}

fn refresh(client: &str, token: &str) -> Recorded {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    Recorded::form(HOST, "/oauth2/token", &[("authorization", client)], &fields)
}

fn revocation(client: &str, token: &str) -> Recorded {
    let fields = [("token", token), ("token_type_hint", "refresh_token")];
    Recorded::form(HOST, "/oauth2/revoke", &[("authorization", client)], &fields)
}

fn introspection(token: &str) -> Recorded {
    Recorded::form(ADMIN, "/admin/oauth2/introspect", &[], &[("token", token)])
}

fn userinfo(token: &str) -> Recorded {
    Recorded::get(HOST, "/userinfo", &[("authorization", &format!("Bearer {token}"))])
}

/// Registers a client; its header of HTTP Basic. Neither its id nor its secret has anything in it that a form encodes.
async fn register(admin: &mut Router, client: &Value) -> Result<String> {
    let client = create(admin, "/admin/clients", client).await?;
    let text = |name: &str| client[name].as_str().with_context(|| format!("a client without {name}"));
    Ok(format!("Basic {}", STANDARD.encode(format!("{}:{}", text("client_id")?, text("client_secret")?))))
}

async fn create(admin: &mut Router, target: &str, what: &Value) -> Result<Value> {
    let request = Recorded::post(ADMIN, target, &[], "application/json", what.to_string());
    let answer: Answer = server::call(admin, request.request()?).await?;
    ensure!(answer.status == 201, "{target}: {}", answer.describe());
    Ok(serde_json::from_str(&answer.body)?)
}

async fn member(router: &mut Router, request: &Recorded, name: &str) -> Result<String> {
    let answer = server::call(router, request.request()?).await?;
    let body: Value = serde_json::from_str(&answer.body).with_context(|| answer.describe())?;
    Ok(body[name].as_str().with_context(|| format!("no {name}: {}", answer.describe()))?.to_owned())
}

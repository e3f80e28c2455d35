//! The server under test: what has to be there before an endpoint can be measured, and the measuring.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::browser::{Browser, Person, REDIRECT_URI, login_form, post_headers};
use crate::drive::{Measured, Pace, count, drive};
use crate::endpoints::Endpoint;
use crate::footprint::Database;
use crate::http::{Site, form};
use crate::work::{Expect, Keep, Repeat, Rotate, Spend};

/// Grants that introspection, userinfo and refresh go round.
const GRANTS: usize = 1024;

/// Sign-ins at once: enough to keep the cores busy, few enough for the server's queue of password hashes.
const SIGN_INS: usize = 8;

/// Codes that are made ahead of a measurement; it ends early when they are all spent.
const MOST_CODES: f64 = 100_000.0;

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const WITH_ID_TOKEN: &str = "openid offline_access profile email";
const WITHOUT_ID_TOKEN: &str = "offline_access";

/// A client as `hydrant client create --format json` shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct Client {
    pub client_id: String,
    pub client_secret: String,
}

impl Client {
    /// HTTP Basic, RFC 6749 section 2.3.1: both are form-encoded first.
    fn basic(&self) -> String {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(&self.client_id), encode(&self.client_secret));
        format!("Basic {}", STANDARD.encode(pair))
    }
}

/// Who and what a run is with.
#[derive(Clone, Debug)]
pub struct Setting {
    pub public: Site,
    pub admin: Site,
    /// Has the authorization code and the refresh token grant.
    pub web: Client,
    /// Has the client credentials grant.
    pub service: Client,
    pub person: Person,
    pub connections: usize,
    pub time: Duration,
}

/// A signed-in browser and tokens, ready to be used.
pub struct Bench {
    setting: Setting,
    cookies: String,
    access_tokens: Vec<String>,
    chains: Vec<Rotate>,
}

impl Bench {
    /// Signs in and consents through the forms, once, and makes the grants that the chosen endpoints need.
    pub async fn prepare(setting: Setting, chosen: &[Endpoint]) -> Result<Self> {
        let mut browser = Browser::open(&setting.public).await?;
        let url = setting.authorization(WITH_ID_TOKEN, "");
        browser.authorize(&url, &setting.person, true).await.context("signing in through the forms")?;
        let mut bench = Self { setting, cookies: browser.cookies(), access_tokens: Vec::new(), chains: Vec::new() };
        let any = |wanted: &[Endpoint]| wanted.iter().any(|endpoint| chosen.contains(endpoint));
        if any(&[Endpoint::Introspection, Endpoint::Userinfo]) {
            bench.access_tokens = bench.tokens(WITH_ID_TOKEN, "access_token").await?;
        }
        if any(&[Endpoint::Refresh]) {
            // A chain is one connection's alone, so there is at least one for each.
            let tokens = bench.tokens(WITHOUT_ID_TOKEN, "refresh_token").await?;
            let Setting { connections, public, web, .. } = &bench.setting;
            bench.chains = Rotate::many(*connections, public, &web.basic(), tokens)?;
        }
        Ok(bench)
    }

    /// Answers a second and latencies of an endpoint. `expected` is about how many a second there will be, for what has
    /// to be made ahead.
    pub async fn measure(&mut self, endpoint: Endpoint, pace: Pace, expected: f64) -> Result<Measured> {
        let Setting { public, admin, connections, .. } = &self.setting;
        let repeat = |requests, body| Repeat::many(*connections, requests, Expect::Body(body));
        let measured = match endpoint {
            Endpoint::Discovery => {
                let request = public.get("/.well-known/openid-configuration", &[]);
                drive(public, pace, repeat(vec![request], "\"issuer\":")).await?.0
            }
            Endpoint::Jwks => {
                let request = public.get("/.well-known/jwks.json", &[]);
                drive(public, pace, repeat(vec![request], "\"keys\":")).await?.0
            }
            Endpoint::ClientCredentials => {
                let basic = self.setting.service.basic();
                let body = form(&[("grant_type", "client_credentials"), ("scope", "read")]);
                let request = public.post("/oauth2/token", &[("authorization", &basic)], &body);
                drive(public, pace, repeat(vec![request], "\"access_token\":\"")).await?.0
            }
            Endpoint::Introspection => {
                let request =
                    |token: &String| admin.post("/admin/oauth2/introspect", &[], &form(&[("token", token.as_str())]));
                let requests = self.access_tokens.iter().map(request).collect();
                drive(admin, pace, repeat(requests, "\"active\":true")).await?.0
            }
            Endpoint::Userinfo => {
                let request =
                    |token: &String| public.get("/userinfo", &[("authorization", &format!("Bearer {token}"))]);
                let requests = self.access_tokens.iter().map(request).collect();
                drive(public, pace, repeat(requests, "\"sub\":\"")).await?.0
            }
            Endpoint::Code => self.code_exchange(pace, WITH_ID_TOKEN, "\"id_token\":\"", expected).await?,
            Endpoint::CodeWithoutIdToken => {
                self.code_exchange(pace, WITHOUT_ID_TOKEN, "\"refresh_token\":\"", expected).await?
            }
            Endpoint::Refresh => {
                let chains = std::mem::take(&mut self.chains);
                let (measured, chains) = drive(public, pace, chains).await?;
                self.chains = chains;
                measured
            }
            Endpoint::Password => self.sign_ins(pace, expected).await?,
        };
        Ok(measured)
    }

    /// Only the exchange is measured; the codes are made ahead.
    async fn code_exchange(&self, pace: Pace, scope: &str, member: &'static str, expected: f64) -> Result<Measured> {
        let codes = self.codes(scope, self.enough(expected).max(self.setting.connections)).await?;
        let requests = codes.iter().map(|code| self.setting.exchange(code)).collect();
        let loads = Spend::many(self.setting.connections, requests, Expect::Body(member), Keep::Nothing);
        Ok(drive(&self.setting.public, pace, loads).await?.0)
    }

    /// Only the form's POST is measured; every one has a login challenge of its own, made ahead.
    async fn sign_ins(&self, pace: Pace, expected: f64) -> Result<Measured> {
        let Setting { public, connections, person, .. } = &self.setting;
        let url = self.setting.authorization(WITH_ID_TOKEN, "login");
        let begin = public.get(&url, &[("accept", "text/html"), ("cookie", &self.cookies)]);
        let keep = Keep::Parameter("login_challenge");
        let expect = Expect::Redirect("login_challenge");
        let loads = Spend::times(*connections, begin, self.enough(expected), expect, keep);
        let challenges = drive(public, Pace::Finish, loads).await.context("making login challenges")?.1;
        let post = |challenge: &String| {
            public.post("/login", &post_headers(&public.origin, &self.cookies), &login_form(challenge, person))
        };
        let requests = challenges.iter().flat_map(|load| &load.kept).map(post).collect();
        let loads = Spend::many(SIGN_INS, requests, Expect::Redirect("login_verifier"), Keep::Nothing);
        Ok(drive(public, pace, loads).await?.0)
    }

    /// How many single-use things a measurement of that rate spends, its warm-up included, and a tenth more.
    fn enough(&self, rate: f64) -> usize {
        let wanted = (rate * (self.setting.time.as_secs_f64() + 0.5) * 1.1).clamp(64.0, MOST_CODES);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 64..=100000")]
        let wanted = wanted as usize;
        wanted
    }

    /// Codes by the signed-in browser's session and the remembered consent.
    async fn codes(&self, scope: &str, count: usize) -> Result<Vec<String>> {
        let Setting { public, connections, .. } = &self.setting;
        let url = self.setting.authorization(scope, "");
        let request = public.get(&url, &[("accept", "text/html"), ("cookie", &self.cookies)]);
        let loads = Spend::times(*connections, request, count, Expect::Redirect("code"), Keep::Parameter("code"));
        let (_, loads) = drive(public, Pace::Finish, loads).await.context("making authorization codes")?;
        Ok(loads.into_iter().flat_map(|load| load.kept).collect())
    }

    /// A token of each of 1,024 new grants.
    async fn tokens(&self, scope: &str, member: &'static str) -> Result<Vec<String>> {
        let codes = self.codes(scope, GRANTS.max(self.setting.connections)).await?;
        redeem(&self.setting, &codes, Keep::Member(member)).await
    }

    /// What the database grows by with a whole sign-in: login form, consent form, code exchange.
    pub async fn bytes_per_login(&self, database: &Database, logins: usize) -> Result<f64> {
        ensure!(logins > 0, "no logins to measure");
        let before = database.bytes().await?;
        let mut browsers = JoinSet::new();
        for nth in 0..SIGN_INS {
            let setting = self.setting.clone();
            let own = (logins + nth) / SIGN_INS;
            browsers.spawn(async move {
                let url = setting.authorization(WITH_ID_TOKEN, "login consent");
                let mut codes = Vec::with_capacity(own);
                for _ in 0..own {
                    let mut browser = Browser::open(&setting.public).await?;
                    codes.push(browser.authorize(&url, &setting.person, false).await?);
                }
                anyhow::Ok(codes)
            });
        }
        let mut codes = Vec::new();
        while let Some(some) = browsers.join_next().await {
            codes.extend(some.context("a browser's task broke")?.context("a whole sign-in")?);
        }
        redeem(&self.setting, &codes, Keep::Nothing).await?;
        let grown = usize::try_from(database.bytes().await? - before).unwrap_or(0);
        Ok(count(grown) / count(codes.len()))
    }
}

async fn redeem(setting: &Setting, codes: &[String], keep: Keep) -> Result<Vec<String>> {
    let requests = codes.iter().map(|code| setting.exchange(code)).collect();
    let loads = Spend::many(setting.connections, requests, Expect::Body("\"access_token\":\""), keep);
    let (_, loads) = drive(&setting.public, Pace::Finish, loads).await.context("redeeming authorization codes")?;
    Ok(loads.into_iter().flat_map(|load| load.kept).collect())
}

impl Setting {
    /// An authorization request's path and query.
    fn authorization(&self, scope: &str, prompt: &str) -> String {
        let mut pairs = vec![
            ("client_id", self.web.client_id.as_str()),
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

    fn exchange(&self, code: &str) -> Vec<u8> {
        let body = form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ]);
        self.public.post("/oauth2/token", &[("authorization", &self.web.basic())], &body)
    }
}

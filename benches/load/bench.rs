//! The server under test: what has to be there before an endpoint can be measured, and the measuring.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::browser::{Browser, login_form, post_headers};
use crate::database::Meter;
use crate::drive::{Measured, Pace, drive};
use crate::endpoints::Endpoint;
use crate::http::{Connection, Site};
use crate::login::{Login, Way};
use crate::setting::{Client, PEOPLE, Setting, WITH_ID_TOKEN, WITHOUT_ID_TOKEN};
use crate::work::{Expect, Keep, Repeat, Rotate, Spend};

/// Grants that introspection, userinfo and refresh go round.
const GRANTS: usize = 1024;

/// Connections that make ahead what is measured later.
const MAKERS: usize = 64;

/// Single-use things that are made ahead of a measurement; it ends early when they are all spent.
const MOST: f64 = 100_000.0;

/// Signed-in browsers and tokens, ready to be used.
pub struct Bench {
    pub setting: Arc<Setting>,
    pub meter: Meter,
    /// Cookie headers of people who have signed in and allowed both clients, once and for all.
    sessions: Vec<String>,
    access_tokens: Vec<String>,
    client_tokens: Vec<String>,
    refresh_tokens: Vec<String>,
}

impl Bench {
    /// Signs everybody in, and makes grants and tokens.
    pub async fn prepare(setting: Setting, meter: Meter) -> Result<Self> {
        let setting = Arc::new(setting);
        let mut bench = Self {
            setting: Arc::clone(&setting),
            meter,
            sessions: Vec::new(),
            access_tokens: Vec::new(),
            client_tokens: Vec::new(),
            refresh_tokens: Vec::new(),
        };
        bench.sign_in().await?;
        bench.access_tokens = bench.tokens_of_grants(WITH_ID_TOKEN, "access_token").await?;
        bench.refresh_tokens = bench.tokens_of_grants(WITHOUT_ID_TOKEN, "refresh_token").await?;
        bench.client_tokens = bench.tokens_of_client(&setting.service, GRANTS).await?;
        Ok(bench)
    }

    /// Signs everybody in through the forms, in browsers that keep their sessions.
    pub async fn sign_in(&mut self) -> Result<()> {
        let Setting { pages, web, web_es256, people, .. } = &*self.setting;
        let mut on = Connection::open(&pages.public).await?;
        self.sessions.clear();
        for person in people {
            let mut browser = Browser::new(&pages.public);
            for client in [web, web_es256] {
                let url = client.authorization(WITH_ID_TOKEN, "");
                browser.by_pages(&mut on, &url, person, true).await.context("signing in through the forms")?;
            }
            self.sessions.push(browser.cookies());
        }
        Ok(())
    }

    /// Answers a second and latencies of an endpoint. `expected` is about how many a second there will be, for what has
    /// to be made ahead.
    pub async fn measure(
        &mut self,
        endpoint: Endpoint,
        connections: usize,
        pace: Pace,
        expected: f64,
    ) -> Result<Measured> {
        let setting = Arc::clone(&self.setting);
        let Setting { pages, elsewhere, web, web_es256, service, service_jwt, .. } = &*setting;
        let public = &pages.public;
        let repeat = async |at: &Site, requests: Vec<Vec<u8>>, body: &'static str| {
            let loads = Repeat::many(connections, requests, Expect::Body(body));
            anyhow::Ok(drive(&self.meter, &[at], pace, loads).await?.0)
        };
        let introspection = |tokens: &[String]| tokens.iter().map(|token| pages.introspection(token)).collect();
        let ahead = enough(pace, expected).max(connections);
        match endpoint {
            Endpoint::Discovery => {
                repeat(public, vec![public.get("/.well-known/openid-configuration", &[])], "\"issuer\":").await
            }
            Endpoint::Jwks => repeat(public, vec![public.get("/.well-known/jwks.json", &[])], "\"keys\":").await,
            Endpoint::ClientCredentials => {
                repeat(public, vec![service.credentials(public)], "\"access_token\":\"hya_").await
            }
            Endpoint::ClientCredentialsEs256 => {
                repeat(public, vec![service_jwt.credentials(public)], "\"access_token\":\"eyJ").await
            }
            Endpoint::ClientCredentialsRs256 => {
                let public = &elsewhere.public;
                repeat(public, vec![service_jwt.credentials(public)], "\"access_token\":\"eyJ").await
            }
            Endpoint::Introspection => {
                repeat(&pages.admin, introspection(&self.access_tokens), "\"active\":true").await
            }
            Endpoint::IntrospectionClient => {
                repeat(&pages.admin, introspection(&self.client_tokens), "\"active\":true").await
            }
            Endpoint::IntrospectionGarbage => {
                let spoilt: Vec<_> = self.access_tokens.iter().map(|token| spoil(token)).collect();
                repeat(&pages.admin, introspection(&spoilt), "\"active\":false").await
            }
            Endpoint::Userinfo => {
                let requests = self.access_tokens.iter().map(|token| pages.userinfo(token)).collect();
                repeat(public, requests, "\"sub\":\"").await
            }
            Endpoint::CodeEs256 | Endpoint::Code | Endpoint::CodeWithoutIdToken => {
                let client = if endpoint == Endpoint::CodeEs256 { web_es256 } else { web };
                let (scope, member) = match endpoint {
                    Endpoint::CodeWithoutIdToken => (WITHOUT_ID_TOKEN, "\"refresh_token\":\""),
                    _ => (WITH_ID_TOKEN, "\"id_token\":\""),
                };
                let codes = self.codes(client, scope, ahead).await?;
                let requests = codes.iter().map(|code| client.exchange(public, code)).collect();
                self.spend(public, connections, pace, requests, Expect::Body(member)).await
            }
            Endpoint::Refresh => {
                let tokens = std::mem::take(&mut self.refresh_tokens);
                let chains = Rotate::many(connections, public, &web.basic(), tokens)?;
                let (measured, chains) = drive(&self.meter, &[public], pace, chains).await?;
                self.refresh_tokens = chains.into_iter().flat_map(|chain| chain.tokens).collect();
                Ok(measured)
            }
            Endpoint::Revocation => {
                let tokens = self.tokens_of_client(service, ahead).await?;
                let requests = tokens.iter().map(|token| service.revocation(public, token)).collect();
                self.spend(public, connections, pace, requests, Expect::Success).await
            }
            Endpoint::Password => self.sign_ins(pace, expected).await,
            Endpoint::LoginPages => self.logins(connections, &self.by_sessions(), pace, None).await,
            Endpoint::LoginPassword => self.logins(PEOPLE, &[Way::Forms], pace, None).await,
            Endpoint::LoginAdmin => self.logins(connections, &[Way::App], pace, None).await,
        }
    }

    /// Whole logins; all `times` of them, or as many as the time has room for.
    pub async fn logins(&self, connections: usize, ways: &[Way], pace: Pace, times: Option<usize>) -> Result<Measured> {
        let is_elsewhere = ways.iter().any(|way| matches!(way, Way::App));
        let at = if is_elsewhere { &self.setting.elsewhere } else { &self.setting.pages };
        let loads = Login::many(&self.setting, connections, ways, times);
        Ok(drive(&self.meter, &[&at.public, &at.admin], pace, loads).await?.0)
    }

    /// Cookie headers of people who are signed in.
    pub fn by_sessions(&self) -> Vec<Way> {
        self.sessions.iter().cloned().map(Way::Session).collect()
    }

    /// Requests that may be sent once each.
    async fn spend(
        &self,
        at: &Site,
        connections: usize,
        pace: Pace,
        requests: Vec<Vec<u8>>,
        expect: Expect,
    ) -> Result<Measured> {
        let loads = Spend::many(connections, requests, expect, Keep::Nothing);
        Ok(drive(&self.meter, &[at], pace, loads).await?.0)
    }

    /// Only the form's POST is measured; every one has a login challenge of its own, made ahead by a browser that nobody
    /// is signed in with.
    async fn sign_ins(&self, pace: Pace, expected: f64) -> Result<Measured> {
        let Setting { pages, web, people, .. } = &*self.setting;
        let public = &pages.public;
        let url = web.authorization(WITH_ID_TOKEN, "");
        let mut requests = Vec::new();
        let mut on = Connection::open(public).await?;
        for person in people {
            let mut browser = Browser::new(public);
            browser.get(&mut on, &url).await?;
            let cookies = browser.cookies();
            let begin = public.get(&url, &[("accept", "text/html"), ("cookie", &cookies)]);
            let challenges = self
                .made(public, vec![begin], enough(pace, expected).div_ceil(PEOPLE), "login_challenge")
                .await
                .context("making login challenges")?;
            let post = |challenge: &String| {
                public.post("/login", &post_headers(&public.origin, &cookies), &login_form(challenge, person))
            };
            requests.push(challenges.iter().map(post).collect::<Vec<_>>());
        }
        let mut mixed = Vec::new();
        while requests.iter().any(|of_person| !of_person.is_empty()) {
            mixed.extend(requests.iter_mut().filter_map(Vec::pop));
        }
        self.spend(public, PEOPLE, pace, mixed, Expect::Redirect("login_verifier")).await
    }

    /// A parameter of the redirects that so many of these requests are answered with, in turn.
    async fn made(&self, at: &Site, requests: Vec<Vec<u8>>, count: usize, name: &'static str) -> Result<Vec<String>> {
        let loads = Spend::times(MAKERS, requests, count, Expect::Redirect(name), Keep::Parameter(name));
        let (_, loads) = drive(&self.meter, &[at], Pace::Finish, loads).await?;
        Ok(loads.into_iter().flat_map(|load| load.kept).collect())
    }

    /// Codes by the signed-in browsers' sessions and the remembered consents.
    async fn codes(&self, client: &Client, scope: &str, count: usize) -> Result<Vec<String>> {
        let public = &self.setting.pages.public;
        let url = client.authorization(scope, "");
        let request = |cookies: &String| public.get(&url, &[("accept", "text/html"), ("cookie", cookies)]);
        let requests = self.sessions.iter().map(request).collect();
        self.made(public, requests, count, "code").await.context("making authorization codes")
    }

    /// A token of each of 1,024 new grants.
    async fn tokens_of_grants(&self, scope: &str, member: &'static str) -> Result<Vec<String>> {
        let Setting { pages, web, .. } = &*self.setting;
        let codes = self.codes(web, scope, GRANTS).await?;
        let requests = codes.iter().map(|code| web.exchange(&pages.public, code)).collect();
        let loads = Spend::many(MAKERS, requests, Expect::Body("\"access_token\":\""), Keep::Member(member));
        let (_, loads) =
            drive(&self.meter, &[&pages.public], Pace::Finish, loads).await.context("redeeming authorization codes")?;
        Ok(loads.into_iter().flat_map(|load| load.kept).collect())
    }

    /// Tokens that a client has for itself.
    async fn tokens_of_client(&self, client: &Client, count: usize) -> Result<Vec<String>> {
        let public = &self.setting.pages.public;
        let request = client.credentials(public);
        let expect = Expect::Body("\"access_token\":\"");
        let loads = Spend::times(MAKERS, vec![request], count, expect, Keep::Member("access_token"));
        let (_, loads) = drive(&self.meter, &[public], Pace::Finish, loads).await.context("making tokens")?;
        Ok(loads.into_iter().flat_map(|load| load.kept).collect())
    }
}

/// How many single-use things a measurement spends, its warm-up included, and a tenth more.
fn enough(pace: Pace, expected: f64) -> usize {
    let (seconds, rate) = match pace {
        Pace::Finish => (1.0, expected),
        Pace::Closed(time) => (time.as_secs_f64(), expected),
        Pace::Open(time, rate) => (time.as_secs_f64(), rate),
    };
    let wanted = (rate * (seconds + 0.5) * 1.1).clamp(64.0, MOST);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 64..=100000")]
    let wanted = wanted as usize;
    wanted
}

/// The same form and the same key, but not what was sealed.
fn spoil(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    String::from_utf8_lossy(&bytes).into_owned()
}

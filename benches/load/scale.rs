//! What touches a grant, with a thousand of them and with ten million. The tokens are of grants all over the table, sealed
//! here with the server's own keys as the server would have sealed them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use hydrant::app::App;
use hydrant::clock::Clock;
use hydrant::config::Config;
use hydrant::id::{ClientId, GrantId, TokenId};
use hydrant::keys::Live;
use hydrant::oauth::scope;
use hydrant::oauth::token::{AccessToken, Code, Due, RefreshToken};
use hydrant::seal::Kind;

use crate::bench::Bench;
use crate::drive::{Measured, Pace, drive};
use crate::endpoints::Endpoint;
use crate::figures::{Figures, Row, Scale, Scaled};
use crate::fill::{Fill, Filled, Spare, fill};
use crate::http::Site;
use crate::run::{Plan, hello, reached};
use crate::setting::Client;
use crate::work::{Expect, Keep, Repeat, Rotate, Spend};

/// Tokens of so many grants are used.
const SAMPLE: usize = 100_000;
/// More single-use grants are not made for a measurement.
const MOST_SPARE: f64 = 250_000.0;

/// How many grants, and where the configuration is that opens the keys.
pub struct Extent {
    pub few: usize,
    pub many: usize,
    pub config: PathBuf,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Touch {
    Introspection,
    Userinfo,
    Refresh,
    CodeEs256,
    Code,
    Revocation,
    Login,
}

impl Touch {
    /// With each grant as often as one likes.
    const AGAIN: [Self; 3] = [Self::Introspection, Self::Userinfo, Self::Refresh];
    /// With each grant once, or with a new one.
    const ONCE: [Self; 4] = [Self::CodeEs256, Self::Code, Self::Revocation, Self::Login];

    const fn title(self) -> &'static str {
        match self {
            Self::Introspection => Endpoint::Introspection.title(),
            Self::Userinfo => Endpoint::Userinfo.title(),
            Self::Refresh => Endpoint::Refresh.title(),
            Self::CodeEs256 => Endpoint::CodeEs256.title(),
            Self::Code => Endpoint::Code.title(),
            Self::Revocation => "revocation of a grant's token",
            Self::Login => Endpoint::LoginPages.title(),
        }
    }
}

/// The server's keys, and what its refresh tokens of the client `web` say of their scope.
#[derive(Clone)]
struct Seals {
    keys: Arc<Live>,
    compared: u64,
}

/// Grants to use, and what seals their tokens.
struct Stock {
    seals: Seals,
    filled: Filled,
    refresh_tokens: Vec<String>,
}

pub async fn measure(plan: &Plan, extent: &Extent, bench: &mut Bench, rows: &[Row]) -> Result<Scale> {
    let seals = seals(&extent.config).await?;
    let seconds = (plan.time.as_secs_f64() + 0.8) * crate::drive::count(plan.rounds) * 1.15;
    let spare_for = |endpoint, otherwise| {
        let wanted = (seconds * reached(rows, endpoint, otherwise)).clamp(1000.0, MOST_SPARE);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1000..=250000")]
        let wanted = wanted as usize;
        wanted
    };
    let spare = Spare {
        codes_es256: spare_for(Endpoint::CodeEs256, 15_000.0),
        codes: spare_for(Endpoint::Code, 7000.0),
        revocable: spare_for(Endpoint::Revocation, 15_000.0),
    };
    let stage = |grants, spare| Fill { grants, spare, sample: SAMPLE };

    let mut few = Vec::new();
    let (mut stock, _) = stocked(bench, &seals, stage(extent.few, Spare::default())).await?;
    few.extend(rounds(plan, bench, &mut stock, &Touch::AGAIN).await?);
    let (mut stock, _) = stocked(bench, &seals, stage(extent.few, spare)).await?;
    few.extend(rounds(plan, bench, &mut stock, &Touch::ONCE).await?);

    let (mut stock, took) = stocked(bench, &seals, stage(extent.many, spare)).await?;
    let bytes = bench.meter.database.bytes().await?;
    let mut many = rounds(plan, bench, &mut stock, &Touch::AGAIN).await?;
    many.extend(rounds(plan, bench, &mut stock, &Touch::ONCE).await?);
    let rows = few.into_iter().zip(many);
    let rows = rows.map(|((touch, few), (_, many))| Scaled { what: touch.title(), few, many }).collect();
    Ok(Scale { few: extent.few, many: extent.many, spare: spare.all(), seconds: took.as_secs_f64(), bytes, rows })
}

async fn stocked(bench: &mut Bench, seals: &Seals, what: Fill) -> Result<(Stock, Duration)> {
    eprintln!("filling the database with {} grants, and {} to spend", what.grants, what.spare.all());
    let filled = fill(&bench.meter.database, what).await.context("filling the database")?;
    bench.sign_in().await?;
    let took = filled.took;
    eprintln!("filled in {:.0} s", took.as_secs_f64());
    let refresh = |(grant, generation): &(GrantId, i64)| refresh_token(seals, *grant, *generation);
    let refresh_tokens = filled.offline.iter().map(refresh).collect();
    Ok((Stock { seals: seals.clone(), filled, refresh_tokens }, took))
}

async fn rounds(
    plan: &Plan,
    bench: &mut Bench,
    stock: &mut Stock,
    what: &[Touch],
) -> Result<Vec<(Touch, Vec<Figures>)>> {
    let mut all: Vec<_> = what.iter().map(|touch| (*touch, Vec::new())).collect();
    for round in 1..=plan.rounds {
        let hello = hello(plan, bench, plan.connections, plan.time).await?;
        for (touch, figures) in &mut all {
            let left = plan.rounds + 1 - round;
            let measured = once(plan, bench, stock, *touch, left).await.with_context(|| touch.title())?;
            eprintln!("by grants, round {round}: {:<32} {:>8.0}/s", touch.title(), measured.rate());
            figures.push(Figures::of(&measured, hello.rate));
        }
    }
    Ok(all)
}

/// Single-use grants are shared out among the rounds that are left.
async fn once(plan: &Plan, bench: &mut Bench, stock: &mut Stock, touch: Touch, left: usize) -> Result<Measured> {
    let setting = Arc::clone(&bench.setting);
    let (pages, web) = (&setting.pages, &setting.web);
    let (connections, pace) = (plan.connections, Pace::Closed(plan.time));
    let Stock { seals: Seals { keys, .. }, filled, refresh_tokens } = stock;
    let repeat = async |at: &Site, requests: Vec<Vec<u8>>, body: &'static str| {
        let loads = Repeat::many(connections, requests, Expect::Body(body));
        anyhow::Ok(drive(&bench.meter, &[at], pace, loads).await?.0)
    };
    let spend = async |requests: Vec<Vec<u8>>, expect| {
        let loads = Spend::many(connections, requests, expect, Keep::Nothing);
        anyhow::Ok(drive(&bench.meter, &[&pages.public], pace, loads).await?.0)
    };
    let redeem = |client: &Client, codes: &mut Vec<GrantId>| -> Vec<Vec<u8>> {
        share(codes, left).into_iter().map(|grant| client.exchange(&pages.public, &code(keys, grant))).collect()
    };
    let id_token = Expect::Body("\"id_token\":\"");
    match touch {
        Touch::Introspection => {
            let requests = filled.tokens.iter().map(|token| pages.introspection(&access_token(keys, *token)));
            repeat(&pages.admin, requests.collect(), "\"active\":true").await
        }
        Touch::Userinfo => {
            let requests = filled.tokens.iter().map(|token| pages.userinfo(&access_token(keys, *token)));
            repeat(&pages.public, requests.collect(), "\"sub\":\"").await
        }
        Touch::Refresh => {
            let chains = Rotate::many(connections, &pages.public, &web.basic(), std::mem::take(refresh_tokens))?;
            let (measured, chains) = drive(&bench.meter, &[&pages.public], pace, chains).await?;
            *refresh_tokens = chains.into_iter().flat_map(|chain| chain.tokens).collect();
            Ok(measured)
        }
        Touch::CodeEs256 => spend(redeem(&setting.web_es256, &mut filled.codes_es256), id_token).await,
        Touch::Code => spend(redeem(web, &mut filled.codes), id_token).await,
        Touch::Revocation => {
            let tokens = share(&mut filled.revocable, left);
            let revoke = |token| web.revocation(&pages.public, &access_token(keys, token));
            spend(tokens.into_iter().map(revoke).collect(), Expect::Success).await
        }
        Touch::Login => bench.logins(connections, &bench.by_sessions(), pace, None).await,
    }
}

/// One of so many equal parts.
fn share<T>(all: &mut Vec<T>, parts: usize) -> Vec<T> {
    all.split_off(all.len() - all.len() / parts)
}

/// Opened as the server opens them.
async fn seals(file: &Path) -> Result<Seals> {
    let loaded = Config::load(Some(file), &|_| None, false);
    let config = loaded.map_err(|problems| anyhow!("{}: {problems:?}", file.display()))?.config;
    let (strategy, default_scope) = (config.strategies.scope, config.oidc.default_scope.clone());
    let app = App::open(config, Clock::System).await?;
    app.keys.load(&app.store, app.clock.now()).await?;
    let keys = app.keys.live().map_err(|error| anyhow!("{error}"))?;
    let client = app.store.client(&ClientId::new("web")).await?.context("the client web is not there")?;
    let compared = scope::digest(strategy, &client.metadata().scope(&default_scope));
    app.store.close().await;
    Ok(Seals { keys, compared })
}

fn access_token(keys: &Live, (grant, generation): (GrantId, i64)) -> String {
    let now = Clock::System.now();
    let token = AccessToken::Grant {
        id: TokenId::new(now),
        grant,
        generation: Some(generation),
        scope: None,
        audience: None,
        issued_at: now,
        expires_at: now + Duration::from_hours(1),
    };
    keys.sealer.seal(Kind::AccessToken, &token)
}

fn refresh_token(seals: &Seals, grant: GrantId, generation: i64) -> String {
    let token = RefreshToken { grant, generation, due: Due::default(), compared: Some(seals.compared) };
    seals.keys.sealer.seal_same(Kind::RefreshToken, &token)
}

fn code(keys: &Live, grant: GrantId) -> String {
    keys.sealer.seal(Kind::Code, &Code { grant, due: WITH_OPENID })
}

/// Of the scope `openid`.
const WITH_OPENID: Due = Due { id_token: true, person: false };

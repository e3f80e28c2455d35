//! Fills the database with grants as the server would have made them over the last weeks, with the sessions that they come
//! from and the people: one COPY for each table, with all of the schema's indexes in place. PostgreSQL only.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use hydrant::clock::{Clock, Timestamp};
use hydrant::id::{GrantId, SessionId, Subject};
use hydrant::oauth::acr;
use hydrant::store::db::Json;
use hydrant::store::decision::ConsentRecord;
use hydrant::store::grant::SLACK;
use sqlx::postgres::{PgPool, PgPoolCopyExt as _};

use crate::browser::REDIRECT_URI;
use crate::database::Database;
use crate::setting::{CHALLENGE, WITH_ID_TOKEN, WITHOUT_ID_TOKEN};

/// How far back the first grant is: less than what a session and a refresh token last.
const AGE: Duration = Duration::from_hours(24 * 29);
/// From then to the last one, which is an hour old.
const SPAN: Duration = Duration::from_hours(24 * 29 - 1);
/// Grants of one session, one after the other; sessions of one person come at any time.
const OF_A_SESSION: usize = 4;
const OF_A_PERSON: usize = 10;
/// What is sent to the database at once.
const CHUNK: usize = 1 << 20;

const DAY: Duration = Duration::from_hours(24);
/// The server's defaults (`ttl.*`).
const MONTH: Duration = Duration::from_hours(720);
const YEAR: Duration = Duration::from_hours(8760);
const TO_SIGN_IN: Duration = Duration::from_mins(30);
const TO_REDEEM: Duration = Duration::from_mins(10);

/// How many.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fill {
    pub grants: usize,
    /// Grants besides, evenly among the others, for what can be done once with each.
    pub spare: Spare,
    /// Of how many grants, evenly among all, the tokens are wanted.
    pub sample: usize,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Spare {
    /// Codes that wait for the client with ES256 ID tokens.
    pub codes_es256: usize,
    /// The same of the other.
    pub codes: usize,
    /// Grants to be revoked.
    pub revocable: usize,
}

impl Spare {
    pub const fn all(self) -> usize {
        self.codes_es256 + self.codes + self.revocable
    }
}

/// What is there now, in no order.
#[derive(Debug, Default)]
pub struct Filled {
    /// With the generation that is alive: of grants with ID tokens.
    pub tokens: Vec<(GrantId, i64)>,
    /// The same of grants without.
    pub offline: Vec<(GrantId, i64)>,
    pub codes_es256: Vec<GrantId>,
    pub codes: Vec<GrantId>,
    pub revocable: Vec<(GrantId, i64)>,
    /// With vacuum and checkpoint.
    pub took: Duration,
}

#[derive(Clone, Copy)]
enum Kind {
    Usual,
    Code { es256: bool },
    Revocable,
}

/// Takes what grants there are, and puts these in their place.
pub async fn fill(database: &Database, fill: Fill) -> Result<Filled> {
    let pool = database.postgres().context("only PostgreSQL can be filled")?;
    let began = Instant::now();
    // The clients are younger than the grants that they are now said to have.
    database
        .execute(
            "TRUNCATE grants, sessions, session_clients, interactions, revoked_tokens;
             DELETE FROM users WHERE username LIKE 'filled-%';
             UPDATE clients SET tokens_valid_from = 0;",
        )
        .await?;
    // Checkpoints as rare as those of a server that is set up for such a load.
    database.execute("ALTER SYSTEM SET max_wal_size = '16GB'").await?;
    database.execute("SELECT pg_reload_conf()").await?;
    // Rows that were redeemed and refreshed have left room for their next version, which a first COPY does not.
    database.execute("ALTER TABLE grants SET (fillfactor = 90)").await?;
    let people = people(pool, (fill.grants / OF_A_PERSON).max(1)).await?;
    let mut filled = grants(pool, fill, &people).await?;
    database.execute("ALTER TABLE grants RESET (fillfactor)").await?;
    database.execute("ALTER SYSTEM RESET max_wal_size").await?;
    database.execute("SELECT pg_reload_conf()").await?;
    database.execute("VACUUM ANALYZE").await?;
    database.execute("CHECKPOINT").await?;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    random.shuffle(&mut filled.tokens);
    random.shuffle(&mut filled.offline);
    random.shuffle(&mut filled.codes_es256);
    random.shuffle(&mut filled.codes);
    random.shuffle(&mut filled.revocable);
    Ok(Filled { took: began.elapsed(), ..filled })
}

/// Their subjects. All have the password of one who is there: nobody signs in as one of them.
async fn people(pool: &PgPool, count: usize) -> Result<Vec<Subject>> {
    let hash: Option<String> = sqlx::query_scalar("SELECT min(password_hash) FROM users")
        .fetch_one(pool)
        .await
        .context("a password's hash")?;
    let hash = hash.context("there is nobody whose password's hash could be taken")?;
    let born = Clock::System.now() - AGE - DAY;
    let subjects: Vec<Subject> = (0..count).map(|nth| Subject::made(at(born, DAY, nth, count))).collect();
    let mut users = pool
        .copy_in_raw(
            "COPY users (id, username, email, password_hash, claims, disabled, tokens_valid_from, created_at, updated_at) \
             FROM STDIN",
        )
        .await?;
    let mut lines = String::new();
    for (nth, subject) in subjects.iter().enumerate() {
        let made = at(born, DAY, nth, count).millis();
        writeln!(
            lines,
            "{subject}\tfilled-{nth}\tfilled-{nth}@example.com\t{hash}\t\
             {{\"name\":\"Filled {nth}\",\"email_verified\":true}}\tf\t0\t{made}\t{made}"
        )?;
        if lines.len() > CHUNK {
            users.send(std::mem::take(&mut lines).into_bytes()).await?;
        }
    }
    users.send(lines.into_bytes()).await?;
    users.finish().await?;
    let mut names = pool.copy_in_raw("COPY user_names (name, user_id) FROM STDIN").await?;
    let mut lines = String::new();
    for (nth, subject) in subjects.iter().enumerate() {
        writeln!(lines, "filled-{nth}\t{subject}\nfilled-{nth}@example.com\t{subject}")?;
        if lines.len() > CHUNK {
            names.send(std::mem::take(&mut lines).into_bytes()).await?;
        }
    }
    names.send(lines.into_bytes()).await?;
    names.finish().await?;
    Ok(subjects)
}

async fn grants(pool: &PgPool, fill: Fill, people: &[Subject]) -> Result<Filled> {
    let now = Clock::System.now();
    let total = fill.grants + fill.spare.all();
    let mut spare = fill.spare.kinds().into_iter();
    let mut grants = pool
        .copy_in_raw(
            "COPY grants (id, client_id, subject, session_id, scope, audience, authenticated_at, acr, amr, nonce, \
             redirect_uri, code_challenge, code_failures, created_at, ends_at, consent, code_expires_at, \
             unredeemed_until, code_redeemed_at, refresh_generation, refreshed_at, refresh_expires_at, expires_at) \
             FROM STDIN",
        )
        .await?;
    let mut sessions = pool
        .copy_in_raw(
            "COPY sessions (id, subject, authenticated_at, acr, amr, remembered, created_at, expires_at, address) \
             FROM STDIN",
        )
        .await?;
    let (mut lines, mut of_sessions) = (String::new(), String::new());
    let mut filled = Filled::default();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let every = (total / fill.sample.max(1)).max(1);
    let mut session = (SessionId::new(now), now, &people[0]);
    for nth in 0..total {
        let created = at(now - AGE, SPAN, nth, total);
        if nth % OF_A_SESSION == 0 {
            session = (SessionId::new(created), created, &people[random.below(people.len())]);
            let (id, began, subject) = &session;
            let (began, ends) = (began.millis(), (*began + MONTH).millis());
            let acr = acr::PASSWORD;
            writeln!(of_sessions, "{id}\t{subject}\t{began}\t{acr}\t[\"pwd\"]\tt\t{began}\t{ends}\t192.0.2.1")?;
        }
        let is_spare = nth * fill.spare.all() / total != (nth + 1) * fill.spare.all() / total;
        let kind = if is_spare { spare.next().unwrap_or(Kind::Usual) } else { Kind::Usual };
        let id = GrantId::new(created);
        let asked = (nth % OF_A_SESSION == 0).then_some(created);
        // Refreshed once a day, and within the last hour: its access token is good.
        let generation = 1 + i64::try_from(now.since(created).as_secs() / DAY.as_secs())?;
        let refreshed = now - Duration::from_millis(u64::try_from(random.below(3_600_000))?);
        let is_offline = matches!(kind, Kind::Usual) && nth % 2 == 1;
        let scope = if is_offline { WITHOUT_ID_TOKEN } else { WITH_ID_TOKEN };
        let session = &session;
        line(&mut lines, &Line { id, kind, session, scope, created, asked, generation, refreshed, now })?;
        match kind {
            Kind::Usual if nth / 2 % every != 0 => {}
            Kind::Usual if is_offline => filled.offline.push((id, generation)),
            Kind::Usual => filled.tokens.push((id, generation)),
            Kind::Code { es256: true } => filled.codes_es256.push(id),
            Kind::Code { es256: false } => filled.codes.push(id),
            Kind::Revocable => filled.revocable.push((id, generation)),
        }
        if lines.len() > CHUNK {
            grants.send(std::mem::take(&mut lines).into_bytes()).await?;
            sessions.send(std::mem::take(&mut of_sessions).into_bytes()).await?;
        }
    }
    grants.send(lines.into_bytes()).await?;
    sessions.send(of_sessions.into_bytes()).await?;
    grants.finish().await?;
    sessions.finish().await?;
    Ok(filled)
}

struct Line<'a> {
    id: GrantId,
    kind: Kind,
    session: &'a (SessionId, Timestamp, &'a Subject),
    scope: &'a str,
    created: Timestamp,
    /// When the person was asked; nothing: what they had allowed before was remembered.
    asked: Option<Timestamp>,
    generation: i64,
    refreshed: Timestamp,
    now: Timestamp,
}

fn line(lines: &mut String, line: &Line<'_>) -> Result<()> {
    let Line {
        id,
        kind,
        session: (session, authenticated, subject),
        scope,
        created,
        asked,
        generation,
        refreshed,
        now,
    } = line;
    let client = if matches!(kind, Kind::Code { es256: true }) { "web-es256" } else { "web" };
    let (authenticated, made) = (authenticated.millis(), created.millis());
    let ends = *created + YEAR;
    write!(
        lines,
        "{id}\t{client}\t{subject}\t{session}\t{scope}\t[]\t{authenticated}\t{}\t[\"pwd\"]\tthe-nonce-of-a-benchmark\t\
         {REDIRECT_URI}\t{CHALLENGE}\t0\t{made}\t{}\t",
        acr::PASSWORD,
        ends.millis()
    )?;
    match asked {
        Some(handled_at) => {
            let record = ConsentRecord { handled_at: *handled_at, remember: true, ..ConsentRecord::default() };
            write!(lines, "{}\t", Json(record).text())?;
        }
        None => lines.push_str("\\N\t"),
    }
    if matches!(kind, Kind::Code { .. }) {
        // As young ones are, but that they wait for as long as it takes to measure.
        let code_ends = *now + DAY;
        let (waits, swept) = (code_ends + TO_SIGN_IN, (code_ends + MONTH + SLACK).min(ends));
        let [code_ends, waits, swept] = [code_ends, waits, swept].map(Timestamp::millis);
        writeln!(lines, "{code_ends}\t{waits}\t\\N\t0\t\\N\t{code_ends}\t{swept}")?;
        return Ok(());
    }
    let refresh_ends = *refreshed + MONTH;
    let swept = (refresh_ends + SLACK).min(ends);
    writeln!(
        lines,
        "{}\t{}\t{}\t{generation}\t{}\t{}\t{}",
        (*created + TO_REDEEM).millis(),
        (*created + TO_REDEEM + TO_SIGN_IN).millis(),
        (*created + Duration::from_secs(1)).millis(),
        refreshed.millis(),
        refresh_ends.millis(),
        swept.millis()
    )?;
    Ok(())
}

impl Spare {
    fn kinds(self) -> Vec<Kind> {
        let of = |kind, count| std::iter::repeat_n(kind, count);
        let mut kinds: Vec<_> = of(Kind::Code { es256: true }, self.codes_es256)
            .chain(of(Kind::Code { es256: false }, self.codes))
            .chain(of(Kind::Revocable, self.revocable))
            .collect();
        Random(0x1234_5678_9abc_def1).shuffle(&mut kinds);
        kinds
    }
}

/// The moment of one of many that are evenly spread.
fn at(from: Timestamp, span: Duration, nth: usize, of: usize) -> Timestamp {
    let millis = span.as_millis() * nth as u128 / of.max(1) as u128;
    from + Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// xorshift64: the same order in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % bound.max(1)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

//! What a login, a refresh and a token leave in the database, and what is left when all of it has expired.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::bench::Bench;
use crate::database::per;
use crate::drive::{Measured, Pace};
use crate::endpoints::Endpoint;
use crate::figures::{Expired, Growth};
use crate::login::Way;
use crate::setting::PEOPLE;

/// Refreshes and tokens are counted for so long.
const WHILE: Pace = Pace::Closed(Duration::from_secs(1));

/// What each of them grows the tables and the log by. `logins` of each kind are done.
pub async fn growth(bench: &mut Bench, logins: usize) -> Result<Vec<Growth>> {
    ensure!(logins >= PEOPLE, "fewer logins than people");
    let mut all = Vec::new();
    for (what, way) in [
        ("login by password and consent", vec![Way::Forms]),
        ("login in a session that is kept", bench.by_sessions()),
        ("login by another app", vec![Way::App]),
    ] {
        // The first ones after a start make pages, and images of whole pages in the log, that the next ones share.
        bench.logins(PEOPLE, &way, Pace::Finish, Some(PEOPLE * 4)).await.context(what)?;
        let before = bench.meter.database.bytes().await?;
        let measured = bench.logins(PEOPLE, &way, Pace::Finish, Some(logins)).await.context(what)?;
        all.push(grown(bench, what, before, &measured).await?);
    }
    for (what, endpoint) in [("refresh", Endpoint::Refresh), ("access token of a client", Endpoint::ClientCredentials)]
    {
        bench.measure(endpoint, PEOPLE, WHILE, 0.0).await.context(what)?;
        let before = bench.meter.database.bytes().await?;
        let measured = bench.measure(endpoint, PEOPLE, WHILE, 0.0).await.context(what)?;
        all.push(grown(bench, what, before, &measured).await?);
    }
    Ok(all)
}

async fn grown(bench: &Bench, what: &'static str, before: i64, measured: &Measured) -> Result<Growth> {
    let units = measured.answers;
    let grown = bench.meter.database.bytes().await? - before;
    // A vacuum may have given pages back.
    Ok(Growth { what, units, bytes: per(grown.max(0), units), wal: measured.each.wal })
}

/// Lets everything expire.
pub async fn expiry(bench: &Bench) -> Result<Expired> {
    let before = bench.meter.database.mortal_rows().await?;
    let (rows, bytes) = bench.meter.database.after_expiry().await?;
    Ok(Expired { before, rows, bytes })
}

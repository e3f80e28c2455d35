//! `hydrant client import`: clients as Hydra's `GET /admin/clients` gives them, with the hashes of their secrets where they
//! have been put to them.

mod records;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Serialize;

use self::records::{Record, Records};
use crate::admin::clients::{self, Input};
use crate::app::App;
use crate::cli::output::{Format, print};
use crate::cli::{Global, open};
use crate::http::json;
use crate::id::ClientId;
use crate::oauth::ErrorCode;
use crate::registration::Shown;
use crate::secret::Secret;

#[derive(Debug, Args)]
pub struct Import {
    /// A JSON list of clients, several, or a client a line; `-` reads standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Says what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// Passes over clients whose id is there already; otherwise they are refused.
    #[arg(long)]
    skip_existing: bool,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Created,
    /// It would be created.
    Valid,
    Skipped,
    Refused,
}

/// A line of what is told.
#[derive(Serialize)]
struct Line<'a> {
    /// From 1.
    record: u64,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a ClientId>,
    /// Where one had to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<&'a Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// How many records there were of each outcome.
#[derive(Default)]
struct Tally {
    created: u64,
    valid: u64,
    skipped: u64,
    refused: u64,
}

pub async fn run(import: &Import, global: &Global, format: Format) -> Result<()> {
    let mut records = Records::new(reader(&import.file)?);
    let tally = open::with_app(global, async |app| {
        let mut tally = Tally::default();
        // Of a rehearsal: what would be there by then.
        let mut rehearsed = HashSet::new();
        while let Some(record) = records.next().with_context(|| import.file.display().to_string())? {
            let number = records.count;
            // Where the database fails, so would everything that follows; what was done stays, and can be skipped.
            let told = one(app, import, record, &mut rehearsed).await.with_context(|| format!("record {number}"))?;
            tally.count(told.outcome());
            told.print(number, format)?;
        }
        Ok(tally)
    })
    .await?;
    if format == Format::Table {
        let Tally { created, valid, skipped, refused } = &tally;
        let done = if import.dry_run { format!("{valid} would be created") } else { format!("{created} created") };
        print(&format!("{done}, {skipped} skipped, {refused} refused\n"))?;
    }
    match tally.refused {
        0 => Ok(()),
        1 => bail!("a record was refused"),
        many => bail!("{many} records were refused"),
    }
}

fn reader(file: &Path) -> Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).with_context(|| format!("{} can not be read", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

/// What is told of a record.
enum Told {
    Created(Box<Shown>),
    Valid(ClientId),
    Skipped(ClientId),
    Refused(Option<ClientId>, String),
}

/// Does what is to be done with one record: all of it, or nothing.
async fn one(app: &App, import: &Import, record: Record, rehearsed: &mut HashSet<ClientId>) -> Result<Told> {
    let text = match record {
        Ok(text) => text,
        Err(why) => return Ok(Told::Refused(None, why.to_owned())),
    };
    let mut input: Input = match json::parse(&text) {
        Ok(input) => input,
        Err(error) => return Ok(Told::Refused(None, error.description.into_owned())),
    };
    let Some(id) = input.client_id.clone().filter(|id| !id.is_empty()).map(ClientId::new) else {
        return Ok(Told::Refused(None, "It has no client_id.".to_owned()));
    };
    if import.skip_existing && is_client(app, &id, rehearsed).await? {
        return Ok(Told::Skipped(id));
    }
    if !input.metadata.has_use_for_secret() {
        // Hydra makes and keeps a secret for every client, also where it is good for nothing.
        input.client_secret_hash = None;
    }
    let done = if import.dry_run {
        let is_there = !rehearsed.insert(id.clone());
        let valid = clients::rehearse(app, input).await.map(Told::Valid);
        if is_there && valid.is_ok() { Err(clients::taken()) } else { valid }
    } else {
        clients::create(app, input).await.map(|client| Told::Created(Box::new(client)))
    };
    match done {
        Err(error) if matches!(error.code, ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable) => {
            Err(error.into())
        }
        Err(error) => Ok(Told::Refused(Some(id), error.description.into_owned())),
        Ok(told) => Ok(told),
    }
}

async fn is_client(app: &App, id: &ClientId, rehearsed: &HashSet<ClientId>) -> Result<bool> {
    Ok(rehearsed.contains(id) || app.store.client_to_change(id).await?.is_some())
}

impl Told {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Created(_) => Outcome::Created,
            Self::Valid(_) => Outcome::Valid,
            Self::Skipped(_) => Outcome::Skipped,
            Self::Refused(..) => Outcome::Refused,
        }
    }

    /// A line for each record for programs; for people of those alone of which there is something to be said.
    fn print(&self, record: u64, format: Format) -> Result<()> {
        let mut line = Line {
            record,
            outcome: self.outcome(),
            client_id: None,
            client_secret: None,
            registration_access_token: None,
            reason: None,
        };
        match self {
            Self::Created(client) => {
                line.client_id = Some(&client.client_id);
                line.client_secret = client.client_secret.as_ref();
                line.registration_access_token = client.registration_access_token.as_ref();
            }
            Self::Valid(id) | Self::Skipped(id) => line.client_id = Some(id),
            Self::Refused(id, why) => (line.client_id, line.reason) = (id.as_ref(), Some(why.as_str())),
        }
        if format == Format::Json {
            return print(&format!("{}\n", serde_json::to_string(&line)?));
        }
        let id = line.client_id.map_or("no client_id", ClientId::as_str);
        if let Some(reason) = line.reason {
            eprintln!("record {record} ({}): {reason}", id.escape_debug());
        }
        match line.client_secret {
            Some(secret) => print(&format!("{id} has no hash of a secret; its new secret is {}\n", secret.expose())),
            None => Ok(()),
        }
    }
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Created => &mut self.created,
            Outcome::Valid => &mut self.valid,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Refused => &mut self.refused,
        };
        *counter += 1;
    }
}

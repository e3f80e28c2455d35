//! `hydrant event`: who changed what by the admin API or the command line.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::output::{Format, print, print_json, table};
use super::{Global, open, pages};
use crate::admin::events::{self, Shown};
use crate::app::App;
use crate::store::audit::Wanted;

#[derive(Debug, Args)]
pub struct Events {
    #[command(subcommand)]
    what: What,
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", display_order = 902)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists events, the newest first.
    ///
    /// There is one for each client, user, set of keys, trusted issuer, registration token, consent, session, grant and
    /// token that the admin API or this command line has changed, for as long as `ttl.admin_event` says. The table names the members that
    /// differ; `--format json` has their values before and after. Never a secret, a password, a hash or a private key;
    /// a person's names and claims are, until the event goes.
    #[command(after_help = "\
Actors:
  deploy               the admin token of that name (`serve.admin.tokens`)
  admin:192.0.2.1      whoever called the admin API from there, where no tokens are listed
  admin:socket         the same through the unix socket
  cli:root             a user of the machine on which `hydrant` was called

Examples:
  hydrant event list                                   the last hundred
  hydrant event list --target web --format json        what became of the client web, with the values
  hydrant event list --actor deploy --since 2026-11-30T00:00:00Z
  hydrant event list --action user.deleted --limit 0   all of them")]
    List {
        /// Only of what has this id; of a set of keys, this name; of a consent, the person's.
        #[arg(long, value_name = "TARGET")]
        target: Option<String>,
        /// Only of what is of this kind: `client`, `user`, `key_set`, `trusted_issuer`, …
        #[arg(long, value_name = "TYPE")]
        target_type: Option<String>,
        /// Only by this one.
        #[arg(long, value_name = "ACTOR")]
        actor: Option<String>,
        /// Only where this was done: `client.changed`, for example.
        #[arg(long, value_name = "ACTION")]
        action: Option<String>,
        /// Only from this moment on (RFC 3339).
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Only before this moment.
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// How many at most; 0 for all.
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: u32,
    },
}

pub async fn run(args: &Events, global: &Global) -> Result<()> {
    let What::List { target, target_type, actor, action, since, until, limit } = &args.what;
    let wanted = Wanted {
        target: target.as_deref(),
        target_type: target_type.as_deref(),
        actor: actor.as_deref(),
        action: action.as_deref(),
        since: events::moment(since.as_deref(), "--since")?,
        until: events::moment(until.as_deref(), "--until")?,
    };
    let found = open::with_app(global, async |app| list(app, wanted, *limit).await).await?;
    show(&found, args.format)
}

async fn list(app: &App, wanted: Wanted<'_>, limit: u32) -> Result<Vec<Shown>> {
    let most = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    Ok(pages::all(most, async |asked| events::list(app, asked, wanted).await).await?)
}

/// The names of the members that are told, each once.
fn members(event: &Shown) -> String {
    let told = [&event.before, &event.after].into_iter().flatten().flat_map(|told| told.keys());
    let names: std::collections::BTreeSet<_> = told.map(String::as_str).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn show(events: &[Shown], format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(&events);
    }
    let row = |event: &Shown| {
        // What was made or taken away is there as a whole: its members say nothing.
        let changed = if event.before.is_some() && event.after.is_some() { members(event) } else { String::new() };
        vec![event.at.clone(), event.actor.clone(), event.action.clone(), event.target.clone(), changed]
    };
    let rows: Vec<_> = events.iter().map(row).collect();
    print(&table(&["AT", "ACTOR", "ACTION", "TARGET", "CHANGED"], &rows))
}

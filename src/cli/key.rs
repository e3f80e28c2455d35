//! `hydrant key`: the keys that the server makes and rotates by itself; here by hand.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use super::output::{Format, print, print_json, table};
use super::{Global, open};
use crate::app::App;
use crate::keys::{ID_TOKEN_SET, Listed, SEAL_SET};

#[derive(Debug, Args)]
pub struct Keys {
    #[command(subcommand)]
    what: What,
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", display_order = 902)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists all keys, newest first in their set; nothing of a private key.
    List,
    /// Adds a successor. It is published at once and in use when every cache has seen it; what the old key signed or
    /// sealed stays good.
    #[command(after_help = "\
Examples:
  hydrant key rotate                              what signs ID tokens
  hydrant key rotate --set hydrant.seal           what seals tokens, codes and challenges")]
    Rotate {
        #[arg(long, value_name = "SET", default_value = ID_TOKEN_SET, value_parser = [ID_TOKEN_SET, SEAL_SET])]
        set: String,
    },
}

pub async fn run(args: &Keys, global: &Global) -> Result<()> {
    match &args.what {
        What::List => show(&open::with_app(global, list).await?, args.format),
        // The keys are read first: a key must not be added under a secret that does not open the others.
        What::Rotate { set } => {
            let listed = open::with_keys(global, async |app| {
                if !app.keys.rotate(&app.store, set, app.clock.now()).await? {
                    bail!("another process has rotated {set} at this moment; see `hydrant key list`");
                }
                list(app).await
            })
            .await?;
            show(&listed.into_iter().filter(|key| key.set == *set).collect::<Vec<_>>(), args.format)
        }
    }
}

async fn list(app: &App) -> Result<Vec<Listed>> {
    Ok(app.keys.list(&app.store, app.clock.now()).await?)
}

fn show(keys: &[Listed], format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(&keys);
    }
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            vec![
                key.set.clone(),
                key.kid.clone(),
                key.alg.clone(),
                key.state.to_owned(),
                key.active_from.clone(),
                key.retire_at.clone().unwrap_or_default(),
            ]
        })
        .collect();
    print(&table(&["SET", "KEY ID", "ALGORITHM", "STATE", "ACTIVE FROM", "RETIRES"], &rows))
}

//! `hydrant client registration-token`: who may register a client by itself.

use anyhow::{Context as _, Result};
use clap::Subcommand;

use crate::admin::registration_tokens::{self, Input, Shown};
use crate::cli::output::{Format, card, print, print_json, table};
use crate::cli::{Global, open};

#[derive(Debug, Subcommand)]
pub enum What {
    /// Makes a token with which a client may register itself (RFC 7591 section 3); it is shown this once.
    #[command(after_help = "\
Examples:
  hydrant client registration-token create                       for one client, within a day
  hydrant client registration-token create --uses 20 --lifetime 720h --note 'the sales team'
  curl -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\
      -d '{\"redirect_uris\": [\"https://app.example.com/cb\"]}' https://id.example.com/connect/register")]
    Create {
        /// How many clients may be registered with it; 0 for any number.
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        uses: u32,
        /// How long it is good for.
        #[arg(long, value_name = "DURATION", default_value = "24h")]
        lifetime: String,
        /// What it is for; for you alone.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Lists the tokens that have not expired; never a token itself.
    List,
    /// Ends tokens. The clients that were registered with them stay.
    Revoke {
        /// Ids of tokens, as `list` shows them.
        #[arg(required = true, value_name = "TOKEN ID")]
        ids: Vec<String>,
    },
}

pub async fn run(what: &What, global: &Global, format: Format) -> Result<()> {
    match what {
        What::Create { uses, lifetime, note } => {
            let input = Input { uses: Some(*uses), lifetime: Some(lifetime.clone()), note: note.clone() };
            let token = open::with_app(global, async |app| Ok(registration_tokens::create(app, input).await?)).await;
            show_one(&token.context("the registration token was not made")?, format)
        }
        What::List => {
            let tokens = open::with_app(global, async |app| Ok(registration_tokens::list(app).await?)).await?;
            show_all(&tokens, format)
        }
        What::Revoke { ids } => {
            open::with_app(global, async |app| {
                for id in ids {
                    registration_tokens::revoke(app, id).await.with_context(|| id.clone())?;
                }
                Ok(())
            })
            .await?;
            if format == Format::Json { print_json(ids) } else { print(&format!("{}\n", ids.join("\n"))) }
        }
    }
}

fn uses(token: &Shown) -> String {
    token.uses_left.map_or_else(|| "any number".to_owned(), |left| left.to_string())
}

fn show_one(token: &Shown, format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(token);
    }
    let value = token.token.as_ref().map(|token| token.expose().to_owned()).unwrap_or_default();
    print(&card(&[
        ("TOKEN ID", token.id.clone()),
        ("TOKEN", value),
        ("USES LEFT", uses(token)),
        ("NOTE", token.note.clone()),
        ("EXPIRES", token.expires_at.clone()),
    ]))?;
    eprintln!("The token is shown this once: give it to whoever is to register a client.");
    Ok(())
}

fn show_all(tokens: &[Shown], format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(&tokens);
    }
    let row = |token: &Shown| {
        vec![token.id.clone(), uses(token), token.created_at.clone(), token.expires_at.clone(), token.note.clone()]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    print(&table(&["TOKEN ID", "USES LEFT", "CREATED", "EXPIRES", "NOTE"], &rows))
}

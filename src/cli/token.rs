//! `hydrant token`: what a token is worth, and ending it, as the operator.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use super::output::{Format, card, print, print_json};
use super::{Global, input, open};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::introspected::Introspected;
use crate::oauth::token::{AccessToken, RefreshToken};
use crate::seal::Kind;
use crate::token;

#[derive(Debug, Args)]
pub struct Tokens {
    #[command(subcommand)]
    what: What,
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", display_order = 902)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tells whether a token is alive, and whose it is (RFC 7662).
    #[command(after_help = "\
Examples:
  hydrant token introspect hya_…
  hydrant token introspect - --scope openid < token.txt")]
    Introspect {
        /// An access or a refresh token; `-` reads it from standard input.
        #[arg(value_name = "TOKEN")]
        token: String,
        /// What it must have to count as active.
        #[arg(long)]
        scope: Option<String>,
    },
    /// Revokes a token, and everything of the grant that it comes from.
    Revoke {
        /// An access or a refresh token; `-` reads it from standard input.
        #[arg(value_name = "TOKEN")]
        token: String,
    },
}

pub async fn run(args: &Tokens, global: &Global) -> Result<()> {
    match &args.what {
        What::Introspect { token, scope } => {
            let token = input::given(token, "the token")?;
            let told = open::with_keys(global, async |app| {
                Ok(Introspected::look_up(app, token.expose(), scope.as_deref()).await?)
            })
            .await?;
            show(&told, args.format)
        }
        What::Revoke { token } => {
            let token = input::given(token, "the token")?;
            open::with_keys(global, async |app| revoke(app, token.expose()).await).await?;
            if args.format == Format::Json {
                print_json(&serde_json::json!({ "revoked": true }))
            } else {
                print("The token is revoked, and whatever comes from the same grant.\n")
            }
        }
    }
}

/// Revokes without asking whose client it is. A token that has expired is no mistake: its grant may still be alive.
async fn revoke(app: &App, text: &str) -> Result<()> {
    let now = app.clock.now();
    let grant = match token::open::<AccessToken>(app, Kind::AccessToken, text).await? {
        Some(AccessToken::Client { id, expires_at, .. } | AccessToken::Asserted { id, expires_at, .. }) => {
            return Ok(app.store.revoke_token(id, expires_at).await?);
        }
        Some(AccessToken::Grant { grant, .. }) => grant,
        None => match token::open::<RefreshToken>(app, Kind::RefreshToken, text).await? {
            Some(token) => token.grant,
            None => bail!("this is no token of this server; is it complete, and is the configuration the server's?"),
        },
    };
    Ok(app.store.revoke_grant(grant, now).await?)
}

fn show(told: &Introspected, format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(told);
    }
    let Some(details) = &told.details else { return print(&card(&[("ACTIVE", "no".to_owned())])) };
    print(&card(&[
        ("ACTIVE", "yes".to_owned()),
        ("USE", details.token_use.to_owned()),
        ("CLIENT ID", details.client_id.clone()),
        ("SUBJECT", details.sub.clone()),
        ("USERNAME", details.username.clone().unwrap_or_default()),
        ("SCOPE", details.scope.to_string()),
        ("AUDIENCE", details.aud.join(", ")),
        ("ISSUED", Timestamp::from_seconds(details.iat).rfc3339()),
        ("EXPIRES", Timestamp::from_seconds(details.exp).rfc3339()),
    ]))
}

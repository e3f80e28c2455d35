//! `hydrant client`: the admin API's clients, straight on the configured database.

mod flags;
mod import;
mod key_flags;
mod logout_flags;
mod registration_token;
mod show;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use self::flags::Flags;
use self::show::{show_all, show_one};
use super::output::{Format, print, print_json, show_warnings};
use super::{Global, Misuse, input, open, pages};
use crate::admin::clients::{self, Change, Filter, Input, Patch};
use crate::app::App;
use crate::id::ClientId;
use crate::oauth::client_metadata::ClientMetadata;
use crate::registration::Shown;
use crate::secret::Secret;

#[derive(Debug, Args)]
pub struct Clients {
    #[command(subcommand)]
    what: What,
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", display_order = 902)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Registers a client; its secret is shown this once.
    #[command(after_help = "\
Examples:
  hydrant client create --id web --name 'Our shop' --scope 'openid offline_access profile email' \\
      --redirect-uri https://shop.example.com/callback \\
      --grant-type authorization_code --grant-type refresh_token
  hydrant client create --id app --redirect-uri com.example.app:/callback \\
      --token-endpoint-auth-method none
  hydrant client create --id robot --grant-type client_credentials --scope reports.read
  hydrant client create --id web --secret - < secret.txt …   a secret that you chose")]
    Create(Box<Create>),
    /// Lists clients.
    List {
        /// Only those of exactly this name.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Only those of exactly this owner.
        #[arg(long, value_name = "OWNER")]
        owner: Option<String>,
    },
    /// Shows clients; never a secret.
    Get {
        /// Ids of clients.
        #[arg(required = true, value_name = "CLIENT")]
        ids: Vec<String>,
    },
    /// Changes what is given, and keeps the rest.
    #[command(after_help = "\
Examples:
  hydrant client update web --redirect-uri https://a.example.com/cb \\
      --redirect-uri https://b.example.com/cb
      a list is replaced as a whole; one empty value empties it
  hydrant client update web --secret - < secret.txt")]
    Update(Box<Update>),
    /// Gives clients a new secret, which is shown this once. The one before stays good until it is forgotten.
    #[command(after_help = "\
Examples:
  hydrant client rotate-secret web             then give the new secret to every place that has the old one
  hydrant client rotate-secret web --forget    no secret but the present one is good from then on")]
    RotateSecret {
        #[arg(value_name = "CLIENT")]
        id: String,
        /// Makes no secret: ends those before the present one.
        #[arg(long)]
        forget: bool,
    },
    /// Takes clients over from Ory Hydra, with the hashes of their secrets.
    #[command(after_help = "\
Examples:
  curl -s 'http://127.0.0.1:4445/admin/clients?page_size=500' | hydrant client import - --dry-run
  hydrant client import clients.jsonl --skip-existing

A client may have a member `client_secret_hash`: the column `client_secret` of Hydra's table `hydra_client`
(PBKDF2 or bcrypt). It is replaced by a hash of our own when the client first comes. Without one a new secret
is made and shown.")]
    Import(import::Import),
    /// Deletes clients; their tokens are dead from then on.
    Delete {
        /// Ids of clients.
        #[arg(required = true, value_name = "CLIENT")]
        ids: Vec<String>,
    },
    /// Lets clients register themselves where an initial access token is required.
    RegistrationToken {
        #[command(subcommand)]
        what: registration_token::What,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// The client's id; made up unless given.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    secret: ChosenSecret,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct Update {
    #[arg(value_name = "CLIENT")]
    id: String,
    #[command(flatten)]
    secret: ChosenSecret,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct ChosenSecret {
    /// A secret of your own, 6 characters at least; `-` reads it from standard input. Unless given, one of 256 random
    /// bits is made.
    #[arg(long, value_name = "SECRET", allow_hyphen_values = true)]
    secret: Option<String>,
}

impl ChosenSecret {
    fn read(&self) -> Result<Option<Secret>> {
        self.secret.as_deref().map(|secret| input::given(secret, "the client's secret")).transpose()
    }
}

pub async fn run(args: &Clients, global: &Global) -> Result<()> {
    let format = args.format;
    show_warnings();
    match &args.what {
        What::Create(create) => {
            let mut metadata = ClientMetadata::default();
            create.flags.apply(&mut metadata)?;
            flags::fill_in(&mut metadata);
            let client_secret = create.secret.read()?;
            let input = Input { client_id: create.id.clone(), client_secret, client_secret_hash: None, metadata };
            let client = Box::pin(open::with_app(global, async |app| Ok(clients::create(app, input).await?))).await;
            show_one(&client.context("the client was not created")?, format)
        }
        What::RegistrationToken { what } => registration_token::run(what, global, format).await,
        What::List { name, owner } => {
            let filter = Filter { name: name.as_deref(), owner: owner.as_deref() };
            show_all(&list(global, filter).await?, format)
        }
        What::Get { ids } => {
            let found = open::with_app(global, async |app| all(app, ids).await).await?;
            if let [client] = &found[..] { show_one(client, format) } else { show_all(&found, format) }
        }
        What::Update(update) => {
            let secret = update.secret.read()?;
            if secret.is_none() && update.flags.are_empty() {
                return Err(Misuse("nothing is to be changed: say what, `hydrant client update --help`".into()).into());
            }
            let id = ClientId::new(&update.id);
            let client = open::with_app(global, async |app| {
                let before = clients::get(app, &id).await?.metadata;
                let mut after = before.clone();
                update.flags.apply(&mut after)?;
                let patch = Patch::between(&before, &after, secret.as_ref())?;
                Ok(clients::change(app, &id, &Change::Patch(patch)).await?)
            })
            .await;
            show_one(&client.with_context(|| format!("{} was not updated", update.id))?, format)
        }
        What::RotateSecret { id, forget } => {
            let change = if *forget { Change::ForgetRotated } else { Change::RotateSecret };
            let changed =
                open::with_app(global, async |app| Ok(clients::change(app, &ClientId::new(id), &change).await?)).await;
            show_one(&changed.with_context(|| id.clone())?, format)
        }
        What::Import(import) => import::run(import, global, format).await,
        What::Delete { ids } => {
            open::with_app(global, async |app| {
                // All of them must be there before one is deleted: a misspelt id must not leave half of a command done.
                for client in all(app, ids).await? {
                    clients::delete(app, &client.client_id).await.with_context(|| client.client_id.to_string())?;
                }
                Ok(())
            })
            .await?;
            if format == Format::Json { print_json(ids) } else { print(&format!("{}\n", ids.join("\n"))) }
        }
    }
}

async fn all(app: &App, ids: &[String]) -> Result<Vec<Shown>> {
    let mut found = Vec::new();
    for id in ids {
        found.push(clients::get(app, &ClientId::new(id)).await.with_context(|| id.clone())?);
    }
    Ok(found)
}

async fn list(global: &Global, filter: Filter<'_>) -> Result<Vec<Shown>> {
    open::with_app(global, async |app| {
        Ok(pages::all(usize::MAX, async |asked| clients::list(app, asked, filter).await).await?)
    })
    .await
}

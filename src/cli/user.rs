//! `hydrant user`: the admin API's users, straight on the configured database.

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value};

use super::output::{Format, card, print, print_json, table};
use super::{Global, Misuse, input, open, pages};
use crate::admin::users::{self, Input, Shown};
use crate::app::App;
use crate::secret::Secret;

#[derive(Debug, Args)]
pub struct Users {
    #[command(subcommand)]
    what: What,
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", display_order = 902)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Adds a person. Without --password-stdin a password is made, and shown this once.
    #[command(after_help = "\
Examples:
  hydrant user create --username alice --email alice@example.com
  hydrant user create --username alice --claims '{\"name\": \"Alice Adams\"}' \\
      --password-stdin < password.txt")]
    Create {
        /// What the person signs in with, beside the email.
        #[arg(long, value_name = "NAME")]
        username: String,
        /// The person's email; what the person signs in with, too.
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// Reads the password from standard input, one line.
        #[arg(long)]
        password_stdin: bool,
        /// Claims of OpenID Connect (`name`, `email_verified`, …) and your own, as a JSON object.
        #[arg(long, value_name = "JSON")]
        claims: Option<String>,
    },
    /// Lists people.
    List,
    /// Keeps people from signing in, and ends every session and token that they have.
    Disable {
        /// Ids, usernames or emails.
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
    /// Lets people sign in again.
    Enable {
        /// Ids, usernames or emails.
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
    /// Sets a password, and ends every session and token that the old one opened.
    #[command(after_help = "\
Examples:
  hydrant user set-password alice          a password is made, and shown this once
  hydrant user set-password alice --password-stdin < password.txt")]
    SetPassword {
        /// An id, a username or an email.
        #[arg(value_name = "USER")]
        user: String,
        /// Reads the password from standard input, one line.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Deletes people with their sessions, consents and tokens. Events go on telling of them (`hydrant event list`).
    Delete {
        /// Ids, usernames or emails.
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
}

/// A person, with the password if it was made here.
#[derive(Serialize)]
struct WithPassword {
    #[serde(flatten)]
    user: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Secret>,
}

pub async fn run(args: &Users, global: &Global) -> Result<()> {
    let format = args.format;
    match &args.what {
        What::Create { username, email, password_stdin, claims } => {
            let claims = claims.as_deref().map(object).transpose()?;
            let (password, made) = password(*password_stdin)?;
            let input = Input {
                username: username.clone(),
                email: email.clone(),
                password: Some(password),
                claims,
                ..Input::default()
            };
            let user = open::with_app(global, async |app| Ok(users::create(app, input).await?)).await;
            show_one(WithPassword { user: user.context("the user was not created")?, password: made }, format)
        }
        What::List => show_all(&list(global).await?, format),
        What::Disable { users } => show_all(&set_disabled(global, users, true).await?, format),
        What::Enable { users } => show_all(&set_disabled(global, users, false).await?, format),
        What::SetPassword { user, password_stdin } => {
            let (password, made) = password(*password_stdin)?;
            let user = open::with_app(global, async |app| {
                let found = named(app, user).await?;
                users::set_password(app, &found.id, &password).await?;
                Ok(users::get(app, &found.id).await?)
            })
            .await
            .context("the password was not set")?;
            show_one(WithPassword { user, password: made }, format)
        }
        What::Delete { users } => {
            let deleted = open::with_app(global, async |app| {
                let mut deleted = Vec::new();
                for user in all_named(app, users).await? {
                    users::delete(app, &user.id).await.with_context(|| user.username)?;
                    deleted.push(user.id.to_string());
                }
                Ok(deleted)
            })
            .await?;
            if format == Format::Json { print_json(&deleted) } else { print(&format!("{}\n", deleted.join("\n"))) }
        }
    }
}

async fn named(app: &App, name: &str) -> Result<Shown> {
    users::named(app, name).await.with_context(|| format!("{name} is no id, username or email here"))
}

/// All of them, before anything is done to one: a misspelt name must not leave half of a command done.
async fn all_named(app: &App, names: &[String]) -> Result<Vec<Shown>> {
    let mut all = Vec::new();
    for name in names {
        all.push(named(app, name).await?);
    }
    Ok(all)
}

async fn list(global: &Global) -> Result<Vec<Shown>> {
    open::with_app(global, async |app| Ok(pages::all(usize::MAX, async |asked| users::list(app, asked).await).await?))
        .await
}

async fn set_disabled(global: &Global, names: &[String], disabled: bool) -> Result<Vec<Shown>> {
    open::with_app(global, async |app| {
        let mut changed = Vec::new();
        for user in all_named(app, names).await? {
            let (id, name) = (user.id.clone(), user.username.clone());
            let input = Input { disabled, ..Input::from(user) };
            changed.push(users::replace(app, &id, input).await.with_context(|| name)?);
        }
        Ok(changed)
    })
    .await
}

/// The password that is given, or one that is made and then shown.
fn password(stdin: bool) -> Result<(Secret, Option<Secret>)> {
    if stdin {
        return Ok((input::line("the password")?, None));
    }
    let made = Secret::random();
    Ok((made.clone(), Some(made)))
}

fn object(text: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(text).with_context(|| Misuse("--claims is not a JSON object".into()))
}

fn show_one(shown: WithPassword, format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(&shown);
    }
    let WithPassword { user, password } = shown;
    print(&card(&[
        ("ID", user.id.to_string()),
        ("USERNAME", user.username),
        ("EMAIL", user.email.unwrap_or_default()),
        ("PASSWORD", password.as_ref().map(|password| password.expose().to_owned()).unwrap_or_default()),
        ("DISABLED", if user.disabled { "yes".to_owned() } else { String::new() }),
        ("CREATED", user.created_at),
        ("UPDATED", user.updated_at),
    ]))?;
    if password.is_some() {
        eprintln!("The password is shown this once: give it to the person on a way that nobody else reads.");
    }
    Ok(())
}

fn show_all(users: &[Shown], format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(&users);
    }
    let rows: Vec<_> = users
        .iter()
        .map(|user| {
            vec![
                user.id.to_string(),
                user.username.clone(),
                user.email.clone().unwrap_or_default(),
                if user.disabled { "disabled" } else { "enabled" }.to_owned(),
                user.created_at.clone(),
            ]
        })
        .collect();
    print(&table(&["ID", "USERNAME", "EMAIL", "STATE", "CREATED"], &rows))
}

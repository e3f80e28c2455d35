//! `hydrant session`: where people are signed in, and ending it; straight on the configured database.

use anyhow::{Context as _, Result, bail};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::output::{Format, print, print_json, table};
use super::{Global, Misuse, open, pages};
use crate::admin::sessions::{self, LoginSession};
use crate::admin::users;
use crate::app::App;
use crate::id::{SessionId, Subject};
use crate::ui;

#[derive(Debug, Args)]
pub struct Sessions {
    #[command(subcommand)]
    what: What,
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", display_order = 902)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists where a person is signed in, newest first.
    #[command(after_help = "\
Examples:
  hydrant session list alice
  hydrant session list alice@example.com --format json
  hydrant session list --subject 'alice@crm'    somebody whom another login app has signed in")]
    List(Whose),
    /// Signs people out: ends these sessions, or all of one person. The tokens that were not meant to outlive them end with
    /// them, and clients with a logout URI are told by a running server within seconds.
    ///
    /// A password stays as it is; so do grants with `offline_access`. Somebody whose password others may know needs
    /// `hydrant user set-password`, which ends those too.
    #[command(group = ArgGroup::new("which").required(true).args(["sessions", "user", "subject"]), after_help = "\
Examples:
  hydrant session revoke 0198c0de-3f7a-7c51-9d5e-1f6a3b0c2d4e
  hydrant session revoke --user alice           wherever she is signed in
  hydrant session revoke --subject 'alice@crm'")]
    Revoke {
        /// The ids of sessions (`sid` in ID tokens), as `hydrant session list` shows them.
        #[arg(value_name = "SID")]
        sessions: Vec<String>,
        /// All sessions of this person: an id, a username or an email.
        #[arg(long, visible_alias = "all-of", value_name = "USER")]
        user: Option<String>,
        /// All sessions of this subject, who may have no account here.
        #[arg(long, value_name = "SUBJECT")]
        subject: Option<String>,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// An id, a username or an email.
    #[arg(value_name = "USER")]
    user: Option<String>,
    /// A subject, who may have no account here.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
}

pub async fn run(args: &Sessions, global: &Global) -> Result<()> {
    match &args.what {
        What::List(whose) => {
            let listed = open::with_app(global, async |app| {
                let subject = subject(app, whose.user.as_deref(), whose.subject.as_deref()).await?;
                list(app, &subject).await
            });
            show(&listed.await?, args.format)
        }
        What::Revoke { sessions, user, subject: named } if sessions.is_empty() => {
            let ended = open::with_app(global, async |app| {
                let subject = subject(app, user.as_deref(), named.as_deref()).await?;
                Ok(sessions::revoke_all(app, &subject).await?)
            });
            tell(ended.await?, args.format)
        }
        What::Revoke { sessions, .. } => {
            let ids = ids(sessions)?;
            tell(open::with_app(global, async |app| revoke(app, &ids).await).await?, args.format)
        }
    }
}

async fn subject(app: &App, user: Option<&str>, subject: Option<&str>) -> Result<Subject> {
    match (user, subject) {
        (Some(name), _) => {
            let user = users::named(app, name).await;
            let user = user.with_context(|| {
                format!("{name} is no id, username or email here; if another app signs people in, give --subject")
            })?;
            Ok(user.id)
        }
        (None, Some(subject)) => Ok(Subject::new(subject)),
        (None, None) => Err(Misuse("say whose sessions: USER or --subject".to_owned()).into()),
    }
}

fn ids(sessions: &[String]) -> Result<Vec<SessionId>> {
    let read = |text: &String| text.parse().map_err(|_| Misuse(format!("{text} is not the id of a session")).into());
    sessions.iter().map(read).collect()
}

async fn list(app: &App, subject: &Subject) -> Result<Vec<LoginSession>> {
    Ok(pages::all(usize::MAX, async |asked| sessions::list(app, subject, asked).await).await?)
}

/// All of them are there before one is ended: a wrong id must not leave half of a command done.
async fn revoke(app: &App, ids: &[SessionId]) -> Result<u64> {
    for id in ids {
        if app.store.session(*id, app.clock.now()).await?.is_none() {
            bail!("there is no session {id}; nothing was done");
        }
    }
    let mut ended = 0;
    for id in ids {
        ended += u64::from(sessions::revoke(app, *id).await?);
    }
    Ok(ended)
}

fn tell(ended: u64, format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(&json!({ "revoked": ended }));
    }
    print(&match ended {
        0 => "There was no session to end.\n".to_owned(),
        1 => "One session has ended. A running server tells the clients of it.\n".to_owned(),
        several => format!("{several} sessions have ended. A running server tells the clients of them.\n"),
    })
}

fn show(sessions: &[LoginSession], format: Format) -> Result<()> {
    if format == Format::Json {
        return print_json(&sessions);
    }
    let rows: Vec<_> = sessions
        .iter()
        .map(|session| {
            vec![
                session.id.clone(),
                ui::device(session.user_agent.as_deref()),
                session.address.clone().unwrap_or_default(),
                session.created_at.clone(),
                session.used_at.as_ref().unwrap_or(&session.created_at).clone(),
                session.expires_at.clone(),
            ]
        })
        .collect();
    print(&table(&["SESSION ID", "DEVICE", "ADDRESS", "SINCE", "LAST USED", "EXPIRES"], &rows))
}

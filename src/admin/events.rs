//! `/admin/events`: who changed what by the admin API or the command line. Our own API; Hydra has none. Nothing here
//! changes one.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::page::{self, Asked, Page};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::answer::JsonError;
use crate::oauth::params::Params;
use crate::oauth::{ErrorCode, Result};
use crate::store::audit::{Action, Event, Wanted};
use crate::store::db::Json;

/// An event as it is shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "adminEvent")]
pub struct Shown {
    pub id: String,
    /// RFC 3339.
    pub at: String,
    /// The name of an admin token; `admin:` and an address, or `admin:socket`, where none are listed; `cli:` and a user of
    /// the machine.
    pub actor: String,
    /// `client.created`, for example.
    pub action: String,
    /// `client`, for example.
    pub target_type: String,
    /// The id of what was changed; of a set of keys its name, of a consent the person.
    pub target: String,
    /// What was there before. Of what was changed it has the members that differ. Left out where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Map<String, Value>>,
    /// The same of what is there afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Map<String, Value>>,
    /// As in the log; the command line has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl From<Event> for Shown {
    fn from(event: Event) -> Self {
        let members = |told: Json<Value>| match told.0 {
            Value::Object(members) => Some(members),
            _ => None,
        };
        Self {
            id: event.id,
            at: event.at.rfc3339(),
            actor: event.actor,
            action: event.action,
            target_type: event.target_type,
            target: event.target,
            before: event.before.and_then(members),
            after: event.after.and_then(members),
            request_id: event.request_id,
        }
    }
}

/// Events, the newest first.
pub async fn list(app: &App, asked: &Asked, wanted: Wanted<'_>) -> Result<Page<Shown>> {
    if wanted.action.is_some_and(|action| Action::ALL.iter().all(|known| known.as_str() != action)) {
        let known: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        return Err(ErrorCode::InvalidRequest.because(format!("The action is none of {}.", known.join(", "))));
    }
    if wanted.target_type.is_some_and(|kind| Action::ALL.iter().all(|known| known.target_type() != kind)) {
        let mut known: Vec<_> = Action::ALL.iter().map(|action| action.target_type()).collect();
        known.dedup();
        return Err(ErrorCode::InvalidRequest.because(format!("The target_type is none of {}.", known.join(", "))));
    }
    let rows = app.store.events(wanted, asked.after.as_deref(), asked.size + 1).await?;
    Ok(Page::of(rows.into_iter().map(Shown::from).collect(), asked, |event: &Shown| event.id.clone()))
}

/// A moment of RFC 3339, under the name by which it is asked for.
pub fn moment(text: Option<&str>, name: &str) -> Result<Option<Timestamp>> {
    let refused =
        || ErrorCode::InvalidRequest.because(format!("{name} must be a time of RFC 3339, like 2026-11-30T12:00:00Z."));
    text.map(|text| Timestamp::parse_rfc3339(text).ok_or_else(refused)).transpose()
}

fn wanted(params: &Params) -> Result<Wanted<'_>> {
    Ok(Wanted {
        target: params.get("target"),
        target_type: params.get("target_type"),
        actor: params.get("actor"),
        action: params.get("action"),
        since: moment(params.get("since"), "since")?,
        until: moment(params.get("until"), "until")?,
    })
}

pub async fn on_list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, JsonError> {
    let params = page::query(query.as_deref())?;
    let asked = Asked::read(&app, "events", &params)?;
    let found = list(&app, &asked, wanted(&params)?).await?;
    Ok(page::answer(&app, "events", &params, &asked, found)?)
}

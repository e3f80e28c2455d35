//! The browser is back with a verifier: a login or a consent was decided.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Browser, Flow, Outcome, Visitor, answer, asks_first, consent, elsewhere, handled, held, proven_client, step,
};
use crate::app::App;
use crate::clock::Timestamp;
use crate::oauth::ErrorCode;
use crate::oauth::authorization_request::Refused;
use crate::seal::Kind;
use crate::store::client::Client;
use crate::store::decision::{Decision, How};
use crate::store::session::SessionKey;

/// The browser is back, and the login was decided.
pub struct AfterLogin {
    pub outcome: Result<Outcome, Refused>,
    /// The session that the browser has from here on, where another app has decided.
    pub begun: Option<Begun>,
}

/// A session that another app has begun or kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    pub session: SessionKey,
    /// How long the browser keeps it; `None`: until it is closed.
    pub life: Option<Duration>,
}

/// The visit with a `login_verifier`: the login was decided.
pub async fn after_login(app: &App, verifier: &str, visitor: &Visitor) -> AfterLogin {
    let mut begun = None;
    let outcome = used_login(app, verifier, visitor, &mut begun).await;
    AfterLogin { outcome, begun }
}

async fn used_login(
    app: &App,
    verifier: &str,
    visitor: &Visitor,
    begun: &mut Option<Begun>,
) -> Result<Outcome, Refused> {
    let now = app.clock.now();
    let Returned { mut flow, client, unseen } =
        resume(app, Kind::LoginVerifier, verifier, visitor.browser.as_ref(), now).await?;
    let decided = app.store.use_login(flow.id, flow.answer.as_deref(), &visitor.place, now).await;
    let (login, is_first) = match decided.map_err(|error| flow.back(error.into()))? {
        Some((Decision::Accepted(login), is_first)) => (login, is_first),
        Some((Decision::Rejected { error, description }, _)) => return rejected(flow, unseen, error, description),
        None => return Err(Refused::Page(handled())),
    };
    // The next step is for another answer.
    flow.answer = None;
    let session = match login.how {
        // It has begun by this visit, or by one before it.
        How::Elsewhere(_) => app.store.session(login.session, now).await.map_err(Into::into),
        // Who comes with the cookie of before a later sign-in gains nothing by that.
        How::Here | How::Kept(_) => consent::still_here(app, login.session, visitor.session, now).await,
    };
    let session = session.map_err(|error| flow.back(error))?;
    match &session {
        Some(session) => {
            *begun = elsewhere::begun(&login.how, session, now).filter(|_| is_first);
            flow.fresh = !matches!(login.how, How::Kept(_));
            flow.asked_login = true;
        }
        // Signed out again meanwhile, or somebody else is here: the flow starts anew, under another id because this one's login is decided.
        None => flow = flow.anew(now),
    }
    step(app, flow, &client, session, now).await.map_err(|refused| held(refused, unseen))
}

/// The visit with a `consent_verifier`: the consent was decided.
pub async fn after_consent(
    app: &App,
    verifier: &str,
    browser: Option<&Browser>,
    session: Option<SessionKey>,
) -> Result<Outcome, Refused> {
    let now = app.clock.now();
    let Returned { flow, client, unseen } = resume(app, Kind::ConsentVerifier, verifier, browser, now).await?;
    if app.config.urls.consent.is_some() {
        consent::same_person(app, flow.session, session, now).await.map_err(Refused::Page)?;
    }
    let decided = app.store.use_consent(flow.id, flow.answer.as_deref(), now).await;
    match decided.map_err(|error| flow.back(error.into()))? {
        Some(Decision::Accepted(consent)) => {
            let asked = match flow.session {
                Some(asked) => consent::still_here(app, asked, session, now).await.map_err(|error| flow.back(error))?,
                None => None,
            };
            let Some(session) = asked else {
                return Err(held(flow.back(answer::session_ended()), unseen));
            };
            let done = answer::finish(app, flow, &client, consent, true, session, now).await;
            done.map_err(|refused| held(refused, unseen))
        }
        Some(Decision::Rejected { error, description }) => rejected(flow, unseen, error, description),
        None => Err(Refused::Page(handled())),
    }
}

/// The client is told what whoever decided has said.
fn rejected(flow: Flow, unseen: bool, error: String, description: String) -> Result<Outcome, Refused> {
    if unseen {
        return Err(held(flow.back(ErrorCode::AccessDenied.because(description)), true));
    }
    Ok(Outcome::Answer(flow.request.reply_to, vec![("error", error), ("error_description", description)]))
}

struct Returned {
    flow: Flow,
    client: Arc<Client>,
    /// The browser comes from another app and may have seen no page of ours, and nobody vouches for the client.
    unseen: bool,
}

/// Opens a verifier. What was proven of client and redirect URI when the flow began must still be so.
async fn resume(
    app: &App,
    kind: Kind,
    verifier: &str,
    browser: Option<&Browser>,
    now: Timestamp,
) -> Result<Returned, Refused> {
    let flow = Flow::open(app, kind, verifier, browser, now).await.map_err(Refused::Page)?;
    let client = proven_client(app, &flow.request).await.map_err(Refused::Page)?;
    let unseen = flow.answer.is_some() && asks_first(app, &client);
    Ok(Returned { flow, client, unseen })
}

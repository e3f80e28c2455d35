//! The account page: where people see and end their sessions and connected applications, and change their password.

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::authorize::Answer;
use super::login::{BUSY, in_words};
use crate::app::App;
use crate::flow::account::{self, Action, Change, ChangeFailure, Connected, Notice, Overview};
use crate::flow::{SignInFailure, Visitor};
use crate::http::browser_state::BrowserState;
use crate::http::client_address::ClientAddress;
use crate::http::cookies::{self, Cookies};
use crate::http::page::{base, client_card, fault, fault_before, from_our_page, logo, look, page, see_other};
use crate::http::{answer, form};
use crate::oauth::params::Params;
use crate::oauth::server_metadata::path;
use crate::oauth::{ErrorCode, Result};
use crate::secret::Secret;
use crate::store::session::Session;
use crate::ui;
use crate::ui::account::{Account, ApplicationRow, Field, NobodyHere, Password, SessionRow};
use crate::ui::consent::scope_line;

const WRONG: &str = "The current password is not right. Nothing was changed.";

/// What came of the form for another password.
type Failure<'a> = Option<(&'a str, Field)>;

pub async fn get(
    State(app): State<App>,
    address: ClientAddress,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    show(&app, &headers, address, &query).await.unwrap_or_else(|error| fault(&app, &headers, error))
}

async fn show(app: &App, headers: &HeaderMap, address: ClientAddress, query: &str) -> Result<Response> {
    account::is_there(app)?;
    let params = Params::parse(query.as_bytes())?;
    let cookies = Cookies::read(app, headers)?;
    let visitor = cookies.visitor(headers, address);
    let browser = cookies.browser.clone().unwrap_or_default();
    let answer = Answer::new(app, headers, StatusCode::FOUND);
    let new = cookies.browser.is_none().then_some(&browser);
    let Some(overview) = account::overview(app, &browser, &visitor).await? else {
        if app.config.urls.login.is_some() {
            // Another application signs people in, for clients alone.
            return Ok(page(StatusCode::OK, NobodyHere.page(&look(app)), &ui::csp(None)));
        }
        return Ok(answer.with_browser(new, &account::Login::begin(app, &browser)?));
    };
    let notice = match params.get("notice") {
        Some(sealed) => account::notice(app, &overview.current, sealed).await?,
        None => None,
    };
    Ok(answer.naming_browser(new, respond(app, StatusCode::OK, &overview, notice, None)))
}

pub async fn post(State(app): State<App>, address: ClientAddress, request: Request) -> Response {
    let headers = request.headers().clone();
    let back = app.config.accounts.page.then(|| format!("{}/account", base(&app)));
    submit(&app, &headers, address, request)
        .await
        .unwrap_or_else(|error| fault_before(&app, &headers, error, back.as_deref()))
}

async fn submit(app: &App, headers: &HeaderMap, address: ClientAddress, request: Request) -> Result<Response> {
    account::is_there(app)?;
    from_our_page(app, headers)?;
    let form::Form(params) = form::unrepeated(request, app).await?;
    let visitor = Cookies::read(app, headers)?.visitor(headers, address);
    let form = params.require("form")?;
    let named = |name: &str| params.get(name);
    let action = match (named("end_session"), named("end_others"), named("disconnect"), named("change_password")) {
        (Some(id), None, None, None) => Action::EndSession(id),
        (None, Some(_), None, None) => Action::EndOthers,
        (None, None, Some(client), None) => Action::Disconnect(client),
        (None, None, None, Some(_)) => return change_password(app, headers, &visitor, form, &params).await,
        _ => return Err(ErrorCode::InvalidRequest.because("The form does not say what to do.")),
    };
    Ok(see_other(&account::act(app, &visitor, form, action).await?))
}

async fn change_password(
    app: &App,
    headers: &HeaderMap,
    visitor: &Visitor,
    form: &str,
    params: &Params,
) -> Result<Response> {
    let [current, new, again] = ["current_password", "new_password", "new_password_again"]
        .map(|name| Secret::new(params.get(name).unwrap_or_default()));
    let change = Change { current: &current, new: &new, again: &again };
    let (status, message, field, wait) = match account::change_password(app, visitor, form, change).await {
        Ok(changed) => {
            let mut response = see_other(&changed.redirect_to);
            if let Some((session, life)) = changed.session {
                // The same person is here: whoever watches is told nothing new.
                let state = BrowserState::read(app, headers).unwrap_or_default();
                cookies::set_session(app, response.headers_mut(), session, life, &state)?;
            }
            return Ok(response);
        }
        Err(ChangeFailure::New(error)) => (StatusCode::BAD_REQUEST, error.description.into_owned(), Field::New, None),
        Err(ChangeFailure::Current(failure)) => match failure {
            SignInFailure::Wrong => (StatusCode::BAD_REQUEST, WRONG.to_owned(), Field::Current, None),
            SignInFailure::TooMany(wait) => {
                let seconds = wait.0.as_secs().max(1);
                let message = format!("Too many attempts. Please wait {} and try again.", in_words(seconds));
                (StatusCode::TOO_MANY_REQUESTS, message, Field::Current, Some(seconds))
            }
            SignInFailure::Refused(error) if error.status == 503 => {
                answer::log(&error);
                (StatusCode::SERVICE_UNAVAILABLE, BUSY.to_owned(), Field::Current, error.retry_after)
            }
            SignInFailure::Refused(error) => return Err(error),
        },
    };
    let browser = visitor.browser.clone().unwrap_or_default();
    let Some(overview) = account::overview(app, &browser, visitor).await? else {
        return Ok(see_other(&account::address(app)));
    };
    let mut response = respond(app, status, &overview, None, Some((&message, field)));
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

fn respond(
    app: &App,
    status: StatusCode,
    overview: &Overview,
    notice: Option<Notice>,
    failure: Failure<'_>,
) -> Response {
    let base = base(app);
    let sessions: Vec<_> = std::iter::once(row(&overview.current, true))
        .chain(overview.sessions.iter().map(|session| row(session, false)))
        .collect();
    let shown: Vec<_> = overview
        .applications
        .iter()
        .map(|connected| {
            let redirect_uri = connected.client.metadata().redirect_uris.first().map_or("", String::as_str);
            (connected, ui::redirect_host(redirect_uri), logo(app, &connected.client))
        })
        .collect();
    let applications: Vec<_> =
        shown.iter().map(|(connected, host, logo)| application(connected, host, logo.as_deref())).collect();
    let password = overview.has_password.then_some(Password {
        username: &overview.account,
        min_length: app.config.accounts.password_min_length,
        failure,
    });
    let notice = notice.map(in_full);
    let markup = Account {
        action: &format!("{base}/account"),
        form: &overview.form,
        account: &overview.account,
        notice: notice.as_deref(),
        sessions: &sessions,
        has_more_sessions: overview.has_more_sessions,
        applications: &applications,
        has_more_applications: overview.has_more_applications,
        password,
        sign_out: &format!("{base}{}", path::END_SESSION),
        now: overview.now,
    };
    page(status, markup.page(&look(app)), &ui::csp(None))
}

fn row(session: &Session, is_here: bool) -> SessionRow {
    SessionRow {
        id: session.id.to_string(),
        device: ui::device(session.user_agent.as_deref()),
        address: session.address.clone(),
        since: session.created_at,
        used_at: session.used_at.unwrap_or(session.created_at),
        is_here,
    }
}

fn application<'a>(connected: &'a Connected, host: &'a str, logo: Option<&'a str>) -> ApplicationRow<'a> {
    let mut may: Vec<_> = connected.scope.iter().map(|scope| scope_line(scope).title).collect();
    // Two scopes may mean the same.
    may.dedup();
    ApplicationRow {
        id: connected.client.id.as_str(),
        client: client_card(&connected.client, host, logo),
        may,
        since: connected.since,
    }
}

fn in_full(notice: Notice) -> String {
    match notice {
        Notice::SessionEnded => "That session has ended.".to_owned(),
        Notice::OthersEnded(0) => "There was no other session.".to_owned(),
        Notice::OthersEnded(1) => "One other session has ended.".to_owned(),
        Notice::OthersEnded(several) => format!("{several} other sessions have ended."),
        Notice::Disconnected => "The application has no access to your account any more.".to_owned(),
        Notice::PasswordChanged => "Your password is changed, and you are signed out everywhere else.".to_owned(),
    }
}

//! The authorization endpoint: RFC 6749 section 3.1, OpenID Connect Core section 3.1.2.

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::app::App;
use crate::flow::{self, AfterLogin, Browser, Outcome};
use crate::http::answer::JsonError;
use crate::http::browser_state::{self, BrowserState};
use crate::http::client_address::ClientAddress;
use crate::http::cookies::{self, Cookies};
use crate::http::page::{fault, fault_before, page};
use crate::http::{answer, form};
use crate::oauth::authorization_request::{Refused, ReplyTo};
use crate::oauth::params::Params;
use crate::oauth::response_mode::ResponseMode;
use crate::oauth::server_metadata::path;
use crate::oauth::{Error, ErrorCode};
use crate::store::session::SessionKey;
use crate::ui::{self, form_post};

/// The longest request that is sent on from POST to GET.
pub const LONGEST_QUERY: usize = 4096;

pub async fn get(
    State(app): State<App>,
    address: ClientAddress,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = Answer::new(&app, &headers, StatusCode::FOUND);
    match Params::parse(query.unwrap_or_default().as_bytes()) {
        Ok(params) => serve(&answer, address, &params, false).await,
        Err(error) => answer.page(error),
    }
}

/// The same request as a form. A parameter in both places would be one given twice, so a query is none of it.
pub async fn post(State(app): State<App>, address: ClientAddress, request: Request) -> Response {
    let headers = request.headers().clone();
    let answer = Answer::new(&app, &headers, StatusCode::SEE_OTHER);
    if !form::is_form(&headers) {
        let wrong = ErrorCode::InvalidRequest.because("The Content-Type must be application/x-www-form-urlencoded.");
        return answer.page(wrong.with_status(415));
    }
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return answer
            .page(ErrorCode::InvalidRequest.because("A POST has its parameters in the body, not in the URL."));
    }
    match form::read(request, &app).await {
        Ok(params) => serve(&answer, address, &params, true).await,
        Err(error) => answer.page(error),
    }
}

async fn serve(answer: &Answer<'_>, address: ClientAddress, params: &Params, posted: bool) -> Response {
    let app = answer.app;
    let cookies = match Cookies::read(app, answer.headers) {
        Ok(cookies) => cookies,
        Err(error) => return answer.page(error),
    };
    let visitor = cookies.visitor(answer.headers, address);
    let browser = cookies.browser.clone().unwrap_or_default();
    if params.iter().filter(|(name, _)| matches!(*name, "login_verifier" | "consent_verifier")).count() > 1 {
        return answer.page(ErrorCode::InvalidRequest.because("A request has one verifier at most."));
    }
    let outcome = if let Some(verifier) = params.get("login_verifier") {
        let done = flow::after_login(app, verifier, &visitor).await;
        return with_session(answer, cookies.session, done);
    } else if let Some(verifier) = params.get("consent_verifier") {
        flow::after_consent(app, verifier, cookies.browser.as_ref(), cookies.session).await
    } else {
        flow::begin(app, params, &browser, &visitor).await
    };
    if posted && cookies.browser.is_none() && wants_session(&outcome) {
        // A form that another site has sent comes without our cookies (SameSite=Lax): whoever may be signed in is only
        // seen when the browser comes by itself.
        let query = params.encode();
        if query.len() <= LONGEST_QUERY {
            return answer.redirect(&format!("{}{}?{query}", app.config.urls.public, path::AUTHORIZATION));
        }
    }
    let new = cookies.browser.is_none().then_some(&browser);
    if wants_session(&outcome) && holds_ended_session(answer, cookies.session).await {
        let state = BrowserState::new();
        let mut response = Answer { state: Some(state.clone()), ..*answer }.outcome(outcome, new);
        cookies::clear_session(app, response.headers_mut(), &state);
        return response;
    }
    answer.outcome(outcome, new)
}

/// The browser keeps the session that another app has begun, also where the client is then refused what it has asked for.
fn with_session(answer: &Answer<'_>, present: Option<SessionKey>, done: AfterLogin) -> Response {
    let Some(begun) = done.begun else { return answer.outcome(done.outcome, None) };
    // Where it is the one that it has already, nobody has come or gone.
    let kept = answer.state.clone().filter(|_| present.is_some_and(|present| present.id == begun.session.id));
    let state = kept.unwrap_or_default();
    let mut response = Answer { state: Some(state.clone()), ..*answer }.outcome(done.outcome, None);
    match cookies::set_session(answer.app, response.headers_mut(), begun.session, begun.life, &state) {
        Ok(()) => response,
        Err(error) => JsonError(error).into_response(),
    }
}

/// Whether the session that the browser has was ended elsewhere, while others may be watching it: they are to learn of it.
async fn holds_ended_session(answer: &Answer<'_>, session: Option<SessionKey>) -> bool {
    let (Some(session), Some(_)) = (session, &answer.state) else { return false };
    // Where the store can not tell, the browser keeps it and is asked again.
    matches!(answer.app.store.session_by(session, answer.app.clock.now()).await, Ok(None))
}

fn wants_session(outcome: &Result<Outcome, Refused>) -> bool {
    match outcome {
        Ok(Outcome::Login(_) | Outcome::Register(_)) => true,
        Err(Refused::Back(_, error) | Refused::Ask(_, error)) => error.code == ErrorCode::LoginRequired,
        _ => false,
    }
}

/// How one request to the authorization endpoint is answered.
pub struct Answer<'a> {
    pub app: &'a App,
    pub headers: &'a HeaderMap,
    /// 302 after GET, 303 after POST; never 307 or 308, which would send a form on (RFC 9700 section 4.12).
    pub redirect: StatusCode,
    /// What clients watch, if the browser has it.
    state: Option<BrowserState>,
}

impl<'a> Answer<'a> {
    pub fn new(app: &'a App, headers: &'a HeaderMap, redirect: StatusCode) -> Self {
        Self { app, headers, redirect, state: BrowserState::read(app, headers) }
    }

    /// A browser that has no cookie yet gets one where a page is going to need it.
    pub fn outcome(&self, outcome: Result<Outcome, Refused>, new: Option<&Browser>) -> Response {
        match outcome {
            Ok(Outcome::Login(challenge)) => self.with_browser(new, &flow::page::login(self.app, &challenge)),
            Ok(Outcome::Register(challenge)) => self.with_browser(new, &flow::page::registration(self.app, &challenge)),
            Ok(Outcome::Consent(challenge)) => self.with_browser(new, &flow::page::consent(self.app, &challenge)),
            Ok(Outcome::Answer(reply_to, answer)) => {
                let fields: Vec<_> = answer.iter().map(|(name, value)| (*name, value.as_str())).collect();
                self.reply(&reply_to, &fields)
            }
            Err(Refused::Page(error)) => self.page(error),
            Err(Refused::Ask(reply_to, error)) => self.ask(&reply_to, error),
            Err(Refused::Back(reply_to, error)) => {
                answer::log(&error);
                let fields = [("error", error.code.as_str()), ("error_description", error.description.as_ref())];
                self.reply(&reply_to, &fields)
            }
        }
    }

    pub fn with_browser(&self, new: Option<&Browser>, location: &str) -> Response {
        self.naming_browser(new, self.redirect(location))
    }

    /// The answer, with the cookies of a browser that is new.
    pub fn naming_browser(&self, new: Option<&Browser>, mut response: Response) -> Response {
        if let Some(browser) = new {
            for cookie in [cookies::set_browser(self.app, browser), cookies::set_tab(self.app, browser)] {
                match cookie {
                    Ok(cookie) => {
                        response.headers_mut().append(header::SET_COOKIE, cookie);
                    }
                    Err(error) => return self.page(error),
                }
            }
        }
        response
    }

    /// An error that goes to the client only if the person takes it there.
    fn ask(&self, reply_to: &ReplyTo, error: Error) -> Response {
        let host = ui::redirect_host(reply_to.redirect_uri());
        let fields = [("error", error.code.as_str()), ("error_description", error.description.as_ref())];
        let onward = match reply_to.mode() {
            ResponseMode::Query | ResponseMode::Fragment => {
                Some(reply_to.location(&self.app.config.urls.issuer, &fields))
            }
            ResponseMode::FormPost => None,
        };
        let description = format!(
            "{} The application is not one that we know: it has registered itself, and its place is {host}.",
            error.description
        );
        fault_before(self.app, self.headers, Error { description: description.into(), ..error }, onward.as_deref())
    }

    fn reply(&self, reply_to: &ReplyTo, fields: &[(&str, &str)]) -> Response {
        let issuer = &self.app.config.urls.issuer;
        // A browser that has none yet, whether or not somebody is signed in there, gets a state now.
        let browser = self.state.clone().unwrap_or_default();
        let state = browser_state::session_state(self.app, reply_to, &browser);
        let fields: Vec<_> =
            fields.iter().copied().chain(state.iter().map(|s| ("session_state", s.as_str()))).collect();
        let mut response = match reply_to.mode() {
            ResponseMode::Query | ResponseMode::Fragment => self.redirect(&reply_to.location(issuer, &fields)),
            ResponseMode::FormPost => {
                let markup = form_post::page(reply_to.redirect_uri(), &reply_to.fields(issuer, &fields));
                page(StatusCode::OK, markup, &form_post::csp(reply_to.redirect_uri()))
            }
        };
        if self.state.is_none() && state.is_some() {
            browser.set(self.app, response.headers_mut(), None);
        }
        response
    }

    pub fn redirect(&self, location: &str) -> Response {
        let redirect = match self.redirect {
            StatusCode::FOUND => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
            _ => Redirect::to(location).into_response(),
        };
        (answer::no_store(), redirect).into_response()
    }

    /// An error that may not leave this server.
    pub fn page(&self, error: Error) -> Response {
        fault(self.app, self.headers, error)
    }
}

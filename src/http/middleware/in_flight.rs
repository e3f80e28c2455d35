//! `limits.max_in_flight`: a request beyond is told to come back before anything is done for it. So those that were let in
//! are answered in time however many come: a server that takes up everything answers nobody.
//!
//! Waiting for a client takes no place: whoever sends bodies byte by byte would need no more than a thousand connections
//! to keep everybody else out.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::MatchedPath;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use http_body::{Frame, SizeHint};
use http_body_util::Limited;

use super::Options;
use crate::http::page::page;
use crate::http::refusal::{COME_BACK, FULL, Full, Refusal};
use crate::ui;

/// How orchestrators and operators see a server that is full; it must not look dead to them.
const NEVER_REFUSED: [&str; 3] = ["/health/alive", "/health/ready", "/metrics/prometheus"];

/// Given back when dropped: also when the client has gone, the endpoint panicked or took too long.
pub(super) struct Place(Arc<Options>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.requests().in_flight().leave();
    }
}

impl Place {
    /// `None` for who needs none.
    pub fn of(options: &Arc<Options>, parts: &Parts) -> Result<Option<Self>, Refusal> {
        let route = parts.extensions.get::<MatchedPath>().map(|matched| options.route_of(matched.as_str()));
        if route.is_some_and(|route| NEVER_REFUSED.contains(&route)) {
            return Ok(None);
        }
        match options.requests().in_flight().enter(options.max_in_flight) {
            true => Ok(Some(Self(Arc::clone(options)))),
            false => Err(FULL),
        }
    }
}

impl Options {
    /// A page where a person waits for one.
    pub(super) fn turn_away(&self, headers: &HeaderMap) -> Response {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        match &self.full_page {
            Some(markup) if accept.contains("text/html") => {
                let page = page(FULL.status, markup.clone(), &ui::csp(None));
                ([(header::RETRY_AFTER, HeaderValue::from(COME_BACK))], page).into_response()
            }
            _ => FULL.into_response(),
        }
    }
}

/// A request's body, and no more of it than `limits.body`. While the server waits for more of it the request's place is
/// anybody's; where all are taken when it comes, it is too late.
pub(super) struct Arriving {
    body: Limited<Body>,
    options: Arc<Options>,
    waiting: Waiting,
}

enum Waiting {
    No,
    /// Asked for once: hyper hands out not even what it has before it was asked.
    Asked,
    /// The place is given back.
    Away,
}

impl Arriving {
    pub(super) fn new(body: Body, options: &Arc<Options>) -> Self {
        Self { body: Limited::new(body, options.body), options: Arc::clone(options), waiting: Waiting::No }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let places = this.options.requests().in_flight();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        this.waiting = match (&frame, mem::replace(&mut this.waiting, Waiting::No)) {
            (Poll::Pending, Waiting::No) => {
                // hyper itself asks again only when there is something.
                cx.waker().wake_by_ref();
                Waiting::Asked
            }
            (Poll::Pending, Waiting::Asked) => {
                places.leave();
                Waiting::Away
            }
            (Poll::Ready(_), Waiting::Away) if !places.enter(this.options.max_in_flight) => {
                this.waiting = Waiting::Away;
                return Poll::Ready(Some(Err(Full.into())));
            }
            (Poll::Pending, Waiting::Away) => Waiting::Away,
            (Poll::Ready(_), _) => Waiting::No,
        };
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Who has given the place back must not give it back again with [`Place`].
impl Drop for Arriving {
    fn drop(&mut self) {
        if matches!(self.waiting, Waiting::Away) {
            self.options.requests().in_flight().rejoin();
        }
    }
}

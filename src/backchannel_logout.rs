//! Back-channel logout: logout tokens go out to the clients of sessions that have ended (OpenID Connect Back-Channel
//! Logout 1.0).
//!
//! What is to be sent is in the store (`store/logout_token.rs`). Every process sends; each attempt is claimed, and as few
//! go to one host at once as the configuration has it, so that a client that hangs delays nobody else.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use url::Url;

use crate::app::App;
use crate::clock::Timestamp;
use crate::fetch::FetchError;
use crate::id::ClientId;
use crate::issue;
use crate::metrics::Delivery;
use crate::oauth::{Error, Result};
use crate::secret;
use crate::store::client::Client;
use crate::store::logout_token::LogoutToken;

/// How long to wait at most before looking whether an attempt is due again.
const POLL: Duration = Duration::from_secs(1);

/// Attempts of this process at once, to all hosts. Fewer than the calls that `fetch` makes at once, which are for others too.
const AT_ONCE: usize = 48;
/// As many of them may go to hosts that did not answer the last time.
const TO_AILING: usize = AT_ONCE / 2;

/// A claim outlasts its attempt by this: the time to make the token, and to write down what came of it.
const CLAIM: Duration = Duration::from_secs(5);

const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The attempts that are under way, by host.
#[derive(Default)]
struct Hosts(HashMap<String, Host>);

#[derive(Default)]
struct Host {
    at_once: usize,
    /// The last attempt failed.
    ails: bool,
}

impl Hosts {
    fn at_once(&self) -> usize {
        self.0.values().map(|host| host.at_once).sum()
    }

    /// How many more attempts may begin.
    fn room(&self, name: &str, per_host: usize) -> usize {
        let all = AT_ONCE.saturating_sub(self.at_once());
        let Some(host) = self.0.get(name) else { return per_host.min(all) };
        let room = per_host.saturating_sub(host.at_once).min(all);
        if !host.ails {
            return room;
        }
        let ailing: usize = self.0.values().filter(|host| host.ails).map(|host| host.at_once).sum();
        room.min(TO_AILING.saturating_sub(ailing))
    }

    fn begin(&mut self, name: &str) {
        self.0.entry(name.to_owned()).or_default().at_once += 1;
    }

    fn end(&mut self, name: &str, ails: bool) {
        let Some(host) = self.0.get_mut(name) else { return };
        host.at_once -= 1;
        host.ails = ails;
        // One that is well and has nothing to do is like one that was never called.
        if host.at_once == 0 && !ails {
            self.0.remove(name);
        }
    }
}

/// What came of an attempt, and where.
struct Attempt {
    host: String,
    failed: bool,
}

/// Sends what is due, for as long as the process runs.
pub async fn deliver(app: App) {
    let mut hosts = Hosts::default();
    let mut attempts = JoinSet::new();
    let mut turn = 0;
    let mut out_of_order = false;
    loop {
        // Another client is the first to be looked at each time.
        turn += 1;
        match begin(&app, &mut hosts, &mut attempts, turn).await {
            Ok(()) => out_of_order = false,
            Err(error) if !out_of_order => {
                tracing::warn!(%error, "logout tokens can not be sent at the moment");
                out_of_order = true;
            }
            Err(_) => {}
        }
        tokio::select! {
            () = app.store.logout_tokens_due() => {}
            Some(ended) = attempts.join_next() => {
                match ended {
                    Ok(Attempt { host, failed }) => hosts.end(&host, failed),
                    // Its host would stay busy for ever: all are counted anew.
                    Err(error) => {
                        tracing::error!(%error, "an attempt to send a logout token met a fault");
                        attempts.shutdown().await;
                        hosts = Hosts::default();
                    }
                }
            }
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

async fn begin(app: &App, hosts: &mut Hosts, attempts: &mut JoinSet<Attempt>, turn: usize) -> Result<()> {
    let now = app.clock.now();
    if hosts.at_once() >= AT_ONCE {
        return Ok(());
    }
    let settings = app.config.logout.back_channel;
    let mut clients = app.store.clients_to_tell(now).await?;
    let first = turn.checked_rem(clients.len()).unwrap_or(0);
    clients.rotate_left(first);
    for id in clients {
        let Some((client, url)) = place(app, &id).await? else {
            give_up(app, &id, now).await?;
            continue;
        };
        let host = host(&url);
        let room = hosts.room(&host, settings.per_host);
        if room == 0 {
            continue;
        }
        let until = now + settings.timeout + CLAIM;
        for token in app.store.claim_logout_tokens(&id, room, now, until).await? {
            hosts.begin(&host);
            let (app, client, url, host) = (app.clone(), client.clone(), url.clone(), host.clone());
            attempts.spawn(async move {
                let failed = attempt(&app, &client, &url, &token).await;
                Attempt { host, failed }
            });
        }
    }
    Ok(())
}

/// The client, and where it is told; `None` where it wants to be told nothing any more.
async fn place(app: &App, id: &ClientId) -> Result<Option<(std::sync::Arc<Client>, Url)>> {
    let Some(client) = app.store.client(id).await? else { return Ok(None) };
    let url = Url::parse(&client.metadata().backchannel_logout_uri).ok();
    Ok(url.map(|url| (client, url)))
}

fn host(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

async fn give_up(app: &App, id: &ClientId, now: Timestamp) -> Result<()> {
    for token in app.store.claim_logout_tokens(id, AT_ONCE, now, now + CLAIM).await? {
        app.store.logout_token_failed(&token, "the client has no backchannel_logout_uri any more", None).await?;
        app.metrics.delivery(Delivery::GivenUp);
    }
    Ok(())
}

/// One attempt. Whether it failed.
async fn attempt(app: &App, client: &Client, url: &Url, token: &LogoutToken) -> bool {
    let outcome = send(app, client, url, token).await;
    let noted = note(app, client, token, outcome.as_ref().err()).await;
    if let Err(error) = noted {
        // The claim ends by itself, and it is sent again.
        tracing::warn!(%error, client = %client.id, "what came of a logout token could not be written down");
    }
    matches!(outcome, Err(Failure::Passing(_)))
}

/// Why the client does not have it, in words for the operator.
enum Failure {
    /// Another attempt may do.
    Passing(String),
    Lasting(&'static str),
}

async fn note(app: &App, client: &Client, token: &LogoutToken, failure: Option<&Failure>) -> crate::store::Result<()> {
    let now = app.clock.now();
    let Some(failure) = failure else {
        app.metrics.delivery(Delivery::Delivered);
        tracing::debug!(client = %client.id, attempts = token.attempts, "a logout token was delivered");
        app.store.logout_token_was_delivered(token, now).await?;
        return Ok(());
    };
    let (failure, next) = match failure {
        Failure::Passing(failure) => {
            (failure.as_str(), Some(now + pause(token.attempts)).filter(|next| *next < token.ends_at))
        }
        Failure::Lasting(failure) => (*failure, None),
    };
    app.store.logout_token_failed(token, failure, next).await?;
    match next {
        Some(_) => {
            app.metrics.delivery(Delivery::Failed);
            tracing::info!(client = %client.id, attempts = token.attempts, failure, "a logout token was not taken; it is sent again");
        }
        None => {
            app.metrics.delivery(Delivery::GivenUp);
            tracing::warn!(client = %client.id, attempts = token.attempts, failure, "a logout token was given up");
        }
    }
    Ok(())
}

/// Three times as long after each attempt, an hour at most; a fifth of it by chance, so that what failed together does not
/// come back together.
fn pause(attempts: i64) -> Duration {
    let triplings = u32::try_from(attempts.saturating_sub(1).clamp(0, 10)).unwrap_or(10);
    let pause = FIRST_PAUSE.saturating_mul(3_u32.saturating_pow(triplings)).min(LONGEST_PAUSE);
    let [chance] = secret::random::<1>();
    pause.mul_f64(0.9 + 0.2 * f64::from(chance) / 255.0)
}

async fn send(app: &App, client: &Client, url: &Url, token: &LogoutToken) -> Result<(), Failure> {
    if token.session_id.is_none() && client.metadata().backchannel_logout_session_required {
        return Err(Failure::Lasting("the client wants to be told of sessions only, and this is about a person"));
    }
    let jwt = issue::logout_token(app, client, token, app.clock.now()).await.map_err(|error| reason(&error));
    let jwt = jwt.map_err(Failure::Passing)?;
    let within = app.config.logout.back_channel.timeout;
    match app.fetch.notify(url, &[("logout_token", &jwt)], within).await {
        Ok(200..=299) => Ok(()),
        Ok(status) => Err(Failure::Passing(format!("the client answered with the status {status}"))),
        Err(FetchError::TimedOut) => Err(Failure::Passing("the client did not answer in time".to_owned())),
        Err(error) => Err(Failure::Passing(error.to_string())),
    }
}

fn reason(error: &Error) -> String {
    match &error.source {
        Some(source) => format!("the logout token could not be made: {source}"),
        None => format!("the logout token could not be made: {}", error.description),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_gets_as_much_as_it_may_and_no_more() {
        let mut hosts = Hosts::default();
        assert_eq!(hosts.room("a", 4), 4);
        hosts.begin("a");
        assert_eq!((hosts.room("a", 4), hosts.room("b", 4)), (3, 4));
        hosts.end("a", false);
        assert!(hosts.0.is_empty(), "a host that is well is forgotten");
    }

    /// However many hosts hang, the others have half of the places.
    #[test]
    fn hosts_that_ail_leave_room_for_those_that_are_well() {
        let mut hosts = Hosts::default();
        for number in 0..100 {
            let name = format!("ailing{number}");
            hosts.begin(&name);
            hosts.end(&name, true);
            for _ in 0..hosts.room(&name, 4) {
                hosts.begin(&name);
            }
        }
        assert_eq!(hosts.at_once(), TO_AILING);
        assert_eq!(hosts.room("well", 4), 4);
        hosts.end("ailing0", false);
        assert_eq!(hosts.room("ailing0", 4), 1, "one that has answered counts as well");
    }

    #[test]
    fn pauses_grow_to_an_hour() {
        let seconds = |attempts| pause(attempts).as_secs_f64();
        for (attempts, expected) in [(1, 5.0), (2, 15.0), (3, 45.0), (4, 135.0), (7, 3600.0), (1000, 3600.0)] {
            let pause = seconds(attempts);
            assert!((expected * 0.9..=expected * 1.1).contains(&pause), "{attempts}: {pause}");
        }
    }
}

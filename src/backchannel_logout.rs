//! Back-channel logout: logout tokens go out to the clients of sessions that have ended (OpenID Connect Back-Channel
//! Logout 1.0).
//!
//! What is to be sent is in the store (`store/logout_token.rs`). Every process sends; each attempt is claimed, and as few
//! go to one host at once as the configuration has it, so that a client that hangs delays nobody else. However many hang:
//! hosts that are known to be quick have places that no other takes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

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
/// As many of them may go to hosts that ail, and as many to hosts that nobody knows; no other than hosts that are quick get
/// the last third.
const THIRD: usize = AT_ONCE / 3;

/// A host that takes longer ails: it holds its places as one that hangs does.
const QUICK: Duration = Duration::from_secs(1);

/// How long a host is remembered that is told nothing: longer than any pause.
const MEMORY: Duration = Duration::from_hours(2);

/// A claim outlasts its attempt by this: the time to make the token, and to write down what came of it.
const CLAIM: Duration = Duration::from_secs(5);

const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The attempts that are under way, and how those before them went.
#[derive(Default)]
struct Hosts {
    under_way: Vec<UnderWay>,
    known: HashMap<String, Known>,
}

#[derive(Clone, Debug, PartialEq)]
struct UnderWay {
    host: String,
    began: Instant,
}

/// The last attempt that came to an end.
struct Known {
    ails: bool,
    ended: Instant,
}

#[derive(Clone, Copy, PartialEq)]
enum Standing {
    /// It took the last one, within a second.
    Quick,
    /// Never called, or long ago.
    Unknown,
    /// The last one failed or took long, or one is taking long.
    Ails,
}

impl Hosts {
    fn at_once(&self) -> usize {
        self.under_way.len()
    }

    fn standing(&self, name: &str, now: Instant) -> Standing {
        let is_slow = |attempt: &UnderWay| attempt.host == name && now.duration_since(attempt.began) > QUICK;
        match self.known.get(name) {
            _ if self.under_way.iter().any(is_slow) => Standing::Ails,
            Some(Known { ails: true, .. }) => Standing::Ails,
            Some(Known { ails: false, .. }) => Standing::Quick,
            None => Standing::Unknown,
        }
    }

    /// How many more attempts may begin.
    fn room(&self, name: &str, per_host: usize, now: Instant) -> usize {
        let all = AT_ONCE.saturating_sub(self.at_once());
        let here = self.under_way.iter().filter(|attempt| attempt.host == name).count();
        let of =
            |standing| self.under_way.iter().filter(|attempt| self.standing(&attempt.host, now) == standing).count();
        let standing = self.standing(name, now);
        let most = match standing {
            Standing::Quick => return per_host.saturating_sub(here).min(all),
            // One, until it is seen what it does: names cost nothing, and all of them may lead to one machine.
            Standing::Unknown => 1,
            Standing::Ails => per_host,
        };
        let (unknown, ailing) = (of(Standing::Unknown), of(Standing::Ails));
        let same = if standing == Standing::Unknown { unknown } else { ailing };
        let room = THIRD.saturating_sub(same).min((2 * THIRD).saturating_sub(unknown + ailing));
        most.saturating_sub(here).min(room).min(all)
    }

    fn begin(&mut self, name: &str, now: Instant) -> UnderWay {
        let attempt = UnderWay { host: name.to_owned(), began: now };
        self.under_way.push(attempt.clone());
        attempt
    }

    fn end(&mut self, attempt: &UnderWay, ails: bool, now: Instant) {
        if let Some(found) = self.under_way.iter().position(|other| other == attempt) {
            self.under_way.swap_remove(found);
        }
        self.known.insert(attempt.host.clone(), Known { ails, ended: now });
    }

    fn forget(&mut self, now: Instant) {
        self.known.retain(|_, known| now.duration_since(known.ended) < MEMORY);
    }
}

/// What came of an attempt, and where.
struct Attempt {
    under_way: UnderWay,
    ails: bool,
    ended: Instant,
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
        hosts.forget(Instant::now());
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
                    Ok(Attempt { under_way, ails, ended }) => hosts.end(&under_way, ails, ended),
                    // Its host would stay busy for ever: all are counted anew.
                    Err(error) => {
                        tracing::error!(%error, "an attempt to send a logout token met a fault");
                        attempts.shutdown().await;
                        hosts.under_way.clear();
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
        let room = hosts.room(&host, settings.per_host, Instant::now());
        if room == 0 {
            continue;
        }
        let until = now + settings.timeout + CLAIM;
        for token in app.store.claim_logout_tokens(&id, room, now, until).await? {
            let under_way = hosts.begin(&host, Instant::now());
            let (app, client, url) = (app.clone(), client.clone(), url.clone());
            attempts.spawn(async move {
                let ails = attempt(&app, &client, &url, &token).await;
                Attempt { under_way, ails, ended: Instant::now() }
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

/// One attempt. Whether its host ails: it did not take it, or took long, whatever it has said then.
async fn attempt(app: &App, client: &Client, url: &Url, token: &LogoutToken) -> bool {
    let began = Instant::now();
    let outcome = send(app, client, url, token).await;
    let was_slow = began.elapsed() > QUICK;
    let noted = note(app, client, token, outcome.as_ref().err()).await;
    if let Err(error) = noted {
        // The claim ends by itself, and it is sent again.
        tracing::warn!(%error, client = %client.id, "what came of a logout token could not be written down");
    }
    was_slow || matches!(outcome, Err(Failure::Passing(_)))
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
        return app.store.logout_token_was_delivered(token, now).await;
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

    /// Begins as many attempts at the host as may begin.
    fn fill(hosts: &mut Hosts, name: &str, now: Instant) -> Vec<UnderWay> {
        (0..hosts.room(name, 4, now)).map(|_| hosts.begin(name, now)).collect()
    }

    /// One attempt that took so long.
    fn told(hosts: &mut Hosts, name: &str, began: Instant, took: Duration) {
        let attempt = hosts.begin(name, began);
        hosts.end(&attempt, took > QUICK, began + took);
    }

    #[test]
    fn a_host_gets_as_much_as_it_may_and_no_more() {
        let (mut hosts, now) = (Hosts::default(), Instant::now());
        assert_eq!(hosts.room("a", 4, now), 1, "nobody knows it");
        let first = hosts.begin("a", now);
        assert_eq!((hosts.room("a", 4, now), hosts.room("b", 4, now)), (0, 1));
        hosts.end(&first, false, now);
        assert_eq!(hosts.room("a", 4, now), 4, "it was quick");
        hosts.begin("a", now);
        assert_eq!(hosts.room("a", 4, now), 3);
    }

    #[test]
    fn a_host_ails_that_fails_or_takes_long() {
        let (mut hosts, now) = (Hosts::default(), Instant::now());
        let ails = |hosts: &Hosts, name: &str, now| hosts.standing(name, now) == Standing::Ails;
        told(&mut hosts, "slow", now, Duration::from_secs(9));
        assert!(ails(&hosts, "slow", now));
        told(&mut hosts, "slow", now, QUICK);
        assert!(!ails(&hosts, "slow", now), "it has answered in time");
        let attempt = hosts.begin("slow", now);
        hosts.end(&attempt, true, now);
        assert!(ails(&hosts, "slow", now));
        // As soon as it takes long, and not only when it has answered.
        hosts.begin("hangs", now);
        assert!(!ails(&hosts, "hangs", now + QUICK));
        assert!(ails(&hosts, "hangs", now + QUICK * 2));
    }

    /// However many hosts hang, or answer in the last second, and however many nobody knows: a third of the places is not
    /// for them.
    #[test]
    fn hosts_that_ail_and_unknown_ones_leave_room_for_those_that_are_quick() {
        let (mut hosts, now) = (Hosts::default(), Instant::now());
        told(&mut hosts, "quick", now, Duration::ZERO);
        for number in 0..100 {
            let name = format!("ailing{number}");
            told(&mut hosts, &name, now, Duration::from_secs(9));
            fill(&mut hosts, &name, now);
        }
        assert_eq!(hosts.at_once(), THIRD);
        for number in 0..250 {
            fill(&mut hosts, &format!("unknown{number}"), now);
        }
        assert_eq!(hosts.at_once(), 2 * THIRD);
        // Those that have not answered in a second ail as well, and make no room for others.
        let later = now + QUICK * 2;
        for number in 250..500 {
            fill(&mut hosts, &format!("unknown{number}"), later);
        }
        assert_eq!(hosts.at_once(), 2 * THIRD);
        assert_eq!(fill(&mut hosts, "quick", later).len(), 4);
    }

    #[test]
    fn unknown_hosts_have_a_third_and_hosts_that_ail_another() {
        let (mut hosts, now) = (Hosts::default(), Instant::now());
        for number in 0..250 {
            fill(&mut hosts, &format!("unknown{number}"), now);
        }
        assert_eq!(hosts.at_once(), THIRD);
        told(&mut hosts, "ailing", now, Duration::from_secs(9));
        assert_eq!(hosts.room("ailing", 4, now), 4);
    }

    #[test]
    fn a_host_that_is_told_nothing_is_forgotten() {
        let (mut hosts, now) = (Hosts::default(), Instant::now());
        told(&mut hosts, "a", now, Duration::ZERO);
        told(&mut hosts, "b", now, Duration::from_secs(9));
        hosts.forget(now + LONGEST_PAUSE.mul_f64(1.5));
        assert_eq!(hosts.known.len(), 2, "it may be told again after a pause");
        hosts.forget(now + MEMORY + Duration::from_secs(9));
        assert!(hosts.known.is_empty());
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

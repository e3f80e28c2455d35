//! Keys that follow one another, are made when they are first needed, or are revoked: security-cases.md group JK, over
//! two servers on one database.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hydrant::clock::Clock;
use hydrant::config::Config;
use hydrant::jose::Algorithm;
use hydrant::keys::{ACCESS_TOKEN_SET, ID_TOKEN_SET, KeyUse, Keys, Purpose, Rotated, SEAL_SET};
use hydrant::secret::Secret;
use serde_json::json;

use crate::support::{Database, Server, race};

const RACERS: usize = 32;
pub const RS256: Purpose = Purpose::Sign(KeyUse::IdToken, Algorithm::Rs256);

/// Two replicas: one database, one time.
pub async fn pair(change: impl Fn(&mut Config)) -> [Arc<Server>; 2] {
    let (database, clock) = (Database::new().await, Clock::manual());
    let one = Server::on(database.clone(), clock.clone(), &change).await;
    let two = Server::on(database, clock, &change).await;
    [Arc::new(one), Arc::new(two)]
}

/// What the server does by itself every half minute.
pub async fn tend(server: &Server) {
    let (app, now) = (server.app(), server.clock.now());
    app.keys.tend(&app.store, now).await.unwrap();
    app.keys.load(&app.store, now).await.unwrap();
}

pub async fn rotate(server: &Server, purpose: Purpose) -> Rotated {
    let app = server.app();
    app.keys.rotate(&app.store, purpose, server.clock.now()).await.unwrap()
}

/// The published keys that sign.
pub async fn kids(server: &Server) -> Vec<String> {
    let jwks = server.jwks().await;
    let keys = jwks["keys"].as_array().unwrap().iter().filter(|key| key["use"] == "sig");
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

pub async fn signed_by(server: &Server) -> String {
    let token = server.tokens_with("openid").await.id_token.unwrap();
    server.verify(&token, "web").await.0.kid.unwrap()
}

/// The keys of a set as an operator sees them: algorithm and state.
pub async fn states(server: &Server, set: &str) -> Vec<(String, &'static str)> {
    let app = server.app();
    let listed = app.keys.list(&app.store, server.clock.now()).await.unwrap();
    listed.into_iter().filter(|key| key.set == set).map(|key| (key.alg, key.state)).collect()
}

/// Waits until this holds: a replica is told, and that takes a moment.
pub async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// JK-04: of many who rotate at once, on both replicas, one makes a key; the others are told which. Until it is in use
/// there is no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jk_04_of_many_rotations_one_makes_a_key() {
    let servers = pair(|_| {}).await;
    for purpose in [RS256, Purpose::Seal] {
        let rotated = race(RACERS, |racer| {
            let server = Arc::clone(&servers[racer % 2]);
            async move { rotate(&server, purpose).await }
        })
        .await;
        let (made, there): (Vec<_>, Vec<_>) = rotated.iter().partition(|rotated| matches!(rotated, Rotated::Made(_)));
        let [Rotated::Made(made)] = made.as_slice() else { panic!("{} made a key", made.len()) };
        for rotated in there {
            let Rotated::AlreadyThere(there) = rotated else { unreachable!() };
            assert_eq!((&there.kid, there.active_from), (&made.kid, made.active_from));
        }
        assert_eq!(made.active_from, servers[0].clock.now() + 2 * servers[0].config().keys.max_age);
        let again = rotate(&servers[1], purpose).await;
        assert!(matches!(&again, Rotated::AlreadyThere(there) if there.kid == made.kid), "{again:?}");
    }
    assert_eq!(kids(&servers[0]).await.len(), 2);
    soon("the replicas publish different keys", async || kids(&servers[0]).await == kids(&servers[1]).await).await;
    servers[0].pass(2 * servers[0].config().keys.max_age.as_secs());
    let next = rotate(&servers[0], RS256).await;
    assert!(matches!(next, Rotated::Made(_)), "once it is in use it can have a successor: {next:?}");
}

/// JK-04: schedules that find the same key due make one successor; it takes over when the interval is over, and not before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jk_04_two_schedulers_make_one_key() {
    let servers = pair(|_| {}).await;
    let (interval, lead) =
        (servers[0].config().keys.rotation_interval.unwrap(), servers[0].config().keys.publish_ahead);
    let first = signed_by(&servers[0]).await;
    // The keys are those of the database's template, and some seconds or minutes old.
    let made = servers[0].app().store.keys().await.unwrap().iter().map(|row| row.active_from).min().unwrap();
    let due = (made + interval.saturating_sub(lead)).since(servers[0].clock.now());
    servers[0].clock.pass(due.saturating_sub(Duration::from_mins(1)));
    tend(&servers[0]).await;
    assert_eq!(kids(&servers[0]).await.len(), 1, "not due yet");
    servers[0].clock.pass(Duration::from_mins(3));
    for _ in 0..2 {
        race(16, |racer| {
            let server = Arc::clone(&servers[racer % 2]);
            async move { tend(&server).await }
        })
        .await;
        for set in [ID_TOKEN_SET, SEAL_SET] {
            let states: Vec<_> = states(&servers[0], set).await.into_iter().map(|(_, state)| state).collect();
            assert_eq!(states, ["published", "active"], "{set}");
        }
    }
    for server in &servers {
        assert_eq!(kids(server).await.len(), 2);
        assert_eq!(signed_by(server).await, first);
    }
    servers[0].clock.pass(lead);
    for server in &servers {
        assert_ne!(signed_by(server).await, first);
    }
}

/// `keys.rotation.interval: 0`: nobody rotates but the operator.
#[tokio::test]
async fn without_an_interval_nothing_rotates_by_itself() {
    let server = Server::with(|config| config.keys.rotation_interval = None).await;
    server.pass(3650 * 86_400);
    tend(&server).await;
    assert_eq!(kids(&server).await.len(), 1);
}

/// The schedule runs in the server, by the system's clock.
#[tokio::test]
async fn a_server_rotates_its_keys_by_itself() {
    let server = Server::on(Database::new().await, Clock::System, |config| {
        config.keys.max_age = Duration::from_secs(1);
        config.keys.publish_ahead = Duration::from_secs(2);
        config.keys.rotation_interval = Some(Duration::from_secs(4));
    })
    .await;
    let before = signed_by(&server).await;
    soon("no successor is published", async || kids(&server).await.len() > 1).await;
    soon("no successor has taken over", async || signed_by(&server).await != before).await;
}

/// A key that nobody has needed before: of 32 who need it at once on two replicas one makes it, and all sign with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_once_when_it_is_first_needed() {
    let servers = pair(|_| {}).await;
    let before = servers[0].database.count("keys").await;
    let needed = [
        (KeyUse::AccessToken, Algorithm::Es256),
        (KeyUse::IdToken, Algorithm::Ps256),
        (KeyUse::IdToken, Algorithm::EdDsa),
        (KeyUse::IdToken, Algorithm::Es512),
    ];
    for (use_, alg) in needed {
        let signers: HashSet<String> = race(RACERS, |racer| {
            let server = Arc::clone(&servers[racer % 2]);
            async move {
                let (app, now) = (server.app(), server.clock.now());
                assert_eq!(app.keys.live().unwrap().signer(KeyUse::AccessToken, Algorithm::Rs512, now).map(drop), None);
                let live = app.keys.ensure(&app.store, use_, alg, now).await.unwrap();
                let signer = live.signer(use_, alg, now).unwrap();
                assert_eq!(signer.alg(), alg);
                signer.kid().to_owned()
            }
        })
        .await
        .into_iter()
        .collect();
        assert_eq!(signers.len(), 1, "{alg}");
        let set = Purpose::Sign(use_, alg).set();
        let states = states(&servers[0], set).await;
        assert_eq!(
            states.iter().filter(|(name, _)| name == alg.as_str()).collect::<Vec<_>>(),
            [&(alg.to_string(), "active")]
        );
        for server in &servers {
            assert!(kids(server).await.contains(signers.iter().next().unwrap()), "{alg} is not published");
        }
    }
    assert_eq!(servers[0].database.count("keys").await, before + 4);
    // Started anew, a server has them from the start.
    let third = Server::on(servers[0].database.clone(), servers[0].clock.clone(), |_| {}).await;
    for (use_, alg) in needed {
        assert!(third.app().keys.live().unwrap().signer(use_, alg, third.clock.now()).is_some(), "{alg}");
    }
    assert_eq!(third.jwks().await, servers[0].jwks().await);
}

/// JK-01, JK-10, RFC 8725 section 3.1: a key has one use and one algorithm, and says so; the newest stands first; nothing
/// private is shown, of whatever kind the key is.
#[tokio::test]
async fn jk_10_a_key_has_one_use_and_one_algorithm() {
    let server = Server::start().await;
    let app = server.app();
    for use_ in [KeyUse::IdToken, KeyUse::AccessToken] {
        for alg in Algorithm::ALL {
            server.pass(1);
            app.keys.ensure(&app.store, use_, alg, server.clock.now()).await.unwrap();
        }
    }
    let answer = server.get("/.well-known/jwks.json").await;
    let keys = answer.json()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 22);
    let distinct: HashSet<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(distinct.len(), 22);
    for key in &keys[..20] {
        let members: HashSet<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        let expected: &[&str] = match key["kty"].as_str().unwrap() {
            "RSA" => &["kty", "use", "alg", "kid", "n", "e"],
            "EC" => &["kty", "use", "alg", "kid", "crv", "x", "y"],
            "OKP" => &["kty", "use", "alg", "kid", "crv", "x"],
            other => panic!("{other}"),
        };
        assert_eq!(members, expected.iter().copied().collect::<HashSet<_>>(), "{key}");
        assert_eq!(key["use"], "sig");
    }
    assert_eq!((&keys[0]["alg"], &keys[19]["alg"]), (&json!("EdDSA"), &json!("RS256")), "newest first");

    // What signs one kind of token vouches for no other.
    let (live, now) = (app.keys.live().unwrap(), server.clock.now());
    let claims = json!({ "sub": "a" });
    for alg in Algorithm::ALL {
        let id = live.signer(KeyUse::IdToken, alg, now).unwrap();
        let access = live.signer(KeyUse::AccessToken, alg, now).unwrap();
        assert!(live.verify_id_token(&id.sign("JWT", &claims).unwrap()).is_ok(), "{alg}");
        assert!(live.verify_access_token(&access.sign("at+jwt", &claims).unwrap()).is_ok(), "{alg}");
        let foreign = live.verify_id_token(&access.sign("JWT", &claims).unwrap()).unwrap_err();
        assert!(foreign.is_unknown_key(), "{alg}");
        assert!(live.verify_access_token(&id.sign("at+jwt", &claims).unwrap()).unwrap_err().is_unknown_key(), "{alg}");
        for (token, is_id) in
            [(id.sign("at+jwt", &claims).unwrap(), true), (access.sign("JWT", &claims).unwrap(), false)]
        {
            let refused = if is_id { live.verify_id_token(&token) } else { live.verify_access_token(&token) };
            assert!(!refused.unwrap_err().is_unknown_key(), "{alg}: a typ of another kind of token");
        }
    }
}

/// A retired key is published until the last of its tokens has expired, and a client may have registered a longer life than
/// the configuration's.
#[tokio::test]
async fn a_retired_key_outlives_the_longest_lifespan_of_a_client() {
    let server = Server::with(|config| config.keys.rotation_interval = None).await;
    server.change_client("web", |client| client["authorization_code_grant_id_token_lifespan"] = json!("1000h")).await;
    rotate(&server, RS256).await;
    server.pass(2 * server.config().keys.max_age.as_secs() - 1);
    let last = server.tokens_with("openid").await;
    assert_eq!(last.claims()["exp"].as_i64().unwrap() - last.claims()["iat"].as_i64().unwrap(), 1000 * 3600);
    server.pass(1);
    tend(&server).await;
    server.pass(1000 * 3600 - 2);
    tend(&server).await;
    server.verify(last.id_token.as_deref().unwrap(), "web").await;
    server.pass(3602);
    tend(&server).await;
    assert_eq!(kids(&server).await.len(), 1);
}

/// Sealing keys stay for as long as what they sealed may live, a grant's refresh tokens above all; then they retire, and a
/// month later they are forgotten.
#[tokio::test]
async fn a_sealing_key_stays_as_long_as_a_grant_may_live() {
    let server = Server::with(|config| config.keys.rotation_interval = None).await;
    let tokens = server.tokens_with("openid offline").await;
    rotate(&server, Purpose::Seal).await;
    server.pass(server.config().keys.publish_ahead.as_secs());
    tend(&server).await;
    server.clock.pass(server.config().ttl.grant.saturating_sub(Duration::from_hours(1)));
    tend(&server).await;
    // It has expired, but is known: whoever presents it once more is found out.
    server.refresh("web", tokens.refresh()).await.assert_error(400, "invalid_grant");
    let seal: Vec<_> = states(&server, SEAL_SET).await.into_iter().map(|(_, state)| state).collect();
    assert_eq!(seal, ["active", "opening"]);
    server.clock.pass(Duration::from_hours(3));
    tend(&server).await;
    let seal: Vec<_> = states(&server, SEAL_SET).await.into_iter().map(|(_, state)| state).collect();
    assert_eq!(seal, ["active", "retired"]);
    let before = server.database.count("keys").await;
    server.clock.pass(Duration::from_hours(31 * 24));
    tend(&server).await;
    assert_eq!(server.database.count("keys").await, before - 1);
}

/// JK-13: under a secret that does not open the keys that are there, none is made in the place of one that is missing.
#[tokio::test]
async fn jk_13_a_wrong_secret_makes_no_key() {
    let server = Server::start().await;
    assert_eq!(server.database.execute(&format!("DELETE FROM keys WHERE key_set = '{ID_TOKEN_SET}'")).await, 1);
    let mut config: Config = server.config().clone();
    config.secrets.system = vec![Secret::new("another secret than the one before")];
    let before = server.database.count("keys").await;
    let error = Keys::new(&config).load(&server.app().store, server.clock.now()).await.unwrap_err().to_string();
    assert!(error.contains("secrets.system"), "{error}");
    assert_eq!(server.database.count("keys").await, before);
}

/// JK-16, I9: a key that can not be had is 503, says nothing of why, and is made as soon as it can be.
#[tokio::test]
async fn jk_16_a_key_that_can_not_be_had_is_503() {
    let mut server = Server::start().await;
    let unreadable = format!("UPDATE keys SET private_sealed = 'x' WHERE key_set = '{SEAL_SET}'");
    let sealed = server.app().store.keys().await.unwrap();
    let sealed = sealed.iter().find(|row| row.key_set == SEAL_SET).unwrap().private_sealed.clone();
    assert_eq!(server.database.execute(&unreadable).await, 1);
    let ensure = async |server: &Server| {
        let (app, now) = (server.app(), server.clock.now());
        app.keys.ensure(&app.store, KeyUse::AccessToken, Algorithm::Rs256, now).await.map(drop)
    };
    let error = ensure(&server).await.unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (503, "temporarily_unavailable"));
    assert!(!error.description.contains(SEAL_SET) && error.retry_after.is_some(), "{error}");
    // What is in memory stays in force.
    server.tokens_with("openid").await;
    server.database.execute(&format!("UPDATE keys SET private_sealed = '{sealed}' WHERE key_set = '{SEAL_SET}'")).await;
    ensure(&server).await.unwrap();
    assert_eq!(states(&server, ACCESS_TOKEN_SET).await, [("RS256".to_owned(), "active")]);

    server.app().store.close().await;
    let (app, now) = (server.app(), server.clock.now());
    let error = app.keys.ensure(&app.store, KeyUse::AccessToken, Algorithm::Es256, now).await.map(drop).unwrap_err();
    assert_eq!(error.status, 503);
    assert!(app.keys.ensure(&app.store, KeyUse::AccessToken, Algorithm::Rs256, now).await.is_ok(), "it has that one");
    server.stop().await;
}

/// A key of a newer version that shares the database is left alone, and stops nobody.
#[tokio::test]
async fn a_key_of_an_unknown_set_is_left_alone() {
    let server = Server::start().await;
    let before = server.jwks().await;
    let added =
        "INSERT INTO keys SELECT 'k1', 'hydrant.of-the-future', 1, 'sig', alg, private_sealed, public, created_at,
                        active_from, retire_at FROM keys WHERE key_set = 'hydra.openid.id-token'";
    assert_eq!(server.database.execute(added).await, 1);
    tend(&server).await;
    assert_eq!(server.jwks().await, before);
    assert_eq!(states(&server, "hydrant.of-the-future").await, [("RS256".to_owned(), "unknown")]);
    server.tokens_with("openid").await;
}

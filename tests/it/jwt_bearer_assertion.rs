//! Which assertions are grants: rows TX-11 and TX-13 of security-cases.md, and those of group CA that hold for every JWT.

use std::sync::Arc;

use hydrant::jose::Algorithm;
use serde_json::{Value, json};

use crate::admin_trusted_issuers::trust;
use crate::client_assertion::with;
use crate::jwt_bearer::{GRANT, ISSUER, claims, exchange, setting};
use crate::support::signer::{Signer, encode, mac, unsigned};
use crate::support::{Answer, Server, race};

async fn ask(server: &Server, assertion: &str) -> Answer {
    exchange(server, "exchanger", assertion, &[]).await
}

#[track_caller]
fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()), "{what}: {}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// In the words in which whatever is wrong before the signature is known to be right is refused.
#[track_caller]
fn assert_unproven(answer: &Answer, what: &str) {
    assert_refused(answer, what);
    let same = "The assertion is not one of a trusted issuer for this subject.";
    assert_eq!(answer.json()["error_description"], same, "{what}");
}

/// TX-11: an issuer, a subject or a key that is not trusted.
#[tokio::test]
async fn tx_11_nobody_speaks_for_whom_he_is_not_trusted_for() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    let stranger = Signer::es256();
    let named = |signer: &Signer, kid: &str| signer.sign_as(&json!({ "alg": "ES256", "kid": kid }), &claims(&server));
    for (what, assertion) in [
        ("issuer", signer.sign(&with(claims(&server), &json!({ "iss": "https://other.example" })))),
        ("issuer's case", signer.sign(&with(claims(&server), &json!({ "iss": "https://IDP.example" })))),
        ("subject", signer.sign(&with(claims(&server), &json!({ "sub": "bob" })))),
        ("subject's case", signer.sign(&with(claims(&server), &json!({ "sub": "Alice" })))),
        ("no subject", signer.sign(&with(claims(&server), &json!({ "sub": "" })))),
        ("subject of another type", signer.sign(&with(claims(&server), &json!({ "sub": ["alice"] })))),
        ("NUL", signer.sign(&with(claims(&server), &json!({ "sub": "alice\u{0}" })))),
        ("key", stranger.sign(&claims(&server))),
        ("key under another's name", named(&stranger, signer.kid())),
        ("unknown kid", named(&signer, "unknown")),
        ("kid with a NUL", named(&signer, "a\u{0}")),
        ("kid as SQL", named(&signer, "' OR 1=1--")),
    ] {
        assert_unproven(&ask(&server, &assertion).await, what);
    }
    // Without a kid each key of the pair is tried.
    trust(&server, &stranger, json!({})).await;
    for signer in [&signer, &stranger] {
        let assertion = signer.sign_as(&json!({ "alg": "ES256" }), &claims(&server));
        ask(&server, &assertion).await.tokens();
    }
    let assertion = Signer::es256().sign_as(&json!({ "alg": "ES256" }), &claims(&server));
    assert_unproven(&ask(&server, &assertion).await, "a third key");
}

/// TX-11, CA-16 to CA-26: one wrong claim is enough, and its sender, who is trusted, is told which.
#[tokio::test]
async fn tx_11_one_wrong_claim_is_enough() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    let now = server.clock.now().seconds();
    for (changes, word) in [
        (json!({ "aud": "https://other.example" }), "aud"),
        (json!({ "aud": [server.issuer] }), "aud"),
        (json!({ "aud": format!("{}/", server.issuer) }), "aud"),
        (json!({ "aud": "exchanger" }), "aud"),
        (json!({ "exp": now - 10 }), "expired"),
        (json!({ "exp": "soon" }), "exp"),
        (json!({ "exp": null }), "exp"),
        (json!({ "exp": now + 720 * 3600 + 1 }), "longer"),
        (json!({ "iat": now + 11 }), "iat"),
        (json!({ "iat": null }), "iat"),
        (json!({ "iat": now - 720 * 3600 }), "longer"),
        (json!({ "nbf": now + 61 }), "nbf"),
        (json!({ "jti": "" }), "jti"),
        (json!({ "jti": 7 }), "jti"),
        (json!({ "jti": "x".repeat(257) }), "jti"),
    ] {
        let answer = ask(&server, &signer.sign(&with(claims(&server), &changes))).await;
        assert_refused(&answer, &changes.to_string());
        assert!(answer.body.contains(word), "{changes}: {}", answer.body);
    }
    for name in ["aud", "exp", "iat", "jti", "iss", "sub"] {
        let mut claims = claims(&server);
        claims.as_object_mut().unwrap().remove(name);
        assert_refused(&ask(&server, &signer.sign(&claims)).await, name);
    }
    assert_eq!(server.database.count("used_jtis").await, 0, "nothing of it was spent");
    for changes in [
        json!({ "exp": now - 9 }),
        json!({ "exp": now + 720 * 3600 }),
        json!({ "iat": now + 9, "nbf": now + 8 }),
        json!({ "aud": format!("{}/oauth2/token", server.issuer) }),
        json!({ "email": "alice@example.com", "scope": "admin", "client_id": "web" }),
    ] {
        let given = ask(&server, &signer.sign(&with(claims(&server), &changes))).await.tokens();
        assert_eq!(given.scope, "", "what an assertion says of scope counts for nothing");
    }
}

/// `oauth2.grant.jwt.*`, and lists of audiences where older issuers are put up with.
#[tokio::test]
async fn what_the_configuration_makes_optional_is() {
    let server = Server::with(|config| {
        config.oauth2.jwt_grant.iat_optional = true;
        config.oauth2.jwt_grant.jti_optional = true;
        config.oauth2.jwt_grant.max_ttl = std::time::Duration::from_mins(10);
        config.oauth2.compatible_audience = true;
    })
    .await;
    let signer = setting(&server).await;
    let now = server.clock.now().seconds();
    let mut bare = claims(&server);
    bare.as_object_mut().unwrap().retain(|name, _| !["iat", "jti"].contains(&name.as_str()));
    for _ in 0..2 {
        ask(&server, &signer.sign(&bare)).await.tokens();
    }
    assert_refused(&ask(&server, &signer.sign(&with(bare.clone(), &json!({ "exp": now + 601 })))).await, "exp");
    let lists = json!({ "aud": ["https://other.example", server.issuer] });
    ask(&server, &signer.sign(&with(bare.clone(), &lists))).await.tokens();
    assert_refused(&ask(&server, &signer.sign(&with(bare, &json!({ "aud": ["https://other.example"] })))).await, "aud");
    // With a jti it still counts once.
    let once = signer.sign(&claims(&server));
    ask(&server, &once).await.tokens();
    assert_refused(&ask(&server, &once).await, "used");
}

/// CA-01, CA-02, CA-05, CA-10 to CA-14, CA-25: the algorithm is the key's, the form is the strict one, and a token of another
/// kind is none.
#[tokio::test]
async fn ca_01_the_header_decides_nothing() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    let rsa = Signer::new(Algorithm::Rs256);
    trust(&server, &rsa, json!({})).await;
    let good = claims(&server);
    let header = |more: Value| with(json!({ "alg": "ES256", "kid": signer.kid() }), &more);
    let public = signer.jwk().to_string();
    let one = signer.sign(&good);
    let (rest, signature) = one.rsplit_once('.').unwrap();
    for (what, assertion) in [
        ("none", unsigned(&good)),
        ("HS256 by the public key", mac("HS256", public.as_bytes(), &good)),
        ("RS512 by a key for RS256", rsa.sign_as(&json!({ "alg": "RS512", "kid": rsa.kid() }), &good)),
        ("PS256 by a key for RS256", rsa.sign_as(&json!({ "alg": "PS256", "kid": rsa.kid() }), &good)),
        ("RS256 under an EC key's name", rsa.sign_as(&json!({ "alg": "RS256", "kid": signer.kid() }), &good)),
        ("crit", signer.sign_as(&header(json!({ "crit": ["exp"] })), &good)),
        ("b64", signer.sign_as(&header(json!({ "b64": false })), &good)),
        ("at+jwt", signer.sign_as(&header(json!({ "typ": "at+jwt" })), &good)),
        ("logout+jwt", signer.sign_as(&header(json!({ "typ": "logout+jwt" })), &good)),
        ("client-authentication+jwt", signer.sign_as(&header(json!({ "typ": "client-authentication+jwt" })), &good)),
        ("kid of another type", signer.sign_as(&header(json!({ "kid": 7 })), &good)),
        ("an own key", signer.sign_as(&header(json!({ "jwk": Signer::es256().jwk(), "kid": "x" })), &good)),
        ("two parts", rest.to_owned()),
        ("no signature", format!("{rest}.")),
        ("another signature", format!("{rest}.{}", encode([7; 64]))),
        ("padding", format!("{one}=")),
        ("other claims", format!("{}.{}.{signature}", one.split('.').next().unwrap(), encode(r#"{"iss":"a"}"#))),
        ("a claim twice", signer.sign_text(&header(json!({})).to_string(), &twice(&good))),
        ("a JWE", format!("{one}.x.y")),
        ("nothing like it", "x".to_owned()),
    ] {
        assert_unproven(&ask(&server, &assertion).await, what);
    }
    // CA-25: our own tokens are no assertions.
    let id_token = server.tokens_with("openid").await.id_token.unwrap();
    assert_unproven(&ask(&server, &id_token).await, "an ID token");
    ask(&server, &"x".repeat(17 * 1024)).await.assert_error(400, "invalid_request");
    for typ in ["JWT", "application/jwt"] {
        let assertion = signer.sign_as(&header(json!({ "typ": typ })), &claims(&server));
        ask(&server, &assertion).await.tokens();
    }
    ask(&server, &rsa.sign(&claims(&server))).await.tokens();
}

fn twice(claims: &Value) -> String {
    format!("{{\"sub\": \"bob\", {}", &claims.to_string()[1..])
}

/// Every algorithm that a key may be trusted for.
#[tokio::test]
async fn each_algorithm_is_verified() {
    let server = Server::start().await;
    setting(&server).await;
    for alg in
        [Algorithm::Rs256, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa]
    {
        let signer = Signer::new(alg);
        trust(&server, &signer, json!({})).await;
        ask(&server, &signer.sign(&claims(&server))).await.tokens();
    }
    // A key that does not say what it is for: RS256, and nothing else.
    let signer = Signer::new(Algorithm::Rs256);
    let mut jwk = signer.jwk();
    jwk.as_object_mut().unwrap().retain(|name, _| !["alg", "use"].contains(&name.as_str()));
    trust(&server, &signer, json!({ "jwk": jwk })).await;
    ask(&server, &signer.sign(&claims(&server))).await.tokens();
    let pss = signer.sign_as(&json!({ "alg": "PS256", "kid": signer.kid() }), &claims(&server));
    assert_unproven(&ask(&server, &pss).await, "PS256");
}

/// TX-11, CA-28: of 32 that present an assertion at once, at two replicas, one gets a token. It lasts through a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tx_11_ca_28_an_assertion_counts_once() {
    let one = Server::start().await;
    let issuer = one.issuer.clone();
    let two = Server::on(one.database.clone(), one.clock.clone(), |config| config.urls.issuer = issuer).await;
    let signer = setting(&one).await;
    let assertion = signer.sign(&claims(&one));
    let again = signer.sign(&claims(&one));
    // The tests' own URLs go by the issuer, which is the first one's.
    let urls = [one.url("/oauth2/token"), format!("http://127.0.0.1:{}/oauth2/token", two.config().serve.public.port)];
    let statuses = race(32, |racer| {
        let fields = [("grant_type", GRANT.to_owned()), ("assertion", assertion.clone())];
        let request = one.http.post(&urls[racer % 2]).basic_auth("exchanger", Some(crate::support::SECRET));
        async move { request.form(&fields).send().await.unwrap().status().as_u16() }
    });
    let mut statuses = statuses.await;
    statuses.sort_unstable();
    assert_eq!(statuses, [&[200][..], &[400; 31]].concat());
    let mut one = one;
    one.stop().await;
    one.resume().await;
    assert_refused(&ask(&one, &assertion).await, "after a restart");
    ask(&one, &again).await.tokens();
    // Another's jti is another, also where a client proves who it is by one.
    let one = Arc::new(one);
    trust(&one, &signer, json!({ "issuer": "https://second.example" })).await;
    let jti = json!({ "jti": "the-same" });
    ask(&one, &signer.sign(&with(claims(&one), &jti))).await.tokens();
    let second = with(with(claims(&one), &jti), &json!({ "iss": "https://second.example" }));
    ask(&one, &signer.sign(&second)).await.tokens();
    assert_refused(&ask(&one, &signer.sign(&with(claims(&one), &jti))).await, "the same jti, another signature");
}

/// What does not come to a token does not spend the assertion.
#[tokio::test]
async fn a_refusal_leaves_the_assertion_unspent() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    let assertion = signer.sign(&claims(&server));
    let more = [("scope", "photos.write")];
    exchange(&server, "exchanger", &assertion, &more).await.assert_error(400, "invalid_scope");
    let forged = format!("{}{}", &assertion[..assertion.len() - 4], "AAAA");
    assert_unproven(&ask(&server, &forged).await, "forged");
    ask(&server, &assertion).await.tokens();
    assert_refused(&ask(&server, &assertion).await, "used");
}

/// TX-13: a trust ends when it says so, swept or not.
#[tokio::test]
async fn tx_13_an_expired_trust_is_none() {
    let server = Server::start().await;
    let signer = setting(&server).await;
    server.pass(3599);
    ask(&server, &signer.sign(&claims(&server))).await.tokens();
    server.pass(1);
    assert_unproven(&ask(&server, &signer.sign(&claims(&server))).await, "expired");
    assert_eq!(server.database.count("trusted_issuers").await, 1);
    trust(&server, &signer, json!({ "issuer": ISSUER })).await;
    ask(&server, &signer.sign(&claims(&server))).await.tokens();
}

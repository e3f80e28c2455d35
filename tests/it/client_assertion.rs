//! Client assertions through HTTP: `private_key_jwt` and `client_secret_jwt` (RFC 7523 section 3, OpenID Connect Core
//! section 9). Group CA of security-cases.md.

use std::sync::Arc;

use hydrant::jose::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::signer::{Signer, assertion, decode, encode, mac, proof, unsigned};
use crate::support::{Answer, Authorize, Database, Server, VERIFIER, race};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");
/// Long enough for every HMAC.
const LONG_SECRET: &str = "a-secret-of-sixty-four-characters-which-is-as-long-as-sha-512-is";

/// Registers a client that authenticates by its keys.
async fn by_key(server: &Server, id: &str, jwks: &Value, changes: Value) {
    let mut client = json!({
        "client_id": id, "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"],
        "response_types": [], "scope": "photos.read", "jwks": jwks,
    });
    client.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let made = server.admin(Method::POST, "/clients", Some(&client)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert!(made.json().get("client_secret").is_none(), "a secret that is good for nothing: {}", made.body);
}

/// `jwtc` of security-cases.md.
async fn jwtc(server: &Server) -> Signer {
    let signer = Signer::es256();
    by_key(server, "jwtc", &signer.jwks(), json!({ "token_endpoint_auth_signing_alg": "ES256" })).await;
    signer
}

async fn by_secret(server: &Server, id: &str, changes: Value) -> String {
    let mut client = json!({
        "client_id": id, "token_endpoint_auth_method": "client_secret_jwt", "grant_types": ["client_credentials"],
        "response_types": [], "scope": "photos.read",
    });
    client.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let made = server.admin(Method::POST, "/clients", Some(&client)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()["client_secret"].as_str().unwrap().to_owned()
}

async fn token(server: &Server, assertion: &str) -> Answer {
    let [kind, own] = proof(assertion);
    server.post("/oauth2/token", &[GRANT, kind, own]).await
}

#[track_caller]
fn assert_accepted(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 200, "{what}: {}", answer.body);
}

/// Refused, in the words that every refusal has.
#[track_caller]
fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.body);
    answer.assert_error(401, "invalid_client");
    let description = answer.json()["error_description"].as_str().unwrap().to_owned();
    let same = "Client authentication failed (unknown client, no authentication included, or wrong credentials).";
    assert_eq!(description, same, "{what}");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="));
}

fn with(mut claims: Value, changes: &Value) -> Value {
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

/// OpenID Connect Core section 9, at every endpoint where clients authenticate.
#[tokio::test]
async fn an_assertion_is_the_client_at_every_endpoint() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let secret = by_secret(&server, "secretjwt", json!({})).await;
    assert_eq!(secret.len(), 86, "64 random bytes");
    let by = |client: &str| match client {
        "jwtc" => signer.sign(&assertion(&server, client)),
        _ => mac("HS256", secret.as_bytes(), &assertion(&server, client)),
    };
    for client in ["jwtc", "secretjwt"] {
        let proven = by(client);
        let [kind, own] = proof(&proven);
        let answer = server.post("/oauth2/token", &[GRANT, kind, own, ("client_id", client)]).await;
        let access_token = answer.tokens().access_token;
        let proven = by(client);
        let [kind, own] = proof(&proven);
        let told = server.post("/oauth2/introspect", &[("token", &access_token), kind, own]).await;
        assert_eq!(told.json()["active"], true, "{}", told.body);
        let proven = by(client);
        let [kind, own] = proof(&proven);
        assert_eq!(server.post("/oauth2/revoke", &[("token", &access_token), kind, own]).await.status, 200);
        assert!(!server.introspect(&access_token).await.active);
    }
    for alg in ["HS384", "HS512"] {
        let proven = mac(alg, secret.as_bytes(), &assertion(&server, "secretjwt"));
        assert_accepted(&token(&server, &proven).await, alg);
    }
}

/// A code and a refresh token of a client that has keys.
#[tokio::test]
async fn a_code_is_redeemed_by_assertion() {
    let server = Server::start().await;
    let signer = Signer::es256();
    let changes = json!({
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "redirect_uris": ["https://jwt.example/cb"], "scope": "openid offline",
    });
    by_key(&server, "jwtweb", &signer.jwks(), changes).await;
    let request = Authorize::of("jwtweb", "https://jwt.example/cb").set("scope", "openid offline");
    let code = server.browser().code(&request, "alice").await;
    let proven = signer.sign(&assertion(&server, "jwtweb"));
    let [kind, own] = proof(&proven);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "https://jwt.example/cb"),
        ("code_verifier", VERIFIER),
    ];
    server
        .post("/oauth2/token", &[&fields[..], &[("client_id", "jwtweb")]].concat())
        .await
        .assert_error(401, "invalid_client");
    let tokens = server.post("/oauth2/token", &[&fields[..], &[kind, own]].concat()).await.tokens();
    let again = server.post("/oauth2/token", &[&fields[..], &[kind, own]].concat()).await;
    assert_refused(&again, "the assertion is spent, so the code is not even looked at");
    let proven = signer.sign(&assertion(&server, "jwtweb"));
    let [kind, own] = proof(&proven);
    let refreshed = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), kind, own];
    server.post("/oauth2/token", &refreshed).await.tokens();
}

/// RFC 8725 section 3.1.
#[tokio::test]
async fn ca_01_unsigned_is_refused() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let claims = assertion(&server, "jwtc");
    assert_refused(&token(&server, &unsigned(&claims)).await, "none");
    for alg in [json!("none"), json!("None"), json!("NONE"), json!("nOnE"), json!(null), json!(0), json!("")] {
        let signed = signer.sign_as(&json!({ "alg": alg }), &claims);
        let (message, _) = signed.rsplit_once('.').unwrap();
        for tried in [&signed, &format!("{message}.")] {
            assert_refused(&token(&server, tried).await, &format!("{alg} {tried}"));
        }
    }
    assert_refused(&token(&server, &signer.sign_as(&json!({}), &claims)).await, "no alg");
    assert_accepted(&token(&server, &signer.sign(&claims)).await, "nothing of that has spent the jti");
}

/// CVE-2015-9235: a public key is no secret, whatever the header says.
#[tokio::test]
async fn ca_02_a_public_key_is_no_secret() {
    let server = Server::start().await;
    let signer = Signer::new(Algorithm::Rs256);
    by_key(&server, "rsa", &signer.jwks(), json!({ "token_endpoint_auth_signing_alg": "RS256" })).await;
    by_key(&server, "any", &signer.jwks(), json!({})).await;
    let jwk = signer.jwk();
    let modulus = jwk["n"].as_str().unwrap();
    // SubjectPublicKeyInfo of a 2048-bit key with the exponent 65537 (RFC 8017 appendix A.1.1)
    let prefix = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let der = [bytes(prefix), decode(modulus), bytes("0203010001")].concat();
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
    for client in ["rsa", "any"] {
        for secret in [
            pem.as_bytes(),
            pem.trim().as_bytes(),
            &der,
            jwk.to_string().as_bytes(),
            modulus.as_bytes(),
            &decode(modulus),
        ] {
            for alg in ["HS256", "HS512"] {
                assert_refused(&token(&server, &mac(alg, secret, &assertion(&server, client))).await, alg);
            }
        }
        assert_accepted(&token(&server, &signer.sign(&assertion(&server, client))).await, client);
    }
}

/// RFC 8725 section 3.1: without a registered algorithm, each of the list by a key that is for it.
#[tokio::test]
async fn ca_04_without_a_registered_algorithm_the_keys_decide() {
    let server = Server::start().await;
    let algs = [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256];
    let signers = algs.map(Signer::new);
    let keys: Vec<_> = signers.iter().map(Signer::jwk).collect();
    by_key(&server, "any", &json!({ "keys": keys }), json!({})).await;
    for signer in &signers {
        let signed = signer.sign(&assertion(&server, "any"));
        assert_accepted(&token(&server, &signed).await, signer.kid());
    }
    by_key(&server, "one", &json!({ "keys": keys }), json!({ "token_endpoint_auth_signing_alg": "ES384" })).await;
    for (signer, alg) in signers.iter().zip(algs) {
        let answer = token(&server, &signer.sign(&assertion(&server, "one"))).await;
        assert_eq!(answer.status == 200, alg == Algorithm::Es384, "{alg}: {}", answer.body);
    }
}

/// RFC 7517 sections 4.2 to 4.4.
#[tokio::test]
async fn ca_05_a_key_serves_what_it_is_for() {
    let server = Server::start().await;
    let (p256, p384, rsa) = (Signer::es256(), Signer::new(Algorithm::Es384), Signer::new(Algorithm::Rs256));
    let mut bound = rsa.jwk();
    bound["alg"] = json!("RS512");
    let mut encrypting = p256.jwk();
    encrypting["use"] = json!("enc");
    encrypting.as_object_mut().unwrap().remove("alg");
    let mut deriving = p256.jwk();
    deriving["key_ops"] = json!(["deriveBits"]);
    for name in ["use", "alg"] {
        deriving.as_object_mut().unwrap().remove(name);
    }
    for (client, key, signer, alg) in [
        ("p384", p384.jwk(), &p384, "ES256"),
        ("ec", p256.jwk(), &p256, "EdDSA"),
        ("bound", bound, &rsa, "RS256"),
        ("encrypting", encrypting, &p256, "ES256"),
        ("deriving", deriving, &p256, "ES256"),
    ] {
        by_key(&server, client, &json!({ "keys": [key] }), json!({})).await;
        let signed = signer.sign_as(&json!({ "alg": alg }), &assertion(&server, client));
        assert_refused(&token(&server, &signed).await, client);
    }
    let signed = rsa.sign_as(&json!({ "alg": "RS512" }), &assertion(&server, "bound"));
    assert_accepted(&token(&server, &signed).await, "RS512, as the key says");
}

/// RFC 8725 section 3.5: a weak key, and one that is large enough to be an attack, is refused when it is registered.
#[tokio::test]
async fn ca_07_a_weak_key_is_not_registered() {
    let server = Server::start().await;
    let good = Signer::new(Algorithm::Rs256).jwk();
    let modulus = |bits: usize, last: u8| {
        let mut bytes = vec![0xa5_u8; bits / 8];
        *bytes.last_mut().unwrap() = last;
        encode(bytes)
    };
    for (name, value) in [
        ("n", json!(modulus(512, 1))),
        ("n", json!(modulus(1024, 1))),
        ("n", json!(modulus(2048, 2))),
        ("n", json!(modulus(65_536, 1))),
        ("e", json!(encode([1]))),
        ("e", json!(encode([1, 0, 0]))),
        ("d", json!(encode([1; 256]))),
    ] {
        let mut key = good.clone();
        key[name] = value;
        let client = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [key] } });
        let answer = server.admin(Method::POST, "/clients", Some(&client)).await;
        assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()), "{name}: {}", answer.body);
    }
    let symmetric = json!({ "kty": "oct", "k": encode([7; 32]) });
    let client = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [symmetric] } });
    server.admin(Method::POST, "/clients", Some(&client)).await.assert_error(400, "invalid_client_metadata");
}

/// RFC 8725 section 3.10.
#[tokio::test]
async fn ca_08_a_kid_is_compared_and_nothing_else() {
    let server = Server::start().await;
    let signers: Vec<_> = (0..3).map(|_| Signer::es256()).collect();
    let keys: Vec<_> = signers.iter().map(Signer::jwk).collect();
    by_key(&server, "many", &json!({ "keys": keys }), json!({})).await;
    for kid in [
        json!("../../etc/passwd"),
        json!("' OR 1=1--"),
        json!("x".repeat(8000)),
        json!("\u{0}"),
        json!(""),
        json!(1),
        json!({}),
        json!([signers[0].kid()]),
        json!(null),
        json!(signers[1].kid()),
    ] {
        let signed = signers[0].sign_as(&json!({ "alg": "ES256", "kid": kid }), &assertion(&server, "many"));
        assert_refused(&token(&server, &signed).await, &kid.to_string());
    }
    let signed = signers[2].sign_as(&json!({ "alg": "ES256" }), &assertion(&server, "many"));
    assert_accepted(&token(&server, &signed).await, "without a kid each fitting key is tried");
    let stranger = Signer::es256();
    for header in [
        json!({ "alg": "ES256", "jwk": stranger.jwk() }),
        json!({ "alg": "ES256", "jku": "http://127.0.0.1:1/jwks" }),
        json!({ "alg": "ES256", "x5u": "http://127.0.0.1:1/x", "kid": signers[0].kid() }),
    ] {
        let signed = stranger.sign_as(&header, &assertion(&server, "many"));
        assert_refused(&token(&server, &signed).await, &header.to_string());
    }
}

/// RFC 7515 section 4.1.11; RFC 7797 section 6.
#[tokio::test]
async fn ca_10_ca_11_critical_extensions_are_refused() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    for header in [
        r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"ES256","crit":["exp"]}"#,
        r#"{"alg":"ES256","crit":[]}"#,
        r#"{"alg":"ES256","crit":["foo"],"foo":1}"#,
        r#"{"alg":"ES256","crit":"exp"}"#,
        r#"{"alg":"ES256","b64":false}"#,
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
    ] {
        let signed = signer.sign_text(header, &assertion(&server, "jwtc").to_string());
        assert_refused(&token(&server, &signed).await, header);
    }
    let claims = assertion(&server, "jwtc").to_string();
    let twice = claims.replacen('{', r#"{"iss":"jwtc","#, 1);
    let signed = signer.sign_text(r#"{"alg":"ES256"}"#, &twice);
    assert_refused(&token(&server, &signed).await, "a claim twice");
}

/// RFC 7515 section 7.1: one spelling, or a spent token could be sent again in another.
#[tokio::test]
async fn ca_13_only_the_strict_compact_form_is_read() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let good = signer.sign(&assertion(&server, "jwtc"));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let stray = alphabet.as_bytes()[alphabet.find(last).unwrap() ^ 1];
    for odd in [
        json!({ "payload": payload, "protected": header, "signature": signature }).to_string(),
        message.to_owned(),
        format!("{good}."),
        format!("{good}.x"),
        format!("{good}.x.y"),
        format!("{good}="),
        format!("{good}=="),
        format!("{good}\n"),
        format!(" {good}"),
        good.replacen('.', ".\n", 1),
        format!("{}{}", &good[..good.len() - 1], char::from(stray)),
        format!("{message}."),
        format!("{message}.{}", signature.replace(['-', '_'], "+")) + "/",
    ] {
        assert_refused(&token(&server, &odd).await, &odd);
    }
    assert_accepted(&token(&server, &good).await, "as it was made");
}

/// CVE-2025-61920.
#[tokio::test]
async fn ca_14_size_comes_before_everything() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let large = with(assertion(&server, "jwtc"), &json!({ "more": "x".repeat(20_000) }));
    token(&server, &signer.sign(&large)).await.assert_error(400, "invalid_request");
    let header = json!({ "alg": "ES256", "more": "x".repeat(20_000) });
    token(&server, &signer.sign_as(&header, &assertion(&server, "jwtc"))).await.assert_error(400, "invalid_request");
    let deep = assertion(&server, "jwtc").to_string().replacen(
        '{',
        &format!("{{\"deep\":{}1{},", "[".repeat(40), "]".repeat(40)),
        1,
    );
    assert_refused(&token(&server, &signer.sign_text(r#"{"alg":"ES256"}"#, &deep)).await, "depth");
    let most = with(assertion(&server, "jwtc"), &json!({ "more": "x".repeat(11_000) }));
    assert_accepted(&token(&server, &signer.sign(&most)).await, "below 16 KiB");
}

/// CA-16 to CA-22, CA-26, CA-37: every claim is judged; whatever else is in it does no harm.
#[tokio::test]
async fn ca_16_to_ca_26_ca_37_one_changed_claim_is_enough() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let now = server.clock.now().seconds();
    let issuer = server.issuer.clone();
    for changes in [
        json!({ "exp": null }),
        json!({ "exp": now - 11 }),
        json!({ "exp": now - 300 }),
        json!({ "exp": now + 3700 }),
        json!({ "exp": (now + 60).to_string() }),
        json!({ "exp": [now + 60] }),
        json!({ "nbf": now + 61 }),
        json!({ "nbf": "now" }),
        json!({ "iat": now + 61 }),
        json!({ "iat": now - 7 * 86_400 }),
        json!({ "iat": null }),
        json!({ "aud": "https://other.example" }),
        json!({ "aud": "" }),
        json!({ "aud": [] }),
        json!({ "aud": [1] }),
        json!({ "aud": { "a": issuer } }),
        json!({ "aud": null }),
        json!({ "aud": [issuer] }),
        json!({ "aud": format!("{issuer}/") }),
        json!({ "aud": format!("{issuer}/oauth2/token") }),
        json!({ "aud": format!("{issuer}.evil.example") }),
        json!({ "aud": issuer.to_uppercase() }),
        json!({ "jti": null }),
        json!({ "jti": "" }),
        json!({ "jti": 7 }),
        json!({ "jti": ["a"] }),
        json!({ "jti": "x".repeat(257) }),
        json!({ "iss": "web" }),
        json!({ "iss": ["jwtc"] }),
        json!({ "sub": "web" }),
        json!({ "sub": null }),
        json!({ "iss": "web", "sub": "web" }),
        json!({ "iss": "svc", "sub": "svc" }),
        json!({ "iss": "nobody", "sub": "nobody" }),
    ] {
        let signed = signer.sign(&with(assertion(&server, "jwtc"), &changes));
        assert_refused(&token(&server, &signed).await, &changes.to_string());
    }
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        let mut claims = assertion(&server, "jwtc");
        claims.as_object_mut().unwrap().remove(name);
        assert_refused(&token(&server, &signer.sign(&claims)).await, name);
    }
    for changes in [
        json!({ "exp": now - 1 }),
        json!({ "exp": now + 3600 }),
        json!({ "exp": now + 60, "nbf": now + 8, "iat": now + 8 }),
        json!({ "jti": "x".repeat(256) }),
        json!({ "anything": [{ "else": 1 }], "nonce": "n", "sid": null }),
    ] {
        let signed = signer.sign(&with(assertion(&server, "jwtc"), &changes));
        assert_accepted(&token(&server, &signed).await, &changes.to_string());
    }
    let mut bare = assertion(&server, "jwtc");
    bare.as_object_mut().unwrap().remove("iat");
    assert_accepted(&token(&server, &signer.sign(&bare)).await, "iat may be left out");
}

/// CVE-2025-27370: only where the operator puts up with it, and only these.
#[tokio::test]
async fn ca_23_older_audiences_where_they_are_put_up_with() {
    let server = Server::with(|config| config.oauth2.compatible_audience = true).await;
    let signer = jwtc(&server).await;
    let issuer = server.issuer.clone();
    for (aud, is_good) in [
        (json!(issuer), true),
        (json!([issuer]), true),
        (json!(format!("{issuer}/oauth2/token")), true),
        (json!([format!("{issuer}/oauth2/token"), "https://other.example"]), true),
        (json!(format!("{issuer}/oauth2/token/")), false),
        (json!(format!("{issuer}/oauth2/revoke")), false),
        (json!(format!("{issuer}/oauth2/TOKEN")), false),
        (json!(["https://other.example"]), false),
        (json!([issuer, 1]), false),
    ] {
        let signed = signer.sign(&with(assertion(&server, "jwtc"), &json!({ "aud": aud })));
        let answer = token(&server, &signed).await;
        match is_good {
            true => assert_accepted(&answer, &aud.to_string()),
            false => assert_refused(&answer, &aud.to_string()),
        }
    }
}

/// RFC 8725 sections 3.11 and 3.12.
#[tokio::test]
async fn ca_25_a_token_of_another_kind_is_no_assertion() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let tokens = server.tokens_with("openid offline").await;
    for other in [tokens.id_token.as_deref().unwrap(), &tokens.access_token, tokens.refresh()] {
        assert_refused(&token(&server, other).await, other);
    }
    for typ in ["at+jwt", "dpop+jwt", "logout+jwt", "oauth-authz-req+jwt", "secevent+jwt", "jwt2", "", "JWT "] {
        let header = json!({ "alg": "ES256", "typ": typ });
        assert_refused(&token(&server, &signer.sign_as(&header, &assertion(&server, "jwtc"))).await, typ);
    }
    for typ in ["JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"] {
        let header = json!({ "alg": "ES256", "typ": typ });
        assert_accepted(&token(&server, &signer.sign_as(&header, &assertion(&server, "jwtc"))).await, typ);
    }
}

/// CA-28: one of many, at three endpoints and two replicas; and after a restart none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ca_28_an_assertion_counts_once() {
    let mut one = Server::on(Database::new().await, hydrant::clock::Clock::manual(), |_| {}).await;
    let issuer = one.issuer.clone();
    let mut two = Server::on(one.database.clone(), one.clock.clone(), |config| {
        config.urls.issuer.clone_from(&issuer);
        config.urls.issuer_url = issuer.parse().unwrap();
    })
    .await;
    two.issuer = format!("http://127.0.0.1:{}", two.config().serve.public.port);
    let signer = jwtc(&one).await;
    let spent = {
        let servers = [Arc::new(one), Arc::new(two)];
        let mut spent = String::new();
        for _ in 0..3 {
            spent = signer.sign(&assertion(&servers[0], "jwtc"));
            let answers = race(32, |racer| {
                let (server, own) = (Arc::clone(&servers[racer % 2]), spent.clone());
                async move {
                    let [kind, own] = proof(&own);
                    match racer % 3 {
                        0 => server.post("/oauth2/token", &[GRANT, kind, own]).await,
                        1 => server.post("/oauth2/revoke", &[("token", "hya_x"), kind, own]).await,
                        _ => server.post("/oauth2/introspect", &[("token", "hya_x"), kind, own]).await,
                    }
                }
            })
            .await;
            assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
            for answer in answers.iter().filter(|answer| answer.status != 200) {
                assert_refused(answer, "a racer");
            }
        }
        let [first, _] = servers;
        one = Arc::into_inner(first).unwrap();
        spent
    };
    one.stop().await;
    one.resume().await;
    assert_refused(&token(&one, &spent).await, "after a restart");
    // It leaves the table when it could not pass any more, and not before.
    one.pass(60);
    one.app().store.sweep(one.clock.now()).await.unwrap();
    assert_eq!(one.database.count("used_jtis").await, 3);
    one.pass(120);
    one.app().store.sweep(one.clock.now()).await.unwrap();
    assert_eq!(one.database.count("used_jtis").await, 0);
}

/// RFC 7519 section 4.1.7.
#[tokio::test]
async fn ca_29_one_clients_jti_is_not_anothers() {
    let server = Server::start().await;
    let first = jwtc(&server).await;
    let second = Signer::es256();
    by_key(&server, "other", &second.jwks(), json!({})).await;
    let same = json!({ "jti": "1" });
    for (signer, client) in [(&first, "jwtc"), (&second, "other")] {
        let signed = signer.sign(&with(assertion(&server, client), &same));
        assert_accepted(&token(&server, &signed).await, client);
        assert_refused(&token(&server, &signed).await, client);
    }
}

/// CA-31: the same claims under another signature are the same assertion.
#[tokio::test]
async fn ca_31_another_signature_is_no_other_assertion() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let claims = assertion(&server, "jwtc");
    let (first, second) = (signer.sign(&claims), signer.sign(&claims));
    assert_ne!(first, second, "ECDSA is randomised");
    assert_accepted(&token(&server, &first).await, "the first");
    assert_refused(&token(&server, &second).await, "signed anew");
    // (r, n - s) fits as well, by the nature of ECDSA.
    let order = decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");
    let (message, signature) = first.rsplit_once('.').unwrap();
    let mut bytes = decode(signature);
    let mut borrow = 0_i16;
    for at in (0..32).rev() {
        let difference = i16::from(order[at]) - i16::from(bytes[32 + at]) - borrow;
        borrow = i16::from(difference < 0);
        bytes[32 + at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    assert_refused(&token(&server, &format!("{message}.{}", encode(bytes))).await, "n - s");
}

/// RFC 7521 section 4.2; RFC 6749 section 2.3.
#[tokio::test]
async fn ca_34_both_parameters_once_and_no_other_method() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let signed = signer.sign(&assertion(&server, "jwtc"));
    let [kind, own] = proof(&signed);
    for fields in [
        vec![GRANT, own],
        vec![GRANT, kind],
        vec![GRANT, ("client_assertion_type", "urn:x:foo"), own],
        vec![GRANT, kind, own, own],
        vec![GRANT, kind, kind, own],
        vec![GRANT, kind, own, ("client_secret", "x")],
        vec![GRANT, kind, own, ("client_id", "jwtc"), ("client_secret", "x")],
    ] {
        server.post("/oauth2/token", &fields).await.assert_error(400, "invalid_request");
    }
    let answer = server.post("/oauth2/token", &[GRANT, kind, own, ("client_id", "web")]).await;
    assert_refused(&answer, "client_id names another");
    for (path, rest) in [("/oauth2/token?", ""), ("/oauth2/token?client_id=jwtc&", "&grant_type=client_credentials")] {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs([kind, own]).finish();
        let in_url = server.post(&format!("{path}{query}{rest}"), &[GRANT]).await;
        in_url.assert_error(401, "invalid_client");
    }
    assert_accepted(&server.post("/oauth2/token", &[GRANT, kind, own, ("client_id", "jwtc")]).await, "as it should be");
}

/// CA-35: what is encrypted is not signed by anybody.
#[tokio::test]
async fn ca_35_an_encrypted_token_is_no_assertion() {
    let server = Server::start().await;
    jwtc(&server).await;
    for header in [
        json!({ "alg": "RSA1_5", "enc": "A128GCM" }),
        json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 1_000_000_000 }),
        json!({ "alg": "RSA-OAEP-256", "enc": "A128GCM", "zip": "DEF" }),
        json!({ "alg": "dir", "enc": "A128GCM" }),
    ] {
        let claims = encode(assertion(&server, "jwtc").to_string());
        let token_ =
            format!("{}.{}.{}.{claims}.{}", encode(header.to_string()), encode("k"), encode("iv"), encode("t"));
        assert_refused(&token(&server, &token_).await, &header.to_string());
    }
}

/// Only the method that is registered: a secret is no key, and a key no secret.
#[tokio::test]
async fn only_the_registered_method_counts() {
    let server = Server::start().await;
    let signer = jwtc(&server).await;
    let secret = by_secret(&server, "secretjwt", json!({ "client_secret": LONG_SECRET })).await;
    assert_eq!(secret, LONG_SECRET);
    // `svc` has a secret, and is registered for Basic.
    let posted = mac("HS256", crate::support::SECRET.as_bytes(), &assertion(&server, "svc"));
    assert_refused(&token(&server, &posted).await, "svc");
    assert_refused(&token(&server, &signer.sign(&assertion(&server, "svc"))).await, "svc by a key of another");
    assert_refused(&token(&server, &signer.sign(&assertion(&server, "secretjwt"))).await, "secretjwt by a key");
    assert_refused(
        &token(&server, &mac("HS256", secret.as_bytes(), &assertion(&server, "jwtc"))).await,
        "jwtc by a secret",
    );
    for basic in [true, false] {
        let request = server.http.post(server.url("/oauth2/token"));
        let request = match basic {
            true => request.basic_auth("secretjwt", Some(LONG_SECRET)).form(&[GRANT]),
            false => request.form(&[GRANT, ("client_id", "secretjwt"), ("client_secret", LONG_SECRET)]),
        };
        Answer::of(request.send().await.unwrap()).await.assert_error(401, "invalid_client");
    }
    server.post("/oauth2/token", &[GRANT, ("client_id", "jwtc")]).await.assert_error(401, "invalid_client");
    assert_accepted(&token(&server, &mac("HS256", secret.as_bytes(), &assertion(&server, "secretjwt"))).await, "own");
}

/// CA-04 for secrets: the registered algorithm alone.
#[tokio::test]
async fn a_secret_signs_with_the_registered_algorithm() {
    let server = Server::start().await;
    let secret = by_secret(&server, "hs384", json!({ "token_endpoint_auth_signing_alg": "HS384" })).await;
    for alg in ["HS256", "HS384", "HS512"] {
        let answer = token(&server, &mac(alg, secret.as_bytes(), &assertion(&server, "hs384"))).await;
        assert_eq!(answer.status == 200, alg == "HS384", "{alg}: {}", answer.body);
    }
    for wrong in ["", "x", &secret[1..], LONG_SECRET] {
        assert_refused(&token(&server, &mac("HS384", wrong.as_bytes(), &assertion(&server, "hs384"))).await, wrong);
    }
    let short = json!({
        "token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS384",
        "client_secret": "x".repeat(47),
    });
    let answer = server.admin(Method::POST, "/clients", Some(&short)).await;
    assert_eq!(answer.error().1, "invalid_client_metadata");
    assert!(answer.body.contains("client_secret") && answer.body.contains("48"), "{}", answer.body);
}

/// TC-10.
#[tokio::test]
async fn tc_10_an_expired_secret_signs_nothing() {
    let server = Server::start().await;
    let secret = by_secret(&server, "short", json!({})).await;
    let at = server.clock.now().seconds() + 60;
    server.database.execute(&format!("UPDATE clients SET secret_expires_at = {at} WHERE id = 'short'")).await;
    server.change_client("short", |client| client["client_name"] = json!("read anew")).await;
    assert_accepted(&token(&server, &mac("HS256", secret.as_bytes(), &assertion(&server, "short"))).await, "before");
    server.pass(60);
    assert_refused(&token(&server, &mac("HS256", secret.as_bytes(), &assertion(&server, "short"))).await, "after");
}

//! Private keys that another server signed with, taken in by `/admin/keys` and by `hydrant key import`: what they signed
//! stays good.

use hydrant::config::Config;
use hydrant::jose::Algorithm;
use hydrant::keys::{ACCESS_TOKEN_SET, ID_TOKEN_SET, Keys};
use hydrant::secret::Secret;
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin_keys::{ID_TOKENS, call, kids, let_it_take_over, make, published};
use crate::key_rotation::{RS256, rotate, signed_by, states};
use crate::support::process::{self, Setup};
use crate::support::signer::Signer;
use crate::support::{Authorize, Database, Server, unverified};

/// A key of another server, under the name that it had there.
struct Old {
    signer: Signer,
    kid: &'static str,
}

impl Old {
    fn new(alg: Algorithm, kid: &'static str) -> Self {
        Self { signer: Signer::new(alg), kid }
    }

    /// As Hydra's admin API gives it out.
    fn jwk(&self) -> Value {
        let mut jwk = self.signer.private_jwk();
        jwk["kid"] = json!(self.kid);
        jwk
    }

    /// What the other server signed, with claims of ours.
    fn sign(&self, typ: &str, claims: &Value) -> String {
        self.signer.sign_as(&json!({ "alg": self.signer.alg(), "kid": self.kid, "typ": typ }), claims)
    }
}

async fn claims(server: &Server) -> Value {
    json!(server.tokens_with("openid").await.claims())
}

async fn is_hint(server: &Server, token: &str) -> bool {
    let request = Authorize::web().set("id_token_hint", token);
    let location = server.ask(&request).await.get.location().unwrap();
    !location.contains("error=invalid_request")
}

const HYDRA_KID: &str = "2f4c1d1e-7f5a-4d7b-9f0e-0b7a1c2d3e4f";

/// PUT of one key: it is published and believed at once, and signs after the time that caches need, as after a rotation.
#[tokio::test]
async fn an_imported_key_is_believed_at_once_and_signs_later() {
    let server = Server::start().await;
    let hydra = Old::new(Algorithm::Rs256, HYDRA_KID);
    let token = hydra.sign("JWT", &claims(&server).await);
    assert!(!is_hint(&server, &token).await, "nobody knows it yet");
    let own = signed_by(&server).await;
    let own_token = server.tokens_with("openid").await.id_token.unwrap();

    let path = format!("{ID_TOKENS}/{HYDRA_KID}");
    let put = call(&server, Method::PUT, &path, Some(hydra.jwk())).await;
    assert_eq!(put.status, 200, "{}", put.body);
    let mut public = hydra.signer.jwk();
    public["kid"] = json!(HYDRA_KID);
    assert_eq!(put.json(), public);
    assert_eq!(call(&server, Method::GET, &path, None).await.json(), json!({ "keys": [public] }));
    assert!(server.jwks().await["keys"].as_array().unwrap().contains(&public));
    assert!(is_hint(&server, &token).await);
    assert_eq!(signed_by(&server).await, own);
    // Once more changes nothing.
    assert_eq!(call(&server, Method::PUT, &path, Some(hydra.jwk())).await.json(), public);
    assert_eq!(kids(&server, ID_TOKEN_SET).await, [HYDRA_KID, &own]);

    let_it_take_over(&server).await;
    assert_eq!(signed_by(&server).await, HYDRA_KID);
    assert!(is_hint(&server, &own_token).await, "what ours signed before stays good");
    // The imported key goes the way of every other.
    rotate(&server, RS256).await;
    let_it_take_over(&server).await;
    assert_ne!(signed_by(&server).await, HYDRA_KID);
    assert!(is_hint(&server, &token).await);
    assert_eq!(call(&server, Method::DELETE, &path, None).await.status, 204);
    assert!(!is_hint(&server, &token).await, "JK-07");
    call(&server, Method::PUT, &path, Some(hydra.jwk())).await.assert_error(409, "conflict");
}

/// PUT of a set, which is how one moves house: the first for each algorithm signs at once, the others verify, and what was
/// there before is revoked. RS256 is always there.
#[tokio::test]
async fn an_imported_set_takes_the_place_of_the_other_at_once() {
    let server = Server::start().await;
    let own_token = server.tokens_with("openid").await.id_token.unwrap();
    let (newest, older) = (Old::new(Algorithm::Rs256, "hydra-2"), Old::new(Algorithm::Rs256, "hydra-1"));
    let claims = claims(&server).await;
    let body = json!({ "keys": [newest.jwk(), older.jwk()] });
    let put = call(&server, Method::PUT, ID_TOKENS, Some(body.clone())).await;
    assert_eq!(put.status, 200, "{}", put.body);
    assert_eq!(kids(&server, ID_TOKEN_SET).await, ["hydra-2", "hydra-1"]);
    assert_eq!(published(&server).await[..2], ["hydra-2", "hydra-1"]);
    assert_eq!(signed_by(&server).await, "hydra-2");
    for old in [&newest, &older] {
        assert!(is_hint(&server, &old.sign("JWT", &claims)).await, "{}", old.kid);
    }
    assert!(!is_hint(&server, &own_token).await);
    // The one that only verifies has an end, as after a rotation.
    let_it_take_over(&server).await;
    let listed = server.app().keys.list(&server.app().store, server.clock.now()).await.unwrap();
    let ends = |kid: &str| listed.iter().find(|key| key.kid == kid).unwrap().retire_at.is_some();
    assert!(ends("hydra-1") && !ends("hydra-2"));

    // The other way round: the order says which one signs. A key that is there already needs no private part.
    let shown = call(&server, Method::GET, ID_TOKENS, None).await.json();
    let back = json!({ "keys": [shown["keys"][1], shown["keys"][0]] });
    assert_eq!(call(&server, Method::PUT, ID_TOKENS, Some(back)).await.status, 200);
    assert_eq!(signed_by(&server).await, "hydra-1");

    // A set without RS256 does not leave the server without it.
    let es256 = Old::new(Algorithm::Es256, "hydra-es");
    let put = call(&server, Method::PUT, ID_TOKENS, Some(json!({ "keys": [es256.jwk()] }))).await.json();
    let algs: Vec<_> = put["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert!(algs.len() == 2 && algs.contains(&"RS256") && algs.contains(&"ES256"), "{put}");
    assert!(!["hydra-1", "hydra-2"].contains(&signed_by(&server).await.as_str()));
    call(&server, Method::PUT, ID_TOKENS, Some(body)).await.assert_error(409, "conflict");
    call(&server, Method::PUT, ID_TOKENS, Some(json!({ "keys": [] }))).await.assert_error(400, "invalid_request");
}

/// JK-02: a set that is put back as it was shown changes nothing: a successor goes on waiting until every cache has it.
#[tokio::test]
async fn jk_02_a_set_that_is_put_back_stays_as_it_is() {
    let server = Server::start().await;
    let own = signed_by(&server).await;
    make(&server, ID_TOKEN_SET, json!({ "alg": "RS256" })).await;
    let before = states(&server, ID_TOKEN_SET).await;
    let shown = call(&server, Method::GET, ID_TOKENS, None).await.json();
    assert_eq!(call(&server, Method::PUT, ID_TOKENS, Some(shown.clone())).await.json(), shown);
    assert_eq!(states(&server, ID_TOKEN_SET).await, before);
    assert_eq!(signed_by(&server).await, own);
}

/// A member of another type of key is no part of this one: it is left out, and the server starts again.
#[tokio::test]
async fn jk_08_a_stray_member_does_no_harm() {
    let mut server = Server::start().await;
    for (alg, strays) in [
        (Algorithm::Rs256, json!({ "crv": "P-256", "x": "AAAA", "y": "AAAA" })),
        (Algorithm::Es256, json!({ "n": "AAAA", "e": "AQAB" })),
        (Algorithm::EdDsa, json!({ "y": "", "n": "AAAA" })),
    ] {
        let kid: &'static str = alg.as_str();
        let mut jwk = Old::new(alg, kid).jwk();
        jwk.as_object_mut().unwrap().extend(strays.as_object().unwrap().clone());
        let put = call(&server, Method::PUT, &format!("{ID_TOKENS}/{kid}"), Some(jwk)).await;
        assert_eq!(put.status, 200, "{kid}: {}", put.body);
        for stray in strays.as_object().unwrap().keys() {
            assert!(put.json().get(stray).is_none(), "{kid}: {}", put.body);
        }
    }
    make(&server, ID_TOKEN_SET, json!({ "alg": "PS256" })).await;
    server.stop().await;
    server.resume().await;
    assert_eq!(kids(&server, ID_TOKEN_SET).await.len(), 5);
    signed_by(&server).await;
}

/// RFC 9068: the same for the keys of JWT access tokens, in every algorithm.
#[tokio::test]
async fn an_imported_key_signs_access_tokens() {
    let server = Server::with(|config| config.strategies.access_token_alg = "ES384".to_owned()).await;
    let robot = json!({
        "grant_types": ["client_credentials"], "response_types": [], "scope": "photos.read",
        "access_token_strategy": "jwt",
    });
    server.client("robot", robot).await;
    let olds = Algorithm::ALL.map(|alg| Old::new(alg, Box::leak(format!("old-{alg}").into_boxed_str())));
    let body = json!({ "keys": olds.iter().map(Old::jwk).collect::<Vec<_>>() });
    let put = call(&server, Method::PUT, "/keys/hydra.jwt.access-token", Some(body)).await;
    assert_eq!(put.status, 200, "{}", put.body);
    assert_eq!(states(&server, ACCESS_TOKEN_SET).await.len(), Algorithm::ALL.len());
    let token = server.client_tokens("robot", &[("scope", "photos.read")]).await.access_token;
    assert_eq!(unverified(&token, 0)["kid"], "old-ES384", "the first of its algorithm");
    assert!(server.introspect(&token).await.active);
    // And one that only it has signed, in each algorithm that the tests' own signer has.
    let claims = json!(unverified(&token, 1));
    for old in olds.iter().filter(|old| ["RS256", "PS256", "ES256", "ES384", "EdDSA"].contains(&old.signer.alg())) {
        assert!(server.introspect(&old.sign("at+jwt", &claims)).await.active, "{}", old.kid);
    }
}

/// JK-08, JK-10: a key that is weak, that contradicts itself or the path, or that is no private key, is refused with the
/// reason, and of a set that has one nothing is taken.
#[tokio::test]
async fn jk_08_an_unsound_key_is_refused() {
    let server = Server::start().await;
    let (rsa, ec, other) =
        (Old::new(Algorithm::Rs256, "bad"), Old::new(Algorithm::Es256, "bad"), Old::new(Algorithm::Es256, "bad"));
    let with = |mut jwk: Value, changes: Value| {
        jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        jwk
    };
    let weak = json!({
        "kty": "RSA", "kid": "bad", "alg": "RS256", "e": "AQAB", "n": crate::support::signer::encode([0xff; 128]),
        "d": "AQ", "p": "AQ", "q": "AQ", "dp": "AQ", "dq": "AQ", "qi": "AQ",
    });
    let before = (server.jwks().await, server.database.count("keys").await);
    for (jwk, word) in [
        (weak, "2048"),
        (json!({ "kty": "oct", "kid": "bad", "k": "c2VjcmV0", "alg": "HS256" }), "symmetric"),
        (with(ec.jwk(), json!({ "x": other.jwk()["x"], "y": other.jwk()["y"] })), "belong together"),
        (with(ec.jwk(), json!({ "d": other.jwk()["d"] })), "belong together"),
        (with(ec.jwk(), json!({ "y": ec.jwk()["x"] })), "no key"),
        (with(rsa.jwk(), json!({ "n": Signer::new(Algorithm::Rs256).jwk()["n"] })), "belong together"),
        (with(rsa.jwk(), json!({ "dp": rsa.jwk()["dq"] })), "belong together"),
        (with(rsa.jwk(), json!({ "use": "enc" })), "use"),
        (with(rsa.jwk(), json!({ "alg": "RSA-OAEP-256" })), "alg"),
        (with(rsa.jwk(), json!({ "alg": "ES256" })), "alg"),
        (with(ec.jwk(), json!({ "key_ops": ["verify"] })), "key_ops"),
        (with(ec.jwk(), json!({ "key_ops": ["sign", "encrypt"] })), "key_ops"),
    ] {
        for set in [ID_TOKEN_SET, "mine"] {
            let one = call(&server, Method::PUT, &format!("/keys/{set}/bad"), Some(jwk.clone())).await;
            one.assert_error(400, "invalid_request");
            assert!(one.body.contains(word), "{word}: {}", one.body);
            let good = Old::new(Algorithm::Es256, "good").jwk();
            let all = json!({ "keys": [good, jwk] });
            let all = call(&server, Method::PUT, &format!("/keys/{set}"), Some(all)).await;
            all.assert_error(400, "invalid_request");
            assert!(all.body.contains("Key 2") && all.body.contains(word), "{word}: {}", all.body);
        }
    }
    let path = format!("{ID_TOKENS}/bad");
    let mut public = ec.signer.jwk();
    public["kid"] = json!("bad");
    for (path, body, status) in [
        // The server can not sign with it.
        (path.as_str(), public.clone(), 400),
        (ID_TOKENS, json!({ "keys": [public] }), 400),
        // The kid is another than the path's, is no name, or is there twice.
        ("/keys/mine/good", ec.jwk(), 400),
        ("/keys/mine/a%2Fb", with(ec.jwk(), json!({ "kid": "a/b" })), 400),
        ("/keys/mine", json!({ "keys": [ec.jwk(), other.jwk()] }), 400),
        ("/keys/mine", json!({}), 400),
        ("/keys/mine", json!({ "keys": [7] }), 400),
        ("/keys/mine/bad", json!({ "kty": 7 }), 400),
        ("/keys/mine/bad", json!([]), 400),
    ] {
        let answer = call(&server, Method::PUT, path, Some(body)).await;
        assert_eq!(answer.error(), (status, "invalid_request".to_owned()), "{path}: {}", answer.body);
    }
    let twice = format!("{{\"kid\": \"bad\", {}", &ec.jwk().to_string()[1..]);
    let url = format!("{}/admin/keys/mine/bad", server.admin);
    let request = server.http.put(url).header("content-type", "application/json").body(twice);
    assert_eq!(request.send().await.unwrap().status(), 400, "a member twice");
    assert_eq!((server.jwks().await, server.database.count("keys").await), before);
}

/// JK-08: a kid is one key's, wherever it is.
#[tokio::test]
async fn jk_08_a_kid_that_is_taken_is_a_conflict() {
    let server = Server::start().await;
    let own = signed_by(&server).await;
    let other = Signer::new(Algorithm::Rs256);
    let mut jwk = other.private_jwk();
    jwk["kid"] = json!(own);
    for path in [format!("{ID_TOKENS}/{own}"), format!("/keys/mine/{own}"), format!("/keys/{ACCESS_TOKEN_SET}/{own}")] {
        call(&server, Method::PUT, &path, Some(jwk.clone())).await.assert_error(409, "conflict");
    }
    call(&server, Method::PUT, ID_TOKENS, Some(json!({ "keys": [jwk] }))).await.assert_error(409, "conflict");
    assert_eq!(signed_by(&server).await, own);
    // JK-10: nor is a key there twice, under two names or for two algorithms.
    let signer = Signer::new(Algorithm::Rs256);
    let named = |kid: &str, alg: &str| {
        let mut jwk = signer.private_jwk();
        (jwk["kid"], jwk["alg"]) = (json!(kid), json!(alg));
        jwk
    };
    let put = async |set: &str, kid: &str, alg: &str| {
        call(&server, Method::PUT, &format!("/keys/{set}/{kid}"), Some(named(kid, alg))).await
    };
    assert_eq!(put(ID_TOKEN_SET, "once", "RS256").await.status, 200);
    for (set, kid, alg) in
        [(ID_TOKEN_SET, "twice", "RS256"), (ID_TOKEN_SET, "twice", "PS256"), (ACCESS_TOKEN_SET, "twice", "RS256")]
    {
        let refused = put(set, kid, alg).await;
        refused.assert_error(400, "invalid_request");
        assert!(refused.body.contains("another key"), "{}", refused.body);
    }
    let both = json!({ "keys": [named("a", "RS256"), named("b", "PS256")] });
    call(&server, Method::PUT, "/keys/mine", Some(both)).await.assert_error(400, "invalid_request");
    assert_eq!(call(&server, Method::DELETE, &format!("{ID_TOKENS}/once"), None).await.status, 204);
    put(ID_TOKEN_SET, "twice", "RS256").await.assert_error(400, "invalid_request");
    // An operator's own key may be replaced by its name; without one it takes the path's.
    jwk["kid"] = json!("mine-1");
    assert_eq!(call(&server, Method::PUT, "/keys/mine/mine-1", Some(jwk)).await.status, 200);
    let mut anew = Signer::new(Algorithm::EdDsa).private_jwk();
    anew.as_object_mut().unwrap().remove("kid");
    let put = call(&server, Method::PUT, "/keys/mine/mine-1", Some(anew.clone())).await.json();
    assert_eq!([&put["kid"], &put["alg"], &put["x"]], [&json!("mine-1"), &json!("EdDSA"), &anew["x"]]);
    assert_eq!(kids(&server, "mine").await, ["mine-1"]);
    make(&server, "mine", json!({ "alg": "ES256" })).await;
    let put = call(&server, Method::PUT, "/keys/mine", Some(json!({ "keys": [anew] }))).await.json();
    assert_eq!(put["keys"].as_array().unwrap().len(), 1, "all else of the set is gone");
}

/// AD-07, JK-13: what was imported rests sealed, bound to its row; and nothing of it is ever shown.
#[tokio::test]
async fn ad_07_jk_13_an_imported_key_is_sealed_and_never_shown() {
    let server = Server::start().await;
    let old = Old::new(Algorithm::Rs256, "old");
    let jwk = old.jwk();
    let answers = [
        call(&server, Method::PUT, "/keys/mine/old", Some(jwk.clone())).await,
        call(&server, Method::GET, "/keys/mine/old", None).await,
        call(&server, Method::GET, "/keys/mine", None).await,
        call(&server, Method::PUT, "/keys/mine", Some(json!({ "keys": [jwk] }))).await,
    ];
    let mut shown: String = answers.iter().map(|answer| answer.body.as_str()).collect();
    shown.push_str(&server.database.dump().await);
    for name in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(!shown.contains(jwk[name].as_str().unwrap()), "{name}");
    }
    assert!(shown.contains(jwk["n"].as_str().unwrap()));
    let rows = server.app().store.keys().await.unwrap();
    let sealed = &rows.iter().find(|row| row.id == "old").unwrap().private_sealed;
    let system = server.app().keys.system();
    assert!(system.open("keys/mine/old", sealed).is_some() && system.open("keys/mine/other", sealed).is_none());
    // A start with secrets that do not open it is refused, and names it.
    let mut config: Config = server.config().clone();
    config.secrets.system = vec![Secret::new("another secret than the one before")];
    assert!(Keys::new(&config).load(&server.app().store, server.clock.now()).await.is_err());
}

/// JK-14: an older secret can go once the keys are sealed under the first.
#[tokio::test]
async fn jk_14_keys_are_sealed_anew() {
    let server = Server::start().await;
    make(&server, "mine", json!({ "alg": "ES256", "kid": "mine-1" })).await;
    let (store, now) = (&server.app().store, server.clock.now());
    let mut config: Config = server.config().clone();
    config.secrets.system.insert(0, Secret::new("a newer secret than the one before"));
    let (both, count) = (Keys::new(&config), store.keys().await.unwrap().len());
    assert_eq!(both.reseal(store).await.unwrap(), count);
    assert_eq!(both.reseal(store).await.unwrap(), 0);
    config.secrets.system.truncate(1);
    Keys::new(&config).load(store, now).await.unwrap();
}

/// `hydrant key import` before the first start: the imported keys are the first, and sign at once.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_imported_before_the_first_start() {
    let database = Database::empty().await;
    let run = |arguments: &[&str], input: &str| {
        process::run(database.dsn(), &[arguments, &["--dev", "--format", "json"]].concat(), input)
    };
    assert_eq!(run(&["migrate", "up"], "").status, 0);
    let (newest, older) = (Old::new(Algorithm::Rs256, "hydra-2"), Old::new(Algorithm::Rs256, "hydra-1"));
    let set = json!({ "keys": [newest.jwk(), older.jwk()] }).to_string();
    let import = ["key", "import", "--set", ID_TOKEN_SET];
    let listed = run(&[&import[..], &["-"]].concat(), &set).json();
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|key| [&key["kid"], &key["state"]]).collect();
    assert_eq!(listed, [["hydra-2", "active"], ["hydra-1", "verifying"]]);
    let mut process = Setup::dev(database.dsn()).start().await;
    let jwks = process.setup.url("/.well-known/jwks.json");
    let jwks: Value = crate::support::client().get(jwks).send().await.unwrap().json().await.unwrap();
    let rs256 = jwks["keys"].as_array().unwrap().iter().filter(|key| key["alg"] == "RS256").count();
    assert_eq!(rs256, 2, "none was made besides: {jwks}");
    process.kill();

    // Sets of one's own, and PEM.
    let signer = Signer::es256();
    let import = ["key", "import", "--set", "mine", "--kid", "mine-1", "-"];
    let one = run(&import, &signer.pem()).json();
    assert_eq!([&one[0]["kid"], &one[0]["alg"], &one[0]["state"]], ["mine-1", "ES256", "kept"]);
    let listed = run(&["key", "list"], "").json();
    assert!(listed.as_array().unwrap().contains(&one[0]) && !listed.to_string().contains("private"));
    run(&["key", "import", "--set", SEAL, "-"], &signer.pem()).failed(1, "no such set");
    run(&["key", "import", "--set", "mine", "-"], "nothing").failed(1, "no private key");
    run(&["key", "import", "--set", "mine", "/nowhere/key.pem"], "").failed(1, "/nowhere/key.pem can not be read");
    run(&["key", "import", "--set", "a/b", "-"], &signer.pem()).failed(1, "128 letters");
    run(&["key", "import", "--set", ID_TOKEN_SET, "--kid", "mine-1", "-"], &Signer::es256().pem())
        .failed(1, "another key");
    let replaced = run(&["key", "import", "--set", "mine", "--replace", "-"], &Signer::es256().pem()).json();
    assert_eq!(replaced.as_array().unwrap().len(), 1);
    let kid = replaced[0]["kid"].as_str().unwrap();
    let revoke = ["key", "revoke", "--dev", "--format", "json", "--", kid];
    assert_eq!(process::run(database.dsn(), &revoke, "").json()["set"], "mine");
    assert!(!run(&["key", "list"], "").json().to_string().contains("\"mine\""));
}

const SEAL: &str = "hydrant.seal";

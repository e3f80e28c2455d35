//! What tokens carry after a token hook was asked: introspection, JWT access tokens, ID tokens and userinfo, then and
//! after the next refresh.

use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use crate::support::apps::{CONSENT_APP, LOGIN_APP};
use crate::support::{Authorize, Hook, Server, Tokens, VERIFIER, unverified};

const CALLBACK: &str = "https://rp.example/cb";

async fn server(hook: &Hook) -> Server {
    let server = Server::with(|config| config.oauth2.token_hook = Some(hook.config())).await;
    server.front_client("jwt", json!({ "access_token_strategy": "jwt" })).await;
    let robot = json!({
        "grant_types": ["client_credentials"], "response_types": [], "scope": "photos.read",
        "access_token_strategy": "jwt",
    });
    server.client("robot", robot).await;
    server
}

async fn tokens(server: &Server, client: &str) -> Tokens {
    let request = Authorize::of(client, CALLBACK).set("scope", "openid offline_access profile");
    let code = server.browser().code(&request, "alice").await;
    server.redeem(client, &code, CALLBACK, Some(VERIFIER)).await.tokens()
}

fn session(access_token: &Value, id_token: &Value) -> Value {
    json!({ "session": { "access_token": access_token, "id_token": id_token } })
}

/// Asserts what everybody is told of these tokens: `ext`, and `role` in the ID token and at userinfo.
async fn assert_told(server: &Server, tokens: &Tokens, ext: &Value, role: &Value) {
    let ext = ext.as_object().filter(|ext| !ext.is_empty()).map(|_| ext);
    let told = server.introspect(&tokens.access_token).await;
    assert!(told.active);
    assert_eq!(told.rest.get("ext"), ext);
    let refresh = server.introspect(tokens.refresh()).await;
    assert_eq!(refresh.rest.get("ext"), ext);
    if tokens.access_token.contains('.') {
        assert_eq!(unverified(&tokens.access_token, 1).get("ext"), ext);
    }
    let role = Some(role).filter(|role| !role.is_null());
    assert_eq!(tokens.claims().get("role"), role);
    let userinfo = server.userinfo(&tokens.access_token).await.json();
    assert_eq!(userinfo.get("role"), role);
    assert_eq!((&userinfo["sub"], &userinfo["name"]), (&tokens.claims()["sub"], &json!("Alice Adams")));
}

/// hydra.md section 6.9: a session takes the place of all that was there, 204 leaves it.
#[tokio::test]
async fn what_a_hook_says_stands_in_every_token_until_it_says_otherwise() {
    for client in ["front", "jwt"] {
        let hook = Hook::start().await;
        let server = server(&hook).await;
        server.front_client("front", json!({})).await;
        hook.say(200, session(&json!({ "tenant": "x", "n": [1, { "a": "\u{0}é" }] }), &json!({ "role": "admin" })));
        let first = tokens(&server, client).await;
        let ext = json!({ "tenant": "x", "n": [1, { "a": "\u{0}é" }] });
        assert_told(&server, &first, &ext, &json!("admin")).await;
        hook.say(204, "");
        let second = server.refresh(client, first.refresh()).await.tokens();
        assert_told(&server, &second, &ext, &json!("admin")).await;
        hook.say(200, "{}");
        let third = server.refresh(client, second.refresh()).await.tokens();
        assert_told(&server, &third, &ext, &json!("admin")).await;
        hook.say(200, json!({ "session": { "access_token": { "tenant": "y" } } }));
        let fourth = server.refresh(client, third.refresh()).await.tokens();
        assert_told(&server, &fourth, &json!({ "tenant": "y" }), &Value::Null).await;
        hook.say(200, json!({ "session": {} }));
        let fifth = server.refresh(client, fourth.refresh()).await.tokens();
        assert_told(&server, &fifth, &json!({}), &Value::Null).await;
    }
}

/// The older hook speaks first, and the newer one hears what it said.
#[tokio::test]
async fn the_token_hook_has_the_last_word() {
    let (hook, refresh_hook) = (Hook::start().await, Hook::start().await);
    let server = Server::with(|config| {
        config.oauth2.token_hook = Some(hook.config());
        config.oauth2.refresh_token_hook = Some(refresh_hook.config());
    })
    .await;
    let first = server.tokens_with("openid offline").await;
    refresh_hook.say(200, session(&json!({ "from": "refresh" }), &json!({ "role": "a" })));
    let second = server.refresh("web", first.refresh()).await.tokens();
    let heard = hook.last().body["session"].clone();
    assert_eq!(heard["extra"], json!({ "from": "refresh" }));
    assert_eq!(heard["id_token"]["id_token_claims"]["ext"]["role"], "a");
    assert_eq!(server.introspect(&second.access_token).await.rest["ext"], json!({ "from": "refresh" }));
    assert_eq!(second.claims()["role"], "a");
    hook.say(200, session(&json!({ "from": "token" }), &json!({})));
    let third = server.refresh("web", second.refresh()).await.tokens();
    assert_eq!(server.introspect(&third.access_token).await.rest["ext"], json!({ "from": "token" }));
    assert_eq!(third.claims().get("role"), None);
    refresh_hook.say(403, "");
    let calls = hook.calls();
    server.refresh("web", third.refresh()).await.assert_error(403, "access_denied");
    assert_eq!(hook.calls(), calls, "where one has refused the other is not asked");
}

/// Nothing is stored of it: what the hook says is in the token, sealed or signed.
#[tokio::test]
async fn a_client_by_itself_gets_what_the_hook_says_in_its_token() {
    let hook = Hook::start().await;
    let server = server(&hook).await;
    hook.say(200, session(&json!({ "tenant": "x", "sub": "mine" }), &json!({ "role": "nobody" })));
    for client in ["svc", "robot"] {
        let tokens = server.client_tokens(client, &[("scope", "photos.read")]).await;
        let told = server.introspect(&tokens.access_token).await;
        assert!(told.active);
        assert_eq!((&told.rest["ext"], &told.rest["sub"]), (&json!({ "tenant": "x", "sub": "mine" }), &json!(client)));
        assert!(!told.rest.contains_key("role"));
        if client == "robot" {
            let claims = unverified(&tokens.access_token, 1);
            assert_eq!((&claims["ext"]["tenant"], &claims["sub"]), (&json!("x"), &json!("robot")));
        }
        server.revoke(client, &tokens.access_token).await;
        assert!(!server.introspect(&tokens.access_token).await.active);
    }
    for (status, body) in [(204, json!("")), (200, json!({ "session": {} }))] {
        hook.say(status, body);
        for client in ["svc", "robot"] {
            let tokens = server.client_tokens(client, &[("scope", "photos.read")]).await;
            assert!(!server.introspect(&tokens.access_token).await.rest.contains_key("ext"));
        }
    }
}

/// What makes a token genuine is not a hook's to say.
#[tokio::test]
async fn what_only_the_server_says_a_hook_can_not_change() {
    let hook = Hook::start().await;
    let server = server(&hook).await;
    let forged = json!({
        "iss": "https://evil.example", "sub": "mallory", "aud": "evil", "exp": 1, "iat": 1, "nonce": "x", "sid": "x",
        "acr": "9", "amr": ["x"], "auth_time": 1, "azp": "evil", "at_hash": "x", "client_id": "evil", "role": "admin",
    });
    hook.say(200, session(&forged, &forged));
    let alice = server.subject("alice").await;
    let first = tokens(&server, "jwt").await;
    let next = server.refresh("jwt", first.refresh()).await.tokens();
    for tokens in [&first, &next] {
        let id = tokens.claims();
        assert_eq!((&id["iss"], &id["sub"], &id["aud"]), (&json!(server.issuer), &json!(alice), &json!(["jwt"])));
        assert_eq!((&id["amr"], &id["role"]), (&json!(["pwd"]), &json!("admin")));
        assert!(id["sid"] != "x" && id["acr"] != "9" && id.get("azp").is_none() && id.get("client_id").is_none());
        let access = unverified(&tokens.access_token, 1);
        assert_eq!(
            (&access["sub"], &access["client_id"], &access["iss"]),
            (&json!(alice), &json!("jwt"), &json!(server.issuer))
        );
        assert_eq!(access["ext"], forged, "it stands apart from what the token says");
    }
    let userinfo = server.userinfo(&next.access_token).await.json();
    assert_eq!((&userinfo["sub"], &userinfo["role"], userinfo.get("iss")), (&json!(alice), &json!("admin"), None));
}

/// hydra#2570, hydra#3852: what the consent said is told to the hook, and stays where the hook leaves it.
#[tokio::test]
async fn the_hook_hears_what_the_consent_said_and_may_add_to_it() {
    let hook = Hook::start().await;
    let server = Server::with(|config| {
        config.oauth2.token_hook = Some(hook.config());
        config.urls.login = Some(LOGIN_APP.parse().unwrap());
        config.urls.consent = Some(CONSENT_APP.parse().unwrap());
    })
    .await;
    let request = Authorize::web().set("scope", "openid offline");
    let login = json!({ "subject": "alice@crm", "acr": "2", "amr": ["otp"] });
    let consent = session(&json!({ "tenant": "blue" }), &json!({ "role": "user" }));
    let answer = server.browser().app_journey(&server, &request, login, consent).await;
    let first = server.token(&answer.parameter("code").unwrap()).await.tokens();
    let heard = hook.last().body["session"].clone();
    let claims = &heard["id_token"]["id_token_claims"];
    assert_eq!((&heard["id_token"]["subject"], &claims["sub"]), (&json!("alice@crm"), &json!("alice@crm")));
    assert_eq!((&claims["acr"], &claims["amr"]), (&json!("2"), &json!(["otp"])));
    assert_eq!(claims["ext"], json!({ "role": "user", "sid": first.claims()["sid"] }));
    assert_eq!(heard["extra"], json!({ "tenant": "blue" }));
    assert_eq!(first.claims()["role"], "user");
    assert_eq!(server.introspect(&first.access_token).await.rest["ext"], json!({ "tenant": "blue" }));

    // As docs/token-hooks.md has it: what came, and something more.
    hook.answer(|asked| {
        let mut access_token = asked["session"]["extra"].clone();
        access_token["plan"] = json!("gold");
        let id_token = &asked["session"]["id_token"]["id_token_claims"]["ext"];
        axum::Json(session(&access_token, id_token)).into_response()
    });
    let next = server.refresh("web", first.refresh()).await.tokens();
    let ext = json!({ "tenant": "blue", "plan": "gold" });
    assert_eq!(server.introspect(&next.access_token).await.rest["ext"], ext);
    let (before, after) = (first.claims(), next.claims());
    assert_eq!((&after["role"], &after["sid"], &after["sub"]), (&json!("user"), &before["sid"], &before["sub"]));
}

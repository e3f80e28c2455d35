//! What OpenID's conformance plan "dynamic" does, by a client that has registered itself.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::registration::Own;
use crate::support::signer::{Signer, assertion, proof};
use crate::support::{Answer, Authorize, PASSWORD, Server, Site, VERIFIER, unverified};

const PLAIN: &str = "https://app.example/cb";
const WITH_QUERY: &str = "https://app.example/cb?tenant=a%20b";

struct Plan {
    server: Server,
    site: Site,
    signer: Signer,
    client: Own,
}

/// A client whose keys and request objects are on a site of its own.
async fn plan() -> Plan {
    let server = Server::with(|config| {
        config.oidc.registration.enabled = true;
        config.clients.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let (site, signer) = (Site::start().await, Signer::es256());
    site.put("/jwks", signer.jwks());
    let client = server
        .own_client(json!({
            "redirect_uris": [PLAIN, WITH_QUERY], "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": site.url("/jwks"), "request_uris": [site.url("/request")],
            "userinfo_signed_response_alg": "RS256", "id_token_signed_response_alg": "RS256",
            "logo_uri": "https://app.example/logo.png", "policy_uri": "https://app.example/policy",
            "tos_uri": "https://app.example/terms",
        }))
        .await;
    Plan { server, site, signer, client }
}

impl Plan {
    fn request(&self, redirect_uri: &str) -> Authorize {
        Authorize::of(self.client.id(), redirect_uri)
    }

    async fn redeem(&self, signer: &Signer, code: &str, redirect_uri: &str) -> Answer {
        let jwt = signer.sign(&assertion(&self.server, self.client.id()));
        let [kind, own] = proof(&jwt);
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", VERIFIER),
            kind,
            own,
        ];
        self.server.post("/oauth2/token", &fields).await
    }
}

fn header(jwt: &str) -> Value {
    json!(unverified(jwt, 0))
}

#[tokio::test]
async fn id_token_and_userinfo_are_signed_as_it_registered() {
    let plan = plan().await;
    let code = plan.server.browser().code(&plan.request(PLAIN), "alice").await;
    let tokens = plan.redeem(&plan.signer, &code, PLAIN).await.tokens();
    assert_eq!(header(tokens.id_token.as_deref().unwrap())["alg"], "RS256");
    let userinfo = plan.server.userinfo(&tokens.access_token).await;
    assert_eq!(userinfo.header("content-type"), Some("application/jwt"));
    let claims = unverified(&userinfo.body, 1);
    assert_eq!(header(&userinfo.body)["alg"], "RS256");
    assert_eq!(claims["iss"], plan.server.config().urls.issuer.as_str());
    assert_eq!((&claims["aud"], &claims["sub"]), (&json!(plan.client.id()), &tokens.claims()["sub"]));
}

#[tokio::test]
async fn redirect_uris_are_compared_with_their_query() {
    let plan = plan().await;
    let page = plan.server.browser().get(&plan.request(PLAIN).without("redirect_uri").url(&plan.server)).await;
    page.assert_page(400, "invalid_request");
    for uri in
        ["https://app.example/cb?tenant=b", "https://app.example/cb?tenant=a%20b&more=1", "https://app.example/cb?x"]
    {
        plan.server.browser().get(&plan.request(uri).url(&plan.server)).await.assert_page(400, "invalid_request");
    }
    let mut browser = plan.server.browser();
    let login = browser.authorize(&plan.request(WITH_QUERY)).await;
    let consent = browser.login(&login, "alice", PASSWORD, false).await;
    let answer = browser.consent(&consent, &["openid"], false).await;
    let location = answer.location().unwrap();
    assert!(location.starts_with("https://app.example/cb?tenant=a%20b&"), "{location}");
    let code = answer.parameter("code").unwrap();
    plan.redeem(&plan.signer, &code, WITH_QUERY).await.tokens();
}

#[tokio::test]
async fn the_login_page_shows_whose_client_it_is() {
    let plan = plan().await;
    let page = plan.server.browser().authorize(&plan.request(PLAIN)).await;
    let logo = format!("src=\"/ui/logo/{}\"", plan.client.id().replace('-', "%2D"));
    for shown in [logo.as_str(), "https://app.example/policy", "https://app.example/terms"] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
}

#[tokio::test]
async fn a_client_rotates_its_keys_and_sends_its_requests_by_reference() {
    let plan = plan().await;
    let new = Signer::es256();
    plan.site.put("/jwks", json!({ "keys": [plan.signer.jwk(), new.jwk()] }));
    let code = plan.server.browser().code(&plan.request(PLAIN), "alice").await;
    plan.redeem(&new, &code, PLAIN).await.tokens();
    let inside = json!({
        "response_type": "code", "redirect_uri": PLAIN, "scope": "openid", "nonce": "of-the-object-0123456789",
    });
    let object = crate::request_object::object(&plan.server, plan.client.id(), &inside);
    plan.site.put("/request", new.sign(&object));
    let by_reference = plan.request(PLAIN).set("request_uri", &plan.site.url("/request"));
    let code = plan.server.browser().code(&by_reference, "alice").await;
    let tokens = plan.redeem(&new, &code, PLAIN).await.tokens();
    assert_eq!(tokens.claims()["nonce"], "of-the-object-0123456789");
    let elsewhere = plan.request(PLAIN).set("request_uri", &plan.site.url("/other"));
    let page = plan.server.browser().get(&elsewhere.url(&plan.server)).await;
    page.assert_page(400, "invalid_request_uri");
}

#[tokio::test]
async fn a_deleted_client_is_unknown() {
    let plan = plan().await;
    let (id, token) = (plan.client.id(), plan.client.token());
    let answer = plan.server.manage_with(Method::DELETE, id, token, None).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let page = plan.server.browser().get(&plan.request(PLAIN).url(&plan.server)).await;
    page.assert_page(401, "invalid_client");
}

//! The whole journey with somebody else's client: the crate `openidconnect` discovers the server, checks what it says, and
//! verifies what it signs.

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreGrantType, CoreIdToken, CoreJsonWebKeySet, CoreProviderMetadata,
    CoreResponseType, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, IntrospectionUrl, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, RevocationUrl, Scope,
    TokenIntrospectionResponse as _, TokenResponse as _,
};
use serde_json::Value;

use crate::support::{SECRET, Server, client};

type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointMaybeSet, EndpointMaybeSet>;

/// The crate's requests, by our own HTTP client. The crate revokes over https alone, and there is none here.
async fn call(mut request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    if request.uri().scheme_str() == Some("https") {
        *request.uri_mut() = request.uri().to_string().replacen("https", "http", 1).parse().unwrap();
    }
    let response = client().execute(request.try_into()?).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut answer = HttpResponse::new(response.bytes().await?.to_vec());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

async fn discover(server: &Server) -> CoreProviderMetadata {
    CoreProviderMetadata::discover_async(IssuerUrl::new(server.issuer.clone()).unwrap(), &call).await.unwrap()
}

async fn relying_party(server: &Server, id: &str, secret: Option<&str>, redirect_uri: &str) -> Client {
    let document = server.get("/.well-known/openid-configuration").await.json();
    let url = |name: &str| document[name].as_str().unwrap().to_owned();
    let secret = secret.map(|secret| ClientSecret::new(secret.to_owned()));
    CoreClient::from_provider_metadata(discover(server).await, ClientId::new(id.to_owned()), secret)
        .set_redirect_uri(RedirectUrl::new(redirect_uri.to_owned()).unwrap())
        .set_introspection_url(IntrospectionUrl::new(url("introspection_endpoint")).unwrap())
        .set_revocation_url(RevocationUrl::new(url("revocation_endpoint").replacen("http", "https", 1)).unwrap())
}

struct SignedIn {
    tokens: CoreTokenResponse,
    nonce: Nonce,
}

/// From the authorization request to the tokens, as the crate's users write it.
async fn sign_in(server: &Server, rp: &Client, scopes: &[&str]) -> SignedIn {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = rp
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .set_pkce_challenge(challenge);
    for scope in scopes {
        request = request.add_scope(Scope::new((*scope).to_owned()));
    }
    let (url, state, nonce) = request.url();
    let mut browser = server.browser();
    let answer = browser.get(url.as_str()).await;
    let login = browser.follow(answer).await;
    let consent = browser.login(&login, "alice", crate::support::PASSWORD, false).await;
    let granted: Vec<_> = ["openid"].iter().chain(scopes).copied().collect();
    let answer = browser.consent(&consent, &granted, true).await;
    assert_eq!(answer.parameter("state").as_deref(), Some(state.secret().as_str()));
    let code = AuthorizationCode::new(answer.parameter("code").unwrap());
    let wrong = rp.exchange_code(code.clone()).unwrap().set_pkce_verifier(PkceCodeVerifier::new("x".repeat(43)));
    match wrong.request_async(&call).await {
        Err(RequestTokenError::ServerResponse(error)) => assert_eq!(error.error().to_string(), "invalid_grant"),
        other => panic!("{other:?}"),
    }
    let tokens = rp.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&call).await.unwrap();
    SignedIn { tokens, nonce }
}

/// Signature, issuer, audience, expiry and nonce by the crate; then the hash of the access token beside it.
fn verified(rp: &Client, tokens: &CoreTokenResponse, nonce: &Nonce) -> String {
    let id_token = tokens.id_token().unwrap();
    let verifier = rp.id_token_verifier();
    let claims = id_token.claims(&verifier, nonce).unwrap();
    let expected = claims.access_token_hash().unwrap();
    let actual = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().unwrap(),
        id_token.signing_key(&verifier).unwrap(),
    );
    assert_eq!(&actual.unwrap(), expected);
    claims.subject().to_string()
}

/// Discovery, code with PKCE and nonce, ID token, userinfo, refresh, introspection and revocation.
#[tokio::test]
async fn a_relying_party_goes_the_whole_way() {
    let server = Server::start().await;
    let rp = relying_party(&server, "web", Some(SECRET), "https://rp.example/cb").await;
    let SignedIn { tokens, nonce } = sign_in(&server, &rp, &["profile", "email", "offline_access"]).await;
    let subject = verified(&rp, &tokens, &nonce);
    assert_eq!(subject, server.subject("alice").await.as_str());
    assert!(tokens.id_token().unwrap().claims(&rp.id_token_verifier(), &Nonce::new_random()).is_err());

    let expected = Some(openidconnect::SubjectIdentifier::new(subject.clone()));
    let userinfo: CoreUserInfoClaims =
        rp.user_info(tokens.access_token().clone(), expected).unwrap().request_async(&call).await.unwrap();
    assert_eq!(userinfo.email().map(|email| email.as_str()), Some("alice@example.com"));
    assert_eq!(userinfo.email_verified(), Some(true));
    assert_eq!(userinfo.preferred_username().map(|name| name.as_str()), Some("alice"));

    let introspected = rp.introspect(tokens.access_token()).set_token_type_hint("access_token");
    let introspected = introspected.request_async(&call).await.unwrap();
    assert!(introspected.active());
    assert_eq!(introspected.sub(), Some(subject.as_str()));
    assert_eq!(introspected.client_id().map(|id| id.as_str()), Some("web"));

    server.pass(5);
    let refresh_token = tokens.refresh_token().unwrap();
    let refreshed = rp.exchange_refresh_token(refresh_token).unwrap().request_async(&call).await.unwrap();
    let verifier = rp.id_token_verifier();
    let claims = refreshed.id_token().unwrap().claims(&verifier, |nonce: Option<&Nonce>| match nonce {
        None => Ok(()),
        Some(_) => Err("a nonce after a refresh".to_owned()),
    });
    assert_eq!(claims.unwrap().subject().as_str(), subject);
    assert!(!rp.introspect(tokens.access_token()).request_async(&call).await.unwrap().active(), "rotated away");

    let live = refreshed.refresh_token().unwrap().clone();
    rp.revoke_token(live.clone().into()).unwrap().request_async(&call).await.unwrap();
    match rp.exchange_refresh_token(&live).unwrap().request_async(&call).await {
        Err(RequestTokenError::ServerResponse(error)) => assert_eq!(error.error().to_string(), "invalid_grant"),
        other => panic!("{other:?}"),
    }
    assert!(!rp.introspect(refreshed.access_token()).request_async(&call).await.unwrap().active());
    let userinfo = rp.user_info(refreshed.access_token().clone(), None).unwrap();
    let userinfo: Result<CoreUserInfoClaims, _> = userinfo.request_async(&call).await;
    assert!(userinfo.is_err());
}

/// The same for a client without a secret, and for one that sends its secret in the body.
#[tokio::test]
async fn clients_of_other_kinds_go_the_same_way() {
    let server = Server::start().await;
    let public = relying_party(&server, "spa", None, "https://spa.example/cb").await;
    let SignedIn { tokens, nonce } = sign_in(&server, &public, &["offline_access"]).await;
    assert_eq!(verified(&public, &tokens, &nonce), server.subject("alice").await.as_str());
    public.exchange_refresh_token(tokens.refresh_token().unwrap()).unwrap().request_async(&call).await.unwrap();

    let metadata = serde_json::json!({
        "redirect_uris": ["https://post.example/cb"], "scope": "openid", "token_endpoint_auth_method": "client_secret_post",
    });
    server.client("post", metadata).await;
    let rp = relying_party(&server, "post", Some(SECRET), "https://post.example/cb").await;
    let rp = rp.set_auth_type(AuthType::RequestBody);
    let SignedIn { tokens, nonce } = sign_in(&server, &rp, &[]).await;
    assert_eq!(verified(&rp, &tokens, &nonce), server.subject("alice").await.as_str());
}

/// What the crate reads of discovery, and that a token of another issuer's is none to it.
#[tokio::test]
async fn discovery_and_keys_are_read() {
    let server = Server::start().await;
    let metadata = discover(&server).await;
    assert_eq!(metadata.issuer().as_str(), server.issuer);
    assert_eq!(metadata.response_types_supported()[0].as_slice(), [CoreResponseType::Code]);
    assert!(metadata.grant_types_supported().unwrap().contains(&CoreGrantType::ClientCredentials));
    let uri = metadata.jwks_uri().clone();
    let keys = CoreJsonWebKeySet::fetch_async(&uri, &call).await.unwrap();
    assert_eq!(keys.keys().len(), 1, "of those that are published it takes those that sign");

    let other = Server::start().await;
    let token = other.tokens_with("openid").await.id_token.unwrap();
    let token: CoreIdToken = serde_json::from_value(Value::String(token)).unwrap();
    let rp = relying_party(&server, "web", Some(SECRET), "https://rp.example/cb").await;
    let nonce = Nonce::new("nonce-0123456789-0123456789-0123".to_owned());
    assert!(token.claims(&rp.id_token_verifier(), &nonce).is_err());
    let own = server.tokens_with("openid").await.id_token.unwrap();
    let own: CoreIdToken = serde_json::from_value(Value::String(own)).unwrap();
    own.claims(&rp.id_token_verifier(), &nonce).unwrap();

    let wrong = relying_party(&server, "web", Some("not the secret"), "https://rp.example/cb").await;
    let access_token = openidconnect::AccessToken::new("hya_x".to_owned());
    match wrong.introspect(&access_token).request_async(&call).await {
        Err(RequestTokenError::ServerResponse(error)) => assert_eq!(error.error().to_string(), "invalid_client"),
        other => panic!("{other:?}"),
    }
}

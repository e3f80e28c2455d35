//! The public port's operations, as `router.rs` has their routes.

use super::operation::{Operation, delete, get, post, put};
use super::schemas::Body;
use crate::admin::clients::Input;
use crate::http::introspected::Introspected;
use crate::oauth::server_metadata::{ServerMetadata, path};
use crate::oauth::token::TokenResponse;
use crate::registration::Shown as Client;

const AUTHORIZE: &[(&str, &str)] = &[
    ("client_id", "Who asks. Required."),
    ("response_type", "What is asked for. Required."),
    ("redirect_uri", "Where the browser is sent back, letter for letter as registered."),
    ("scope", "What for."),
    ("state", "Comes back as it was."),
    ("response_mode", "`query`, `fragment` or `form_post`."),
    ("nonce", "Comes back in the ID token."),
    ("code_challenge", "PKCE, RFC 7636."),
    ("code_challenge_method", "`S256`."),
    ("prompt", "`none`, `login`, `consent`, `select_account`, `create`."),
    ("max_age", "How old a sign-in may be, in seconds."),
    ("audience", "What the access token is for; also `resource` (RFC 8707)."),
    ("claims", "Single claims (OpenID Connect Core section 5.5)."),
    ("acr_values", "How surely the person is to sign in."),
    ("id_token_hint", "Who is expected."),
    ("login_hint", "Who may be."),
    ("ui_locales", "In which languages."),
    ("request", "A request object (RFC 9101)."),
    ("request_uri", "Where one is."),
];
const TOKEN: &[(&str, &str)] = &[
    ("!grant_type", "`authorization_code`, `refresh_token`, `client_credentials`, …"),
    ("client_id", "Of a client that authenticates in the form, or does not."),
    ("client_secret", "`client_secret_post`."),
    ("client_assertion", "`private_key_jwt`, `client_secret_jwt` (RFC 7523 section 2.2)."),
    ("client_assertion_type", "`urn:ietf:params:oauth:client-assertion-type:jwt-bearer`."),
    ("code", "The authorization code."),
    ("redirect_uri", "As it was in the authorization request."),
    ("code_verifier", "PKCE, RFC 7636."),
    ("refresh_token", "The refresh token."),
    ("scope", "Less than was granted, or what a client asks for itself."),
    ("audience", "What a client's own token is for."),
    ("resource", "What the access token is for (RFC 8707)."),
    ("assertion", "A JWT of a trusted issuer (RFC 7523 section 2.1)."),
];
const LOGOUT: &[(&str, &str)] = &[
    ("id_token_hint", "Who is to be signed out."),
    ("post_logout_redirect_uri", "Where to go then, as registered."),
    ("state", "Comes back as it was."),
    ("client_id", "Whose hint it is; without a hint it proves nothing."),
    ("logout_hint", "Who is to be signed out; not looked at."),
    ("ui_locales", "In which languages."),
];
const FRAMES: &str = "The page that loads the clients' `frontchannel_logout_uri`, then goes on.";
const BY_CLIENT: &[&str] = &["client", ""];
const BY_TOKEN: &[&str] = &["accessToken"];
const BY_REGISTRATION: &[&str] = &["registrationToken", "client"];

pub fn operations() -> Vec<Operation> {
    [
        oauth(),
        openid(),
        registration(path::REGISTRATION_OF_HYDRA, NOW),
        registration(path::REGISTRATION, BEFORE),
        pages(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn oauth() -> Vec<Operation> {
    vec![
        get(path::AUTHORIZATION, "oAuth2Authorize", "The authorization endpoint (RFC 6749 section 3.1)")
            .query(AUTHORIZE)
            .redirects("On to the login, or back to the client, with the code or the error.")
            .answers(
                200,
                "The answer as a form that posts itself, where `response_mode` asks for it.",
                Some(Body::Html),
            )
            .for_people()
            .tag("oAuth2"),
        post(path::AUTHORIZATION, "oAuth2AuthorizeByForm", "The same, by a form")
            .form(AUTHORIZE)
            .answers(303, "On to the login, or back to the client, with the code or the error.", None)
            .answers(
                200,
                "The answer as a form that posts itself, where `response_mode` asks for it.",
                Some(Body::Html),
            )
            .for_people()
            .tag("oAuth2"),
        post(path::TOKEN, "oauth2TokenExchange", "The token endpoint (RFC 6749 section 3.2)")
            .by(BY_CLIENT)
            .form(TOKEN)
            .gives(Body::json::<TokenResponse>())
            .or(401, "The client did not prove who it is."),
        post(path::REVOCATION, "revokeOAuth2Token", "Ends a token (RFC 7009)")
            .by(BY_CLIENT)
            .form(&[("!token", "The token."), ("token_type_hint", "What it may be."), ("client_id", "Whose.")])
            .answers(200, "It is no token any more, if it was one.", None)
            .or(401, "The client did not prove who it is."),
        post(path::INTROSPECTION, "introspectOAuth2TokenAsClient", "What a token is worth (RFC 7662), to a client")
            .by(BY_CLIENT)
            .form(&[("!token", "The token."), ("token_type_hint", "What it may be."), ("client_id", "Who asks.")])
            .gives(Body::json::<Introspected>())
            .or(401, "The client did not prove who it is."),
        get(path::OAUTH_AUTHORIZATION_SERVER, "discoverOAuth2Configuration", "Server metadata (RFC 8414)")
            .tag("wellknown")
            .gives(Body::json::<ServerMetadata>()),
    ]
}

fn openid() -> Vec<Operation> {
    let own = [
        get(
            path::USERINFO,
            "getOidcUserInfo",
            "Claims of whom an access token is about (OpenID Connect Core section 5.3)",
        )
        .by(BY_TOKEN)
        .gives(Body::UserInfo)
        .or(401, "The token is none, or alive no more."),
        post(path::USERINFO, "getOidcUserInfoByForm", "The same, by a form")
            .by(&["accessToken", ""])
            .form(&[("access_token", "The token, where it is not in the header.")])
            .gives(Body::UserInfo)
            .or(401, "The token is none, or alive no more."),
        get(path::END_SESSION, "revokeOidcSession", "Signs a person out (OpenID Connect RP-Initiated Logout)")
            .query(LOGOUT)
            .redirects("On to the logout page, or to where logout ends.")
            .answers(200, FRAMES, Some(Body::Html))
            .for_people()
            .tag("oidc"),
        get(
            path::CHECK_SESSION,
            "checkOidcSession",
            "The frame that clients watch a session by; where it is switched on",
        )
        .gives(Body::Html)
        .for_people(),
        post(path::END_SESSION, "revokeOidcSessionByForm", "The same, by a form")
            .form(LOGOUT)
            .answers(303, "On to the logout page, or to where logout ends.", None)
            .answers(200, FRAMES, Some(Body::Html))
            .for_people()
            .tag("oidc"),
    ];
    let own = own.into_iter().map(|operation| operation.tag("oidc"));
    let published = [
        get(path::OPENID_CONFIGURATION, "discoverOidcConfiguration", "OpenID Connect Discovery")
            .tag("oidc")
            .gives(Body::json::<ServerMetadata>()),
        get(path::JWKS, "discoverJsonWebKeys", "The keys that tokens are verified with")
            .tag("wellknown")
            .gives(Body::Named("jsonWebKeySet")),
        get("/health/alive", "isAlive", "Whether the process answers")
            .tag("metadata")
            .gives(Body::Named("healthStatus")),
        get("/health/ready", "isReady", "Whether requests can be served")
            .tag("metadata")
            .gives(Body::Named("healthStatus"))
            .or(503, "They can not."),
        get("/version", "getVersion", "The version").tag("metadata").gives(Body::Named("version")),
    ];
    own.chain(published).collect()
}

/// Operation ids of a registration path: Hydra's today, and those of its version 1, which had the other path.
const NOW: [&str; 4] =
    ["createOidcDynamicClient", "getOidcDynamicClient", "setOidcDynamicClient", "deleteOidcDynamicClient"];
const BEFORE: [&str; 4] = [
    "dynamicClientRegistrationCreateOAuth2Client",
    "dynamicClientRegistrationGetOAuth2Client",
    "dynamicClientRegistrationUpdateOAuth2Client",
    "dynamicClientRegistrationDeleteOAuth2Client",
];

fn registration(path: &'static str, [create, read, replace, end]: [&'static str; 4]) -> Vec<Operation> {
    let one = if path == path::REGISTRATION { "/connect/register/{id}" } else { "/oauth2/register/{id}" };
    let all = [
        post(path, create, "Registers a client by itself (RFC 7591); where it is switched on")
            .by(&["registrationToken", ""])
            .takes(Body::json::<Input>())
            .creates::<Client>(),
        get(one, read, "A client's own registration (RFC 7592)").by(BY_REGISTRATION).gives(Body::json::<Client>()),
        put(one, replace, "Replaces it").by(BY_REGISTRATION).takes(Body::json::<Input>()).gives(Body::json::<Client>()),
        delete(one, end, "Ends it").by(BY_REGISTRATION).gives_nothing(),
    ];
    all.into_iter()
        .map(|operation| operation.tag("oidc").or(401, "Who asks did not prove that it is theirs."))
        .collect()
}

fn pages() -> Vec<Operation> {
    let page = |operation: Operation| operation.gives(Body::Html).for_people();
    vec![
        page(get("/login", "showLogin", "The sign-in page").query(&[("login_challenge", "Required.")])),
        page(post("/login", "submitLogin", "Signs in").form(&[
            ("!login_challenge", "As the page has it."),
            ("email", "The name."),
            ("password", "The password."),
            ("remember", "`true`: on this device for longer."),
            ("action", "`accept` or `reject`."),
        ]))
        .answers(303, "On to the consent or to the client.", None),
        page(get("/consent", "showConsent", "The consent page").query(&[("consent_challenge", "Required.")])),
        page(post("/consent", "submitConsent", "Allows or refuses").form(&[
            ("!consent_challenge", "As the page has it."),
            ("grant_scope", "What is allowed, each by itself."),
            ("remember", "`true`: not to be asked again."),
            ("action", "`accept` or `reject`."),
        ]))
        .answers(303, "On to the client.", None),
        page(get("/logout", "showLogout", "Whether to sign out").query(&[("logout_challenge", "Required.")])),
        page(
            post("/logout", "submitLogout", "Signs out or not")
                .form(&[("!logout_challenge", "As the page has it."), ("action", "`accept` or `reject`.")]),
        )
        .answers(303, "On to where logout ends.", None),
        page(get("/logout/done", "showLoggedOut", "Where logout ends unless somebody named another place")),
        get("/ui/hydrant.css", "getStylesheet", "How the pages look").gives(Body::Css).tag("pages"),
        get("/ui/icon.svg", "getIcon", "The icon").gives(Body::Image).tag("pages"),
        get("/ui/logo/{client_id}", "getClientLogo", "A client's logo, from its `logo_uri`")
            .gives(Body::Image)
            .tag("pages")
            .or(404, "It has none."),
    ]
}

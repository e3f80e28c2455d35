//! The admin port's operations, as `admin.rs` has their routes.

use super::operation::{Operation, delete, get, patch, post, put};
use super::schemas::Body;
use crate::admin::challenge::RedirectTo;
use crate::admin::clients::Input;
use crate::admin::consent_request::ConsentRequest;
use crate::admin::login_request::LoginRequest;
use crate::admin::logout_request::LogoutRequest;
use crate::admin::{events, keys, logout_tokens, registration_tokens, sessions, trusted_issuers, users};
use crate::flow::elsewhere::{ConsentAccept, LoginAccept, Rejection};
use crate::http::introspected::Introspected;
use crate::oauth::client_metadata::Lifespans;
use crate::registration::Shown as Client;

const CLIENT: &[(&str, &str)] =
    &[("client_name", "Only those with this name."), ("owner", "Only those of this owner.")];
const CONSENTS: &[(&str, &str)] =
    &[("subject", "Whose. Required."), ("login_session_id", "Only those of this session.")];
const REVOKED_CONSENTS: &[(&str, &str)] = &[
    ("subject", "Whose."),
    ("client", "Those of this client; with subject."),
    ("all", "true: those of all clients; with subject."),
    ("consent_request_id", "This one; by itself."),
];
const LOGINS: &[(&str, &str)] = &[("subject", "Whose: all of them."), ("sid", "This one.")];
const EVENTS: &[(&str, &str)] = &[
    ("target", "Only of what has this id; of a set of keys, this name; of a consent, the person's."),
    ("target_type", "Only of what is of this kind: client, for example."),
    ("actor", "Only by this one."),
    ("action", "Only where this was done: client.changed, for example."),
    ("since", "Only from this moment on; RFC 3339."),
    ("until", "Only before this moment; RFC 3339."),
];
const LOGOUT_TOKENS: &[(&str, &str)] = &[
    ("client_id", "Only those to this client."),
    ("subject", "Only those about this person."),
    ("state", "Only those that are pending, delivered or failed."),
];

/// A login, consent or logout request that is about one challenge.
fn about(operation: Operation, parameter: &'static str) -> Operation {
    operation
        .query(&[(parameter, "The challenge that the browser came with. Required.")])
        .answers(410, "It was handled before; the browser is to go there.", Some(Body::json::<RedirectTo>()))
        .or(404, "There is no such challenge.")
}

pub fn operations() -> Vec<Operation> {
    [clients(), people(), keys(), requests(), tokens(), trusted_issuers(), operators()].into_iter().flatten().collect()
}

fn clients() -> Vec<Operation> {
    vec![
        get("/clients", "listOAuth2Clients", "OAuth 2.0 clients, in the order of their ids")
            .pages()
            .query(CLIENT)
            .gives(Body::json::<Vec<Client>>()),
        post("/clients", "createOAuth2Client", "Registers a client; its secret is in this answer alone")
            .takes(Body::json::<Input>())
            .creates::<Client>()
            .or(409, "The id is in use."),
        get("/clients/{id}", "getOAuth2Client", "A client, without its secret")
            .gives(Body::json::<Client>())
            .or(404, "There is no such client."),
        put("/clients/{id}", "setOAuth2Client", "Replaces a client; its secret stays unless another is given")
            .takes(Body::json::<Input>())
            .gives(Body::json::<Client>())
            .or(404, "There is no such client."),
        patch("/clients/{id}", "patchOAuth2Client", "Changes members of a client")
            .takes(Body::Patch)
            .gives(Body::json::<Client>())
            .or(404, "There is no such client."),
        delete("/clients/{id}", "deleteOAuth2Client", "Deletes a client, and with it its tokens")
            .gives_nothing()
            .or(404, "There is no such client."),
        put("/clients/{id}/lifespans", "setOAuth2ClientLifespans", "Replaces the lifespans of a client's tokens")
            .takes(Body::json::<Lifespans>())
            .gives(Body::json::<Client>())
            .or(404, "There is no such client."),
        post(
            "/clients/{id}/secrets/rotate",
            "rotateOAuth2ClientSecret",
            "Gives a client another secret; the old stays good",
        )
        .gives(Body::json::<Client>())
        .or(404, "There is no such client."),
        delete("/clients/{id}/secrets/rotate", "forgetRotatedOAuth2ClientSecrets", "Ends a client's earlier secrets")
            .gives(Body::json::<Client>())
            .or(404, "There is no such client."),
        get("/registration-tokens", "listRegistrationTokens", "Initial access tokens, without their values")
            .gives(Body::json::<Vec<registration_tokens::Shown>>()),
        post("/registration-tokens", "createRegistrationToken", "Makes an initial access token (RFC 7591 section 3)")
            .takes(Body::json::<registration_tokens::Input>())
            .creates::<registration_tokens::Shown>(),
        delete("/registration-tokens/{id}", "revokeRegistrationToken", "Ends an initial access token")
            .gives_nothing()
            .or(404, "There is no such token."),
    ]
}

fn people() -> Vec<Operation> {
    let user = [
        get("/users", "listUsers", "People, in the order of their ids")
            .pages()
            .gives(Body::json::<Vec<users::Shown>>()),
        post("/users", "createUser", "Adds a person")
            .takes(Body::json::<users::Input>())
            .creates::<users::Shown>()
            .or(409, "The name or the email is somebody's."),
        get("/users/{id}", "getUser", "A person")
            .gives(Body::json::<users::Shown>())
            .or(404, "There is no such person."),
        put("/users/{id}", "setUser", "Replaces a person; the password stays unless another is given")
            .takes(Body::json::<users::Input>())
            .gives(Body::json::<users::Shown>())
            .or(404, "There is no such person."),
        delete("/users/{id}", "deleteUser", "Deletes a person, their sessions and tokens")
            .gives_nothing()
            .or(404, "There is no such person."),
    ];
    user.into_iter().map(|operation| operation.tag("users")).collect()
}

fn keys() -> Vec<Operation> {
    const SET: Body = Body::Named("jsonWebKeySet");
    let all = [
        get("/keys/{set}", "getJsonWebKeySet", "The public keys of a set").gives(SET),
        post(
            "/keys/{set}",
            "createJsonWebKeySet",
            "Makes a key in a set; in one that the server signs with, its successor",
        )
        .takes(Body::json::<keys::Asked>())
        .answers(201, "Made.", Some(SET))
        .or(409, "The set has a key of this name."),
        put("/keys/{set}", "setJsonWebKeySet", "Puts keys, with their private parts, in the place of a set's")
            .takes(SET)
            .gives(SET),
        delete("/keys/{set}", "deleteJsonWebKeySet", "Takes a set away").gives_nothing(),
        get("/keys/{set}/{kid}", "getJsonWebKey", "A public key, as a set of one").gives(SET),
        put("/keys/{set}/{kid}", "setJsonWebKey", "Adds a key, with its private part, or replaces the one of its name")
            .takes(Body::Named("jsonWebKey"))
            .gives(Body::Named("jsonWebKey")),
        delete("/keys/{set}/{kid}", "deleteJsonWebKey", "Takes a key away").gives_nothing(),
    ];
    all.into_iter().map(|operation| operation.tag("jwk").or(404, "There is no such set or key.")).collect()
}

fn trusted_issuers() -> Vec<Operation> {
    vec![
        get(trusted_issuers::PATH, "listTrustedOAuth2JwtGrantIssuers", "Whose assertions are grants (RFC 7523)")
            .pages()
            .query(&[("issuer", "Only those of this issuer.")])
            .gives(Body::json::<Vec<trusted_issuers::Shown>>()),
        post(trusted_issuers::PATH, "trustOAuth2JwtGrantIssuer", "Trusts an issuer's key, for one subject or any")
            .takes(Body::json::<trusted_issuers::Input>())
            .creates::<trusted_issuers::Shown>()
            .or(409, "It is trusted already."),
        get(trusted_issuers::ONE, "getTrustedOAuth2JwtGrantIssuer", "One of them")
            .gives(Body::json::<trusted_issuers::Shown>())
            .or(404, "There is no such issuer."),
        delete(trusted_issuers::ONE, "deleteTrustedOAuth2JwtGrantIssuer", "Trusts it no more")
            .gives_nothing()
            .or(404, "There is no such issuer."),
    ]
}

fn requests() -> Vec<Operation> {
    let (login, consent, logout) = ("login_challenge", "consent_challenge", "logout_challenge");
    vec![
        about(get("/oauth2/auth/requests/login", "getOAuth2LoginRequest", "What a login is asked for"), login)
            .gives(Body::json::<LoginRequest>()),
        about(put("/oauth2/auth/requests/login/accept", "acceptOAuth2LoginRequest", "Says who signed in"), login)
            .takes(Body::json::<LoginAccept>())
            .gives(Body::json::<RedirectTo>()),
        about(put("/oauth2/auth/requests/login/reject", "rejectOAuth2LoginRequest", "Says that nobody did"), login)
            .takes(Body::json::<Rejection>())
            .gives(Body::json::<RedirectTo>()),
        about(get("/oauth2/auth/requests/consent", "getOAuth2ConsentRequest", "What a consent is asked for"), consent)
            .gives(Body::json::<ConsentRequest>()),
        about(
            put("/oauth2/auth/requests/consent/accept", "acceptOAuth2ConsentRequest", "Says what is allowed"),
            consent,
        )
        .takes(Body::json::<ConsentAccept>())
        .gives(Body::json::<RedirectTo>()),
        about(
            put("/oauth2/auth/requests/consent/reject", "rejectOAuth2ConsentRequest", "Says that nothing is"),
            consent,
        )
        .takes(Body::json::<Rejection>())
        .gives(Body::json::<RedirectTo>()),
        about(get("/oauth2/auth/requests/logout", "getOAuth2LogoutRequest", "Who is to be signed out"), logout)
            .gives(Body::json::<LogoutRequest>()),
        about(put("/oauth2/auth/requests/logout/accept", "acceptOAuth2LogoutRequest", "Lets them be"), logout)
            .gives(Body::json::<RedirectTo>()),
        about(put("/oauth2/auth/requests/logout/reject", "rejectOAuth2LogoutRequest", "Leaves them signed in"), logout)
            .gives_nothing(),
        get("/oauth2/auth/sessions/consent", "listOAuth2ConsentSessions", "What a person has allowed, newest first")
            .query(CONSENTS)
            .pages()
            .gives(Body::json::<Vec<sessions::ConsentSession>>()),
        delete("/oauth2/auth/sessions/consent", "revokeOAuth2ConsentSessions", "Revokes consents and their tokens")
            .query(REVOKED_CONSENTS)
            .gives_nothing(),
        get("/oauth2/auth/sessions/login", "listOAuth2LoginSessions", "Where a person is signed in, newest first")
            .query(&[("subject", "Whose. Required.")])
            .pages()
            .gives(Body::json::<Vec<sessions::LoginSession>>()),
        delete("/oauth2/auth/sessions/login", "revokeOAuth2LoginSessions", "Signs a person out")
            .query(LOGINS)
            .gives_nothing(),
        get("/logout-tokens", "listLogoutTokens", "Which clients are to be told of a logout, newest first")
            .query(LOGOUT_TOKENS)
            .pages()
            .gives(Body::json::<Vec<logout_tokens::Shown>>()),
    ]
}

fn tokens() -> Vec<Operation> {
    vec![
        post("/oauth2/introspect", "introspectOAuth2Token", "What a token is worth (RFC 7662)")
            .form(&[("!token", "The token."), ("scope", "What it must have to count as active.")])
            .gives(Body::json::<Introspected>()),
        delete("/oauth2/tokens", "deleteOAuth2Token", "Ends all tokens of a client")
            .query(&[("client_id", "Whose. Required.")])
            .gives_nothing(),
    ]
}

fn operators() -> Vec<Operation> {
    let all = [
        get("/events", "listAdminEvents", "Who changed what by the admin API or the command line, newest first")
            .pages()
            .query(EVENTS)
            .gives(Body::json::<Vec<events::Shown>>()),
        get("/health/alive", "isAdminAlive", "Whether the process answers").gives(Body::Named("healthStatus")),
        get("/health/ready", "isAdminReady", "Whether requests can be served, and if not, why")
            .gives(Body::Named("healthStatus"))
            .answers(503, "They can not.", Some(Body::Named("healthNotReadyStatus"))),
        get("/version", "getAdminVersion", "The version").gives(Body::Named("version")),
        get("/metrics/prometheus", "getMetrics", "What an operator watches, in Prometheus' text format")
            .gives(Body::Text),
        get("/openapi.json", "getOpenApi", "This document").gives(Body::Document),
    ];
    all.into_iter().map(|operation| operation.tag("metadata")).collect()
}

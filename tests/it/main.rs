//! The integration tests: one binary, one file a feature. Everything that is the server's goes through HTTP with a real
//! database, SQLite or what `HYDRANT_TEST_DATABASE` names; `layers` and `statements` read the source itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod admin_clients;
mod admin_introspection;
mod admin_users;
mod advertised;
mod authorization_code;
mod authorize;
mod changed_meanwhile;
mod cli;
mod client_authentication;
mod client_credentials;
mod discovery;
mod id_token;
mod introspection;
mod jwks;
mod layers;
mod logo;
mod openidconnect_client;
mod prompt;
mod races;
mod redirect_uri;
mod refresh_token;
mod response_mode;
mod revocation;
mod source;
mod statements;
mod storage_failure;
mod support;
mod time;
mod token_endpoint;
mod userinfo;

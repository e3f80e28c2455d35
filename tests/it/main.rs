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
mod discovery;
mod id_token;
mod jwks;
mod layers;
mod openidconnect_client;
mod prompt;
mod redirect_uri;
mod response_mode;
mod source;
mod statements;
mod support;

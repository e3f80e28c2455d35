//! The integration tests: one binary, one file a feature. Everything that is the server's goes through HTTP with a real
//! database, SQLite or what `HYDRANT_TEST_DATABASE` names; `layers` and `statements` read the source itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod authorization_code;
mod client_authentication;
mod client_credentials;
mod introspection;
mod layers;
mod races;
mod refresh_token;
mod revocation;
mod source;
mod statements;
mod storage_failure;
mod support;
mod time;
mod token_endpoint;
mod userinfo;

//! The integration tests: one binary, one file a feature. Everything that is the server's goes through HTTP with a real
//! database, SQLite or what `HYDRANT_TEST_DATABASE` names; `layers` and `statements` read the source itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod admin_clients;
mod admin_introspection;
mod admin_users;
mod authorization_code;
mod cli;
mod layers;
mod source;
mod statements;
mod support;

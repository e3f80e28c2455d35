//! The integration tests: one binary, one file a feature. Everything that is the server's goes through HTTP with a real
//! database, SQLite or what `HYDRANT_TEST_DATABASE` names; `layers` and `statements` read the source itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod attempts;
mod authorization_code;
mod consent;
mod cookies;
mod cors;
mod database;
mod http_connection;
mod http_layer;
mod layers;
mod login;
mod logout;
mod pages;
mod secrets;
mod session;
mod source;
mod statements;
mod support;
mod sweep;

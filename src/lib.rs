//! Hydrant: an OAuth 2.0 authorization server and OpenID provider that speaks Ory Hydra's API.
//!
//! The modules stand lowest layer first, a blank line between layers. A module imports only from the layers above its
//! line here; `tests/it/layers.rs` holds every file to it.

pub mod clock;
pub mod secret;

pub mod id;

pub mod config;

pub mod attempts;
pub mod password;
pub mod seal;

pub mod jose;

pub mod oauth;

pub mod fetch;
pub mod store;
pub mod ui;

pub mod keys;
pub mod metrics;

pub mod app;

pub mod client_documents;
pub mod client_keys;
pub mod client_secret;

pub mod client_auth;
pub mod issue;
pub mod registration;
pub mod token;
pub mod token_hook;

pub mod backchannel_logout;
pub mod flow;

pub mod grant;

pub mod http;

pub mod admin;
pub mod endpoint;

pub mod openapi;

pub mod router;

pub mod telemetry;

pub mod cli;

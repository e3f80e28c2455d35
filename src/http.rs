//! HTTP as this server speaks it: listening, the layers around every endpoint, and what requests and answers are made of.

pub mod admin_access;
pub mod answer;
pub mod bearer;
pub mod browser_state;
pub mod client_address;
pub mod cookies;
pub mod cors;
pub mod document;
pub mod form;
pub mod health;
pub mod host;
pub mod introspected;
pub mod json;
pub mod listener;
pub mod middleware;
pub mod page;
pub mod refusal;
pub mod tls;

//! HTTP as this server speaks it: listening, the layers around every endpoint, and what requests and answers are made of.

pub mod client_address;
pub mod cors;
pub mod host;
pub mod listener;
pub mod middleware;
pub mod tls;

//! The protocol's rules and formats. Pure: values and `now` in, values or [`Error`] out; no I/O, no clock, no randomness.

pub mod access_token;
pub mod acr;
pub mod authorization_request;
pub mod claims;
pub mod claims_request;
pub mod client_assertion;
pub mod client_metadata;
pub mod error;
pub mod id_token;
pub mod interaction;
pub mod jwt_bearer;
pub mod jwt_claims;
pub mod logout_token;
pub mod params;
pub mod pkce;
pub mod redirect_uri;
pub mod registration;
pub mod request_object;
pub mod response_mode;
pub mod scope;
pub mod server_metadata;
pub mod session_claims;
pub mod session_state;
pub mod subject;
pub mod token;

pub use error::{Error, ErrorCode, Result};

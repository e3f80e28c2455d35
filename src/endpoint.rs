//! The endpoints of the public port, a file each.

pub mod authorize;
pub mod check_session;
pub mod consent;
pub mod discovery;
pub mod end_session;
pub mod introspection;
pub mod jwks;
pub mod login;
pub mod logo;
pub mod logout;
pub mod registration;
pub mod revocation;
pub mod style;
pub mod token;
pub mod userinfo;

//! A password that somebody chooses: what it must be (NIST SP 800-63B section 5.1.1.2), and its hash. The rules are the same
//! whoever sets it, an operator or the person.

use crate::app::App;
use crate::oauth::{Error, ErrorCode, Result};
use crate::password::{PasswordError, normalise};
use crate::secret::Secret;

/// The password as it counts, if it may be one. It costs no hash to know.
pub fn check(app: &App, password: &Secret) -> Result<Secret> {
    let least = app.config.accounts.password_min_length;
    let normal = normalise(password).map_err(not_hashed)?;
    if normal.expose().chars().count() < least {
        return Err(ErrorCode::InvalidRequest.because(format!("The password must have at least {least} characters.")));
    }
    Ok(normal)
}

pub async fn hash(app: &App, password: &Secret) -> Result<String> {
    app.guard.passwords.hash(&check(app, password)?).await.map_err(not_hashed)
}

/// Why there is no hash of what somebody chose: because of it, because of too many others, or because of us.
fn not_hashed(error: PasswordError) -> Error {
    match error {
        PasswordError::TooLong => ErrorCode::InvalidRequest.because("The password must have at most 256 bytes."),
        PasswordError::Nul => ErrorCode::InvalidRequest.because("The password must not have the character NUL."),
        PasswordError::Busy => ErrorCode::TemporarilyUnavailable
            .because("The server is busy with other passwords. Please try again.")
            .retry_after(1)
            .caused_by(error),
        PasswordError::Parameters | PasswordError::Failed => Error::internal(error),
    }
}

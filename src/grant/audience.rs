//! The audience of a token that no person has consented to: what the client asks for, of what it is registered for.

use crate::oauth::params::Params;
use crate::oauth::{ErrorCode, Result, scope};
use crate::store::client::Client;

/// `audience`, Hydra's list in one parameter, and `resource` (RFC 8707 section 2).
pub(super) fn asked(client: &Client, form: &Params) -> Result<Vec<String>> {
    let audience: Vec<String> = form
        .all("audience")
        .flat_map(|value| value.split(' '))
        .chain(form.all("resource"))
        .filter(|one| !one.is_empty())
        .map(str::to_owned)
        .collect();
    if !scope::audience_allowed(&client.metadata().audience, &audience) {
        let resource = form.get("resource").is_some();
        let code = if resource { ErrorCode::InvalidTarget } else { ErrorCode::InvalidRequest };
        return Err(code.because("The client may not request this audience."));
    }
    Ok(audience)
}

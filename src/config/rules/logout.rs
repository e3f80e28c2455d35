//! `logout.*`: what ends with a session, and who is told.

use super::{DAY, MINUTE, SECOND, lasts, number};
use crate::config::setting::Check;
use crate::config::{BackChannel, Logout, raw};

pub fn build(raw: &raw::Logout, check: &mut Check) -> Logout {
    let back_channel = &raw.back_channel;
    Logout {
        revoke_grants: check.read(&raw.revoke_grants),
        back_channel: BackChannel {
            timeout: lasts(check, &back_channel.timeout, SECOND, MINUTE),
            retry_for: lasts(check, &back_channel.retry_for, MINUTE, 30 * DAY),
            per_host: usize::try_from(number(check, &back_channel.per_host, 1, 64)).unwrap_or(1),
        },
        front_channel_wait: lasts(check, &raw.front_channel.wait, SECOND, MINUTE),
        session_management: check.read(&raw.session_management),
    }
}

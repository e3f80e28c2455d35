//! `keys.*`: a key must have been seen by every cache before it signs.

use super::{DAY, SECOND, lasts};
use crate::config::duration::format;
use crate::config::setting::Check;
use crate::config::{Keys, raw};

pub fn build(raw: &raw::Keys, jwks: &raw::Jwks, check: &mut Check) -> Keys {
    let max_age = lasts(check, &raw.max_age, SECOND, DAY);
    // A replica reads the keys anew within max_age, and then a cache may keep for as long what it has seen just before.
    let least = 2 * max_age;
    let ahead = &raw.rotation.publish_ahead;
    let publish_ahead = check.read(ahead).unwrap_or(least);
    let what = format!("must be from {} (twice keys.max_age) to {}", format(least), format(30 * DAY));
    check.rule((least..=30 * DAY).contains(&publish_ahead), ahead, what, "leave it out for twice keys.max_age");
    let interval = check.read(&raw.rotation.interval);
    // Sealing keys stay for as long as a grant may live: few of them are to do so at once.
    let shortest = if check.dev { 2 * publish_ahead } else { DAY.max(2 * publish_ahead) };
    let what = format!("must be 0, or from {} to {}", format(shortest), format(3650 * DAY));
    let fits = interval.is_zero() || (shortest..=3650 * DAY).contains(&interval);
    check.rule(fits, &raw.rotation.interval, what, "0 leaves it to `hydrant key rotate`");
    let broadcast = check.read(&jwks.broadcast_keys);
    let has_ours = broadcast.iter().any(|set| set.starts_with("hydrant."));
    let what = "names a set of the server's own that is published by other rules, or never";
    check.rule(!has_ours, &jwks.broadcast_keys, what, "name sets of /admin/keys");
    Keys { broadcast, max_age, rotation_interval: (!interval.is_zero()).then_some(interval), publish_ahead }
}

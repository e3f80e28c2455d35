//! Moments as people read them. Where a browser is the server does not know, so that what is recent is told by how long ago
//! it was, and the rest by its day in UTC.

use maud::{Markup, html};

use crate::clock::Timestamp;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// "24 July 2025"
pub(super) fn day(moment: Timestamp) -> Markup {
    html! { time datetime=(moment.rfc3339()) { (day_in_words(moment)) } }
}

/// "5 minutes ago"; its day where that was more than a month ago.
pub(super) fn ago(moment: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(moment.rfc3339()) { (ago_in_words(moment, now)) } }
}

fn day_in_words(moment: Timestamp) -> String {
    let text = moment.rfc3339();
    let mut parts = text.split(['-', 'T']);
    let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok()).unwrap_or(1);
    let (year, month, day) = (number(), number(), number());
    format!("{day} {} {year}", MONTHS.get(month.wrapping_sub(1)).unwrap_or(&""))
}

fn ago_in_words(moment: Timestamp, now: Timestamp) -> String {
    let minutes = now.since(moment).as_secs() / 60;
    let several = |count: u64, unit: &str| match count {
        1 => format!("1 {unit} ago"),
        _ => format!("{count} {unit}s ago"),
    };
    match minutes {
        // That it is used is noted every few minutes.
        0..=5 => "just now".to_owned(),
        6..=59 => several(minutes, "minute"),
        60..=1439 => several(minutes / 60, "hour"),
        1440..=44_639 => several(minutes / 1440, "day"),
        _ => format!("on {}", day_in_words(moment)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_seconds(1_753_358_400);

    #[test]
    fn a_day_is_written_out() {
        assert_eq!(day_in_words(AT), "24 July 2025");
        assert_eq!(day_in_words(Timestamp::from_seconds(0)), "1 January 1970");
        assert_eq!(day(AT).into_string(), "<time datetime=\"2025-07-24T12:00:00Z\">24 July 2025</time>");
    }

    #[test]
    fn what_is_recent_is_told_by_how_long_ago_it_was() {
        for (seconds, words) in [
            (0, "just now"),
            (359, "just now"),
            (360, "6 minutes ago"),
            (3600, "1 hour ago"),
            (86_399, "23 hours ago"),
            (86_400, "1 day ago"),
            (30 * 86_400, "30 days ago"),
            (31 * 86_400, "on 24 July 2025"),
        ] {
            let now = Timestamp::from_seconds(AT.seconds() + seconds);
            assert_eq!(ago_in_words(AT, now), words);
        }
        assert_eq!(ago_in_words(AT, Timestamp::from_seconds(0)), "just now", "a clock that stepped back");
    }
}

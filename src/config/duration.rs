//! Durations as Hydra writes them: Go's syntax (`1h30m`, `720h`, `300ms`), without a sign.

use std::time::Duration;

/// What a Go duration can hold, in nanoseconds; about 292 years.
const LONGEST: u128 = i64::MAX as u128;

/// The unit's length in nanoseconds. Longer names first where one begins another (`ms` before `m`).
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration; `None` where the text is not one, is negative, or is longer than Go could hold.
///
/// A number without a unit is refused (is `10` seconds or minutes?), except `0`.
pub fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut total = 0_u128;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        let (name, unit) = UNITS.into_iter().find(|(name, _)| after.starts_with(name))?;
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        if !whole.is_empty() {
            total = total.checked_add(whole.parse::<u64>().ok().map(u128::from)? * unit)?;
        }
        total = total.checked_add(part(fraction, unit))?;
        if total > LONGEST {
            return None;
        }
        rest = &after[name.len()..];
    }
    u64::try_from(total).ok().map(Duration::from_nanos)
}

/// The shortest spelling in whole units: `1h30m`, `90s` as `1m30s`, `0s`.
pub fn format(duration: Duration) -> String {
    let mut left = duration.as_nanos();
    let mut text = String::new();
    for (name, unit) in [UNITS[7], UNITS[6], UNITS[5], UNITS[4], UNITS[1], UNITS[0]] {
        if left >= unit {
            text.push_str(&(left / unit).to_string());
            text.push_str(name);
            left %= unit;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `fraction` of a unit, rounded down; what is behind the fifteenth digit is less than a nanosecond of an hour.
fn part(fraction: &str, unit: u128) -> u128 {
    let mut scale = 1;
    let mut value = 0;
    for digit in fraction.bytes().take(15) {
        value = value * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    value * unit / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        // The vectors of Go's time.ParseDuration that have no sign.
        for (text, nanos) in [
            ("0", 0),
            ("5s", 5_000_000_000),
            ("30s", 30_000_000_000),
            ("1478s", 1_478_000_000_000),
            ("5.0s", 5_000_000_000),
            ("5.6s", 5_600_000_000),
            ("5.s", 5_000_000_000),
            (".5s", 500_000_000),
            ("1.0040s", 1_004_000_000),
            ("100.00100s", 100_001_000_000),
            ("10ns", 10),
            ("11us", 11_000),
            ("12µs", 12_000),
            ("12μs", 12_000),
            ("13ms", 13_000_000),
            ("14s", 14_000_000_000),
            ("15m", 900_000_000_000),
            ("16h", 57_600_000_000_000),
            ("3h30m", 12_600_000_000_000),
            ("10.5s4m", 250_500_000_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            ("39h9m14.425s", 140_954_425_000_000),
            ("52763797000ns", 52_763_797_000),
            ("0.3333333333333333333h", 1_199_999_999_999),
            ("9223372036854775807ns", 9_223_372_036_854_775_807),
            ("1h30m", 5_400_000_000_000),
            ("720h", 2_592_000_000_000_000),
            ("300ms", 300_000_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "3",
            "-",
            "s",
            ".",
            "-.",
            ".s",
            "+.s",
            "-1h",
            "+5s",
            "1d",
            "1 h",
            " 1h",
            "1h ",
            "1h5",
            "h1",
            "1h30",
            "1H",
            "9223372036854775808ns",
            "9223372036854776us",
            "9223372036854775.808us",
            "3000000h",
            "99999999999999999999s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["0s", "1h30m", "720h", "300ms", "10m", "1m30s", "5us", "7ns"] {
            assert_eq!(parse(text).map(format).as_deref(), Some(text));
        }
    }
}

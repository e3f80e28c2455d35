//! A client's own token lifetimes: Go durations by grant and token (hydra.md section 1.12).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::GrantType;
use crate::config::duration;

/// A duration that is read and written as Go's `time.Duration` is: `1h` comes back as `1h0m0s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifespan(Duration);

impl Lifespan {
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Lifespan {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

/// The text is no Go duration, is negative, or is longer than Go's 292 years.
#[derive(Debug, thiserror::Error)]
#[error("a lifespan is a number with its unit, as in 1h30m")]
pub struct NotALifespan;

impl FromStr for Lifespan {
    type Err = NotALifespan;

    fn from_str(text: &str) -> Result<Self, NotALifespan> {
        duration::parse(text).map(Self).ok_or(NotALifespan)
    }
}

/// As Go prints it: hours, minutes and seconds from one second on, below that one unit; fractions without final zeros.
impl fmt::Display for Lifespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", Decimal(nanos, 3)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", Decimal(nanos, 6)),
            _ => {
                let minutes = self.0.as_secs() / 60;
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                write!(f, "{}s", Decimal(nanos % 60_000_000_000, 9))
            }
        }
    }
}

/// A number whose last so many digits stand behind the point.
struct Decimal(u128, usize);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0width$}", self.0, width = self.1 + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.1);
        f.write_str(whole)?;
        match fraction.trim_end_matches('0') {
            "" => Ok(()),
            fraction => write!(f, ".{fraction}"),
        }
    }
}

impl Serialize for Lifespan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lifespan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Access,
    Id,
    Refresh,
}

macro_rules! lifespans {
    ($($name:ident),+ $(,)?) => {
        /// Hydra's thirteen lifespan members; also the body of `PUT /admin/clients/{id}/lifespans`. Those of grants that
        /// this server does not have are kept for the client's owner.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(default)]
        #[schemars(rename = "oAuth2ClientTokenLifespans")]
        pub struct Lifespans {
            $(
                #[serde(deserialize_with = "or_none", skip_serializing_if = "Option::is_none")]
                #[schemars(with = "Option<String>")]
                pub $name: Option<Lifespan>,
            )+
        }

        impl Lifespans {
            /// Each that is set, with the name of its member.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, Lifespan)> {
                [$((stringify!($name), self.$name)),+]
                    .into_iter()
                    .filter_map(|(name, lifespan)| Some((name, lifespan?)))
            }
        }
    };
}

lifespans! {
    authorization_code_grant_access_token_lifespan,
    authorization_code_grant_id_token_lifespan,
    authorization_code_grant_refresh_token_lifespan,
    client_credentials_grant_access_token_lifespan,
    implicit_grant_access_token_lifespan,
    implicit_grant_id_token_lifespan,
    jwt_bearer_grant_access_token_lifespan,
    refresh_token_grant_id_token_lifespan,
    refresh_token_grant_access_token_lifespan,
    refresh_token_grant_refresh_token_lifespan,
    device_authorization_grant_id_token_lifespan,
    device_authorization_grant_access_token_lifespan,
    device_authorization_grant_refresh_token_lifespan,
}

impl Lifespans {
    pub fn of(&self, grant: GrantType, token: TokenKind) -> Option<Duration> {
        use GrantType::{AuthorizationCode, ClientCredentials, Implicit, JwtBearer, RefreshToken};
        use TokenKind::{Access, Id, Refresh};
        match (grant, token) {
            (AuthorizationCode, Access) => self.authorization_code_grant_access_token_lifespan,
            (AuthorizationCode, Id) => self.authorization_code_grant_id_token_lifespan,
            (AuthorizationCode, Refresh) => self.authorization_code_grant_refresh_token_lifespan,
            (RefreshToken, Access) => self.refresh_token_grant_access_token_lifespan,
            (RefreshToken, Id) => self.refresh_token_grant_id_token_lifespan,
            (RefreshToken, Refresh) => self.refresh_token_grant_refresh_token_lifespan,
            (ClientCredentials, Access) => self.client_credentials_grant_access_token_lifespan,
            (Implicit, Access) => self.implicit_grant_access_token_lifespan,
            (Implicit, Id) => self.implicit_grant_id_token_lifespan,
            (JwtBearer, Access) => self.jwt_bearer_grant_access_token_lifespan,
            (ClientCredentials | JwtBearer, Id | Refresh) | (Implicit, Refresh) => None,
        }
        .map(Lifespan::duration)
    }
}

/// Hydra's pattern lets the empty text pass; it is the same as null.
fn or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Lifespan>, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(text) if !text.is_empty() => text.parse().map(Some).map_err(de::Error::custom),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn echo(text: &str) -> String {
        text.parse::<Lifespan>().unwrap().to_string()
    }

    /// hydra.md section 10, trap 18, and the documentation of Go's `Duration.String`.
    #[test]
    fn a_lifespan_comes_back_as_go_writes_it() {
        for (given, shown) in [
            ("1h", "1h0m0s"),
            ("720h", "720h0m0s"),
            ("90m", "1h30m0s"),
            ("5m", "5m0s"),
            ("90s", "1m30s"),
            ("1h30m15s", "1h30m15s"),
            ("10s", "10s"),
            ("1s500ms", "1.5s"),
            ("1m1ms", "1m0.001s"),
            ("500ms", "500ms"),
            ("1500us", "1.5ms"),
            ("100us", "100µs"),
            ("1500ns", "1.5µs"),
            ("7ns", "7ns"),
            ("0s", "0s"),
            ("1.5h", "1h30m0s"),
            ("0.000000001s", "1ns"),
            ("2540400h", "2540400h0m0s"),
        ] {
            assert_eq!(echo(given), shown, "{given}");
        }
    }

    #[test]
    fn what_is_no_go_duration_is_refused() {
        for text in [
            "",
            "1",
            "h",
            "1d",
            "-1h",
            "+1h",
            "1 h",
            "1h ",
            ".h",
            "1..5h",
            "1.2.3s",
            "1e3s",
            "99999999999h",
            "2562048h",
            "99999999999999999999s",
            "٣s",
            "1hh",
        ] {
            assert!(text.parse::<Lifespan>().is_err(), "{text}");
        }
    }

    /// Of the vectors of Go's `time.ParseDuration`.
    #[test]
    fn a_point_may_stand_at_either_end() {
        for (text, seconds) in [("5.s", 5.0), (".5s", 0.5), ("100.00100s", 100.001)] {
            assert_eq!(text.parse::<Lifespan>().unwrap().duration(), Duration::from_secs_f64(seconds), "{text}");
        }
    }

    #[test]
    fn lifespans_are_found_by_grant_and_token() {
        let text = r#"{"authorization_code_grant_access_token_lifespan": "10m",
            "refresh_token_grant_refresh_token_lifespan": "1h",
            "implicit_grant_id_token_lifespan": null, "jwt_bearer_grant_access_token_lifespan": ""}"#;
        let lifespans: Lifespans = serde_json::from_str(text).unwrap();
        assert_eq!(lifespans.of(GrantType::AuthorizationCode, TokenKind::Access), Some(Duration::from_mins(10)));
        assert_eq!(lifespans.of(GrantType::RefreshToken, TokenKind::Refresh), Some(Duration::from_hours(1)));
        assert_eq!(lifespans.of(GrantType::RefreshToken, TokenKind::Access), None);
        assert_eq!(lifespans.of(GrantType::ClientCredentials, TokenKind::Access), None);
        assert_eq!(lifespans.iter().count(), 2);
        let written = serde_json::json!({
            "authorization_code_grant_access_token_lifespan": "10m0s",
            "refresh_token_grant_refresh_token_lifespan": "1h0m0s",
        });
        assert_eq!(serde_json::to_value(&lifespans).unwrap(), written);
    }

    proptest! {
        #[test]
        fn every_duration_reads_back_as_itself(nanos in prop_oneof![0..10_000_000_000_u64, 0..i64::MAX as u64]) {
            let lifespan = Lifespan::from(Duration::from_nanos(nanos));
            prop_assert_eq!(lifespan.to_string().parse::<Lifespan>().unwrap(), lifespan);
        }

        #[test]
        fn no_input_panics(text in "[0-9.numsµh]{0,30}") {
            let _ = text.parse::<Lifespan>();
        }
    }
}

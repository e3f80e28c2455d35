//! Where a port listens: `serve.*.host`, and `serve.*.socket` where that is `unix:/path`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::{fmt, fs};

use serde_json::json;

use super::value::{Given, Value};

/// Bytes of a socket's path: `sun_path` of unix(7) without its end.
const MAX_PATH: usize = 107;

/// `serve.public.host` or `serve.admin.host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    Ip(IpAddr),
    Socket(SocketFile),
}

/// A unix socket: who may write to its file may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketFile {
    pub path: PathBuf,
    /// Ids; `None` leaves what the process has.
    pub owner: Option<u32>,
    pub group: Option<u32>,
    /// Permission bits.
    pub mode: u32,
}

impl Host {
    /// Whether only this machine can reach it. `::ffff:127.0.0.1` is loopback too; `0.0.0.0` is not, although it can be
    /// called on loopback.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Ip(address) => address.to_canonical().is_loopback(),
            Self::Socket(_) => true,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Socket(file) => write!(f, "unix:{}", file.path.display()),
        }
    }
}

/// `serve.*.host` as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenHost {
    Ip(IpAddr),
    Socket(PathBuf),
}

impl Value for GivenHost {
    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        match given.text()? {
            "localhost" => Ok(Self::Ip(Ipv4Addr::LOCALHOST.into())),
            // In Hydra's files: every interface.
            "" => Ok(Self::Ip(Ipv4Addr::UNSPECIFIED.into())),
            text if text.starts_with("unix:") => {
                let path = &text["unix:".len()..];
                let sound = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
                let wrong = || format!("must be unix: and an absolute path of {MAX_PATH} bytes at most");
                (sound && path.len() <= MAX_PATH).then(|| Self::Socket(path.into())).ok_or_else(wrong)
            }
            text => text
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse()
                .map(Self::Ip)
                .map_err(|_| "must be an IP address such as 127.0.0.1, 0.0.0.0 or ::, or unix:/path".into()),
        }
    }
}

/// `serve.*.socket.mode`: octal with a leading 0, as chmod has it, or the decimal number that Hydra's files hold (493).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Value for Mode {
    fn schema() -> serde_json::Value {
        json!({ "anyOf": [
            { "type": "string", "pattern": "^0o?[0-7]{1,3}$" },
            { "type": "integer", "minimum": 0, "maximum": 511 },
        ] })
    }
    fn parse(given: &Given) -> Result<Self, String> {
        let text = given.text()?;
        let octal = text.strip_prefix("0o").or_else(|| text.strip_prefix('0').filter(|rest| !rest.is_empty()));
        let digits = octal.unwrap_or(text);
        let number = digits.bytes().all(|b| b.is_ascii_digit()).then_some(digits);
        let bits = number.and_then(|digits| u32::from_str_radix(digits, if octal.is_some() { 8 } else { 10 }).ok());
        bits.filter(|bits| *bits <= 0o777).map(Self).ok_or_else(|| {
            "must be permissions in octal such as 0660, with the leading 0 (or Hydra's decimal form, 493)".into()
        })
    }
}

/// The id of a user or a group: a number, or a name that `database` (`/etc/passwd`, `/etc/group`) has.
pub fn id_of(account: &str, database: &str) -> Option<u32> {
    if let Ok(id) = account.parse() {
        return Some(id);
    }
    look_up(account, &fs::read_to_string(database).ok()?)
}

/// What the machine calls the user with this id.
pub fn user_name(id: u32) -> Option<String> {
    name_in(id, &fs::read_to_string("/etc/passwd").ok()?)
}

fn name_in(id: u32, lines: &str) -> Option<String> {
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

/// Both files begin their lines with a name, a password and an id: passwd(5), group(5).
fn look_up(name: &str, lines: &str) -> Option<u32> {
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Given {
        Given::Text(text.into())
    }

    #[test]
    fn a_host_is_an_address_or_a_socket() {
        let ip = |text: &str| Ok(GivenHost::Ip(text.parse().unwrap()));
        assert_eq!(GivenHost::parse(&text("localhost")), ip("127.0.0.1"));
        assert_eq!(GivenHost::parse(&text("[::1]")), ip("::1"));
        assert_eq!(GivenHost::parse(&text("")), ip("0.0.0.0"));
        assert_eq!(GivenHost::parse(&text("unix:/run/h.sock")), Ok(GivenHost::Socket("/run/h.sock".into())));
        let long = format!("unix:/{}", "a".repeat(MAX_PATH));
        for wrong in ["example.com", "unix:", "unix:h.sock", "unix:/run/", "unix:///", &long, "http://127.0.0.1"] {
            assert!(GivenHost::parse(&text(wrong)).is_err(), "{wrong}");
        }
        assert!(GivenHost::parse(&text(&long[..long.len() - 1])).is_ok());
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        for (host, local) in
            [("127.9.9.9", true), ("::1", true), ("0.0.0.0", false), ("::", false), ("10.0.0.1", false)]
        {
            assert_eq!(Host::Ip(host.parse().unwrap()).is_local(), local, "{host}");
        }
        assert!(Host::Ip(mapped).is_local());
    }

    #[test]
    fn a_mode_is_octal_unless_it_is_hydras() {
        for (written, mode) in
            [("0660", 0o660), ("0o660", 0o660), ("0755", 0o755), ("493", 0o755), ("432", 0o660), ("0", 0)]
        {
            assert_eq!(Mode::parse(&text(written)), Ok(Mode(mode)), "{written}");
        }
        // Octal without its 0, which as a decimal number is something else.
        for wrong in ["660", "755", "600", "01777", "0888", "rw-rw----", "", "-1", "+1", "0x1f", "0+7"] {
            assert!(Mode::parse(&text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_account_is_a_number_or_a_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n\nhydrant:x:991:990::/:/sbin/nologin\nbroken\nodd:x:many:0\n";
        assert_eq!(look_up("hydrant", passwd), Some(991));
        assert_eq!(look_up("root", passwd), Some(0));
        assert_eq!(
            (name_in(991, passwd).as_deref(), name_in(0, passwd).as_deref(), name_in(7, passwd)),
            (Some("hydrant"), Some("root"), None)
        );
        for nobody in ["hydran", "x", "", "broken", "odd"] {
            assert_eq!(look_up(nobody, passwd), None, "{nobody}");
        }
        assert_eq!(id_of("65534", "/nonexistent"), Some(65534));
        assert_eq!(id_of("nobody", "/nonexistent"), None);
    }
}

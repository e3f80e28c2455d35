//! What is wrong with a configuration, and where: one line for a person, with the way out.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

/// A broken rule. Never holds the value: it may be a secret, and this ends in a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub place: Place,
    /// The dotted key, `urls.self.issuer`; empty where the file as a whole is meant.
    pub key: String,
    pub what: String,
    /// What to do about it; empty where `what` says it all.
    pub fix: String,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// A line of the file, counted from 1.
    Line { file: String, line: u64 },
    /// The file as a whole.
    File(String),
    /// An environment variable, by name.
    Environment(String),
    /// Nobody set it.
    Unset,
}

impl Problem {
    pub fn new(place: Place, key: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { place, key: key.to_owned(), what: what.into(), fix: fix.into() }
    }
}

/// Why a file can not be read, in an operator's words.
pub fn unreadable(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::IsADirectory => "it is a directory",
        io::ErrorKind::InvalidData => "it is not UTF-8 text",
        _ => "the system refuses it",
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{file}:{line}: "),
            Self::File(file) => write!(f, "{file}: "),
            Self::Environment(name) => write!(f, "environment {name}: "),
            Self::Unset => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        if !self.fix.is_empty() {
            write!(f, " (fix: {})", self.fix)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_with_place_key_and_fix() {
        let line = Place::Line { file: "config/hydrant.yml".into(), line: 12 };
        let problem = Problem::new(line, "urls.self.issuer", "must use https", "write https://");
        assert_eq!(
            problem.to_string(),
            "config/hydrant.yml:12: urls.self.issuer: must use https (fix: write https://)"
        );
        let problem = Problem::new(Place::Environment("DSN".into()), "dsn", "is not a URL", "");
        assert_eq!(problem.to_string(), "environment DSN: dsn: is not a URL");
    }
}

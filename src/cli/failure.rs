//! How a command fails: what it prints, and its exit status.

use std::error::Error as StdError;
use std::fmt;
use std::process::ExitCode;

use crate::config::Problem;
use crate::oauth;

/// A configuration that does not hold, with every problem: exit status 2.
#[derive(Debug)]
pub struct BadConfiguration(pub Vec<Problem>);

impl fmt::Display for BadConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a problem:")?,
            count => write!(f, "the configuration has {count} problems:")?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl StdError for BadConfiguration {}

/// A command line that says something impossible: exit status 2, like what clap refuses.
#[derive(Debug)]
pub struct Misuse(pub String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Misuse {}

/// Prints why a command failed; the exit status.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {}", text(error));
    if error.is::<BadConfiguration>() || error.is::<Misuse>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// The error and its causes, each said once. Here an operator reads, so that causes need not be kept back.
fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let said = match cause.downcast_ref::<oauth::Error>() {
            Some(error) => error.description.to_string(),
            None => cause.to_string(),
        };
        if text.contains(&said) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(if text.ends_with('.') { " " } else { ": " });
        }
        text.push_str(&said);
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::config::Place;

    #[test]
    fn every_problem_is_a_line() {
        let problem = |key| Problem::new(Place::Unset, key, "is missing", "set it");
        let error = BadConfiguration(vec![problem("urls.self.issuer"), problem("secrets.system")]);
        let text = error.to_string();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.starts_with("the configuration has 2 problems:\n  urls.self.issuer: is missing"), "{text}");
    }

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow!("connection refused").context("the database: connection refused").context("no keys");
        assert_eq!(text(&error), "no keys: the database: connection refused");
        let error = anyhow::Error::from(oauth::Error::unavailable("connection refused"));
        assert!(text(&error).ends_with("Please try again. connection refused"), "{}", text(&error));
    }
}

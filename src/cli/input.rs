//! What a command reads from its arguments and from standard input: secrets do not belong into a list of processes.

use std::io::{self, Read as _};

use anyhow::{Context as _, Result};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Misuse;
use crate::secret::Secret;

/// In bytes.
const LONGEST: u64 = 16 * 1024;

/// The one line on standard input, without its end.
pub fn line(what: &str) -> Result<Secret> {
    let mut text = Zeroizing::new(String::new());
    io::stdin()
        .take(LONGEST)
        .read_to_string(&mut text)
        .with_context(|| format!("{what} can not be read from standard input"))?;
    Ok(one_line(&text).ok_or_else(|| Misuse(format!("standard input must be one line: {what}")))?)
}

fn one_line(text: &str) -> Option<Secret> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    (!line.is_empty() && !line.contains('\n')).then(|| Secret::new(line))
}

/// The argument, or for `-` the line on standard input.
pub fn given(argument: &str, what: &str) -> Result<Secret> {
    if argument == "-" { line(what) } else { Ok(Secret::new(argument)) }
}

/// A value that is given as JSON on the command line.
pub fn json(text: &str, flag: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| Misuse(format!("{flag} is not JSON")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_loses_its_end_and_nothing_else() {
        for text in [" a b ", " a b \n", " a b \r\n"] {
            assert_eq!(one_line(text), Some(Secret::new(" a b ")), "{text:?}");
        }
        for text in ["", "\n", "\r\n", "a\nb", "a\n\n"] {
            assert_eq!(one_line(text), None, "{text:?}");
        }
    }
}

//! Answers: tables for people, JSON for programs.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde::Serialize;

/// `--format`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Writes to standard output. Who has stopped reading (`| head`) is no failure of ours.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("standard output can not be written"),
    }
}

pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Shows on standard error what a server logs as a warning: who works at the command line reads no log.
pub fn show_warnings() {
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).without_time().with_target(false);
    // Only where nobody logs yet.
    let _ = tracing::subscriber::set_global_default(lines.with_env_filter("error,hydrant=warn").finish());
}

/// Lines under headings.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut lines = vec![headings.iter().map(ToString::to_string).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()));
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One thing: a line for each of its properties that it has.
pub fn card(properties: &[(&str, String)]) -> String {
    let width = properties.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in properties.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{name:width$}  {}", printable(value));
    }
    text
}

/// What is kept was written by others: nothing of it may steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_headings() {
        let rows = [vec!["web".to_owned(), "Träume".to_owned()], vec!["a-longer-id".to_owned(), String::new()]];
        assert_eq!(table(&["ID", "NAME"], &rows), "ID           NAME\nweb          Träume\na-longer-id\n");
        assert_eq!(table(&["ID", "NAME"], &[]), "ID  NAME\n");
    }

    #[test]
    fn what_is_empty_has_no_line_and_nothing_steers_the_terminal() {
        let card = card(&[("ID", "\u{1b}[2Jx".to_owned()), ("NAME", String::new()), ("SCOPE", "openid".to_owned())]);
        assert_eq!(card, "ID     \u{fffd}[2Jx\nSCOPE  openid\n");
    }
}

//! Columns as wide as their widest cell, for a terminal or as Markdown.

use std::fmt::Write as _;

pub struct Table {
    columns: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { columns: N, rows: vec![head.map(str::to_owned).to_vec()] }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// Cells at the end may be left out.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        let mut cells = Vec::from(cells);
        cells.resize(self.columns, String::new());
        self.rows.push(cells);
    }

    pub fn print(&self, text: &mut String, markdown: bool) {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns).map(width).collect();
        for (nth, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let line = if markdown { format!("| {} |", cells.join(" | ")) } else { cells.join("  ") };
            writeln!(text, "{}", line.trim_end()).expect("writing to memory does not fail");
            if nth == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat((*width).max(3))).collect();
                let rule = if markdown { format!("| {} |", rule.join(" | ")) } else { rule.join("  ") };
                writeln!(text, "{rule}").expect("writing to memory does not fail");
            }
        }
    }
}

/// `26,600`, and one or two places behind the point where there is little before it.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value.abs() < 9.95 && value != 0.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) && digits.as_bytes()[nth - 1] != b'-' {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

pub fn millis(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
}

/// Whether a target was reached.
pub fn verdict(is_reached: bool) -> String {
    if is_reached { "ok" } else { "short" }.to_owned()
}

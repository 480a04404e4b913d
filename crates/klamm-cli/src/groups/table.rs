//! Text in columns, and how results get to standard output.

use crate::failure::{FAILED, Failure};
use std::io::{ErrorKind, Write};

/// Rows under a heading; a column is as wide as its widest cell.
#[derive(Debug)]
pub(super) struct Table {
    /// Names of the columns; numbers, whose name begins with `>`, stand to the right.
    columns: Vec<(&'static str, bool)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[&'static str]) -> Self {
        let column = |name: &&'static str| match name.strip_prefix('>') {
            Some(name) => (name, true),
            None => (*name, false),
        };
        Self { columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All lines, each with its end.
    pub(super) fn text(&self) -> String {
        let heading: Vec<String> =
            self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let lines = || std::iter::once(&heading).chain(&self.rows);
        let width = |at: usize| {
            lines().filter_map(|row| row.get(at)).map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = String::new();
        for row in lines() {
            let mut line = String::new();
            for ((cell, (_, to_the_right)), width) in row.iter().zip(&self.columns).zip(&widths) {
                match to_the_right {
                    true => line.push_str(&format!("{cell:>width$}  ")),
                    false => line.push_str(&format!("{cell:width$}  ")),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Names are anybody's: what would move the cursor is written as its escape.
pub(super) fn printable(text: &str) -> String {
    let written = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(written).collect()
}

/// What there is, or a dash.
pub(super) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Writes to standard output. A reader that has seen enough is no failure.
pub(super) fn emit(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::new(FAILED, e.to_string())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, or_dash};

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let mut table = Table::new(&["GROUP", ">LAG", "NOTE"]);
        assert!(table.is_empty());
        table.row(["a".to_owned(), "1000000".to_owned(), String::new()]);
        table.row(["grüße\u{1b}".to_owned(), or_dash(None::<i64>), "new".to_owned()]);
        let expected =
            "GROUP            LAG  NOTE\na            1000000\ngrüße\\u{1b}        -  new\n";
        assert_eq!(table.text(), expected);
    }
}

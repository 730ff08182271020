//! Tables without lines: columns two spaces apart, headers dim, one line a row, cut to the width.
//!
//! One column gives way where the width does not suffice, the last unless said otherwise; so the others stay readable and line up.

use std::collections::BTreeMap;

use anstyle::Style;
use tabled::builder::Builder;
use tabled::settings::Padding;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::domain::text::harmless;

const GAP: usize = 2;
/// The elastic column is never cut below this, even if the line grows too long: less would say nothing.
const LEAST: usize = 8;

/// One cell: text of one style.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell with a style; what could harm a terminal is replaced.
    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { text: harmless(text.as_ref()), style }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

/// One line of a table.
#[derive(Debug)]
enum Row {
    Cells(Vec<Cell>),
    /// A remark on the rows before it, which takes no part in the columns.
    Remark(Cell),
}

/// A table, row by row.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Row>,
    columns: usize,
    /// The columns that give way, the first of them first.
    elastic: Vec<usize>,
}

impl Table {
    /// A table with these headers, shown in upper case.
    pub fn new(headers: &[&str]) -> Self {
        let dim = Style::new().dimmed();
        let header = headers.iter().map(|header| Cell::styled(header.to_uppercase(), dim)).collect();
        let header = Row::Cells(header);
        Self { rows: vec![header], columns: headers.len(), elastic: vec![headers.len().saturating_sub(1)] }
    }

    /// Adds one more column at the right, whose header is shown as it is: it may hold a name.
    #[must_use]
    pub fn column(mut self, header: &str) -> Self {
        if let Some(Row::Cells(headers)) = self.rows.first_mut() {
            headers.push(Cell::styled(header, Style::new().dimmed()));
            self.columns += 1;
        }
        self
    }

    /// Makes another column than the last give way where the width does not suffice.
    #[must_use]
    pub fn elastic(mut self, column: usize) -> Self {
        self.elastic = vec![column];
        self
    }

    /// Makes one more column give way where that does not suffice.
    #[must_use]
    pub fn then_elastic(mut self, column: usize) -> Self {
        self.elastic.push(column);
        self
    }

    /// Adds a row; missing cells are empty, cells beyond the headers are not shown.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        self.rows.push(Row::Cells(cells.into_iter().map(Into::into).take(self.columns).collect()));
    }

    /// Adds a line that stands alone, two columns in.
    pub fn remark(&mut self, text: impl Into<Cell>) {
        self.rows.push(Row::Remark(text.into()));
    }

    /// The lines, without a newline at the end and without white space at the end of any.
    pub fn render(&self, width: Option<usize>) -> String {
        let mut limits = BTreeMap::new();
        let mut table = self.lay_out(&limits);
        for column in &self.elastic {
            // The gap behind the last column is not shown.
            let excess = width.map_or(0, |width| table.total_width().saturating_sub(width + GAP));
            if excess > 0 {
                let whole = self.width_of(*column);
                limits.insert(*column, whole.saturating_sub(excess).max(LEAST.min(whole)));
                table = self.lay_out(&limits);
            }
        }
        let shown = table.to_string();
        let mut lines = shown.lines().map(|line| line.trim_end().to_owned());
        let with_remarks = self.rows.iter().filter_map(|row| match row {
            Row::Cells(_) => lines.next(),
            Row::Remark(cell) => Some(format!("  {0}{1}{0:#}", cell.style, cell.text)),
        });
        with_remarks.collect::<Vec<_>>().join("\n")
    }

    /// The rows without remarks; a column with a limit has at most so many columns of the terminal.
    fn lay_out(&self, limits: &BTreeMap<usize, usize>) -> tabled::Table {
        let mut builder = Builder::new();
        for row in &self.rows {
            let Row::Cells(cells) = row else { continue };
            builder.push_record(cells.iter().enumerate().map(|(column, cell)| {
                let text = match limits.get(&column) {
                    Some(width) => &*cut(&cell.text, *width),
                    None => &cell.text,
                };
                // Colour codes around nothing would keep the spaces before them.
                if text.is_empty() { String::new() } else { format!("{0}{text}{0:#}", cell.style) }
            }));
        }
        let mut table = builder.build();
        table.with(tabled::settings::Style::empty()).with(Padding::new(0, GAP, 0, 0));
        table
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| match row {
            Row::Cells(cells) => cells.get(column),
            Row::Remark(_) => None,
        });
        cells.map(|cell| cell.text.width()).max().unwrap_or_default()
    }
}

/// The text in at most so many columns, with `…` where something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let mut short = String::new();
    for character in text.chars() {
        let Some(rest) = left.checked_sub(character.width().unwrap_or(0)) else { break };
        left = rest;
        short.push(character);
    }
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(&["Environment", "Component", "Subject"]).elastic(2);
        table.row(["dev", "api", "Fix login redirect"]);
        table.row(["", "größe", "資料庫 更新 更新"]);
        table.row(["prod", "", ""]);
        table
    }

    fn plain(table: &Table, width: Option<usize>) -> String {
        anstream::adapter::strip_str(&table.render(width)).to_string()
    }

    /// Columns line up by what a terminal shows, not by bytes or characters.
    #[test]
    fn whole() {
        assert_eq!(
            plain(&sample(), None),
            "ENVIRONMENT  COMPONENT  SUBJECT\n\
             dev          api        Fix login redirect\n             \
                          größe      資料庫 更新 更新\n\
             prod"
        );
    }

    /// A line longer than the terminal would break the table.
    #[test]
    fn cut_to_the_width() {
        let text = plain(&sample(), Some(35));
        assert_eq!(
            text,
            "ENVIRONMENT  COMPONENT  SUBJECT\n\
             dev          api        Fix login…\n             \
                          größe      資料庫 更…\n\
             prod"
        );
        assert!(text.lines().all(|line| line.width() <= 35));
        // Too narrow for the columns that must stay: the elastic one keeps something to read.
        assert!(plain(&sample(), Some(10)).contains("Fix log…"));
        // Where another may give way too, it does so after the first.
        assert!(plain(&sample().then_elastic(0), Some(29)).lines().all(|line| line.width() <= 29));
        assert!(plain(&sample().then_elastic(0), Some(35)).contains("ENVIRONMENT"));
    }

    /// Subjects come from anyone's commits.
    #[test]
    fn hostile_text() {
        let mut table = Table::new(&["a"]);
        table.row(["\u{1b}]0;x\u{7}\nnext"]);
        table.remark("\u{202e}");
        assert_eq!(plain(&table, None), "A\n\u{fffd}]0;x\u{fffd}\u{fffd}next\n  \u{fffd}");
    }
}

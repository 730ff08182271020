//! Tables without lines: columns two spaces apart, headers dim, one line a row, cut to the width.
//!
//! Where the width does not suffice, columns give way one after another, the last alone unless said otherwise; so the others stay
//! readable and line up. Several words are cut at their end; names where that leaves them most apart.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::Style;
use tabled::builder::Builder;
use tabled::settings::Padding;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::wrap;
use crate::domain::text::harmless;

const GAP: usize = 2;
/// What is before a remark, and how far in it goes on where it is folded.
const MARGIN: &str = "  ";
const REMARK: usize = 4;
/// A column is not cut below this, even if the line grows too long, unless said otherwise: less would say nothing.
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
        Self {
            text: harmless(text.as_ref()),
            style,
        }
    }

    /// The same, two columns in.
    #[must_use]
    pub fn indented(mut self) -> Self {
        self.text.insert_str(0, MARGIN);
        self
    }

    fn styled_text(&self) -> String {
        // Colour codes around nothing would keep the spaces before them.
        if self.text.is_empty() {
            String::new()
        } else {
            format!("{0}{1}{0:#}", self.style, self.text)
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

/// One line of a table; only cells take part in the columns.
#[derive(Debug)]
enum Row {
    Cells(Vec<Cell>),
    /// What the rows after it are about.
    Heading(Cell),
    /// A remark on the rows before it, and what to type.
    Remark(Cell, Option<String>),
}

/// A table, row by row.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Row>,
    columns: usize,
    /// The columns that give way, the first of them first, and to how many columns of the terminal.
    elastic: Vec<(usize, usize)>,
}

impl Table {
    /// A table with these headers, shown in upper case.
    pub fn new(headers: &[&str]) -> Self {
        let dim = Style::new().dimmed();
        let header = headers
            .iter()
            .map(|header| Cell::styled(header.to_uppercase(), dim))
            .collect();
        let header = Row::Cells(header);
        Self {
            rows: vec![header],
            columns: headers.len(),
            elastic: vec![(headers.len().saturating_sub(1), LEAST)],
        }
    }

    /// The same, of which the first column is two columns in, for rows that have headings.
    pub fn indented(headers: &[&str]) -> Self {
        let mut table = Self::new(headers);
        if let Some(Row::Cells(cells)) = table.rows.first_mut() {
            cells
                .iter_mut()
                .take(1)
                .for_each(|cell| cell.text.insert_str(0, MARGIN));
        }
        table
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

    /// Makes other columns than the last give way where the width does not suffice, the first of these first.
    #[must_use]
    pub fn elastic(mut self, columns: &[usize]) -> Self {
        self.elastic = columns.iter().map(|column| (*column, LEAST)).collect();
        self
    }

    /// Keeps a column that gives way at so many columns of the terminal.
    #[must_use]
    pub fn least(mut self, column: usize, least: usize) -> Self {
        self.elastic
            .iter_mut()
            .filter(|(it, _)| *it == column)
            .for_each(|it| it.1 = least);
        self
    }

    /// Adds a row; missing cells are empty, cells beyond the headers are not shown.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        self.rows.push(Row::Cells(
            cells
                .into_iter()
                .map(Into::into)
                .take(self.columns)
                .collect(),
        ));
    }

    /// Adds a line about the rows after it.
    pub fn heading(&mut self, text: impl Into<Cell>) {
        self.rows.push(Row::Heading(text.into()));
    }

    /// Adds a text that stands alone, two columns in.
    pub fn remark(&mut self, text: impl Into<Cell>) {
        self.rows.push(Row::Remark(text.into(), None));
    }

    /// The same with what to type.
    pub fn remark_with(&mut self, text: impl Into<Cell>, command: impl AsRef<str>) {
        self.rows
            .push(Row::Remark(text.into(), Some(harmless(command.as_ref()))));
    }

    /// Whether nothing need be cut.
    pub fn fits(&self, width: Option<usize>) -> bool {
        width.is_none_or(|width| self.lay_out(&BTreeMap::new()).total_width() <= width + GAP)
    }

    /// The lines, without a newline at the end and without white space at the end of any.
    pub fn render(&self, width: Option<usize>) -> String {
        let mut limits = BTreeMap::new();
        let mut table = self.lay_out(&limits);
        for (column, least) in &self.elastic {
            // The gap behind the last column is not shown.
            let excess = width.map_or(0, |width| table.total_width().saturating_sub(width + GAP));
            if excess > 0 {
                let whole = self.width_of(*column);
                limits.insert(*column, whole.saturating_sub(excess).max(whole.min(*least)));
                table = self.lay_out(&limits);
            }
        }
        let shown = table.to_string();
        let mut lines = shown.lines().map(|line| line.trim_end().to_owned());
        let mut all = Vec::new();
        for row in &self.rows {
            match row {
                Row::Cells(_) => all.extend(lines.next()),
                Row::Heading(cell) => {
                    all.extend(wrap::below("", REMARK, &cell.styled_text(), width))
                }
                Row::Remark(cell, None) => {
                    all.extend(wrap::below(MARGIN, REMARK, &cell.styled_text(), width))
                }
                Row::Remark(cell, Some(command)) => {
                    all.extend(wrap::with_command(
                        MARGIN,
                        REMARK,
                        &cell.styled_text(),
                        " · ",
                        command,
                        width,
                    ));
                }
            }
        }
        all.join("\n")
    }

    /// The rows without remarks; a column with a limit has at most so many columns of the terminal.
    fn lay_out(&self, limits: &BTreeMap<usize, usize>) -> tabled::Table {
        let mut builder = Builder::new();
        let cuts: BTreeMap<usize, (usize, Place)> = limits
            .iter()
            .map(|(column, width)| (*column, (*width, self.place(*column, *width))))
            .collect();
        for row in &self.rows {
            let Row::Cells(cells) = row else { continue };
            builder.push_record(cells.iter().enumerate().map(|(column, cell)| {
                let text = match cuts.get(&column) {
                    Some((width, place)) => cut(&cell.text, *width, *place),
                    None => cell.text.clone(),
                };
                Cell {
                    text,
                    style: cell.style,
                }
                .styled_text()
            }));
        }
        let mut table = builder.build();
        table
            .with(tabled::settings::Style::empty())
            .with(Padding::new(0, GAP, 0, 0));
        table
    }

    fn width_of(&self, column: usize) -> usize {
        self.texts(column)
            .map(unicode_width::UnicodeWidthStr::width)
            .max()
            .unwrap_or_default()
    }

    /// Where to cut the names of a column so that the fewest become alike.
    fn place(&self, column: usize, width: usize) -> Place {
        let left = |place: &Place| {
            let distinct: BTreeSet<String> = self
                .texts(column)
                .map(|text| cut(text, width, *place))
                .collect();
            distinct.len()
        };
        // Of equals the last is taken.
        [Place::Begin, Place::End, Place::Middle]
            .into_iter()
            .max_by_key(left)
            .unwrap_or(Place::Middle)
    }

    fn texts(&self, column: usize) -> impl Iterator<Item = &str> {
        let cells = self.rows.iter().filter_map(move |row| match row {
            Row::Cells(cells) => cells.get(column),
            Row::Heading(_) | Row::Remark(..) => None,
        });
        cells.map(|cell| cell.text.as_str())
    }
}

/// Where a name is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Begin,
    Middle,
    End,
}

/// The text in at most so many columns, with `…` where something is missing: several words at their end, a name at that place.
fn cut(text: &str, width: usize, place: Place) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let name = text.trim_start();
    let margin = text.len() - name.len();
    let left = width.saturating_sub(1 + margin);
    let end = match place {
        _ if name.contains(' ') => 0,
        Place::Begin => left,
        Place::Middle => left / 2,
        Place::End => 0,
    };
    let (margin, text) = text.split_at(margin);
    let begin = taken(text.chars(), left - end);
    let end: String = taken(text.chars().rev(), end).chars().rev().collect();
    format!("{margin}{}…{end}", begin.trim_end())
}

/// The first characters, in at most so many columns.
fn taken(characters: impl Iterator<Item = char>, mut left: usize) -> String {
    let fits = |character: &char| {
        let rest = left.checked_sub(character.width().unwrap_or(0));
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    characters.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(&["Environment", "Component", "Subject"]).elastic(&[2]);
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
        let both = || sample().elastic(&[2, 0]);
        assert!(
            plain(&both(), Some(29))
                .lines()
                .all(|line| line.width() <= 29)
        );
        assert!(plain(&both(), Some(35)).contains("ENVIRONMENT"));
        assert!(plain(&both().least(2, 18), Some(35)).contains("Fix login redirect"));
        assert!(sample().fits(Some(42)) && !sample().fits(Some(41)));
    }

    /// Names that begin or end alike are told apart; of a sentence the beginning says most.
    #[test]
    fn cut_names() {
        let cut = |names: &[&str], width: usize| {
            let mut table = Table::new(&["x"]);
            for name in names {
                table.row([*name]);
            }
            plain(&table, Some(width))
                .lines()
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            cut(&["europe-west-1-live", "europe-west-1-test"], 12),
            ["europe…-live", "europe…-test"]
        );
        assert_eq!(
            cut(&["service-01-of-the-shop", "service-02-of-the-shop"], 12),
            ["service-01-…", "service-02-…"]
        );
        assert_eq!(
            cut(&["a-shop-service-01-live", "a-shop-service-02-live"], 10),
            ["…e-01-live", "…e-02-live"]
        );
        assert_eq!(
            cut(
                &["deploying 2026.11.0-rc.3", "deploying 2026.11.0-rc.4"],
                12
            ),
            ["deploying 2…"; 2]
        );
        assert_eq!(cut(&["資料庫更新更新"], 11), ["資料…更新"]);
    }

    /// What is said of the rows is folded, never cut, and a command stays whole.
    #[test]
    fn remarks() {
        let mut table = Table::new(&["a"]);
        table.heading("production");
        table.row(["api"]);
        table.remark_with(
            "web is locked by bob: a very long reason",
            "git deploy unlock production",
        );
        assert_eq!(
            plain(&table, Some(30)),
            "A\nproduction\napi\n  web is locked by bob: a very\n    long reason\n    → git deploy unlock production"
        );
        assert!(plain(&table, None).ends_with(
            "\n  web is locked by bob: a very long reason · git deploy unlock production"
        ));
    }

    /// Subjects come from anyone's commits.
    #[test]
    fn hostile_text() {
        let mut table = Table::new(&["a"]);
        table.row(["\u{1b}]0;x\u{7}\nnext"]);
        table.remark("\u{202e}");
        assert_eq!(
            plain(&table, None),
            "A\n\u{fffd}]0;x\u{fffd}\u{fffd}next\n  \u{fffd}"
        );
    }
}

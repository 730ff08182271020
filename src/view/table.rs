//! Renders tables without borders: columns two spaces apart, dimmed headers, one line per row.
//!
//! If a table is too wide, columns are shortened one after another, by default only the last one.
//! Sentences are cut at the end, names at the position that keeps most of them distinct.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::Style;
use tabled::builder::Builder;
use tabled::settings::Padding;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::wrap;
use crate::domain::text::sanitize;

/// The number of spaces between two columns.
const GAP: usize = 2;
/// The indentation of remarks, and of rows below a heading.
const INDENT: &str = "  ";
/// The indentation of a remark's continuation lines.
const REMARK_INDENT: usize = 4;
/// The default minimum width of a column, even if the line becomes too long, because shorter text
/// would be useless.
const MIN_WIDTH: usize = 8;

/// One cell: text with one style.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Creates a cell with a style. Unsafe characters are replaced.
    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self {
            text: sanitize(text.as_ref()),
            style,
        }
    }

    /// Indents the cell, for a row below a heading.
    #[must_use]
    pub fn indent(mut self) -> Self {
        self.text.insert_str(0, INDENT);
        self
    }

    /// Returns the text with its colour codes.
    fn styled_text(&self) -> String {
        // Colour codes around an empty text would keep the spaces before them.
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

/// A row of a table. Only cells are aligned in columns.
#[derive(Debug)]
enum Row {
    Cells(Vec<Cell>),
    /// A title for the rows below it.
    Heading(Cell),
    /// A remark on the rows above it, with an optional command.
    Remark(Cell, Option<String>),
}

/// A table, row by row.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Row>,
    columns: usize,
    /// The columns that can be shortened, in this order, each with its minimum width.
    shrinkable: Vec<(usize, usize)>,
}

impl Table {
    /// Creates a table with these headers, shown in upper case.
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
            shrinkable: vec![(headers.len().saturating_sub(1), MIN_WIDTH)],
        }
    }

    /// Creates a table whose first header is indented, to match rows that are indented below
    /// headings.
    pub fn with_indented_header(headers: &[&str]) -> Self {
        let mut table = Self::new(headers);
        if let Some(Row::Cells(cells)) = table.rows.first_mut() {
            cells
                .iter_mut()
                .take(1)
                .for_each(|cell| cell.text.insert_str(0, INDENT));
        }
        table
    }

    /// Adds a column on the right. Its header is shown unchanged, because it may contain a name.
    #[must_use]
    pub fn with_column(mut self, header: &str) -> Self {
        if let Some(Row::Cells(headers)) = self.rows.first_mut() {
            headers.push(Cell::styled(header, Style::new().dimmed()));
            self.columns += 1;
        }
        self
    }

    /// Sets which columns are shortened if the width is not enough, in this order, instead of the
    /// last one.
    #[must_use]
    pub fn shorten_columns(mut self, columns: &[usize]) -> Self {
        self.shrinkable = columns.iter().map(|column| (*column, MIN_WIDTH)).collect();
        self
    }

    /// Sets the minimum width of a column that can be shortened.
    #[must_use]
    pub fn with_min_width(mut self, column: usize, min_width: usize) -> Self {
        self.shrinkable
            .iter_mut()
            .filter(|(shrinkable, _)| *shrinkable == column)
            .for_each(|(_, current)| *current = min_width);
        self
    }

    /// Adds a row. Missing cells are empty, and cells beyond the headers are not shown.
    pub fn add_row(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        self.rows.push(Row::Cells(
            cells
                .into_iter()
                .map(Into::into)
                .take(self.columns)
                .collect(),
        ));
    }

    /// Adds a heading for the rows that follow.
    pub fn add_heading(&mut self, text: impl Into<Cell>) {
        self.rows.push(Row::Heading(text.into()));
    }

    /// Adds a remark as a separate, indented line.
    pub fn add_remark(&mut self, text: impl Into<Cell>) {
        self.rows.push(Row::Remark(text.into(), None));
    }

    /// Adds a remark with a command.
    pub fn add_command_remark(&mut self, text: impl Into<Cell>, command: impl AsRef<str>) {
        self.rows
            .push(Row::Remark(text.into(), Some(sanitize(command.as_ref()))));
    }

    /// Returns whether the table fits the width without shortening.
    pub fn fits(&self, width: Option<usize>) -> bool {
        width.is_none_or(|width| self.lay_out_cells(&BTreeMap::new()).total_width() <= width + GAP)
    }

    /// Renders the lines, without a final newline and without white space at the end of lines.
    pub fn render(&self, width: Option<usize>) -> String {
        let mut limits = BTreeMap::new();
        let mut table = self.lay_out_cells(&limits);
        for (column, min_width) in &self.shrinkable {
            // The gap after the last column is not shown.
            let excess = width.map_or(0, |width| table.total_width().saturating_sub(width + GAP));
            if excess > 0 {
                let full_width = self.column_width(*column);
                let limit = full_width
                    .saturating_sub(excess)
                    .max(full_width.min(*min_width));
                limits.insert(*column, limit);
                table = self.lay_out_cells(&limits);
            }
        }
        let aligned = table.to_string();
        let mut lines = aligned.lines().map(|line| line.trim_end().to_owned());
        let mut rendered = Vec::new();
        for row in &self.rows {
            match row {
                Row::Cells(_) => rendered.extend(lines.next()),
                Row::Heading(cell) => rendered.extend(wrap::wrap_indented(
                    "",
                    REMARK_INDENT,
                    &cell.styled_text(),
                    width,
                )),
                Row::Remark(cell, None) => rendered.extend(wrap::wrap_indented(
                    INDENT,
                    REMARK_INDENT,
                    &cell.styled_text(),
                    width,
                )),
                Row::Remark(cell, Some(command)) => {
                    rendered.extend(wrap::wrap_with_command(
                        INDENT,
                        REMARK_INDENT,
                        &cell.styled_text(),
                        " · ",
                        command,
                        width,
                    ));
                }
            }
        }
        rendered.join("\n")
    }

    /// Lays out the rows without the remarks. A column with a limit has at most this width.
    fn lay_out_cells(&self, limits: &BTreeMap<usize, usize>) -> tabled::Table {
        let mut builder = Builder::new();
        let cuts: BTreeMap<usize, (usize, CutPosition)> = limits
            .iter()
            .map(|(column, width)| (*column, (*width, self.best_cut(*column, *width))))
            .collect();
        for row in &self.rows {
            let Row::Cells(cells) = row else { continue };
            builder.push_record(cells.iter().enumerate().map(|(column, cell)| {
                let text = match cuts.get(&column) {
                    Some((width, position)) => shorten(&cell.text, *width, *position),
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

    /// Returns the width of the widest cell of a column.
    fn column_width(&self, column: usize) -> usize {
        self.column_texts(column)
            .map(unicode_width::UnicodeWidthStr::width)
            .max()
            .unwrap_or_default()
    }

    /// Returns where to cut the names of a column so that most of them stay distinct.
    fn best_cut(&self, column: usize, width: usize) -> CutPosition {
        let count_distinct = |position: &CutPosition| {
            let distinct: BTreeSet<String> = self
                .column_texts(column)
                .map(|text| shorten(text, width, *position))
                .collect();
            distinct.len()
        };
        // If several are equally good, `max_by_key` takes the last.
        [CutPosition::Begin, CutPosition::End, CutPosition::Middle]
            .into_iter()
            .max_by_key(count_distinct)
            .unwrap_or(CutPosition::Middle)
    }

    /// Returns the texts of a column.
    fn column_texts(&self, column: usize) -> impl Iterator<Item = &str> {
        let cells = self.rows.iter().filter_map(move |row| match row {
            Row::Cells(cells) => cells.get(column),
            Row::Heading(_) | Row::Remark(..) => None,
        });
        cells.map(|cell| cell.text.as_str())
    }
}

/// Where a name is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CutPosition {
    Begin,
    Middle,
    End,
}

/// Shortens a text to a width, with `…` for the missing part. Cuts a text with spaces at the end,
/// and a name at the given position. Keeps the indentation.
fn shorten(text: &str, width: usize, position: CutPosition) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let name = text.trim_start();
    let indent_length = text.len() - name.len();
    let room = width.saturating_sub(1 + indent_length);
    let end_width = match position {
        _ if name.contains(' ') => 0,
        CutPosition::Begin => room,
        CutPosition::Middle => room / 2,
        CutPosition::End => 0,
    };
    let (indent, text) = text.split_at(indent_length);
    let begin = take_width(text.chars(), room - end_width);
    let end: String = take_width(text.chars().rev(), end_width)
        .chars()
        .rev()
        .collect();
    format!("{indent}{}…{end}", begin.trim_end())
}

/// Returns the first characters that fit the width.
fn take_width(characters: impl Iterator<Item = char>, mut room: usize) -> String {
    let fits = |character: &char| {
        let rest = room.checked_sub(character.width().unwrap_or(0));
        room = rest.unwrap_or(room);
        rest.is_some()
    };
    characters.take_while(fits).collect()
}

#[cfg(test)]
mod tests;

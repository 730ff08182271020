//! Groups components with the same text, so that many equal components do not fill the screen.

use std::fmt::Display;

use super::wrap;

/// The maximum number of names for which the label of a group lists all of them.
const MAX_LISTED: usize = 4;
/// The number of names listed for a larger group.
const LISTED_OF_MANY: usize = 3;

/// Groups names with equal text, in the order in which each text first appears.
pub fn group_equal<N, T: PartialEq>(pairs: impl IntoIterator<Item = (N, T)>) -> Vec<(Vec<N>, T)> {
    let mut groups: Vec<(Vec<N>, T)> = Vec::new();
    for (name, text) in pairs {
        match groups
            .iter_mut()
            .find(|(_, group_text)| *group_text == text)
        {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], text)),
        }
    }
    groups
}

/// Groups names like [`group_equal`], with one label per group. `total` is the number of all names.
pub fn group_with_labels<N: Display, T: PartialEq>(
    pairs: impl IntoIterator<Item = (N, T)>,
    total: usize,
) -> Vec<(String, T)> {
    let groups = group_equal(
        pairs
            .into_iter()
            .map(|(name, text)| (name.to_string(), text)),
    );
    groups
        .into_iter()
        .map(|(names, text)| (group_label(&names, total), text))
        .collect()
}

/// The maximum number of components that a sentence names. For more, it gives only their number.
const MAX_IN_SENTENCE: usize = 3;

/// The largest number of alternatives that are named. Further ones are counted.
const MAX_ALTERNATIVES: usize = 4;

/// Returns `a`, `a or b`, `a, b or c`, or `a, b, c, d or 3 others`.
pub fn list_alternatives<T: std::fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    let mut names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let last = match names.len().checked_sub(MAX_ALTERNATIVES) {
        // One more name is not longer than `1 others`.
        None | Some(0 | 1) => names.pop(),
        Some(others) => {
            names.truncate(MAX_ALTERNATIVES);
            Some(format!("{others} others"))
        }
    };
    match last {
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} or {last}", names.join(", ")),
        None => String::new(),
    }
}

/// Returns the names for use in a sentence, or their number if there are many.
pub fn list_or_count(names: &[&str]) -> String {
    if names.len() > MAX_IN_SENTENCE {
        format!("{} components", names.len())
    } else {
        names.join(", ")
    }
}

/// The minimum size of a group that shares a row of a table. A smaller group shares one only if it
/// contains all rows.
const MIN_GROUP: usize = 3;

/// Groups the rows of a table: each name has its own row, except those of the largest group,
/// which share the last row.
pub fn group_rows<N: Display, T: PartialEq + Clone>(
    rows: impl IntoIterator<Item = (N, T)>,
) -> Vec<(String, T)> {
    let rows: Vec<(String, T)> = rows
        .into_iter()
        .map(|(name, text)| (name.to_string(), text))
        .collect();
    let total = rows.len();
    let groups = group_equal(rows.iter().map(|(name, text)| (name, text)));
    let largest = groups.iter().max_by_key(|(names, _)| names.len());
    let Some((members, text)) =
        largest.filter(|(names, _)| names.len() >= MIN_GROUP || names.len() == total && total > 1)
    else {
        return rows;
    };
    let word = if members.len() == total {
        "all"
    } else {
        "others"
    };
    let shared_row = (format!("{word} ({})", members.len()), (*text).clone());
    rows.into_iter()
        .filter(|(_, text)| *text != shared_row.1)
        .chain([shared_row.clone()])
        .collect()
}

/// Returns the label of a group: all names, or the first few and the number of the others.
fn group_label(names: &[String], total: usize) -> String {
    match names.len() {
        len if len <= MAX_LISTED => names.join(", "),
        len if len == total => format!("all ({len})"),
        len => format!(
            "{} and {} more",
            names
                .iter()
                .take(LISTED_OF_MANY)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", "),
            len - LISTED_OF_MANY
        ),
    }
}

/// Returns the maximum width of the column of labels. A longer label extends beyond the column.
pub fn max_label_width(width: Option<usize>) -> usize {
    width.map_or(usize::MAX, |width| width * 2 / 5)
}

/// Returns the width of the column of labels: that of the longest label that is not wider than
/// [`max_label_width`]. Labels are ASCII, so bytes are columns.
pub fn label_width<T>(rows: &[(String, T)], width: Option<usize>) -> usize {
    let max_width = max_label_width(width);
    rows.iter()
        .map(|(label, _)| label.len())
        .filter(|len| *len <= max_width)
        .max()
        .unwrap_or_default()
}

/// Renders one group: a head, the label in a column that is `label_width` wide, and the text.
pub fn render_group(
    head: &str,
    label: &str,
    label_width: usize,
    text: &str,
    width: Option<usize>,
) -> Vec<String> {
    let indent = wrap::display_width(head);
    if label.len() <= label_width {
        return wrap::wrap_hanging(&format!("{head}{label:label_width$}  "), text, width);
    }
    let whole = format!("{head}{label}  {text}");
    if width.is_none_or(|width| wrap::display_width(&whole) <= width) {
        return vec![whole];
    }
    let mut lines = wrap::wrap_indented(head, indent + 2, label, width);
    lines.extend(wrap::wrap_hanging(&" ".repeat(indent + 2), text, width));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a label names the components unless it is about all of them, and that no
    /// component is lost in a group.
    #[test]
    fn labels() {
        let render = |text: &str| {
            let pairs = text.split(' ').map(|pair| pair.split_once('=').unwrap());
            let total = if text.contains("rest") {
                9
            } else {
                text.split(' ').count()
            };
            group_with_labels(pairs, total)
                .into_iter()
                .map(|(label, text)| format!("{label}: {text}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(render("a=1 b=2 c=1"), ["a, c: 1", "b: 2"]);
        assert_eq!(render("a=1 b=1 c=1 d=1 e=1"), ["all (5): 1"]);
        assert_eq!(render("a=1 b=1 c=1 d=1 rest=1"), ["a, b, c and 2 more: 1"]);
        assert_eq!(
            render("a=1 b=1 x=2 c=1 d=1 e=1"),
            ["a, b, c and 2 more: 1", "x: 2"]
        );
    }

    /// Checks that every row of a table names its component, except that of the largest group.
    #[test]
    fn few_rows() {
        let render = |text: &str| {
            let pairs = text.split(' ').map(|pair| pair.split_once('=').unwrap());
            group_rows(pairs)
                .into_iter()
                .map(|(label, text)| format!("{label}: {text}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            render("a=1 b=2 c=1 d=1 e=2"),
            ["b: 2", "e: 2", "others (3): 1"]
        );
        assert_eq!(render("a=1 b=1"), ["all (2): 1"]);
        assert_eq!(render("a=1 b=2 c=1"), ["a: 1", "b: 2", "c: 1"]);
        assert_eq!(render("a=1"), ["a: 1"]);
    }
}

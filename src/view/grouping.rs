//! Groups of components with the same text. A list of forty lines that differ in one name is
//! unreadable.

use std::fmt::Display;

use super::wrap;

/// Up to this number, all names are listed.
const MAX_LISTED: usize = 4;
/// The number of names listed for a larger group.
const LISTED_OF_MANY: usize = 3;

/// Groups names with equal text, in the order in which each text first appears.
pub fn group_equal<N, T: PartialEq>(all: impl IntoIterator<Item = (N, T)>) -> Vec<(Vec<N>, T)> {
    let mut groups: Vec<(Vec<N>, T)> = Vec::new();
    for (name, said) in all {
        match groups.iter_mut().find(|(_, known)| *known == said) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], said)),
        }
    }
    groups
}

/// Groups names like [`grouped`], with one label per group. `of` is the number of all names.
pub fn group_with_labels<N: Display, T: PartialEq>(
    all: impl IntoIterator<Item = (N, T)>,
    of: usize,
) -> Vec<(String, T)> {
    let groups = group_equal(all.into_iter().map(|(name, said)| (name.to_string(), said)));
    groups
        .into_iter()
        .map(|(names, said)| (group_label(&names, of), said))
        .collect()
}

/// A sentence with more components than this shows only their number.
const MAX_IN_SENTENCE: usize = 3;

/// Returns the names for use in a sentence, or their number if there are many.
pub fn list_or_count(names: &[&str]) -> String {
    if names.len() > MAX_IN_SENTENCE {
        format!("{} components", names.len())
    } else {
        names.join(", ")
    }
}

/// A group of at least this size shares a row of a table.
const MIN_GROUP: usize = 3;

/// Groups the rows of a table: each name has its own row, except the largest group, which shares
/// the last row.
pub fn group_rows<N: Display, T: PartialEq + Clone>(
    all: impl IntoIterator<Item = (N, T)>,
) -> Vec<(String, T)> {
    let all: Vec<(String, T)> = all
        .into_iter()
        .map(|(name, said)| (name.to_string(), said))
        .collect();
    let (of, groups) = (
        all.len(),
        group_equal(all.iter().map(|(name, said)| (name, said))),
    );
    let most = groups.iter().max_by_key(|(names, _)| names.len());
    let Some((alike, said)) =
        most.filter(|(names, _)| names.len() >= MIN_GROUP || names.len() == of && of > 1)
    else {
        return all;
    };
    let (word, said) = (
        if alike.len() == of { "all" } else { "others" },
        (*said).clone(),
    );
    let shared = (format!("{word} ({})", alike.len()), said);
    all.into_iter()
        .filter(|(_, it)| *it != shared.1)
        .chain([shared.clone()])
        .collect()
}

/// Returns the label of a group: its names, or how many they are.
fn group_label(names: &[String], of: usize) -> String {
    match names.len() {
        len if len <= MAX_LISTED => names.join(", "),
        len if len == of => format!("all ({len})"),
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

/// Returns the widest label for which a column is made. A longer label extends beyond its column,
/// so that room is left for the text.
pub fn max_label_width(width: Option<usize>) -> usize {
    width.map_or(usize::MAX, |width| width * 2 / 5)
}

/// Returns the width of the column of labels. Component names are ASCII, so bytes are columns. Some
/// room is left for the text if there is a width.
pub fn label_width<T>(joined: &[(String, T)], width: Option<usize>) -> usize {
    let most = max_label_width(width);
    joined
        .iter()
        .map(|(label, _)| label.len())
        .filter(|len| *len <= most)
        .max()
        .unwrap_or_default()
}

/// Renders one group: a head, the label in a column of the given width, and the text.
pub fn render_group(
    head: &str,
    label: &str,
    columns: usize,
    said: &str,
    width: Option<usize>,
) -> Vec<String> {
    let indent = wrap::display_width(head);
    if label.len() <= columns {
        return wrap::wrap_hanging(&format!("{head}{label:columns$}  "), said, width);
    }
    let whole = format!("{head}{label}  {said}");
    if width.is_none_or(|width| wrap::display_width(&whole) <= width) {
        return vec![whole];
    }
    let mut lines = wrap::wrap_indented(head, indent + 2, label, width);
    lines.extend(wrap::wrap_hanging(&" ".repeat(indent + 2), said, width));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a label names the components unless it is about all of them, and that no
    /// component is lost in a group.
    #[test]
    fn labels() {
        let told = |text: &str| {
            let pairs = text.split(' ').map(|pair| pair.split_once('=').unwrap());
            let of = if text.contains("rest") {
                9
            } else {
                text.split(' ').count()
            };
            group_with_labels(pairs, of)
                .into_iter()
                .map(|(label, said)| format!("{label}: {said}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(told("a=1 b=2 c=1"), ["a, c: 1", "b: 2"]);
        assert_eq!(told("a=1 b=1 c=1 d=1 e=1"), ["all (5): 1"]);
        assert_eq!(told("a=1 b=1 c=1 d=1 rest=1"), ["a, b, c and 2 more: 1"]);
        assert_eq!(
            told("a=1 b=1 x=2 c=1 d=1 e=1"),
            ["a, b, c and 2 more: 1", "x: 2"]
        );
    }

    /// Checks that every row of a table names its component, except the largest group.
    #[test]
    fn few_rows() {
        let told = |text: &str| {
            let pairs = text.split(' ').map(|pair| pair.split_once('=').unwrap());
            group_rows(pairs)
                .into_iter()
                .map(|(label, said)| format!("{label}: {said}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told("a=1 b=2 c=1 d=1 e=2"),
            ["b: 2", "e: 2", "others (3): 1"]
        );
        assert_eq!(told("a=1 b=1"), ["all (2): 1"]);
        assert_eq!(told("a=1 b=2 c=1"), ["a: 1", "b: 2", "c: 1"]);
        assert_eq!(told("a=1"), ["a: 1"]);
    }
}

//! Components of which the same is to be said, told together: forty lines that differ in one name are read by nobody.

use std::fmt::Display;

use super::wrap;

/// So few are told one by one.
const FEW: usize = 4;
/// How many are named where there are more.
const NAMED: usize = 3;

/// The names of which the same is to be said, and what that is, in the order in which each comes first.
pub fn grouped<N, T: PartialEq>(all: impl IntoIterator<Item = (N, T)>) -> Vec<(Vec<N>, T)> {
    let mut groups: Vec<(Vec<N>, T)> = Vec::new();
    for (name, said) in all {
        match groups.iter_mut().find(|(_, known)| *known == said) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], said)),
        }
    }
    groups
}

/// The same with a label for the names, of which there are `of` altogether.
pub fn joined<N: Display, T: PartialEq>(
    all: impl IntoIterator<Item = (N, T)>,
    of: usize,
) -> Vec<(String, T)> {
    let groups = grouped(all.into_iter().map(|(name, said)| (name.to_string(), said)));
    groups
        .into_iter()
        .map(|(names, said)| (told(&names, of), said))
        .collect()
}

/// More components than this are counted where a sentence speaks of them.
const COUNTED: usize = 3;

/// The names in a sentence, or how many there are.
pub fn counted(names: &[&str]) -> String {
    if names.len() > COUNTED {
        format!("{} components", names.len())
    } else {
        names.join(", ")
    }
}

/// So many share a row of a table.
const ALIKE: usize = 3;

/// The same for the rows of a table: each by itself, but for the most of which the same is to be said, who come last.
pub fn rows<N: Display, T: PartialEq + Clone>(
    all: impl IntoIterator<Item = (N, T)>,
) -> Vec<(String, T)> {
    let all: Vec<(String, T)> = all
        .into_iter()
        .map(|(name, said)| (name.to_string(), said))
        .collect();
    let (of, groups) = (
        all.len(),
        grouped(all.iter().map(|(name, said)| (name, said))),
    );
    let most = groups.iter().max_by_key(|(names, _)| names.len());
    let Some((alike, said)) =
        most.filter(|(names, _)| names.len() >= ALIKE || names.len() == of && of > 1)
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

fn told(names: &[String], of: usize) -> String {
    match names.len() {
        len if len <= FEW => names.join(", "),
        len if len == of => format!("all ({len})"),
        len => format!(
            "{} and {} more",
            names
                .iter()
                .take(NAMED)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", "),
            len - NAMED
        ),
    }
}

/// The widest label that a column is made for: a longer one stands out of it, so that there is room for what is said.
pub fn label(width: Option<usize>) -> usize {
    width.map_or(usize::MAX, |width| width * 2 / 5)
}

/// How wide a column for the labels is: names of components are ASCII. It leaves room behind it where there is a width.
pub fn width<T>(joined: &[(String, T)], width: Option<usize>) -> usize {
    let most = label(width);
    joined
        .iter()
        .map(|(label, _)| label.len())
        .filter(|len| *len <= most)
        .max()
        .unwrap_or_default()
}

/// The lines of one group: a head, its label in a column of so many, and what is said of it.
pub fn line(
    head: &str,
    label: &str,
    columns: usize,
    said: &str,
    width: Option<usize>,
) -> Vec<String> {
    let indent = wrap::columns(head);
    if label.len() <= columns {
        return wrap::hanging(&format!("{head}{label:columns$}  "), said, width);
    }
    let whole = format!("{head}{label}  {said}");
    if width.is_none_or(|width| wrap::columns(&whole) <= width) {
        return vec![whole];
    }
    let mut lines = wrap::below(head, indent + 2, label, width);
    lines.extend(wrap::hanging(&" ".repeat(indent + 2), said, width));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who approves reads which components it is about, unless it is all of them; nothing is lost in a group.
    #[test]
    fn labels() {
        let told = |text: &str| {
            let pairs = text.split(' ').map(|pair| pair.split_once('=').unwrap());
            let of = if text.contains("rest") {
                9
            } else {
                text.split(' ').count()
            };
            joined(pairs, of)
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

    /// Of the rows of a table no name is hidden but in the one group that everything else tells from.
    #[test]
    fn few_rows() {
        let told = |text: &str| {
            let pairs = text.split(' ').map(|pair| pair.split_once('=').unwrap());
            rows(pairs)
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

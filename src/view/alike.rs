//! Components of which the same is to be said, told together: forty lines that differ in one name are read by nobody.

use std::fmt::Display;

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
pub fn joined<N: Display, T: PartialEq>(all: impl IntoIterator<Item = (N, T)>, of: usize) -> Vec<(String, T)> {
    let groups = grouped(all.into_iter().map(|(name, said)| (name.to_string(), said)));
    groups.into_iter().map(|(names, said)| (label(&names, of), said)).collect()
}

fn label(names: &[String], of: usize) -> String {
    match names.len() {
        len if len <= FEW => names.join(", "),
        len if len == of => format!("all ({len})"),
        len => format!(
            "{} and {} more",
            names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", "),
            len - NAMED
        ),
    }
}

/// How wide the labels are, in columns: names of components are ASCII.
pub fn width<T>(joined: &[(String, T)]) -> usize {
    joined.iter().map(|(label, _)| label.len()).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who approves reads which components it is about, unless it is all of them; nothing is lost in a group.
    #[test]
    fn labels() {
        let told = |text: &str| {
            let pairs = text.split(' ').map(|pair| pair.split_once('=').unwrap());
            let of = if text.contains("rest") { 9 } else { text.split(' ').count() };
            joined(pairs, of).into_iter().map(|(label, said)| format!("{label}: {said}")).collect::<Vec<_>>()
        };
        assert_eq!(told("a=1 b=2 c=1"), ["a, c: 1", "b: 2"]);
        assert_eq!(told("a=1 b=1 c=1 d=1 e=1"), ["all (5): 1"]);
        assert_eq!(told("a=1 b=1 c=1 d=1 rest=1"), ["a, b, c and 2 more: 1"]);
        assert_eq!(told("a=1 b=1 x=2 c=1 d=1 e=1"), ["a, b, c and 2 more: 1", "x: 2"]);
    }
}

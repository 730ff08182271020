//! Numbers with their nouns. Every message that counts something uses this file, so that singular and
//! plural agree.

use std::fmt::Display;

/// Returns a number and its noun: `1 commit`, `2 commits`, `0 entries`. The noun is in the singular; a
/// phrase is inflected at its last word.
pub fn count(number: impl Countable, noun: &str) -> String {
    format!("{number} {}", inflect(number, noun))
}

/// Returns a noun as it stands after a number, or alone if the number is only meant: `its commits`.
pub fn inflect(number: impl Countable, noun: &str) -> String {
    if number.is_one() {
        noun.to_owned()
    } else {
        pluralize(noun)
    }
}

/// Returns the first word after one thing, and the second after any other number: `is` or `are`.
pub fn choose<'a>(number: impl Countable, one: &'a str, other: &'a str) -> &'a str {
    if number.is_one() { one } else { other }
}

/// A number of things.
pub trait Countable: Copy + Display {
    /// Returns whether it takes the singular.
    fn is_one(self) -> bool;
}

macro_rules! countable {
    ($($number:ty),*) => {$(
        impl Countable for $number {
            fn is_one(self) -> bool {
                self == 1
            }
        }
    )*};
}

countable!(u8, u32, u64, i64, usize);

/// Returns the plural of a noun.
fn pluralize(noun: &str) -> String {
    if let Some(rest) = noun.strip_suffix("person") {
        return format!("{rest}people");
    }
    let is_vowel = |letter: char| "aeiou".contains(letter);
    if let Some(rest) = noun.strip_suffix('y')
        && !rest.ends_with(is_vowel)
    {
        return format!("{rest}ies");
    }
    if ["s", "x", "ch", "sh"]
        .iter()
        .any(|ending| noun.ends_with(ending))
    {
        return format!("{noun}es");
    }
    format!("{noun}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every noun that is counted has the right plural, and only one thing takes the singular.
    #[test]
    fn numbers_agree_with_their_nouns() {
        for (noun, plural) in [
            ("commit", "commits"),
            ("older commit", "older commits"),
            ("entry", "entries"),
            ("day", "days"),
            ("person", "people"),
            ("branch", "branches"),
            ("box", "boxes"),
        ] {
            for number in [0_usize, 2, 21, 100] {
                assert_eq!(count(number, noun), format!("{number} {plural}"));
            }
            assert_eq!(count(1_u64, noun), format!("1 {noun}"));
        }
        assert_eq!(
            [0_u8, 1, 2].map(|it| choose(it, "is", "are")),
            ["are", "is", "are"]
        );
        assert_eq!(inflect(1_i64, "it"), "it");
    }
}

//! Command lines: those that entries record, quoted for a POSIX shell, and parts of those that
//! messages suggest.

use crate::domain::name::ComponentName;
use crate::domain::text::Line;

/// Quotes a word for a shell, if needed.
pub fn quote_word(word: &str) -> String {
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Returns the options that name components, each after a space: ` --component api --component web`.
pub fn component_options<'a>(names: impl IntoIterator<Item = &'a ComponentName>) -> String {
    let mut options = String::new();
    for name in names {
        options += " --component ";
        options += name.as_str();
    }
    options
}

/// Returns whether a shell reads a command line as words and nothing else: outside quotes, it has
/// only characters that have no special meaning.
///
/// Another person may have written the command line of an entry. It is safe to suggest only if it
/// passes this check.
pub fn is_quoted_for_shell(command: &Line) -> bool {
    let mut rest = command.as_str().chars();
    while let Some(c) = rest.next() {
        let is_safe = match c {
            '\'' => rest.any(|c| c == '\''),
            '\\' => rest.next() == Some('\''),
            c => c == ' ' || is_plain(c),
        };
        if !is_safe {
            return false;
        }
    }
    true
}

/// Returns whether a character needs no quotes anywhere in a word.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_are_safe() {
        for words in [
            &["./manage", "migrate"][..],
            &["sh", "-c", "ls | wc -l; echo $HOME `id`"],
            &["echo", "it's", "", "a\\b", "'", "\"", "--", "!!"],
        ] {
            let quoted: Vec<String> = words.iter().map(|word| quote_word(word)).collect();
            let line: Line = quoted.join(" ").parse().unwrap();
            assert!(is_quoted_for_shell(&line), "{line}");
        }
    }

    #[test]
    fn other_lines_are_unsafe() {
        for line in [
            "true; rm x",
            "echo $HOME",
            "a | b",
            "a && b",
            "`id`",
            "echo 'open",
            "a \\",
            "a \\b",
            "echo \"x\"",
            "ls *",
            "a > b",
            "~/x",
            "# x",
        ] {
            assert!(!is_quoted_for_shell(&line.parse().unwrap()), "{line}");
        }
    }
}

//! The line-by-line difference of two texts, like `diff -u` and `git show`.

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use crate::domain::text::sanitize;

/// A text to compare.
#[derive(Debug, Clone, Copy)]
pub struct NamedText<'a> {
    /// Its name, which the header of the diff shows.
    pub name: &'a str,
    /// The text itself.
    pub text: &'a str,
}

/// Returns the lines of a unified diff with colours, or none if the texts are equal.
///
/// The texts may be untrusted: unsafe characters are replaced.
pub fn render_diff(old: NamedText<'_>, new: NamedText<'_>) -> Vec<String> {
    let diff = TextDiff::from_lines(old.text, new.text);
    let (bold, cyan) = (Style::new().bold(), AnsiColor::Cyan.on_default());
    let mut lines = Vec::new();
    for hunk in diff.unified_diff().iter_hunks() {
        if lines.is_empty() {
            lines.push(format!("{bold}--- {}{bold:#}", sanitize(old.name)));
            lines.push(format!("{bold}+++ {}{bold:#}", sanitize(new.name)));
        }
        lines.push(format!("{cyan}{}{cyan:#}", hunk.header()));
        for change in hunk.iter_changes() {
            let (sign, style) = match change.tag() {
                ChangeTag::Equal => (' ', Style::new()),
                ChangeTag::Delete => ('-', AnsiColor::Red.on_default()),
                ChangeTag::Insert => ('+', AnsiColor::Green.on_default()),
            };
            let text = change.value().trim_end_matches(['\n', '\r']);
            lines.push(format!(
                "{style}{sign}{}{style:#}",
                sanitize(&text.replace('\t', "    "))
            ));
            if change.missing_newline() {
                lines.push("\\ no newline at the end of the file".to_owned());
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that every change is shown and that hostile text cannot control a terminal: a
    /// proposal is an unreviewed file.
    #[test]
    fn changes_and_hostile_text() {
        let named = |name, text| NamedText { name, text };
        let lines = render_diff(
            named("in force", "a\nb\n"),
            named("deploy.toml", "a\n\u{1b}[2Jc\u{202e}"),
        );
        let plain = anstream::adapter::strip_str(&lines.join("\n")).to_string();
        assert_eq!(
            plain,
            "--- in force\n+++ deploy.toml\n@@ -1,2 +1,2 @@\n a\n-b\n+\u{fffd}[2Jc\u{fffd}\n\\ no newline at the end of the file"
        );
        assert!(render_diff(named("x", "same\n"), named("y", "same\n")).is_empty());
    }
}

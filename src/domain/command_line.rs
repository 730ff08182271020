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

/// The subcommands whose `--component` names what they deploy or approve.
const DEPLOYMENT_COMMANDS: [&str; 7] = [
    "approve", "check", "plan", "promote", "record", "rollback", "run",
];

/// Adds the options that name components to each command in a suggested command line that deploys or
/// approves. A command that names components already, or that ends a run, stays as it is.
pub fn name_components(line: &str, names: &[ComponentName]) -> String {
    if names.is_empty() {
        return line.to_owned();
    }
    let options = component_options(names);
    let add = |command: &str| {
        let is_deployment = command.strip_prefix("git deploy ").is_some_and(|rest| {
            let verb = rest.split(' ').next().unwrap_or_default();
            DEPLOYMENT_COMMANDS.contains(&verb)
        });
        let has_names = command.contains(" --component ") || command.contains(" --finish");
        if !is_deployment || has_names {
            return command.to_owned();
        }
        // A named component is deployed even if it runs already.
        let command = command.replacen(" --all", "", 1);
        let ends = [" -- ", " --exec ", " > "].map(|end| command.find(end));
        let end = ends.into_iter().flatten().min().unwrap_or(command.len());
        let (start, rest) = command.split_at(end);
        format!("{start}{options}{rest}")
    };
    let commands: Vec<String> = line.split(" && ").map(add).collect();
    commands.join(" && ")
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

    /// Components that were named stay in every suggestion that deploys or approves.
    #[test]
    fn named_components_stay() {
        let names: Vec<ComponentName> = ["api", "web"].map(|name| name.parse().unwrap()).into();
        for (line, expected) in [
            ("git deploy approve prod 1a", "git deploy approve prod 1a +"),
            (
                "git deploy approve prod 1a --destroy",
                "git deploy approve prod 1a --destroy +",
            ),
            (
                "git deploy approve prod 1a --exec -- ls",
                "git deploy approve prod 1a + --exec -- ls",
            ),
            (
                "git deploy approve prod 1a --component db",
                "git deploy approve prod 1a --component db",
            ),
            (
                "git deploy plan prod 1a --json > p && git deploy approve prod 1a --plans p",
                "git deploy plan prod 1a --json + > p && git deploy approve prod 1a --plans p +",
            ),
            ("git deploy check prod", "git deploy check prod +"),
            ("git deploy promote prod", "git deploy promote prod +"),
            ("git deploy run dev 1a --all", "git deploy run dev 1a +"),
            ("git deploy record dev 1a", "git deploy record dev 1a +"),
            (
                "git deploy record dev 1a -- ./w dev",
                "git deploy record dev 1a + -- ./w dev",
            ),
            (
                "git deploy record dev --finish",
                "git deploy record dev --finish",
            ),
            (
                "git deploy rollback dev --to 1a",
                "git deploy rollback dev --to 1a +",
            ),
            ("git deploy unlock dev", "git deploy unlock dev"),
            (
                "git deploy attest test-result 1a",
                "git deploy attest test-result 1a",
            ),
            ("git pull", "git pull"),
        ] {
            let expected = expected.replace('+', "--component api --component web");
            assert_eq!(name_components(line, &names), expected);
            assert_eq!(name_components(line, &[]), line);
        }
    }

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

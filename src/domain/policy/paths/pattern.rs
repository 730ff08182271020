//! The syntax of one pattern.

use globset::GlobBuilder;

/// Returns globs for the folders above the paths that a pattern matches, up to the first part with
/// `**`.
///
/// A slash can be inside a group such as `{a,b/c}`. The text before it does not compile and is left
/// out.
pub(super) fn parent_folder_globs(pattern: &str) -> Vec<globset::Glob> {
    let slashes = pattern.match_indices('/').map(|(index, _)| index);
    let folders = slashes.filter_map(|index| pattern.get(..index));
    folders
        .take_while(|folder| !folder.contains("**"))
        .filter_map(|folder| compile_glob(folder).ok())
        .collect()
}

/// The characters that have a meaning in a pattern. A backslash quotes them.
const SPECIAL: [char; 6] = ['*', '?', '[', ']', '{', '}'];

/// Returns whether a pattern has a glob character that is not quoted.
pub(super) fn has_glob(pattern: &str) -> bool {
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            other if SPECIAL.contains(&other) => return true,
            _ => {}
        }
    }
    false
}

/// Returns the path that a pattern without glob characters stands for.
pub(super) fn unquote(pattern: &str) -> String {
    pattern.replace('\\', "")
}

/// Returns the pattern with all brackets quoted. Returns `None` if it has no bracket, or if it
/// already quotes a character.
pub fn quote_brackets(pattern: &str) -> Option<String> {
    let needs_quotes = pattern.contains(['[', ']']) && !pattern.contains('\\');
    needs_quotes.then(|| pattern.replace('[', "\\[").replace(']', "\\]"))
}

/// Returns whether each backslash of a pattern quotes a special character.
fn quotes_special_only(pattern: &str) -> bool {
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character == '\\' && !characters.next().is_some_and(|it| SPECIAL.contains(&it)) {
            return false;
        }
    }
    true
}

pub(super) fn compile_glob(pattern: &str) -> Result<globset::Glob, String> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| error.kind().to_string())
}

/// Returns what is wrong with a pattern; `None` if it is fine.
pub(super) fn pattern_problem(pattern: &str) -> Option<&'static str> {
    let body = pattern.strip_suffix('/').unwrap_or(pattern);
    if pattern.is_empty() || pattern.len() > 4_096 {
        Some("it must have 1 to 4,096 bytes")
    } else if pattern.starts_with('/') {
        Some("it must not begin with '/': paths start at the root of the repository anyway")
    } else if !quotes_special_only(pattern) {
        Some("parts are separated by '/', and a backslash only quotes *, ?, [, ], { and }")
    } else if pattern
        .chars()
        .any(|character| !crate::domain::text::is_plain(character))
    {
        Some("it contains a character that is not plain text; match it with '?' or '*'")
    } else if pattern.starts_with('!') {
        Some("a pattern cannot exclude files; list the files that belong to the component")
    } else if body != pattern && has_glob(body) && !body.ends_with("**") {
        Some("it matches folders but no files in them; end it with '/**'")
    } else if body
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        Some("none of its parts may be empty, '.' or '..'")
    } else {
        None
    }
}

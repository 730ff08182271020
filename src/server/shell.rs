//! Quotes words for a shell, in hooks and in suggested commands.

use std::path::Path;

/// Quotes a path as one word, if it needs quotation marks.
pub(super) fn quote_path(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |character: char| character.is_alphanumeric() || "/._-+@:,".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        quote_word(&text)
    }
}

/// Quotes a word.
pub(super) fn quote_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Reverses [`quote_word`]. Returns a word without quotation marks unchanged.
pub(super) fn unquote_word(text: &str) -> String {
    let inner = text
        .strip_prefix('\'')
        .and_then(|inner| inner.strip_suffix('\''));
    inner.map_or_else(|| text.to_owned(), |inner| inner.replace(r"'\''", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path with a quotation mark must not become a shell command.
    #[test]
    fn quotes() {
        let (word, quoted) = ("/opt/git deploy/it's", r"'/opt/git deploy/it'\''s'");
        assert_eq!(quote_word(word), quoted);
        assert_eq!(unquote_word(quoted), word);
        assert_eq!(quote_path(Path::new(word)), quoted);
        assert_eq!(quote_path(Path::new("/srv/git")), "/srv/git");
    }
}

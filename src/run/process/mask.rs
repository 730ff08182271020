//! Masks secrets in the output of a command, however the output is split into chunks.
//!
//! It looks for a secret itself, for its lines, and for the encodings that programs commonly apply
//! (see [`spellings`]). It cannot stop a command that encodes a secret differently on purpose.

mod spellings;

use aho_corasick::AhoCorasick;

use crate::domain::text::{is_plain, sanitize};
use spellings::list_spellings;

/// The text that replaces a secret.
pub const REPLACEMENT: &[u8] = b"***";
/// The text that replaces a tab.
const TAB_SPACES: &str = "    ";

/// The secrets to mask.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    finder: Option<AhoCorasick>,
    /// The length of the longest form of a secret.
    longest_form: usize,
}

impl Mask {
    /// Creates a mask of these secrets. Empty ones are ignored.
    ///
    /// # Errors
    /// The secrets are too large to be searched for.
    pub fn new<'s>(
        secrets: impl IntoIterator<Item = &'s [u8]>,
    ) -> Result<Self, aho_corasick::BuildError> {
        let mut forms: Vec<Vec<u8>> = secrets
            .into_iter()
            .flat_map(list_spellings)
            .filter(|form| !form.is_empty())
            .collect();
        forms.sort();
        forms.dedup();
        let longest_form = forms.iter().map(Vec::len).max().unwrap_or_default();
        let finder = match longest_form {
            0 => None,
            _ => Some(AhoCorasick::new(&forms)?),
        };
        Ok(Self {
            finder,
            longest_form,
        })
    }
}

impl Mask {
    /// Returns the text with all secrets replaced.
    pub fn mask_text(&self, text: &str) -> String {
        let mut stream = MaskStream::new(self);
        let mut masked = stream.push(text.as_bytes());
        masked.extend(stream.finish());
        String::from_utf8_lossy(&masked).into_owned()
    }

    /// Returns a printed line that is safe to show: without escape sequences and with tabs as
    /// spaces. The line is masked again, because removed characters may have split a secret.
    pub fn clean_line(&self, line: &[u8]) -> String {
        let plain = anstream::adapter::strip_bytes(line).into_vec();
        let plain = String::from_utf8_lossy(&plain).replace('\t', TAB_SPACES);
        if self.finder.is_none() {
            return sanitize(&plain);
        }
        let visible: String = plain
            .chars()
            .filter(|character| is_plain(*character))
            .collect();
        let masked = self.mask_text(&visible);
        sanitize(if masked == visible { &plain } else { &masked })
    }
}

/// Masks one stream chunk by chunk.
#[derive(Debug)]
pub struct MaskStream<'a> {
    mask: &'a Mask,
    /// Bytes that may be the beginning of a secret.
    pending: Vec<u8>,
    /// How many of the pending bytes belong to a secret that was already replaced.
    already_masked: usize,
}

impl<'a> MaskStream<'a> {
    /// Starts at the beginning of a stream.
    pub fn new(mask: &'a Mask) -> Self {
        Self {
            mask,
            pending: Vec::new(),
            already_masked: 0,
        }
    }

    /// Adds bytes, and returns the masked bytes up to the point at which an incomplete secret may
    /// begin.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.mask.finder.is_none() {
            return bytes.to_vec();
        }
        self.pending.extend_from_slice(bytes);
        // A match that begins before this point ends within the pending bytes, however long it is.
        let safe_end = (self.pending.len() + 1).saturating_sub(self.mask.longest_form);
        self.take_masked(safe_end)
    }

    /// Returns the rest, at the end of the stream.
    pub fn finish(&mut self) -> Vec<u8> {
        self.take_masked(self.pending.len())
    }

    /// Returns the bytes before `safe_end`, masked. Matches of several secrets, or of several
    /// encodings of one, may overlap: every byte of any match is replaced.
    fn take_masked(&mut self, safe_end: usize) -> Vec<u8> {
        let Some(finder) = &self.mask.finder else {
            return std::mem::take(&mut self.pending);
        };
        let matches = finder
            .find_overlapping_iter(&self.pending)
            .map(|it| (it.start(), it.end()));
        let mut matches: Vec<(usize, usize)> =
            matches.filter(|(start, _)| *start < safe_end).collect();
        matches.sort_unstable();
        let (mut masked, mut position) = (Vec::new(), self.already_masked);
        for (start, end) in matches {
            if start >= position {
                masked.extend_from_slice(self.pending.get(position..start).unwrap_or_default());
                masked.extend_from_slice(REPLACEMENT);
            }
            position = position.max(end);
        }
        masked.extend_from_slice(self.pending.get(position..safe_end).unwrap_or_default());
        self.already_masked = position.saturating_sub(safe_end);
        self.pending.drain(..safe_end.min(self.pending.len()));
        masked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn masked(secrets: &[&str], pieces: &[&[u8]]) -> String {
        let mask = Mask::new(secrets.iter().map(|secret| secret.as_bytes())).unwrap();
        let mut stream = MaskStream::new(&mask);
        let mut all: Vec<u8> = pieces.iter().flat_map(|piece| stream.push(piece)).collect();
        all.extend(stream.finish());
        String::from_utf8(all).unwrap()
    }

    /// The longest secret that begins at a point is masked: a short one must not leave the rest of
    /// a long one visible.
    #[test]
    fn longest_first() {
        assert_eq!(
            masked(&["abc", "abcdef"], &[b"x abcdef y abc z"]),
            "x *** y *** z"
        );
        assert_eq!(
            masked(&["abc", "abcdef"], &[b"x abc", b"def", b" y"]),
            "x *** y"
        );
        assert_eq!(masked(&[""], &[b"nothing"]), "nothing");
        // Two overlapping secrets leave no part of either, however the output is split.
        let two = ["abcdXYZ1", "XYZ1efgh"];
        assert_eq!(masked(&two, &[b"x abcdXYZ1efgh y"]), "x *** y");
        assert_eq!(
            masked(&two, &[b"x abcdXY", b"Z1", b"efg", b"h y"]),
            "x *** y"
        );
    }

    /// Secrets are also masked in the encodings that programs use on their own.
    #[test]
    fn spellings() {
        let key = "-----BEGIN-----\nc2VjcmV0IGtleQ\n-----END-----";
        assert_eq!(masked(&[key], &[b"  c2VjcmV0IGtleQ\n"]), "  ***\n");
        assert_eq!(
            masked(&["pa\"ss wörd"], &["{\"p\":\"pa\\\"ss wörd\"}".as_bytes()]),
            "{\"p\":\"***\"}"
        );
        assert_eq!(masked(&["hunter2 ok"], &[b"aHVudGVyMiBvaw=="]), "***");
        for sent in [
            "hunter2%20%2Fok",
            "hunter2%20%2fok",
            "hunter2+%2Fok",
            "hunter2%20/ok",
        ] {
            assert_eq!(
                masked(
                    &["hunter2 /ok"],
                    &[format!("https://x/?p={sent}&q").as_bytes()]
                ),
                "https://x/?p=***&q"
            );
        }
        // In strings of Go, PHP and Python, and in the trace of a shell.
        for sent in ["a\\u003cb\\u0026c/ü", "a<b&c\\/ü", "a<b&c/\\u00fc"] {
            assert_eq!(masked(&["a<b&c/ü"], &[sent.as_bytes()]), "***", "{sent}");
        }
        assert_eq!(
            masked(&["it's"], &[b"+ curl -u 'it'\\''s'"]),
            "+ curl -u '***'"
        );
        // In the middle of a header, only the part that belongs to the secret is masked.
        let header = STANDARD.encode("user:correct horse battery");
        assert_eq!(
            masked(&["correct horse battery"], &[header.as_bytes()]),
            "dXNlcjp***k="
        );
        // With or without a newline at the end.
        assert_eq!(masked(&["hunter2 ok\r"], &[b"hunter2 ok"]), "***");
    }

    /// Characters that are removed before output is shown may have split a secret.
    #[test]
    fn secrets_split_by_hidden_characters() {
        let mask = Mask::new([&b"hunter2"[..]]).unwrap();
        for line in ["a hun\x1b[1mter2 b", "a hun\0ter2 b", "a h\u{200b}unter2 b"] {
            assert_eq!(mask.clean_line(line.as_bytes()), "a *** b", "{line:?}");
        }
        assert_eq!(mask.clean_line("a\tb\u{200b}".as_bytes()), "a    b\u{fffd}");
    }

    proptest! {
        /// The result does not depend on how the output is split.
        #[test]
        fn pieces(text in "[abc]{0,40}", cuts in proptest::collection::vec(0usize..40, 0..8)) {
            let whole = masked(&["abca", "cc"], &[text.as_bytes()]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let (mut pieces, mut position) = (Vec::new(), 0);
            for cut in cuts.into_iter().chain([text.len()]) {
                pieces.push(&text.as_bytes()[position..cut]);
                position = cut;
            }
            prop_assert_eq!(masked(&["abca", "cc"], &pieces), whole);
        }
    }
}

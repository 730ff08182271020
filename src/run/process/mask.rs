//! Blots secrets out of what a command prints, wherever its pieces begin and end.
//!
//! A secret is looked for as it is, line by line, and in the spellings that programs commonly give it: as JSON, in base64, in a URL. A
//! command that spells it otherwise on purpose cannot be stopped from it.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// What stands where a secret was.
pub const BLOT: &[u8] = b"***";
/// Lines of a secret of several lines are secrets themselves from this length on: `{` and `-----` are not.
const LINE: usize = 8;

/// What is blotted out.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    finder: Option<AhoCorasick>,
    /// The longest thing that is looked for.
    longest: usize,
}

impl Mask {
    /// Of these secrets; empty ones hide nothing.
    ///
    /// # Errors
    /// They are too large together to be looked for.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Result<Self, aho_corasick::BuildError> {
        let mut forms: Vec<Vec<u8>> = secrets.into_iter().flat_map(forms).filter(|form| !form.is_empty()).collect();
        forms.sort();
        forms.dedup();
        let longest = forms.iter().map(Vec::len).max().unwrap_or_default();
        let finder = match longest {
            0 => None,
            _ => Some(AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&forms)?),
        };
        Ok(Self { finder, longest })
    }
}

impl Mask {
    /// A text without the secrets.
    pub fn over(&self, text: &str) -> String {
        let mut stream = Masked::new(self);
        let mut masked = stream.push(text.as_bytes());
        masked.extend(stream.finish());
        String::from_utf8_lossy(&masked).into_owned()
    }
}

fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let lines = secret.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| line.len() >= LINE);
    let mut forms: Vec<Vec<u8>> = lines.chain([secret]).map(<[u8]>::to_vec).collect();
    for plain in forms.clone() {
        if let Ok(text) = std::str::from_utf8(&plain) {
            let json = serde_json::Value::from(text).to_string();
            forms.push(json.trim_matches('"').as_bytes().to_vec());
        }
        forms.push(in_url(&plain));
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&plain).into_bytes());
        }
    }
    forms
}

/// Percent-encoded as in RFC 3986: all but its unreserved characters.
fn in_url(plain: &[u8]) -> Vec<u8> {
    let encode = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => vec![*byte],
        byte => format!("%{byte:02X}").into_bytes(),
    };
    plain.iter().flat_map(encode).collect()
}

/// One stream that is masked as it comes.
#[derive(Debug)]
pub struct Masked<'a> {
    mask: &'a Mask,
    held: Vec<u8>,
}

impl<'a> Masked<'a> {
    /// A stream from its beginning.
    pub fn new(mask: &'a Mask) -> Self {
        Self { mask, held: Vec::new() }
    }

    /// Takes further bytes, and gives those before which no secret can begin any more.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.mask.finder.is_none() {
            return bytes.to_vec();
        }
        self.held.extend_from_slice(bytes);
        // Whatever begins before this point lies wholly in what is held, and so does anything longer that begins there.
        let safe = (self.held.len() + 1).saturating_sub(self.mask.longest);
        self.give(safe)
    }

    /// The rest, at the end.
    pub fn finish(&mut self) -> Vec<u8> {
        self.give(self.held.len())
    }

    fn give(&mut self, safe: usize) -> Vec<u8> {
        let (mut given, mut at) = (Vec::new(), 0);
        if let Some(finder) = &self.mask.finder {
            for found in finder.find_iter(&self.held).take_while(|found| found.start() < safe) {
                given.extend_from_slice(self.held.get(at..found.start()).unwrap_or_default());
                given.extend_from_slice(BLOT);
                at = found.end();
            }
        }
        let end = safe.max(at);
        given.extend_from_slice(self.held.get(at..end).unwrap_or_default());
        self.held.drain(..end.min(self.held.len()));
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(secrets: &[&str], pieces: &[&[u8]]) -> String {
        let mask = Mask::new(secrets.iter().map(|secret| secret.as_bytes())).unwrap();
        let mut stream = Masked::new(&mask);
        let mut all: Vec<u8> = pieces.iter().flat_map(|piece| stream.push(piece)).collect();
        all.extend(stream.finish());
        String::from_utf8(all).unwrap()
    }

    /// The longest secret that begins somewhere is taken: a short one must not leave the rest of a long one behind.
    #[test]
    fn longest_first() {
        assert_eq!(masked(&["abc", "abcdef"], &[b"x abcdef y abc z"]), "x *** y *** z");
        assert_eq!(masked(&["abc", "abcdef"], &[b"x abc", b"def", b" y"]), "x *** y");
        assert_eq!(masked(&[""], &[b"nothing"]), "nothing");
    }

    /// The ways in which programs print a secret by themselves.
    #[test]
    fn spellings() {
        let key = "-----BEGIN-----\nc2VjcmV0IGtleQ\n-----END-----";
        assert_eq!(masked(&[key], &[b"  c2VjcmV0IGtleQ\n"]), "  ***\n");
        assert_eq!(masked(&["pa\"ss wörd"], &["{\"p\":\"pa\\\"ss wörd\"}".as_bytes()]), "{\"p\":\"***\"}");
        assert_eq!(masked(&["hunter2 ok"], &[b"aHVudGVyMiBvaw=="]), "***");
        assert_eq!(masked(&["hunter2 ok"], &[b"https://x/?p=hunter2%20ok&q"]), "https://x/?p=***&q");
    }

    proptest! {
        /// However the output is cut into pieces, the same comes out.
        #[test]
        fn pieces(text in "[abc]{0,40}", cuts in proptest::collection::vec(0usize..40, 0..8)) {
            let whole = masked(&["abca", "cc"], &[text.as_bytes()]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let (mut pieces, mut at) = (Vec::new(), 0);
            for cut in cuts.into_iter().chain([text.len()]) {
                pieces.push(&text.as_bytes()[at..cut]);
                at = cut;
            }
            prop_assert_eq!(masked(&["abca", "cc"], &pieces), whole);
        }
    }
}

//! The settings of `git -c name=value deploy …`, which git hands on in `GIT_CONFIG_PARAMETERS` and gix does not read.
//!
//! They are words in single quotes with spaces between them: `'name=value'` as git once wrote it, `'name'='value'` as it does now.

use std::os::unix::ffi::OsStringExt as _;

use gix::bstr::BString;

use super::error::{Error, Result};

const VARIABLE: &str = "GIT_CONFIG_PARAMETERS";

/// The settings of this process, each as `name=value`, or as a name alone.
pub(super) fn of_process() -> Result<Vec<BString>> {
    let value = std::env::var_os(VARIABLE).unwrap_or_default().into_vec();
    parse(&value).ok_or_else(|| Error::corrupt(VARIABLE, "it is not what git writes there"))
}

fn parse(mut rest: &[u8]) -> Option<Vec<BString>> {
    let mut settings = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(settings);
        }
        let (mut setting, after) = word(rest)?;
        rest = after;
        if let Some(value) = rest.strip_prefix(b"=") {
            setting.push(b'=');
            if value.first().is_some_and(|byte| *byte != b' ') {
                let (value, after) = word(value)?;
                setting.extend(value);
                rest = after;
            } else {
                // A name without a value, which stands for yes.
                setting.pop();
                rest = value;
            }
        }
        settings.push(setting.into());
    }
}

/// One word in single quotes, in which `'\''` and `'\!'` stand for what would end it; and what follows it.
fn word(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = quoted.strip_prefix(b"'")?;
    let mut word = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\'')?;
        let (part, after) = rest.split_at_checked(end)?;
        word.extend(part);
        rest = after.strip_prefix(b"'")?;
        match rest {
            [b'\\', escaped @ (b'\'' | b'!'), b'\'', after @ ..] => {
                word.push(*escaped);
                rest = after;
            }
            _ => return Some((word, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What git writes is read as git reads it, and anything else is refused rather than half read.
    #[test]
    fn words() {
        for (text, settings) in [
            ("", &[][..]),
            ("'a.b=c d'", &["a.b=c d"]),
            ("'a.b'='c d' 'e.f'= 'g.h'=''", &["a.b=c d", "e.f", "g.h="]),
            (r"'a.b'='it'\''s'\!''", &["a.b=it's!"]),
        ] {
            let expected: Vec<BString> = settings.iter().map(|it| BString::from(*it)).collect();
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["a.b=c", "'a.b", "'a'='b", "'a'x"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}

//! Reads an output as a list of numbers, one per byte: decimal ones, as programs print a list of bytes,
//! and octal ones, as `od` prints bytes and words. A secret is found in it by its own bytes.

use super::finder::{Finder, Search};

/// The shortest first number of a line that is an offset in a dump.
const MIN_OFFSET_DIGITS: usize = 6;
/// The most digits of a number that are kept. A longer number stands for no byte.
const MAX_DIGITS: usize = 16;
/// How many octal digits `od` prints for a byte, and for a word of two bytes.
const OCTAL_BYTE_DIGITS: usize = 3;
const OCTAL_WORD_DIGITS: usize = 6;

/// The search in a list of numbers.
#[derive(Debug)]
pub(super) struct Numbers<'m> {
    decimal: Search<'m>,
    octal: Search<'m>,
    /// A number that has not ended.
    number: Option<Number>,
    is_line_start: bool,
}

/// A number with its sign, or the sign alone.
#[derive(Debug)]
struct Number {
    start: u64,
    is_negative: bool,
    digits: Vec<u8>,
    /// Whether it is the beginning of a line.
    is_first: bool,
}

impl<'m> Numbers<'m> {
    pub(super) fn new(finder: &'m Finder) -> Self {
        Self {
            decimal: Search::new(finder),
            octal: Search::new(finder),
            number: None,
            is_line_start: true,
        }
    }

    /// Adds a byte, and the parts of the output that are secret to `found`.
    pub(super) fn push(&mut self, byte: u8, position: u64, found: &mut Vec<(u64, u64)>) {
        let is_first = std::mem::replace(&mut self.is_line_start, byte == b'\n');
        if byte.is_ascii_hexdigit() {
            let number = self.number.get_or_insert_with(|| Number {
                start: position,
                is_negative: false,
                digits: Vec::new(),
                is_first,
            });
            if number.digits.len() < MAX_DIGITS {
                number.digits.push(byte);
            } else {
                self.restart();
            }
            return;
        }
        self.finish(position, found);
        match byte {
            b'-' => {
                self.number = Some(Number {
                    start: position,
                    is_negative: true,
                    digits: Vec::new(),
                    is_first: false,
                });
            }
            b' ' | b'\t' | b'\n' | b'\r' => {
                for search in [&mut self.decimal, &mut self.octal] {
                    search.skip_space(position);
                }
            }
            b',' | b';' => {
                for search in [&mut self.decimal, &mut self.octal] {
                    search.skip(position, position + 1, found);
                }
            }
            _ => self.restart(),
        }
    }

    /// Ends the number before `end`.
    pub(super) fn finish(&mut self, end: u64, found: &mut Vec<(u64, u64)>) {
        let Some(number) = self.number.take() else {
            return;
        };
        if number.is_first && number.digits.len() >= MIN_OFFSET_DIGITS {
            for search in [&mut self.decimal, &mut self.octal] {
                search.skip(number.start, end, found);
            }
            return;
        }
        match number.decimal_byte() {
            Some(byte) => self.decimal.keep(byte, number.start, end, found),
            None => self.decimal.restart(),
        }
        let bytes = number.octal_bytes();
        if bytes.is_empty() {
            self.octal.restart();
        }
        for byte in bytes {
            self.octal.keep(byte, number.start, end, found);
        }
    }

    /// Returns where a secret may begin that has not ended.
    pub(super) fn held_from(&self) -> Option<u64> {
        let number = self.number.as_ref();
        let number = number.filter(|number| number.digits.len() < MAX_DIGITS);
        let number = number.map(|number| number.start);
        let searches = [&self.decimal, &self.octal];
        let held = searches.into_iter().filter_map(Search::held_from);
        held.chain(number).min()
    }

    fn restart(&mut self) {
        self.decimal.restart();
        self.octal.restart();
    }
}

impl Number {
    /// Returns the byte that the number stands for. A negative one is a signed byte.
    fn decimal_byte(&self) -> Option<u8> {
        let value: i16 = std::str::from_utf8(&self.digits).ok()?.parse().ok()?;
        let value = if self.is_negative { -value } else { value };
        let signed = || i8::try_from(value).ok().map(i8::cast_unsigned);
        u8::try_from(value).ok().or_else(signed)
    }

    /// Returns the byte, or the two bytes of a word of a little-endian machine.
    fn octal_bytes(&self) -> Vec<u8> {
        let text = std::str::from_utf8(&self.digits).unwrap_or_default();
        let value = u16::from_str_radix(text, 8).ok();
        match (text.len(), value.filter(|_| !self.is_negative)) {
            (OCTAL_BYTE_DIGITS, Some(value)) => u8::try_from(value).into_iter().collect(),
            (OCTAL_WORD_DIGITS, Some(value)) => value.to_le_bytes().into(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use crate::run::process::Mask;
    use crate::run::process::mask::MaskStream;

    const SECRET: &str = "hunter2-and-näh/0123456789 9876543210+more words";

    /// Masks a text in pieces of this length.
    fn mask(text: &[u8], length: usize) -> String {
        let mask = Mask::new([SECRET.as_bytes()]).unwrap();
        let mut stream = MaskStream::new(&mask);
        let mut all: Vec<u8> = text.chunks(length).flat_map(|it| stream.push(it)).collect();
        all.extend(stream.finish());
        String::from_utf8(all).unwrap()
    }

    fn join(separator: &str, number: impl Fn(u8) -> String) -> String {
        let numbers: Vec<String> = SECRET.bytes().map(number).collect();
        numbers.join(separator)
    }

    /// Lists of bytes as programs print them, between other numbers.
    #[test]
    fn lists_of_bytes() {
        let signed = |byte: u8| byte.cast_signed().to_string();
        for list in [
            join(", ", |byte| byte.to_string()),
            join(",", |byte| byte.to_string()),
            join(" ", |byte| byte.to_string()),
            join(",\n  ", |byte| byte.to_string()),
            join(", ", signed),
            join(" ", |byte| format!("{byte:03o}")),
        ] {
            for length in [1, 7, 10_000] {
                let text = format!("[1, 2, {list}, 3]\n");
                let masked = mask(text.as_bytes(), length);
                assert_eq!(masked, "[1, 2, ***, 3]\n", "{list}");
            }
        }
        let other = "[1, 2, 104, 117, 110, 116, 101]\n";
        assert_eq!(mask(other.as_bytes(), 3), other);
    }

    /// What `od` prints by default, and with other options.
    #[test]
    fn dumps_of_od() {
        for options in [
            &[][..],
            &["-An"],
            &["-b"],
            &["-tu1"],
            &["-td1"],
            &["-An", "-v", "-tu1"],
            &["-Ad", "-b"],
            &["-Ax", "-tu1"],
        ] {
            for before in ["", "x", "some more text"] {
                let Ok(mut od) = Command::new("od")
                    .args(options)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                else {
                    return;
                };
                let input = format!("{before}{SECRET} and more");
                od.stdin
                    .take()
                    .unwrap()
                    .write_all(input.as_bytes())
                    .unwrap();
                let dump = od.wait_with_output().unwrap().stdout;
                let masked = mask(&dump, 11);
                let is_whole = |line: &&str| line.split_whitespace().count() > 8;
                let left: Vec<&str> = masked.lines().filter(is_whole).collect();
                // A line before the secret and one after it may be whole.
                assert!(
                    masked.contains("***") && left.len() <= 2,
                    "{options:?}: {masked}"
                );
            }
        }
    }

    proptest! {
        /// Other numbers and texts stay as they are.
        #[test]
        fn other_output_stays(text in "[0-9a-f ,;\\-\\n]{0,200}") {
            prop_assert_eq!(mask(text.as_bytes(), 5), text);
        }
    }
}

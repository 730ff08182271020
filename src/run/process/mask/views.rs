//! The views of a command's output in which secrets are looked for, each with its own search.
//!
//! A view drops what an encoding adds: escapes, line breaks, separators, offsets. So a secret looks
//! the same in a view wherever it stands, and however the encoded text is folded.

use super::classes::{Class, classify_text};
use super::escapes::{Decoder, Symbol, UNESCAPE, decode};
use super::finder::{Finder, MaskError, Search};
use super::forms::Forms;
use super::numbers::Numbers;
use super::quoted_printable::QuotedPrintable;

/// The shortest first number of a line that is an offset in a dump.
const MIN_OFFSET_DIGITS: usize = 6;

/// The texts to look for, by view.
#[derive(Debug, Clone)]
pub(super) struct Finders {
    plain: Option<Finder>,
    text: Option<Finder>,
    quoted: Option<Finder>,
    base64: Option<Finder>,
    base32: Option<Finder>,
    hex: Option<Finder>,
    dump: Option<Finder>,
    numbers: Option<Finder>,
}

impl Finders {
    /// Creates the finders, or `None` if there is nothing to look for.
    pub(super) fn new(forms: Forms) -> Result<Option<Self>, MaskError> {
        let finders = Self {
            plain: Finder::new(forms.plain)?,
            text: Finder::new(forms.text)?,
            quoted: Finder::new(forms.quoted)?,
            base64: Finder::new(forms.base64)?,
            base32: Finder::new(forms.base32)?,
            hex: Finder::new(forms.hex)?,
            dump: Finder::new(forms.dump)?,
            numbers: Finder::new(forms.numbers)?,
        };
        Ok(finders.plain.is_some().then_some(finders))
    }
}

/// Searches all views of one output.
#[derive(Debug)]
pub(super) struct Views<'m> {
    position: u64,
    plain: Option<Search<'m>>,
    /// Decodes escapes, from the outermost to the innermost.
    unescape: [Decoder; 4],
    text: Option<Search<'m>>,
    unquote: QuotedPrintable,
    quoted: Option<Search<'m>>,
    base64: Option<Search<'m>>,
    base32: Option<Search<'m>>,
    /// A zero, which may be the beginning of `0x`.
    hex_zero: Option<Symbol>,
    hex: Option<Search<'m>>,
    dump_line: DumpLine,
    dump: Option<Search<'m>>,
    numbers: Option<Numbers<'m>>,
}

impl<'m> Views<'m> {
    pub(super) fn new(finders: &'m Finders) -> Self {
        let search = |finder: &'m Option<Finder>| finder.as_ref().map(Search::new);
        Self {
            position: 0,
            plain: search(&finders.plain),
            unescape: UNESCAPE.map(Decoder::new),
            text: search(&finders.text),
            unquote: QuotedPrintable::default(),
            quoted: search(&finders.quoted),
            base64: search(&finders.base64),
            base32: search(&finders.base32),
            hex_zero: None,
            hex: search(&finders.hex),
            dump_line: DumpLine::default(),
            dump: search(&finders.dump),
            numbers: finders.numbers.as_ref().map(Numbers::new),
        }
    }

    /// Adds bytes, and the parts of the output that are secret to `found`.
    pub(super) fn push(&mut self, bytes: &[u8], found: &mut Vec<(u64, u64)>) {
        let encoded = [&self.text, &self.base64, &self.base32, &self.hex];
        let has_encoded = encoded.into_iter().any(Option::is_some);
        for byte in bytes {
            let symbol = Symbol::new(*byte, self.position);
            self.position += 1;
            feed(&mut self.plain, Class::Kept(*byte), &symbol, found);
            let quoted = &mut self.quoted;
            let mut output = |class, symbol: &Symbol| feed(quoted, class, symbol, found);
            self.unquote.push(symbol, &mut output);
            self.push_dump(&symbol, found);
            if let Some(numbers) = &mut self.numbers {
                numbers.push(*byte, symbol.start, found);
            }
            if has_encoded {
                self.push_encoded(symbol, found);
            }
        }
    }

    /// Adds a symbol to the views that are decoded first. Most symbols pass all decoders, which then
    /// need not be asked one by one.
    fn push_encoded(&mut self, symbol: Symbol, found: &mut Vec<(u64, u64)>) {
        self.push_hex(symbol, found);
        let passes = |decoder: &Decoder| decoder.would_pass(symbol.byte);
        if self.unescape.iter().all(passes) {
            self.push_unescaped(&[symbol], found);
        } else {
            let unescaped = decode(&mut self.unescape, vec![symbol], false);
            self.push_unescaped(&unescaped, found);
        }
    }

    /// Ends the output.
    pub(super) fn finish(&mut self, found: &mut Vec<(u64, u64)>) {
        if let Some(zero) = self.hex_zero.take() {
            feed(&mut self.hex, Class::Kept(b'0'), &zero, found);
        }
        if let Some(numbers) = &mut self.numbers {
            numbers.finish(self.position, found);
        }
        let quoted = &mut self.quoted;
        self.unquote
            .finish(&mut |class, symbol: &Symbol| feed(quoted, class, symbol, found));
        let unescaped = decode(&mut self.unescape, Vec::new(), true);
        self.push_unescaped(&unescaped, found);
    }

    /// Returns up to where the output cannot be part of a secret that has not ended.
    pub(super) fn settled(&self) -> u64 {
        let searches = [
            &self.plain,
            &self.text,
            &self.quoted,
            &self.base64,
            &self.base32,
            &self.hex,
            &self.dump,
        ];
        let searches = searches.into_iter().flatten();
        let decoders = self.unescape.iter();
        searches
            .flat_map(|search| [search.held_from(), search.dropped_from()])
            .chain(decoders.map(Decoder::held_from))
            .chain([self.hex_zero.map(|zero| zero.start)])
            .chain([self.unquote.held_from()])
            .chain([self.numbers.as_ref().and_then(Numbers::held_from)])
            .flatten()
            .fold(self.position, u64::min)
    }

    fn push_unescaped(&mut self, symbols: &[Symbol], found: &mut Vec<(u64, u64)>) {
        for symbol in symbols {
            feed(&mut self.text, classify_text(symbol), symbol, found);
            feed(&mut self.base64, classify_base64(symbol), symbol, found);
            feed(&mut self.base32, classify_base32(symbol), symbol, found);
        }
    }

    fn push_hex(&mut self, symbol: Symbol, found: &mut Vec<(u64, u64)>) {
        // Between the zero and the x, there may be a line break.
        if !symbol.byte.is_ascii_whitespace()
            && let Some(zero) = self.hex_zero.take()
        {
            let class = match symbol.byte {
                b'x' | b'X' => Class::Skipped,
                _ => Class::Kept(b'0'),
            };
            feed(&mut self.hex, class, &zero, found);
        }
        match symbol.byte {
            b'0' => self.hex_zero = Some(symbol),
            byte => feed(&mut self.hex, classify_hex(byte), &symbol, found),
        }
    }

    fn push_dump(&mut self, symbol: &Symbol, found: &mut Vec<(u64, u64)>) {
        let Some(search) = &mut self.dump else {
            return;
        };
        match self.dump_line.classify(symbol.byte) {
            // The characters at the end of the line repeat the bytes of the whole line.
            Class::Kept(byte) => search.keep(byte, symbol.start, symbol.end, found),
            Class::Skipped => search.skip(symbol.start, symbol.end, found),
            Class::Space => {
                search.end_match();
                search.skip_space(symbol.start);
            }
            Class::Other => search.restart(),
        }
    }
}

fn feed(
    search: &mut Option<Search<'_>>,
    class: Class,
    symbol: &Symbol,
    found: &mut Vec<(u64, u64)>,
) {
    let Some(search) = search else {
        return;
    };
    match class {
        Class::Kept(byte) => {
            search.end_match();
            search.keep(byte, symbol.start, symbol.end, found);
        }
        Class::Skipped => search.skip(symbol.start, symbol.end, found),
        Class::Space => search.skip_space(symbol.start),
        Class::Other => search.restart(),
    }
}

/// Keeps the characters of base64, in one of its two alphabets.
fn classify_base64(symbol: &Symbol) -> Class {
    match symbol.byte {
        _ if symbol.is_escape_letter => Class::Skipped,
        b'-' => Class::Kept(b'+'),
        b'_' => Class::Kept(b'/'),
        byte @ (b'+' | b'/') => Class::Kept(byte),
        byte if byte.is_ascii_alphanumeric() => Class::Kept(byte),
        b'\\' | b'\'' | b'"' | 0 => Class::Skipped,
        byte if byte.is_ascii_whitespace() => Class::Space,
        _ => Class::Other,
    }
}

/// Keeps the characters of base32, in upper case.
fn classify_base32(symbol: &Symbol) -> Class {
    match symbol.byte {
        _ if symbol.is_escape_letter => Class::Skipped,
        byte if byte.is_ascii_alphabetic() => Class::Kept(byte.to_ascii_uppercase()),
        byte @ b'2'..=b'7' => Class::Kept(byte),
        b'\\' | b'\'' | b'"' | 0 => Class::Skipped,
        byte if byte.is_ascii_whitespace() => Class::Space,
        _ => Class::Other,
    }
}

/// Keeps hexadecimal digits, and drops what programs put between them.
fn classify_hex(byte: u8) -> Class {
    match byte {
        b'0'..=b'9' | b'a'..=b'f' => Class::Kept(byte),
        b'A'..=b'F' => Class::Kept(byte.to_ascii_lowercase()),
        b'x' | b'X' | b':' | b',' | b'-' | b'.' | b'_' | b'\\' | b'\'' | b'"' => Class::Skipped,
        byte if byte.is_ascii_whitespace() => Class::Space,
        _ => Class::Other,
    }
}

/// The position in a line of a dump: an offset, bytes in hexadecimal, and the same as characters.
#[derive(Debug, Default)]
struct DumpLine {
    part: DumpPart,
    /// How many digits the part has.
    digits: usize,
    /// How many spaces precede the next digit.
    spaces: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum DumpPart {
    #[default]
    Offset,
    Bytes,
    Characters,
    /// The line is no line of a dump.
    None,
}

impl DumpLine {
    fn classify(&mut self, byte: u8) -> Class {
        if matches!(byte, b'\n' | b'\r') {
            *self = Self::default();
            return Class::Space;
        }
        match (self.part, byte) {
            (DumpPart::None, _) => Class::Other,
            (DumpPart::Characters, _) => Class::Skipped,
            (DumpPart::Offset, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.digits += 1;
                Class::Skipped
            }
            (DumpPart::Offset, b' ' | b'\t') if self.digits == 0 => Class::Skipped,
            (DumpPart::Offset, b' ' | b'\t' | b':') if self.digits >= MIN_OFFSET_DIGITS => {
                (self.part, self.digits, self.spaces) = (DumpPart::Bytes, 0, 0);
                Class::Skipped
            }
            (DumpPart::Offset, _) => {
                self.part = DumpPart::None;
                Class::Other
            }
            (DumpPart::Bytes, b' ' | b'\t') => {
                self.spaces += 1;
                Class::Skipped
            }
            (DumpPart::Bytes, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                // `hexdump -C` has a wider gap after eight bytes.
                let is_gap = self.spaces == 2 && self.digits == 16;
                if self.digits > 0 && self.spaces > 1 && !is_gap {
                    self.part = DumpPart::Characters;
                    return Class::Skipped;
                }
                (self.digits, self.spaces) = (self.digits + 1, 0);
                Class::Kept(byte.to_ascii_lowercase())
            }
            (DumpPart::Bytes, _) => {
                self.part = DumpPart::Characters;
                Class::Skipped
            }
        }
    }
}

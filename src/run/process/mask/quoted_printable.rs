//! Decodes quoted-printable, in which mails are written: `=3D`, and lines that end with `=`.

use super::classes::Class;
use super::escapes::Symbol;

/// Decodes one output. Input may be split at any byte.
#[derive(Debug, Default)]
pub(super) struct QuotedPrintable {
    /// An equals sign, and what follows it.
    held: Vec<Symbol>,
}

impl QuotedPrintable {
    /// Decodes a symbol, and passes what is complete to `output`.
    pub(super) fn push(&mut self, symbol: Symbol, output: &mut impl FnMut(Class, &Symbol)) {
        let held = (self.held.get(1).map(|it| it.byte), symbol.byte);
        let is_digit = symbol.byte.is_ascii_hexdigit();
        match held {
            _ if self.held.is_empty() && symbol.byte == b'=' => self.held.push(symbol),
            _ if self.held.is_empty() => output(Class::Kept(symbol.byte), &symbol),
            (None, _) if is_digit || symbol.byte == b'\r' => self.held.push(symbol),
            (None | Some(b'\r'), b'\n') => self.replace(Class::Skipped, symbol, output),
            (Some(high), low) if high != b'\r' && is_digit => {
                let digits = [high, low];
                let byte = std::str::from_utf8(&digits)
                    .ok()
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                self.replace(byte.map_or(Class::Skipped, Class::Kept), symbol, output);
            }
            _ => {
                self.finish(output);
                self.push(symbol, output);
            }
        }
    }

    /// Passes on what was no escape sequence.
    pub(super) fn finish(&mut self, output: &mut impl FnMut(Class, &Symbol)) {
        for symbol in self.held.drain(..) {
            output(Class::Kept(symbol.byte), &symbol);
        }
    }

    /// Returns where the undecoded symbols begin.
    pub(super) fn held_from(&self) -> Option<u64> {
        self.held.first().map(|symbol| symbol.start)
    }

    /// Passes on what the symbols up to `last` stand for.
    fn replace(&mut self, class: Class, last: Symbol, output: &mut impl FnMut(Class, &Symbol)) {
        let start = self.held_from().unwrap_or(last.start);
        self.held.clear();
        output(class, &Symbol { start, ..last });
    }
}

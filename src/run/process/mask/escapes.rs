//! Decodes the escape sequences with which programs write text: those of URLs, of HTML, and those
//! that begin with a backslash. Input may be split at any byte.

/// How often one byte may be escaped in the same way.
const MAX_NESTING: usize = 4;
/// The longest name or number of an HTML entity. `&NewLine;` has seven letters.
const MAX_ENTITY: usize = 10;
/// The most backslashes before one character that are read as one escape.
const MAX_BACKSLASHES: usize = 16;

/// One byte of a text, and the part of the output that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol {
    pub byte: u8,
    /// Whether the byte is the letter after a backslash, such as the `n` of `\n`.
    pub is_escape_letter: bool,
    pub start: u64,
    pub end: u64,
}

impl Symbol {
    /// Creates a symbol of one byte that stands for itself.
    pub(super) fn new(byte: u8, start: u64) -> Self {
        Self {
            byte,
            is_escape_letter: false,
            start,
            end: start + 1,
        }
    }
}

/// What the beginning of a text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parsed {
    /// More bytes decide.
    Incomplete,
    /// The first byte stands for itself.
    Literal,
    /// So many bytes stand for this byte. NUL stands for characters that do not count.
    Byte(usize, u8),
    /// So many bytes are an escape with this letter.
    Letter(usize, u8),
}

/// The kinds of escape sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// A line break with the indentation that follows.
    LineBreak,
    Percent,
    Entity,
    Backslash,
}

/// Decodes one kind of escape sequence.
#[derive(Debug)]
pub(super) struct Decoder {
    escape: Escape,
    /// Symbols that may be the beginning of an escape sequence.
    held: Vec<Symbol>,
    is_after_break: bool,
}

impl Decoder {
    pub(super) fn new(escape: Escape) -> Self {
        Self {
            escape,
            held: Vec::new(),
            is_after_break: false,
        }
    }

    /// Returns whether this byte would be passed on as it is, and nothing is held.
    pub(super) fn would_pass(&self, byte: u8) -> bool {
        self.held.is_empty() && !self.is_after_break && !self.is_special(byte)
    }

    /// Decodes further symbols.
    pub(super) fn push(&mut self, input: &[Symbol], output: &mut Vec<Symbol>) {
        for symbol in input {
            if self.held.is_empty() && !self.is_special(symbol.byte) {
                self.is_after_break = false;
                output.push(*symbol);
            } else {
                self.held.push(*symbol);
                self.decode(false, output);
            }
        }
    }

    /// Decodes the rest, at the end of the text.
    pub(super) fn finish(&mut self, output: &mut Vec<Symbol>) {
        self.decode(true, output);
    }

    /// Returns where the undecoded symbols begin.
    pub(super) fn held_from(&self) -> Option<u64> {
        self.held.first().map(|symbol| symbol.start)
    }

    fn is_special(&self, byte: u8) -> bool {
        match self.escape {
            Escape::LineBreak => {
                matches!(byte, b'\n' | b'\r') || self.is_after_break && matches!(byte, b' ' | b'\t')
            }
            Escape::Percent => byte == b'%',
            Escape::Entity => byte == b'&',
            Escape::Backslash => byte == b'\\',
        }
    }

    fn decode(&mut self, is_end: bool, output: &mut Vec<Symbol>) {
        while let Some(first) = self.held.first().copied() {
            let bytes: Vec<u8> = self.held.iter().map(|symbol| symbol.byte).collect();
            let parsed = if self.is_special(first.byte) {
                self.parse(&bytes, is_end)
            } else {
                Parsed::Literal
            };
            let (length, byte, is_escape_letter) = match parsed {
                Parsed::Incomplete if !is_end => return,
                Parsed::Incomplete | Parsed::Literal => (1, first.byte, first.is_escape_letter),
                Parsed::Byte(length, byte) => (length, byte, false),
                Parsed::Letter(length, letter) => (length, letter, true),
            };
            let is_break = self.escape == Escape::LineBreak;
            self.is_after_break = is_break && byte == 0;
            if !self.is_after_break {
                let last = self.held.get(length.saturating_sub(1)).unwrap_or(&first);
                output.push(Symbol {
                    byte,
                    is_escape_letter,
                    start: first.start,
                    end: last.end,
                });
            }
            self.held.drain(..length.min(self.held.len()));
        }
    }

    fn parse(&self, bytes: &[u8], is_end: bool) -> Parsed {
        match self.escape {
            Escape::LineBreak => Parsed::Byte(1, 0),
            Escape::Percent => parse_percent(bytes, is_end),
            Escape::Entity => parse_entity(bytes, is_end),
            Escape::Backslash => parse_backslash(bytes, is_end),
        }
    }
}

/// Reads `%3C`, `%253C` and so on.
fn parse_percent(bytes: &[u8], is_end: bool) -> Parsed {
    let mut digits = 1;
    loop {
        let literal = match digits {
            1 => Parsed::Literal,
            _ => Parsed::Byte(digits, b'%'),
        };
        let pair = bytes.get(digits..).unwrap_or_default();
        return match pair {
            [b'2', b'5', ..] if digits < 1 + 2 * MAX_NESTING => {
                digits += 2;
                continue;
            }
            [high, low, ..] => match parse_digits(&[*high, *low], 16) {
                Some(value) => Parsed::Byte(digits + 2, to_ascii(value)),
                None => literal,
            },
            [digit] if digit.is_ascii_hexdigit() && !is_end => Parsed::Incomplete,
            [] if !is_end => Parsed::Incomplete,
            _ => literal,
        };
    }
}

/// Reads `&lt;`, `&#60;`, `&#x3c;`, `&amp;lt;` and so on.
fn parse_entity(bytes: &[u8], is_end: bool) -> Parsed {
    let mut start = 1;
    loop {
        let literal = match start {
            1 => Parsed::Literal,
            _ => Parsed::Byte(start, b'&'),
        };
        let rest = bytes.get(start..).unwrap_or_default();
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'#';
        let length = rest.iter().take_while(is_name).count();
        let name = rest.get(..length).unwrap_or_default();
        let end = start + length + 1;
        return match rest.get(length) {
            _ if length > MAX_ENTITY => literal,
            None if !is_end => Parsed::Incomplete,
            Some(b';') if name == b"amp" && start < 1 + 4 * MAX_NESTING => {
                start = end;
                continue;
            }
            Some(b';') if length > 0 => Parsed::Byte(end, decode_entity(name)),
            None | Some(_) => literal,
        };
    }
}

/// Returns the ASCII character of an HTML entity, or NUL.
fn decode_entity(name: &[u8]) -> u8 {
    let number = match name {
        [b'#', b'x' | b'X', digits @ ..] => parse_digits(digits, 16),
        [b'#', digits @ ..] => parse_digits(digits, 10),
        _ => None,
    };
    match name {
        [b'#', ..] => number.map_or(0, to_ascii),
        b"lt" | b"LT" => b'<',
        b"gt" | b"GT" => b'>',
        b"excl" => b'!',
        b"num" => b'#',
        b"dollar" => b'$',
        b"lpar" => b'(',
        b"rpar" => b')',
        b"ast" | b"midast" => b'*',
        b"comma" => b',',
        b"period" => b'.',
        b"sol" => b'/',
        b"colon" => b':',
        b"semi" => b';',
        b"equals" => b'=',
        b"quest" => b'?',
        b"commat" => b'@',
        b"lsqb" | b"lbrack" => b'[',
        b"rsqb" | b"rbrack" => b']',
        b"Hat" => b'^',
        b"lowbar" => b'_',
        b"grave" => b'`',
        b"lcub" | b"lbrace" => b'{',
        b"rcub" | b"rbrace" => b'}',
        b"vert" | b"verbar" => b'|',
        // The others are quotes, white space, and characters outside ASCII.
        _ => 0,
    }
}

/// Reads `\x3c`, `\u003c`, `\u{3c}`, `\74`, `\n` and so on, also if the backslash is escaped itself.
fn parse_backslash(bytes: &[u8], is_end: bool) -> Parsed {
    let run = bytes.iter().take_while(|byte| **byte == b'\\').count();
    if run > MAX_BACKSLASHES {
        return Parsed::Byte(1, 0);
    }
    let rest = bytes.get(run + 1..).unwrap_or_default();
    let is_octal = |byte: &&u8| matches!(byte, b'0'..=b'7');
    match (bytes.get(run), rest) {
        (None, _) => Parsed::Incomplete,
        (Some(b'a' | b'b' | b'e' | b'E' | b'f' | b'n' | b'r' | b't' | b'v'), _) => {
            Parsed::Letter(run + 1, bytes.get(run).copied().unwrap_or_default())
        }
        (Some(b'0'..=b'7'), _) => {
            let rest = bytes.get(run..).unwrap_or_default();
            let digits = rest.iter().take(3).take_while(is_octal).count();
            if digits < 3 && digits == rest.len() && !is_end {
                return Parsed::Incomplete;
            }
            let value = parse_digits(rest.get(..digits).unwrap_or_default(), 8);
            Parsed::Byte(run + digits, value.map_or(0, to_ascii))
        }
        (Some(b'u'), [b'{', inner @ ..]) => {
            let digits = inner.iter().take_while(|it| it.is_ascii_hexdigit()).count();
            match (inner.get(digits), inner.get(..digits)) {
                (None, _) if digits <= 8 => Parsed::Incomplete,
                (Some(b'}'), Some(number)) if (1..=8).contains(&digits) => {
                    let value = parse_digits(number, 16);
                    Parsed::Byte(run + digits + 3, value.map_or(0, to_ascii))
                }
                _ => Parsed::Byte(run, 0),
            }
        }
        (Some(letter @ (b'x' | b'u' | b'U')), _) => {
            let count = match letter {
                b'x' => 2,
                b'u' => 4,
                _ => 8,
            };
            let number = rest.get(..count).unwrap_or(rest);
            match parse_digits(number, 16) {
                Some(value) if number.len() == count => {
                    Parsed::Byte(run + 1 + count, to_ascii(value))
                }
                None if !number.is_empty() => Parsed::Byte(run, 0),
                _ if is_end => Parsed::Byte(run, 0),
                _ => Parsed::Incomplete,
            }
        }
        _ => Parsed::Byte(run, 0),
    }
}

fn parse_digits(digits: &[u8], radix: u32) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    // `from_str_radix` also accepts a sign.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    u32::from_str_radix(text, radix).ok().filter(|_| is_plain)
}

/// Returns the character with this number if it is in ASCII, and NUL otherwise.
fn to_ascii(value: u32) -> u8 {
    match u8::try_from(value) {
        Ok(byte) if byte.is_ascii() => byte,
        _ => 0,
    }
}

/// The escapes that are decoded, from the outermost to the innermost.
pub(super) const UNESCAPE: [Escape; 4] = [
    Escape::LineBreak,
    Escape::Percent,
    Escape::Entity,
    Escape::Backslash,
];

/// Sends symbols through decoders, each of which decodes the output of the one before.
pub(super) fn decode(decoders: &mut [Decoder], symbols: Vec<Symbol>, is_end: bool) -> Vec<Symbol> {
    decoders.iter_mut().fold(symbols, |symbols, decoder| {
        let mut output = Vec::with_capacity(symbols.len());
        decoder.push(&symbols, &mut output);
        if is_end {
            decoder.finish(&mut output);
        }
        output
    })
}

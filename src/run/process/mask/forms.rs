//! The texts to look for in each view of the output: a secret as each encoding writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::classes::{Class, classify_text};
use super::escapes::{Decoder, Escape, Symbol, UNESCAPE, decode};
use super::finder::{Edge, Form};
use super::spellings::list_spellings;

/// The shortest line or encoded part of a secret that is looked for on its own. Shorter parts such
/// as `{` and `-----` occur in other output too.
pub(super) const MIN_PART_BYTES: usize = 8;
/// Texts that are longer than two pieces are looked for in pieces, so that a part of one is found,
/// and little of the output has to be held back.
const PIECE_BYTES: usize = 48;
/// The same in base64 and hexadecimal digits. They can be shorter, since other output does not
/// contain them by chance.
const ENCODED_PIECE_BYTES: usize = 16;
/// The longest text that is looked for in base64 of base64, which takes many forms.
const MAX_TWICE_ENCODED: usize = 4096;
/// How long programs make the lines of base64.
const LINE_LENGTHS: [usize; 2] = [64, 76];
/// How far pieces overlap. In base64, the characters at the ends of a piece also depend on up to
/// two bytes around it.
const OVERLAP_BYTES: usize = 4;

/// The texts to look for, by view.
#[derive(Debug, Default)]
pub(super) struct Forms {
    pub plain: Vec<Form>,
    pub text: Vec<Form>,
    pub quoted: Vec<Form>,
    pub base64: Vec<Form>,
    pub base32: Vec<Form>,
    pub hex: Vec<Form>,
    pub dump: Vec<Form>,
    pub numbers: Vec<Form>,
}

impl Forms {
    /// Adds the forms of a secret.
    pub(super) fn add(&mut self, secret: &[u8]) {
        let lines = secret
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| line.len() >= MIN_PART_BYTES);
        // Programs often strip white space from the ends of what they read.
        let mut texts: Vec<&[u8]> = lines.chain([secret, secret.trim_ascii()]).collect();
        texts.sort_unstable();
        texts.dedup();
        for text in texts {
            self.add_text(text);
        }
    }

    /// Adds base64 of base64, of a text in the middle of another one or, folded into lines, of a text
    /// alone.
    fn add_twice_encoded(&mut self, text: &[u8]) {
        if text.len() > MAX_TWICE_ENCODED {
            return;
        }
        let mut inner: Vec<Vec<u8>> = Vec::new();
        for piece in split(text, ENCODED_PIECE_BYTES) {
            inner.extend((0..3).map(|preceding| encode_inner_base64(preceding, piece)));
        }
        let whole = encode_inner_base64(0, text);
        for length in LINE_LENGTHS {
            let folded = whole.chunks(length).collect::<Vec<_>>().join(&b'\n');
            let pieces = split(&folded, ENCODED_PIECE_BYTES).into_iter();
            inner.extend(pieces.map(<[u8]>::to_vec));
        }
        // The alphabet for URLs.
        let for_urls: Vec<Vec<u8>> = inner.iter().map(|text| to_url_alphabet(text)).collect();
        inner.extend(for_urls);
        inner.sort_unstable();
        inner.dedup();
        // A part that is short could be in other output by chance.
        inner.retain(|text| text.len() >= MIN_PART_BYTES);
        for text in inner {
            let outer = (0..3).map(|preceding| encode_inner_base64(preceding, &text));
            self.base64.extend(outer.map(Form::new));
        }
    }

    fn add_text(&mut self, text: &[u8]) {
        let unescaped = list_unescaped(text);
        if unescaped.is_empty() || text.len() <= 2 * PIECE_BYTES {
            self.plain.push(Form::new(text.to_vec()));
            let spellings = list_spellings(text, unescaped.is_empty());
            self.plain.extend(spellings.into_iter().map(Form::new));
        }
        self.add_twice_encoded(text);
        for form in unescaped {
            self.text.extend(split_form(&form));
        }
        let pieces = split(text, PIECE_BYTES).into_iter();
        let pieces = pieces.map(|piece| Form::new(piece.to_vec()));
        self.quoted.extend(pieces.clone());
        self.plain.extend(pieces);
        let is_long_enough = |form: &Vec<u8>| form.len() >= MIN_PART_BYTES;
        let mut add_base64 = |piece: &[u8]| {
            let base64 = (0..3).map(|preceding| encode_inner_base64(preceding, piece));
            self.base64
                .extend(base64.filter(is_long_enough).map(Form::new));
        };
        for piece in split(&encode_utf16(text), ENCODED_PIECE_BYTES) {
            add_base64(piece);
        }
        for piece in split(text, ENCODED_PIECE_BYTES) {
            add_base64(piece);
            let base32 = (0..5).map(|preceding| encode_inner_base32(preceding, piece));
            self.base32
                .extend(base32.filter(is_long_enough).map(Form::new));
            if piece.len() >= MIN_PART_BYTES {
                self.numbers.push(Form::new(piece.to_vec()));
                self.hex.push(Form::new(encode_hex(piece)));
                self.dump.extend(list_dumps(piece));
            }
        }
    }
}

/// Splits a long text into pieces that overlap.
fn split(text: &[u8], piece_bytes: usize) -> Vec<&[u8]> {
    if text.len() <= 2 * piece_bytes {
        return vec![text];
    }
    let length = piece_bytes + OVERLAP_BYTES;
    let last = text.len() - length;
    let starts = (0..last).step_by(piece_bytes).chain([last]);
    starts
        .filter_map(|start| text.get(start..start + length))
        .collect()
}

fn split_form(form: &Form) -> Vec<Form> {
    let mut pieces: Vec<Form> = split(&form.bytes, PIECE_BYTES)
        .into_iter()
        .map(|piece| Form::new(piece.to_vec()))
        .collect();
    if let Some(first) = pieces.first_mut() {
        first.start = form.start;
    }
    if let Some(last) = pieces.last_mut() {
        last.end = form.end;
    }
    pieces
}

/// Returns the text as it looks when escapes are decoded and all that quoting touches is dropped.
///
/// There are several forms if the text itself contains something like an escape: a program may have
/// escaped it, so that it is decoded twice in the output, or left it alone. Control characters
/// become letters in programs that write `\n`.
fn list_unescaped(text: &[u8]) -> Vec<Form> {
    let mut forms = Vec::new();
    let with_letters = escape_controls(text);
    for text in [text, &with_letters] {
        let is_chosen = |set: usize, index: usize| set >> index & 1 == 1;
        for set in 0..1usize << UNESCAPE.len() {
            let escapes = (UNESCAPE.into_iter().enumerate())
                .filter(|(index, _)| is_chosen(set, *index))
                .map(|(_, escape)| escape);
            let escapes: Vec<Escape> = escapes.collect();
            let whole = unescape(text, &escapes, true);
            // What follows the text in the output may end an escape that begins in it.
            let mut cut = unescape(text, &escapes, false);
            if cut.bytes != whole.bytes {
                cut.end = cut.end.max(Edge::Skipped);
                forms.push(cut);
            }
            forms.push(whole);
        }
        // And what precedes it may begin an escape that ends in it.
        for before in [b"\\", b"%"] {
            let form = unescape(&[before, text].concat(), &UNESCAPE, true);
            if forms.iter().all(|it| it.bytes != form.bytes) {
                forms.push(form);
            }
        }
    }
    forms.retain(|form| form.bytes.len() >= MIN_PART_BYTES);
    forms.sort();
    forms.dedup();
    forms
}

/// Returns the text without these escapes. Unless the text ends here, an incomplete escape at its
/// end is left out.
fn unescape(text: &[u8], escapes: &[Escape], is_end: bool) -> Form {
    let mut decoders: Vec<Decoder> = escapes.iter().copied().map(Decoder::new).collect();
    let symbols = (0..).zip(text.trim_ascii());
    let symbols = symbols.map(|(position, byte)| Symbol::new(*byte, position));
    let symbols = decode(&mut decoders, symbols.collect(), is_end);
    let classes: Vec<Class> = symbols.iter().map(classify_text).collect();
    let kept = classes.iter().filter_map(|class| match class {
        Class::Kept(byte) => Some(*byte),
        _ => None,
    });
    Form {
        bytes: kept.collect(),
        start: edge(classes.iter()),
        end: edge(classes.iter().rev()),
    }
}

/// Returns what of the dropped symbols beside a text belongs to it, if these are the symbols of the
/// text from that side.
fn edge<'c>(classes: impl Iterator<Item = &'c Class>) -> Edge {
    let dropped = classes.take_while(|class| !matches!(class, Class::Kept(_)));
    dropped.fold(Edge::Exact, |edge, class| match class {
        Class::Space => Edge::Dropped,
        _ => edge.max(Edge::Skipped),
    })
}

/// Returns the text with control characters as C and JSON write them.
fn escape_controls(text: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        0x07 => b"\\a".to_vec(),
        0x08 => b"\\b".to_vec(),
        b'\t' => b"\\t".to_vec(),
        b'\n' => b"\\n".to_vec(),
        0x0b => b"\\v".to_vec(),
        0x0c => b"\\f".to_vec(),
        b'\r' => b"\\r".to_vec(),
        0x1b => b"\\E".to_vec(),
        byte => vec![*byte],
    };
    text.trim_ascii().iter().flat_map(escape).collect()
}

/// Returns the base64 characters that depend only on the text, if it is part of a longer text.
/// `preceding` is the number of bytes before the text modulo 3, because base64 encodes groups of
/// three bytes.
fn encode_inner_base64(preceding: usize, plain: &[u8]) -> Vec<u8> {
    let text = STANDARD_NO_PAD.encode([&[0; 2][..preceding], plain].concat());
    // A character has six bits. Skip the characters that also encode bits of the preceding bytes.
    let (first, end) = (
        (preceding * 8).div_ceil(6),
        (preceding + plain.len()) * 8 / 6,
    );
    text.get(first..end).unwrap_or_default().as_bytes().to_vec()
}

/// Returns base64 in the alphabet for URLs.
fn to_url_alphabet(base64: &[u8]) -> Vec<u8> {
    let replace = |byte: &u8| match byte {
        b'+' => b'-',
        b'/' => b'_',
        byte => *byte,
    };
    base64.iter().map(replace).collect()
}

/// Returns the base32 characters that depend only on the text, if it is part of a longer text.
/// `preceding` is the number of bytes before the text modulo 5, because base32 encodes groups of
/// five bytes.
fn encode_inner_base32(preceding: usize, plain: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let is_set = |bit: usize| {
        let byte = (bit / 8)
            .checked_sub(preceding)
            .and_then(|it| plain.get(it));
        byte.is_some_and(|byte| byte >> (7 - bit % 8) & 1 == 1)
    };
    // A character has five bits. Skip the characters that also encode bits of the preceding bytes.
    let characters = (preceding * 8).div_ceil(5)..(preceding + plain.len()) * 8 / 5;
    let encode = |character: usize| {
        let bits = character * 5..character * 5 + 5;
        let value = bits.fold(0, |value, bit| value << 1 | usize::from(is_set(bit)));
        ALPHABET.get(value).copied()
    };
    characters.filter_map(encode).collect()
}

/// Returns the text in UTF-16, as Windows writes it. A text that is not UTF-8 has none.
fn encode_utf16(text: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn encode_hex(bytes: &[u8]) -> Vec<u8> {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<String>().into_bytes()
}

/// Returns the digits of a text in a dump of bytes, and in one of 16-bit numbers of little-endian
/// machines. The rest of the line belongs to each: it may show the same as characters.
fn list_dumps(text: &[u8]) -> Vec<Form> {
    let swap = |text: &[u8]| -> Vec<u8> {
        let pairs = text.chunks_exact(2);
        let swapped: Vec<u8> = pairs.flat_map(|pair| pair.iter().rev()).copied().collect();
        encode_hex(&swapped)
    };
    let inner = text.get(1..).unwrap_or_default();
    [encode_hex(text), swap(text), swap(inner)]
        .map(|bytes| Form {
            bytes,
            start: Edge::Exact,
            end: Edge::Skipped,
        })
        .into()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;
    use crate::run::process::Mask;

    /// Folds a text into lines, as `base64` does.
    fn fold(text: &str, length: usize) -> String {
        let lines = text.as_bytes().chunks(length);
        let lines = lines.map(|line| format!("{}\n", String::from_utf8_lossy(line)));
        lines.collect()
    }

    /// A secret in base64 of base64 is not recoverable: alone, in the middle of another text, and folded
    /// once or twice.
    #[test]
    fn base64_of_base64() {
        let long = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+/Wzq0ov7fYyYm0nMZlm0n8rj/AEs8Gdq2\n-----END KEY-----\n";
        for secret in [
            "correct-horse",
            "pa$$w\"rd;&<x>?~~~1",
            long,
            &long.repeat(3),
        ] {
            let mask = Mask::new([secret.as_bytes()]).unwrap();
            for (before, after) in [("", ""), ("", "\n"), ("user:", "@host"), ("xy", "")] {
                let text = format!("{before}{secret}{after}");
                let inner = [STANDARD.encode(&text), URL_SAFE.encode(&text)];
                let mut inner = inner.to_vec();
                if before.is_empty() {
                    inner.extend([64, 76].map(|length| fold(&STANDARD.encode(&text), length)));
                }
                for inner in inner {
                    for outer in [STANDARD.encode(&inner), fold(&STANDARD.encode(&inner), 76)] {
                        let shown = mask.mask_text(&format!("data: {outer} end"));
                        assert!(shown.contains("***"), "{text:?}: {shown}");
                        // Some characters at the ends also stand for what is around the secret.
                        let left = shown.len() - "data: *** end".len();
                        let around = 2 * (before.len() + after.len()) + 20;
                        assert!(left <= around, "{text:?}, {left}: {shown}");
                    }
                }
            }
        }
        let mask = Mask::new([&b"ab"[..]]).unwrap();
        let other = STANDARD.encode(STANDARD.encode("abacus and cabbage"));
        assert_eq!(mask.mask_text(&other), other);
    }
}

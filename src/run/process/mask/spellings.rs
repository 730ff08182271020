//! The encodings in which programs print a secret without meaning to hide it: its lines, quoted for
//! JSON, a URL or a shell, and base64.
//!
//! Each is a text to look for. Texts that are too short to tell from other output are left out.

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// The shortest line or encoded part of a secret that is looked for on its own. Shorter parts such
/// as `{` and `-----` occur in other output too.
const MIN_PART_BYTES: usize = 8;
/// How many bytes a line of base64 encodes: 57 with 76 columns, as in MIME and `base64`, and 48
/// with 64 columns, as in PEM and `openssl`.
const BASE64_LINE_BYTES: [usize; 2] = [57, 48];

/// Returns all texts to look for: the secret, its lines, and their encodings.
pub(super) fn list_spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let lines = secret
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| line.len() >= MIN_PART_BYTES);
    // Programs often strip white space from the ends of what they read.
    let plain_texts: Vec<&[u8]> = lines.chain([secret, secret.trim_ascii()]).collect();
    let mut spellings: Vec<Vec<u8>> = Vec::new();
    for plain in plain_texts {
        spellings.push(plain.to_vec());
        spellings.extend(percent_encode(plain));
        spellings.extend(encode_base64(plain));
        if let Ok(text) = std::str::from_utf8(plain) {
            spellings.extend(quote_for_json(text));
            spellings.extend(quote_for_shell(text));
        }
    }
    spellings
}

/// Returns the text inside a JSON string: plain, as Go writes it for HTML, with escaped slashes,
/// and in ASCII only.
fn quote_for_json(text: &str) -> Vec<Vec<u8>> {
    let quoted = serde_json::Value::from(text).to_string();
    let plain = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(&quoted);
    let go = plain
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    let mut units = [0; 2];
    let mut escape_non_ascii = |c: char| match c {
        c if c.is_ascii() => c.to_string(),
        c => {
            let units = c.encode_utf16(&mut units).iter();
            units.fold(String::new(), |text, unit| text + &format!("\\u{unit:04x}"))
        }
    };
    let in_ascii = plain.chars().map(&mut escape_non_ascii).collect::<String>();
    [plain.to_owned(), go, plain.replace('/', "\\/"), in_ascii]
        .map(String::into_bytes)
        .into()
}

/// Returns the text as `set -x` and similar tools show a word that contains a quote.
fn quote_for_shell(text: &str) -> Vec<Vec<u8>> {
    if !text.contains('\'') {
        return Vec::new();
    }
    ["'\\''", "'\"'\"'"]
        .map(|quote| text.replace('\'', quote).into_bytes())
        .into()
}

/// The case of the hexadecimal digits in a percent-encoded text.
#[derive(Clone, Copy)]
enum HexCase {
    Upper,
    Lower,
}

/// Returns percent-encoded forms: all but the unreserved characters of RFC 3986, in upper and lower
/// case, with a space as in HTML forms, with slashes kept, and as JavaScript encodes.
fn percent_encode(plain: &[u8]) -> Vec<Vec<u8>> {
    let encode = |unescaped: &[u8], space: &str, hex_case: HexCase| -> Vec<u8> {
        let encode_byte = |byte: &u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => vec![*byte],
            b' ' => space.as_bytes().to_vec(),
            byte if unescaped.contains(byte) => vec![*byte],
            byte => match hex_case {
                HexCase::Lower => format!("%{byte:02x}").into_bytes(),
                HexCase::Upper => format!("%{byte:02X}").into_bytes(),
            },
        };
        plain.iter().flat_map(encode_byte).collect()
    };
    vec![
        encode(b"", "%20", HexCase::Upper),
        encode(b"", "%20", HexCase::Lower),
        encode(b"", "+", HexCase::Upper),
        encode(b"/", "%20", HexCase::Upper),
        encode(b"!'()*", "%20", HexCase::Upper),
    ]
}

/// Returns base64 forms: alone, folded into lines, and in the middle of a longer text, such as the
/// header of a request.
fn encode_base64(plain: &[u8]) -> Vec<Vec<u8>> {
    let mut spellings: Vec<String> = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .map(|it| it.encode(plain))
        .into();
    let folded = BASE64_LINE_BYTES
        .into_iter()
        .filter(|width| plain.len() > *width)
        .flat_map(|width| plain.chunks(width));
    spellings.extend(
        folded
            .map(|line| STANDARD.encode(line))
            .filter(|line| line.len() >= MIN_PART_BYTES),
    );
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        spellings.extend(
            (0..3)
                .map(|preceding| encode_inner_base64(&engine, preceding, plain))
                .filter(|inner| inner.len() >= MIN_PART_BYTES),
        );
    }
    spellings.into_iter().map(String::into_bytes).collect()
}

/// Returns the base64 characters that depend only on the secret, if it is part of a longer text.
/// `preceding` is the number of bytes before the secret modulo 3, because base64 encodes groups of
/// three bytes.
fn encode_inner_base64(engine: &GeneralPurpose, preceding: usize, plain: &[u8]) -> String {
    let text = engine.encode([&[0; 2][..preceding], plain].concat());
    // A character has six bits. Skip the characters that also encode bits of the preceding bytes.
    let (first, end) = (
        (preceding * 8).div_ceil(6),
        (preceding + plain.len()) * 8 / 6,
    );
    text.get(first..end).unwrap_or_default().to_owned()
}

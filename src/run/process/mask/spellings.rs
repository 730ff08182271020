//! The encodings in which programs print a secret without meaning to hide it, for texts that are too
//! short to be looked for in decoded output: quoted for JSON, a URL or a shell, and base64.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Returns the encodings of a text that are looked for byte by byte: base64 of the text alone, and
/// those of JSON, URLs and shells if `has_no_unescaped_form`, that is, if the text is too short to
/// be found in decoded output.
pub(super) fn list_spellings(plain: &[u8], has_no_unescaped_form: bool) -> Vec<Vec<u8>> {
    let mut spellings = encode_base64(plain);
    if has_no_unescaped_form {
        spellings.extend(percent_encode(plain));
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

/// Returns the base64 of the text alone, with and without padding.
fn encode_base64(plain: &[u8]) -> Vec<Vec<u8>> {
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .map(|it| it.encode(plain).into_bytes())
        .into()
}

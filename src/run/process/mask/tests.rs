//! Tests of masking.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
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

/// The secret of most tests below: with all that quoting touches, and too long for one line.
const TOKEN: &str = "github_pat_11ABCDEFG0aBcDeFgHiJkL_01234567/89abcdefghijkl+nopqrstuvwxyz";
const PASSWORD: &str = "pa$$w\"rd;&<x>ü1 it's 9%";

/// An encoding of the tests: what surrounds a text is encoded with it.
#[derive(Debug, Clone, Copy)]
struct Encoding {
    name: &'static str,
    encode: fn(&[u8]) -> String,
    /// How many characters at each end may stand for bytes of the text and of what surrounds it.
    mixed: usize,
}

fn hex(bytes: &[u8], separator: &str, prefix: &str) -> String {
    let digits: Vec<String> = bytes
        .iter()
        .map(|byte| format!("{prefix}{byte:02x}"))
        .collect();
    digits.join(separator)
}

/// Encodes each byte or character that `is_safe` does not contain.
fn escape_bytes(bytes: &[u8], escape: impl Fn(u8) -> String) -> String {
    let encode = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => escape(*byte),
    };
    bytes.iter().map(encode).collect()
}

fn escape_chars(bytes: &[u8], escape: impl Fn(char) -> String) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let encode = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_string(),
        c => escape(c),
    };
    text.chars().map(encode).collect()
}

fn percent(bytes: &[u8]) -> String {
    escape_bytes(bytes, |byte| format!("%{byte:02X}"))
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn json_bytes(bytes: &[u8]) -> String {
    json(std::str::from_utf8(bytes).unwrap())
}

fn html(bytes: &[u8]) -> String {
    escape_chars(bytes, |c| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#x27;".to_owned(),
        c => c.to_string(),
    })
}

fn utf16(bytes: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn base32(bytes: &[u8]) -> String {
    let letters: Vec<char> = ('A'..='Z').chain('2'..='7').collect();
    let bits: Vec<String> = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let bits = bits.concat();
    let groups = bits.as_bytes().chunks(5);
    let text: String = groups
        .map(|group| {
            let digits = format!("{:0<5}", std::str::from_utf8(group).unwrap());
            letters[usize::from_str_radix(&digits, 2).unwrap()]
        })
        .collect();
    let padding = text.len().next_multiple_of(8) - text.len();
    text + &"=".repeat(padding)
}

const ENCODINGS: &[Encoding] = &[
    Encoding {
        name: "plain",
        encode: |it| escape_chars(it, |c| c.to_string()),
        mixed: 0,
    },
    Encoding {
        name: "base64",
        encode: |it| STANDARD.encode(it),
        mixed: 4,
    },
    Encoding {
        name: "base64 without padding",
        encode: |it| STANDARD_NO_PAD.encode(it),
        mixed: 4,
    },
    Encoding {
        name: "base64 for URLs",
        encode: |it| URL_SAFE.encode(it),
        mixed: 4,
    },
    Encoding {
        name: "base64 for URLs without padding",
        encode: |it| URL_SAFE_NO_PAD.encode(it),
        mixed: 4,
    },
    Encoding {
        name: "base64 in JSON",
        encode: |it| json(&STANDARD.encode(it)).replace('/', "\\/"),
        mixed: 4,
    },
    Encoding {
        name: "base64 in a URL",
        encode: |it| percent(STANDARD.encode(it).as_bytes()),
        mixed: 12,
    },
    Encoding {
        name: "base64 of UTF-16",
        encode: |it| STANDARD.encode(utf16(it)),
        mixed: 6,
    },
    Encoding {
        name: "base32",
        encode: base32,
        mixed: 8,
    },
    Encoding {
        name: "base32 in small letters",
        encode: |it| base32(it).to_lowercase(),
        mixed: 8,
    },
    Encoding {
        name: "hex",
        encode: |it| hex(it, "", ""),
        mixed: 0,
    },
    Encoding {
        name: "hex in capitals",
        encode: |it| hex(it, "", "").to_uppercase(),
        mixed: 0,
    },
    Encoding {
        name: "hex with colons",
        encode: |it| hex(it, ":", ""),
        mixed: 2,
    },
    Encoding {
        name: "od -An -tx1",
        encode: |it| hex(it, " ", ""),
        mixed: 2,
    },
    Encoding {
        name: "xxd -i",
        encode: |it| hex(it, ", ", "0x"),
        mixed: 3,
    },
    Encoding {
        name: "hex in a string of C",
        encode: |it| hex(it, "", "\\x"),
        mixed: 2,
    },
    Encoding {
        name: "percent",
        encode: percent,
        mixed: 0,
    },
    Encoding {
        name: "percent in small letters",
        encode: |it| escape_bytes(it, |byte| format!("%{byte:02x}")),
        mixed: 0,
    },
    Encoding {
        name: "every byte",
        encode: |it| hex(it, "", "%"),
        mixed: 0,
    },
    Encoding {
        name: "percent twice",
        encode: |it| percent(percent(it).as_bytes()),
        mixed: 0,
    },
    Encoding {
        name: "form",
        encode: |it| percent(it).replace("%20", "+"),
        mixed: 0,
    },
    Encoding {
        name: "JSON",
        encode: json_bytes,
        mixed: 0,
    },
    Encoding {
        name: "JSON of Go",
        encode: |it| {
            json_bytes(it)
                .replace('<', "\\u003c")
                .replace('>', "\\u003e")
                .replace('&', "\\u0026")
        },
        mixed: 0,
    },
    Encoding {
        name: "JSON in JSON",
        encode: |it| json(&json_bytes(it)),
        mixed: 0,
    },
    Encoding {
        name: "JSON in a URL",
        encode: |it| percent(json_bytes(it).as_bytes()),
        mixed: 0,
    },
    Encoding {
        name: "JSON in HTML",
        encode: |it| html(json_bytes(it).as_bytes()),
        mixed: 0,
    },
    Encoding {
        name: "JSON in ASCII",
        encode: |it| {
            escape_chars(it, |c| {
                c.encode_utf16(&mut [0; 2])
                    .iter()
                    .map(|unit| format!("\\u{unit:04x}"))
                    .collect::<Vec<_>>()
                    .concat()
            })
        },
        mixed: 0,
    },
    Encoding {
        name: "bytes of Python",
        encode: |it| escape_bytes(it, |byte| format!("\\x{byte:02x}")),
        mixed: 0,
    },
    Encoding {
        name: "octal",
        encode: |it| escape_bytes(it, |byte| format!("\\{byte:03o}")),
        mixed: 0,
    },
    Encoding {
        name: "Rust",
        encode: |it| escape_chars(it, |c| c.escape_unicode().to_string()),
        mixed: 0,
    },
    Encoding {
        name: "printf %q",
        encode: |it| escape_chars(it, |c| format!("\\{c}")),
        mixed: 0,
    },
    Encoding {
        name: "word in quotes",
        encode: |it| {
            escape_chars(it, |c| {
                if c == '\'' {
                    "'\\''".to_owned()
                } else {
                    c.to_string()
                }
            })
        },
        mixed: 0,
    },
    Encoding {
        name: "HTML",
        encode: html,
        mixed: 0,
    },
    Encoding {
        name: "HTML twice",
        encode: |it| html(html(it).as_bytes()),
        mixed: 0,
    },
    Encoding {
        name: "HTML in decimal",
        encode: |it| escape_chars(it, |c| format!("&#{:03};", u32::from(c))),
        mixed: 0,
    },
    Encoding {
        name: "HTML in hex",
        encode: |it| escape_chars(it, |c| format!("&#x{:X};", u32::from(c))),
        mixed: 0,
    },
];

/// Breaks text into lines of this width.
fn fold(text: &str, width: usize, line_break: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let lines = characters.chunks(width).map(|line| line.iter().collect());
    lines.collect::<Vec<String>>().join(line_break)
}

fn visible(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Masks an encoded text, and checks that exactly the secret in it is hidden.
fn check_masked(
    secret: &str,
    around: [&str; 2],
    encoding: Encoding,
    layout: impl Fn(&str) -> String,
    cuts: &[usize],
) {
    let [before, after] = around;
    let text = [before, secret, after].concat();
    let printed = layout(&(encoding.encode)(text.as_bytes()));
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (printed.len() + 1)).collect();
    cuts.sort_unstable();
    let (mut pieces, mut position) = (Vec::new(), 0);
    for cut in cuts.into_iter().chain([printed.len()]) {
        pieces.push(&printed.as_bytes()[position..cut]);
        position = cut;
    }
    let mask = Mask::new([secret.as_bytes()]).unwrap();
    let mut stream = MaskStream::new(&mask);
    let mut all: Vec<u8> = pieces.iter().flat_map(|piece| stream.push(piece)).collect();
    all.extend(stream.finish());
    let shown = String::from_utf8_lossy(&all).into_owned();
    let rest = visible(&shown.replace("***", ""));
    let expected = visible(&(encoding.encode)(before.as_bytes()))
        .chars()
        .count()
        + visible(&(encoding.encode)(after.as_bytes()))
            .chars()
            .count();
    let remaining = rest.chars().count();
    assert!(
        shown.contains("***")
            && remaining <= expected + 2 * encoding.mixed + 2
            && remaining + 2 * encoding.mixed + 10 >= expected,
        "{}: {remaining} characters remain instead of {expected}\n{printed}\n{shown}",
        encoding.name
    );
}

/// Every encoding of a secret is masked, at every alignment, in one line and folded.
#[test]
fn encodings() {
    for encoding in ENCODINGS {
        if encoding.name.contains("HTML") {
            check_masked("0._0aa0a&a", ["", ""], *encoding, str::to_owned, &[]);
        }
        for secret in [TOKEN, PASSWORD] {
            for before in ["", "u", "u:", "user:"] {
                for after in ["", "@", "@host"] {
                    let around = [before, after];
                    check_masked(secret, around, *encoding, str::to_owned, &[]);
                    for (width, line_break) in [(76, "\n"), (64, "\r\n"), (60, "\n    "), (1, "\n")]
                    {
                        let layout = |text: &str| fold(text, width, line_break);
                        check_masked(secret, around, *encoding, layout, &[]);
                    }
                }
            }
        }
    }
}

/// A secret in a mail is masked, wherever its lines end.
#[test]
fn quoted_printable() {
    let escape_all = |byte: u8| format!("={byte:02X}");
    let escape_few = |byte: u8| match byte {
        b'=' | 0x80.. => format!("={byte:02X}"),
        byte => char::from(byte).to_string(),
    };
    let escapes: [&dyn Fn(u8) -> String; 2] = [&escape_all, &escape_few];
    for escape in escapes {
        for secret in [TOKEN, PASSWORD, "with=3D=and=equals="] {
            for width in [1, 2, 7, 76] {
                for line_break in ["=\n", "=\r\n"] {
                    let text = format!("key={secret}=!");
                    let letters: Vec<String> = text.bytes().map(escape).collect();
                    let lines = letters.chunks(width).map(<[String]>::concat);
                    let printed = lines.collect::<Vec<_>>().join(line_break);
                    let shown = masked(&[secret], &[printed.as_bytes()]);
                    let halves = printed.as_bytes().split_at(printed.len() / 2 + 1);
                    assert_eq!(masked(&[secret], &[halves.0, halves.1]), shown);
                    assert!(
                        shown.contains("***") && shown.len() < 40,
                        "{width} {printed:?}: {shown:?}"
                    );
                }
            }
        }
    }
}

/// A dump of a secret is masked, with its offsets and the characters at the ends of the lines.
#[test]
fn dumps() {
    let swapped = |line: &[u8]| -> String {
        let pairs = line
            .chunks(2)
            .map(|pair| hex(&pair.iter().rev().copied().collect::<Vec<u8>>(), "", ""));
        pairs.collect::<Vec<_>>().join(" ")
    };
    let show = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    for shift in 0..16 {
        let text = format!(
            "{}{TOKEN}{}",
            &"################"[shift..],
            &"!!!!!!!!!!!!!!!!!"[shift..]
        );
        let lines = |line: &dyn Fn(usize, &[u8]) -> String| -> String {
            text.as_bytes()
                .chunks(16)
                .enumerate()
                .map(|(index, bytes)| line(index * 16, bytes))
                .collect()
        };
        let dumps = [
            lines(&|at, line| {
                format!(
                    "{at:08x}: {:<39}  {}\n",
                    line.chunks(2)
                        .map(|pair| hex(pair, "", ""))
                        .collect::<Vec<_>>()
                        .join(" "),
                    show(line)
                )
            }),
            lines(&|at, line| {
                let (left, right) = line.split_at(line.len().min(8));
                format!(
                    "{at:08x}  {:<23}  {:<23}  |{}|\n",
                    hex(left, " ", ""),
                    hex(right, " ", ""),
                    show(line)
                )
            }),
            lines(&|at, line| format!("{at:07o} {}\n", hex(line, " ", ""))),
            lines(&|at, line| format!("{at:07x} {}\n", swapped(line))),
        ];
        for dump in dumps {
            let shown = masked(&[TOKEN], &[dump.as_bytes()]);
            let characters = TOKEN.as_bytes().windows(4).map(show);
            let digits = TOKEN
                .as_bytes()
                .windows(4)
                .flat_map(|it| [hex(it, "", ""), hex(it, " ", ""), swapped(it)]);
            for part in characters.chain(digits) {
                assert!(!shown.contains(&part), "{part} is visible\n{dump}\n{shown}");
            }
        }
    }
}

/// A part of a long secret is masked too, such as the first lines of a key.
#[test]
fn parts_of_long_secrets() {
    let parts = (0..40_u32).map(|number| format!("{:x}-", number.wrapping_mul(0x9E37_79B1)));
    let key = parts.collect::<Vec<_>>().concat();
    for encoding in ENCODINGS {
        let encoded = (encoding.encode)(key.as_bytes());
        let half = &encoded[..encoded.len() / 2];
        let shown = masked(&[&key], &[fold(half, 76, "\n").as_bytes()]);
        let visible = visible(&shown.replace("***", "")).len();
        assert!(
            visible <= encoded.len() / key.len() * 60 + 60,
            "{}: {visible} of {}\n{shown}",
            encoding.name,
            half.len()
        );
    }
}

/// What a command prints is passed on at once unless it may belong to a secret, and little is held
/// back.
#[test]
fn output_is_streamed() {
    let key = "k3y-".repeat(1000);
    let mask = Mask::new([TOKEN.as_bytes(), key.as_bytes()]).unwrap();
    let mut stream = MaskStream::new(&mask);
    assert_eq!(
        stream.push(b"Applying 3 changes: "),
        b"Applying 3 changes: "
    );
    for filler in [
        "\n",
        " ",
        "%25",
        "&amp;",
        "\\",
        "\"",
        "g",
        "0",
        "k3y-",
        "\u{fc}",
        "00000000: 6162\n",
    ] {
        for _ in 0..3 {
            stream.push(filler.repeat(100_000).as_bytes());
            assert!(
                stream.pending.len() < 64 << 10,
                "{filler:?}: {}",
                stream.pending.len()
            );
            assert!(
                stream.found.len() < 4 << 10,
                "{filler:?}: {}",
                stream.found.len()
            );
        }
    }
}

/// What only resembles an encoding is shown as it is.
#[test]
fn ordinary_text() {
    for text in [
        "100% of 3 & 4; \\o/ &c; %zz %2 \\u12 \\x &#; &#x; 0x \\",
        "00000000: 6162 6364 6566 6768 696a 6b6c 6d6e 6f70  abcdefghijklmnop\n",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "Z2l0aHViX3BhdF8xMUFCQ0RF\n",
        "github_pat_11ABCDEFG0aBcDeFgHiJkL_",
    ] {
        assert_eq!(
            masked(&[TOKEN, PASSWORD, "abc", "1234"], &[text.as_bytes()]),
            text.replace("abc", "***")
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No secret is recoverable from its masked output, whatever it is, wherever it stands, and
    /// however it is encoded, folded and written. It has no spaces: after a line break, one looks
    /// like indentation.
    #[test]
    fn secrets_are_hidden(
        secret in "[!-~ü€]{0,6}[a-zA-Z0-9_.:/=@$#]{8,60}[!-~ü€]{0,30}[!-$(-~]",
        before in "[a-z:=/ ]{0,7}",
        after in "[,;)!@ ]{0,5}",
        encoding in 0..ENCODINGS.len(),
        width in 1usize..100,
        line_break in proptest::sample::select(vec!["", "\n", "\r\n", "\n  ", "\n\t\t"]),
        cuts in proptest::collection::vec(0usize..4000, 0..12),
    ) {
        let encoding = ENCODINGS[encoding];
        let layout = |text: &str| fold(text, width, line_break);
        check_masked(&secret, [&before, &after], encoding, layout, &cuts);
    }

    /// Text without the secret is shown as it is, and the same however it is split.
    #[test]
    fn other_text_is_shown(text in "[ -~\n\t]{0,400}", cut in 0usize..400) {
        let (left, right) = text.split_at(cut.min(text.len()));
        prop_assert_eq!(masked(&[TOKEN, PASSWORD], &[left.as_bytes(), right.as_bytes()]), text);
    }
}

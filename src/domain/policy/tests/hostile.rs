//! Files with many mistakes, and files that are meant to cost time or memory.

use super::{MINIMAL_POLICY, with_keys};
use crate::domain::policy::{MAX_BYTES, Policy};

/// All mistakes are reported at once, in the order of the file.
#[test]
fn all_at_once() {
    let text = MINIMAL_POLICY
        .replace("dev   = {}", "dev = { a = 1, soak = 2 }")
        .replace("\"catalogue\"", "7");
    let errors = Policy::parse(&with_keys(&text)).unwrap_err();
    let error_lines: Vec<_> = errors
        .errors()
        .iter()
        .map(|error| error.position.unwrap().0)
        .collect();
    assert_eq!(error_lines, [3, 11, 11, 11], "{errors}");
}

/// A hostile file is refused quickly.
#[test]
fn hostile_files() {
    let lines =
        |count: usize, line: fn(usize) -> String| (0..count).map(line).collect::<Vec<_>>().concat();
    let long = |text: &str| format!("schema = 1\nproject = \"p\"\n{text}");
    let chain = lines(4_000, |number| {
        format!(
            "[components.c{number}]\ndepends_on = \"c{}\"\n",
            (number + 1) % 4_000
        )
    });
    let unknown = lines(30_000, |number| format!("k{number} = 1\n"));
    let people = lines(9_999, |number| format!("p{number} = \"\"\n"));
    for text in [
        "\0".to_owned(),
        "x".repeat(MAX_BYTES + 1),
        long(&format!("people = {}", "[".repeat(10_000))),
        long(&unknown),
        long(&chain),
        long(&format!("[people]\n{people}")),
    ] {
        let errors = Policy::parse(&text).unwrap_err();
        assert!(errors.errors().len() <= 100);
    }
}

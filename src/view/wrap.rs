//! Wraps lines that are wider than the terminal. Continuation lines are indented below the text.
//! Without a width nothing is wrapped.
//!
//! A command is never wrapped, so that it can be copied.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The minimum room for the text after a head.
const MIN_TEXT_WIDTH: usize = 24;
/// The indentation of continuation lines if the head leaves no room.
const FALLBACK_INDENT: usize = 4;

/// Returns the width of a text in columns, without its colours.
pub fn display_width(styled: &str) -> usize {
    anstream::adapter::strip_str(styled).to_string().width()
}

/// Wraps a text after a head. Both may be styled. Continuation lines begin below the text.
pub fn wrap_hanging(head: &str, text: &str, width: Option<usize>) -> Vec<String> {
    wrap_indented(head, display_width(head), text, width)
}

/// Wraps a text after a head. Continuation lines are indented by `indent` columns, or less if a
/// long word needs the room.
pub fn wrap_indented(head: &str, indent: usize, text: &str, width: Option<usize>) -> Vec<String> {
    let whole = format!("{head}{text}");
    let Some(width) = width.filter(|width| display_width(&whole) > *width) else {
        return vec![whole.trim_end().to_owned()];
    };
    let (head, text) = if indent + MIN_TEXT_WIDTH > width {
        ("", whole.as_str())
    } else {
        (head, text)
    };
    let widest = split_words(text)
        .map(|piece| display_width(piece.trim_end()))
        .max()
        .unwrap_or_default();
    let room = width.saturating_sub(widest).max(FALLBACK_INDENT);
    let indent = if head.is_empty() && indent > FALLBACK_INDENT {
        FALLBACK_INDENT
    } else {
        indent.min(room)
    };
    let (mut lines, mut line, mut used) = (Vec::new(), head.to_owned(), display_width(head));
    // A break helps only if it leaves no empty line, and if the next line begins further to the
    // left.
    let mut may_break = used > indent;
    for piece in split_words(text) {
        // Spaces at the end of a line are invisible.
        if may_break && used + display_width(piece.trim_end()) > width {
            lines.push(
                std::mem::replace(&mut line, " ".repeat(indent))
                    .trim_end()
                    .to_owned(),
            );
            used = indent;
        }
        may_break |= !piece.trim().is_empty();
        line.push_str(piece);
        used += display_width(piece);
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// Wraps a line that a remote printed, with a prefix before each part. Continuation lines begin
/// below the last column of the line, which starts after two spaces.
pub fn wrap_remote_line(prefix: &str, line: &str, width: Option<usize>) -> Vec<String> {
    let (line, width) = (
        line.trim_end(),
        width.map(|width| width.saturating_sub(display_width(prefix))),
    );
    let margin = line.len() - line.trim_start().len();
    let column = line.rfind("  ").map_or(0, |index| index + 2);
    let (head, text) = line.split_at(column);
    let lines = match width {
        // A command is not wrapped. It is moved to the left if that is what it takes to fit.
        Some(width) if text.starts_with('→') && display_width(line) > width => {
            vec![format!("{}{text}", " ".repeat(margin.min(FALLBACK_INDENT)))]
        }
        _ if text.starts_with('→') => vec![line.to_owned()],
        Some(width) if display_width(head) * 2 > width => {
            wrap_indented("", margin + FALLBACK_INDENT, line, Some(width))
        }
        _ => wrap_hanging(head, text, width),
    };
    lines
        .into_iter()
        .map(|line| format!("{prefix}{line}"))
        .collect()
}

/// Renders a text with a command: on one line with `glue` between them if that fits, otherwise with
/// the command on a separate line.
///
/// Continuation lines are indented by `indent` columns.
pub fn wrap_with_command(
    head: &str,
    indent: usize,
    text: &str,
    glue: &str,
    command: &str,
    width: Option<usize>,
) -> Vec<String> {
    let whole = format!("{head}{text}{glue}{command}");
    if width.is_none_or(|width| display_width(&whole) <= width) {
        return vec![whole];
    }
    let mut lines = wrap_indented(head, indent, text, width);
    lines.push(render_command(indent, command, width));
    lines
}

/// Renders the line `→ command`, indented by `indent` columns, or less if it does not fit.
pub fn render_command(indent: usize, command: &str, width: Option<usize>) -> String {
    let dim = Style::new().dimmed();
    let fits = width.is_none_or(|width| indent + 2 + display_width(command) <= width);
    format!(
        "{}{dim}→{dim:#} {command}",
        " ".repeat(if fits {
            indent
        } else {
            FALLBACK_INDENT.min(indent)
        })
    )
}

/// Splits a text into words with the spaces after them. A command between backticks is one word. Between
/// two letters of a script without spaces, such as Chinese, a break is possible too.
fn split_words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (mut previous, mut is_quoted) = (None, false);
        let end = rest.char_indices().find_map(|(index, current)| {
            let last = previous.replace(current)?;
            if last == '`' {
                // An opening quotation mark without a closing one quotes nothing.
                is_quoted = !is_quoted && rest.get(index..).is_some_and(|it| it.contains('`'));
            }
            if is_quoted {
                return None;
            }
            let is_wide =
                |character: char| character.width() == Some(2) && character.is_alphabetic();
            let starts_word = last == ' ' && current != ' ';
            let within_script = is_wide(last) && is_wide(current);
            (starts_word || within_script).then_some(index)
        });
        let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &[String]) -> Vec<String> {
        lines
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect()
    }

    /// Checks that a long text continues below its beginning, that nothing is lost, and that a word
    /// wider than the terminal stays whole.
    #[test]
    fn below_its_beginning() {
        let text = "prod@0123456789  place: what was pushed is not what the entry gives";
        assert_eq!(
            wrap_hanging("    x ", text, None),
            [format!("    x {text}")]
        );
        assert_eq!(
            wrap_hanging("    note: ", text, Some(40)),
            [
                "    note: prod@0123456789  place: what",
                "          was pushed is not what the",
                "          entry gives"
            ]
        );
        let long = "y".repeat(50);
        assert_eq!(
            wrap_hanging("x ", &format!("a {long} b"), Some(30)),
            ["x a", &format!("  {long}"), "  b"]
        );
        // A head that leaves no room is wrapped together with its text.
        assert_eq!(
            wrap_hanging(
                "  a-component-of-a-long-name  ",
                "has it in its history",
                Some(40)
            ),
            ["  a-component-of-a-long-name  has it in", "    its history"]
        );
    }

    /// Checks that the visible width counts: colours take no room, wide letters two columns, and
    /// their script has no spaces.
    #[test]
    fn by_visible_width() {
        let red = anstyle::AnsiColor::Red.on_default();
        assert_eq!(
            wrap_hanging(&format!("{red}x{red:#} "), &"a".repeat(38), Some(40)).len(),
            1
        );
        let text =
            "資料庫更新：すべての顧客の注文履歴を新しいスキーマに移行する and then in plain words";
        let lines = wrap_hanging("note: ", text, Some(40));
        assert!(lines.iter().all(|line| line.width() <= 40), "{lines:?}");
        assert!(
            lines[0].width() > 36 && lines.iter().skip(1).all(|line| line.starts_with("      ")),
            "{lines:?}"
        );
        assert_eq!(
            lines.concat().replace(' ', ""),
            format!("note:{text}").replace(' ', "")
        );
    }

    /// Checks that each line from a remote has its prefix, and that its columns are kept.
    #[test]
    fn of_a_remote() {
        let line = "  ✗ place   it is not there where it should be";
        assert_eq!(
            wrap_remote_line("remote: ", line, Some(48)),
            [
                "remote:   ✗ place   it is not there where it",
                "remote:             should be"
            ]
        );
        let line = "git-deploy: refused  refs/deploy/production  (what is refused)";
        assert_eq!(
            wrap_remote_line("remote: ", line, Some(60)),
            [
                "remote: git-deploy: refused  refs/deploy/production  (what",
                "remote:     is refused)"
            ]
        );
        let line = "                  → git deploy approve production";
        let command = "→ git deploy approve production";
        for (width, indent) in [(40, 4), (56, 4), (57, 18), (80, 18)] {
            assert_eq!(
                wrap_remote_line("remote: ", line, Some(width)),
                [format!("remote: {}{command}", " ".repeat(indent))]
            );
        }
    }

    /// Checks that a command within a sentence stays whole, and that a single backtick quotes nothing.
    #[test]
    fn quoted_commands_stay_whole() {
        let text = "push the commit; each of them types `git deploy policy approve` then";
        for width in 30..80 {
            let lines = wrap_hanging("", text, Some(width));
            let has_command = |line: &String| line.contains("`git deploy policy approve`");
            assert!(lines.iter().any(has_command), "{width}: {lines:?}");
            assert!(lines.iter().all(|line| line.width() <= width), "{lines:?}");
        }
        let single = wrap_hanging("", &"it's a ` alone ".repeat(9).replace('`', "'"), Some(40));
        assert!(single.len() > 1);
        let open = wrap_hanging("", &format!("a ` {}", "word ".repeat(20)), Some(40));
        assert!(open.len() > 2, "{open:?}");
    }

    /// Checks that a command stays on one line, even if it is too long.
    #[test]
    fn commands_stay_whole() {
        let render = |width| {
            plain(&wrap_with_command(
                "  ",
                4,
                "it is on hold",
                " · ",
                "git deploy unlock dev",
                width,
            ))
        };
        assert_eq!(render(None), ["  it is on hold · git deploy unlock dev"]);
        assert_eq!(
            render(Some(40)),
            ["  it is on hold · git deploy unlock dev"]
        );
        assert_eq!(
            render(Some(30)),
            ["  it is on hold", "    → git deploy unlock dev"]
        );
        assert_eq!(
            render(Some(10)),
            ["  it is on", "    hold", "    → git deploy unlock dev"]
        );
        assert_eq!(
            plain(&[render_command(26, "git deploy unlock dev", Some(40))]),
            ["    → git deploy unlock dev"]
        );
    }
}

//! Notices as messages for Slack's incoming webhooks, which Mattermost, Rocket.Chat, Discord and
//! others also read.
//!
//! Descriptions are untrusted text: they can neither make links nor mention the members of a
//! channel.

use std::fmt::Write as _;

use serde_json::json;

use super::event::{Notice, NoticeComponent};
use crate::domain::entry::Outcome;

/// The longest message, in bytes. Slack splits a longer one into several.
const MAX_MESSAGE_BYTES: usize = 3_900;
/// The longest line, in characters, before escaping.
const MAX_LINE_CHARS: usize = 300;
/// The most components, and the most lines of description and of reasons.
const MAX_LINES: usize = 20;

/// Returns the message, ready to be sent.
pub(super) fn build_message(notice: &Notice) -> Vec<u8> {
    json!({ "text": build_text(notice) })
        .to_string()
        .into_bytes()
}

/// Builds the text of the message, up to the length limit.
fn build_text(notice: &Notice) -> String {
    let mut lines = vec![format!("*{}*", escape_text(&notice.summary()))];
    let mut details: Vec<String> = Vec::new();
    details.extend(
        notice
            .change
            .as_ref()
            .map(|change| format!("change {}", escape_text(change.as_str()))),
    );
    details.extend(
        notice
            .release
            .as_ref()
            .map(|release| format!("release {}", escape_text(release.as_str()))),
    );
    details.extend(notice.url.as_ref().map(|url| escape_text(url)));
    details.extend(notice.expires.map(|time| format!("expires {time}")));
    details.extend(notice.run.map(|run| format!("run {run}")));
    details.extend(notice.run_url.as_ref().map(|url| escape_text(url.as_str())));
    lines.extend((!details.is_empty()).then(|| details.join(" · ")));
    let authors = notice.safe_authors();
    lines.extend(
        (!authors.is_empty()).then(|| format!("authors: {}", escape_text(&authors.join(", ")))),
    );
    add_first_lines(
        &mut lines,
        notice
            .safe_reasons()
            .iter()
            .map(|reason| format!("• {}", escape_text(reason))),
    );
    add_first_lines(&mut lines, notice.components.iter().map(describe_component));
    let description = notice
        .description
        .as_ref()
        .map_or("", |description| description.as_str());
    add_first_lines(
        &mut lines,
        description
            .lines()
            .map(|line| format!("> {}", escape_text(line))),
    );
    let mut text = String::new();
    for line in lines {
        if text.len() + line.len() > MAX_MESSAGE_BYTES {
            text.push_str("\n…");
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

/// Adds the first of the new lines, and how many more there are.
fn add_first_lines(lines: &mut Vec<String>, new_lines: impl Iterator<Item = String>) {
    let new_lines: Vec<String> = new_lines.collect();
    let more = new_lines.len().saturating_sub(MAX_LINES);
    lines.extend(new_lines.into_iter().take(MAX_LINES));
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
}

/// Describes a component in one line.
fn describe_component(part: &NoticeComponent) -> String {
    let mut line = format!("• {}", part.component);
    if let Some(version) = &part.version {
        line.push(' ');
        line.push_str(&escape_text(version.as_str()));
    }
    // Writing to a string cannot fail.
    let _ = write!(line, " `{}`", part.commit.short());
    if let Some(from) = part.from {
        let _ = write!(line, " from `{}`", from.short());
    }
    if let Some(plan) = &part.plan {
        let _ = write!(line, ": {}", escape_text(plan.as_str()));
    }
    if let Some(outcome) = part.outcome {
        line.push_str(match outcome {
            Outcome::Succeeded => ": succeeded",
            Outcome::Failed => ": failed",
            Outcome::Skipped => ": skipped",
            Outcome::RolledBack => ": rolled back",
            Outcome::Destroyed => ": destroyed",
            Outcome::Executed => ": executed",
        });
    }
    line
}

/// Escapes a text for Slack: replaces `&`, `<` and `>`, and puts a word joiner after `@`, because
/// some programs that read Slack's messages notify everyone for a plain `@all`.
fn escape_text(text: &str) -> String {
    let cut: String = text.chars().take(MAX_LINE_CHARS).collect();
    cut.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('@', "@\u{2060}")
}

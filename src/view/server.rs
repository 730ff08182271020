//! Whether a server is protected: the text of `git-deploy server check`, and the document
//! `git-deploy/server-check/v1`.

use anstyle::AnsiColor;
use schemars::JsonSchema;
use serde::Serialize;

use super::symbols::Mark;
use super::wrap;
use crate::domain::text::sanitize;

/// The width of the column with the subject of a finding.
const SUBJECT_WIDTH: usize = 8;

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerCheck {
    /// The git directory of the repository.
    pub repository: String,
    /// Whether no finding is `bad`.
    pub protected: bool,
    /// The findings, including what is as it should be.
    pub findings: Vec<ServerFinding>,
}

/// The result of one check.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFinding {
    /// The subject: the `files` and who may change them, the `hooks`, the `settings`, the `refs`,
    /// where the `objects` are, or the `probe`, a push that must be refused.
    #[schemars(extend("enum" = ["files", "hooks", "settings", "refs", "objects", "probe"]))]
    pub about: &'static str,
    /// `good`; `advice` if the server is protected but could be improved; `bad` if it is not
    /// protected.
    #[schemars(extend("enum" = ["good", "advice", "bad"]))]
    pub level: &'static str,
    /// What was found.
    pub what: String,
    /// The command that fixes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Renders the text: the findings, each with the command that fixes it, and the answer in one line.
pub fn render_text(check: &ServerCheck, width: Option<usize>) -> String {
    let mut lines = vec![sanitize(&check.repository)];
    for finding in &check.findings {
        let mark = match finding.level {
            "good" => Mark::Yes.to_string(),
            "bad" => Mark::No.to_string(),
            _ => {
                let style = AnsiColor::Yellow.on_default();
                format!("{style}!{style:#}")
            }
        };
        let head = format!("  {mark} {:<SUBJECT_WIDTH$}  ", finding.about);
        lines.extend(wrap::wrap_hanging(&head, &sanitize(&finding.what), width));
        let remedy = finding.remedy.as_ref();
        lines.extend(remedy.map(|remedy| {
            wrap::render_command(wrap::display_width(&head), &sanitize(remedy), width)
        }));
    }
    let count = |level| {
        check
            .findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let plural = |number: usize, one: &str, many: &str| {
        format!("{number} {}", if number == 1 { one } else { many })
    };
    lines.push(match (count("bad"), count("advice")) {
        (0, 0) => format!("{} it is protected", Mark::Yes),
        (0, advice) => {
            format!(
                "{} it is protected; {} to make it better",
                Mark::Yes,
                plural(advice, "way", "ways")
            )
        }
        (bad, _) => format!(
            "{} it is not protected: {}",
            Mark::No,
            plural(bad, "finding", "findings")
        ),
    });
    lines.join("\n")
}

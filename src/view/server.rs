//! Whether a server is protected: the text of `git-deploy server check`, and the document
//! `git-deploy/server-check/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::symbols::Mark;
use super::wrap;
use crate::domain::count::count;
use crate::domain::text::sanitize;
use crate::server::check::{CheckFinding, Level};

/// The width of the column with the subject of a finding.
const SUBJECT_WIDTH: usize = 8;

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerCheck {
    /// The git directory of the repository.
    pub repository: String,
    /// Whether no finding is a problem.
    pub protected: bool,
    /// The findings, including those that are good.
    pub findings: Vec<CheckFinding>,
}

/// Renders the text: the findings, each with the command that fixes it, and the answer in one line.
pub fn render_text(check: &ServerCheck, width: Option<usize>) -> String {
    let mut lines = vec![sanitize(&check.repository)];
    for finding in &check.findings {
        let mark = match finding.level {
            Level::Good => Mark::Yes,
            Level::Advice => Mark::Warning,
            Level::Problem => Mark::No,
        };
        let head = format!("  {mark} {:<SUBJECT_WIDTH$}  ", finding.subject.name());
        lines.extend(wrap::wrap_hanging(
            &head,
            &sanitize(&finding.message),
            width,
        ));
        let remedy = finding.remedy.as_ref();
        lines.extend(remedy.map(|remedy| {
            wrap::render_command(wrap::display_width(&head), &sanitize(remedy), width)
        }));
    }
    let count_findings = |level| {
        check
            .findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let problems = count_findings(Level::Problem);
    lines.push(match (problems, count_findings(Level::Advice)) {
        (0, 0) => format!("{} it is protected", Mark::Yes),
        (0, advice) => {
            format!(
                "{} it is protected; {}",
                Mark::Yes,
                count(advice, "suggestion")
            )
        }
        (problems, _) => format!(
            "{} it is not protected: {}",
            Mark::No,
            count(problems, "problem")
        ),
    });
    lines.join("\n")
}

//! The server's report to the pusher: each update that was not accepted, why, and the next command.

use super::{verdict, wrap};
use crate::domain::count::count;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Decision, MESSAGE_PREFIX, Verdict};

/// The maximum number of updates shown.
const MAX_UPDATES: usize = 20;
/// The maximum number of lines per update.
const MAX_LINES: usize = 60;
/// The width at which everything except commands is wrapped. With git's `remote: ` in front it fits
/// any terminal.
const WRAP_WIDTH: usize = 72;
/// The maximum length of a line in characters.
const MAX_LINE_CHARS: usize = 500;

/// One ref update of a push.
#[derive(Debug, Clone, Copy)]
pub struct UpdateReport<'a> {
    /// The full name of the ref.
    pub ref_name: &'a str,
    /// What the update contains, in words.
    pub summary: Option<&'a str>,
    /// The answer of the rules.
    pub verdict: &'a Verdict,
    /// Whether the rules are enforced. If not, they are only evaluated, and the update is accepted.
    pub is_enforced: bool,
}

/// Whether the updates of a push are accepted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// All updates of the push are accepted, or none.
    WholePush,
    /// Each update is accepted separately.
    PerRef,
}

/// Renders the report, styled, without a final newline. Returns `None` if every rule passes.
pub fn render_report(updates: &[UpdateReport<'_>], acceptance: Acceptance) -> Option<String> {
    let reported: Vec<_> = updates
        .iter()
        .filter(|update| !update.verdict.is_allowed())
        .collect();
    let mut lines: Vec<String> = reported
        .iter()
        .take(MAX_UPDATES)
        .flat_map(|update| render_update(update))
        .collect();
    if reported.len() > MAX_UPDATES {
        lines.push(format!(
            "git-deploy: and {} more",
            reported.len() - MAX_UPDATES
        ));
    }
    let has_decision = |decision| {
        reported
            .iter()
            .any(|update| update.is_enforced && update.verdict.decision() == decision)
    };
    if has_decision(Decision::CannotTell)
        && !has_decision(Decision::Refused)
        && acceptance == Acceptance::WholePush
    {
        lines.push(
            "git-deploy: nothing was accepted: the rules marked ? could not be checked".to_owned(),
        );
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Renders one update.
fn render_update(update: &UpdateReport<'_>) -> Vec<String> {
    let word = match (update.verdict.decision(), update.is_enforced) {
        (decision @ Decision::Refused, true) => decision.word(),
        (_, true) => Decision::CannotTell.word(),
        (Decision::Refused, false) => {
            "would be refused, but is accepted because the policy does not enforce its rules"
        }
        (_, false) => "cannot tell, but is accepted because the policy does not enforce its rules",
    };
    // The decision and its ref stay on one line, because programs parse it.
    let head = format!("{MESSAGE_PREFIX}{word}  {}", sanitize(update.ref_name));
    let summary = update
        .summary
        .map(|summary| format!("({})", sanitize(summary)))
        .unwrap_or_default();
    let one_line = format!("{head}  {summary}");
    let mut lines = if wrap::display_width(&one_line) <= WRAP_WIDTH || summary.is_empty() {
        vec![one_line.trim_end().to_owned()]
    } else {
        std::iter::once(head)
            .chain(wrap::wrap_hanging("    ", &summary, Some(WRAP_WIDTH)))
            .collect()
    };
    let mut rules = verdict::render_verdict(update.verdict, Some(WRAP_WIDTH));
    if rules.len() > MAX_LINES {
        let more = rules.len() - MAX_LINES;
        rules.truncate(MAX_LINES);
        rules.push(format!("  and {}", count(more, "more line")));
    }
    lines.extend(rules);
    lines
        .into_iter()
        .map(|line| line.chars().take(MAX_LINE_CHARS).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::{Check, Rule};

    fn plain(updates: &[UpdateReport<'_>]) -> String {
        anstream::adapter::strip_str(&render_report(updates, Acceptance::WholePush).unwrap())
            .to_string()
    }

    fn update(verdict: &Verdict) -> UpdateReport<'_> {
        UpdateReport {
            ref_name: "refs/deploy/prod",
            summary: Some("api 1.4.2, 2affccc97fa0"),
            verdict,
            is_enforced: true,
        }
    }

    /// Checks that the report lists every rule that fails, each with the next command.
    #[test]
    fn refused() {
        let mut verdict = Verdict {
            checks: vec![
                Check::fail(Rule::Approvals, "1 of 2: bob ✓, needs one of carol, dana")
                    .remedy("git deploy approve prod 2affccc97fa0"),
                Check::fail(
                    Rule::PreviousEnvironment,
                    "stage runs it since 09:40, soak 1h: 22 minutes left",
                ),
            ],
        };
        verdict.checks.extend(
            [Rule::Authorization, Rule::Chain, Rule::Lock].map(|rule| Check::pass(rule, "")),
        );
        insta::assert_snapshot!(plain(&[update(&verdict)]), @r"
        git-deploy: refused  refs/deploy/prod  (api 1.4.2, 2affccc97fa0)
          ✗ approvals             1 of 2: bob ✓, needs one of carol, dana
                                  → git deploy approve prod 2affccc97fa0
          ✗ previous environment  stage runs it since 09:40, soak 1h: 22 minutes
                                  left
          ✓ 3 other rules
        ");
        insta::assert_snapshot!(plain(&[UpdateReport { is_enforced: false, summary: None, ..update(&verdict) }]), @r"
        git-deploy: would be refused, but is accepted because the policy does not enforce its rules  refs/deploy/prod
          ✗ approvals             1 of 2: bob ✓, needs one of carol, dana
                                  → git deploy approve prod 2affccc97fa0
          ✗ previous environment  stage runs it since 09:40, soak 1h: 22 minutes
                                  left
          ✓ 3 other rules
        ");
    }

    /// Checks that a client of any width shows each id, name and command of the server's report on one
    /// line, and that only a command or a long name is wider than the terminal.
    #[test]
    fn nothing_is_broken_on_a_narrow_terminal() {
        let id = "2affccc97fa0";
        let long = "prod-eu-central-customer-facing";
        let checks = [
            Check::fail(
                Rule::Approvals,
                "1 of 2: bob ✓, needs one of annemarie.vandenberg, carol",
            )
            .remedy(format!("git deploy approve prod {id}")),
            Check::fail(
                Rule::PreviousEnvironment,
                format!("stage never ran {id}; it ran the same content of api at a1415d4561bb"),
            )
            .remedy(format!("git deploy record {long} {id} --component api")),
            Check::fail(
                Rule::Hold,
                format!("api at {id} is on hold since 2026-12-01T01:05:26Z"),
            )
            .remedy(format!("git deploy unlock prod --commit {id}")),
            Check::unknown(
                Rule::Chain,
                "type `git deploy sync --repair` and push again",
            ),
        ];
        let verdict = Verdict {
            checks: checks.to_vec(),
        };
        let report = plain(&[UpdateReport {
            summary: Some("api 1.4.2, customer-notification-dispatcher, 2affccc97fa0"),
            ..update(&verdict)
        }]);
        for width in 40..=80 {
            let lines: Vec<String> = report
                .lines()
                .flat_map(|line| wrap::wrap_remote_line("remote: ", line, Some(width)))
                .collect();
            for word in report.split_whitespace() {
                assert!(
                    lines.iter().any(|line| line.contains(word)),
                    "{width}: {word}"
                );
            }
            let commands = checks.iter().filter_map(|check| check.remedy.as_deref());
            for command in commands.chain(["`git deploy sync --repair`"]) {
                let has_command = |line: &&String| line.contains(command);
                let line = lines.iter().find(has_command).unwrap();
                let fits = "remote:     → ".len() + command.len() <= width;
                assert!(
                    !fits || wrap::display_width(line) <= width,
                    "{width}: {line}"
                );
            }
            let is_too_wide = |line: &&String| wrap::display_width(line) > width;
            for line in lines.iter().filter(is_too_wide) {
                let rest = line.trim_start_matches("remote:").trim();
                assert!(
                    rest.starts_with('→') || !rest.contains(' '),
                    "{width}: {line}"
                );
            }
        }
    }

    /// Checks that "refused" and "cannot tell" differ: the pusher must act on the first, the owner
    /// of the server on the second.
    #[test]
    fn cannot_tell() {
        let verdict = Verdict {
            checks: vec![Check::unknown(
                Rule::Soak,
                "the history of stage is missing",
            )],
        };
        insta::assert_snapshot!(plain(&[update(&verdict)]), @r"
        git-deploy: cannot tell  refs/deploy/prod  (api 1.4.2, 2affccc97fa0)
          ? soak                  the history of stage is missing
        git-deploy: nothing was accepted: the rules marked ? could not be checked
        ");
    }

    /// Checks that a hostile push can neither flood nor control the pusher's terminal, and that
    /// rules that pass are not reported.
    #[test]
    fn bounded_and_harmless() {
        let verdict = Verdict {
            checks: vec![Check::fail(Rule::Chain, format!("\u{1b}[2J\n{}", "x".repeat(9_000))); 60],
        };
        let hostile = UpdateReport {
            ref_name: "refs/deploy/\u{1b}]0;x",
            summary: Some("\u{202e}"),
            verdict: &verdict,
            is_enforced: true,
        };
        let text = plain(&vec![hostile; 30]);
        assert!(text.ends_with("git-deploy: and 10 more"), "{text}");
        assert!(text.len() < 20 * 62 * 520 && !text.contains(['\u{1b}', '\u{202e}']));
        let fine = Verdict {
            checks: vec![Check::pass(Rule::Chain, "")],
        };
        assert!(render_report(&[update(&fine)], Acceptance::WholePush).is_none());
    }
}

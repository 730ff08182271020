//! Past deployments under another policy: the text of `git deploy policy test`, and the document
//! `git-deploy/policy-test/v1`.

use anstyle::Style;
use schemars::JsonSchema;
use serde::Serialize;

use super::symbols::Mark;
use super::table::{Cell, Table};
use super::{log, result_text, verdict, wrap};
use crate::domain::count::count;
use crate::domain::entry::ComponentChange;
use crate::domain::id::Digest;
use crate::domain::name::ComponentName;
use crate::domain::text::sanitize;
use crate::domain::time::Time;
use crate::domain::verdict::{CheckResult, Rule, Verdict};
use crate::run::replay::{DecisionCounts, ReplayCase};

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayReport {
    /// The file that the proposal was read from, such as `deploy.toml` or `main:deploy.toml`.
    pub source: String,
    /// The digest of the proposal.
    pub proposed: Digest,
    /// Whether the proposal is the policy in force, byte for byte.
    pub is_in_force: bool,
    /// Only deployments since this time were examined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// The number of deployments examined, and the decisions under the proposal, by environment.
    pub environments: Vec<ReplayedEnvironment>,
    /// The sum of all environments.
    #[serde(flatten)]
    pub total: DecisionCounts,
    /// The number of deployments that each rule would have refused, highest first.
    pub rules: Vec<RuleRefusals>,
    /// The newest accepted deployments that would have been refused.
    pub would_be_refused: Vec<ReplayedDeployment>,
    /// The newest deployments that would be newly allowed: the rules of their time refuse them, for
    /// example because they used break-glass.
    pub would_be_allowed: Vec<ReplayedDeployment>,
    /// The newest deployments that cannot be decided under the proposal.
    #[serde(rename = "unknown")]
    pub undecided: Vec<ReplayedDeployment>,
    /// The components to which the proposal assigns other files than the policy in force; their
    /// content is taken as it was at the time.
    pub reassigned_components: Vec<ComponentName>,
}

/// One environment, or one pattern of ephemeral environments.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayedEnvironment {
    /// Its name as in the policy: `prod`, `pr-*`.
    pub environment: String,
    /// The numbers of its deployments.
    #[serde(flatten)]
    pub counts: DecisionCounts,
}

/// The refusals of one rule.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleRefusals {
    /// The rule.
    pub rule: Rule,
    /// The number of deployments that it would have refused. Several rules may refuse the same
    /// deployment.
    pub deployments: usize,
}

/// A past deployment with a different decision.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayedDeployment {
    /// The deployment: what, by whom and when, as in `log`.
    #[serde(flatten)]
    pub log_entry: log::LogEntry,
    /// The answers of the proposal's rules.
    #[serde(flatten, serialize_with = "verdict::serialize")]
    #[schemars(with = "verdict::VerdictDocument<'_>")]
    pub verdict: Verdict,
    /// The changed components in words; not in the document.
    #[serde(skip)]
    targets: String,
}

impl ReplayedDeployment {
    /// Converts a case for the text and the document.
    pub fn new(case: ReplayCase) -> Self {
        let targets = match case.statement.deployment() {
            Some(it) => result_text::list_targets(
                it.changed().map(|change: &ComponentChange| &change.target),
            ),
            None => String::new(),
        };
        Self {
            log_entry: log::describe_entry(case.id, &case.statement, None),
            verdict: case.verdict,
            targets,
        }
    }

    /// Renders a case: `prod@3f2a9c1e77  api 1.4.1 (77aa001)  by ci, 6 days ago`, followed by the
    /// rules that do not pass.
    fn render(
        &self,
        decision: ReplayDecision,
        width: Option<usize>,
        when: &dyn Fn(Time) -> String,
    ) -> Vec<String> {
        let log_entry = &self.log_entry;
        let dim = Style::new().dimmed();
        let environment = log_entry
            .environment
            .as_ref()
            .filter(|it| it.as_str() != log_entry.ledger.as_str());
        let environment =
            environment.map_or_else(String::new, |environment| format!("{environment}: "));
        let description = if self.targets.is_empty() {
            log_entry.summary.as_str()
        } else {
            &self.targets
        };
        let head = format!(
            "  {} {}@{}  ",
            decision.mark(),
            log_entry.ledger,
            log_entry.entry.0.prefix(10)
        );
        let text = format!(
            "{environment}{}  {dim}by {}, {}{dim:#}",
            sanitize(description),
            log_entry.by,
            when(log_entry.at)
        );
        let mut lines = wrap::wrap_indented(&head, INDENT, &text, width);
        let margin = " ".repeat(INDENT);
        for check in self
            .verdict
            .checks
            .iter()
            .filter(|check| check.outcome != CheckResult::Pass)
        {
            let head = format!("{margin}{:<RULE_WIDTH$}  ", check.rule.name());
            lines.extend(wrap::wrap_hanging(&head, &sanitize(&check.detail), width));
        }
        if let Some(reason) = log_entry
            .break_glass
            .as_ref()
            .filter(|_| decision == ReplayDecision::Allowed)
        {
            lines.extend(wrap::wrap_hanging(
                &margin,
                &format!("it would not have needed break-glass (\"{reason}\")"),
                width,
            ));
        }
        lines
    }
}

/// The indentation of the lines below a case.
const INDENT: usize = 6;
/// The width of the column of rules.
const RULE_WIDTH: usize = 20;

/// The decision under the proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplayDecision {
    Refused,
    Allowed,
    Undecided,
}

impl ReplayDecision {
    /// Returns the mark of the decision.
    fn mark(self) -> Mark {
        match self {
            Self::Refused => Mark::No,
            Self::Allowed => Mark::Yes,
            Self::Undecided => Mark::Unknown,
        }
    }
}

/// Orders the rules by the number of refusals, highest first.
pub fn rank_refusals(rules: impl IntoIterator<Item = (Rule, usize)>) -> Vec<RuleRefusals> {
    let mut ranked: Vec<(Rule, usize)> = rules.into_iter().collect();
    ranked.sort_by_key(|(rule, deployments)| (std::cmp::Reverse(*deployments), *rule));
    ranked
        .into_iter()
        .map(|(rule, deployments)| RuleRefusals { rule, deployments })
        .collect()
}

/// Renders the text: a table of the environments, the deployments with a different decision, and a
/// summary in one line.
pub fn render_text(
    replay: &ReplayReport,
    width: Option<usize>,
    when: &dyn Fn(Time) -> String,
) -> String {
    let total = replay.total;
    let since = replay
        .since
        .map_or_else(String::new, |since| format!(", since {}", when(since)));
    let deployments = count_deployments(total.deployments);
    let source = sanitize(&replay.source);
    let heading = if replay.is_in_force {
        format!("{source}, the policy in force, on {deployments}{since}:")
    } else {
        format!("{source} on {deployments}{since}, compared with the policy in force:")
    };
    let mut lines = wrap::wrap_indented("", 2, &heading, width);
    lines.extend([String::new(), build_table(replay).render(width)]);
    lines.extend(render_sections(replay, width, when));
    lines.push(String::new());
    if !replay.reassigned_components.is_empty() {
        let names: Vec<&str> = replay
            .reassigned_components
            .iter()
            .map(ComponentName::as_str)
            .collect();
        let names = names.join(", ");
        let remark = format!(
            "The proposal assigns other files to {names}; their content is taken as it was at the time."
        );
        lines.extend(wrap::wrap_hanging("", &remark, width));
    }
    let (mark, summary) = summarize(replay);
    lines.extend(wrap::wrap_hanging(&format!("{mark} "), &summary, width));
    lines.join("\n")
}

/// Renders the deployments with a different decision, grouped by decision.
fn render_sections(
    replay: &ReplayReport,
    width: Option<usize>,
    when: &dyn Fn(Time) -> String,
) -> Vec<String> {
    let total = replay.total;
    let mut lines = Vec::new();
    let sections = [
        (
            ReplayDecision::Refused,
            "Would newly be refused",
            &replay.would_be_refused,
            total.refused,
        ),
        (
            ReplayDecision::Allowed,
            "Would newly be allowed",
            &replay.would_be_allowed,
            total.allowed,
        ),
        (
            ReplayDecision::Undecided,
            "Cannot tell",
            &replay.undecided,
            total.undecided,
        ),
    ];
    for (decision, title, cases, count) in sections.into_iter().filter(|(.., count)| *count > 0) {
        lines.extend([String::new(), format!("{title}:")]);
        lines.extend(
            cases
                .iter()
                .flat_map(|case| case.render(decision, width, when)),
        );
        let more = count.saturating_sub(cases.len());
        if more > 0 {
            let dim = Style::new().dimmed();
            lines.push(format!(
                "    {dim}and {more} older (show them: -n {count}){dim:#}"
            ));
        }
    }
    lines
}

/// Returns `12 past deployments`.
fn count_deployments(number: usize) -> String {
    count(number, "past deployment")
}

/// Builds the table of the environments.
fn build_table(replay: &ReplayReport) -> Table {
    let number = |number: usize, style: Style| match number {
        0 => Cell::styled("–", Style::new().dimmed()),
        number => Cell::styled(number.to_string(), style),
    };
    let mut table = Table::new(&[
        "Environment",
        "Deployments",
        "Refused",
        "Allowed",
        "Cannot tell",
    ])
    .shorten_columns(&[0]);
    for it in &replay.environments {
        let count = it.counts;
        table.add_row([
            Cell::from(&it.environment),
            number(count.deployments, Style::new()),
            number(count.refused, Mark::No.style()),
            number(count.allowed, Mark::Yes.style()),
            number(count.undecided, Mark::Unknown.style()),
        ]);
    }
    table
}

/// Returns the mark and the text of the summary.
fn summarize(replay: &ReplayReport) -> (Mark, String) {
    let total = replay.total;
    let rules: Vec<String> = replay
        .rules
        .iter()
        .map(|it| format!("{} {}", it.rule, it.deployments))
        .collect();
    let deployments = count_deployments(total.deployments);
    match total {
        DecisionCounts {
            refused: 0,
            allowed: 0,
            undecided: 0,
            ..
        } => (Mark::Yes, "every decision would be the same".to_owned()),
        DecisionCounts {
            refused: 0,
            undecided: 0,
            ..
        } => (Mark::Yes, "none would newly be refused".to_owned()),
        DecisionCounts {
            refused: 0,
            undecided,
            ..
        } => (
            Mark::Unknown,
            format!("none would newly be refused, but {undecided} could not be evaluated"),
        ),
        DecisionCounts { refused, .. } => (
            Mark::No,
            format!(
                "{refused} of {deployments} would newly be refused: {}",
                rules.join(", ")
            ),
        ),
    }
}

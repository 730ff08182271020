//! Whether the rules allow a deployment: the text of `git deploy check`, and the document
//! `git-deploy/check/v1`.

use anstyle::Style;
use schemars::JsonSchema;
use serde::Serialize;

use super::announcement::Announcement;
use super::symbols::Mark;
use super::undeclared::UndeclaredRemark;
use super::{result_text, verdict, wrap};
use crate::domain::entry::{ComponentChange, Deployment, DeploymentKind};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::Line;
use crate::domain::verdict::{Decision, Verdict};
use crate::run::build_deployment::LeftOut;

/// The check of a deployment: the question and the answer.
#[derive(Debug)]
pub struct DeploymentCheck<'a> {
    /// The environment.
    pub environment: &'a EnvName,
    /// The commit.
    pub commit: CommitId,
    /// The person or machine that would start the deployment.
    pub by: &'a Person,
    /// The deployment that was checked.
    pub deployment: &'a Deployment,
    /// The answer of the rules.
    pub verdict: &'a Verdict,
    /// The components that a run would leave out.
    pub left_out: &'a [LeftOut],
    /// The components that run but that the policy no longer has.
    pub undeclared: &'a [ComponentName],
    /// What was announced about the deployment.
    pub announcements: Vec<Announcement>,
}

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckDocument {
    /// The environment.
    pub environment: EnvName,
    /// The commit.
    pub commit: CommitId,
    /// `deploy`, `rollback` or `hotfix`.
    pub kind: DeploymentKind,
    /// The person or machine that would start the deployment.
    pub by: Person,
    /// The components and what the deployment would do with each.
    pub components: Vec<CheckedComponent>,
    /// The components that a run would leave out for now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOutComponent>,
    /// The components that run but are no longer declared in the policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undeclared: Vec<ComponentName>,
    /// What a person should know before the deployment, although no rule forbids it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<Announcement>,
    /// `decision`, and `checks`: one for each rule, with its outcome, the reason and the next command.
    #[serde(flatten, serialize_with = "verdict::serialize")]
    #[schemars(with = "verdict::VerdictDocument<'_>")]
    pub verdict: Verdict,
}

/// One component.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckedComponent {
    /// Its name.
    pub component: ComponentName,
    /// The running commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<CommitId>,
    /// The commit to deploy.
    pub commit: CommitId,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Line>,
    /// Whether the deployment would remove it.
    pub is_removed: bool,
}

/// A component that a run would leave out.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOutComponent {
    /// Its name.
    pub component: ComponentName,
    /// The blocked component that it depends on; absent if it is blocked itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<ComponentName>,
    /// Why it is left out, in words.
    pub reason: String,
}

/// Converts the check to the document.
pub fn to_document(check: &DeploymentCheck<'_>) -> CheckDocument {
    let component = |change: &ComponentChange| CheckedComponent {
        component: change.target.component.clone(),
        from: change.from,
        commit: change.target.commit,
        version: change.target.version.clone(),
        is_removed: change.is_removal(),
    };
    CheckDocument {
        environment: check.environment.clone(),
        commit: check.commit,
        kind: check.deployment.kind,
        by: check.by.clone(),
        components: check.deployment.components.iter().map(component).collect(),
        left_out: check.left_out.iter().map(Into::into).collect(),
        undeclared: check.undeclared.to_vec(),
        announcements: check.announcements.clone(),
        verdict: check.verdict.clone(),
    }
}

impl From<&LeftOut> for LeftOutComponent {
    fn from(left_out: &LeftOut) -> Self {
        Self {
            component: left_out.component.clone(),
            after: left_out.blocked_dependency.clone(),
            reason: left_out.format_reason(),
        }
    }
}

impl LeftOutComponent {
    /// Describes the component in a sentence without a full stop: `api is left out: it is on hold`.
    pub fn describe(&self) -> String {
        format!("{} is left out: {}", self.component, self.reason)
    }
}

/// Renders the text: the changes, every rule that does not pass, the number of the others, and the
/// decision in one line.
pub fn render_text(check: &DeploymentCheck<'_>, width: Option<usize>) -> String {
    let verb = match check.deployment.kind {
        DeploymentKind::Rollback => "Roll back",
        DeploymentKind::Hotfix => "Hotfix",
        _ => "Deploy to",
    };
    let mut lines = wrap::wrap_indented(
        "",
        2,
        &format!("{verb} {}, by {}:", check.environment, check.by),
        width,
    );
    lines.extend(result_text::render_changes(check.deployment, width));
    if check.deployment.components.is_empty() {
        let dim = Style::new().dimmed();
        lines.push(format!("    {dim}it already has this content{dim:#}"));
    }
    for left_out in check.left_out {
        let (component, reason) = (&left_out.component, left_out.format_reason());
        let sentence = format!("a run would leave {component} out: {reason}");
        lines.extend(wrap::wrap_indented("    ", 2, &sentence, width));
    }
    if let Some(remark) = UndeclaredRemark::describe(check.environment, check.undeclared) {
        lines.extend(wrap::wrap_indented("    ", 2, &remark.text, width));
        // The command is not wrapped, so that it can be copied.
        lines.push(format!("      → {}", remark.command));
    }
    lines.extend(verdict::render_verdict(check.verdict, width));
    lines.push(match check.verdict.decision() {
        Decision::Allowed if !check.left_out.is_empty() => {
            format!("{} the rules allow only a part of it", Mark::No)
        }
        decision => verdict::describe_decision(decision),
    });
    lines.join("\n")
}

//! The plan of one component. Its texts are the output of commands, which is sanitized here for all
//! formats.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::id::{CommitId, Digest};
use crate::domain::name::ComponentName;
use crate::domain::plan::{self, Plan, PlanKind, PlanOutput, PlanResult, PlannedAction};
use crate::domain::text::{Line, sanitize};
use crate::view::deployment_diff::format_change;
use crate::view::grouping::list_or_count;

/// One component.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentPlan {
    /// Its name.
    pub component: ComponentName,
    /// The result of planning it.
    pub state: PlanState,
    /// The commits and versions before and after.
    #[serde(flatten)]
    pub transition: ComponentTransition,
    /// The digest of its plan, to which approvals can be bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The effect of its terraform plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terraform: Option<TerraformChanges>,
    /// The components that must be applied before it can be planned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<ComponentName>,
    /// Why planning failed or has to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The output of the plan command, without colours and with secrets masked; a long text is
    /// shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// The commits and versions of a component before and after a deployment.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentTransition {
    /// The running commit; absent if nothing runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<CommitId>,
    /// The commit to deploy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<CommitId>,
    /// The running version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_version: Option<Line>,
    /// The version to deploy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_version: Option<Line>,
}

/// The result of planning a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlanState {
    /// There is a plan.
    Planned,
    /// There is a plan, and it changes nothing.
    Empty,
    /// It could not be planned.
    Failed,
    /// It can be planned only after others are applied: its plan command failed and named one of
    /// them.
    Deferred,
    /// It would be deployed, but has no plan command.
    Unplanned,
    /// It would be destroyed.
    Destroyed,
}

/// The effect of a terraform plan.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TerraformChanges {
    /// Resources that terraform would start to manage.
    pub import: usize,
    /// Resources that would be created.
    pub add: usize,
    /// Resources that would be changed in place.
    pub change: usize,
    /// Resources that would be destroyed; a replacement counts as added and destroyed.
    pub destroy: usize,
    /// Resources that would remain and no longer be managed by terraform.
    pub forget: usize,
    /// Resources that were changed outside of terraform.
    pub drifted: usize,
    /// The checks of the configuration that fail. Terraform only warns about them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failing_checks: Vec<String>,
    /// The warnings that terraform printed, without the details.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The resources that would change.
    pub changes: Vec<ResourceAction>,
    /// The outputs that would change.
    pub outputs: Vec<ResourceAction>,
    /// The counts as terraform prints them.
    #[serde(skip)]
    summary: String,
}

/// A resource or an output that would change.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceAction {
    /// Its address or its name.
    pub address: String,
    /// The action on it.
    pub action: PlannedAction,
}

impl ComponentPlan {
    /// Converts the result of planning a component.
    pub fn from_plan(plan: &Plan, transition: ComponentTransition) -> Self {
        let mut component =
            Self::without_plan(plan.component.clone(), PlanState::Planned, transition);
        match &plan.result {
            PlanResult::Planned(PlanOutput { digest, kind, text }) => {
                component.digest = Some(digest.clone());
                let text = clean_output(text);
                if let PlanKind::Terraform(terraform) = kind {
                    let warnings = plan::list_warnings(&text).into_iter();
                    component.terraform = Some(TerraformChanges {
                        warnings: warnings.map(|it| shorten(&it, MAX_REASON_CHARS)).collect(),
                        ..TerraformChanges::from(terraform)
                    });
                }
                component.output = Some(text);
                if plan.is_empty() {
                    component.state = PlanState::Empty;
                }
            }
            PlanResult::Failed { reason, output } => {
                component.state = PlanState::Failed;
                component.reason = Some(shorten(&sanitize(reason), MAX_REASON_CHARS));
                component.output = Some(clean_output(output));
            }
            PlanResult::Deferred {
                waits_for,
                reason,
                output,
            } => {
                component.state = PlanState::Deferred;
                component.waits_for.clone_from(waits_for);
                component.reason = Some(shorten(&sanitize(reason), MAX_REASON_CHARS));
                component.output = Some(clean_output(output));
            }
        }
        component
    }

    /// Describes a component without the details of a plan.
    pub fn without_plan(
        component: ComponentName,
        state: PlanState,
        transition: ComponentTransition,
    ) -> Self {
        Self {
            component,
            state,
            transition,
            digest: None,
            terraform: None,
            waits_for: Vec::new(),
            reason: None,
            output: None,
        }
    }

    /// Returns the result in one line. `escape` makes untrusted text safe in the format.
    pub(super) fn describe(&self, escape: &dyn Fn(&str) -> String) -> String {
        match self.state {
            PlanState::Planned => match &self.terraform {
                None => "planned".to_owned(),
                Some(terraform)
                    if terraform.changes.is_empty() && !terraform.outputs.is_empty() =>
                {
                    "only outputs change".to_owned()
                }
                Some(terraform) => terraform.summary.clone(),
            },
            PlanState::Empty => "no changes".to_owned(),
            PlanState::Failed => format!(
                "failed: {}",
                escape(self.reason.as_deref().unwrap_or("unknown reason"))
            ),
            PlanState::Deferred => {
                let names: Vec<&str> = self.waits_for.iter().map(ComponentName::as_str).collect();
                format!("planned after {}", escape(&list_or_count(&names)))
            }
            PlanState::Unplanned => "has no plan command".to_owned(),
            PlanState::Destroyed => "would be destroyed".to_owned(),
        }
    }

    /// Returns the versions before and after.
    pub(super) fn format_versions(&self) -> String {
        let short = |version: &Line| shorten(version.as_str(), MAX_VERSION_CHARS);
        format_change(
            self.transition.from_version.as_ref().map(short),
            self.transition.to_version.as_ref().map(short),
        )
    }

    /// Returns the commits before and after.
    pub(super) fn format_commits(&self) -> String {
        let short = |commit: CommitId| commit.0.prefix(7);
        format_change(
            self.transition.from.map(short),
            self.transition.to.map(short),
        )
    }
}

impl TerraformChanges {
    /// Returns what a reader should not overlook: the failing checks and the warnings.
    pub(super) fn list_warnings(&self) -> Vec<String> {
        describe_warnings(&self.failing_checks, &self.warnings)
    }
}

/// Describes failing checks and warnings, each in one line.
pub(super) fn describe_warnings(failing_checks: &[String], warnings: &[String]) -> Vec<String> {
    let checks = failing_checks.iter();
    let checks = checks.map(|it| format!("the check {it} fails"));
    checks.chain(warnings.iter().cloned()).collect()
}

impl From<&plan::TerraformPlan> for TerraformChanges {
    fn from(plan: &plan::TerraformPlan) -> Self {
        let plan::ActionCounts {
            import,
            add,
            change,
            destroy,
            forget,
        } = plan.action_counts();
        let changes = plan.changes().iter().map(|it| ResourceAction {
            address: it.address.clone(),
            action: it.action,
        });
        let outputs = plan.outputs().iter().map(|it| ResourceAction {
            address: it.name.clone(),
            action: it.action,
        });
        Self {
            import,
            add,
            change,
            destroy,
            forget,
            drifted: plan.drift_count(),
            failing_checks: plan.failing_checks().to_vec(),
            warnings: Vec::new(),
            changes: changes.collect(),
            outputs: outputs.collect(),
            summary: plan.action_counts().to_string(),
        }
    }
}

/// The maximum number of characters kept of a line. People do not read longer lines.
const MAX_LINE_CHARS: usize = 1_000;
/// The maximum number of characters of a reason.
const MAX_REASON_CHARS: usize = 300;
/// The maximum number of characters shown of a version.
const MAX_VERSION_CHARS: usize = 40;

/// Cleans the output of a command: removes colours and control characters, ends each line, and
/// limits its length.
pub(super) fn clean_output(text: &str) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    let mut cleaned = String::with_capacity(plain.len());
    for line in plain.lines() {
        cleaned.push_str(&sanitize(
            &shorten(line.trim_end(), MAX_LINE_CHARS).replace('\t', "    "),
        ));
        cleaned.push('\n');
    }
    cleaned
}

/// Returns the first `max_chars` characters, followed by `…` if the text is longer.
fn shorten(text: &str, max_chars: usize) -> String {
    let end = text
        .char_indices()
        .nth(max_chars)
        .map_or(text.len(), |(index, _)| index);
    format!(
        "{}{}",
        &text[..end],
        if end < text.len() { "…" } else { "" }
    )
}

//! What a deployment would do, component by component: the text of `git deploy plan`, and the
//! document `git-deploy/plan/v1`.
//!
//! The texts are the output of commands, and addresses and names are untrusted. This module
//! sanitizes both for every format.

mod difference;
mod markdown;
mod text;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Serialize;

pub use difference::{Difference, DifferenceError, How, Since, digests, since};
pub use markdown::{LIMIT, markdown};
pub use text::text;

use super::deployment_diff::arrow;
use super::grouping::counted;
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::plan::{self, Action, Made, Plan, Planned, What};
use crate::domain::text::{Line, harmless};

/// The body of the document.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plans {
    /// The target environment.
    pub environment: EnvName,
    /// The commit to deploy.
    pub commit: CommitId,
    /// Every component of the deployment.
    pub components: Vec<Component>,
    /// How the plans differ from those of an earlier document, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}

/// One component.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its name.
    pub component: ComponentName,
    /// The result of planning it.
    pub state: State,
    /// The commits and versions before and after.
    #[serde(flatten)]
    pub way: Way,
    /// The digest of its plan, which approvals bind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The effect of its terraform plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terraform: Option<Terraform>,
    /// The components that must be applied before it can be planned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<ComponentName>,
    /// Why planning failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The output of the plan command, without colours and with secrets masked; a long text is
    /// shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The commits and versions of a component before and after a deployment.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Way {
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
pub enum State {
    /// There is a plan.
    Planned,
    /// There is a plan, and it changes nothing.
    Empty,
    /// It could not be planned.
    Failed,
    /// It can be planned only after others are applied.
    Deferred,
    /// It would be deployed, but has no plan command.
    Unplanned,
    /// It has the content already, so it would not change.
    Unchanged,
    /// It would be destroyed.
    Destroyed,
}

/// The effect of a terraform plan.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Terraform {
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
    /// The resources that would change.
    pub changes: Vec<Change>,
    /// The outputs that would change.
    pub outputs: Vec<Change>,
    /// The counts as terraform prints them.
    #[serde(skip)]
    words: String,
}

/// A resource or an output that would change.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Its address or its name.
    pub address: String,
    /// The action on it.
    pub action: Action,
}

impl Component {
    /// Creates a component from the result of planning it.
    pub fn planned(plan: &Plan, way: Way) -> Self {
        let mut it = Self::unplanned(plan.component.clone(), State::Planned, way);
        match &plan.planned {
            Planned::Made(Made { digest, what, text }) => {
                it.digest = Some(digest.clone());
                it.text = Some(cleaned(text));
                if let What::Terraform(terraform) = what {
                    it.terraform = Some(Terraform::from(terraform));
                }
                if plan.is_empty() {
                    it.state = State::Empty;
                }
            }
            Planned::Failed { reason, output } => {
                it.state = State::Failed;
                it.reason = Some(shortened(&harmless(reason), REASON));
                it.text = Some(cleaned(output));
            }
            Planned::Deferred { waits_for } => {
                it.state = State::Deferred;
                it.waits_for.clone_from(waits_for);
            }
        }
        it
    }

    /// Creates a component that was not planned: [`State::Unplanned`], [`State::Unchanged`] or
    /// [`State::Destroyed`].
    pub fn unplanned(component: ComponentName, state: State, way: Way) -> Self {
        Self {
            component,
            state,
            way,
            digest: None,
            terraform: None,
            waits_for: Vec::new(),
            reason: None,
            text: None,
        }
    }

    /// Returns the result in one line. `quoted` sanitizes untrusted text for the format.
    fn said(&self, quoted: &dyn Fn(&str) -> String) -> String {
        match self.state {
            State::Planned => match &self.terraform {
                None => "planned".to_owned(),
                Some(terraform)
                    if terraform.changes.is_empty() && !terraform.outputs.is_empty() =>
                {
                    "only outputs change".to_owned()
                }
                Some(terraform) => terraform.words.clone(),
            },
            State::Empty => "no changes".to_owned(),
            State::Failed => format!(
                "failed: {}",
                quoted(self.reason.as_deref().unwrap_or("nobody knows why"))
            ),
            State::Deferred => {
                let names: Vec<&str> = self.waits_for.iter().map(ComponentName::as_str).collect();
                format!("planned after {}", quoted(&counted(&names)))
            }
            State::Unplanned => "has no plan command".to_owned(),
            State::Unchanged => "unchanged".to_owned(),
            State::Destroyed => "would be destroyed".to_owned(),
        }
    }

    /// Returns the versions before and after.
    fn versions(&self) -> String {
        let short = |version: &Line| shortened(version.as_str(), VERSION);
        arrow(
            self.way.from_version.as_ref().map(short),
            self.way.to_version.as_ref().map(short),
        )
    }

    /// Returns the commits before and after.
    fn commits(&self) -> String {
        let short = |commit: CommitId| commit.0.prefix(7);
        arrow(self.way.from.map(short), self.way.to.map(short))
    }
}

impl From<&plan::Terraform> for Terraform {
    fn from(plan: &plan::Terraform) -> Self {
        let plan::Summary {
            import,
            add,
            change,
            destroy,
            forget,
        } = plan.summary();
        let changes = plan.changes().iter().map(|it| Change {
            address: it.address.clone(),
            action: it.action,
        });
        let outputs = plan.outputs().iter().map(|it| Change {
            address: it.name.clone(),
            action: it.action,
        });
        Self {
            import,
            add,
            change,
            destroy,
            forget,
            drifted: plan.drifted(),
            changes: changes.collect(),
            outputs: outputs.collect(),
            words: plan.summary().to_string(),
        }
    }
}

/// The maximum number of characters kept of a line. Longer lines are not meant for people.
const LINE: usize = 1_000;
/// The maximum number of characters of a reason.
const REASON: usize = 300;
/// The maximum number of characters shown of a version.
const VERSION: usize = 40;

/// Cleans the output of a command: removes colours and control characters, ends each line, and
/// limits its length.
fn cleaned(text: &str) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    let mut all = String::with_capacity(plain.len());
    for line in plain.lines() {
        all.push_str(&harmless(
            &shortened(line.trim_end(), LINE).replace('\t', "    "),
        ));
        all.push('\n');
    }
    all
}

/// Returns the first `most` characters, followed by `…` if the text is longer.
fn shortened(text: &str, most: usize) -> String {
    let end = text
        .char_indices()
        .nth(most)
        .map_or(text.len(), |(at, _)| at);
    format!(
        "{}{}",
        &text[..end],
        if end < text.len() { "…" } else { "" }
    )
}

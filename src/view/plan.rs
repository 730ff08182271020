//! What a deployment would do, component by component: what the command `plan` prints, and the document `git-deploy/plan/v1`.
//!
//! The texts are what commands printed, addresses and names were chosen by strangers: both are harmless from here on, in each format.

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
    /// The environment that would be deployed to.
    pub environment: EnvName,
    /// The commit that would be deployed.
    pub commit: CommitId,
    /// Every component that the deployment concerns.
    pub components: Vec<Component>,
    /// How the plans differ from those of an earlier document, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}

/// One component.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its name.
    pub component: ComponentName,
    /// What planning it came to.
    pub state: State,
    /// From what to what it would go.
    #[serde(flatten)]
    pub way: Way,
    /// The digest of its plan, which approvals bind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What its terraform plan would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terraform: Option<Terraform>,
    /// The components that are applied before it can be planned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<ComponentName>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the plan command printed, without colours and with secrets masked; of a long text a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// From what to what a component would go.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Way {
    /// The commit that runs; absent where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<CommitId>,
    /// The commit that would run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<CommitId>,
    /// The version that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_version: Option<Line>,
    /// The version that would run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_version: Option<Line>,
}

/// What planning a component came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// There is a plan.
    Planned,
    /// There is a plan, and it would do nothing.
    Empty,
    /// It could not be planned.
    Failed,
    /// It is planned once others are applied.
    Deferred,
    /// It would be deployed, and has no plan command.
    Unplanned,
    /// It has the content already and rides along.
    Unchanged,
    /// It would be destroyed.
    Destroyed,
}

/// What a terraform plan would do.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Terraform {
    /// Resources that terraform would get to know.
    pub import: usize,
    /// Resources that would be made.
    pub add: usize,
    /// Resources that would be changed where they are.
    pub change: usize,
    /// Resources that would be destroyed; one that is replaced is added and destroyed.
    pub destroy: usize,
    /// Resources that would stay, unknown to terraform.
    pub forget: usize,
    /// Resources that somebody has changed behind terraform's back.
    pub drifted: usize,
    /// The resources that would change.
    pub changes: Vec<Change>,
    /// The outputs that would change.
    pub outputs: Vec<Change>,
    /// All that in terraform's words.
    #[serde(skip)]
    words: String,
}

/// A resource or an output that would change.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Its address or its name.
    pub address: String,
    /// What would be done with it.
    pub action: Action,
}

impl Component {
    /// A component with what came of planning it.
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

    /// A component that nothing was planned for: [`State::Unplanned`], [`State::Unchanged`] or [`State::Destroyed`].
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

    /// What is to be said of it in a line; `quoted` makes a stranger's words harmless where the line goes.
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

    fn versions(&self) -> String {
        let short = |version: &Line| shortened(version.as_str(), VERSION);
        arrow(
            self.way.from_version.as_ref().map(short),
            self.way.to_version.as_ref().map(short),
        )
    }

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

/// The most characters of a line that are kept; what prints longer ones is not meant to be read.
const LINE: usize = 1_000;
/// The most characters of a reason.
const REASON: usize = 300;
/// The most characters of a version that are shown.
const VERSION: usize = 40;

/// What a command printed, as it is kept: without colours and what else drives a terminal, each line ended and of bounded length.
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

/// The first so many characters, with `…` where that is not all.
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

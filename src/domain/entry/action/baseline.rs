//! `baseline`: an admin states the running version of components that enter the ledger.

use serde::{Deserialize, Serialize};

use super::{
    ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, ComponentResult, Deployment,
    EnvironmentBody, HistoryRole, RunStep, Target,
};
use crate::domain::entry::headline;
use crate::domain::entry::invalid::{InvalidError, require};
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::{self, Note};
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

use InvalidError::{Contradiction, Order};

/// An admin's statement of the running components.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The running components, in bytewise order.
    pub components: Vec<Target>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}

impl ActionType for Baseline {
    const INFO: ActionInfo = ActionInfo {
        name: "baseline",
        commits: CommitRole::Deploys,
        history: HistoryRole::Outcome,
    };
}

impl ActionBody for Baseline {
    fn subjects(&self) -> Vec<Subject<'_>> {
        Subject::targets(self.components.iter())
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        Trailer::targets(self.components.iter())
    }

    fn other_ids(&self) -> Vec<Oid> {
        self.components.iter().flat_map(Target::other_ids).collect()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        self.components
            .iter()
            .map(|target| {
                CodeClaim::in_policy(&target.component).with_content(target.commit, target.content)
            })
            .collect()
    }

    fn headline(&self, environment: &str) -> String {
        let targets = headline::targets(self.components.iter());
        format!("baseline {targets} in {environment}")
    }

    fn free_text(&self) -> Option<&str> {
        self.comment.as_ref().map(Line::as_str)
    }

    fn note(&self, commit: CommitId) -> Note {
        let at_commit = self.components.iter().filter(|it| it.commit == commit);
        Note::new("baseline", note::targets(at_commit))
    }

    fn log(&self) -> LogText {
        let object = log_text::targets(self.components.iter());
        LogText::new("baseline", Tone::Neutral, object)
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        require(!self.components.is_empty(), Order("the components"))?;
        Target::validate_all(self.components.iter())?;
        require(
            self.components
                .iter()
                .all(|target| target.content.is_some()),
            Contradiction("a running component must have content"),
        )
    }
}

impl EnvironmentBody for Baseline {
    fn deployment(&self) -> Option<&Deployment> {
        None
    }

    fn deployment_mut(&mut self) -> Option<&mut Deployment> {
        None
    }

    fn component_results(&self) -> Vec<ComponentResult> {
        let targets = self.components.iter();
        targets.map(ComponentResult::assumed_success).collect()
    }

    fn component_result(&self, component: &ComponentName) -> Option<ComponentResult> {
        let targets = &self.components;
        let index = targets.binary_search_by(|target| target.component.cmp(component));
        targets
            .get(index.ok()?)
            .map(ComponentResult::assumed_success)
    }

    fn run_step(&self) -> Option<RunStep> {
        None
    }

    fn expires(&self) -> Option<Time> {
        None
    }

    fn approved_by(&self) -> &[Person] {
        &[]
    }

    fn break_glass(&self) -> Option<&Line> {
        None
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Baseline {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        let targets = names().prop_flat_map(|names| {
            names
                .into_iter()
                .map(|name| target(name, false))
                .collect::<Vec<_>>()
        });
        (targets, option::of(line()))
            .prop_map(|(components, comment)| Self {
                components,
                comment,
            })
            .boxed()
    }
}

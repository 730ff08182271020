//! `finish`: a run ended. It repeats the fields of the `start` that its commit message needs.

use serde::{Deserialize, Serialize};

use super::{
    ActionBody, ActionInfo, ActionType, CANCELLED_STATUS, CodeClaim, CommandRecord, CommitRole,
    ComponentResult, Deployment, DeploymentKind, EnvironmentBody, HistoryRole, Labels, Outcome,
    RunStep, Target, attempted_results, command_record, deployment, overall_outcome,
};
use crate::domain::entry::headline;
use crate::domain::entry::invalid::{InvalidError, is_ascending, require};
use crate::domain::entry::log_text::{self, LogText};
use crate::domain::entry::note::{self, Note};
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid, RunId};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::{Description, Line};
use crate::domain::time::Time;

use InvalidError::{Contradiction, Order};

/// The end of a run. It repeats the fields of the `start` that its commit message needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finish {
    /// The sequence number of the run's `start` entry.
    pub start: u64,
    /// The run's current id: that of its last `resume`, or else of its `start`.
    pub run: RunId,
    /// The start's kind.
    pub kind: DeploymentKind,
    /// How each component ended, in bytewise order of name.
    pub components: Vec<ComponentResult>,
    /// The start's approvers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<Person>,
    /// The start's change request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Line>,
    /// The start's labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The start's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The start's reason for overriding the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Line>,
    /// The exit status of an `exec`'s command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u8>,
    /// The commands that were executed, in the order in which they ended. If there were more than
    /// the limit, the last ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandRecord>,
    /// Where its logs are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<Line>,
}

impl Finish {
    /// Returns whether a component failed only because its run was cancelled while a command of it ran.
    /// Parts of the change may have been made, but nothing says that its content is bad.
    pub fn was_cancelled(&self, component: &ComponentName) -> bool {
        let has_failed = |it: &ComponentResult| {
            it.target.component == *component && it.outcome == Outcome::Failed
        };
        let is_cancelled =
            |it: &CommandRecord| it.component == *component && it.status == CANCELLED_STATUS;
        self.components.iter().any(has_failed) && self.commands.iter().any(is_cancelled)
    }
}

impl ActionType for Finish {
    const INFO: ActionInfo = ActionInfo {
        name: "finish",
        commits: CommitRole::Deployed,
        history: HistoryRole::Outcome,
    };
}

impl ActionBody for Finish {
    fn subjects(&self) -> Vec<Subject<'_>> {
        Subject::targets(self.components.iter().map(|it| &it.target))
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        Trailer::results(&self.components)
    }

    fn other_ids(&self) -> Vec<Oid> {
        let results = self.components.iter();
        results.flat_map(ComponentResult::other_ids).collect()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        Vec::new()
    }

    fn headline(&self, environment: &str) -> String {
        let attempted = attempted_results(&self.components);
        let targets = attempted.into_iter().map(|it| &it.target).collect();
        let deployment = headline::deployment(self.kind, targets, environment);
        match self.status {
            Some(status) => format!("{deployment}: exit status {status}"),
            None => format!("{deployment}: {}", overall_outcome(&self.components)),
        }
    }

    fn free_text(&self) -> Option<&str> {
        self.description.as_ref().map(Description::as_str)
    }

    fn note(&self, commit: CommitId) -> Note {
        note::results(self.kind, &self.components, commit)
            .with_break_glass(self.break_glass())
            .with_references(self.change.as_ref(), &self.labels)
    }

    fn log(&self) -> LogText {
        if let Some(status) = self.status {
            return log_text::exec(status, self.components.iter().map(|it| &it.target));
        }
        let results = self.components.iter();
        let mut failed = results
            .filter(|it| it.outcome == Outcome::Failed)
            .peekable();
        let is_cancelled =
            failed.peek().is_some() && failed.all(|it| self.was_cancelled(&it.target.component));
        log_text::results(self.kind, &self.components).or_cancelled(is_cancelled)
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        let may_be_empty = matches!(self.kind, DeploymentKind::Exec | DeploymentKind::Destroy);
        require(
            may_be_empty || !self.components.is_empty(),
            Order("the components"),
        )?;
        Target::validate_all(self.components.iter().map(|it| &it.target))?;
        self.components
            .iter()
            .try_for_each(ComponentResult::validate)?;
        require(is_ascending(&self.approved_by), Order("the approvers"))?;
        deployment::require_few_labels(&self.labels)?;
        command_record::validate(&self.commands, self.kind, &self.components)?;
        require(
            (self.kind == DeploymentKind::Exec) == self.status.is_some(),
            Contradiction("an exec, and nothing else, has a status"),
        )
    }
}

impl EnvironmentBody for Finish {
    fn deployment(&self) -> Option<&Deployment> {
        None
    }

    fn deployment_mut(&mut self) -> Option<&mut Deployment> {
        None
    }

    fn component_results(&self) -> Vec<ComponentResult> {
        self.components.clone()
    }

    fn component_result(&self, component: &ComponentName) -> Option<ComponentResult> {
        let results = &self.components;
        let index = results.binary_search_by(|it| it.target.component.cmp(component));
        results.get(index.ok()?).cloned()
    }

    fn run_step(&self) -> Option<RunStep> {
        Some(RunStep::Ends {
            start: self.start,
            run: self.run,
        })
    }

    fn expires(&self) -> Option<Time> {
        None
    }

    fn approved_by(&self) -> &[Person] {
        &self.approved_by
    }

    fn break_glass(&self) -> Option<&Line> {
        self.break_glass.as_ref()
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Finish {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        let parts = (
            0u64..4,
            run(),
            names(),
            btree_set(person(), 0..2),
            (option::of(line()), labels()),
            option::of(description()),
            option::of(line()),
            vec(line(), 0..2),
        );
        parts
            .prop_flat_map(
                |(
                    start,
                    run,
                    names,
                    approved_by,
                    (change, labels),
                    description,
                    break_glass,
                    logs,
                )| {
                    let commands = vec(CommandRecord::sample(names[0].clone()), 0..3);
                    let components: Vec<_> = names.into_iter().map(result).collect();
                    (components, commands).prop_map(move |(components, commands)| Self {
                        start,
                        run,
                        kind: DeploymentKind::Deploy,
                        components,
                        approved_by: approved_by.iter().cloned().collect(),
                        change: change.clone(),
                        labels: labels.clone(),
                        description: description.clone(),
                        break_glass: break_glass.clone(),
                        status: None,
                        commands,
                        logs: logs.clone(),
                    })
                },
            )
            .boxed()
    }
}

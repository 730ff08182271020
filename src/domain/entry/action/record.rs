//! `record`: a deployment that another system carried out. It is start and finish in one.

use serde::{Deserialize, Serialize};

use super::{
    ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, ComponentResult, Deployment,
    DeploymentKind, EnvironmentBody, HistoryRole, RecordedResult, RunStep, attempted_results,
    overall_outcome,
};
use crate::domain::entry::headline;
use crate::domain::entry::invalid::{InvalidError, require};
use crate::domain::entry::log_text::{self, LogText};
use crate::domain::entry::note::{self, Note};
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::{Description, Line};
use crate::domain::time::Time;

use InvalidError::{Contradiction, Order};

/// A deployment that another system carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The deployment.
    #[serde(flatten)]
    pub deployment: Deployment,
    /// How each of its components ended, in the same order.
    pub results: Vec<RecordedResult>,
    /// Where its logs are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<Line>,
}

impl ActionType for Record {
    const INFO: ActionInfo = ActionInfo {
        name: "record",
        commits: CommitRole::Deploys,
        history: HistoryRole::Request,
    };
}

impl ActionBody for Record {
    fn subjects(&self) -> Vec<Subject<'_>> {
        Subject::targets(self.deployment.targets())
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        let results = self.results.iter().map(|result| result.outcome);
        self.deployment
            .targets()
            .zip(results)
            .flat_map(|(target, outcome)| Trailer::result(target, outcome))
            .collect()
    }

    fn other_ids(&self) -> Vec<Oid> {
        let mut ids = self.deployment.other_ids();
        let rolled_back_to = self.results.iter().filter_map(|result| result.to);
        ids.extend(rolled_back_to.map(|commit| commit.0));
        ids
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        Vec::new()
    }

    fn headline(&self, environment: &str) -> String {
        let results = self.component_results();
        let attempted = attempted_results(&results);
        let targets = attempted.into_iter().map(|it| &it.target).collect();
        let deployment = headline::deployment(self.deployment.kind, targets, environment);
        format!("{deployment}: {}", overall_outcome(&results))
    }

    fn free_text(&self) -> Option<&str> {
        self.deployment
            .description
            .as_ref()
            .map(Description::as_str)
    }

    fn note(&self, commit: CommitId) -> Note {
        note::results(self.deployment.kind, &self.component_results(), commit)
            .with_break_glass(self.break_glass())
            .with_external(self.deployment.external)
            .with_references(self.deployment.change.as_ref(), &self.deployment.labels)
    }

    fn log(&self) -> LogText {
        log_text::results(self.deployment.kind, &self.component_results())
    }

    fn validate(&self, environment: Option<&EnvName>) -> Result<(), InvalidError> {
        self.deployment.validate(environment)?;
        let names = self.deployment.targets().map(|target| &target.component);
        require(
            names.eq(self.results.iter().map(|result| &result.component)),
            Order("the results, one for each component,"),
        )?;
        self.deployment
            .components
            .iter()
            .zip(self.component_results())
            .try_for_each(|(change, result)| {
                result.validate()?;
                require(
                    change.allows(self.deployment.kind, result.outcome),
                    Contradiction("an outcome does not fit the change of the component"),
                )
            })?;
        require(
            self.deployment.kind != DeploymentKind::Exec,
            Contradiction("a one-off command is started and finished, not recorded"),
        )
    }
}

impl EnvironmentBody for Record {
    fn deployment(&self) -> Option<&Deployment> {
        Some(&self.deployment)
    }

    fn deployment_mut(&mut self) -> Option<&mut Deployment> {
        Some(&mut self.deployment)
    }

    fn component_results(&self) -> Vec<ComponentResult> {
        let pairs = self.deployment.targets().zip(&self.results);
        pairs
            .map(|(target, result)| result.with_target(target))
            .collect()
    }

    fn component_result(&self, component: &ComponentName) -> Option<ComponentResult> {
        let changes = &self.deployment.components;
        let index = changes.binary_search_by(|change| change.target.component.cmp(component));
        let index = index.ok()?;
        Some(
            self.results
                .get(index)?
                .with_target(&changes.get(index)?.target),
        )
    }

    fn run_step(&self) -> Option<RunStep> {
        None
    }

    fn expires(&self) -> Option<Time> {
        self.deployment.expires
    }

    fn approved_by(&self) -> &[Person] {
        &self.deployment.approved_by
    }

    fn break_glass(&self) -> Option<&Line> {
        self.deployment.break_glass.as_ref()
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Record {
    fn sample(ephemeral: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        let kinds = vec![
            DeploymentKind::Deploy,
            DeploymentKind::Rollback,
            DeploymentKind::Hotfix,
            DeploymentKind::Destroy,
        ];
        (deployment(kinds, ephemeral), vec(line(), 0..2))
            .prop_flat_map(|(deployment, logs)| {
                recorded_results(&deployment).prop_map(move |results| Self {
                    deployment: deployment.clone(),
                    results,
                    logs: logs.clone(),
                })
            })
            .boxed()
    }
}

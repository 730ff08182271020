//! Determines why a commit is not in an environment yet.

use std::collections::{BTreeMap, BTreeSet};

use super::commit_reader::CommitReader;
use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::domain::deploy_command::DeployCommand;
use crate::domain::entry::{Deployment, DeploymentKind};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::verdict::Decision;
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection};
use crate::run::preview::find_first_deployer;
use crate::view::contains::MatchKind;
use crate::view::show::{NextStep, RunRow, RunState};

/// How far the commit was promoted.
#[derive(Debug, Default)]
pub(super) struct PromotionProgress {
    /// The environments that ran the commit itself or equal content, which counts for promotion.
    reached: BTreeSet<EnvName>,
    /// The environments that run a later commit that contains this one, with that commit.
    carried: BTreeMap<EnvName, CommitId>,
}

impl PromotionProgress {
    /// Adds an environment.
    pub fn add(&mut self, environment: &EnvName, runs: &[RunRow]) {
        let (with, own): (Vec<&RunRow>, Vec<&RunRow>) = runs
            .iter()
            .filter(|run| matches!(run.state, RunState::Runs | RunState::Ran))
            .partition(|run| {
                let kind = run.with.as_ref().map(|with| with.kind);
                !matches!(kind, None | Some(MatchKind::Content))
            });
        let mut current = with.iter().filter(|run| run.state == RunState::Runs);
        if let Some(with) = current.find_map(|run| run.with.as_ref()) {
            self.carried.insert(environment.clone(), with.commit);
        }
        if !own.is_empty() {
            self.reached.insert(environment.clone());
        }
    }
}

impl CommitReader<'_> {
    /// Returns what is needed before the environment has the commit. Returns `None` if it has it, if
    /// it is being deployed, or if a later commit reverts it or says so.
    pub(super) fn find_next_step(
        &self,
        snapshot: &EnvironmentSnapshot<'_>,
        runs: &[RunRow],
        is_missing: bool,
        progress: &PromotionProgress,
    ) -> Option<NextStep> {
        let has_state = |state| runs.iter().any(|run: &RunRow| run.state == state);
        let has_all = !is_missing && (has_state(RunState::Runs) || has_state(RunState::Ran));
        let is_settled = has_state(RunState::Deploying)
            || has_state(RunState::Reverted)
            || has_state(RunState::PossiblyReverted);
        if has_all || is_settled || snapshot.rules.is_pattern() {
            return None;
        }
        let mut with = None;
        for previous in &snapshot.rules.promote_from {
            if progress.reached.contains(previous) {
                continue;
            }
            match progress.carried.get(previous) {
                Some(commit) => with = Some(*commit),
                None => {
                    return Some(NextStep::After {
                        environment: previous.clone(),
                    });
                }
            }
        }
        let next = self.evaluate_rules(snapshot, with);
        // What ran and was replaced needs no advice to deploy it again, only the reason if it may not.
        let is_advice = matches!(&next, NextStep::Evaluated { verdict, .. }
            if verdict.decision() == Decision::Allowed);
        let has_run = has_state(RunState::Ran) || has_state(RunState::Runs);
        (!is_advice || !has_run).then_some(next)
    }

    /// Evaluates the rules as if the commit, or the later commit `with`, were deployed to the
    /// environment now: by the user, or by the first deployer if the user may not deploy.
    fn evaluate_rules(
        &self,
        snapshot: &EnvironmentSnapshot<'_>,
        with: Option<CommitId>,
    ) -> NextStep {
        let kind = DeploymentKind::Deploy;
        let user = read_context::identify_user(self.workspace);
        let may_deploy = |person| snapshot.rules.deployers.persons().contains(person);
        let (deployer, not_for) = match user {
            Some(user) if may_deploy(&user) => (Some(user), None),
            user => (find_first_deployer(snapshot.rules, kind).cloned(), user),
        };
        let Some(by) = deployer else {
            return NextStep::CannotTell {
                why: "the policy has no deployers for it".to_owned(),
            };
        };
        let spec = DeploymentSpec {
            env: &snapshot.env,
            rules: snapshot.rules,
            commits: Commits::One(with.unwrap_or(self.commit)),
            selection: Selection::ChangedWithDependents,
            kind,
            destroy: false,
            leaves_out_manual: false,
            versions: BTreeMap::new(),
            artifact: None,
        };
        match self.workspace.previewer().preview_start(&by, &spec) {
            Ok(answer) => {
                let changed = answer
                    .deployment()
                    .into_iter()
                    .flat_map(Deployment::changed);
                let names: Vec<ComponentName> =
                    changed.map(|it| it.target.component.clone()).collect();
                let command = DeployCommand::new(&self.workspace.policy, snapshot.name())
                    .commit(with.unwrap_or(self.commit))
                    .chosen_by(&names)
                    .deployed_in(snapshot.state());
                NextStep::Evaluated {
                    by,
                    not_for,
                    with,
                    command: command.to_string(),
                    verdict: answer.verdict,
                }
            }
            Err(error) => NextStep::CannotTell {
                why: error.to_string(),
            },
        }
    }
}

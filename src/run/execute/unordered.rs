//! Steps that need no order: plans and verifications of all components at once.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::{find_change, make_start_error, prepare_job};
use crate::domain::entry::Deployment;
use crate::domain::name::ComponentName;
use crate::domain::plan::PlanResult;
use crate::run::command_env::ComponentJob;
use crate::run::component_steps::{StepError, StepRunner};
use crate::run::graph::Graph;
use crate::run::schedule::{ContinueGuard, SchedulerCallbacks, TaskResult, run_graph};
use crate::run::work_dirs::WorkDirs;

/// Makes all plans at once. A component without a plan command has no plan.
///
/// If a plan command fails and its output names a dependency that is going to change, the plan is
/// deferred until that dependency is deployed. Any other failure is an error, because the command
/// would fail again later, after other components were deployed.
pub fn make_plans(
    deployment: &Deployment,
    work_dirs: &WorkDirs<'_>,
    runner: &StepRunner<'_>,
    parallel: usize,
) -> BTreeMap<ComponentName, PlanResult> {
    let components = list_changed_components(deployment);
    let work =
        |_: &ComponentName, job: ComponentJob, _: &ContinueGuard<'_, _, _>| runner.plan(&job);
    let mut callbacks = UnorderedCallbacks {
        work_dirs,
        runner,
        deployment,
    };
    let results = run_graph(
        &Graph::unordered(&components),
        parallel,
        &mut callbacks,
        &work,
    );
    let mut plans = BTreeMap::new();
    let mut errors = BTreeMap::new();
    for (component, result) in results {
        match result {
            TaskResult::Succeeded(Some(plan)) => {
                plans.insert(component, PlanResult::Planned(plan));
            }
            TaskResult::Failed(error) => {
                errors.insert(component, error);
            }
            TaskResult::Succeeded(None) | TaskResult::SkippedAfter(_) | TaskResult::NotStarted => {}
        }
    }
    let graph = Graph::new(runner.command_env.policy, &components);
    let unplanned: Vec<(ComponentName, PlanResult)> = errors
        .iter()
        .map(|(component, error)| {
            let waits_for = find_awaited(component, error, &graph, &plans, &errors);
            runner
                .observer
                .on_plan_missing(component, error, &waits_for);
            (component.clone(), describe_missing_plan(error, waits_for))
        })
        .collect();
    plans.extend(unplanned);
    plans
}

/// Returns the components after whose deployment a plan that failed is made again: those that it
/// depends on and that may change, if the output of its command names one of them.
fn find_awaited(
    component: &ComponentName,
    error: &StepError,
    graph: &Graph,
    plans: &BTreeMap<ComponentName, PlanResult>,
    errors: &BTreeMap<ComponentName, StepError>,
) -> Vec<ComponentName> {
    let may_change = |component: &ComponentName| {
        let is_unchanged = matches!(
            plans.get(component),
            Some(PlanResult::Planned(plan)) if plan.is_empty()
        );
        !is_unchanged || errors.contains_key(component)
    };
    let waits_for: Vec<ComponentName> = graph
        .predecessors(component)
        .filter(|predecessor| may_change(predecessor))
        .cloned()
        .collect();
    if names_any(component, error, &waits_for) {
        waits_for
    } else {
        Vec::new()
    }
}

fn describe_missing_plan(error: &StepError, waits_for: Vec<ComponentName>) -> PlanResult {
    let (reason, output) = (error.reason.clone(), error.last_lines.join("\n"));
    if waits_for.is_empty() {
        PlanResult::Failed { reason, output }
    } else {
        PlanResult::Deferred {
            waits_for,
            reason,
            output,
        }
    }
}

/// Returns whether the output of a component's failed plan command names one of the others. The
/// component's own name is ignored, because it may contain the name of another.
fn names_any(component: &ComponentName, error: &StepError, others: &[ComponentName]) -> bool {
    let normalize = |text: &str| text.to_lowercase().replace('_', "-");
    let own = normalize(component.as_str());
    let names = |line: &String| {
        let line = normalize(line).replace(&own, " ");
        others
            .iter()
            .any(|other| contains_word(&line, &normalize(other.as_str())))
    };
    error.is_explained && error.last_lines.iter().any(names)
}

/// Returns whether a text contains a word that is not part of a longer one.
fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        ![before, after]
            .into_iter()
            .flatten()
            .any(char::is_alphanumeric)
    })
}

/// Verifies all components at once and returns which of them are healthy. Components that were not
/// verified are left out.
pub fn verify_components(
    deployment: &Deployment,
    work_dirs: &WorkDirs<'_>,
    runner: &StepRunner<'_>,
    parallel: usize,
) -> BTreeMap<ComponentName, bool> {
    let components = list_changed_components(deployment);
    let work =
        |_: &ComponentName, job: ComponentJob, _: &ContinueGuard<'_, _, _>| runner.verify(&job);
    let mut callbacks = UnorderedCallbacks {
        work_dirs,
        runner,
        deployment,
    };
    run_graph(
        &Graph::unordered(&components),
        parallel,
        &mut callbacks,
        &work,
    )
    .into_iter()
    .filter_map(|(component, result)| match result {
        TaskResult::Succeeded(_) => Some((component, true)),
        TaskResult::Failed(error) => (!error.is_interrupted).then_some((component, false)),
        TaskResult::SkippedAfter(_) | TaskResult::NotStarted => None,
    })
    .collect()
}

/// Returns the names of the components that change.
fn list_changed_components(deployment: &Deployment) -> BTreeSet<ComponentName> {
    deployment
        .deployed()
        .map(|change| change.target.component.clone())
        .collect()
}

/// Callbacks that let every component start at once.
struct UnorderedCallbacks<'a> {
    work_dirs: &'a WorkDirs<'a>,
    runner: &'a StepRunner<'a>,
    deployment: &'a Deployment,
}

impl<T> SchedulerCallbacks<ComponentJob, T, StepError> for UnorderedCallbacks<'_> {
    fn may_start(&mut self) -> bool {
        !self.runner.cancellation.is_draining()
    }

    fn prepare(&mut self, component: &ComponentName) -> Result<ComponentJob, StepError> {
        let change = find_change(self.deployment, component);
        change
            .ok_or(None)
            .and_then(|it| prepare_job(self.work_dirs, it).map_err(Some))
            .map_err(|error| make_start_error(error.as_ref()))
    }

    fn check_continue(&mut self, _: &ComponentName) -> Result<(), StepError> {
        Ok(())
    }

    fn on_result(&mut self, _: &ComponentName, _: &Result<T, StepError>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::component_steps::ComponentStep;

    /// A plan waits for another component only if its own command says so.
    #[test]
    fn plans_that_wait() {
        let others: Vec<ComponentName> = ["network", "my-db"].map(|it| it.parse().unwrap()).into();
        let cases = [
            ("with data.terraform_remote_state.network,", true),
            ("cat: /states/dev/network.tfstate: No such file", true),
            ("there is no my_db yet", true),
            ("The Network is not there", true),
            ("an error in networks.tf or subnetwork.tf", false),
            ("Error: Unsupported argument on main.tf line 3", false),
            // Its own name, which is not about the other component.
            ("on infra/network-api/main.tf line 3", false),
            ("on infra/network-api/main.tf line 3: no network", true),
            ("", false),
        ];
        let error = |line: &str, is_explained| StepError {
            step: ComponentStep::Plan,
            reason: "exit status 1".to_owned(),
            last_lines: vec!["…".to_owned(), line.to_owned()],
            log: std::path::PathBuf::new(),
            is_interrupted: false,
            is_explained,
            may_have_run: true,
        };
        let component = "network-api".parse().unwrap();
        for (line, waits) in cases {
            let explained = names_any(&component, &error(line, true), &others);
            assert_eq!(explained, waits, "{line}");
            assert!(!names_any(&component, &error(line, false), &others));
            assert!(!names_any(&component, &error(line, true), &[]));
        }
    }
}

//! Makes the plans of a deployment, shows them, and checks that they are complete.

use super::preparation::Preparation;
use super::runner::{ComponentPlans, DeployRunner, StartedRun};
use crate::cli::progress::DeploymentProgress;
use crate::cli::{CliError, ErrorKind};
use crate::domain::entry::{self, ComponentChange, Deployment, Intent};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::plan::{Plan, PlanResult};
use crate::run::component_steps::StepRunner;
use crate::run::execute;
use crate::view::grouping::list_or_count;
use crate::view::plan::{
    ComponentPlan, ComponentTransition, DeploymentPlan as Shown, PlanState, render_text,
};

impl DeployRunner<'_> {
    /// Plans a deployment and does no more. With `quiet`, prints no progress.
    pub fn plan(&self, deployment: &Deployment, quiet: bool) -> Result<ComponentPlans, CliError> {
        let stage = Preparation::new(self, deployment)?;
        let progress = if quiet {
            DeploymentProgress::hidden(self.ui)
        } else {
            DeploymentProgress::for_planning(self.ui, stage.name_width)
        };
        let surroundings = self.command_env(&stage, None)?;
        let crew = StepRunner {
            command_env: &surroundings,
            cancellation: &self.stop,
            observer: &progress,
        };
        Ok(execute::make_plans(
            deployment,
            (&stage.work_dirs, &crew),
            self.parallel(),
        ))
    }

    /// Plans the changes of a run that was taken over.
    ///
    /// If approvals bind plans, drops each plan that neither matches the approved one nor is empty.
    pub fn replan(
        &self,
        stage: &Preparation<'_>,
        progress: &DeploymentProgress<'_>,
        begun: &StartedRun,
    ) -> Result<ComponentPlans, CliError> {
        let surroundings = self.command_env(stage, Some(begun.run))?;
        let crew = StepRunner {
            command_env: &surroundings,
            cancellation: &self.stop,
            observer: progress,
        };
        let mut plans = execute::make_plans(
            &begun.deployment,
            (&stage.work_dirs, &crew),
            self.parallel(),
        );
        if self.binds_plans() {
            let bound = |component: &ComponentName| {
                let change = begun
                    .deployment
                    .components
                    .iter()
                    .find(|change| change.target.component == *component);
                change.and_then(|change| change.plan.as_ref())
            };
            // Without a plan the component counts as changed, and is not applied.
            plans.retain(|component, planned| match planned {
                PlanResult::Planned(made) => {
                    made.is_empty() || Some(&made.digest) == bound(component)
                }
                _ => true,
            });
        }
        Ok(plans)
    }

    /// Returns the plans of a deployment in the form that is printed.
    pub fn build_plan_view(
        &self,
        commit: CommitId,
        deployment: &Deployment,
        plans: &ComponentPlans,
    ) -> Result<Shown, CliError> {
        let snapshot = self.read_environment()?;
        let component = |change: &ComponentChange| {
            let target = &change.target;
            let way = ComponentTransition {
                from: change.from,
                to: (change.intent != Intent::Destroy).then_some(target.commit),
                from_version: snapshot.version(&target.component),
                to_version: target.version.clone(),
            };
            match (plans.get(&target.component), change.intent) {
                (Some(planned), _) => {
                    let component = target.component.clone();
                    ComponentPlan::from_plan(
                        &Plan {
                            component,
                            commit: target.commit,
                            result: planned.clone(),
                        },
                        way,
                    )
                }
                (None, intent) => {
                    let state = match intent {
                        Intent::Change => PlanState::Unplanned,
                        Intent::Unchanged => PlanState::Unchanged,
                        Intent::Destroy => PlanState::Destroyed,
                    };
                    ComponentPlan::without_plan(target.component.clone(), state, way)
                }
            }
        };
        let components = deployment.components.iter().map(component).collect();
        Ok(Shown {
            environment: self.env.name().clone(),
            commit,
            components,
            comparison: None,
        })
    }

    /// Prints the plans, if there are any.
    pub(super) fn print_plans(
        &self,
        deployment: &Deployment,
        plans: &ComponentPlans,
    ) -> Result<(), CliError> {
        let commits = deployment.changed().map(|change| change.target.commit);
        if let Some(commit) = commits.max().filter(|_| !plans.is_empty()) {
            let shown = self.build_plan_view(commit, deployment, plans)?;
            self.ui.print(render_text(&shown, false, self.ui.width()));
        }
        Ok(())
    }

    /// Checks that the policy has a command for at least one changed component, and prints the
    /// components without one.
    ///
    /// # Errors
    ///
    /// Fails if no component has a command: another system then deploys them.
    pub(super) fn check_commands(&self, deployment: &Deployment) -> Result<(), CliError> {
        let policy = &self.workspace.policy;
        let command = |change: &&ComponentChange| {
            let component = policy.component(&change.target.component);
            component.is_some_and(|it| match change.intent {
                entry::Intent::Destroy => it.destroy.is_some(),
                _ => it.apply.is_some(),
            })
        };
        let (_, idle): (Vec<&ComponentChange>, Vec<&ComponentChange>) =
            deployment.changed().partition(command);
        // Files that belong to no component never have a command.
        let idle: Vec<&ComponentChange> = idle
            .into_iter()
            .filter(|it| it.target.component != ComponentName::rest())
            .collect();
        let Some(first) = idle.first() else {
            return Ok(());
        };
        if deployment.changed().any(|change| command(&change)) {
            for change in idle {
                let (name, key) = (&change.target.component, find_command_key(change));
                self.ui.eprint_sentence(format_args!(
                    "The policy has no {key} command for {name}: nothing is executed."
                ));
            }
            return Ok(());
        }
        let (name, component, key) = (
            self.env.name(),
            &first.target.component,
            find_command_key(first),
        );
        Err(CliError::new(ErrorKind::Usage, format!("the policy does not say how to deploy {component}: nothing was done"))
            .hint(format!(
                "{key} = \"…\" under [components.{component}] in deploy.toml, then git deploy policy publish"
            ))
            .hint(format!("if another system deploys it: git deploy record {name}")))
    }

    /// Checks that every plan that is needed now was made.
    ///
    /// # Errors
    ///
    /// Fails if a plan command failed, or if a plan must wait for another apply although approvals
    /// bind plans.
    pub(super) fn check_plans(
        &self,
        deployment: &Deployment,
        plans: &ComponentPlans,
    ) -> Result<(), CliError> {
        let name = self.env.name();
        let failed = plans
            .iter()
            .filter(|(_, planned)| matches!(planned, PlanResult::Failed { .. }));
        let failed: Vec<&str> = failed.map(|(component, _)| component.as_str()).collect();
        if self.stop.is_draining() {
            return Err(self.explain_interruption());
        }
        if !failed.is_empty() {
            let words = format!(
                "{} could not be planned: nothing was deployed to {name}",
                failed.join(", ")
            );
            return Err(CliError::new(ErrorKind::Command, words));
        }
        for (component, planned) in plans {
            let PlanResult::Deferred { waits_for } = planned else {
                continue;
            };
            let names: Vec<&str> = waits_for.iter().map(ComponentName::as_str).collect();
            if self.binds_plans() {
                let words = format!(
                    "{component} can only be planned after the apply of {}, and approvals bind plans here",
                    list_or_count(&names)
                );
                let commit = deployment
                    .components
                    .iter()
                    .find(|it| it.target.component == *component);
                let commit = commit
                    .map(|it| it.target.commit.0.prefix(12))
                    .unwrap_or_default();
                let first = names.join(" --component ");
                return Err(CliError::new(ErrorKind::Command, words)
                    .hint(format!(
                        "git deploy run {name} {commit} --component {first}"
                    ))
                    .hint(format!("git deploy run {name} {commit}")));
            }
            self.ui.eprint_sentence(format_args!(
                "{component} is planned after the apply of {}.",
                list_or_count(&names)
            ));
        }
        Ok(())
    }
}

/// Returns the deployment with the digest of its plan in each change.
pub fn add_plans(mut deployment: Deployment, plans: &ComponentPlans) -> Deployment {
    for change in &mut deployment.components {
        if let Some(PlanResult::Planned(made)) = plans.get(&change.target.component) {
            change.plan = Some(made.digest.clone());
        }
    }
    deployment
}

/// Returns the policy key of the command that makes a change.
fn find_command_key(change: &ComponentChange) -> &'static str {
    if change.intent == entry::Intent::Destroy {
        "destroy"
    } else {
        "apply"
    }
}

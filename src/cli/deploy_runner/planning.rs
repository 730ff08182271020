//! Makes the plans of a deployment, shows them, and checks that they are complete.

use std::collections::BTreeMap;

use super::preparation::Preparation;
use super::runner::{ComponentPlans, DeployRunner, StartedRun};
use crate::cli::lfs_pointers::report_lfs_pointers;
use crate::cli::progress::DeploymentProgress;
use crate::cli::{CliError, ErrorKind};
use crate::domain::deploy_command::{
    COMMAND_PLACEHOLDER, DeployCommand, carries_out, list_deploy_commands,
};
use crate::domain::entry::{ComponentChange, Deployment, DeploymentKind};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::plan::{Plan, PlanResult};
use crate::run::build_deployment::find_command_key;
use crate::run::component_steps::StepRunner;
use crate::run::execute;
use crate::view::grouping::list_or_count;
use crate::view::plan::{
    ComponentPlan, ComponentTransition, DeploymentPlan, PlanDetail, PlanState, render_text,
};

/// Whether planning prints its progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanProgress {
    /// Prints it.
    Shown,
    /// Prints nothing, because the plans are the only output.
    Hidden,
}

impl DeployRunner<'_> {
    /// Plans a deployment without starting it.
    pub fn plan(
        &self,
        deployment: &Deployment,
        progress: PlanProgress,
    ) -> Result<ComponentPlans, CliError> {
        let has_plan = |change: &ComponentChange| {
            let component = self.workspace.policy.component(&change.target.component);
            !change.is_removal() && component.is_some_and(|it| it.plan.is_some())
        };
        if !deployment.components.iter().any(has_plan) {
            report_lfs_pointers(self.ui, self.workspace, deployment);
            return Ok(ComponentPlans::new());
        }
        let preparation = Preparation::new(self, deployment)?;
        let progress = match progress {
            PlanProgress::Hidden => DeploymentProgress::hidden(self.ui),
            PlanProgress::Shown => {
                DeploymentProgress::for_planning(self.ui, preparation.name_width)
            }
        };
        let command_env = self.command_env(&preparation, None)?;
        let step_runner = StepRunner {
            command_env: &command_env,
            cancellation: &self.cancellation,
            observer: &progress,
            commands: None,
            is_rollback: false,
        };
        let plans = execute::make_plans(
            deployment,
            &preparation.work_dirs,
            &step_runner,
            self.parallel(),
        );
        preparation.require_same_config()?;
        Ok(plans)
    }

    /// Plans the changes of a run that was taken over.
    ///
    /// If approvals bind plans, keeps a plan only if it is empty or matches the approved one.
    pub fn replan(
        &self,
        preparation: &Preparation<'_>,
        progress: &DeploymentProgress<'_>,
        run: &StartedRun,
    ) -> Result<ComponentPlans, CliError> {
        let command_env = self.command_env(preparation, Some(run.run))?;
        let step_runner = StepRunner {
            command_env: &command_env,
            cancellation: &self.cancellation,
            observer: progress,
            commands: None,
            is_rollback: false,
        };
        let mut plans = execute::make_plans(
            &run.deployment,
            &preparation.work_dirs,
            &step_runner,
            self.parallel(),
        );
        if self.binds_plans() {
            let approved_digest = |component: &ComponentName| {
                let change = run
                    .deployment
                    .components
                    .iter()
                    .find(|change| change.target.component == *component);
                change.and_then(|change| change.plan.as_ref())
            };
            // A component without a plan counts as changed and is not applied.
            plans.retain(|component, planned| match planned {
                PlanResult::Planned(output) => {
                    output.is_empty() || Some(&output.digest) == approved_digest(component)
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
    ) -> Result<DeploymentPlan, CliError> {
        let snapshot = self.read_environment()?;
        let component = |change: &ComponentChange| {
            let target = &change.target;
            let transition = ComponentTransition {
                from: change.from,
                to: (!change.is_removal()).then_some(target.commit),
                from_version: snapshot.version(&target.component),
                to_version: target.version.clone(),
            };
            if let Some(planned) = plans.get(&target.component) {
                let plan = Plan {
                    component: target.component.clone(),
                    commit: target.commit,
                    result: planned.clone(),
                };
                return ComponentPlan::from_plan(&plan, transition);
            }
            let state = if change.is_removal() {
                PlanState::Destroyed
            } else {
                PlanState::Unplanned
            };
            ComponentPlan::without_plan(target.component.clone(), state, transition)
        };
        let components = deployment.components.iter().map(component).collect();
        Ok(DeploymentPlan {
            environment: self.env.name().clone(),
            commit,
            components,
            left_out: Vec::new(),
            announcements: self.ui.announcements(),
            verdict: None,
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
            self.ui
                .print(render_text(&shown, PlanDetail::Changes, self.ui.width()));
        }
        Ok(())
    }

    /// Checks that the policy has the commands of all changed components.
    ///
    /// # Errors
    ///
    /// Fails if a changed component has no command: it would be recorded as deployed, although nothing
    /// was executed for it. Another system probably deploys it.
    pub(super) fn check_commands(&self, deployment: &Deployment) -> Result<(), CliError> {
        let policy = &self.workspace.policy;
        let has_command = |change: &&ComponentChange| {
            carries_out(policy, &change.target.component, change.is_removal())
        };
        // The policy cannot have a command for a component that it does not declare.
        let (undeclared, declared): (Vec<&ComponentChange>, Vec<&ComponentChange>) = deployment
            .changed()
            .partition(|it| !policy.has_component(&it.target.component));
        for change in undeclared {
            self.ui.eprint_sentence(format_args!(
                "The policy no longer has {}: nothing is executed for it, only its removal is recorded.",
                change.target.component
            ));
        }
        // Files that belong to no component never have a command.
        let without_command: Vec<&ComponentChange> = declared
            .iter()
            .filter(|it| !has_command(it) && it.target.component != ComponentName::rest())
            .copied()
            .collect();
        let Some(first) = without_command.first() else {
            return Ok(());
        };
        let (component, key) = (&first.target.component, find_command_key(first));
        let message = format!("the policy has no {key} command for {component}: nothing was done");
        let error = CliError::new(ErrorKind::Usage, message);
        let with_command: Vec<&ComponentChange> =
            declared.iter().copied().filter(has_command).collect();
        if with_command.is_empty() {
            let error = self.suggest_records(deployment.kind, &without_command, error)?;
            return Err(error.hint(format!(
                "{key} = \"…\" under [components.{component}] in deploy.toml, then git deploy policy publish"
            )));
        }
        let with_command = with_command
            .into_iter()
            .map(|it| (it.target.commit, it.is_removal(), &it.target.component));
        let commands = list_deploy_commands(
            &self.workspace.policy,
            self.env.name(),
            deployment.kind,
            "",
            with_command,
        );
        let error = commands.into_iter().fold(error, CliError::hint);
        Err(self.suggest_records(deployment.kind, &without_command, error)?)
    }

    /// Adds the commands that make the changes with a command that the policy does not have. If the
    /// components were not deployed in this way before, also adds those that record what another
    /// system did.
    fn suggest_records(
        &self,
        kind: DeploymentKind,
        changes: &[&ComponentChange],
        mut error: CliError,
    ) -> Result<CliError, CliError> {
        let snapshot = self.read_environment()?;
        let mut groups: BTreeMap<(bool, CommitId), Vec<&ComponentName>> = BTreeMap::new();
        for change in changes {
            let key = (change.is_removal(), change.target.commit);
            let names = groups.entry(key).or_default();
            names.push(&change.target.component);
        }
        for ((is_removal, commit), names) in groups {
            let kind = if is_removal {
                DeploymentKind::Destroy
            } else {
                kind
            };
            let command = DeployCommand::new(&self.workspace.policy, self.env.name())
                .commit(commit)
                .kind(kind)
                .only(names)
                .deployed_in(snapshot.state());
            error = if command.own_command().is_some() {
                error.hint(command.to_string())
            } else {
                let with_own = command.clone().with_command(COMMAND_PLACEHOLDER);
                error
                    .ask("with your own command", with_own.to_string())
                    .ask("after another system did it", command.to_string())
            };
        }
        Ok(error)
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
            .filter(|(_, result)| matches!(result, PlanResult::Failed { .. }));
        let failed: Vec<&str> = failed.map(|(component, _)| component.as_str()).collect();
        if self.cancellation.is_draining() {
            return Err(self.explain_interruption());
        }
        if !failed.is_empty() {
            let message = format!(
                "{} could not be planned: nothing was deployed to {name}",
                failed.join(", ")
            );
            return Err(CliError::new(ErrorKind::Command, message));
        }
        for (component, result) in plans {
            let PlanResult::Deferred { waits_for, .. } = result else {
                continue;
            };
            let names: Vec<&str> = waits_for.iter().map(ComponentName::as_str).collect();
            if self.binds_plans() {
                let message = format!(
                    "{component} can only be planned after the apply of {}, and approvals bind plans here",
                    list_or_count(&names)
                );
                let change = deployment
                    .components
                    .iter()
                    .find(|it| it.target.component == *component);
                let commit = change
                    .map(|it| it.target.commit.0.prefix(12))
                    .unwrap_or_default();
                let waited_for = names.join(" --component ");
                return Err(CliError::new(ErrorKind::Command, message)
                    .hint(format!(
                        "git deploy run {name} {commit} --component {waited_for}"
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

/// Adds the digests of the plans to the planned changes.
pub fn add_plans(mut deployment: Deployment, plans: &ComponentPlans) -> Deployment {
    for change in &mut deployment.components {
        if let Some(PlanResult::Planned(output)) = plans.get(&change.target.component) {
            change.plan = Some(output.digest.clone());
        }
    }
    deployment
}

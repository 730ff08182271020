//! The checks before a run starts: the rules, the plans and the approvals.

use std::collections::BTreeSet;

use super::{ComponentPlans, ComposeDeployment, DeployRunner, add_plans, explain_outdated_plan};
use crate::cli::progress::DeploymentProgress;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::entry::{self, Action, ComponentChange, Deployment, Intent, Start};
use crate::domain::id::{CommitId, RunId};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::plan::{PlanOutput, PlanResult};
use crate::domain::policy::NotifyEvent;
use crate::domain::verdict::{Decision, Outcome, Rule, Verdict};
use crate::ledger::writer::LedgerSnapshot;
use crate::run::cancellation::Cancellation;
use crate::run::execute::RunCallbacks;
use crate::run::notify::Notice;
use crate::view::grouping::list_or_count;
use crate::view::{self, result_text, wrap};

/// Asks the user whether to apply a plan that differs from the one shown before.
pub(super) struct PlanPrompt<'a> {
    pub ui: &'a Ui,
    pub progress: &'a DeploymentProgress<'a>,
    pub stop: &'a Cancellation,
}

impl RunCallbacks for PlanPrompt<'_> {
    fn accepts_plan(&self, component: &ComponentName, made: &PlanOutput) -> bool {
        let plan = made.as_terraform().map_or_else(
            || made.text.clone(),
            |plan| plan.action_counts().to_string(),
        );
        self.progress
            .print(&format!("new plan of {component}: {plan}"));
        self.progress.suspend(|| {
            let question = format!("The plan of {component} has changed. Apply the new plan?");
            self.ui
                .confirm_unless(&|| self.stop.is_draining(), &question)
                .unwrap_or(false)
        })
    }
}

impl DeployRunner<'_> {
    /// Checks the rules before planning and prints what the deployment changes.
    ///
    /// Missing approvals are accepted for now if something changes: they can only be given once
    /// there are plans.
    ///
    /// # Errors
    ///
    /// Fails if a rule refuses the deployment, or cannot be checked.
    pub fn check_rules(
        &self,
        person: &Person,
        compose: &ComposeDeployment<'_>,
    ) -> Result<Deployment, CliError> {
        let (deployment, verdict) = self.ask_rules(person, compose, &ComponentPlans::new())?;
        self.print_changes(&deployment);
        // Without a plan there is nothing to wait for, except for the approvals of a command.
        match is_waiting_for_approvals(&verdict) {
            true if deployment.kind == entry::DeploymentKind::Exec => {
                Err(self.explain_missing_approvals(person, &deployment, verdict)?)
            }
            true if deployment.changed().next().is_some() => Ok(deployment),
            _ => self
                .require_allowed(&verdict, (person, &deployment))
                .map(|()| deployment),
        }
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
            &self.place.name,
            &first.target.component,
            find_command_key(first),
        );
        Err(CliError::new(ErrorKind::Usage, format!("the policy does not say how to deploy {component}: nothing was done"))
            .hint(format!(
                "{key} = \"…\" under [components.{component}] in deploy.toml, then git deploy policy publish"
            ))
            .hint(format!("if another system deploys it: git deploy record {name}")))
    }

    /// Checks the rules again, now with the plans.
    ///
    /// # Errors
    ///
    /// Fails if a rule refuses the deployment. If only approvals are missing, the error lists the
    /// commands that approve it.
    pub(super) fn check_approvals(
        &self,
        person: &Person,
        compose: &ComposeDeployment<'_>,
        shown: &Deployment,
        plans: &ComponentPlans,
    ) -> Result<(), CliError> {
        let (deployment, verdict) = self.ask_rules(person, compose, plans)?;
        if !deployment
            .components
            .iter()
            .map(|it| &it.target)
            .eq(shown.components.iter().map(|it| &it.target))
        {
            return Err(explain_outdated_plan("the running version has changed"));
        }
        if !is_waiting_for_approvals(&verdict) {
            return self.require_allowed(&verdict, (person, &deployment));
        }
        Err(self.explain_missing_approvals(person, &deployment, verdict)?)
    }

    /// Returns the error for missing approvals, with the commands that give them, and sends a
    /// notification.
    fn explain_missing_approvals(
        &self,
        person: &Person,
        deployment: &Deployment,
        mut verdict: Verdict,
    ) -> Result<CliError, CliError> {
        // The hints below contain complete commands, with plans and components.
        verdict
            .checks
            .iter_mut()
            .filter(|check| check.rule == Rule::Approvals)
            .for_each(|check| check.remedy = None);
        for line in view::verdict::render_verdict(&verdict, false, self.ui.width()) {
            self.ui.eprint(line);
        }
        self.notify(NotifyEvent::ApprovalNeeded, person, deployment, |notice| {
            Notice {
                reasons: list_reasons(&verdict),
                ..notice
            }
        });
        let deed = describe_deployment(deployment.kind, &self.place.name);
        let failure = CliError::new(ErrorKind::Waiting, format!("{deed} waits for approvals"));
        let commands = self.list_approve_commands(deployment)?;
        Ok(commands
            .into_iter()
            .fold(failure, CliError::hint)
            .with_verdict(verdict))
    }

    /// Returns the approve command for each commit. It names components if an approval without
    /// names would cover others.
    fn list_approve_commands(&self, deployment: &Deployment) -> Result<Vec<String>, CliError> {
        let place = self.read_environment()?;
        let differs = |change: &ComponentChange| {
            place.here().content(&change.target.component) != change.target.content
        };
        let there = |name: &ComponentName| {
            deployment
                .components
                .iter()
                .any(|change| change.target.component == *name)
        };
        // A command changes nothing, but needs approvals for every component that it names.
        let asked = |change: &&ComponentChange| {
            deployment.kind == entry::DeploymentKind::Exec || change.intent != Intent::Unchanged
        };
        let asked: Vec<&ComponentChange> = deployment.components.iter().filter(asked).collect();
        let commits: BTreeSet<_> = asked.iter().map(|change| change.target.commit).collect();
        let all = self.workspace.policy.component_names().iter().all(there)
            && asked.iter().all(|it| differs(it));
        // A component that is destroyed is running, so it must be named.
        let destroy = deployment.kind == entry::DeploymentKind::Destroy;
        let named = commits.len() > 1 || !all || destroy;
        let command = |commit: CommitId| {
            let mut words = vec![format!(
                "git deploy approve {} {}",
                self.place.name,
                commit.0.prefix(12)
            )];
            for change in asked.iter().filter(|change| change.target.commit == commit) {
                let component = &change.target.component;
                if named {
                    words.push(format!("--component {component}"));
                }
                if let Some(digest) = change.plan.as_ref().filter(|_| self.binds_plans()) {
                    words.push(format!("--plan {component}={digest}"));
                }
            }
            let destroys = |change: &&ComponentChange| {
                change.intent == Intent::Destroy && change.target.commit == commit
            };
            words.extend((!destroy && asked.iter().any(destroys)).then(|| "--destroy".to_owned()));
            words.join(" ")
        };
        Ok(commits.into_iter().map(command).collect())
    }

    /// Computes the deployment from the present state and asks the rules about it. Writes nothing.
    pub fn ask_rules(
        &self,
        person: &Person,
        compose: &ComposeDeployment<'_>,
        plans: &ComponentPlans,
    ) -> Result<(Deployment, Verdict), CliError> {
        let (statement, verdict) =
            self.workspace
                .ask_rules(self.ui, person, &self.place.ledger, &|view| {
                    let deployment = add_plans(compose(view)?, plans);
                    // This start is never written, so its run id does not matter.
                    Ok(self.build_draft(Action::Start(Start {
                        run: RunId([0; 16]),
                        deployment,
                    })))
                })?;
        // A start always has a deployment.
        let deployment = statement
            .deployment()
            .cloned()
            .ok_or_else(|| CliError::reported(ErrorKind::CannotTell))?;
        Ok((deployment, verdict))
    }

    fn require_allowed(
        &self,
        verdict: &Verdict,
        (by, deployment): (&Person, &Deployment),
    ) -> Result<(), CliError> {
        let name = &self.place.name;
        let nothing = match deployment.kind {
            entry::DeploymentKind::Destroy => format!("nothing was destroyed in {name}"),
            entry::DeploymentKind::Exec => format!("nothing was run in {name}"),
            _ => format!("nothing was deployed to {name}"),
        };
        let (kind, words) = match verdict.decision() {
            Decision::Allowed => return Ok(()),
            Decision::Refused => (
                ErrorKind::Denied,
                format!("the rules do not allow it: {nothing}"),
            ),
            Decision::CannotTell => (
                ErrorKind::CannotTell,
                format!("cannot tell whether the rules allow it: {nothing}"),
            ),
        };
        for line in view::verdict::render_verdict(verdict, false, self.ui.width()) {
            self.ui.eprint(line);
        }
        if kind == ErrorKind::Denied {
            self.notify(NotifyEvent::Refused, by, deployment, |notice| Notice {
                reasons: list_reasons(verdict),
                ..notice
            });
        }
        Err(CliError::new(kind, words).with_verdict(verdict.clone()))
    }

    fn print_changes(&self, deployment: &Deployment) {
        let (ui, width) = (self.ui, self.ui.width());
        ui.print_sentence(format_heading(deployment, &self.place.name));
        for line in result_text::render_changes(deployment, width) {
            ui.print(line);
        }
        let lines = deployment
            .description
            .iter()
            .flat_map(|text| text.as_str().lines());
        for line in lines.flat_map(|line| wrap::wrap_indented("  ", 4, line, width)) {
            ui.print(line);
        }
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
        let name = &self.place.name;
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

    /// Checks that a start matches what was planned, under the policy whose commands were run.
    pub(super) fn check_unchanged(
        &self,
        view: &LedgerSnapshot<'_>,
        shown: &Deployment,
        now: &Deployment,
    ) -> Result<(), CliError> {
        if view.policy != Some(&*self.workspace.policy) {
            return Err(explain_outdated_plan("the policy has changed"));
        }
        let parts = |deployment: &Deployment| {
            let part = |it: &ComponentChange| (it.target.clone(), it.from, it.intent);
            deployment.components.iter().map(part).collect::<Vec<_>>()
        };
        if parts(shown) != parts(now) {
            return Err(explain_outdated_plan("the running version has changed"));
        }
        Ok(())
    }
}

/// Returns whether only approvals are missing.
fn is_waiting_for_approvals(verdict: &Verdict) -> bool {
    let mut missing = verdict
        .checks
        .iter()
        .filter(|check| check.outcome != Outcome::Pass)
        .peekable();
    missing.peek().is_some()
        && missing.all(|check| check.rule == Rule::Approvals && check.outcome == Outcome::Fail)
}

/// Returns the policy key of the command that makes a change.
fn find_command_key(change: &ComponentChange) -> &'static str {
    if change.intent == entry::Intent::Destroy {
        "destroy"
    } else {
        "apply"
    }
}

/// Lists the checks that do not pass, for a notification.
fn list_reasons(verdict: &Verdict) -> Vec<String> {
    let missing = verdict
        .checks
        .iter()
        .filter(|check| check.outcome != Outcome::Pass);
    missing
        .map(|check| format!("{}: {}", check.rule.name(), check.detail))
        .collect()
}

/// Returns the words for a deployment in a sentence.
pub(super) fn describe_deployment(kind: entry::DeploymentKind, name: &EnvName) -> String {
    match kind {
        entry::DeploymentKind::Destroy => format!("the destruction of {name}"),
        entry::DeploymentKind::Exec => format!("the command in {name}"),
        _ => format!("the deployment to {name}"),
    }
}

/// Returns the heading above the changes of a deployment.
fn format_heading(deployment: &Deployment, name: &EnvName) -> String {
    match deployment.kind {
        entry::DeploymentKind::Deploy => format!("Deploy to {name}:"),
        entry::DeploymentKind::Rollback => format!("Roll {name} back:"),
        entry::DeploymentKind::Hotfix => format!("Hotfix for {name}:"),
        entry::DeploymentKind::Destroy => format!("Destroy {name}:"),
        entry::DeploymentKind::Exec => {
            let command = deployment
                .command
                .as_ref()
                .map_or("", |command| command.as_str());
            format!("Run in {name}: {command}")
        }
    }
}

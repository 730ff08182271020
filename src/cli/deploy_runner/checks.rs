//! The checks before a run starts: the rules, the plans and the approvals.

use std::collections::BTreeSet;

use super::completion::describe_deployment;
use super::planning::add_plans;
use super::runner::{BuildDeployment, ComponentPlans, DeployRunner, explain_outdated_plan};
use crate::cli::{CliError, ErrorKind, deployment_notes};
use crate::domain::entry::{self, Action, ApprovalPurpose, ComponentChange, Deployment, Start};
use crate::domain::id::{CommitId, RunId};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::policy::NotifyEvent;
use crate::domain::rules;
use crate::domain::verdict::{CheckResult, Decision, Rule, Verdict};
use crate::run::notify::Notice;
use crate::view::{self, result_text, wrap};

impl DeployRunner<'_> {
    /// Checks the rules before planning and prints the changes of the deployment.
    ///
    /// If something changes, missing approvals are not an error yet, because approvals may need the
    /// plans. [`Self::check_approvals`] checks them after planning.
    ///
    /// # Errors
    ///
    /// Fails if a rule refuses the deployment, or cannot be checked.
    pub fn check_rules(
        &self,
        person: &Person,
        build: &BuildDeployment<'_>,
    ) -> Result<Deployment, CliError> {
        let (deployment, verdict) = self.evaluate_rules(person, build, &ComponentPlans::new())?;
        self.print_changes(&deployment);
        self.announce(&deployment)?;
        // Neither a one-off command nor a deployment without changes has plans to wait for.
        match is_waiting_for_approvals(&verdict) {
            true if deployment.kind == entry::DeploymentKind::Exec => {
                Err(self.explain_missing_approvals(person, &deployment, verdict)?)
            }
            true if deployment.changed().next().is_some() => Ok(deployment),
            _ => self
                .require_allowed(&verdict, person, &deployment)
                .map(|()| deployment),
        }
    }

    /// Announces what to know before the deployment.
    fn announce(&self, deployment: &Deployment) -> Result<(), CliError> {
        let snapshot = self.read_environment()?;
        let (rules, state) = (snapshot.rules, snapshot.state());
        deployment_notes::report(
            self.ui,
            self.workspace,
            rules,
            self.env.name(),
            state,
            deployment,
        );
        Ok(())
    }

    /// Checks the rules for a one-off command before its secrets are read, and so without its words.
    /// Which command an approval is for is not checked yet. Prints nothing if the rules may allow it.
    pub fn precheck_rules(
        &self,
        person: &Person,
        build: &BuildDeployment<'_>,
    ) -> Result<Deployment, CliError> {
        let (deployment, mut verdict) =
            self.evaluate_rules(person, build, &ComponentPlans::new())?;
        if !is_waiting_for_approvals(&verdict) {
            for check in &mut verdict.checks {
                if check.rule == Rule::Approvals {
                    check.remedy = None;
                }
            }
            self.require_allowed(&verdict, person, &deployment)?;
        }
        Ok(deployment)
    }

    /// Checks the rules for a deployment without plans, and prints its changes. Unlike
    /// [`Self::check_rules`], missing approvals are an error.
    ///
    /// # Errors
    ///
    /// Fails if a rule refuses the deployment, or cannot be checked. If only approvals are missing,
    /// the error lists the commands that approve it.
    pub fn check_rules_without_plans(
        &self,
        person: &Person,
        build: &BuildDeployment<'_>,
    ) -> Result<Deployment, CliError> {
        let (deployment, verdict) = self.evaluate_rules(person, build, &ComponentPlans::new())?;
        if deployment.changed().next().is_some() {
            self.print_changes(&deployment);
            self.announce(&deployment)?;
        }
        if is_waiting_for_approvals(&verdict) {
            return Err(self.explain_missing_approvals(person, &deployment, verdict)?);
        }
        self.require_allowed(&verdict, person, &deployment)?;
        Ok(deployment)
    }

    /// Checks the rules again, now with the plans. Returns the verdict.
    ///
    /// # Errors
    ///
    /// Fails if a rule refuses the deployment. If only approvals are missing, the error lists the
    /// commands that approve it.
    pub(super) fn check_approvals(
        &self,
        person: &Person,
        build: &BuildDeployment<'_>,
        shown_deployment: &Deployment,
        plans: &ComponentPlans,
    ) -> Result<Verdict, CliError> {
        let (deployment, verdict) = self.evaluate_rules(person, build, plans)?;
        if !deployment
            .components
            .iter()
            .map(|it| &it.target)
            .eq(shown_deployment.components.iter().map(|it| &it.target))
        {
            return Err(explain_outdated_plan("the running version has changed"));
        }
        if !is_waiting_for_approvals(&verdict) {
            self.require_allowed(&verdict, person, &deployment)?;
            return Ok(verdict);
        }
        Err(self.explain_missing_approvals(person, &deployment, verdict)?)
    }

    /// Prints the verdict, sends a notification, and returns the error for missing approvals. Its
    /// hints are the commands that approve.
    fn explain_missing_approvals(
        &self,
        person: &Person,
        deployment: &Deployment,
        mut verdict: Verdict,
    ) -> Result<CliError, CliError> {
        // Removes the remedies of approvals: the hints below also name the plans and components.
        let mut asked = None;
        for check in &mut verdict.checks {
            if check.rule == Rule::Approvals {
                asked = asked.or_else(|| view::verdict::describe_able(check));
                (check.remedy, check.remedy_by) = (None, Vec::new());
            }
        }
        for line in view::verdict::render_verdict(&verdict, self.ui.width()) {
            self.ui.eprint(line);
        }
        self.notify(NotifyEvent::ApprovalNeeded, person, deployment, |notice| {
            Notice {
                reasons: list_reasons(&verdict),
                ..notice
            }
        });
        let subject = describe_deployment(deployment.kind, self.env.name());
        let error = CliError::new(ErrorKind::Waiting, format!("{subject} waits for approvals"));
        let commands = self.list_approve_commands(deployment)?.into_iter();
        let error = match asked {
            Some(asked) => commands.fold(error, |error, command| error.ask(&asked, command)),
            None => commands.fold(error, CliError::hint),
        };
        Ok(error.with_verdict(verdict))
    }

    /// Returns the approve command for each commit and purpose. The command names the components if it
    /// would otherwise cover others, too.
    fn list_approve_commands(&self, deployment: &Deployment) -> Result<Vec<String>, CliError> {
        let snapshot = self.read_environment()?;
        let differs = |change: &ComponentChange| {
            snapshot.state().content(&change.target.component) != change.target.content
        };
        let is_included = |name: &ComponentName| {
            deployment
                .components
                .iter()
                .any(|change| change.target.component == *name)
        };
        // The approval of a renamed component includes that its former name is removed.
        let changes: Vec<&ComponentChange> = deployment
            .components
            .iter()
            .filter(|change| change.renamed_to.is_none())
            .collect();
        let groups: BTreeSet<_> = changes
            .iter()
            .map(|change| (change.target.commit, deployment.purpose_of(change)))
            .collect();
        let covers_all = self
            .workspace
            .policy
            .component_names()
            .iter()
            .all(is_included)
            && changes.iter().all(|it| differs(it));
        // An approval of a destruction or of a command must always name the component.
        let needs_names = matches!(
            deployment.kind,
            entry::DeploymentKind::Destroy | entry::DeploymentKind::Exec
        );
        let commits: BTreeSet<_> = groups.iter().map(|(commit, _)| *commit).collect();
        let names_components = commits.len() > 1 || !covers_all || needs_names;
        let command = |(commit, purpose): (CommitId, ApprovalPurpose)| {
            let mut words = vec![format!(
                "git deploy approve {} {}",
                self.env.name(),
                commit.0.prefix(12)
            )];
            for change in changes.iter().filter(|change| {
                change.target.commit == commit && deployment.purpose_of(change) == purpose
            }) {
                let component = &change.target.component;
                if names_components {
                    words.push(format!("--component {component}"));
                }
                if let Some(digest) = change.plan.as_ref().filter(|_| self.binds_plans()) {
                    words.push(format!("--plan {component}={digest}"));
                }
            }
            words.extend((purpose == ApprovalPurpose::Destroy).then(|| "--destroy".to_owned()));
            // `--exec` must be last, because the rest of the line is the command, quoted for a shell.
            let command = deployment.command.as_ref();
            words.extend(command.map(|command| format!("--exec -- {command}")));
            words.join(" ")
        };
        Ok(groups.into_iter().map(command).collect())
    }

    /// Computes the deployment from the present state and evaluates the rules for it. Writes
    /// nothing.
    pub fn evaluate_rules(
        &self,
        person: &Person,
        build: &BuildDeployment<'_>,
        plans: &ComponentPlans,
    ) -> Result<(Deployment, Verdict), CliError> {
        let (statement, verdict) =
            self.workspace
                .evaluate_rules(self.ui, person, self.env.ledger(), &|snapshot| {
                    let deployment = add_plans(build(snapshot)?, plans);
                    // This start is never written, so its run id does not matter.
                    Ok(self.build_draft(Action::Start(Start {
                        run: RunId([0; 16]),
                        deployment,
                    })))
                })?;
        // The statement is a start, so it has a deployment.
        let deployment = statement
            .deployment()
            .cloned()
            .ok_or_else(|| CliError::reported(ErrorKind::CannotTell))?;
        Ok((deployment, verdict))
    }

    /// Fails unless the rules allow the deployment. Prints the verdict, and sends a notification if the
    /// rules refuse it.
    fn require_allowed(
        &self,
        verdict: &Verdict,
        person: &Person,
        deployment: &Deployment,
    ) -> Result<(), CliError> {
        let name = self.env.name();
        let consequence = match deployment.kind {
            entry::DeploymentKind::Destroy => format!("nothing was destroyed in {name}"),
            entry::DeploymentKind::Exec => format!("nothing was run in {name}"),
            _ => format!("nothing was deployed to {name}"),
        };
        let (kind, message) = match verdict.decision() {
            Decision::Allowed => return Ok(()),
            Decision::Refused => (
                ErrorKind::Denied,
                format!("the rules do not allow it: {consequence}"),
            ),
            Decision::CannotTell => (
                ErrorKind::CannotTell,
                format!("cannot tell whether the rules allow it: {consequence}"),
            ),
        };
        for line in view::verdict::render_verdict(verdict, self.ui.width()) {
            self.ui.eprint(line);
        }
        if kind == ErrorKind::Denied {
            self.notify(NotifyEvent::Refused, person, deployment, |notice| Notice {
                reasons: list_reasons(verdict),
                ..notice
            });
        }
        Err(CliError::new(kind, message).with_verdict(verdict.clone()))
    }

    fn print_changes(&self, deployment: &Deployment) {
        let (ui, width) = (self.ui, self.ui.width());
        ui.print_sentence(format_heading(deployment, self.env.name()));
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
}

/// Returns whether only approvals are missing, and the people who can give them are left.
fn is_waiting_for_approvals(verdict: &Verdict) -> bool {
    let mut missing = verdict
        .checks
        .iter()
        .filter(|check| check.outcome != CheckResult::Pass)
        .peekable();
    missing.peek().is_some()
        && missing.all(|check| {
            check.rule == Rule::Approvals
                && check.outcome == CheckResult::Fail
                && rules::can_be_approved(check)
        })
}

/// Lists the checks that do not pass, for a notification.
pub(super) fn list_reasons(verdict: &Verdict) -> Vec<String> {
    let missing = verdict
        .checks
        .iter()
        .filter(|check| check.outcome != CheckResult::Pass);
    missing
        .map(|check| format!("{}: {}", check.rule.name(), check.detail))
        .collect()
}

/// Returns the heading above the changes of a deployment.
fn format_heading(deployment: &Deployment, name: &EnvName) -> String {
    match deployment.kind {
        entry::DeploymentKind::Deploy => format!("Deploy to {name}:"),
        entry::DeploymentKind::Rollback => format!("Roll back {name}:"),
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

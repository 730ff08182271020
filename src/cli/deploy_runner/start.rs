//! Writes the start of a deployment, or reports that there is nothing to deploy.

use super::planning::add_plans;
use super::runner::{
    BuildDeployment, ComponentPlans, DeployRunner, StartedRun, explain_outdated_plan,
};
use crate::cli::{CliError, ErrorContext as _, ErrorKind, append_report};
use crate::clock;
use crate::domain::entry::{Action, ComponentChange, Deployment, Expire, Start};
use crate::domain::id::RunId;
use crate::domain::policy::NotifyEvent;
use crate::ledger::writer::LedgerSnapshot;
use crate::run::notify::Notice;
use crate::view::result_text;

impl DeployRunner<'_> {
    /// Reports that the environment already has the content of the commit. Nothing is written,
    /// except that an ephemeral environment is kept for longer.
    pub fn report_unchanged(
        &self,
        build: &BuildDeployment<'_>,
        deployment: &Deployment,
    ) -> Result<(), CliError> {
        if deployment.expires.is_none() || self.is_dry_run {
            return append_report::report_unchanged(self.ui, self.env.name());
        }
        let sentence = result_text::describe_unchanged(self.env.name());
        let appended = self.append(&|snapshot| {
            Expire::replacing(&build(snapshot)?)
                .map(Action::Expire)
                .ok_or_else(|| explain_outdated_plan("the running version has changed"))
        })?;
        append_report::report_entry(self.ui, &sentence, &appended)
    }

    /// Writes the start entry of the planned deployment. Until the run ends, this entry prevents
    /// other runs from changing the same components.
    ///
    /// # Errors
    ///
    /// Fails if the policy or the running components changed since the plans were made.
    pub fn write_start(
        &self,
        build: &BuildDeployment<'_>,
        planned: &Deployment,
        plans: &ComponentPlans,
    ) -> Result<StartedRun, CliError> {
        let run =
            RunId(clock::random().context(ErrorKind::CannotTell, "cannot generate a run id")?);
        let appended = self.append(&|snapshot| {
            let deployment = add_plans(build(snapshot)?, plans);
            self.check_unchanged(snapshot, planned, &deployment)?;
            Ok(Action::Start(Start { run, deployment }))
        })?;
        let Action::Start(start) = &appended.statement.action else {
            return Err(CliError::reported(ErrorKind::CannotTell));
        };
        let sequence = appended.statement.sequence;
        self.notify(
            NotifyEvent::Started,
            &appended.statement.by,
            &start.deployment,
            |notice| Notice {
                run: Some(run),
                entry: Some(appended.id),
                ..notice
            },
        );
        Ok(StartedRun {
            sequence,
            run,
            deployment: start.deployment.clone(),
        })
    }

    /// Checks that the deployment is still the planned one, and that the policy has not changed.
    fn check_unchanged(
        &self,
        snapshot: &LedgerSnapshot<'_>,
        planned: &Deployment,
        current: &Deployment,
    ) -> Result<(), CliError> {
        if snapshot.policy != Some(&*self.workspace.policy) {
            return Err(explain_outdated_plan("the policy has changed"));
        }
        // Plans are not compared: only `current` has them.
        let changes = |deployment: &Deployment| {
            let without_plan = |it: &ComponentChange| (it.target.clone(), it.from);
            deployment
                .components
                .iter()
                .map(without_plan)
                .collect::<Vec<_>>()
        };
        if changes(planned) != changes(current) {
            return Err(explain_outdated_plan("the running version has changed"));
        }
        Ok(())
    }
}

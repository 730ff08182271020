//! Runs a whole deployment: checks, plans, asks the user, executes, and reports the outcome.

use super::completion::has_earlier_release;
use super::planning::add_plans;
use super::preparation::Preparation;
use super::runner::{BuildDeployment, ComponentPlans, DeployRunner, StartedRun};
use crate::cli::left_out_components::LeftOutReport;
use crate::cli::progress::DeploymentProgress;
use crate::cli::projections::reconcile_after_entry;
use crate::cli::{CliError, ErrorKind, append_report};
use crate::domain::entry::Deployment;
use crate::domain::name::Person;
use crate::domain::policy::NotifyEvent;
use crate::domain::verdict::Verdict;
use crate::run::component_steps::StepRunner;
use crate::run::execute;
use crate::view::result_text;
use crate::view::verdict::render_verdict;

impl DeployRunner<'_> {
    /// Checks the rules, plans, asks the user, and runs the deployment until its finish entry is
    /// written.
    pub fn deploy(
        &self,
        person: &Person,
        build: &BuildDeployment<'_>,
        left_out: &LeftOutReport,
    ) -> Result<(), CliError> {
        let deployment = self.check_rules(person, build)?;
        if deployment.components.is_empty() {
            return self.report_unchanged(build, &deployment);
        }
        self.check_commands(&deployment)?;
        if !self.ui.can_ask() && !self.is_dry_run {
            // `confirm` fails without a terminal. Fail now instead of after all plans are made.
            return self.ui.confirm("Continue?").map(drop);
        }
        let preparation = Preparation::new(self, &deployment)?;
        self.require_scripts(&preparation, &deployment)?;
        let planning = DeploymentProgress::for_planning(self.ui, preparation.name_width);
        let command_env = self.command_env(&preparation, None)?;
        let step_runner = StepRunner {
            command_env: &command_env,
            cancellation: &self.cancellation,
            observer: &planning,
            commands: None,
            is_rollback: false,
        };
        let plans = execute::make_plans(
            &deployment,
            &preparation.work_dirs,
            &step_runner,
            self.parallel(),
        );
        self.print_plans(&deployment, &plans)?;
        self.check_plans(&deployment, &plans)?;
        self.notify(
            NotifyEvent::PlanReady,
            person,
            &add_plans(deployment.clone(), &plans),
            |notice| notice,
        );
        let verdict = self.check_approvals(person, build, &deployment, &plans)?;
        if self.is_dry_run {
            return self.report_dry_run(&deployment, &plans, verdict, left_out);
        }
        if !self.confirm("Continue?")? {
            return Err(CliError::new(ErrorKind::Denied, "nothing was deployed"));
        }
        preparation.require_same_config()?;
        let run = self.write_start(build, &deployment, &plans)?;
        let progress = DeploymentProgress::new(self.ui, preparation.name_width);
        self.run_to_finish(preparation, &progress, &run, &plans)
    }

    /// Prints the verdict of the rules on a deployment that was only tried or, with `--json`, the
    /// document `plan`.
    fn report_dry_run(
        &self,
        deployment: &Deployment,
        plans: &ComponentPlans,
        verdict: Verdict,
        left_out: &LeftOutReport,
    ) -> Result<(), CliError> {
        for line in render_verdict(&verdict, self.ui.width()) {
            self.ui.print(line);
        }
        let name = self.env.name();
        self.ui.print_sentence(format_args!(
            "The rules allow it; nothing was deployed to {name}."
        ));
        let mut commits = deployment.targets().map(|target| target.commit);
        let Some(commit) = commits.next().filter(|_| self.ui.json()) else {
            return Ok(());
        };
        let mut document = self.build_plan_view(commit, deployment, plans)?;
        document.verdict = Some(verdict);
        document.left_out = left_out.to_documents();
        self.ui.print_document("plan", &document)
    }

    /// Applies the plans, verifies the result, rolls back failed components, writes the finish, and
    /// reports the outcome.
    pub fn run_to_finish(
        &self,
        preparation: Preparation<'_>,
        progress: &DeploymentProgress<'_>,
        run: &StartedRun,
        plans: &ComponentPlans,
    ) -> Result<(), CliError> {
        let (appended, mut report) = self.execute_run(&preparation, progress, run, plans)?;
        let can_roll_back = has_earlier_release(&preparation, run, &report);
        // Releases the work folders. If this run failed to create its environment, the environment is
        // destroyed below, which needs the same folders.
        drop(preparation);
        let (name, kind) = (self.env.name().as_str(), run.deployment.kind);
        append_report::report_entry(
            self.ui,
            &result_text::summarize_entry(name, kind, &appended.statement),
            &appended,
        )?;
        if self.is_failed_creation(run, &report) {
            // There was no earlier release to roll back to.
            report.not_rolled_back.clear();
            self.undo_creation(&appended);
        } else {
            let held = append_report::report_holds(
                self.ui,
                self.workspace,
                self.env.name(),
                Some(&run.deployment),
                &appended,
            );
            self.notify_holds(&held, &run.deployment, &appended);
        }
        // With a changed configuration, a push could go elsewhere.
        if report.config_changed.is_none() {
            reconcile_after_entry(self.ui, self.workspace, self.env);
        }
        self.report_outcome(kind, &report, can_roll_back)
    }
}

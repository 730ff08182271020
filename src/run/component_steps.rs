//! The steps of one component: plan, apply, verify and destroy. Each runs a command of the policy
//! in force.
//!
//! Several threads share one runner and call it for different components. The caller decides the
//! order.

mod plan_step;
mod step_failure;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use self::step_failure::StepFailure;
use super::cancellation::Cancellation;
use super::command_env::{CommandEnv, ComponentJob, SecretPurpose};
use super::command_log::CommandLog;
use super::process::{
    self, CapturedOutput, CommandEnd, CommandSpec, MAX_KEPT_OUTPUT, Program, Stream, TERM_GRACE,
};
use crate::clock::Deadline;
use crate::domain::entry::{CommandStep, VerificationResult};
use crate::domain::name::ComponentName;
use crate::domain::plan::{PlanKind, PlanOutput};
use crate::domain::policy::{Component, ShellCommand};

/// The first pause before a retry. It doubles with each retry.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long a pause sleeps between its checks for a cancellation.
const CANCELLATION_INTERVAL: Duration = Duration::from_millis(50);
/// The pause stops doubling after this many retries.
const MAX_DOUBLINGS: u32 = 5;

/// A step of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentStep {
    /// Makes its plan.
    Plan,
    /// Deploys it.
    Apply,
    /// Checks that it is healthy.
    Verify,
    /// Removes it.
    Destroy,
}

impl ComponentStep {
    /// Returns the step's name in the policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Verify => "verify",
            Self::Destroy => "destroy",
        }
    }

    /// Returns the step that a `finish` entry records; `None` for a plan, whose digest is in the
    /// `start`.
    fn recorded(self, is_rollback: bool) -> Option<CommandStep> {
        match (self, is_rollback) {
            (Self::Plan, _) => None,
            (Self::Apply, false) => Some(CommandStep::Apply),
            (Self::Apply, true) => Some(CommandStep::Rollback),
            (Self::Verify, false) => Some(CommandStep::Verify),
            (Self::Verify, true) => Some(CommandStep::VerifyRollback),
            (Self::Destroy, _) => Some(CommandStep::Destroy),
        }
    }
}

/// A step that failed.
#[derive(Debug, Clone)]
pub struct StepError {
    /// The step.
    pub step: ComponentStep,
    /// The cause, in a few words.
    pub reason: String,
    /// The last lines that its command printed, safe to show and without secrets.
    pub last_lines: Vec<String>,
    /// The log with the whole output.
    pub log: PathBuf,
    /// Whether it failed only because it was interrupted.
    pub is_interrupted: bool,
    /// Whether its command ran to its end and then reported the failure itself, so that its output
    /// explains it.
    pub is_explained: bool,
    /// Whether its command may have run, even in part.
    pub may_have_run: bool,
}

/// Receives progress reports, from several threads.
pub trait StepObserver: Sync {
    /// Reports that these components are being rolled back from now on.
    fn on_rollback(&self, components: &BTreeSet<ComponentName>);
    /// Reports that a step of a component begins.
    fn on_step_start(&self, component: &ComponentName, step: ComponentStep);
    /// Reports a line that the step's command printed. `line` makes the line safe to show, and is
    /// called only if it is shown.
    fn on_line(&self, component: &ComponentName, line: &dyn Fn() -> String);
    /// Reports that a step has ended, with a short summary, or failed.
    fn on_step_end(
        &self,
        component: &ComponentName,
        step: ComponentStep,
        result: Result<&str, &StepError>,
    );
    /// Reports that a plan command failed. If `waits_for` is not empty, the plan is made again
    /// after these components are deployed.
    fn on_plan_missing(
        &self,
        component: &ComponentName,
        error: &StepError,
        waits_for: &[ComponentName],
    );
}

/// Runs the steps of components.
#[derive(Clone, Copy)]
pub struct StepRunner<'a> {
    /// The environment of their commands.
    pub command_env: &'a CommandEnv<'a>,
    /// Whether to stop.
    pub cancellation: &'a Cancellation,
    /// Receives progress reports.
    pub observer: &'a dyn StepObserver,
    /// Receives the commands of a run.
    pub commands: Option<&'a CommandLog>,
    /// Whether components are being rolled back.
    pub is_rollback: bool,
}

impl StepRunner<'_> {
    /// Makes the plan of a component. Returns `None` if the policy has no plan command for it.
    pub fn plan(&self, job: &ComponentJob) -> Result<Option<PlanOutput>, StepError> {
        let Some(command) = self.component_policy(job).and_then(|it| it.plan.as_ref()) else {
            return Ok(None);
        };
        self.run_step(
            job,
            ComponentStep::Plan,
            || self.make_plan(job, command),
            summarize_plan,
        )
        .map(Some)
    }

    /// Deploys a component. `plan` is the plan that was accepted, if one was made.
    pub fn apply(&self, job: &ComponentJob, plan: Option<&PlanOutput>) -> Result<(), StepError> {
        let Some(command) = self.component_policy(job).and_then(|it| it.apply.as_ref()) else {
            return Ok(());
        };
        self.run_step(
            job,
            ComponentStep::Apply,
            || {
                if job.plan.digest().as_ref() != plan.map(|plan| &plan.digest) {
                    return Err(StepFailure::PlanChanged);
                }
                self.run_command(job, command, ComponentStep::Apply)
                    .map(drop)
            },
            |()| String::new(),
        )
    }

    /// Checks that a component is healthy, with as many retries as the policy allows.
    pub fn verify(&self, job: &ComponentJob) -> Result<VerificationResult, StepError> {
        let Some((component, command)) = self
            .component_policy(job)
            .and_then(|it| Some((it, it.verify.as_ref()?)))
        else {
            return Ok(VerificationResult::None);
        };
        let verify = || {
            let mut tries = 0;
            loop {
                match self.run_command(job, command, ComponentStep::Verify) {
                    Err(StepFailure::CommandFailed(..))
                        if tries < component.retries && self.wait_before_retry(tries) =>
                    {
                        tries += 1;
                    }
                    result => return result.map(|_| VerificationResult::Passed),
                }
            }
        };
        self.run_step(job, ComponentStep::Verify, verify, |_| String::new())
    }

    /// Removes a component.
    pub fn destroy(&self, job: &ComponentJob) -> Result<(), StepError> {
        let Some(command) = self
            .component_policy(job)
            .and_then(|it| it.destroy.as_ref())
        else {
            return Ok(());
        };
        self.run_step(
            job,
            ComponentStep::Destroy,
            || {
                self.run_command(job, command, ComponentStep::Destroy)
                    .map(drop)
            },
            |()| String::new(),
        )
    }

    /// Returns the policy's settings for the component.
    pub fn component_policy(&self, job: &ComponentJob) -> Option<&Component> {
        self.command_env.policy.component(&job.target.component)
    }

    /// Waits before a retry, longer each time. Returns whether to try again.
    pub fn wait_before_retry(&self, tries: u32) -> bool {
        let end = Deadline::after(RETRY_PAUSE * (1 << tries.min(MAX_DOUBLINGS)));
        while !end.has_passed() && !self.cancellation.is_draining() {
            std::thread::sleep(end.time_left().min(CANCELLATION_INTERVAL));
        }
        !self.cancellation.is_draining()
    }

    /// Finds a path outside of the component that a failed command may have looked for.
    fn find_missing_path(
        &self,
        job: &ComponentJob,
        step: ComponentStep,
        failure: &StepFailure,
    ) -> Option<String> {
        let StepFailure::CommandFailed(CommandEnd::Exited(_), printed) = failure else {
            return None;
        };
        job.checkout.find_missing_path(
            job.target.commit,
            &job.folder,
            self.list_texts(job, step, printed),
        )
    }

    /// Returns the texts that may tell why a command failed: the last lines that it printed, and the
    /// command itself.
    fn list_texts<'t>(
        &'t self,
        job: &ComponentJob,
        step: ComponentStep,
        printed: &'t CapturedOutput,
    ) -> impl Iterator<Item = &'t str> {
        let component = self.component_policy(job);
        let command = component.and_then(|component| match step {
            ComponentStep::Plan => component.plan.as_ref(),
            ComponentStep::Apply => component.apply.as_ref(),
            ComponentStep::Verify => component.verify.as_ref(),
            ComponentStep::Destroy => component.destroy.as_ref(),
        });
        let lines = printed.tail.iter().map(String::as_str);
        lines.chain(command.map(ShellCommand::as_str))
    }

    /// Runs one step and reports its beginning and its end.
    fn run_step<T>(
        &self,
        job: &ComponentJob,
        step: ComponentStep,
        work: impl FnOnce() -> Result<T, StepFailure>,
        summarize: impl FnOnce(&T) -> String,
    ) -> Result<T, StepError> {
        let component = &job.target.component;
        self.observer.on_step_start(component, step);
        let written = job.checkout.write().map_err(StepFailure::from);
        let result = written.and_then(|()| work()).map_err(|failure| {
            let tail = match &failure {
                StepFailure::CommandFailed(_, printed) | StepFailure::ShowFailed(_, printed) => {
                    printed.tail.clone()
                }
                _ => Vec::new(),
            };
            let interrupted = failure.command_end() == Some(CommandEnd::Cancelled);
            let mut reason = failure.to_string();
            let mut is_explained = failure.is_explained();
            if let Some(missing) = self.find_missing_path(job, step, &failure) {
                // A missing file is the cause, so the command's output does not explain the
                // failure. A folder is not certain to be the cause: its name in the output may mean
                // something else, such as a component.
                is_explained &= missing.ends_with('/');
                reason = format!(
                    "{reason}; {missing} is in the commit but does not belong to {component}: add it to the component's paths, or to `shared`"
                );
            }
            if let StepFailure::CommandFailed(_, printed) = &failure {
                let texts = self.list_texts(job, step, printed);
                let explanation = self.command_env.isolation.explain_sudo(texts);
                reason.extend(explanation.map(|text| format!("; {text}")));
            }
            StepError {
                step,
                reason,
                last_lines: tail,
                log: job.log.clone(),
                is_interrupted: interrupted,
                is_explained,
                may_have_run: failure.may_have_run(),
            }
        });
        match &result {
            Ok(value) => self
                .observer
                .on_step_end(component, step, Ok(&summarize(value))),
            Err(error) => self.observer.on_step_end(component, step, Err(error)),
        }
        result
    }

    /// Runs a command of the policy for a step, with the component's secrets masked in its output.
    fn run_command(
        &self,
        job: &ComponentJob,
        command: &ShellCommand,
        step: ComponentStep,
    ) -> Result<CapturedOutput, StepFailure> {
        let component = &job.target.component;
        let secret_purpose = match step {
            ComponentStep::Plan => SecretPurpose::Plan,
            _ => SecretPurpose::Other,
        };
        let secrets =
            self.command_env
                .read_secrets(component, secret_purpose, self.cancellation)?;
        let on_line = |_: Stream, line: &[u8]| {
            self.observer
                .on_line(component, &|| secrets.mask.clean_line(line));
        };
        let timeout = self.component_policy(job).and_then(|it| it.timeout);
        let written_plan = match step {
            ComponentStep::Plan => None,
            _ => Some(job.plan.write(&job.plans)?),
        };
        let plan_file = written_plan
            .as_ref()
            .map_or_else(|| job.new_plan_file(), |plan| plan.path().to_owned());
        let spec = CommandSpec {
            program: Program::Shell(command.as_str()),
            folder: &job.folder,
            variables: &self.command_env.build_variables(job, &secrets, &plan_file),
            isolation: &self.command_env.isolate(job)?,
            input: b"",
            timeout: timeout.map(|span| Duration::from_secs(span.as_seconds())),
            grace: TERM_GRACE,
            kept_bytes: MAX_KEPT_OUTPUT,
            mask: &secrets.mask,
            log: Some(&job.log),
            on_line: Some(&on_line),
        };
        let result = process::run(&spec, self.cancellation)?;
        if let (Some(commands), Some(step)) = (self.commands, step.recorded(self.is_rollback)) {
            commands.add(component, step, &result);
        }
        if written_plan.is_some_and(|plan| !plan.is_unchanged()) {
            return Err(StepFailure::PlanChanged);
        }
        if result.end.is_success() {
            Ok(result.output)
        } else {
            Err(StepFailure::CommandFailed(
                result.end,
                Box::new(result.output),
            ))
        }
    }
}

/// Describes a plan in a few words.
fn summarize_plan(plan: &PlanOutput) -> String {
    match &plan.kind {
        PlanKind::Terraform(terraform) if terraform.is_empty() => "nothing to do".to_owned(),
        PlanKind::Terraform(terraform) => terraform.action_counts().to_string(),
        PlanKind::Text => String::new(),
    }
}

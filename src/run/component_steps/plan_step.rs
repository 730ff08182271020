//! The step that makes a plan: runs the plan command, and reads the plan file if it is Terraform's.

use std::fs;
use std::io::{self, Read as _};
use std::time::Duration;

use super::step_failure::StepFailure;
use super::{ComponentStep, StepRunner};
use crate::domain::plan::{self, PlanKind, PlanOutput, TerraformPlan};
use crate::domain::policy::ShellCommand;
use crate::run::command_env::{ComponentJob, SecretPurpose};
use crate::run::process::{self, CommandSpec, Mask, Program};

/// The time limit for `terraform show`.
const SHOW_TIMEOUT: Duration = Duration::from_secs(5 * 60);

impl StepRunner<'_> {
    /// Runs the plan command. If it left a terraform plan file, reads the plan from that.
    pub(super) fn make_plan(
        &self,
        job: &ComponentJob,
        command: &ShellCommand,
    ) -> Result<PlanOutput, StepFailure> {
        let path = job.plan_file();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let printed = self.run_command(job, command, ComponentStep::Plan)?;
        let text = printed.to_text();
        if !is_terraform_plan(&path)? {
            return Ok(PlanOutput {
                digest: printed.digest,
                kind: PlanKind::Text,
                text,
            });
        }
        Ok(PlanOutput::from_terraform(
            self.read_terraform_plan(job)?,
            text,
        ))
    }

    /// Reads the terraform plan in the plan file, with `terraform show`.
    fn read_terraform_plan(&self, job: &ComponentJob) -> Result<TerraformPlan, StepFailure> {
        let secrets = self.command_env.read_secrets(
            &job.target.component,
            SecretPurpose::Plan,
            self.cancellation,
        )?;
        let command_line = [
            "terraform".into(),
            "show".into(),
            "-json".into(),
            job.plan_file().into(),
        ];
        let spec = CommandSpec {
            program: Program::Direct(&command_line),
            folder: &job.folder,
            variables: &self.command_env.build_variables(job, &secrets),
            isolation: &self.command_env.isolate(job)?,
            input: b"",
            timeout: Some(SHOW_TIMEOUT),
            kept_bytes: plan::MAX_JSON_BYTES + 1,
            // Masking would change the document. Only addresses and names of it are shown, and they
            // are masked below.
            mask: &Mask::default(),
            log: None,
            on_line: None,
        };
        let result = process::run(&spec, self.cancellation)?;
        if !result.end.is_success() {
            // The output of a failed command may contain anything, so it is not shown.
            let mut printed = result.output;
            printed.tail.clear();
            return Err(StepFailure::ShowFailed(result.end, Box::new(printed)));
        }
        let mask = |text: &str| secrets.mask.mask_text(text);
        Ok(TerraformPlan::parse(&result.output.head)?.mask_names(&mask))
    }
}

/// Returns whether the plan command left a terraform plan file.
fn is_terraform_plan(path: &std::path::Path) -> io::Result<bool> {
    let mut beginning = Vec::new();
    match fs::File::open(path) {
        // The first bytes identify the format.
        Ok(file) => file.take(64).read_to_end(&mut beginning)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(plan::is_saved_terraform_plan(&beginning))
}

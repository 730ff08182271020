//! The step that makes a plan: runs the plan command, and reads the plan file if it is Terraform's.

use std::fs;
use std::io;
use std::time::Duration;

use super::step_failure::StepFailure;
use super::{ComponentStep, StepRunner};
use crate::domain::plan::{self, PlanKind, PlanOutput, TerraformPlan};
use crate::domain::policy::ShellCommand;
use crate::run::command_env::{ComponentJob, SecretPurpose};
use crate::run::process::{self, CommandSpec, Mask, Program, TERM_GRACE};
use crate::run::saved_plan::PlanFile;

/// The time limit for `terraform show`.
const SHOW_TIMEOUT: Duration = Duration::from_secs(5 * 60);

impl StepRunner<'_> {
    /// Runs the plan command. If it left a terraform plan file, reads the plan from that.
    pub(super) fn make_plan(
        &self,
        job: &ComponentJob,
        command: &ShellCommand,
    ) -> Result<PlanOutput, StepFailure> {
        let path = job.new_plan_file();
        job.plan.clear();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let printed = self.run_command(job, command, ComponentStep::Plan)?;
        let file = PlanFile::take(&path, &job.plans)?;
        let text = printed.to_text();
        let output = match &file {
            Some(file) if plan::is_saved_terraform_plan(&file.beginning) => {
                PlanOutput::from_terraform(self.read_terraform_plan(job, file)?, text)
            }
            _ => PlanOutput {
                digest: printed.digest,
                kind: PlanKind::Text,
                text,
            },
        };
        job.plan.save(output.digest.clone(), file);
        Ok(output)
    }

    /// Reads a terraform plan with `terraform show`, which gets it as its standard input: a file with
    /// a name could be replaced meanwhile.
    fn read_terraform_plan(
        &self,
        job: &ComponentJob,
        file: &PlanFile,
    ) -> Result<TerraformPlan, StepFailure> {
        let secrets = self.command_env.read_secrets(
            &job.target.component,
            SecretPurpose::Plan,
            self.cancellation,
        )?;
        let command_line = [
            "terraform".into(),
            "show".into(),
            "-json".into(),
            "/dev/stdin".into(),
        ];
        let spec = CommandSpec {
            program: Program::Direct(&command_line),
            folder: &job.folder,
            variables: &self
                .command_env
                .build_variables(job, &secrets, &job.new_plan_file()),
            isolation: &self.command_env.isolate(job)?,
            input: &file.read()?,
            timeout: Some(SHOW_TIMEOUT),
            grace: TERM_GRACE,
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

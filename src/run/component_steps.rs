//! The steps of one component: plan, apply, verify and destroy. Each runs a command of the policy
//! in force.
//!
//! A runner works on many components at once, from several threads. It does not know their order.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use super::cancellation::Stop;
use super::command_env::{Piece, SecretError, Surroundings};
use super::process::{self, End, Job, KEEP, Mask, Printed, Program, Ran, Stream};
use crate::clock::Deadline;
use crate::domain::entry::VerificationResult;
use crate::domain::name::ComponentName;
use crate::domain::plan::{self, Made, Terraform, TerraformError, What};
use crate::domain::policy::{Command, Component};

/// The time limit for `terraform show`.
const SHOW: Duration = Duration::from_secs(5 * 60);
/// The first pause before a retry. It doubles with each retry.
const PAUSE: Duration = Duration::from_secs(1);
/// The pause stops doubling after this many retries.
const LONGEST: u32 = 5;

/// A step of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Makes its plan.
    Plan,
    /// Deploys it.
    Apply,
    /// Checks that it is healthy.
    Verify,
    /// Removes it.
    Destroy,
}

impl Step {
    /// Returns the step's name in the policy.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Verify => "verify",
            Self::Destroy => "destroy",
        }
    }
}

/// A step that failed.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The step.
    pub step: Step,
    /// The cause, in a few words.
    pub why: String,
    /// The last lines that its command printed, safe to show and without secrets.
    pub tail: Vec<String>,
    /// The log with the whole output.
    pub log: PathBuf,
    /// Whether it failed only because it was interrupted.
    pub interrupted: bool,
}

/// Receives progress reports, from several threads.
pub trait Witness: Sync {
    /// Reports that these components are being rolled back from now on.
    fn goes_back(&self, components: &BTreeSet<ComponentName>);
    /// Reports that a step of a component begins.
    fn begins(&self, component: &ComponentName, step: Step);
    /// Reports a line that the step's command printed. `line` makes the line safe to show, and is
    /// called only if it is shown.
    fn line(&self, component: &ComponentName, line: &dyn Fn() -> String);
    /// Reports that a step has ended, with a short summary, or failed.
    fn ended(&self, component: &ComponentName, step: Step, result: Result<&str, &Broken>);
}

/// Runs the steps of components.
pub struct Crew<'a> {
    /// The environment of their commands.
    pub surroundings: &'a Surroundings<'a>,
    /// Tells whether to stop.
    pub stop: &'a Stop,
    /// Receives progress reports.
    pub witness: &'a dyn Witness,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Ended(End, Printed),
    #[error("its command could not be run: {0}")]
    Start(#[from] io::Error),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("its plan cannot be read: {0}")]
    Terraform(#[from] TerraformError),
    #[error("terraform cannot show the plan that it made: {0}")]
    Show(End, Printed),
}

impl Trouble {
    /// Returns how the command ended, if the failure is about that.
    fn end(&self) -> Option<End> {
        match self {
            Self::Ended(end, _)
            | Self::Show(end, _)
            | Self::Secret(SecretError::Failed(_, end)) => Some(*end),
            Self::Start(_) | Self::Secret(_) | Self::Terraform(_) => None,
        }
    }
}

impl Crew<'_> {
    /// Makes the plan of a component. Returns `None` if the policy has no plan command for it.
    pub fn plan(&self, piece: &Piece) -> Result<Option<Made>, Broken> {
        let Some(command) = self.component(piece).and_then(|it| it.plan.as_ref()) else {
            return Ok(None);
        };
        self.step(piece, Step::Plan, || self.made(piece, command), summary)
            .map(Some)
    }

    /// Deploys a component. Its plan, if one was made, is in its plan file.
    pub fn apply(&self, piece: &Piece) -> Result<(), Broken> {
        let Some(command) = self.component(piece).and_then(|it| it.apply.as_ref()) else {
            return Ok(());
        };
        self.step(
            piece,
            Step::Apply,
            || self.command(piece, command, Step::Apply).map(drop),
            |()| String::new(),
        )
    }

    /// Checks that a component is healthy, with as many retries as the policy allows.
    pub fn verify(&self, piece: &Piece) -> Result<VerificationResult, Broken> {
        let Some((component, command)) = self
            .component(piece)
            .and_then(|it| Some((it, it.verify.as_ref()?)))
        else {
            return Ok(VerificationResult::None);
        };
        let verify = || {
            let mut tries = 0;
            loop {
                match self.command(piece, command, Step::Verify) {
                    Err(Trouble::Ended(..)) if tries < component.retries && self.pause(tries) => {
                        tries += 1
                    }
                    result => return result.map(|_| VerificationResult::Passed),
                }
            }
        };
        self.step(piece, Step::Verify, verify, |_| String::new())
    }

    /// Removes a component.
    pub fn destroy(&self, piece: &Piece) -> Result<(), Broken> {
        let Some(command) = self.component(piece).and_then(|it| it.destroy.as_ref()) else {
            return Ok(());
        };
        self.step(
            piece,
            Step::Destroy,
            || self.command(piece, command, Step::Destroy).map(drop),
            |()| String::new(),
        )
    }

    /// Returns the policy's settings for the component.
    pub fn component(&self, piece: &Piece) -> Option<&Component> {
        self.surroundings.policy.component(&piece.target.component)
    }

    /// Waits before a retry, longer each time. Returns whether to try again.
    pub fn pause(&self, tries: u32) -> bool {
        let end = Deadline::after(PAUSE * (1 << tries.min(LONGEST)));
        while !end.passed() && !self.stop.begins_nothing() {
            std::thread::sleep(end.left().min(Duration::from_millis(50)));
        }
        !self.stop.begins_nothing()
    }

    /// Runs one step and reports its beginning and its end.
    fn step<T>(
        &self,
        piece: &Piece,
        step: Step,
        work: impl FnOnce() -> Result<T, Trouble>,
        words: impl FnOnce(&T) -> String,
    ) -> Result<T, Broken> {
        let component = &piece.target.component;
        self.witness.begins(component, step);
        let result = work().map_err(|trouble| {
            let tail = match &trouble {
                Trouble::Ended(_, printed) | Trouble::Show(_, printed) => printed.tail.clone(),
                _ => Vec::new(),
            };
            let interrupted = trouble.end() == Some(End::Stopped);
            Broken {
                step,
                why: trouble.to_string(),
                tail,
                log: piece.log.clone(),
                interrupted,
            }
        });
        match &result {
            Ok(value) => self.witness.ended(component, step, Ok(&words(value))),
            Err(broken) => self.witness.ended(component, step, Err(broken)),
        }
        result
    }

    /// Runs the plan command. If it left a terraform plan file, reads the plan from that.
    fn made(&self, piece: &Piece, command: &Command) -> Result<Made, Trouble> {
        let path = piece.plan();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let printed = self.command(piece, command, Step::Plan)?;
        let text = printed.text();
        if !left_by_terraform(&path)? {
            return Ok(Made {
                digest: printed.digest,
                what: What::Text,
                text,
            });
        }
        Ok(Made::terraform(self.shown(piece)?, text))
    }

    /// Reads the terraform plan in the plan file, with `terraform show`.
    fn shown(&self, piece: &Piece) -> Result<Terraform, Trouble> {
        let secrets = self
            .surroundings
            .secrets(&piece.target.component, true, self.stop)?;
        let words = [
            "terraform".into(),
            "show".into(),
            "-json".into(),
            piece.plan().into(),
        ];
        let job = Job {
            program: Program::Direct(&words),
            folder: &piece.folder,
            variables: &self.surroundings.variables(piece, &secrets),
            input: b"",
            timeout: Some(SHOW),
            keep: plan::LIMIT + 1,
            // Masking would change the document. Only addresses and names of it are shown, and they
            // are masked below.
            mask: &Mask::default(),
            log: None,
            line: None,
        };
        let ran = process::run(&job, self.stop)?;
        if !ran.end.is_success() {
            // The output of a failed command may contain anything, so it is not shown.
            let mut printed = ran.printed;
            printed.tail.clear();
            return Err(Trouble::Show(ran.end, printed));
        }
        let mask = |text: &str| secrets.mask.over(text);
        Ok(Terraform::read(&ran.printed.head)?.masked(&mask))
    }

    /// Runs a command of the policy for a component and returns its output.
    fn command(&self, piece: &Piece, command: &Command, step: Step) -> Result<Printed, Trouble> {
        let component = &piece.target.component;
        let secrets = self
            .surroundings
            .secrets(component, step == Step::Plan, self.stop)?;
        let see =
            |_: Stream, line: &[u8]| self.witness.line(component, &|| secrets.mask.clean(line));
        let timeout = self.component(piece).and_then(|it| it.timeout);
        let job = Job {
            program: Program::Shell(command.as_str()),
            folder: &piece.folder,
            variables: &self.surroundings.variables(piece, &secrets),
            input: b"",
            timeout: timeout.map(|span| Duration::from_secs(span.as_seconds())),
            keep: KEEP,
            mask: &secrets.mask,
            log: Some(&piece.log),
            line: Some(&see),
        };
        let Ran { end, printed } = process::run(&job, self.stop)?;
        if end.is_success() {
            Ok(printed)
        } else {
            Err(Trouble::Ended(end, printed))
        }
    }
}

/// Describes a plan in a few words.
fn summary(made: &Made) -> String {
    match &made.what {
        What::Terraform(terraform) if terraform.is_empty() => "nothing to do".to_owned(),
        What::Terraform(terraform) => terraform.summary().to_string(),
        What::Text => String::new(),
    }
}

/// Returns whether the plan command left a terraform plan file.
fn left_by_terraform(path: &std::path::Path) -> io::Result<bool> {
    let mut first = Vec::new();
    match fs::File::open(path) {
        Ok(file) => file.take(64).read_to_end(&mut first)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(plan::is_terraform(&first))
}

//! Tells those whom the policy names what happens to a deployment.
//!
//! Whichever way a command ends, those who were not told yet are waited for a little, and who was not reached is told here.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::Context;
use crate::domain::policy::{Environment, ShellCommand};
use crate::run::cancellation::Stop;
use crate::run::command_env::inherited;
use crate::run::notify::{Commands, Limits, Notice, Notifier};
use crate::run::process::{self, Job, KEEP, Mask, Printed, Program};

/// How long a command that tells somebody may take.
const COMMAND: Duration = Duration::from_secs(30);

/// Tells of one deployment.
pub(super) struct Notices<'a> {
    context: &'a Context,
    notifier: OnceCell<Notifier>,
}

impl<'a> Notices<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self {
            context,
            notifier: OnceCell::new(),
        }
    }

    /// Tells those whom the environment's rules name, and returns at once.
    pub(super) fn send(&self, rules: &Environment, notice: &Notice) {
        if !rules.notify.is_empty() {
            let commands: Arc<dyn Commands> = Arc::new(Telling);
            self.notifier
                .get_or_init(|| Notifier::new(&rules.notify, &commands, Limits::default()))
                .send(notice);
        }
    }
}

impl Drop for Notices<'_> {
    fn drop(&mut self) {
        let Some(notifier) = self.notifier.take() else {
            return;
        };
        for undelivered in notifier.finish() {
            self.context.mention(format_args!("{undelivered}"));
        }
    }
}

/// Runs the policy's commands that tell somebody: with no more around them than all commands have.
struct Telling;

impl Telling {
    fn run(
        command: &ShellCommand,
        input: &[u8],
        variables: &BTreeMap<String, OsString>,
    ) -> Result<Printed, String> {
        let job = Job {
            program: Program::Shell(command.as_str()),
            folder: Path::new("/"),
            variables,
            input,
            timeout: Some(COMMAND),
            keep: KEEP,
            mask: &Mask::default(),
            log: None,
            line: None,
        };
        // It is short, and goes on while the run is being interrupted: somebody wants to know.
        let ran = process::run(&job, &Stop::default()).map_err(|error| error.to_string())?;
        if ran.end.is_success() {
            Ok(ran.printed)
        } else {
            Err(ran.end.to_string())
        }
    }
}

impl Commands for Telling {
    fn tell(
        &self,
        command: &ShellCommand,
        input: &[u8],
        variables: &[(&'static str, String)],
    ) -> Result<(), String> {
        let mut all = inherited();
        all.extend(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.into())),
        );
        Self::run(command, input, &all).map(drop)
    }

    fn secret(&self, command: &ShellCommand) -> Result<String, String> {
        let printed = Self::run(command, b"", &inherited())?;
        String::from_utf8(printed.head)
            .map_err(|_| "what its command printed is no text".to_owned())
    }
}

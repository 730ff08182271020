//! Sends the notifications that the policy configures.
//!
//! However a command ends, pending notifications get a short time to be delivered. Those that fail
//! are reported on standard error.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::Context;
use crate::domain::policy::{Command, Environment};
use crate::run::cancellation::Stop;
use crate::run::command_env::inherited;
use crate::run::notify::{Commands, Limits, Notice, Notifier};
use crate::run::process::{self, Job, KEEP, Mask, Printed, Program};

/// The time limit of a notification command.
const COMMAND: Duration = Duration::from_secs(30);

/// The notifications of one deployment.
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

    /// Queues a notification for the recipients in the environment's rules. Does not wait for its
    /// delivery.
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

/// Runs the policy's notification commands with a minimal environment.
struct Telling;

impl Telling {
    fn run(
        command: &Command,
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
        // The command is short, and runs even while the deployment is being interrupted: that is
        // news, too.
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
        command: &Command,
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

    fn secret(&self, command: &Command) -> Result<String, String> {
        let printed = Self::run(command, b"", &inherited())?;
        String::from_utf8(printed.head)
            .map_err(|_| "what its command printed is no text".to_owned())
    }
}

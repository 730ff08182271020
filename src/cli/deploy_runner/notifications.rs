//! Sends the notifications that the policy configures.
//!
//! When a command ends, pending notifications get a short time to be delivered. Failed ones are
//! reported on standard error.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::Ui;
use crate::domain::policy::{Notify, ShellCommand};
use crate::run::cancellation::Cancellation;
use crate::run::command_env::inherit_variables;
use crate::run::isolation::CommandIsolation;
use crate::run::notify::{CommandRunner, Limits, Notice, Notifier};
use crate::run::process::{self, CapturedOutput, CommandSpec, MAX_KEPT_OUTPUT, Mask, Program};

/// The time limit of a notification command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// The notifications of one deployment.
pub(super) struct Notifications<'a> {
    ui: &'a Ui,
    notifier: OnceCell<Notifier>,
}

impl<'a> Notifications<'a> {
    pub(super) fn new(ui: &'a Ui) -> Self {
        Self {
            ui,
            notifier: OnceCell::new(),
        }
    }

    /// Queues a notification for these recipients, which are the same in each call. Does not wait
    /// for its delivery. Commands run in `folder`. If they cannot be isolated as the policy asks for,
    /// none runs, and each notification that needs one fails with the error of `isolate`.
    pub(super) fn send(
        &self,
        recipients: &[Notify],
        notice: &Notice,
        folder: &Path,
        isolate: impl FnOnce() -> Result<CommandIsolation, String>,
    ) {
        let commands = || -> Arc<dyn CommandRunner> {
            Arc::new(NotificationCommands {
                folder: folder.to_owned(),
                isolation: isolate(),
            })
        };
        self.notifier
            .get_or_init(|| Notifier::new(recipients, &commands(), Limits::default()))
            .send(notice);
    }
}

impl Drop for Notifications<'_> {
    fn drop(&mut self) {
        let Some(notifier) = self.notifier.take() else {
            return;
        };
        for undelivered in notifier.finish() {
            self.ui.eprint_sentence(format_args!("{undelivered}"));
        }
    }
}

/// Runs the policy's notification commands with a minimal environment.
struct NotificationCommands {
    folder: PathBuf,
    isolation: Result<CommandIsolation, String>,
}

impl NotificationCommands {
    fn run_command(
        &self,
        command: &ShellCommand,
        input: &[u8],
        variables: &BTreeMap<String, OsString>,
    ) -> Result<CapturedOutput, String> {
        let spec = CommandSpec {
            program: Program::Shell(command.as_str()),
            folder: &self.folder,
            variables,
            isolation: self.isolation.as_ref().map_err(Clone::clone)?,
            input,
            timeout: Some(COMMAND_TIMEOUT),
            kept_bytes: MAX_KEPT_OUTPUT,
            mask: &Mask::default(),
            log: None,
            on_line: None,
        };
        // Ctrl-C does not cancel the command, so that an interrupted deployment is also reported. The
        // timeout keeps it short.
        let result =
            process::run(&spec, &Cancellation::default()).map_err(|error| error.to_string())?;
        if result.end.is_success() {
            Ok(result.output)
        } else {
            Err(result.end.to_string())
        }
    }
}

impl CommandRunner for NotificationCommands {
    fn run_notification(
        &self,
        command: &ShellCommand,
        input: &[u8],
        variables: &[(&'static str, String)],
    ) -> Result<(), String> {
        let mut environment = inherit_variables();
        environment.extend(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.into())),
        );
        self.run_command(command, input, &environment).map(drop)
    }

    fn read_secret(&self, command: &ShellCommand) -> Result<String, String> {
        let output = self.run_command(command, b"", &inherit_variables())?;
        String::from_utf8(output.head)
            .map_err(|_| "the output of its command is not text".to_owned())
    }
}

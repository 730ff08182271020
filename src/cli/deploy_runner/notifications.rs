//! Sends the notifications that the policy configures.
//!
//! When a command ends, pending notifications get a short time to be delivered. Failed ones are
//! reported on standard error. No command of a notification outlives this program.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
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
/// How long a notification command may take to end after each signal. It changes nothing that would
/// have to be completed, as a deployment does.
const COMMAND_GRACE: Duration = Duration::from_secs(1);

/// The notifications of one deployment.
pub(super) struct Notifications<'a> {
    ui: &'a Ui,
    notifier: OnceCell<Notifier>,
    cancellation: Arc<Cancellation>,
}

impl<'a> Notifications<'a> {
    pub(super) fn new(ui: &'a Ui) -> Self {
        Self {
            ui,
            notifier: OnceCell::new(),
            cancellation: Arc::default(),
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
                cancellation: Arc::clone(&self.cancellation),
                running: RwLock::default(),
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
        // Commands have a session of their own, so a signal that ended this program would not reach
        // them. If nothing can be listened to, they are ended at the end of the short time.
        let _ = self
            .cancellation
            .listen_for_signals(Cancellation::request_kill);
        for undelivered in notifier.finish() {
            self.ui.eprint_sentence(format_args!("{undelivered}"));
        }
    }
}

/// Runs the policy's notification commands with a minimal environment.
struct NotificationCommands {
    folder: PathBuf,
    isolation: Result<CommandIsolation, String>,
    cancellation: Arc<Cancellation>,
    /// Held by every running command.
    running: RwLock<()>,
}

impl NotificationCommands {
    fn run_command(
        &self,
        command: &ShellCommand,
        input: &[u8],
        variables: &BTreeMap<String, OsString>,
    ) -> Result<CapturedOutput, String> {
        let _running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        if self.cancellation.is_killing() {
            return Err("it was interrupted".to_owned());
        }
        let spec = CommandSpec {
            program: Program::Shell(command.as_str()),
            folder: &self.folder,
            variables,
            isolation: self.isolation.as_ref().map_err(Clone::clone)?,
            input,
            timeout: Some(COMMAND_TIMEOUT),
            grace: COMMAND_GRACE,
            kept_bytes: MAX_KEPT_OUTPUT,
            mask: &Mask::default(),
            log: None,
            on_line: None,
        };
        let result = process::run(&spec, &self.cancellation).map_err(|error| error.to_string())?;
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

    fn cancel(&self) {
        self.cancellation.request_kill();
        drop(self.running.write());
    }
}

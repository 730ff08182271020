//! Runs one command of the policy: with a cleared environment, its own process group, a time limit,
//! and output that is masked, bounded and safe to show.
//!
//! Processes that a successful command leaves running, such as a server, are not touched. A command
//! that is cancelled or exceeds its time limit is ended together with its process group. Memory use
//! does not grow with the output.

mod command_spec;
mod mask;
mod output;
mod termination;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

pub use command_spec::{CommandSpec, Program};
pub use mask::{Mask, MaskError};
pub use output::{CapturedOutput, OutputRecorder};
pub use termination::TERM_GRACE;
use termination::Termination;

use super::cancellation::Cancellation;
use crate::clock::{Deadline, Stopwatch, time_limit};
use crate::domain::entry::CANCELLED_STATUS;
pub use crate::program::Stream;
use crate::program::{POLL_INTERVAL, RunningProgram};
use crate::signing::process_hardening;

/// How much of a command's output is kept for people to read, in bytes.
pub const MAX_KEPT_OUTPUT: usize = 256 << 10;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandEnd {
    /// It exited with this status.
    Exited(u8),
    /// Another process ended it with this signal.
    Signalled(i32),
    /// It exceeded its time limit, and its process group was ended.
    TimedOut,
    /// The run was cancelled, and its process group was ended.
    Cancelled,
}

impl CommandEnd {
    /// Returns whether it exited with status 0.
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }

    /// Returns the exit status as shells report it: 128 plus the number of a signal that ended the
    /// command, 124 if it timed out (as `timeout` does), and 130 after an interruption.
    pub fn shell_status(self) -> u8 {
        match self {
            Self::Exited(status) => status,
            Self::Signalled(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            Self::TimedOut => 124,
            Self::Cancelled => CANCELLED_STATUS,
        }
    }
}

impl std::fmt::Display for CommandEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// The result of a command.
#[derive(Debug, Clone)]
pub struct CommandResult {
    /// How it ended.
    pub end: CommandEnd,
    /// How long it ran.
    pub duration: Duration,
    /// What it printed.
    pub output: CapturedOutput,
}

/// Runs a command and waits for its end.
///
/// # Errors
/// The command could not be started, or its output could not be read or stored.
pub fn run(spec: &CommandSpec<'_>, cancellation: &Cancellation) -> io::Result<CommandResult> {
    // The environment of this process may hold a key even if none is used.
    process_hardening::harden();
    let mut output = OutputRecorder::new(spec)?;
    let stopwatch = Stopwatch::start();
    let mut running = RunningProgram::start(&mut build_command(spec)?)?;
    let end = wait_for_end(&mut running, spec, cancellation, &mut output);
    if end.is_err() {
        running.signal_group(Signal::KILL);
    }
    // The process has ended or was killed, so this only returns its status and does not wait.
    let status = running.reap()?;
    let duration = stopwatch.elapsed();
    let end = match end? {
        Some(end) => end,
        None => status.code().map_or_else(
            || CommandEnd::Signalled(status.signal().unwrap_or_default()),
            |code| CommandEnd::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        ),
    };
    Ok(CommandResult {
        end,
        duration,
        output: output.finish()?,
    })
}

/// Builds a command that leads its own process group.
fn build_command(spec: &CommandSpec<'_>) -> io::Result<Command> {
    let shell: [OsString; 3];
    let words = match spec.program {
        Program::Shell(text) => {
            shell = ["/bin/sh", "-c", text].map(OsString::from);
            &shell
        }
        Program::Direct(words) => words,
    };
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = spec.isolation.command(program, arguments, spec.variables);
    let input = if spec.input.is_empty() {
        Stdio::null()
    } else {
        Stdio::from(write_temp_file(spec.input)?)
    };
    command
        .current_dir(spec.folder)
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Returns an unnamed file with these bytes. A pipe would block on a command that does not read its
/// input.
fn write_temp_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Reads output until a command has ended, and after a cancellation until its whole process group
/// has. Returns why it was ended, or `None` if it ended by itself.
fn wait_for_end(
    running: &mut RunningProgram,
    spec: &CommandSpec<'_>,
    cancellation: &Cancellation,
    output: &mut OutputRecorder<'_>,
) -> io::Result<Option<CommandEnd>> {
    let deadline = spec
        .timeout
        .map(|span| Deadline::after(time_limit("command", span)));
    let mut termination: Option<(CommandEnd, Termination)> = None;
    loop {
        let is_late = deadline.is_some_and(Deadline::has_passed);
        let is_over = match &mut termination {
            Some((_, termination)) => running.has_group_ended()? || !termination.signal(running),
            None if cancellation.is_killing() || is_late => {
                let end = if cancellation.is_killing() {
                    CommandEnd::Cancelled
                } else {
                    CommandEnd::TimedOut
                };
                termination = Some((end, Termination::start(running, spec.grace)));
                false
            }
            None => running.has_ended()?,
        };
        if is_over {
            break;
        }
        running.read_output(POLL_INTERVAL, &mut |stream, bytes| {
            output.record(stream, bytes)
        })?;
    }
    running.read_rest(&mut |stream, bytes| output.record(stream, bytes))?;
    Ok(termination.map(|(end, _)| end))
}

#[cfg(test)]
mod tests;

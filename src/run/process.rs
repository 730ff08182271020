//! Runs one command of the policy: with a cleared environment, its own process group, a time limit,
//! and output that is masked, bounded and safe to show.
//!
//! Processes that a successful command leaves running, such as a server, are not touched. A command
//! that exceeds its time limit is ended together with its process group. Memory use does not grow
//! with the output.

mod mask;
mod output;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

pub use mask::Mask;
pub use output::{CapturedOutput, OutputRecorder, Stream};

use super::cancellation::Cancellation;
use crate::clock::{Deadline, time_limit};
use crate::signing::process_hardening;

/// How much of a command's output is kept for people to read, in bytes.
pub const MAX_KEPT_OUTPUT: usize = 256 << 10;
/// How long a command may take to end after `SIGTERM`, before it is killed.
const TERM_GRACE: Duration = Duration::from_secs(10);
/// How long to wait for more output after a command has ended. A process that it left running may
/// keep its output open permanently.
const OUTPUT_GRACE: Duration = Duration::from_millis(200);
/// How often to check whether the command has ended or is to be ended while it prints nothing.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long to sleep between checks for the end of a command that has closed its output.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Receives each line as it is printed, masked but not yet safe to show: see [`Mask::clean`].
pub type LineObserver<'a> = dyn Fn(Stream, &[u8]) + Sync + 'a;

/// The program to run.
#[derive(Debug, Clone, Copy)]
pub enum Program<'a> {
    /// A script for `sh -c`.
    Shell(&'a str),
    /// A program and its arguments. Never empty.
    Direct(&'a [OsString]),
}

/// A command to be run.
#[derive(Clone, Copy)]
pub struct CommandSpec<'a> {
    /// The program.
    pub program: Program<'a>,
    /// Its working directory.
    pub folder: &'a Path,
    /// Its whole environment.
    pub variables: &'a BTreeMap<String, OsString>,
    /// Its standard input.
    pub input: &'a [u8],
    /// Its time limit, if any.
    pub timeout: Option<Duration>,
    /// How many bytes of its standard output are kept in memory.
    pub kept_bytes: usize,
    /// Masks secrets in its output.
    pub mask: &'a Mask,
    /// The file to which its output is appended, made safe to show.
    pub log: Option<&'a Path>,
    /// Receives each line as it is printed.
    pub on_line: Option<&'a LineObserver<'a>>,
}

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
}

impl std::fmt::Display for CommandEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::TimedOut => f.write_str("out of time"),
            Self::Cancelled => f.write_str("interrupted"),
        }
    }
}

/// The result of a command.
#[derive(Debug, Clone)]
pub struct CommandResult {
    /// How it ended.
    pub end: CommandEnd,
    /// What it printed.
    pub output: CapturedOutput,
}

/// Runs a command and waits for its end.
///
/// # Errors
/// The command could not be started, or its output could not be read or stored.
pub fn run(job: &CommandSpec<'_>, stop: &Cancellation) -> io::Result<CommandResult> {
    // The environment of this process may hold a key even if none is used.
    process_hardening::harden();
    let mut output = OutputRecorder::new(job)?;
    let mut child = spawn_command(job)?;
    let mut running = RunningCommand {
        group: find_process_group(&child)?,
        pipes: [
            child.stdout.take().map(OwnedFd::from),
            child.stderr.take().map(OwnedFd::from),
        ],
        ended: false,
    };
    let end = running.wait_for_end(job.timeout, stop, &mut output);
    if end.is_err() {
        running.send_signal(Signal::KILL);
    }
    // The process has ended or was killed, so this only reaps it and does not wait.
    let status = child.wait()?;
    let end = match end? {
        Some(end) => end,
        None => status.code().map_or_else(
            || CommandEnd::Signalled(status.signal().unwrap_or_default()),
            |code| CommandEnd::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        ),
    };
    Ok(CommandResult {
        end,
        output: output.finish()?,
    })
}

/// Starts a command.
fn spawn_command(job: &CommandSpec<'_>) -> io::Result<Child> {
    let mut command = match job.program {
        Program::Shell(text) => {
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(text);
            shell
        }
        Program::Direct(words) => {
            let (name, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
            let mut command = Command::new(name);
            command.args(arguments);
            command
        }
    };
    let input = if job.input.is_empty() {
        Stdio::null()
    } else {
        Stdio::from(write_temp_file(job.input)?)
    };
    command
        .env_clear()
        .envs(job.variables)
        .current_dir(job.folder)
        .process_group(0)
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Returns an unnamed file with these bytes. A pipe would block on a command that does not read its
/// input.
fn write_temp_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Returns the process group of a command, which it leads.
fn find_process_group(child: &Child) -> io::Result<Pid> {
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A running command.
struct RunningCommand {
    /// The process, which leads its group. It is reaped only at the end, so that its number is not
    /// reused before.
    group: Pid,
    /// Standard output and standard error, until they are closed.
    pipes: [Option<OwnedFd>; 2],
    ended: bool,
}

impl RunningCommand {
    /// Reads output until the command has ended. Returns why it was ended, or `None` if it ended by
    /// itself.
    fn wait_for_end(
        &mut self,
        timeout: Option<Duration>,
        stop: &Cancellation,
        output: &mut OutputRecorder<'_>,
    ) -> io::Result<Option<CommandEnd>> {
        let timeout = timeout.map(|span| Deadline::after(time_limit(span)));
        let mut asked: Option<(CommandEnd, Deadline)> = None;
        while !self.ended {
            match &asked {
                None => {
                    let why = if stop.is_killing() {
                        Some(CommandEnd::Cancelled)
                    } else {
                        timeout
                            .filter(|deadline| deadline.has_passed())
                            .map(|_| CommandEnd::TimedOut)
                    };
                    if let Some(why) = why {
                        self.send_signal(Signal::TERM);
                        asked = Some((why, Deadline::after(time_limit(TERM_GRACE))));
                    }
                }
                Some((_, mercy)) if mercy.has_passed() => self.send_signal(Signal::KILL),
                Some(_) => {}
            }
            self.read_output(POLL_INTERVAL, output)?;
            self.ended = has_ended(self.group)?;
        }
        if asked.is_some() {
            // Also end remaining processes of its group.
            self.send_signal(Signal::KILL);
        }
        let rest = Deadline::after(OUTPUT_GRACE);
        while self.pipes.iter().any(Option::is_some) && !rest.has_passed() {
            self.read_output(rest.time_left(), output)?;
        }
        Ok(asked.map(|(why, _)| why))
    }

    /// Reads available output, or waits for some for up to `wait`.
    fn read_output(&mut self, wait: Duration, output: &mut OutputRecorder<'_>) -> io::Result<()> {
        let open = self.pipes.iter().flatten();
        let mut polled: Vec<PollFd<'_>> =
            open.map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        if polled.is_empty() {
            // The command has closed its output and is probably about to end.
            std::thread::sleep(EXIT_POLL_INTERVAL);
            return Ok(());
        }
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: wait.min(POLL_INTERVAL).subsec_nanos().into(),
        };
        match poll(&mut polled, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = polled.iter().map(|it| !it.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        let mut buffer = [0; 1 << 14];
        for (slot, stream) in self.pipes.iter_mut().zip([Stream::Out, Stream::Err]) {
            let Some(pipe) = slot.as_ref().filter(|_| ready.next().unwrap_or_default()) else {
                continue;
            };
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => *slot = None,
                Ok(length) => output.record(stream, buffer.get(..length).unwrap_or_default())?,
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn send_signal(&self, signal: Signal) {
        // The call fails if no process of the group is left.
        let _ = kill_process_group(self.group, signal);
    }
}

/// Returns whether the process has ended. Does not reap it.
fn has_ended(process: Pid) -> io::Result<bool> {
    let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(process), how)?.is_some())
}

#[cfg(test)]
mod tests;

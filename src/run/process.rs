//! Runs one command of the policy: a cleared environment, a process group of its own, a bounded time, and output that is masked,
//! bounded and harmless before anybody sees it.
//!
//! What a command leaves running when it ends well, such as a server, is left alone; what runs out of time is ended with everything that
//! it started in its group. No memory grows with what a command prints.

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
pub use output::{Output, Printed, Stream};

use super::cancellation::Stop;
use crate::clock::{Deadline, limit};
use crate::signing::process_hardening;

/// So much of what a command prints is kept for people to read.
pub const KEEP: usize = 256 << 10;
/// How long a command that is asked to end may take before it is killed.
const MERCY: Duration = Duration::from_secs(10);
/// How long to wait for the rest of the output once a command has ended: what it left running may hold its output open for ever.
const REST: Duration = Duration::from_millis(200);
/// How often it is looked whether the command has ended or is to be ended, while it prints nothing.
const LOOK: Duration = Duration::from_millis(50);
/// How long to wait for the end of a command that has closed its output.
const SOON: Duration = Duration::from_millis(1);

/// Sees a line as it comes, masked and not yet harmless: see [`Mask::clean`].
pub type Line<'a> = dyn Fn(Stream, &[u8]) + Sync + 'a;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub enum Program<'a> {
    /// A text for `sh -c`.
    Shell(&'a str),
    /// A program and its arguments; never empty.
    Direct(&'a [OsString]),
}

/// A command to be run.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// What.
    pub program: Program<'a>,
    /// Where.
    pub folder: &'a Path,
    /// All that its environment holds.
    pub variables: &'a BTreeMap<String, OsString>,
    /// What it reads from standard input.
    pub input: &'a [u8],
    /// How long it may take; as long as it likes without.
    pub timeout: Option<Duration>,
    /// How much of its standard output is kept in memory, in bytes.
    pub keep: usize,
    /// What is blotted out of its output.
    pub mask: &'a Mask,
    /// Where its output is kept: appended, made harmless.
    pub log: Option<&'a Path>,
    /// Sees each line as it comes.
    pub line: Option<&'a Line<'a>>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exited(u8),
    /// By a signal of somebody else's.
    Signalled(i32),
    /// It ran out of time, and its process group was ended.
    TimedOut,
    /// Everything was to end, and so its process group was.
    Stopped,
}

impl End {
    /// Whether it did what it should.
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::TimedOut => f.write_str("out of time"),
            Self::Stopped => f.write_str("interrupted"),
        }
    }
}

/// What a command left.
#[derive(Debug, Clone)]
pub struct Ran {
    /// How it ended.
    pub end: End,
    /// What it printed.
    pub printed: Printed,
}

/// Runs a command to its end.
///
/// # Errors
/// It could not be started, or its output could not be read or kept.
pub fn run(job: &Job<'_>, stop: &Stop) -> io::Result<Ran> {
    // A key may be in our environment even where none is used.
    process_hardening::shut();
    let mut output = Output::new(job)?;
    let mut child = start(job)?;
    let mut running = Running {
        group: group_of(&child)?,
        pipes: [
            child.stdout.take().map(OwnedFd::from),
            child.stderr.take().map(OwnedFd::from),
        ],
        ended: false,
    };
    let end = running.oversee(job.timeout, stop, &mut output);
    if end.is_err() {
        running.signal(Signal::KILL);
    }
    // It has ended, or was killed: this gives its number back and does not wait.
    let status = child.wait()?;
    let end = match end? {
        Some(end) => end,
        None => status.code().map_or_else(
            || End::Signalled(status.signal().unwrap_or_default()),
            |code| End::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        ),
    };
    Ok(Ran {
        end,
        printed: output.finish()?,
    })
}

fn start(job: &Job<'_>) -> io::Result<Child> {
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
        Stdio::from(as_file(job.input)?)
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

/// A file without a name: a pipe would block on a command that does not read.
fn as_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

fn group_of(child: &Child) -> io::Result<Pid> {
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A command on its way.
struct Running {
    /// Its process, which is the first of its group and is not given back before the end: its number stays its own.
    group: Pid,
    /// Standard output and standard error, until their ends.
    pipes: [Option<OwnedFd>; 2],
    ended: bool,
}

impl Running {
    /// Reads until the command has ended; says how, unless it ended by itself.
    fn oversee(
        &mut self,
        timeout: Option<Duration>,
        stop: &Stop,
        output: &mut Output<'_>,
    ) -> io::Result<Option<End>> {
        let timeout = timeout.map(|span| Deadline::after(limit("command", span)));
        let mut asked: Option<(End, Deadline)> = None;
        while !self.ended {
            match &asked {
                None => {
                    let why = if stop.ends_all() {
                        Some(End::Stopped)
                    } else {
                        timeout
                            .filter(|deadline| deadline.passed())
                            .map(|_| End::TimedOut)
                    };
                    if let Some(why) = why {
                        self.signal(Signal::TERM);
                        asked = Some((why, Deadline::after(limit("kill", MERCY))));
                    }
                }
                Some((_, mercy)) if mercy.passed() => self.signal(Signal::KILL),
                Some(_) => {}
            }
            self.read(LOOK, output)?;
            self.ended = has_ended(self.group)?;
        }
        if asked.is_some() {
            // What it started and what did not go by itself.
            self.signal(Signal::KILL);
        }
        let rest = Deadline::after(REST);
        while self.pipes.iter().any(Option::is_some) && !rest.passed() {
            self.read(rest.left(), output)?;
        }
        Ok(asked.map(|(why, _)| why))
    }

    /// Reads what is there, or waits for it so long.
    fn read(&mut self, wait: Duration, output: &mut Output<'_>) -> io::Result<()> {
        let open = self.pipes.iter().flatten();
        let mut polled: Vec<PollFd<'_>> =
            open.map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        if polled.is_empty() {
            // It has closed its output, as one does that is about to end.
            std::thread::sleep(SOON);
            return Ok(());
        }
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: wait.min(LOOK).subsec_nanos().into(),
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
                Ok(length) => output.take(stream, buffer.get(..length).unwrap_or_default())?,
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // A group of which nothing is left cannot be ended any more than it is.
        let _ = kill_process_group(self.group, signal);
    }
}

/// Whether the process has ended; it is not given back by this.
fn has_ended(process: Pid) -> io::Result<bool> {
    let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(process), how)?.is_some())
}

#[cfg(test)]
mod tests;

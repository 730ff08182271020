//! Runs a program other than git: with an input, a deadline and bounded output.
//!
//! A program with a deadline leads its own process group, so that the processes that it has started
//! are killed with it. A program without a deadline stays in the group of this process, so that it
//! can use the terminal, and Ctrl-C reaches it too.

pub mod executable;

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, test_kill_process_group,
    waitid,
};

use crate::clock::Deadline;

/// The longest wait for output, before the next check whether the program has ended or must be
/// killed.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long to sleep between checks for the end of a program that has closed its output.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(1);
/// How long to wait for more output after a program has ended. A process that it left running may
/// keep its output open permanently.
const OUTPUT_GRACE: Duration = Duration::from_millis(200);
/// After [`OUTPUT_GRACE`], reading stops at this many bytes: pipes cannot hold more output of a
/// program that has ended.
const MAX_PIPED: usize = 2 << 20;

/// One of a program's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Receives output as it is printed.
pub type OutputReader<'a> = dyn FnMut(Stream, &[u8]) -> io::Result<()> + 'a;

/// A program being prepared. By default it reads nothing, its output is dropped, and it may take
/// any time.
pub struct ExternalProgram {
    command: Command,
    input: Option<Vec<u8>>,
    deadline: Option<Deadline>,
    /// The most bytes of standard output that are kept.
    max_output: usize,
}

/// The result of a program.
#[derive(Debug)]
pub struct ProgramResult {
    /// How it ended.
    pub end: ProgramEnd,
    /// What it printed to standard output, if that is kept.
    pub output: Vec<u8>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramEnd {
    /// It ended by itself.
    Ended(ExitStatus),
    /// It was killed at its deadline.
    TimedOut,
    /// It was killed because it printed more than the limit. The kept output is one byte longer
    /// than the limit.
    OutputTooLong,
}

impl ProgramEnd {
    /// Returns whether the program ended by itself, with status 0.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Ended(status) if status.success())
    }
}

impl ExternalProgram {
    /// Prepares a program, which is called without a shell.
    pub fn new(path: &Path) -> Self {
        let mut command = Command::new(path);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            command,
            input: None,
            deadline: None,
            max_output: 0,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes environment variables.
    #[must_use]
    pub fn without_variables(mut self, names: &[&str]) -> Self {
        for name in names {
            self.command.env_remove(name);
        }
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Sets what the program reads from standard input.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self.command.stdin(Stdio::piped());
        self
    }

    /// Kills the program and its process group if it still runs at this time.
    #[must_use]
    pub fn deadline(mut self, deadline: Deadline) -> Self {
        self.deadline = Some(deadline);
        self.command.process_group(0);
        self
    }

    /// Keeps standard output, and kills the program if it prints more than this many bytes.
    #[must_use]
    pub fn keep_output(mut self, max_bytes: usize) -> Self {
        self.max_output = max_bytes;
        self.command.stdout(Stdio::piped());
        self
    }

    /// Sends standard output elsewhere.
    #[must_use]
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stdout(to);
        self
    }

    /// Shows standard error to the user.
    #[must_use]
    pub fn show_errors(mut self) -> Self {
        self.command.stderr(Stdio::inherit());
        self
    }

    /// Runs the program and waits for its end.
    ///
    /// # Errors
    /// It cannot be started, or its output cannot be read.
    pub fn run(mut self) -> io::Result<ProgramResult> {
        let mut running = RunningProgram::start(&mut self.command)?;
        if let Some(input) = self.input.take() {
            running.write_input(input)?;
        }
        let mut output = Vec::new();
        let kill_reason = self.wait_for_end(&mut running, &mut output);
        if !matches!(kill_reason, Ok(None)) {
            let leads_group = self.deadline.is_some();
            running.kill(leads_group);
        }
        let status = running.reap()?;
        output.truncate(self.max_output.saturating_add(1));
        Ok(ProgramResult {
            end: kill_reason?.unwrap_or(ProgramEnd::Ended(status)),
            output,
        })
    }

    /// Reads output until the program has ended. Returns why it must be killed, if it must.
    fn wait_for_end(
        &self,
        running: &mut RunningProgram,
        output: &mut Vec<u8>,
    ) -> io::Result<Option<ProgramEnd>> {
        while !running.has_ended()? {
            if self.deadline.is_some_and(Deadline::has_passed) {
                return Ok(Some(ProgramEnd::TimedOut));
            }
            running.read_output(POLL_INTERVAL, &mut |_, bytes| {
                output.extend_from_slice(bytes);
                Ok(())
            })?;
            if output.len() > self.max_output {
                return Ok(Some(ProgramEnd::OutputTooLong));
            }
        }
        running.read_rest(&mut |_, bytes| {
            output.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok((output.len() > self.max_output).then_some(ProgramEnd::OutputTooLong))
    }
}

/// A running program. It is reaped only at the end, so that its process id stays valid until then.
pub struct RunningProgram {
    child: Child,
    id: Pid,
    /// The pipes of standard output and standard error. `None` if not piped, or closed.
    pipes: [Option<OwnedFd>; 2],
}

impl RunningProgram {
    /// Starts a command.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Self {
            id: id.ok_or(io::ErrorKind::InvalidData)?,
            pipes: [
                child.stdout.take().map(OwnedFd::from),
                child.stderr.take().map(OwnedFd::from),
            ],
            child,
        })
    }

    /// Writes the input in a thread. Nothing waits for the thread: the program may end without
    /// reading everything, and a process that it leaves running may hold the pipe open.
    fn write_input(&mut self, input: Vec<u8>) -> io::Result<()> {
        let Some(mut pipe) = self.child.stdin.take() else {
            return Ok(());
        };
        std::thread::Builder::new()
            .spawn(move || drop(pipe.write_all(&input)))
            .map(drop)
            .inspect_err(|_| {
                // This fails if the program has ended already.
                let _ = self.child.kill();
                let _ = self.child.wait();
            })
    }

    /// Returns whether the program has ended. Does not reap it.
    ///
    /// # Errors
    /// The status cannot be read.
    pub fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.id), options)?.is_some())
    }

    /// Reads available output, or waits up to `wait`, at most [`POLL_INTERVAL`], for some. Returns
    /// the number of bytes.
    ///
    /// # Errors
    /// The output cannot be read, or `reader` fails.
    pub fn read_output(
        &mut self,
        wait: Duration,
        reader: &mut OutputReader<'_>,
    ) -> io::Result<usize> {
        let open_pipes = self.pipes.iter().flatten();
        let mut polled: Vec<PollFd<'_>> = open_pipes
            .map(|pipe| PollFd::new(pipe, PollFlags::IN))
            .collect();
        if polled.is_empty() {
            // The program has closed its output and is probably about to end.
            std::thread::sleep(EXIT_POLL_INTERVAL);
            return Ok(0);
        }
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: wait.min(POLL_INTERVAL).subsec_nanos().into(),
        };
        match poll(&mut polled, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // One flag for each open pipe, in the order of the pipes.
        let ready: Vec<bool> = polled.iter().map(|it| !it.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        let mut buffer = [0; 1 << 14];
        let mut count = 0;
        for (slot, stream) in self.pipes.iter_mut().zip([Stream::Out, Stream::Err]) {
            let Some(pipe) = slot.as_ref().filter(|_| ready.next().unwrap_or_default()) else {
                continue;
            };
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => *slot = None,
                Ok(length) => {
                    count += length;
                    reader(stream, buffer.get(..length).unwrap_or_default())?;
                }
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(count)
    }

    /// Reads the rest of the output of a program that has ended, for a short time.
    ///
    /// # Errors
    /// The output cannot be read, or `reader` fails.
    pub fn read_rest(&mut self, reader: &mut OutputReader<'_>) -> io::Result<()> {
        let end = Deadline::after(OUTPUT_GRACE);
        let mut total = 0;
        while self.pipes.iter().any(Option::is_some) {
            let count = self.read_output(end.time_left(), reader)?;
            total += count;
            // On a busy machine the time may be over before the first read. The program's own
            // output is in the pipes already.
            if end.has_passed() && (count == 0 || total > MAX_PIPED) {
                break;
            }
        }
        Ok(())
    }

    /// Returns whether the program and all processes of its group have ended, and reaps those that
    /// are children of this process. Until then the group keeps its number.
    ///
    /// # Errors
    /// The status cannot be read.
    pub fn has_group_ended(&mut self) -> io::Result<bool> {
        // The child keeps its status for `reap`.
        if self.child.try_wait()?.is_none() {
            return Ok(false);
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        // The call fails if no process of the group is a child of this one.
        while let Ok(Some(_)) = waitid(WaitId::Pgid(Some(self.id)), options) {}
        // A group may also have processes of another user, which cannot be signalled.
        Ok(test_kill_process_group(self.id) == Err(rustix::io::Errno::SRCH))
    }

    /// Sends a signal to the program's process group, which it must lead.
    pub fn signal_group(&self, signal: Signal) {
        // A program that has just started may not lead its group yet. Otherwise the call fails only if
        // no process of the group is left.
        if kill_process_group(self.id, signal).is_err() && matches!(self.has_ended(), Ok(false)) {
            let _ = kill_process(self.id, signal);
        }
    }

    /// Kills the program, with its process group if it leads one.
    fn kill(&self, leads_group: bool) {
        if leads_group {
            self.signal_group(Signal::KILL);
        } else {
            // The call fails if it has ended already.
            let _ = kill_process(self.id, Signal::KILL);
        }
    }

    /// Waits for the end of the program and returns its status.
    ///
    /// # Errors
    /// The status cannot be read.
    pub fn reap(mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

#[cfg(test)]
mod tests;

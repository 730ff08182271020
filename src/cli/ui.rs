//! Input and output of a command: where text goes, how times are shown, and how questions are
//! asked.
//!
//! A write to a closed pipe never stops a command halfway: the output remembers the failure, drops
//! what follows, and the program exits with the matching code at the end.

use std::fmt::Display;
use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anstream::{AutoStream, ColorChoice};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::{Choice, Color, Failure, Kind, Options, OrFail as _};
use crate::clock;
use crate::domain::name::ProjectName;
use crate::domain::time::Time;
use crate::view::{self, time::Dates};

/// The exit code that a shell reports for a program stopped by a closed pipe (128 + SIGPIPE).
const CLOSED_PIPE: u8 = 141;

/// The indent of continuation lines when a sentence is wrapped.
const SENTENCE: usize = 2;

/// The global options and the output streams of the running command.
pub struct Context {
    json: bool,
    yes: bool,
    remote: Option<String>,
    project: Option<ProjectName>,
    dates: Dates,
    width: Option<usize>,
    output: Mutex<Output>,
}

struct Output {
    out: AutoStream<io::Stdout>,
    err: AutoStream<io::Stderr>,
    /// Whether a JSON document is on standard output. There must not be a second one.
    reported: bool,
    /// The first failed write to standard output.
    broken: Option<io::Error>,
}

impl Context {
    pub(super) fn new(options: &Options) -> Self {
        let choice = match options.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let terminal = io::stdout().is_terminal();
        let dates = match options.dates {
            Choice::Relative => Dates::Relative,
            Choice::Auto if terminal => Dates::Relative,
            Choice::Auto | Choice::Iso => Dates::Iso,
        };
        Self {
            json: options.json,
            yes: options.yes,
            remote: options.remote.clone(),
            project: options.project.clone(),
            dates,
            width: width(terminal),
            output: Mutex::new(Output {
                out: AutoStream::new(io::stdout(), choice),
                err: AutoStream::new(io::stderr(), choice),
                reported: false,
                broken: None,
            }),
        }
    }

    /// Returns whether to print a JSON document instead of text.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Returns the remote named with `--remote`.
    pub fn remote(&self) -> Option<&str> {
        self.remote.as_deref()
    }

    /// Returns the project named with `--project`.
    pub fn project(&self) -> Option<&ProjectName> {
        self.project.as_ref()
    }

    /// Returns the maximum width of a line in columns. Returns `None` if there is no limit.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// Returns the current time.
    pub fn now(&self) -> Time {
        clock::now()
    }

    /// Returns how times are shown.
    pub fn dates(&self) -> Dates {
        self.dates
    }

    /// Formats a time as this command shows it.
    pub fn when(&self, time: Time) -> String {
        view::time::when(time, clock::now(), self.dates)
    }

    /// Formats a deadline as this command shows it.
    pub fn until(&self, time: Time) -> String {
        view::time::until(time, clock::now(), self.dates)
    }

    /// Prints lines, which may be styled, on standard output. With `--json`, prints them on
    /// standard error, so that the document stays alone.
    pub fn print(&self, lines: impl Display) {
        if self.json {
            return self.note(lines);
        }
        self.output().write_out(format_args!("{lines}\n"));
    }

    /// Prints lines, which may be styled, on standard error.
    pub fn note(&self, lines: impl Display) {
        // If standard error is closed, the text is lost.
        let _ = writeln!(self.output().err, "{lines}");
    }

    /// Prints a sentence on standard output, wrapped at the terminal's width.
    pub fn say(&self, sentence: impl Display) {
        self.print(self.folded(&sentence.to_string()));
    }

    /// Prints a sentence on standard error, wrapped at the terminal's width.
    pub fn mention(&self, sentence: impl Display) {
        self.note(self.folded(&sentence.to_string()));
    }

    /// Prints a message of the remote on standard error, wrapped at the terminal's width.
    pub fn remote_said(&self, line: &str) {
        self.note(view::wrap::said("remote: ", line, self.width).join("\n"));
    }

    /// Formats a sentence and a command to type. The command stays on one line.
    pub fn with_command(&self, sentence: &str, command: &str) -> String {
        view::wrap::with_command("", SENTENCE, sentence, ": ", command, self.width).join("\n")
    }

    fn folded(&self, text: &str) -> String {
        let lines: Vec<String> = text
            .lines()
            .flat_map(|line| view::wrap::below("", SENTENCE, line, self.width))
            .collect();
        lines.join("\n")
    }

    /// Prints the JSON document of a command. `kind` names its schema: `git-deploy/<kind>/v1`.
    pub fn report(&self, kind: &str, body: &impl Serialize) -> Result<(), Failure> {
        let document = view::json::document(kind, body)
            .or_fail(Kind::CannotTell, "cannot write the JSON document")?;
        let mut output = self.output();
        output.reported = true;
        output.write_out(format_args!("{document}\n"));
        Ok(())
    }

    /// Returns whether a question can be answered: by `--yes`, or by a user at a terminal.
    pub fn can_ask(&self) -> bool {
        self.yes || io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a yes-or-no question.
    ///
    /// # Errors
    ///
    /// Fails without a terminal, and suggests `--yes`.
    pub fn confirm(&self, question: &str) -> Result<bool, Failure> {
        self.confirm_unless(&|| false, question)
    }

    /// Asks a yes-or-no question, and returns no as soon as `given_up` is true.
    ///
    /// Needed because a program that handles Ctrl-C is not stopped by it at a prompt.
    pub fn confirm_unless(
        &self,
        given_up: &dyn Fn() -> bool,
        question: &str,
    ) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        if !self.can_ask() {
            return Err(Failure::new(
                Kind::Usage,
                format!("cannot ask \"{question}\" without a terminal"),
            )
            .hint("the same command with --yes, which answers it with yes"));
        }
        {
            let err = &mut self.output().err;
            write!(err, "{question} [y/N] ")
                .and_then(|()| err.flush())
                .or_fail(Kind::CannotTell, "cannot ask")?;
        }
        while !is_answered().or_fail(Kind::CannotTell, "cannot read the answer")? {
            if given_up() {
                self.note("");
                return Ok(false);
            }
        }
        let mut answer = String::new();
        io::stdin()
            .lock()
            .read_line(&mut answer)
            .or_fail(Kind::CannotTell, "cannot read the answer")?;
        Ok(is_yes(&answer))
    }

    /// Prints the error, if any, and returns the exit code.
    pub(super) fn finish(&self, result: Result<(), Failure>) -> ExitCode {
        let result = result.inspect_err(|failure| self.explain(failure));
        let broken = {
            let mut output = self.output();
            let flushed = output.out.flush().err();
            output.broken.take().or(flushed)
        };
        match (result, broken) {
            // The command's own failure matters more than the closed output.
            (Err(failure), _) => failure.kind().into(),
            (Ok(()), None) => ExitCode::SUCCESS,
            (Ok(()), Some(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                CLOSED_PIPE.into()
            }
            (Ok(()), Some(error)) => {
                let failure = Failure::new(Kind::CannotTell, "cannot write to standard output")
                    .because(error);
                self.explain(&failure);
                failure.kind().into()
            }
        }
    }

    fn explain(&self, failure: &Failure) {
        if let Some(text) = failure.text(self.width) {
            self.note(text);
        }
        // The lock is released before `report` takes it.
        let reported = self.output().reported;
        if let Some(body) = failure.json().filter(|_| self.json && !reported) {
            // If this fails, the text above has the same information.
            let _ = self.report("error", &body);
        }
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        // Only whole lines are written under the lock, so the state is usable even after a panic.
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    fn write_out(&mut self, text: std::fmt::Arguments<'_>) {
        if self.broken.is_none() {
            // Written at once: a stream that strips styles would write line by line.
            let mut whole = AutoStream::new(Vec::new(), self.out.current_choice());
            let written = whole
                .write_fmt(text)
                .and_then(|()| io::stdout().write_all(&whole.into_inner()));
            self.broken = written.err();
        }
    }
}

/// Returns the maximum width: `COLUMNS` if it is set, as in git, else the terminal's width. Returns
/// `None` for files and pipes.
pub(super) fn width(terminal: bool) -> Option<usize> {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|columns| *columns > 0);
    columns.or_else(|| {
        terminal
            .then(terminal_size::terminal_size)
            .flatten()
            .map(|(terminal_size::Width(width), _)| width.into())
    })
}

/// Waits a moment for input, and returns whether there is some.
fn is_answered() -> io::Result<bool> {
    let input = io::stdin();
    let mut polled = [PollFd::new(&input, PollFlags::IN)];
    match poll(
        &mut polled,
        Some(&Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        }),
    ) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that only a clear yes counts as yes, and that an empty line or the end of the input
    /// does not.
    #[test]
    fn answers() {
        assert!(["y\n", "Y", " yes \n", "YES"].into_iter().all(is_yes));
        assert!(
            !["", "\n", "n", "yy", "yes please", "j"]
                .into_iter()
                .any(is_yes)
        );
    }
}

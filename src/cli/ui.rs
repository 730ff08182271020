//! What every command has at hand: where its words go, how it shows moments, and how it asks.
//!
//! A write to a closed pipe never stops a command half-way: the output remembers that it failed, drops what follows, and the
//! program exits accordingly at its end.

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

/// What a shell reports for a program that a closed pipe stopped (128 + SIGPIPE).
const CLOSED_PIPE: u8 = 141;

/// How far in a sentence goes on where it is folded.
const SENTENCE: usize = 2;

/// The surroundings of the one command that runs.
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
    /// A JSON document is on standard output: there must be no second one.
    reported: bool,
    /// The first failure to write to standard output.
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

    /// Whether a JSON document is wanted instead of text.
    pub fn json(&self) -> bool {
        self.json
    }

    /// The remote that was named with `--remote`.
    pub fn remote(&self) -> Option<&str> {
        self.remote.as_deref()
    }

    /// The project that was named with `--project`.
    pub fn project(&self) -> Option<&ProjectName> {
        self.project.as_ref()
    }

    /// The columns that a line may have; `None` where nothing limits it.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// The present moment.
    pub fn now(&self) -> Time {
        clock::now()
    }

    /// How moments are shown.
    pub fn dates(&self) -> Dates {
        self.dates
    }

    /// A moment as this command shows it.
    pub fn when(&self, time: Time) -> String {
        view::time::when(time, clock::now(), self.dates)
    }

    /// Until when something counts, as this command shows it.
    pub fn until(&self, time: Time) -> String {
        view::time::until(time, clock::now(), self.dates)
    }

    /// Prints lines, which may be styled, on standard output; with `--json` on standard error, so that the document stays alone.
    pub fn print(&self, lines: impl Display) {
        if self.json {
            return self.note(lines);
        }
        self.output().write_out(format_args!("{lines}\n"));
    }

    /// Prints lines, which may be styled, on standard error.
    pub fn note(&self, lines: impl Display) {
        // With standard error closed there is nobody left to tell.
        let _ = writeln!(self.output().err, "{lines}");
    }

    /// Prints a sentence on standard output, folded to the terminal's width.
    pub fn say(&self, sentence: impl Display) {
        self.print(self.folded(&sentence.to_string()));
    }

    /// Prints a sentence on standard error, folded likewise.
    pub fn mention(&self, sentence: impl Display) {
        self.note(self.folded(&sentence.to_string()));
    }

    /// Prints what a remote said on standard error, folded likewise.
    pub fn remote_said(&self, line: &str) {
        self.note(view::wrap::said("remote: ", line, self.width).join("\n"));
    }

    /// A sentence and what to type, which stays on one line.
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

    /// Prints the one JSON document of a command: `kind` names its schema, as in `git-deploy/<kind>/v1`.
    pub fn report(&self, kind: &str, body: &impl Serialize) -> Result<(), Failure> {
        let document = view::json::document(kind, body)
            .or_fail(Kind::CannotTell, "cannot write the JSON document")?;
        let mut output = self.output();
        output.reported = true;
        output.write_out(format_args!("{document}\n"));
        Ok(())
    }

    /// Whether a question can be answered: by `--yes`, or by somebody at a terminal.
    pub fn can_ask(&self) -> bool {
        self.yes || io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a question that is answered with yes or no; without a terminal to ask on, an error that names `--yes`.
    pub fn confirm(&self, question: &str) -> Result<bool, Failure> {
        self.confirm_unless(&|| false, question)
    }

    /// The same, unless nobody wants to know any more, which is a no: a program that listens to Ctrl-C is not ended by it at a question.
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

    /// Prints the error, if any, and says how to exit.
    pub(super) fn finish(&self, result: Result<(), Failure>) -> ExitCode {
        let result = result.inspect_err(|failure| self.explain(failure));
        let broken = {
            let mut output = self.output();
            let flushed = output.out.flush().err();
            output.broken.take().or(flushed)
        };
        match (result, broken) {
            // The command's own failure says more than that nobody read its words.
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
        // The lock is given back before `report` takes it.
        let reported = self.output().reported;
        if let Some(body) = failure.json().filter(|_| self.json && !reported) {
            // The text above has told it, should this fail.
            let _ = self.report("error", &body);
        }
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        // Only whole lines are written under the lock, so that what a panicking thread left is usable.
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    fn write_out(&mut self, text: std::fmt::Arguments<'_>) {
        if self.broken.is_none() {
            // In one write: a stream that is written to through the stripping of styles writes line by line.
            let mut whole = AutoStream::new(Vec::new(), self.out.current_choice());
            let written = whole
                .write_fmt(text)
                .and_then(|()| io::stdout().write_all(&whole.into_inner()));
            self.broken = written.err();
        }
    }
}

/// `COLUMNS` where it is set, as with git; else the terminal's width; else no limit, for files and pipes.
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

/// Waits a moment for an answer on standard input; says whether there is one.
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

    /// Whatever is not clearly a yes is a no: an empty line or the end of the input above all.
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

//! Input and output of a command: where text goes, how times are shown, and how questions are
//! asked.
//!
//! A write to a closed pipe never stops a command halfway. The first failure is stored, later
//! output is dropped, and the program exits with the matching code at the end.

use std::fmt::Display;
use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anstream::{AutoStream, ColorChoice};
use anstyle::AnsiColor;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::args::global::{ColorMode, DatesMode, GlobalOptions};
use super::{CliError, ErrorContext as _, ErrorKind};
use crate::clock;
use crate::domain::name::ProjectName;
use crate::domain::time::Time;
use crate::view::{self, announcement::Announcement, time::TimeStyle};

/// The exit code that a shell reports for a program stopped by a closed pipe (128 + SIGPIPE).
const CLOSED_PIPE: u8 = 141;

/// The indent of continuation lines when a sentence is wrapped.
const SENTENCE_INDENT: usize = 2;

/// The global options and the output streams of the running command.
pub struct Ui {
    json: bool,
    yes: bool,
    remote: Option<String>,
    project: Option<ProjectName>,
    dates: TimeStyle,
    width: Option<usize>,
    pub(super) announcements: Mutex<Vec<Announcement>>,
    output: Mutex<OutputStreams>,
}

/// Standard output and standard error, with the state of what was written.
struct OutputStreams {
    out: AutoStream<io::Stdout>,
    err: AutoStream<io::Stderr>,
    /// Whether a JSON document was printed on standard output. There must not be a second one.
    has_document: bool,
    /// The first failed write to standard output.
    write_error: Option<io::Error>,
}

impl Ui {
    pub(super) fn new(options: &GlobalOptions) -> Self {
        let choice = match options.color {
            ColorMode::Auto => ColorChoice::Auto,
            ColorMode::Always => ColorChoice::Always,
            ColorMode::Never => ColorChoice::Never,
        };
        let is_terminal = io::stdout().is_terminal();
        let dates = match options.dates {
            DatesMode::Relative => TimeStyle::Relative,
            DatesMode::Auto if is_terminal => TimeStyle::Relative,
            DatesMode::Auto | DatesMode::Iso => TimeStyle::Iso,
        };
        Self {
            json: options.json,
            yes: options.yes,
            remote: options.remote.clone(),
            project: options.project.clone(),
            dates,
            width: detect_width(is_terminal),
            announcements: Mutex::default(),
            output: Mutex::new(OutputStreams {
                out: AutoStream::new(io::stdout(), choice),
                err: AutoStream::new(io::stderr(), choice),
                has_document: false,
                write_error: None,
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
    #[expect(
        clippy::unused_self,
        reason = "callers ask the user interface for the time"
    )]
    pub fn now(&self) -> Time {
        clock::now()
    }

    /// Returns how times are shown.
    pub fn dates(&self) -> TimeStyle {
        self.dates
    }

    /// Formats a time in the style of `--dates`.
    pub fn format_time(&self, time: Time) -> String {
        view::time::format_time(time, clock::now(), self.dates)
    }

    /// Formats a deadline in the style of `--dates`.
    pub fn format_deadline(&self, time: Time) -> String {
        view::time::format_deadline(time, clock::now(), self.dates)
    }

    /// Prints lines, which may be styled, on standard output. With `--json`, prints them on
    /// standard error, so that standard output contains only the document.
    pub fn print(&self, lines: impl Display) {
        if self.json {
            return self.eprint(lines);
        }
        self.lock_output().write_out(format_args!("{lines}\n"));
    }

    /// Prints lines, which may be styled, on standard error.
    pub fn eprint(&self, lines: impl Display) {
        // If standard error is closed, the text is lost.
        let _ = writeln!(self.lock_output().err, "{lines}");
    }

    /// Prints a sentence on standard output, wrapped at the terminal's width.
    pub fn print_sentence(&self, sentence: impl Display) {
        self.print(self.wrap_sentence(&sentence.to_string()));
    }

    /// Prints a sentence on standard error, wrapped at the terminal's width.
    pub fn eprint_sentence(&self, sentence: impl Display) {
        self.eprint(self.wrap_sentence(&sentence.to_string()));
    }

    /// Prints a warning on standard error, wrapped at the terminal's width.
    pub fn eprint_warning(&self, warning: impl Display) {
        let yellow = AnsiColor::Yellow.on_default();
        self.eprint_sentence(format_args!("{yellow}warning:{yellow:#} {warning}"));
    }

    /// Prints a message of the remote on standard error, wrapped at the terminal's width.
    pub fn eprint_remote(&self, line: &str) {
        self.eprint(view::wrap::wrap_remote_line("remote: ", line, self.width).join("\n"));
    }

    /// Formats a sentence and a command to type. The command stays on one line.
    pub fn format_with_command(&self, sentence: &str, command: &str) -> String {
        view::wrap::wrap_with_command("", SENTENCE_INDENT, sentence, ": ", command, self.width)
            .join("\n")
    }

    fn wrap_sentence(&self, text: &str) -> String {
        let wrap = |line| view::wrap::wrap_indented("", SENTENCE_INDENT, line, self.width);
        let lines: Vec<String> = text.lines().flat_map(wrap).collect();
        lines.join("\n")
    }

    /// Prints the JSON document of a command. `kind` names its schema: `git-deploy/<kind>/v1`.
    pub fn print_document(&self, kind: &str, body: &impl Serialize) -> Result<(), CliError> {
        let document = view::json::render_document(kind, body)
            .context(ErrorKind::CannotTell, "cannot write the JSON document")?;
        let mut output = self.lock_output();
        output.has_document = true;
        output.write_out(format_args!("{document}\n"));
        Ok(())
    }

    /// Returns whether a question can be answered: by `--yes`, or by a user at a terminal.
    pub fn can_ask(&self) -> bool {
        self.yes || io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Waits until the user presses Enter. Does not wait with `--yes` or without a terminal.
    pub fn wait_for_enter(&self) -> Result<(), CliError> {
        if self.yes || !self.can_ask() || !io::stdout().is_terminal() {
            return Ok(());
        }
        {
            let err = &mut self.lock_output().err;
            write!(err, "\nPress Enter to continue ")
                .and_then(|()| err.flush())
                .context(ErrorKind::CannotTell, "cannot write to the terminal")?;
        }
        io::stdin()
            .lock()
            .read_line(&mut String::new())
            .context(ErrorKind::CannotTell, "cannot read from the terminal")?;
        Ok(())
    }

    /// Returns whether the user is at a terminal and can write a text in an editor.
    #[expect(
        clippy::unused_self,
        reason = "callers ask the user interface about the terminal"
    )]
    pub fn can_edit(&self) -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Returns whether the user may be asked for a text: at a terminal, and without `--yes`.
    pub fn can_prompt(&self) -> bool {
        !self.yes && self.can_ask()
    }

    /// Asks for one line of text. An empty answer means `default`.
    pub fn ask(&self, question: &str, default: Option<&str>) -> Result<String, CliError> {
        let shown = default.map_or_else(String::new, |default| format!(" [{default}]"));
        {
            let err = &mut self.lock_output().err;
            write!(err, "{question}{shown}: ")
                .and_then(|()| err.flush())
                .context(ErrorKind::CannotTell, "cannot ask")?;
        }
        let mut answer = String::new();
        let length = io::stdin()
            .lock()
            .read_line(&mut answer)
            .context(ErrorKind::CannotTell, "cannot read the answer")?;
        if length == 0 {
            // The input has ended, so the user's Enter does not end the line of the question.
            self.eprint("");
        }
        let answer = answer.trim();
        Ok(match default {
            Some(default) if answer.is_empty() => default.to_owned(),
            _ => answer.to_owned(),
        })
    }

    /// Asks a yes-or-no question.
    ///
    /// # Errors
    ///
    /// Fails without a terminal, and suggests `--yes`.
    pub fn confirm(&self, question: &str) -> Result<bool, CliError> {
        self.confirm_unless(&|| false, question)
    }

    /// Asks a yes-or-no question, and returns no as soon as `is_cancelled` returns true.
    ///
    /// Deployments need this: they handle Ctrl-C, so it does not end the prompt by itself.
    pub fn confirm_unless(
        &self,
        is_cancelled: &dyn Fn() -> bool,
        question: &str,
    ) -> Result<bool, CliError> {
        if self.yes {
            return Ok(true);
        }
        if !self.can_ask() {
            return Err(CliError::new(
                ErrorKind::Usage,
                format!("cannot ask \"{question}\" without a terminal"),
            )
            .hint("repeat the command with --yes"));
        }
        {
            let err = &mut self.lock_output().err;
            write!(err, "{question} [y/N] ")
                .and_then(|()| err.flush())
                .context(ErrorKind::CannotTell, "cannot ask")?;
        }
        while !has_input().context(ErrorKind::CannotTell, "cannot read the answer")? {
            if is_cancelled() {
                self.eprint("");
                return Ok(false);
            }
        }
        let mut answer = String::new();
        io::stdin()
            .lock()
            .read_line(&mut answer)
            .context(ErrorKind::CannotTell, "cannot read the answer")?;
        Ok(is_yes(&answer))
    }

    /// Prints the error, if any, and returns the exit code.
    pub(super) fn finish(&self, result: Result<(), CliError>) -> ExitCode {
        let result = result.inspect_err(|failure| self.print_error(failure));
        let write_error = {
            let mut output = self.lock_output();
            let flushed = output.out.flush().err();
            output.write_error.take().or(flushed)
        };
        match (result, write_error) {
            // The command's own failure matters more than a failed write.
            (Err(failure), _) => failure.kind().into(),
            (Ok(()), None) => ExitCode::SUCCESS,
            (Ok(()), Some(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                CLOSED_PIPE.into()
            }
            (Ok(()), Some(error)) => {
                let failure =
                    CliError::new(ErrorKind::CannotTell, "cannot write to standard output")
                        .because(error);
                self.print_error(&failure);
                failure.kind().into()
            }
        }
    }

    fn print_error(&self, failure: &CliError) {
        if let Some(text) = failure.render(self.width) {
            self.eprint(text);
        }
        // The lock is released before `print_document` takes it.
        let has_document = self.lock_output().has_document;
        let document = failure.to_document(self.announcements());
        if let Some(body) = document.filter(|_| self.json && !has_document) {
            // If this fails, the text above has the same information.
            let _ = self.print_document("error", &body);
        }
    }

    fn lock_output(&self) -> MutexGuard<'_, OutputStreams> {
        // Only whole lines are written under the lock, so the state is usable even after a panic.
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputStreams {
    fn write_out(&mut self, text: std::fmt::Arguments<'_>) {
        if self.write_error.is_none() {
            // Written in one call: a stream that strips styles would write line by line.
            let mut buffer = AutoStream::new(Vec::new(), self.out.current_choice());
            let written = buffer
                .write_fmt(text)
                .and_then(|()| io::stdout().write_all(&buffer.into_inner()));
            self.write_error = written.err();
        }
    }
}

/// Returns the maximum width: `COLUMNS` if it is set, as in git, else the terminal's width. Returns
/// `None` for files and pipes.
pub(super) fn detect_width(is_terminal: bool) -> Option<usize> {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|columns| *columns > 0);
    columns.or_else(|| {
        is_terminal
            .then(terminal_size::terminal_size)
            .flatten()
            .map(|(terminal_size::Width(width), _)| width.into())
    })
}

/// Waits up to 50 ms for input, and returns whether there is some.
fn has_input() -> io::Result<bool> {
    let input = io::stdin();
    let mut polled = [PollFd::new(&input, PollFlags::IN)];
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: 50_000_000,
    };
    match poll(&mut polled, Some(&timeout)) {
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

//! `git deploy status --watch`: fetches and prints the status again when it changes.

use std::io::IsTerminal as _;
use std::time::Duration;

use super::{Args, read_report, render};
use crate::cli::repository::{find_remote, open_repository};
use crate::cli::{CliError, ErrorKind, Ui, append_error};

/// The pause between two fetches.
const PAUSE: Duration = Duration::from_secs(2);
/// Clears the screen and moves the cursor to its first line.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Prints the status until the process is ended. On a terminal, each output replaces the one before;
/// elsewhere, only changed output is printed.
pub(super) fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    if ui.json() {
        let message = "--watch prints text only";
        return Err(CliError::new(ErrorKind::Usage, message));
    }
    let is_terminal = std::io::stdout().is_terminal();
    let mut printed = None;
    loop {
        let repository = open_repository()?;
        if let Some(remote) = find_remote(&repository, ui)? {
            append_error::sync_ledgers(&repository, &remote, ui)?;
        }
        let text = render(&read_report(args, ui)?, args, ui);
        if is_terminal {
            ui.print(format_args!("{CLEAR}{text}"));
        } else if printed.as_ref() != Some(&text) {
            ui.print(&text);
        }
        printed = Some(text);
        std::thread::sleep(PAUSE);
    }
}

//! The command of `exec`, as its entry and its approvals record it.

use std::ffi::OsString;

use crate::cli::{CliError, ErrorKind};
use crate::domain::address::credentials::check_addresses;
use crate::domain::command_line::quote_word;
use crate::domain::text::Line;

/// Formats the command for the entry, with words quoted for a shell.
pub fn format_command(words: &[OsString]) -> Result<Line, CliError> {
    let words: Option<Vec<String>> = words.iter().map(|it| it.to_str().map(quote_word)).collect();
    let line: Option<Line> = words.and_then(|words| words.join(" ").parse().ok());
    let line = line.ok_or_else(|| {
        CliError::new(
            ErrorKind::Usage,
            "a recorded command must be one line of plain text, at most 1,000 characters",
        )
        .hint("move it to a script in the repository")
    })?;
    check_addresses(line.as_str()).map_err(|error| {
        CliError::new(
            ErrorKind::Usage,
            format!("the command is recorded: {error}"),
        )
        .hint("put the address into a variable of `secrets` in deploy.toml")
    })?;
    Ok(line)
}

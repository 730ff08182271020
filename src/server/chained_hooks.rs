//! Hooks that were installed before ours. They are called first, with the arguments and input from
//! git. If one refuses, ours do not judge the push.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::ref_update::RefUpdate;
use crate::clock::Deadline;
use crate::domain::id::Oid;
use crate::program::executable::is_executable;
use crate::program::{ExternalProgram, ProgramEnd};

/// Runs a hook, if it exists and is executable, as git would. Returns whether it accepts the push.
/// As in git, it has no time limit.
///
/// # Errors
/// The hook could not be started or waited for.
pub fn accepts_push(hook: &Path, arguments: &[OsString], input: &[u8]) -> io::Result<bool> {
    if !is_executable(hook) {
        return Ok(true);
    }
    ExternalProgram::new(hook)
        .args(arguments)
        .input(input)
        .stdout(io::stdout())
        .show_errors()
        .run()
        .map(|result| result.end.is_success())
}

/// Runs the hook `update`, if it exists and is executable, for the update of a ledger. Git does not
/// call it for refs that it hands to proc-receive, and hosts such as gitolite use it to control who
/// may write which ref.
///
/// # Errors
/// The hook could not be started or waited for, or did not end in time.
pub(super) fn accepts_update(
    hook: &Path,
    update: &RefUpdate,
    deadline: Deadline,
) -> io::Result<bool> {
    if !is_executable(hook) {
        return Ok(true);
    }
    // The zero id has as many digits as the other id. If both are zero, it has those of SHA-1.
    let digits = update
        .old
        .or(update.new)
        .map_or(40, |id| id.to_string().len());
    let zero_id = "0".repeat(digits);
    let print_id = |id: Option<Oid>| id.map_or_else(|| zero_id.clone(), |id| id.to_string());
    // Standard output is the connection to git. Git shows standard error to the pusher.
    let result = ExternalProgram::new(hook)
        .args([OsStr::from_bytes(&update.name)])
        .args([print_id(update.old), print_id(update.new)])
        .stdout(io::stderr())
        .show_errors()
        .deadline(deadline)
        .run()?;
    match result.end {
        ProgramEnd::TimedOut => Err(io::ErrorKind::TimedOut.into()),
        end => Ok(end.is_success()),
    }
}

//! Hooks that were installed before ours. They are called first, with the arguments and input from
//! git. If one refuses, ours do not judge the push.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ref_update::RefUpdate;
use crate::domain::id::Oid;

/// Runs a hook, if it exists and is executable, as git would. Returns whether it accepts the push.
///
/// # Errors
/// The hook could not be started or waited for.
pub fn accepts_push(hook: &Path, arguments: &[OsString], input: &[u8]) -> std::io::Result<bool> {
    if !is_runnable(hook) {
        return Ok(true);
    }
    let mut child = Command::new(hook)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // A hook may exit without reading its input. Only its exit status counts.
        let _ = pipe.write_all(input);
    }
    child.wait().map(|status| status.success())
}

/// Runs the hook `update`, if it exists and is executable, for the update of a ledger. Git does not
/// call it for refs that it hands to proc-receive, and hosts such as gitolite use it to control who
/// may write which ref.
///
/// # Errors
/// The hook could not be started or waited for.
pub(super) fn accepts_update(hook: &Path, update: &RefUpdate) -> std::io::Result<bool> {
    if !is_runnable(hook) {
        return Ok(true);
    }
    // As long as the other id.
    let nothing = "0".repeat(
        update
            .old
            .or(update.new)
            .map_or(40, |id| id.to_string().len()),
    );
    let id = |id: Option<Oid>| id.map_or_else(|| nothing.clone(), |id| id.to_string());
    let mut command = Command::new(hook);
    command
        .arg(OsStr::from_bytes(&update.name))
        .arg(id(update.old))
        .arg(id(update.new));
    // Standard output is the connection to git. Git shows standard error to the pusher.
    command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map(|status| status.success())
}

/// Returns whether the file is a hook that git would run.
fn is_runnable(hook: &Path) -> bool {
    hook.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

//! Hooks that were there before ours: called first, with the words that git gave us. If one says no, ours need not look.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ref_update::Update;
use crate::domain::id::Oid;

/// Runs a hook if it is there and may be run, as git would; whether it lets the push pass.
///
/// # Errors
/// It could not be started, or not be waited for.
pub fn allows(hook: &Path, arguments: &[OsString], input: &[u8]) -> std::io::Result<bool> {
    if !runnable(hook) {
        return Ok(true);
    }
    let mut child = Command::new(hook)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // A hook that does not read is content with less: its exit code tells.
        let _ = pipe.write_all(input);
    }
    child.wait().map(|status| status.success())
}

/// Asks the hook `update`, if it is there and may be run, about a ledger: git itself does not, for what it hands to proc-receive, and
/// hosts such as gitolite say with it who may write which ref.
///
/// # Errors
/// It could not be started, or not be waited for.
pub(super) fn allows_update(hook: &Path, update: &Update) -> std::io::Result<bool> {
    if !runnable(hook) {
        return Ok(true);
    }
    // As long as the ids that are there.
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
    // Standard output is the conversation with git, which shows the pusher what comes on standard error.
    command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map(|status| status.success())
}

fn runnable(hook: &Path) -> bool {
    hook.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

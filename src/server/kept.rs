//! Hooks that were there before ours: called first, with the words that git gave us. If one says no, ours need not look.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a hook if it is there and may be run, as git would; whether it lets the push pass.
///
/// # Errors
/// It could not be started, or not be waited for.
pub fn allows(hook: &Path, arguments: &[OsString], input: &[u8]) -> std::io::Result<bool> {
    let runnable = hook.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    if !runnable {
        return Ok(true);
    }
    let mut child = Command::new(hook).args(arguments).stdin(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // A hook that does not read is content with less: its exit code tells.
        let _ = pipe.write_all(input);
    }
    child.wait().map(|status| status.success())
}

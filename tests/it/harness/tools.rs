//! The tools that tests need and that a machine may lack.
//!
//! The test framework cannot mark a running test as skipped. So a test that lacks a tool says so on the process's own standard
//! error, which the framework does not capture, and adds a line to the file that `SKIPPED_TESTS` names: `tests/run` prints that list
//! at the end. With `CI` set a missing tool is a failure.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

/// Returns whether a tool is installed. If it is not, reports the running test as skipped, and in CI fails.
///
/// `if !has_tool("minisign") { return; }`
pub fn has_tool(tool: &str) -> bool {
    if find_tool(tool).is_some() {
        return true;
    }
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!ci, "{tool} is missing, and CI must have it");
    skip(&format!("needs {tool}"));
    false
}

/// Reports the running test as skipped, for a reason such as `needs minisign`.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("skipped: {reason}: {}\n", thread.name().unwrap_or("?"));
    // Written past the framework, which hides what `eprintln!` prints in a test that passes.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(list) = std::env::var_os("SKIPPED_TESTS") {
        let file = OpenOptions::new().append(true).create(true).open(list);
        file.unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// Returns the path of a tool. Looks in `PATH` and where servers are installed.
pub fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

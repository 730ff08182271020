//! The helper that isolates a command: this program, started again under another name. It restricts
//! itself and then becomes the command.
//!
//! It does nothing else, and a process can only lose access by it, so it does no harm if anyone else
//! starts it. The command's variables have a prefix in the helper's environment. Otherwise one such as
//! `LD_PRELOAD` could run other code in the helper before it has restricted itself.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The name under which this program is the helper.
const HELPER_NAME: &str = "git-deploy-isolated-command";
/// This program's own file. Unlike the path from which it was started, it cannot have been replaced
/// since then.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// What the names of the command's variables begin with in the helper's environment.
const VARIABLE_PREFIX: &str = "COMMAND_";
/// Ends the list of writable paths.
const SEPARATOR: &str = "--";
/// The kinds of isolation.
const SESSION: &str = "session";
const PROCESSES: &str = "processes";
const PROCESSES_AT_TERMINAL: &str = "processes-at-terminal";
const FILES: &str = "files";
/// What the helper's error messages begin with.
const MESSAGE_PREFIX: &str = "git-deploy: ";
/// The exit codes of a shell that cannot execute a program, or cannot find it.
const CANNOT_EXECUTE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// What the helper does before it becomes the command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'a> {
    /// Begins a session of its own, which has no terminal.
    Session,
    /// Also isolates itself from other processes.
    Processes,
    /// Isolates itself from other processes, and keeps the caller's terminal.
    ProcessesAtTerminal,
    /// Begins a session, isolates itself from other processes, and can write only to these files.
    Files(&'a [PathBuf]),
}

/// Checks whether this process can start itself again. Unit tests are another program.
pub(super) fn can_start() -> bool {
    !cfg!(test) && Path::new(OWN_PROGRAM).exists()
}

/// Builds the helper, without a command.
pub(super) fn build(kind: Kind<'_>) -> Command {
    let (name, files) = match kind {
        Kind::Session => (SESSION, &[][..]),
        Kind::Processes => (PROCESSES, &[][..]),
        Kind::ProcessesAtTerminal => (PROCESSES_AT_TERMINAL, &[][..]),
        Kind::Files(files) => (FILES, files),
    };
    let mut helper = Command::new(OWN_PROGRAM);
    helper
        .arg0(HELPER_NAME)
        .arg(name)
        .args(files)
        .arg(SEPARATOR);
    helper
}

/// Sets the whole environment of the command that the helper becomes.
pub(super) fn set_variables(
    helper: &mut Command,
    variables: &BTreeMap<impl AsRef<OsStr>, OsString>,
) {
    let prefixed = variables.iter().map(|(name, value)| {
        let mut prefixed = OsString::from(VARIABLE_PREFIX);
        prefixed.push(name);
        (prefixed, value)
    });
    helper.env_clear().envs(prefixed);
}

/// Returns the cause in what a failed helper has printed.
pub(super) fn read_error(printed: &[u8]) -> String {
    let text = String::from_utf8_lossy(printed);
    text.trim_start_matches(MESSAGE_PREFIX)
        .trim_end()
        .to_owned()
}

/// Runs the helper if this process was started as one. Returns its exit code if it has not become a
/// command.
pub fn run_if_helper() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    if words.next()? != HELPER_NAME {
        return None;
    }
    let (status, error) = match (restrict_self(&mut words), words.next()) {
        (Err(error), _) => (CANNOT_EXECUTE, error),
        // Without a command, the caller asks whether this machine can isolate commands.
        (Ok(()), None) => return Some(ExitCode::SUCCESS),
        (Ok(()), Some(program)) => execute(&program, words),
    };
    // If standard error is closed, the message is lost.
    let _ = writeln!(io::stderr(), "{MESSAGE_PREFIX}{error}");
    Some(ExitCode::from(status))
}

/// Reads the kind of isolation and the writable paths, and restricts this process.
///
/// A session of its own keeps a command from typing in the caller's terminal. Files that the caller left
/// open are closed when the command is executed: they may belong to a user with more rights.
fn restrict_self(words: &mut impl Iterator<Item = OsString>) -> Result<(), String> {
    let kind = words.next().unwrap_or_default();
    let files: Vec<PathBuf> = words
        .take_while(|word| word != SEPARATOR)
        .map(PathBuf::from)
        .collect();
    let kind = match kind.to_str() {
        Some(SESSION) => Kind::Session,
        Some(PROCESSES) => Kind::Processes,
        Some(PROCESSES_AT_TERMINAL) => Kind::ProcessesAtTerminal,
        Some(FILES) => Kind::Files(&files),
        _ => return Err("unknown kind of isolation".to_owned()),
    };
    close_fds::set_fds_cloexec(3, &[]);
    if !matches!(kind, Kind::ProcessesAtTerminal) {
        // The call fails only for a process that leads its group already.
        let _ = rustix::process::setsid();
    }
    match kind {
        Kind::Session => Ok(()),
        Kind::Processes | Kind::ProcessesAtTerminal => restrict(None),
        Kind::Files(files) => restrict(Some(files)),
    }
}

#[cfg(target_os = "linux")]
fn restrict(files: Option<&[PathBuf]>) -> Result<(), String> {
    super::domain::restrict_self(files).map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
fn restrict(_: Option<&[PathBuf]>) -> Result<(), String> {
    Err("only Linux has Landlock".to_owned())
}

/// Becomes the command. Returns the exit code and the message if that fails.
fn execute(program: &OsStr, arguments: impl Iterator<Item = OsString>) -> (u8, String) {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.as_bytes().strip_prefix(VARIABLE_PREFIX.as_bytes())?;
        Some((OsStr::from_bytes(name).to_owned(), value))
    });
    let error = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(variables)
        .exec();
    let status = match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => CANNOT_EXECUTE,
    };
    let program = Path::new(program).display();
    (status, format!("cannot run {program}: {error}"))
}

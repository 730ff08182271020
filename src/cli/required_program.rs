//! Refuses a command whose program cannot be executed, before a start entry is written: a typing error
//! must not be recorded as a failed deployment.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::{CliError, ErrorKind};
use crate::domain::command_line::quote_word;
use crate::domain::text::sanitize;
use crate::program::executable::{find_missing_interpreter, find_program, is_executable};

/// Fails if the program of a command that runs in `folder` cannot be executed; `None` is the working
/// directory. A name without a slash is looked for in `search_path`, the command's `PATH`.
pub fn require_program(
    name: &OsStr,
    search_path: &OsStr,
    folder: Option<&Path>,
) -> Result<(), CliError> {
    let is_path = name.as_bytes().contains(&b'/');
    let path = folder.unwrap_or(Path::new("")).join(name);
    let found = if is_path {
        Some(path.clone()).filter(|path| is_executable(path))
    } else {
        find_program(name, search_path)
    };
    match found {
        Some(program) => match find_missing_interpreter(&program, search_path) {
            Some(interpreter) => Err(explain_interpreter(
                name,
                &program,
                &interpreter,
                folder.is_none(),
            )),
            None => Ok(()),
        },
        None if folder.is_none() => Err(explain_missing(name, &path, is_path)),
        None => {
            let name = sanitize(&name.to_string_lossy());
            let what = if path.is_file() {
                format!("{name} is not executable in the commit")
            } else {
                format!("there is no command {name}")
            };
            Err(CliError::new(ErrorKind::Usage, what))
        }
    }
}

/// Returns the error for a program that is missing or not executable.
fn explain_missing(name: &OsStr, path: &Path, is_path: bool) -> CliError {
    let name = sanitize(&name.to_string_lossy());
    let usage = |message: String| CliError::new(ErrorKind::Usage, message);
    if is_path && path.is_file() {
        usage(format!("{name} is not executable")).hint(format!("chmod +x {}", quote_word(&name)))
    } else if !is_path && is_executable(path) {
        usage(format!("there is no command {name}")).hint(quote_word(&format!("./{name}")))
    } else {
        usage(format!("there is no command {name}"))
    }
}

/// Returns the error for a script that names an interpreter that cannot be executed.
fn explain_interpreter(
    name: &OsStr,
    program: &Path,
    interpreter: &str,
    is_own_file: bool,
) -> CliError {
    let name = sanitize(&name.to_string_lossy());
    let message = format!(
        "{name} cannot be executed: there is no program {}, which its first line names",
        interpreter.escape_debug()
    );
    let error = CliError::new(ErrorKind::Usage, message);
    let word = quote_word(&program.to_string_lossy());
    // A checkout is gone when the message is read.
    if !is_own_file {
        return error;
    }
    if interpreter.ends_with('\r') {
        error
            .because("its lines end as on Windows")
            .hint(format!("sed -i.bak 's/\\r$//' {word}"))
    } else {
        error.hint(format!("head -n 1 {word}"))
    }
}

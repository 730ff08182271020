//! Finds out before a deployment starts that a command of the policy cannot begin, because it calls a
//! script that cannot be executed. Otherwise a failed deployment would be recorded that never began.

use std::ffi::OsStr;
use std::path::{Component, Path};

use super::command_env::ComponentJob;
use crate::domain::policy::ShellCommand;
use crate::git::Repository;
use crate::program::executable::{find_missing_interpreter, is_executable, parse_first_line};

/// The largest script that is looked into, in bytes.
const MAX_SCRIPT: usize = 1 << 20;
/// The characters after which a shell may do something else than to execute the first word.
const OPERATORS: &[char] = &['|', '&', ';', '<', '>', '(', ')', '`', '\n'];

/// Why a script cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptFault {
    /// The commit has it at this path, without the mode of an executable file.
    NotExecutable(String),
    /// No file at this path can be executed.
    Missing(String),
    /// The first line of the script at this path names a program that does not exist.
    NoInterpreter(String, String),
}

impl std::fmt::Display for ScriptFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotExecutable(path) => write!(f, "{path} is not executable in the commit"),
            Self::Missing(path) => write!(f, "{path} cannot be executed"),
            Self::NoInterpreter(path, interpreter) => write!(
                f,
                "there is no program {}, which the first line of {path} names",
                interpreter.escape_debug()
            ),
        }
    }
}

/// Returns why the script that a command calls cannot be executed. Returns `None` if it can be, and if
/// that is not certain: the command is more than one call, or calls a program by its name.
pub fn find_fault(
    repository: &Repository,
    job: &ComponentJob,
    command: &ShellCommand,
) -> Option<ScriptFault> {
    let script = find_script(command.as_str())?;
    if script.is_absolute() {
        let name = || script.display().to_string();
        if !is_executable(script) {
            return Some(ScriptFault::Missing(name()));
        }
        // The command may get another PATH than this program.
        let interpreter = find_missing_interpreter(script, OsStr::new(""))?;
        return interpreter
            .starts_with('/')
            .then(|| ScriptFault::NoInterpreter(name(), interpreter));
    }
    let folder = job.folder.strip_prefix(&job.checkout.folder).ok()?;
    let path = normalize(&folder.join(script))?;
    // A file that is missing may be reached through a symbolic link.
    let file = job.checkout.find_file(&path)?;
    match &*file.mode {
        b"100644" => Some(ScriptFault::NotExecutable(path)),
        b"100755" => {
            let text = repository.read_blob(file.id, MAX_SCRIPT).ok()?;
            let (interpreter, _) = parse_first_line(&text)?;
            let is_missing = !is_executable(&interpreter);
            is_missing
                .then(|| ScriptFault::NoInterpreter(path, interpreter.to_string_lossy().into()))
        }
        _ => None,
    }
}

/// Returns the path of the script if a command is a single call of one.
fn find_script(command: &str) -> Option<&Path> {
    let word = command.split_ascii_whitespace().next()?;
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "._-/".contains(character);
    let is_single = !command.trim().contains(OPERATORS);
    (is_single && word.contains('/') && word.chars().all(is_plain)).then(|| Path::new(word))
}

/// Returns a relative path without `.`, or `None` if it contains `..`.
fn normalize(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_call_of_a_script_is_judged() {
        for (command, script) in [
            ("./deploy.sh", Some("./deploy.sh")),
            (
                "  scripts/deploy \"$DEPLOY_ENV\" 2 \n",
                Some("scripts/deploy"),
            ),
            ("/usr/bin/make install", Some("/usr/bin/make")),
            ("deploy.sh", None),
            ("sh ./deploy.sh", None),
            ("A=1 ./deploy.sh", None),
            ("$HOME/deploy.sh", None),
            ("./missing || ./fallback", None),
            ("./missing; true", None),
            ("./a\n./b", None),
            ("./a $(./b)", None),
            ("'./a b'", None),
        ] {
            assert_eq!(find_script(command), script.map(Path::new), "{command}");
        }
        assert_eq!(
            normalize(Path::new("api/./x/y")).as_deref(),
            Some("api/x/y")
        );
        assert_eq!(normalize(Path::new("api/../x")), None);
    }
}

//! Isolates the policy's commands: each one runs in a Landlock domain of its own, so that it cannot
//! read the memory and the environment of any other process. They may hold the signing key or
//! another component's secrets. A command can also be limited to writing its own files.
//!
//! A process can only restrict itself, and must do so before the command's first instruction. So
//! this program starts itself again as a helper, which restricts itself and then executes the
//! command. See `helper`.

mod component_files;
#[cfg(target_os = "linux")]
mod domain;
mod helper;
mod own_git;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use component_files::{FilesError, WritableFiles};
pub use helper::run_if_helper;
pub use own_git::isolate_own_git;

use crate::domain::policy;
use helper::Kind;

/// How one command is isolated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandIsolation {
    /// Only from the terminal and from open files of the caller.
    Off,
    /// From other processes.
    Processes,
    /// From other processes, and from all files except these, with everything below them. The paths
    /// are canonical.
    Files(Vec<PathBuf>),
}

impl CommandIsolation {
    /// Returns what the policy asks for. With `files`, a command may so far write only to `/tmp`.
    pub fn new(isolation: policy::Isolation) -> Self {
        match isolation {
            policy::Isolation::Off => Self::Off,
            policy::Isolation::Processes => Self::Processes,
            // A missing /tmp is not needed.
            policy::Isolation::Files => {
                Self::Files(Path::new("/tmp").canonicalize().into_iter().collect())
            }
        }
    }

    /// Lets the command also write to these canonical paths, if its files are isolated.
    #[must_use]
    pub fn allow<'p>(&self, paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut isolation = self.clone();
        if let Self::Files(files) = &mut isolation {
            files.extend(paths.into_iter().map(Path::to_owned));
        }
        isolation
    }

    /// Explains why a failed command could not use `sudo`, if these texts, the command and the end of
    /// its output, mention that. Returns `None` if isolation is not the reason.
    pub fn explain_sudo<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Option<String> {
        let uses_sudo = |text: &str| {
            text.split(|character: char| !character.is_alphanumeric() && character != '_')
                .any(|word| word == "sudo")
        };
        // Root can use it.
        let is_blocked = *self != Self::Off && !rustix::process::geteuid().is_root();
        (is_blocked && texts.into_iter().any(uses_sudo)).then(|| {
            "an isolated command cannot use sudo: run the deployment as the other user, or set isolation = \"off\" for the environment".to_owned()
        })
    }

    /// Checks whether this machine can isolate commands in this way, by doing it.
    ///
    /// # Errors
    /// The error says why it cannot.
    pub fn check_support(&self) -> Result<(), String> {
        if *self == Self::Off {
            return Ok(());
        }
        if !cfg!(target_os = "linux") {
            return Err("only Linux has Landlock".to_owned());
        }
        let mut helper = self.helper();
        match helper.env_clear().stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(helper::read_error(&output.stderr)),
            Err(error) => Err(format!(
                "cannot start the helper that isolates them: {error}"
            )),
        }
    }

    /// Builds a command from its words and its whole environment. It leads a process group of its own,
    /// and a session, except without isolation on a machine that cannot start the helper.
    pub fn command(
        &self,
        program: &OsStr,
        arguments: &[OsString],
        variables: &BTreeMap<String, OsString>,
    ) -> Command {
        if *self == Self::Off && !helper::can_start() {
            let mut command = Command::new(program);
            command.args(arguments).env_clear().envs(variables);
            command.process_group(0);
            return command;
        }
        let mut helper = self.helper();
        helper.arg(program).args(arguments);
        helper::set_variables(&mut helper, variables);
        helper
    }

    /// Builds the helper without a command.
    fn helper(&self) -> Command {
        helper::build(match self {
            Self::Off => Kind::Session,
            Self::Processes => Kind::Processes,
            Self::Files(files) => Kind::Files(files),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise the command's `LD_PRELOAD` would run code in the helper before it is restricted.
    #[test]
    fn the_helper_gets_no_variable_of_the_command() {
        let names = ["LD_PRELOAD", "LD_LIBRARY_PATH", "PATH", "GLIBC_TUNABLES"];
        let variables = names.map(|name| (name.to_owned(), OsString::from("value")));
        let variables = BTreeMap::from(variables);
        for isolation in [
            CommandIsolation::Processes,
            CommandIsolation::Files(vec!["/tmp".into()]),
        ] {
            let command = isolation.command(OsStr::new("true"), &[], &variables);
            let found: Vec<&OsStr> = command.get_envs().map(|(name, _)| name).collect();
            assert_eq!(found.len(), names.len());
            for name in found {
                assert!(name.to_string_lossy().starts_with("COMMAND_"), "{name:?}");
            }
        }
        let command = CommandIsolation::Off.command(OsStr::new("true"), &[], &variables);
        assert_eq!(command.get_program(), "true");
    }

    #[test]
    fn sudo_is_recognized_as_a_word() {
        let explains = |text| CommandIsolation::Processes.explain_sudo([text]).is_some();
        let is_blocked = !rustix::process::geteuid().is_root();
        for text in [
            "sudo make install",
            "/usr/bin/sudo -n true",
            "sudo: a password is required",
        ] {
            assert_eq!(explains(text), is_blocked, "{text}");
            assert_eq!(CommandIsolation::Off.explain_sudo([text]), None);
        }
        for text in ["make install", "pseudo", "sudoers", "$my_sudo"] {
            assert!(!explains(text), "{text}");
        }
    }
}

//! Decides how the commands of a run are isolated, says so if they are not, and refuses to run them
//! if they could then read the signing key.

use std::path::PathBuf;

use super::runner::DeployRunner;
use crate::cli::key_lookup::{self, KeySource};
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::entry::Deployment;
use crate::domain::name::ComponentName;
use crate::domain::policy::{self, Environment};
use crate::git::private_files::find_user_folder;
use crate::run::isolation::{CommandIsolation, FilesError, WritableFiles, isolate_own_git};
use crate::signing::exposed_key::find_exposed_key;

/// The git setting that lets commands run although they can read the signing key. It is never taken
/// from the remote.
const ALLOW_EXPOSED_KEY_SETTING: &str = "deploy.allowExposedKey";

/// How the commands of a run are isolated.
pub(super) struct RunIsolation {
    /// How each command is isolated.
    pub commands: CommandIsolation,
    /// The files that a component's commands may change if files are isolated.
    pub writable: WritableFiles,
}

impl DeployRunner<'_> {
    /// Decides how the commands of a deployment are isolated.
    ///
    /// # Errors
    ///
    /// Fails if this machine cannot isolate files but the policy asks for it, if a command could
    /// read the signing key, or if a path that commands may change contains a protected one.
    pub(super) fn isolate_commands(
        &self,
        deployment: &Deployment,
    ) -> Result<RunIsolation, CliError> {
        let (_, rules) = self.workspace.find_environment(self.env.name().as_str())?;
        let components = deployment.components.iter();
        let components = components.map(|change| &change.target.component);
        self.isolate(rules, components, &|text| self.ui.eprint_sentence(text))
    }

    /// Decides how the commands of notifications are isolated. They may write to no component's
    /// files.
    pub(super) fn isolate_notifications(
        &self,
        rules: &Environment,
    ) -> Result<CommandIsolation, String> {
        // The run itself has printed the note.
        match self.isolate(rules, [], &|_| ()) {
            Ok(isolation) => Ok(isolation.commands),
            Err(error) => Err(error.to_sentence()),
        }
    }

    /// Decides how commands are isolated, and which files those of these components may change.
    fn isolate<'c>(
        &self,
        rules: &Environment,
        components: impl IntoIterator<Item = &'c ComponentName>,
        note: &dyn Fn(std::fmt::Arguments<'_>),
    ) -> Result<RunIsolation, CliError> {
        let commands = self.choose_isolation(rules, note)?;
        if commands != CommandIsolation::Off {
            // Before the first entry: a git that cannot push from there must fail before a command runs.
            isolate_own_git().context(
                ErrorKind::CannotTell,
                "cannot keep the signing key from git",
            )?;
        }
        let mut writable = WritableFiles::default();
        if let CommandIsolation::Files(shared) = &commands {
            let programs = self.workspace.repository.find_program_paths().context(
                ErrorKind::CannotTell,
                "cannot find the programs that git starts",
            )?;
            let protected = self.list_protected_paths(programs.files)?;
            let policy = &self.workspace.policy;
            writable =
                WritableFiles::find(policy, components, shared, &protected, &programs.folders)
                    .map_err(explain_files_error)?;
        }
        Ok(RunIsolation { commands, writable })
    }

    /// Returns how commands are isolated: as the policy asks for, or not at all if this machine
    /// cannot isolate processes. Prints a note if they are not isolated.
    fn choose_isolation(
        &self,
        rules: &Environment,
        note: &dyn Fn(std::fmt::Arguments<'_>),
    ) -> Result<CommandIsolation, CliError> {
        let name = self.env.name();
        let wanted = CommandIsolation::new(rules.isolation);
        let reason = match wanted.check_support() {
            Ok(()) if wanted != CommandIsolation::Off => return Ok(wanted),
            Ok(()) => "isolation = \"off\" in the policy".to_owned(),
            Err(error) if rules.isolation == policy::Isolation::Files => {
                return Err(CliError::new(
                    ErrorKind::Denied,
                    format!(
                        "{name} has isolation = \"files\", and this machine cannot isolate files: no command was run"
                    ),
                )
                .because(error));
            }
            Err(error) => error,
        };
        let allowed = self
            .workspace
            .repository
            .config_bool(ALLOW_EXPOSED_KEY_SETTING)
            .context(ErrorKind::CannotTell, "cannot read git's configuration")?;
        if allowed != Some(true)
            && let Some(exposed) = find_exposed_key()
        {
            let by_policy = rules.isolation == policy::Isolation::Off;
            let failure = CliError::new(
                ErrorKind::Denied,
                format!("the commands of {name} could read the signing key: no command was run"),
            )
            .because(format!(
                "{exposed}, and the commands are not isolated ({reason})"
            ));
            let safe_way =
                "remove isolation = \"off\" in deploy.toml, then git deploy policy publish";
            return Err(by_policy
                .then_some(safe_way)
                .into_iter()
                .fold(failure, CliError::hint)
                .hint(format!("git config {ALLOW_EXPOSED_KEY_SETTING} true")));
        }
        note(format_args!(
            "The commands of {name} are not isolated: {reason}."
        ));
        Ok(CommandIsolation::Off)
    }

    /// Lists the files and folders that no command may change if files are isolated: the repository,
    /// git's configuration and its hooks, the programs that git starts, this program, the signing key, and
    /// the folders of other components.
    fn list_protected_paths(&self, programs: Vec<PathBuf>) -> Result<Vec<PathBuf>, CliError> {
        let repository = &self.workspace.repository;
        let mut paths = vec![
            repository.git_dir().to_owned(),
            repository.common_dir().to_owned(),
            PathBuf::from("/etc/gitconfig"),
        ];
        let of_git = repository.list_config_paths();
        paths.extend(of_git.context(
            ErrorKind::CannotTell,
            "cannot read the configuration of git",
        )?);
        paths.extend(programs);
        paths.extend(std::env::current_exe());
        paths.extend(find_user_folder());
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        paths.extend(variable("GIT_CONFIG_GLOBAL"));
        paths.extend(variable("GIT_CONFIG_SYSTEM"));
        paths.extend(variable("XDG_CONFIG_HOME").map(|folder| folder.join("git")));
        if let Some(home) = variable("HOME") {
            paths.push(home.join(".gitconfig"));
            paths.push(home.join(".config/git"));
            // The settings of ssh name programs.
            paths.push(home.join(".ssh"));
        }
        match key_lookup::find_source(Some(repository))? {
            KeySource::Program(path) | KeySource::File(path) => paths.push(path),
            KeySource::Variable | KeySource::Missing => {}
        }
        // An empty variable names no file.
        let paths = paths.iter().filter(|path| !path.as_os_str().is_empty());
        paths
            .map(std::path::absolute)
            .collect::<std::io::Result<_>>()
            .context(ErrorKind::CannotTell, "cannot find the working directory")
    }
}

fn explain_files_error(error: FilesError) -> CliError {
    let message = "cannot isolate the files of the commands";
    match error {
        FilesError::Unreadable { ref resolved, .. } => {
            let hint = format!("mkdir -p {}", resolved.display());
            CliError::new(ErrorKind::CannotTell, message)
                .because(error)
                .hint(hint)
        }
        FilesError::NoHome { .. } => CliError::new(ErrorKind::CannotTell, message).because(error),
        FilesError::Protected { .. } => CliError::new(ErrorKind::Denied, message).because(error),
    }
}

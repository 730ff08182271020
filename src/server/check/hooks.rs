//! Checks the hooks: they exist, are executable, are ours, call the right program, and are called
//! first.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::{CheckSubject, Inspector};
use crate::clock::Deadline;
use crate::git;
use crate::program::ExternalProgram;
use crate::program::executable::{find_program, is_executable};
use crate::server::location::find_hooks_folder;
use crate::server::required_settings::{HOOKS_PATH, RequiredSetting};
use crate::server::shell::quote_path;
use crate::server::shim::{find_shim_program, previous_hook_path};

/// How long a program may take to print its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes that a program may print as its version.
const MAX_VERSION_BYTES: usize = 64 << 10;
/// The most characters of a version that are reported.
const MAX_VERSION_CHARS: usize = 80;
/// The most bytes of a hook that are read. A shim is far shorter.
const MAX_HOOK_BYTES: u64 = 64 << 10;

impl Inspector<'_> {
    /// Checks the hooks of a repository. `uses_proc_receive` says whether git hands the updates of
    /// ledgers to proc-receive.
    pub(super) fn check_hooks(&mut self, uses_proc_receive: bool) -> git::Result<()> {
        let folder = find_hooks_folder(self.repository)?;
        let common_dir = self.repository.common_dir().to_owned();
        if !fs::canonicalize(&folder)
            .unwrap_or_else(|_| folder.clone())
            .starts_with(&common_dir)
        {
            let RequiredSetting { key, otherwise, .. } = HOOKS_PATH;
            self.add_finding(
                CheckSubject::Hooks,
                HOOKS_PATH.level,
                format!("{key} points git to {}, {otherwise}", folder.display()),
                self.git_command(&format!("config {key} hooks")),
            );
        }
        let second_hook = if uses_proc_receive {
            "proc-receive"
        } else {
            "update"
        };
        for name in ["pre-receive", second_hook] {
            self.check_hook(&folder.join(name), name);
        }
        // The other hooks are optional, but must not call another program.
        for name in ["post-receive", "reference-transaction"] {
            let path = folder.join(name);
            if matches!(read_hook(&path), Ok(Some(text)) if find_shim_program(&text, name).is_some())
            {
                self.check_hook(&path, name);
            }
        }
        if self.is_good(CheckSubject::Hooks) {
            let program = self.program.display();
            self.add_good(
                CheckSubject::Hooks,
                format!("pre-receive and {second_hook} call {program}, which is this git-deploy"),
            );
        }
        Ok(())
    }

    /// Checks one hook.
    fn check_hook(&mut self, path: &Path, name: &str) {
        let text = match read_hook(path) {
            Ok(Some(text)) => text,
            Ok(None) => {
                let message = format!("{} is missing: no hook judges pushes", path.display());
                return self.add_problem(CheckSubject::Hooks, message, self.install_command());
            }
            Err(error) => {
                let message = format!("{} cannot be read: {error}", path.display());
                let remedy = format!("ls -l {}", quote_path(path));
                return self.add_problem(CheckSubject::Hooks, message, remedy);
            }
        };
        let Ok(metadata) = path.metadata() else {
            return;
        };
        if !is_executable(path) {
            let message = format!("{} is not executable: git ignores it", path.display());
            let remedy = format!("chmod +x {}", quote_path(path));
            self.add_problem(CheckSubject::Hooks, message, remedy);
        }
        if let Ok(repository_metadata) = self.repository.common_dir().metadata() {
            self.check_writers(path, &metadata, &repository_metadata);
        }
        if let Some(program) = find_shim_program(&text, name) {
            self.check_program(path, &program);
        } else {
            self.add_foreign_hook(path, name);
        }
        self.check_previous_hook(&previous_hook_path(path));
    }

    /// Adds the finding that a hook of ours is missing because another program's hook has its name.
    fn add_foreign_hook(&mut self, path: &Path, name: &str) {
        let message = format!(
            "{} is another program's hook, so git-deploy is not called first",
            path.display()
        );
        let remedy = match name {
            // Git calls only one proc-receive, and ours does not call another.
            "proc-receive" => format!(
                "mv {0} {0}.before && {1}",
                quote_path(path),
                self.install_command()
            ),
            _ => self.install_command(),
        };
        self.add_problem(CheckSubject::Hooks, message, remedy);
    }

    /// Checks that the previous hook that ours replaced, if any, is still called.
    fn check_previous_hook(&mut self, path: &Path) {
        if !path.exists() || is_executable(path) {
            return;
        }
        let message = format!(
            "{}, the previous hook, is not executable: it is not called",
            path.display()
        );
        let remedy = format!("chmod +x {}", quote_path(path));
        self.add_advice(CheckSubject::Hooks, message, remedy);
    }

    /// Checks that the program that a hook calls is this one.
    fn check_program(&mut self, hook: &Path, program: &str) {
        let hook = hook.display();
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        let Some(file) = find_program(OsStr::new(program), &search_path) else {
            let message = format!(
                "{hook} calls {program}, which does not exist: every push of a ledger fails"
            );
            return self.add_problem(CheckSubject::Hooks, message, self.install_command());
        };
        let inode = |path: &Path| {
            let metadata = path.metadata().ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        if !program.starts_with('/') {
            let message = format!("{hook} calls the {program} that is on the pusher's PATH");
            self.add_advice(CheckSubject::Hooks, message, self.install_command());
        }
        if inode(&file).is_some_and(|id| inode(self.program) == Some(id)) {
            return;
        }
        match read_version(&file) {
            Some(version) if version == own_version() => {
                let message = format!(
                    "{hook} calls {}, another copy of this version",
                    file.display()
                );
                self.add_good(CheckSubject::Hooks, message);
            }
            version => {
                let version = version.unwrap_or_else(|| "a program of unknown version".to_owned());
                let message = format!(
                    "{hook} calls {}: {version}, and this is {}",
                    file.display(),
                    own_version()
                );
                self.add_problem(CheckSubject::Hooks, message, self.install_command());
            }
        }
        if let (Ok(metadata), Ok(repository_metadata)) =
            (file.metadata(), self.repository.common_dir().metadata())
        {
            self.check_writers(&file, &metadata, &repository_metadata);
        }
    }
}

/// Reads the beginning of a hook, or `None` if there is no such file.
fn read_hook(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_HOOK_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Returns the first line that a program prints for `--version`.
fn read_version(program: &Path) -> Option<String> {
    let result = ExternalProgram::new(program)
        .args(["--version"])
        .keep_output(MAX_VERSION_BYTES)
        .deadline(Deadline::after(VERSION_TIMEOUT))
        .run()
        .ok()?;
    let text = String::from_utf8_lossy(&result.output);
    let line = text
        .lines()
        .next()
        .filter(|line| result.end.is_success() && !line.is_empty())?;
    Some(crate::domain::text::sanitize(
        &line.chars().take(MAX_VERSION_CHARS).collect::<String>(),
    ))
}

/// Returns this program's version, as `--version` prints it.
fn own_version() -> String {
    format!("git-deploy {}", env!("CARGO_PKG_VERSION"))
}

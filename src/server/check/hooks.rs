//! Checks the hooks: they exist, are executable, are ours, call the right program, and are called
//! first.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{CheckSubject, Inspector, quote_path};
use crate::clock::Deadline;
use crate::git;
use crate::program::{Program, is_executable};
use crate::server::required_settings::{HOOKS_PATH, RequiredSetting};
use crate::server::shim::kept_path;

/// The mark of our shims.
const SHIM_MARK: &str = "# Part of git-deploy: ";
/// How long a program may take to print its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that it may print.
const MAX_VERSION_BYTES: usize = 64 << 10;
/// The most that is read of a hook, in bytes. A shim is far shorter.
const MAX_HOOK_BYTES: u64 = 64 << 10;

impl Inspector<'_> {
    /// Checks the hooks of a repository. `carried_out` tells whether git hands the updates of
    /// ledgers to proc-receive.
    pub(super) fn check_hooks(&mut self, carried_out: bool) -> git::Result<()> {
        let folder = self.find_hooks_folder()?;
        let own = self.repository.common_dir().to_owned();
        if !fs::canonicalize(&folder)
            .unwrap_or_else(|_| folder.clone())
            .starts_with(&own)
        {
            let RequiredSetting { key, otherwise, .. } = HOOKS_PATH;
            self.add_finding(
                CheckSubject::Hooks,
                HOOKS_PATH.level,
                format!("{key} leads git to {}, {otherwise}", folder.display()),
                self.git_command(&format!("config {key} hooks")),
            );
        }
        let second = if carried_out {
            "proc-receive"
        } else {
            "update"
        };
        for name in ["pre-receive", second] {
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
                format!("pre-receive and {second} call {program}, which is this git-deploy"),
            );
        }
        Ok(())
    }

    /// Returns the folder in which git looks for hooks, after all configuration.
    pub(super) fn find_hooks_folder(&self) -> git::Result<PathBuf> {
        let mut path = self
            .repository
            .git("rev-parse")
            .args(["--git-path", "hooks"])
            .run()?
            .into_stdout()?;
        path.truncate(path.trim_ascii_end().len());
        let start = self
            .repository
            .work_dir()
            .unwrap_or(self.repository.git_dir());
        Ok(start.join(OsString::from_vec(path)))
    }

    /// Checks one hook.
    fn check_hook(&mut self, path: &Path, name: &str) {
        let text = match read_hook(path) {
            Ok(Some(text)) => text,
            Ok(None) => {
                let what = format!(
                    "{} is missing: nothing judges what is pushed",
                    path.display()
                );
                return self.add_problem(CheckSubject::Hooks, what, self.install_command());
            }
            Err(error) => {
                let what = format!("{} cannot be read: {error}", path.display());
                return self.add_problem(
                    CheckSubject::Hooks,
                    what,
                    format!("ls -l {}", quote_path(path)),
                );
            }
        };
        let Ok(metadata) = path.metadata() else {
            return;
        };
        if metadata.permissions().mode() & 0o111 == 0 {
            let what = format!("{} is not executable: git passes over it", path.display());
            self.add_problem(
                CheckSubject::Hooks,
                what,
                format!("chmod +x {}", quote_path(path)),
            );
        }
        if let Ok(own) = self.repository.common_dir().metadata() {
            self.check_writers(path, &metadata, &own);
        }
        if let Some(program) = find_shim_program(&text, name) {
            self.check_program(path, &program);
        } else {
            let what = format!(
                "{} is another program's, and git-deploy is not the first to be asked",
                path.display()
            );
            let remedy = match name {
                // Git calls only one proc-receive, and ours does not call another.
                "proc-receive" => format!(
                    "mv {} {}.before && {}",
                    quote_path(path),
                    quote_path(path),
                    self.install_command()
                ),
                _ => self.install_command(),
            };
            self.add_problem(CheckSubject::Hooks, what, remedy);
        }
        let before = kept_path(path);
        if let Ok(metadata) = before.metadata()
            && metadata.permissions().mode() & 0o111 == 0
        {
            let what = format!(
                "{}, which was there before, is not executable: it is not called",
                before.display()
            );
            self.add_advice(
                CheckSubject::Hooks,
                what,
                format!("chmod +x {0}, or rm {0}", quote_path(&before)),
            );
        }
    }

    /// Checks that the program that a hook calls is this one.
    fn check_program(&mut self, hook: &Path, program: &str) {
        let hook = hook.display();
        let Some(file) = find_program(program) else {
            let what =
                format!("{hook} calls {program}, which is not there: every push of a ledger fails");
            return self.add_problem(CheckSubject::Hooks, what, self.install_command());
        };
        let same = |one: &Path, two: &Path| {
            let (one, two) = (one.metadata().ok(), two.metadata().ok());
            one.zip(two)
                .is_some_and(|(one, two)| (one.dev(), one.ino()) == (two.dev(), two.ino()))
        };
        if !program.starts_with('/') {
            let what = format!("{hook} calls {program} wherever the pusher's PATH has it");
            self.add_advice(CheckSubject::Hooks, what, self.install_command());
        }
        if same(&file, self.program) {
            return;
        }
        match read_version(&file) {
            Some(version) if version == own_version() => {
                let what = format!(
                    "{hook} calls {}, another copy of this very version",
                    file.display()
                );
                self.add_good(CheckSubject::Hooks, what);
            }
            version => {
                let version = version
                    .unwrap_or_else(|| "a program that does not tell its version".to_owned());
                let what = format!(
                    "{hook} calls {}: {version}, and this is {}",
                    file.display(),
                    own_version()
                );
                self.add_problem(CheckSubject::Hooks, what, self.install_command());
            }
        }
        if let (Ok(metadata), Ok(own)) = (file.metadata(), self.repository.common_dir().metadata())
        {
            self.check_writers(&file, &metadata, &own);
        }
    }
}

/// Returns the program that one of our shims calls, or `None` for another hook. The program is in
/// the first line or in a shell command.
pub(super) fn find_shim_program(bytes: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.contains(SHIM_MARK))?;
    if let Some(program) = text
        .lines()
        .next()?
        .strip_prefix("#!")
        .and_then(|line| line.strip_suffix(" hook"))
    {
        return Some(program.to_owned());
    }
    let call = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("exec ")?
                .split_once(&format!(" hook {name}"))
        })?
        .0;
    let word = call
        .strip_prefix('\'')
        .and_then(|word| word.strip_suffix('\''));
    Some(word.map_or_else(|| call.to_owned(), |word| word.replace(r"'\''", "'")))
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

/// Finds the file of a program, in `PATH` unless it is a path.
fn find_program(program: &str) -> Option<PathBuf> {
    let runs = |path: &PathBuf| is_executable(path);
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(runs);
    }
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(runs)
}

/// Returns the first line that a program prints for `--version`.
fn read_version(program: &Path) -> Option<String> {
    let result = Program::new(program)
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
        &line.chars().take(80).collect::<String>(),
    ))
}

/// Returns this program's version, as `--version` prints it.
fn own_version() -> String {
    format!("git-deploy {}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::find_shim_program;

    /// Our shims are recognized and their program is found, in both forms.
    #[test]
    fn programs() {
        let program = |text: &str| find_shim_program(text.as_bytes(), "pre-receive");
        assert_eq!(
            program("#!/usr/bin/git-deploy hook\n# Part of git-deploy: x\n").as_deref(),
            Some("/usr/bin/git-deploy")
        );
        let shell = |word: &str| {
            format!(
                "#!/bin/sh\n# Part of git-deploy: x\nexec {word} hook pre-receive --kept \"$0.local\"\n"
            )
        };
        assert_eq!(
            program(&shell(r"'/opt/it'\''s/git-deploy'")).as_deref(),
            Some("/opt/it's/git-deploy")
        );
        assert_eq!(program(&shell("git-deploy")).as_deref(), Some("git-deploy"));
        for other in [
            "",
            "#!/bin/sh\n",
            "#!/bin/sh\ngit-deploy hook pre-receive || exit 1\nmake check\n",
        ] {
            assert_eq!(program(other), None, "{other}");
        }
        assert_eq!(
            find_shim_program(shell("git-deploy").as_bytes(), "proc-receive"),
            None
        );
    }
}

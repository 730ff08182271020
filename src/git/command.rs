//! Runs `git` as a process. No other code starts it.
//!
//! Callers get the exit code and bytes. Messages that git writes for people are shown to people and
//! never parsed.

use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::error::{Error, Result, printable_tail};

/// The most bytes of standard output that are accepted, far more than the commands here print.
const OUTPUT_LIMIT: u64 = 64 << 20;
/// How many bytes of standard error are kept. The rest is read and dropped, so that git does not
/// block on it.
const STDERR_LIMIT: u64 = 1 << 20;

/// Variables that would point git to objects, refs, files or settings other than those of the given
/// repository. `GIT_CONFIG_COUNT` and `GIT_CONFIG_PARAMETERS` stay: CI systems pass credentials
/// that way.
const REDIRECTING_VARIABLES: [&str; 19] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Signing secrets, which git does not need: commands of a running deployment could read the
/// environment of a git process next to them.
const SIGNING_VARIABLES: [&str; 2] = ["GIT_DEPLOY_KEY", "GIT_DEPLOY_PASSWORD"];

/// Builds the process that becomes a prepared git.
type Launcher = dyn Fn(&Command) -> Command + Send + Sync;

/// How git is started, if not directly.
static LAUNCHER: OnceLock<Box<Launcher>> = OnceLock::new();

/// Starts every later git of this process through a launcher: git runs programs that commands of the
/// policy may have replaced, such as `ssh` and credential helpers. Only the first call has an effect.
pub fn launch_git_with(launcher: impl Fn(&Command) -> Command + Send + Sync + 'static) {
    let _ = LAUNCHER.set(Box::new(launcher));
}

/// A `git` process being prepared.
pub struct GitCommand {
    command: Command,
    subcommand: &'static str,
    input: Option<Vec<u8>>,
}

/// The result of a `git` process.
#[derive(Debug)]
pub struct GitOutput {
    subcommand: &'static str,
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, for people only; cut off at 1 MiB.
    pub stderr: Vec<u8>,
}

/// Returns the path of git, which is looked up once: later, a command of the policy may have put
/// another program of this name in one of the folders.
fn find_git() -> &'static Path {
    static GIT: OnceLock<PathBuf> = OnceLock::new();
    GIT.get_or_init(|| {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("git"))
            .find(|file| {
                let metadata = file.metadata();
                metadata.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
            })
            .unwrap_or_else(|| PathBuf::from("git"))
    })
}

impl GitCommand {
    /// Prepares `git <subcommand>` for a repository, with an environment that cannot redirect it.
    pub(super) fn new(git_dir: &Path, work_dir: Option<&Path>, subcommand: &'static str) -> Self {
        Self::with_settings(git_dir, work_dir, &[], subcommand)
    }

    /// Prepares the same with settings of the form `name=value`, which override those of the user.
    pub(super) fn with_settings(
        git_dir: &Path,
        work_dir: Option<&Path>,
        settings: &[&str],
        subcommand: &'static str,
    ) -> Self {
        let mut command = Command::new(find_git());
        for variable in REDIRECTING_VARIABLES.into_iter().chain(SIGNING_VARIABLES) {
            command.env_remove(variable);
        }
        command
            // The opened repository, whatever the working directory or the environment says.
            .env("GIT_DIR", git_dir)
            // A replace ref changes what history says.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            // A graft does too: a push would leave out commits that the remote does not have. No
            // file can exist at this path.
            .env("GIT_GRAFT_FILE", "/dev/null/none")
            // Stable messages for people in any locale; we parse none of them.
            .env("LC_ALL", "C.UTF-8")
            // `git status` and the like must not take a lock that blocks a user's own command.
            .env("GIT_OPTIONAL_LOCKS", "0")
            // Git must not start a pager.
            .env("GIT_PAGER", "cat")
            // GIT_TERMINAL_PROMPT stays as it is: a user may type a password at a terminal, and a
            // CI system switches prompts off.
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .arg(subcommand);
        if let Some(work_dir) = work_dir {
            // With GIT_DIR alone, git would use the working directory as the top of the worktree.
            command.env("GIT_WORK_TREE", work_dir).current_dir(work_dir);
        } else {
            command.current_dir(git_dir);
        }
        Self {
            command,
            subcommand,
            input: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable for the process.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets what the process reads from standard input; nothing by default.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Runs the process to its end and returns its output, whatever its exit code.
    ///
    /// # Errors
    /// If git cannot be started or writes more than 64 MiB of output.
    pub fn run(self) -> Result<GitOutput> {
        let mut command = match LAUNCHER.get() {
            Some(launch) => launch(&self.command),
            None => self.command,
        };
        let stdin = match self.input {
            Some(_) => Stdio::piped(),
            None => Stdio::null(),
        };
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(Error::GitNotStarted)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let input = self.input;
        let (stdout, stderr) = std::thread::scope(|scope| {
            // A failed write is ignored: if the process needed its input, its exit code says so.
            scope.spawn(move || {
                stdin
                    .zip(input)
                    .map(|(mut pipe, bytes)| pipe.write_all(&bytes))
            });
            let stderr = scope.spawn(move || read_bounded(stderr, STDERR_LIMIT));
            (
                read_bounded(stdout, OUTPUT_LIMIT),
                stderr.join().unwrap_or_default(),
            )
        });
        let status = child.wait().map_err(Error::GitNotStarted)?;
        if stdout.is_truncated {
            return Err(Error::limit_exceeded(
                format!("the output of git {}", self.subcommand),
                OUTPUT_LIMIT,
            ));
        }
        Ok(GitOutput {
            subcommand: self.subcommand,
            code: status.code(),
            stdout: stdout.bytes,
            stderr: stderr.bytes,
        })
    }
}

impl GitOutput {
    /// Checks whether the process exited with code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// Returns standard output if the process succeeded, otherwise its failure as an error.
    pub fn into_stdout(self) -> Result<Vec<u8>> {
        if self.is_success() {
            Ok(self.stdout)
        } else {
            Err(self.to_error())
        }
    }

    /// Returns the failure as an error, with the end of what git wrote for people.
    pub fn to_error(&self) -> Error {
        Error::CommandFailed {
            command: self.subcommand.to_owned(),
            code: self.code,
            stderr: printable_tail(&self.stderr),
        }
    }
}

/// Bytes read from a pipe, up to a limit.
#[derive(Default)]
struct BoundedOutput {
    bytes: Vec<u8>,
    is_truncated: bool,
}

/// Reads a pipe to its end and keeps at most `limit` bytes. A broken pipe counts as its end.
fn read_bounded(pipe: Option<impl Read>, limit: u64) -> BoundedOutput {
    let mut bounded = BoundedOutput::default();
    if let Some(mut pipe) = pipe {
        let _ = pipe.by_ref().take(limit).read_to_end(&mut bounded.bytes);
        bounded.is_truncated =
            std::io::copy(&mut pipe, &mut std::io::sink()).is_ok_and(|dropped| dropped > 0);
    }
    bounded
}

//! `git` as a process: the one place that starts it.
//!
//! What comes back is the exit code and bytes. The words that git writes for people are passed on to people and never read.

use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::{Error, Result, for_people};
use super::repo::Repository;

/// Standard output beyond this is an error: no plumbing command that is used here comes near.
const OUTPUT_LIMIT: u64 = 64 << 20;
/// Of standard error this much is kept; the rest is read and dropped, so that git does not block on it.
const STDERR_LIMIT: u64 = 1 << 20;

/// Variables that would lead git to other objects, refs, files or settings of the command than those of the repository named.
/// `GIT_CONFIG_COUNT` and `GIT_CONFIG_PARAMETERS` stay: that is how a CI hands git its credentials.
const REDIRECTIONS: [&str; 19] = [
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

/// What signs is none of git's business: while a deployment runs, its commands could read the environment of a git process beside them.
const KEYS: [&str; 2] = ["GIT_DEPLOY_KEY", "GIT_DEPLOY_PASSWORD"];

/// A `git` process that is being put together.
pub struct Git {
    command: Command,
    name: &'static str,
    input: Option<Vec<u8>>,
}

/// What a `git` process left.
#[derive(Debug)]
pub struct Output {
    name: &'static str,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, for people only; cut at 1 MiB.
    pub stderr: Vec<u8>,
}

impl Git {
    pub(super) fn new(git_dir: &Path, work_dir: Option<&Path>, name: &'static str) -> Self {
        let mut command = Command::new("git");
        for variable in REDIRECTIONS.into_iter().chain(KEYS) {
            command.env_remove(variable);
        }
        command
            // The repository that was opened, whatever the working directory or the environment says.
            .env("GIT_DIR", git_dir)
            // A replace ref changes what history says.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            // A graft does so, too: it would make a push leave out what the remote lacks. No file can be there.
            .env("GIT_GRAFT_FILE", "/dev/null/none")
            // Stable words for the person, whatever the machine's language; nothing of ours reads them.
            .env("LC_ALL", "C.UTF-8")
            // `git status` and its kind must not take a lock that a person's own command then meets.
            .env("GIT_OPTIONAL_LOCKS", "0")
            // No answer of git's goes through a pager.
            .env("GIT_PAGER", "cat")
            // GIT_TERMINAL_PROMPT stays as it is: at a terminal a person may type a password, a CI switches it off.
            .arg(name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(work_dir) = work_dir {
            // With GIT_DIR alone git would take the working directory for the top of the worktree.
            command.env("GIT_WORK_TREE", work_dir).current_dir(work_dir);
        } else {
            command.current_dir(git_dir);
        }
        Self {
            command,
            name,
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

    /// Sets a variable of the process's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What the process reads from standard input; nothing unless given.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self.command.stdin(Stdio::piped());
        self
    }

    /// Lets the process see the objects of the push that `repository` was opened to judge.
    #[must_use]
    pub fn with_pushed_objects(mut self, repository: &Repository) -> Self {
        if let Some(quarantine) = repository.quarantine() {
            let environment = quarantine.environment();
            // The relative paths in them start from the hook's working directory.
            self.command.current_dir(&environment.current_dir);
            let variables = [
                ("GIT_OBJECT_DIRECTORY", &environment.objects),
                ("GIT_ALTERNATE_OBJECT_DIRECTORIES", &environment.alternates),
            ];
            for (name, value) in variables {
                if let Some(value) = value {
                    self.command.env(name, value);
                }
            }
            if environment.quarantined {
                // git refuses to write refs while it is set.
                self.command.env(
                    "GIT_QUARANTINE_PATH",
                    environment.objects.as_deref().unwrap_or(OsStr::new("1")),
                );
            }
        }
        self
    }

    /// Runs it to its end. A failing exit code is the caller's to judge; not being able to start it, and more than 64 MiB of
    /// output, are errors.
    pub fn run(mut self) -> Result<Output> {
        let mut child = self.command.spawn().map_err(Error::Start)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let input = self.input;
        let (stdout, stderr) = std::thread::scope(|scope| {
            // A process that does not read its input is its own matter: its exit code tells.
            scope.spawn(move || {
                stdin
                    .zip(input)
                    .map(|(mut pipe, bytes)| pipe.write_all(&bytes))
            });
            let stderr = scope.spawn(move || read(stderr, STDERR_LIMIT));
            (
                read(stdout, OUTPUT_LIMIT),
                stderr.join().unwrap_or_default(),
            )
        });
        let status = child.wait().map_err(Error::Start)?;
        if stdout.over {
            return Err(Error::Bounds {
                what: format!("the output of git {}", self.name),
                limit: OUTPUT_LIMIT,
            });
        }
        Ok(Output {
            name: self.name,
            code: status.code(),
            stdout: stdout.bytes,
            stderr: stderr.bytes,
        })
    }
}

impl Output {
    /// Whether the process said that all went well.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output, if all went well.
    pub fn ok(self) -> Result<Vec<u8>> {
        if self.success() {
            Ok(self.stdout)
        } else {
            Err(self.error())
        }
    }

    /// The failure as an error, with the end of what git wrote for people.
    pub fn error(&self) -> Error {
        Error::Git {
            command: self.name.to_owned(),
            code: self.code,
            stderr: for_people(&self.stderr),
        }
    }
}

#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    over: bool,
}

/// Reads a pipe to its end and keeps at most `limit` bytes; a broken pipe is an early end.
fn read(pipe: Option<impl Read>, limit: u64) -> Bounded {
    let mut bounded = Bounded::default();
    if let Some(mut pipe) = pipe {
        let _ = pipe.by_ref().take(limit).read_to_end(&mut bounded.bytes);
        bounded.over =
            std::io::copy(&mut pipe, &mut std::io::sink()).is_ok_and(|dropped| dropped > 0);
    }
    bounded
}

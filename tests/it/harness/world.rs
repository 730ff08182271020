//! The world of one test: its own directory, a cleared environment, and a clock and a random source
//! that the test steers.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use git_deploy::testing::domain::time::{Span, Time};

use super::Repo;

/// When every world begins.
const BEGINNING: &str = "2026-03-05T10:00:00Z";
const GIT_CONFIG: &str = "\
[init]
\tdefaultBranch = main
[gc]
\tauto = 0
[maintenance]
\tauto = false
[receive]
\tautogc = false
";

pub struct World {
    root: tempfile::TempDir,
    object_format: &'static str,
    /// Seconds since the beginning. Atomic, as are the seeds, because tests of races share their world among threads.
    elapsed: AtomicU64,
    seeds: AtomicU64,
}

/// How far the clock and the random source of a world have moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Clock {
    elapsed: u64,
    seeds: u64,
}

impl World {
    /// Makes a world whose repositories use SHA-1.
    pub fn new() -> Self {
        Self::with_format("sha1")
    }

    /// Makes a world whose repositories use SHA-256.
    pub fn sha256() -> Self {
        Self::with_format("sha256")
    }

    /// Makes a world in `/var/tmp`: commands whose files are isolated may write to `/tmp`, so no
    /// repository can be there.
    pub fn outside_of_tmp() -> Self {
        Self::within(Path::new("/var/tmp"), "sha1")
    }

    /// Makes a world in `/tmp`, wherever temporary files are.
    pub fn within_tmp() -> Self {
        Self::within(Path::new("/tmp"), "sha1")
    }

    pub(super) fn with_format(object_format: &'static str) -> Self {
        Self::within(&std::env::temp_dir(), object_format)
    }

    fn within(folder: &Path, object_format: &'static str) -> Self {
        const {
            assert!(
                cfg!(debug_assertions),
                "only a debug build lets tests steer its clock"
            );
        };
        let root = tempfile::Builder::new()
            .prefix("git-deploy-test-")
            .tempdir_in(folder)
            .unwrap();
        std::fs::create_dir(root.path().join("home")).unwrap();
        std::fs::create_dir(root.path().join("tmp")).unwrap();
        std::fs::write(root.path().join("home/.gitconfig"), GIT_CONFIG).unwrap();
        Self {
            root,
            object_format,
            elapsed: AtomicU64::new(0),
            seeds: AtomicU64::new(0),
        }
    }

    pub(super) fn object_format(&self) -> &'static str {
        self.object_format
    }

    /// Returns whether nothing was done in this world yet.
    pub(super) fn is_new(&self) -> bool {
        self.clock() == Clock::default()
    }

    /// Returns how far the clock and the random source have moved.
    pub(super) fn clock(&self) -> Clock {
        Clock {
            elapsed: self.elapsed.load(Ordering::SeqCst),
            seeds: self.seeds.load(Ordering::SeqCst),
        }
    }

    /// Moves the clock and the random source to where those of another world are.
    pub(super) fn set_clock(&self, clock: Clock) {
        self.elapsed.store(clock.elapsed, Ordering::SeqCst);
        self.seeds.store(clock.seeds, Ordering::SeqCst);
    }

    /// Returns the directory that holds everything of this world.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Returns the steered time.
    pub fn now(&self) -> Time {
        BEGINNING
            .parse::<Time>()
            .unwrap()
            .plus(Span::from_seconds(self.elapsed.load(Ordering::SeqCst)))
    }

    /// Lets a span such as `10m` pass.
    pub fn advance(&self, span: &str) {
        self.elapsed
            .fetch_add(span.parse::<Span>().unwrap().as_seconds(), Ordering::SeqCst);
    }

    /// Makes a repository of this person, with a work tree and no commit.
    pub fn repo(&self, person: &str) -> Repo<'_> {
        self.init(person, person, &[])
    }

    /// Makes a repository of alice without a remote, with one commit of a file, and begins a project
    /// with these environments in it.
    pub fn local_project(&self, file: &str, environments: &str) -> Repo<'_> {
        let repo = self.repo("alice");
        repo.deploy(&["key", "new", "--no-password", "alice.key"])
            .ok();
        repo.git(&["config", "deploy.key", "alice.key"]).ok();
        repo.commit(file, "1", "One");
        repo.deploy(&["init", "--yes", "--env", environments]).ok();
        repo
    }

    /// Makes a bare repository, for a server.
    pub fn bare_server(&self, name: &str) -> Repo<'_> {
        self.init(name, "server", &["--bare"])
    }

    /// Makes a clone of this person, over `file://`, of a server of this world.
    pub fn clone(&self, server: &Repo<'_>, person: &str) -> Repo<'_> {
        self.clone_from(&server.url(), person, &[])
    }

    /// Makes a clone of this person, of any address, with these git settings.
    pub fn clone_from(&self, url: &str, person: &str, settings: &[&str]) -> Repo<'_> {
        let repo = Repo::new(self, self.path().join(person), person);
        std::fs::create_dir(repo.path()).unwrap();
        let settings: Vec<&str> = settings
            .iter()
            .flat_map(|setting| ["-c", setting])
            .collect();
        repo.git(&[&["clone", "-q"], &settings[..], &[url, "."]].concat())
            .ok();
        repo
    }

    /// Returns a repository that something else made in this world.
    pub fn existing(&self, folder: impl AsRef<Path>, person: &str) -> Repo<'_> {
        Repo::new(self, self.path().join(folder), person)
    }

    fn init(&self, name: &str, person: &str, options: &[&str]) -> Repo<'_> {
        let repo = Repo::new(self, self.path().join(name), person);
        std::fs::create_dir(repo.path()).unwrap();
        let format = format!("--object-format={}", self.object_format);
        repo.git(&[&["init", "-q", &format], options].concat()).ok();
        repo
    }

    /// Prepares a program in this world's environment, with our binary first on `PATH` and as this
    /// person for git.
    pub fn command(&self, program: &str, person: &str) -> Command {
        let email = format!("{person}@example.com");
        let now = self.now();
        let date = format!("@{} +0000", now.as_seconds());
        let home = self.path().join("home");
        let mut command = Command::new(program);
        command.env_clear();
        command
            .env("PATH", search_path())
            .env("HOME", &home)
            // Each person works on a machine of their own.
            .env("XDG_CACHE_HOME", self.path().join("caches").join(person))
            .env("TMPDIR", self.path().join("tmp"));
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", home.join(".gitconfig"));
        command.env("GIT_TERMINAL_PROMPT", "0");
        command
            .env("GIT_AUTHOR_NAME", person)
            .env("GIT_AUTHOR_EMAIL", &email)
            .env("GIT_AUTHOR_DATE", &date);
        command
            .env("GIT_COMMITTER_NAME", person)
            .env("GIT_COMMITTER_EMAIL", &email)
            .env("GIT_COMMITTER_DATE", &date);
        command.env("GIT_DEPLOY_TEST_NOW", now.to_string());
        // Each process gets its own seed, or the second run would have the run id of the first.
        command.env(
            "GIT_DEPLOY_TEST_SEED",
            self.seeds.fetch_add(1, Ordering::SeqCst).to_string(),
        );
        command.current_dir(self.path());
        command
    }
}

/// Copies our program, for users who may not be able to read the build folder. Another process
/// copies it: a program that another test starts meanwhile would inherit this process's file, open
/// for writing, and then the copy cannot be executed.
pub fn copy_program_to(path: &Path) {
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_git-deploy")).arg(path);
    assert!(copy.status().unwrap().success());
}

/// Returns our binary's folder followed by the machine's `PATH`, so that `git deploy` and a
/// server's hooks work.
fn search_path() -> OsString {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_git-deploy"));
    let machine = std::env::var_os("PATH").unwrap_or_default();
    let folders = binary
        .parent()
        .map(Path::to_owned)
        .into_iter()
        .chain(std::env::split_paths(&machine));
    std::env::join_paths(folders).unwrap()
}

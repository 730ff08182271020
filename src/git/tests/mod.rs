//! Tests of git access. Git itself is the oracle: it must read what we write and compute what we
//! compute.

mod history;
mod objects;
mod quarantine;
mod refs;
mod remote;
mod trees;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Repository;
use crate::domain::id::Oid;

/// A repository in a temporary folder, with git commands that ignore the user's settings.
pub(crate) struct TestRepository {
    folder: tempfile::TempDir,
    pub path: PathBuf,
}

impl TestRepository {
    pub fn new(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("repo.git");
        let scratch = Self { folder, path };
        let path = scratch.path.to_str().unwrap().to_owned();
        git_in(
            scratch.folder.path(),
            &[
                &["init", "--quiet", "--bare", "--initial-branch=main"],
                options,
                &[&path],
            ]
            .concat(),
        );
        scratch
    }

    pub fn bare() -> Self {
        Self::new(&[])
    }

    pub fn open(&self) -> Repository {
        Repository::open(&self.path).unwrap()
    }

    pub fn git(&self, args: &[&str]) -> String {
        git_in(&self.path, args)
    }

    pub fn oid(&self, args: &[&str]) -> Oid {
        self.git(args).trim().parse().unwrap()
    }

    /// Returns a path next to the repository.
    pub fn sibling_path(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// Creates a commit of an empty tree with git.
    pub fn commit(&self, parents: &[Oid], message: &str, date: i64) -> Oid {
        let tree = self.git(&["mktree", "--missing"]);
        let mut args = vec![
            "commit-tree".to_owned(),
            tree.trim().to_owned(),
            "-m".to_owned(),
            message.to_owned(),
        ];
        args.extend(
            parents
                .iter()
                .flat_map(|parent| ["-p".to_owned(), parent.to_string()]),
        );
        let mut command = plain_git(&self.path);
        command
            .args(args)
            .env("GIT_COMMITTER_DATE", format!("@{date} +0000"));
        run(command, b"").trim().parse().unwrap()
    }

    /// Creates a tree of these files with git: `(mode, path, object)`.
    pub fn tree(&self, files: &[(&str, String, Oid)]) -> Oid {
        let index = self.sibling_path("index");
        let _ = std::fs::remove_file(&index);
        let lines: Vec<_> = files
            .iter()
            .map(|(mode, path, id)| format!("{mode} {id}\t{path}\n"))
            .collect();
        let mut command = plain_git(&self.path);
        command
            .args(["update-index", "--add", "--index-info"])
            .env("GIT_INDEX_FILE", &index);
        run(command, lines.concat().as_bytes());
        let mut command = plain_git(&self.path);
        command
            .args(["write-tree", "--missing-ok"])
            .env("GIT_INDEX_FILE", &index);
        run(command, b"").trim().parse().unwrap()
    }

    pub fn fsck(&self) {
        self.git(&["fsck", "--strict", "--no-dangling"]);
    }
}

/// Prepares git in a folder, with a fixed identity and without the user's settings.
pub(crate) fn plain_git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .env_clear()
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stdin(Stdio::piped());
    command
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("HOME", folder);
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Ann")
            .env(format!("GIT_{role}_EMAIL"), "ann@example.org");
        command.env(format!("GIT_{role}_DATE"), "@1700000000 +0000");
    }
    command
}

pub(crate) fn run(mut command: Command, input: &[u8]) -> String {
    use std::io::Write as _;
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn git_in(folder: &Path, args: &[&str]) -> String {
    let mut command = plain_git(folder);
    command.args(args);
    run(command, b"")
}

/// A random generator that gives the same numbers in every run: splitmix64.
pub(crate) struct SeededRandom(pub u64);

impl SeededRandom {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % limit
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }
}

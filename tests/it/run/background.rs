//! A run of our program in the background, which a test can send signals to.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Repo, wait_for, wait_until};

pub struct BackgroundRun {
    child: Child,
    words: PathBuf,
}

impl BackgroundRun {
    /// Begins it.
    pub fn begin(repo: &Repo<'_>, arguments: &[&str]) -> Self {
        Self::of(repo, repo.command("git-deploy").args(arguments))
    }

    /// Starts any command.
    pub fn of(repo: &Repo<'_>, command: &mut Command) -> Self {
        let words = tempfile::Builder::new()
            .prefix("words-")
            .tempfile_in(repo.world().path())
            .unwrap();
        let (file, words) = words.keep().unwrap();
        let other: File = file.try_clone().unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(other)
            .spawn()
            .unwrap();
        Self { child, words }
    }

    /// Sends it a signal, and nobody else: no command of a policy is in its process group.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Returns what it has printed so far.
    pub fn words(&self) -> String {
        std::fs::read_to_string(&self.words).unwrap()
    }

    /// Waits until it has said this.
    #[track_caller]
    pub fn says(&self, words: &str) {
        wait_until(&format!("it does not say {words:?}"), || {
            self.words().contains(words)
        });
    }

    /// Waits for its end: the exit code, and all that it said.
    #[track_caller]
    pub fn ended(mut self) -> (Option<i32>, String) {
        let status = wait_for("it does not end", || self.child.try_wait().unwrap());
        (status.code(), self.words())
    }

    /// Waits for its end, which must have this exit code; what it said, on one line.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> String {
        let (found, words) = self.ended();
        assert_eq!(found, Some(code), "{words}");
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Kills it, as a power cut would.
    #[track_caller]
    pub fn dies(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for BackgroundRun {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

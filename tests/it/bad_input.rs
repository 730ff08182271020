//! Bad input, as pages to read: each mistake, what is said about it, and that nothing is half
//! written.

mod policy;
mod surroundings;

use std::fmt::Write as _;
use std::process::Command;

use crate::harness::{Repo, Run, World, with_random_keys};

/// A page of mistakes made in one clone, each of which must leave everything as it was.
struct Page<'w> {
    world: &'w World,
    /// Where nothing may change: the clone, its server, and whatever else is at stake.
    watched: Vec<&'w Repo<'w>>,
    text: String,
}

impl<'w> Page<'w> {
    fn new(world: &'w World, watched: Vec<&'w Repo<'w>>) -> Self {
        Self {
            world,
            watched,
            text: String::new(),
        }
    }

    /// Adds a headline.
    fn say(&mut self, words: &str) {
        writeln!(self.text, "# {words}\n").unwrap();
    }

    /// Runs our program, which must fail with this exit code and change nothing.
    #[track_caller]
    fn fails(&mut self, repo: &Repo<'_>, code: i32, arguments: &[&str]) {
        self.fails_with(repo, code, arguments, |_| ());
    }

    /// Adds a failing command that runs with more variables.
    #[track_caller]
    fn fails_with(
        &mut self,
        repo: &Repo<'_>,
        code: i32,
        arguments: &[&str],
        prepare: impl FnOnce(&mut Command),
    ) {
        let before = self.everything();
        let mut command = repo.command("git-deploy");
        command.args(arguments);
        prepare(&mut command);
        let run = Run::of(self.world, &mut command).fails(code);
        assert!(!run.err().contains("panicked"), "{run}");
        assert_eq!(self.everything(), before, "{run}");
        let words = run.to_string();
        let words = words.replace("--- standard error\n", "");
        let words = words.lines().map(|line| {
            line.strip_prefix("--- exit status: ")
                .map_or(line.to_owned(), |code| format!("[exit {code}]"))
        });
        writeln!(self.text, "{}\n", words.collect::<Vec<_>>().join("\n")).unwrap();
    }

    /// Returns everything that a command could change: refs, settings, index and work tree. What
    /// was fetched of a remote is left out.
    fn everything(&self) -> String {
        let mut all = String::new();
        for repo in &self.watched {
            for arguments in [
                &[
                    "for-each-ref",
                    "--exclude=refs/deploy-incoming",
                    "--exclude=refs/deploy-incoming-notes",
                ][..],
                &["config", "--local", "--list"],
                &["symbolic-ref", "-q", "HEAD"],
            ] {
                writeln!(all, "{}", repo.git(arguments)).unwrap();
            }
            let bare = repo.git(&["rev-parse", "--is-bare-repository"]).ok().text() == "true";
            if !bare {
                writeln!(all, "{}", repo.git(&["status", "--porcelain", "--ignored"])).unwrap();
                let policy = std::fs::read(repo.path().join("deploy.toml"));
                writeln!(
                    all,
                    "{}",
                    policy.map_or_else(
                        |error| error.to_string(),
                        |it| String::from_utf8_lossy(&it).into_owned()
                    )
                )
                .unwrap();
            }
        }
        all
    }

    /// Compares the page with its snapshot, without what random keys change.
    #[track_caller]
    fn assert(self, name: &str) {
        with_random_keys().bind(|| insta::assert_snapshot!(name, self.text));
    }
}

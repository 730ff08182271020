//! `kill -9` wherever the program writes, or a disk that is full from there on, and nothing is lost: strace strikes at its first writing
//! system call, then at the second, and so on, each time in the same world as before.
//!
//! The suite strikes at some of the places; `FAULTS=all` at every one.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Project, Repo, Run, World};

/// What changes a file, a folder or a ref, or waits for the disk to have it.
const WRITES: &str = "write,pwrite64,ftruncate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,\
                      chmod,fchmod,fchmodat,fsync,fdatasync";
const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\", approvals = 1 }\n";

/// Whom it strikes.
enum Victim {
    /// The program that a person runs.
    Client,
    /// A hook on the server, while that person's program runs.
    Hook(&'static str),
}

/// What happens at a place.
#[derive(Clone, Copy)]
enum Fault {
    /// The process is killed.
    Killed,
    /// From here on nothing can be written.
    FullDisk,
}

/// How often a command was killed, and how often that left a lock.
#[derive(Default, Debug)]
struct Ends {
    killed: usize,
    locked: usize,
}

/// A world that can be put back to how it was.
struct Scene<'a, 'w> {
    world: &'w World,
    /// Whose program is run.
    who: &'a Repo<'w>,
    /// Where the ledgers are.
    server: &'a Repo<'w>,
    /// The locks that a command has stood before already.
    met: RefCell<BTreeSet<PathBuf>>,
    fault: Fault,
}

impl<'a, 'w> Scene<'a, 'w> {
    fn new(world: &'w World, who: &'a Repo<'w>, server: &'a Repo<'w>, fault: Fault) -> Self {
        let scene = Self { world, who, server, met: RefCell::default(), fault };
        for repo in scene.repos() {
            copy(repo.path(), &kept(repo));
        }
        scene
    }

    /// Both, or the one where it holds its ledgers itself.
    fn repos(&self) -> Vec<&'a Repo<'w>> {
        if self.who.path() == self.server.path() { vec![self.who] } else { vec![self.who, self.server] }
    }

    /// The tips of all ledgers.
    fn tips(&self) -> Vec<(String, String)> {
        let refs = self.server.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/deploy/"]).ok().text();
        let pairs = refs.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(name, id)| (name.to_owned(), id.to_owned())).collect()
    }

    /// Kills at one place after the other, until the command is through before its turn comes. It writes so many entries.
    fn sweep(&self, victim: &Victim, arguments: &[&str], entries: usize, stride: usize) -> Ends {
        let all = std::env::var_os("FAULTS").is_some_and(|value| value == "all");
        let mut ends = Ends::default();
        for turn in (1..).step_by(if all { 1 } else { stride }) {
            assert!(turn < 2_000, "{arguments:?} does not come to an end");
            for repo in self.repos() {
                copy(&kept(repo), repo.path());
            }
            let before = self.tips();
            let run = self.strike(victim, arguments, turn);
            let moved = self.unharmed(&before, turn, &run);
            assert!(moved <= entries, "{turn}: {moved} entries\n{run}");
            // A client that says that it is done has been told so.
            assert!(moved == entries || !run.succeeded(), "{turn}: an entry is lost\n{run}");
            ends.locked += usize::from(self.goes_on(arguments, turn));
            if run.succeeded() {
                break;
            }
            ends.killed += 1;
        }
        ends
    }

    fn strike(&self, victim: &Victim, arguments: &[&str], turn: usize) -> Run<'w> {
        let inject = match self.fault {
            Fault::Killed => format!("inject={WRITES}:signal=KILL:when={turn}"),
            Fault::FullDisk => format!("inject={WRITES}:error=ENOSPC:when={turn}+"),
        };
        let trace = format!("trace={WRITES}");
        match victim {
            Victim::Client => {
                let strace = ["-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject, "git-deploy"];
                self.who.run("strace", &[&strace, arguments].concat())
            }
            Victim::Hook(name) => {
                // With its threads: a hook judges in one of its own. Each counts for itself.
                let strace = format!("strace -f -qq -o /dev/null -e {trace} -e {inject}");
                self.server.hook(name, &format!("#!/bin/sh\nexec {strace} git-deploy hook {name} \"$@\"\n"));
                let run = self.who.deploy(arguments);
                let hook = Path::new("hooks").join(name);
                std::fs::copy(kept(self.server).join(&hook), self.server.path().join(&hook)).unwrap();
                run
            }
        }
    }

    /// Every object is whole, and no ledger has lost anything. Gives the number of new entries.
    #[track_caller]
    fn unharmed(&self, before: &[(String, String)], turn: usize, run: &Run<'_>) -> usize {
        for repo in self.repos() {
            let fsck = repo.git(&["fsck", "--strict", "--no-dangling", "--no-progress"]);
            assert!(fsck.succeeded(), "{turn}: {run}\n{fsck}");
        }
        let after = self.tips();
        let gone = before.iter().find(|(name, _)| after.iter().all(|(other, _)| other != name));
        assert!(gone.is_none(), "{turn}: {gone:?} is gone\n{run}");
        let mut moved = 0;
        for (name, new) in after {
            let log = self.server.git(&["rev-list", "--first-parent", &new]).ok().text();
            moved += match before.iter().find(|(other, _)| *other == name) {
                Some((_, old)) => {
                    log.lines().position(|id| id == old).unwrap_or_else(|| panic!("{turn}: {name}\n{run}"))
                }
                // The first one of a ledger is no entry.
                None => log.lines().count() - 1,
            };
        }
        moved
    }

    /// The same command works now, or says which lock is in the way; then an audit finds nothing. Whether there was one.
    #[track_caller]
    fn goes_on(&self, arguments: &[&str], turn: usize) -> bool {
        self.world.advance("1m");
        let mut locked = false;
        // Each command waits some seconds for a lock, so each lock is met once and after that removed beforehand.
        for lock in self.repos().into_iter().flat_map(|repo| locks(repo.path())) {
            locked = true;
            if self.met.borrow_mut().insert(lock.clone()) {
                let run = self.who.deploy(arguments);
                assert!(run.words_of_err().contains(&format!("{} is in the way", lock.display())), "{turn}: {run}");
                let remedy = format!("try: rm {}, if no git process is running here", lock.display());
                let told = run.err().contains(&remedy) || run.err().contains("git deploy sync");
                assert!(told || !lock.starts_with(self.who.path()), "{turn}: {run}");
            }
            std::fs::remove_file(lock).unwrap();
        }
        let run = self.who.deploy(arguments);
        assert!(run.succeeded(), "{turn}: {run}");
        let audit = self.who.deploy(&["audit"]);
        assert!(audit.succeeded(), "{turn}: {run}\n{audit}");
        locked
    }
}

/// The locks of refs that a killed process left.
fn locks(repository: &Path) -> Vec<PathBuf> {
    let folder =
        [repository.join(".git"), repository.to_owned()].into_iter().find(|folder| folder.join("refs").exists());
    let below = walkdir::WalkDir::new(folder.unwrap().join("refs")).into_iter().map(|entry| entry.unwrap().into_path());
    below.filter(|path| path.extension().is_some_and(|it| it == "lock")).collect()
}

/// Where a repository is kept as it was.
fn kept(repo: &Repo<'_>) -> PathBuf {
    repo.path().with_extension("kept")
}

/// A copy of a folder, in place of what was there.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

/// Of a person's commands, with a server.
#[test]
fn client() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    project.ci.deploy(&["record", "dev", "--all"]).ok();
    let scene = Scene::new(&world, &project.bob.repo, &project.server, Fault::Killed);
    let commands: [(&[&str], usize); 5] = [
        (&["record", "dev", "--all"], 1),
        (&["approve", "prod"], 1),
        (&["attest", "test-result", "--result", "passed"], 1),
        (&["sync"], 0),
        (&["notes", "rebuild"], 0),
    ];
    for (arguments, entries) in commands {
        let ends = scene.sweep(&Victim::Client, arguments, entries, 13);
        assert!(ends.killed > 0, "{arguments:?}");
        println!("{arguments:?} {ends:?}");
    }
}

/// Of the server's hooks: what git accepted is there, and what it did not is nowhere.
#[test]
fn hooks() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let scene = Scene::new(&world, &project.bob.repo, &project.server, Fault::Killed);
    for hook in ["pre-receive", "proc-receive"] {
        let ends = scene.sweep(&Victim::Hook(hook), &["record", "dev", "--all"], 1, 7);
        assert!(ends.killed > 0);
        println!("{hook} {ends:?}");
    }
}

/// Without a server the local ref is the database.
#[test]
fn local() {
    let world = World::new();
    let repo = world.repo("alice");
    repo.deploy(&["key", "new", "--no-password", "alice.key"]).ok();
    repo.git(&["config", "deploy.key", "alice.key"]).ok();
    repo.commit("a", "1", "One");
    repo.deploy(&["init", "--yes", "--env", "dev"]).ok();
    repo.git(&["add", "deploy.toml"]).ok();
    repo.git(&["commit", "-q", "-m", "Two"]).ok();
    let scene = Scene::new(&world, &repo, &repo, Fault::Killed);
    let ends = scene.sweep(&Victim::Client, &["record", "dev", "--all"], 1, 5);
    assert!(ends.killed > 0);
    println!("{ends:?}");
}

/// A full disk is told of, and once there is room again everything goes on.
#[test]
fn full_disk() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let scene = Scene::new(&world, &project.bob.repo, &project.server, Fault::FullDisk);
    for victim in [Victim::Client, Victim::Hook("proc-receive")] {
        let ends = scene.sweep(&victim, &["record", "dev", "--all"], 1, 17);
        assert!(ends.killed > 0);
        println!("{ends:?}");
    }
}

/// Where nothing may be written, whoever only looks is served all the same.
#[test]
fn read_only() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    project.ci.deploy(&["record", "dev", "--all"]).ok();
    project.bob.deploy(&["sync"]).ok();
    // All but `write`, which the answer itself needs.
    let refused = WRITES.replace("write,pwrite64,", "");
    let inject = format!("inject={refused}:error=EROFS");
    for look in
        [&["status"][..], &["log"], &["show"], &["check", "prod"], &["audit"], &["diff", "prod"], &["policy", "show"]]
    {
        let strace = ["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={refused}"), "-e", &inject, "git-deploy"];
        let run = project.bob.repo.run("strace", &[&strace, look].concat());
        assert!(run.succeeded() || look[0] == "check", "{run}");
        assert!(!run.err().contains("error:"), "{run}");
    }
}

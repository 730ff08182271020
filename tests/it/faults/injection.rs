//! Injects faults with strace at one writing system call after another, each time in the same
//! restored repositories.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Repo, Run, World};

/// The calls that change a file, a folder or a ref, or wait for the disk.
pub const WRITES: &str = "write,pwrite64,ftruncate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,\
                          mkdirat,rmdir,chmod,fchmod,fchmodat,fsync,fdatasync";
/// The calls that take a lock of the kernel, and everything before them.
const OPENS: &str = "openat,flock,exit_group";
/// The locks that the kernel releases by itself: their files stay.
const KERNELS: [&str; 2] = ["git-deploy.lock", "git-deploy-handoff.lock"];

/// The process that fails.
#[derive(Debug)]
pub enum Target {
    /// The program that a person runs.
    Client,
    /// That program and every process that it starts (git, the server's git, the hooks), each at its own call of that number.
    Family,
    /// A hook, while that person's program runs.
    Hook(&'static str),
    /// The same, at each call that opens or locks: some hooks write nothing but a lock.
    Opening(&'static str),
}

/// What happens at a call.
#[derive(Clone, Copy)]
pub enum Fault {
    /// The process is killed.
    Killed,
    /// From this call on nothing can be written.
    FullDisk,
}

/// How often a fault hit a command, and how often that left a lock.
#[derive(Default, Debug)]
pub struct SweepCounts {
    pub killed: usize,
    pub locked: usize,
}

/// One run of a command with a fault, or one that ended before its turn.
pub struct Injected<'w> {
    pub turn: usize,
    pub run: Run<'w>,
    /// Whether the fault hit a process.
    pub struck: bool,
    /// The tips of all ledgers before the run.
    pub before: Vec<(String, String)>,
}

/// Repositories that can be restored, and a kind of fault.
pub struct FaultInjection<'a, 'w> {
    pub world: &'w World,
    /// The repository in which the program runs.
    pub who: &'a Repo<'w>,
    /// The repository with the ledgers.
    pub server: &'a Repo<'w>,
    /// Other folders that are restored.
    others: Vec<PathBuf>,
    /// The locks that a command has already met.
    met: RefCell<BTreeSet<PathBuf>>,
    fault: Fault,
}

impl<'a, 'w> FaultInjection<'a, 'w> {
    pub fn new(world: &'w World, who: &'a Repo<'w>, server: &'a Repo<'w>, fault: Fault) -> Self {
        Self::with(world, who, server, fault, &[])
    }

    /// Prepares the same, with more folders that are restored.
    pub fn with(
        world: &'w World,
        who: &'a Repo<'w>,
        server: &'a Repo<'w>,
        fault: Fault,
        others: &[PathBuf],
    ) -> Self {
        let faults = Self {
            world,
            who,
            server,
            others: others.to_vec(),
            met: RefCell::default(),
            fault,
        };
        for folder in faults.folders() {
            copy(folder, &kept(folder));
        }
        faults
    }

    /// Returns both repositories, or the one if it holds its own ledgers.
    fn repos(&self) -> Vec<&'a Repo<'w>> {
        if self.who.path() == self.server.path() {
            vec![self.who]
        } else {
            vec![self.who, self.server]
        }
    }

    fn folders(&self) -> impl Iterator<Item = &Path> {
        self.repos()
            .into_iter()
            .map(Repo::path)
            .chain(self.others.iter().map(PathBuf::as_path))
    }

    /// Puts everything back.
    pub fn restore(&self) {
        for folder in self.folders() {
            copy(&kept(folder), folder);
        }
    }

    /// Returns the tips of all ledgers.
    pub fn tips(&self) -> Vec<(String, String)> {
        let refs = self
            .server
            .git(&[
                "for-each-ref",
                "--format=%(refname) %(objectname)",
                "refs/deploy/",
            ])
            .ok()
            .text();
        let pairs = refs.lines().filter_map(|line| line.split_once(' '));
        pairs
            .map(|(name, id)| (name.to_owned(), id.to_owned()))
            .collect()
    }

    /// Strikes at one place after the other, until the command is through before its turn comes. It writes so many entries, and works
    /// again afterwards.
    pub fn sweep(
        &self,
        target: &Target,
        arguments: &[&str],
        entries: usize,
        step: usize,
    ) -> SweepCounts {
        self.sweep_to(target, arguments, [arguments; 2], entries, step)
    }

    /// Does the same for a command that works only once: `next` holds the command to follow if no
    /// entry was written, and if one was.
    pub fn sweep_to(
        &self,
        target: &Target,
        arguments: &[&str],
        next: [&[&str]; 2],
        entries: usize,
        step: usize,
    ) -> SweepCounts {
        self.sweep_each(target, arguments, step, &|injected| {
            let moved = self.check_entries(injected, entries);
            self.check_continues(next[usize::from(moved > 0)], injected.turn)
        })
    }

    /// Checks that nothing is lost or written twice; returns the number of entries written.
    #[track_caller]
    pub fn check_entries(&self, injected: &Injected<'w>, entries: usize) -> usize {
        let Injected {
            turn,
            run,
            struck,
            before,
        } = injected;
        assert!(*struck || run.succeeded(), "{turn}: {run}");
        let moved = self.check_unharmed(before, *turn, run);
        assert!(moved <= entries, "{turn}: {moved} entries\n{run}");
        // A client that says that it is done has been told so.
        assert!(
            moved == entries || !run.succeeded(),
            "{turn}: an entry is lost\n{run}"
        );
        moved
    }

    /// Strikes at one place after the other, after a look at which there are, when nobody is struck. What follows each time says whether a
    /// lock was left.
    pub fn sweep_each(
        &self,
        target: &Target,
        arguments: &[&str],
        step: usize,
        follows: &dyn Fn(&Injected<'w>) -> bool,
    ) -> SweepCounts {
        let all = std::env::var_os("FAULTS").is_some_and(|value| value == "all");
        let calls = if matches!(target, Target::Opening(_)) {
            OPENS
        } else {
            WRITES
        };
        let mut ends = SweepCounts::default();
        let mut injected = |turn, inject: Option<&str>| {
            self.restore();
            let before = self.tips();
            let (run, log) = self.traced(target, arguments, calls, inject);
            let struck = log.contains("+++ killed by SIGKILL") || log.contains("(INJECTED)");
            ends.killed += usize::from(struck);
            ends.locked += usize::from(follows(&Injected {
                turn,
                run,
                struck,
                before,
            }));
            log
        };
        let log = injected(0, None);
        for (turn, (call, when)) in
            places(&log)
                .into_iter()
                .enumerate()
                .step_by(if all { 1 } else { step })
        {
            let inject = match self.fault {
                Fault::Killed => format!("inject={call}:signal=KILL:when={when}"),
                Fault::FullDisk => format!("inject={calls}:error=ENOSPC:when={when}+"),
            };
            // Shown where the test fails.
            println!("{}: {inject}", turn + 1);
            injected(turn + 1, Some(&inject));
        }
        ends
    }

    /// Runs the command under strace, which strikes where it is told to. Gives what it wrote down as well.
    fn traced(
        &self,
        target: &Target,
        arguments: &[&str],
        calls: &str,
        inject: Option<&str>,
    ) -> (Run<'w>, String) {
        let log = self.world.path().join("strace.log");
        let _ = std::fs::remove_file(&log);
        // Several may write to it. With their threads: a hook judges in one of its own. Each counts for itself, and each call for itself.
        let (out, trace) = (log.to_string_lossy(), format!("trace={calls}"));
        let mut options = vec!["-f", "-qq", "-A", "-o", &*out, "-e", &trace];
        options.extend(inject.iter().flat_map(|inject| ["-e", *inject]));
        let run = match target {
            Target::Client => self.who.run(
                "strace",
                &[&options[1..], &["git-deploy"], arguments].concat(),
            ),
            Target::Family => self.who.run(
                "strace",
                &[&options[..], &["git-deploy"], arguments].concat(),
            ),
            Target::Hook(name) | Target::Opening(name) => {
                self.strike_hook(name, &options.join(" "), arguments)
            }
        };
        (run, std::fs::read_to_string(log).unwrap_or_default())
    }

    fn strike_hook(&self, name: &str, strace: &str, arguments: &[&str]) -> Run<'w> {
        // The one hook of a clone's; a push is git's own command.
        let (of, hooks) = if name == "pre-push" {
            (self.who, ".git/hooks")
        } else {
            (self.server, "hooks")
        };
        let hook = Path::new(hooks).join(name);
        of.write(
            &hook.to_string_lossy(),
            &format!("#!/bin/sh\nexec strace {strace} git-deploy hook {name} \"$@\"\n"),
        );
        of.run("chmod", &["+x", &hook.to_string_lossy()]).ok();
        let run = self.run(arguments);
        std::fs::copy(kept(of.path()).join(&hook), of.path().join(&hook)).unwrap();
        run
    }

    /// Runs one of our commands, or git if the first word is `git`.
    pub fn run(&self, arguments: &[&str]) -> Run<'w> {
        match arguments {
            ["git", arguments @ ..] => self.who.git(arguments),
            arguments => self.who.deploy(arguments),
        }
    }

    /// Checks that every object is intact and no ledger has lost an entry; returns the number of
    /// new entries.
    #[track_caller]
    pub fn check_unharmed(&self, before: &[(String, String)], turn: usize, run: &Run<'_>) -> usize {
        for repo in self.repos() {
            let fsck = repo.git(&["fsck", "--strict", "--no-dangling", "--no-progress"]);
            assert!(fsck.succeeded(), "{turn}: {run}\n{fsck}");
        }
        let after = self.tips();
        let gone = before
            .iter()
            .find(|(name, _)| after.iter().all(|(other, _)| other != name));
        assert!(gone.is_none(), "{turn}: {gone:?} is gone\n{run}");
        let mut moved = 0;
        for (name, new) in after {
            let log = self
                .server
                .git(&["rev-list", "--first-parent", &new])
                .ok()
                .text();
            moved += match before.iter().find(|(other, _)| *other == name) {
                Some((_, old)) => log
                    .lines()
                    .position(|id| id == old)
                    .unwrap_or_else(|| panic!("{turn}: {name}\n{run}")),
                // The first one of a ledger is no entry.
                None => log.lines().count() - 1,
            };
        }
        moved
    }

    /// This command works now, or says which lock is in the way; then an audit finds nothing. Whether there was one.
    #[track_caller]
    pub fn check_continues(&self, arguments: &[&str], turn: usize) -> bool {
        self.world.advance("1m");
        let locked = self.check_locks(arguments, turn);
        let run = self.run(arguments);
        assert!(run.succeeded(), "{turn}: {run}");
        let audit = self.who.deploy(&["audit"]);
        assert!(audit.succeeded(), "{turn}: {run}\n{audit}");
        locked
    }

    /// Checks that a lock left behind is reported together with its remedy, and removes all locks;
    /// returns whether there were any.
    #[track_caller]
    pub fn check_locks(&self, arguments: &[&str], turn: usize) -> bool {
        let locks: Vec<PathBuf> = self
            .repos()
            .into_iter()
            .flat_map(|repo| locks(repo.path()))
            .collect();
        // Each command waits some seconds for a lock, so each lock is met once and after that removed beforehand.
        let new = locks
            .iter()
            .filter(|lock| self.met.borrow_mut().insert((*lock).clone()))
            .count();
        if new > 0 {
            let run = self.run(arguments);
            // What sets up, or pushes, stops where it is; where all was fetched or written before, no lock is needed.
            // So does a publish of the policy that is in force already; other commands meet the lock.
            let needless = run.succeeded()
                && (["init", "server", "git"].contains(&arguments[0])
                    || arguments.starts_with(&["policy", "publish"]));
            assert!(
                needless || locks.iter().any(|lock| self.tells_of(&run, lock)),
                "{turn}: {locks:?}\n{run}"
            );
        }
        for lock in &locks {
            std::fs::remove_file(lock).unwrap();
        }
        !locks.is_empty()
    }

    fn tells_of(&self, run: &Run<'_>, lock: &Path) -> bool {
        let path = lock.display();
        // What git says of a lock on the server's side is in its own words.
        let words = run.words_of_err();
        let told = words.contains(&format!("the lock file {path} exists"))
            || words.contains(&format!("'{path}'"));
        let remedy = format!("hint: rm {path}, if no git process is running here");
        // A hook of a clone only says why it says nothing: the push goes on.
        let tried =
            run.err().contains(&remedy) || run.err().contains("git deploy sync") || run.succeeded();
        told && (tried || !lock.starts_with(self.who.path()))
    }
}

/// Returns each system call in a log with each of its numbers, up to how often the process that
/// makes it most often makes it.
fn places(log: &str) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in log.lines() {
        // Whose it is stands in front where there are several.
        let (who, rest) = line
            .split_once(' ')
            .filter(|(who, _)| who.parse::<u32>().is_ok())
            .unwrap_or(("", line));
        let call = rest.trim_start().split('(').next().unwrap_or_default();
        if !call.is_empty()
            && call
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        {
            *counts.entry((call, who)).or_default() += 1;
        }
    }
    let mut most: BTreeMap<&str, usize> = BTreeMap::new();
    for ((call, _), count) in counts {
        let known = most.entry(call).or_default();
        *known = count.max(*known);
    }
    most.into_iter()
        .flat_map(|(call, count)| (1..=count).map(move |when| (call.to_owned(), when)))
        .collect()
}

/// Returns the locks that a killed process left in a repository.
fn locks(repository: &Path) -> Vec<PathBuf> {
    let folder = [repository.join(".git"), repository.to_owned()]
        .into_iter()
        .find(|folder| folder.join("refs").exists());
    let below = walkdir::WalkDir::new(folder.unwrap())
        .into_iter()
        .map(|entry| entry.unwrap().into_path());
    let is_lock = |path: &PathBuf| {
        let kernels = path
            .file_name()
            .is_some_and(|name| KERNELS.iter().any(|it| name == *it));
        !kernels && path.extension().is_some_and(|it| it == "lock")
    };
    below.filter(is_lock).collect()
}

/// Returns where the original of a folder is kept.
fn kept(folder: &Path) -> PathBuf {
    folder.with_extension("kept")
}

/// Replaces a folder with a copy of another.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

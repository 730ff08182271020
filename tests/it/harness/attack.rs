//! Runs many attacks on one project, and checks that each is refused with a reason and changes
//! nothing at all.
//!
//! Complaints are collected and reported together at the end, so that one run shows everything that
//! went wrong.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::member::a_lock;
use super::{Member, Project, RawPush, Run};

/// Every file of a repository with its size and time: refs, HEAD, objects, packs, the configuration, and leftovers.
type Files = BTreeMap<PathBuf, (u64, SystemTime)>;

/// Attacks on one project.
pub struct AttackRunner<'p, 'w> {
    project: &'p Project<'w>,
    complaints: RefCell<Vec<String>>,
    attacks: std::cell::Cell<u32>,
}

impl<'p, 'w> AttackRunner<'p, 'w> {
    pub fn of(project: &'p Project<'w>) -> Self {
        Self {
            project,
            complaints: RefCell::default(),
            attacks: std::cell::Cell::new(0),
        }
    }

    /// Checks that a push is refused for exactly these rules.
    pub fn refused(
        &self,
        attack: &str,
        rules: &[&str],
        attempt: impl FnOnce() -> Run<'w>,
    ) -> String {
        self.said(attack, "refused", rules, || {
            attempt().err().replace("remote: ", "")
        })
    }

    /// Checks the same for a forged entry.
    pub fn refused_entry(
        &self,
        attack: &str,
        rules: &[&str],
        member: &Member<'w>,
        ledger: &str,
        id: &impl ToString,
    ) -> String {
        let refspec = format!("+{}:refs/deploy/{ledger}", id.to_string());
        self.refused(attack, rules, || member.push(&[&refspec]))
    }

    /// Checks that the server cannot tell whether a push may go in, because of these rules.
    pub fn cannot_tell(
        &self,
        attack: &str,
        rules: &[&str],
        attempt: impl FnOnce() -> Run<'w>,
    ) -> String {
        self.said(attack, "cannot tell", rules, || {
            attempt().err().replace("remote: ", "")
        })
    }

    /// Checks that a request sent straight to `git receive-pack`, with the attacker's objects, is
    /// refused for these rules.
    pub fn refused_raw(&self, attack: &str, rules: &[&str], wire: &RawPush<'_, 'w>) -> String {
        self.said(attack, "refused", rules, || wire.send(&self.project.server))
    }

    /// Checks that the server cannot tell whether such a request may go in.
    pub fn cannot_tell_raw(&self, attack: &str, rules: &[&str], wire: &RawPush<'_, 'w>) -> String {
        self.said(attack, "cannot tell", rules, || {
            wire.send(&self.project.server)
        })
    }

    /// Checks that such a request fails, whether git or a hook refuses it.
    pub fn fails_raw(&self, attack: &str, wire: &RawPush<'_, 'w>) -> String {
        let mut said = String::new();
        self.unchanged(attack, || said = wire.send(&self.project.server));
        said
    }

    /// Checks that git or one of our commands refuses an attempt before any rule is asked, and that
    /// nothing changes.
    pub fn fails(&self, attack: &str, attempt: impl FnOnce() -> Run<'w>) -> String {
        let mut said = String::new();
        self.unchanged(attack, || {
            let run = attempt();
            if run.succeeded() {
                self.complain(attack, "nobody said no", &run.to_string());
            }
            said = run.err();
        });
        said
    }

    /// Checks that a command fails on the client, without contacting the server.
    pub fn fails_locally(&self, attack: &str, attempt: impl FnOnce() -> Run<'w>) -> String {
        self.attacks.set(self.attacks.get() + 1);
        let before = files(self.project.server.path());
        let run = attempt();
        if run.succeeded() || before != files(self.project.server.path()) {
            self.complain(attack, "nobody said no", &run.to_string());
        }
        run.err()
    }

    /// Reports all complaints, and checks that the next honest push works, every object is intact
    /// and an audit finds nothing.
    #[track_caller]
    pub fn finish(self) {
        let complaints = self.complaints.into_inner();
        assert!(
            complaints.is_empty(),
            "of {} attacks:\n\n{}",
            self.attacks.get(),
            complaints.join("\n\n")
        );
        let alice = &self.project.alice;
        alice.deploy(&["sync"]).ok();
        let main = self.project.server.rev("refs/heads/main");
        let build = alice.build("evidence", a_build(alice, &main), None, |_| ());
        alice.push(&[&format!("{build}:refs/deploy/evidence")]).ok();
        self.project.audited();
    }

    fn said(
        &self,
        attack: &str,
        word: &str,
        rules: &[&str],
        attempt: impl FnOnce() -> String,
    ) -> String {
        let mut said = String::new();
        self.unchanged(attack, || said = attempt());
        let told = said
            .lines()
            .any(|line| line.starts_with(&format!("git-deploy: {word}")));
        let mark = if word == "refused" { "  ✗ " } else { "  ? " };
        let named = said
            .lines()
            .filter_map(|line| line.strip_prefix(mark))
            .filter_map(|line| line.split("  ").next());
        let named: BTreeSet<&str> = named.map(str::trim_end).collect();
        if !told || named != rules.iter().copied().collect() {
            self.complain(
                attack,
                &format!("it should be {word:?} for {rules:?}"),
                &said,
            );
        }
        said
    }

    /// Checks that an attack leaves every file of the server as it was.
    fn unchanged(&self, attack: &str, attempt: impl FnOnce()) {
        self.attacks.set(self.attacks.get() + 1);
        let server = &self.project.server;
        let before = files(server.path());
        attempt();
        let after = files(server.path());
        if before == after {
            return;
        }
        let differ = after
            .iter()
            .filter(|(path, file)| before.get(*path) != Some(*file))
            .map(|(path, _)| path);
        let gone = before.keys().filter(|path| !after.contains_key(*path));
        self.complain(
            attack,
            "it changed the server",
            &format!("{:?}", differ.chain(gone).take(3).collect::<Vec<_>>()),
        );
        // About unchanged files git fsck says what it said before; `finish` asks it once.
        let fsck = server.git(&["fsck", "--strict", "--no-dangling", "--no-progress"]);
        if !fsck.succeeded() {
            self.complain(attack, "git fsck complains", &fsck.to_string());
        }
    }

    fn complain(&self, attack: &str, what: &str, said: &str) {
        // A test that stumbles over what an attack left behind should show the attack.
        eprintln!("{attack}: {what}\n{said}");
        self.complaints
            .borrow_mut()
            .push(format!("{attack}: {what}\n{said}"));
    }
}

/// Makes a valid build action, which may be repeated.
pub fn a_build(member: &Member<'_>, commit: &str) -> git_deploy::testing::domain::entry::Action {
    use git_deploy::testing::domain::entry::{Action, Build, BuildResult};
    let commit = git_deploy::testing::domain::id::CommitId(commit.parse().unwrap());
    let component = member.components().remove(0);
    Action::Build(Build {
        component,
        commit,
        result: BuildResult::Succeeded,
        log: None,
    })
}

/// Returns every file below a folder with its size and time of change.
fn files(folder: &Path) -> Files {
    let mut files = Files::new();
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        // Folders come and go with what is in them, and of an object that is sent again git notes that it is still wanted.
        let timeless = metadata.is_dir()
            || entry
                .path()
                .parent()
                .is_some_and(|it| it.parent() == Some(&folder.join("objects")));
        let written = if timeless {
            SystemTime::UNIX_EPOCH
        } else {
            metadata.modified().unwrap()
        };
        files.insert(
            entry.into_path(),
            (if metadata.is_dir() { 0 } else { metadata.len() }, written),
        );
    }
    files
}

/// Makes the smallest honest entry of an environment's ledger.
pub fn an_entry(member: &Member<'_>, ledger: &str) -> String {
    member.build(ledger, a_lock(), None, |_| ()).to_string()
}

/// Returns whether a character controls a terminal, or makes text look like other text.
pub fn strange(text: &str) -> Option<char> {
    let hidden = |c: char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    text.chars()
        .find(|c| *c != '\n' && (c.is_control() || hidden(*c)))
}

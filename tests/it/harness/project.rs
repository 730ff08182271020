//! A project with a server and its hooks, four people with clones and keys, and a policy in force.
//!
//! The tests are about what a server says, so pushes that a client would refuse skip its check:
//! with `--no-verify`, with plain git, or forged.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::folder_copy::FolderCopy;
use super::world::Clock;
use super::{Member, Repo, Run, World};

pub struct Project<'w> {
    pub world: &'w World,
    pub server: Repo<'w>,
    /// The admin.
    pub alice: Member<'w>,
    pub bob: Member<'w>,
    pub carol: Member<'w>,
    /// A machine.
    pub ci: Member<'w>,
}

impl<'w> Project<'w> {
    /// Makes a project whose one commit, on main, is `api/x`; `policy` follows the people in
    /// deploy.toml.
    pub fn new(world: &'w World, policy: &str) -> Self {
        if !world.is_new() {
            return Self::without_policy(world, world.bare_server("server.git"), clone_by_url)
                .with_policy(policy);
        }
        let (folder, clock) = &*beginning(world.object_format());
        folder.write(world.path());
        world.set_clock(*clock);
        let person = |name| Member::existing(world, world.existing(name, name), name);
        let [alice, bob, carol, ci] = PEOPLE.map(person);
        let server = world.existing("server.git", "server");
        let project = Self {
            world,
            server,
            alice,
            bob,
            carol,
            ci,
        };
        project.with_policy(policy)
    }

    /// Makes the same on an existing server, which each person clones in this way.
    pub fn on(
        world: &'w World,
        server: Repo<'w>,
        policy: &str,
        clone: impl Fn(&Repo<'w>, &'static str) -> Repo<'w>,
    ) -> Self {
        Self::without_policy(world, server, clone).with_policy(policy)
    }

    /// Makes the server, the clones with their keys, and the commit, which all clones have.
    fn without_policy(
        world: &'w World,
        server: Repo<'w>,
        clone: impl Fn(&Repo<'w>, &'static str) -> Repo<'w>,
    ) -> Self {
        let person = |name| {
            let member = Member::within(world, clone(&server, name), name);
            let key = world.path().join("home").join(format!("{name}.key"));
            member
                .repo
                .git(&["config", "deploy.key", &key.to_string_lossy()])
                .ok();
            member
        };
        let [alice, bob, carol, ci] = PEOPLE.map(person);
        let project = Self {
            world,
            server,
            alice,
            bob,
            carol,
            ci,
        };
        let admin = project.alice.key().to_string();
        project
            .server
            .deploy(&["server", "init", ".", "--admin", &admin])
            .ok();
        project.commit("api/x", "one\n");
        project
            .alice
            .repo
            .git(&["push", "-q", "origin", "HEAD:refs/heads/main"])
            .ok();
        project.fetch();
        project
    }

    /// Brings the first policy into force, and to all clones.
    fn with_policy(self, policy: &str) -> Self {
        self.alice.repo.write("deploy.toml", &self.policy(policy));
        self.alice.deploy(&["init", "--yes"]).ok();
        for member in [&self.bob, &self.carol, &self.ci] {
            member.deploy(&["sync"]).ok();
        }
        self
    }

    /// Returns the whole deploy.toml.
    pub fn policy(&self, rest: &str) -> String {
        let person = |member: &Member<'_>| {
            let (name, key) = (member.person, member.key());
            format!("{name} = {{ key = \"{key}\", emails = [\"{name}@example.com\"] }}\n")
        };
        let people: String = [&self.alice, &self.bob, &self.carol].map(person).concat();
        let ci = self.ci.key();
        format!(
            "schema = 1\nproject = \"demo\"\n\n[people]\n{people}ci = {{ key = \"{ci}\", machine = true }}\n\n{rest}"
        )
    }

    /// Brings another policy into force.
    pub fn publish(&self, rest: &str) {
        self.alice.repo.write("deploy.toml", &self.policy(rest));
        self.alice.deploy(&["policy", "publish", "--yes"]).ok();
    }

    /// Commits one file as alice, a minute later, and pushes nothing.
    pub fn commit(&self, file: &str, content: &str) -> String {
        self.world.advance("1m");
        self.alice
            .repo
            .commit(file, content, &format!("Change {file}"))
    }

    /// Commits one file as alice, pushes main, and brings it to all clones.
    pub fn push(&self, file: &str, content: &str) -> String {
        let id = self.commit(file, content);
        self.alice.push(&["HEAD:refs/heads/main"]).ok();
        self.fetch();
        id
    }

    /// Brings every clone's work tree to the server's main.
    pub fn fetch(&self) {
        for member in [&self.bob, &self.carol, &self.ci] {
            member.repo.git(&["fetch", "-q", "origin"]).ok();
            member
                .repo
                .git(&["reset", "-q", "--hard", "origin/main"])
                .ok();
        }
    }

    /// Returns all refs of the server.
    pub fn refs(&self) -> String {
        self.server
            .git(&["for-each-ref", "--format=%(refname) %(objectname)"])
            .ok()
            .text()
    }

    /// Checks that the server refuses an attempt for exactly these rules, and that no ref has
    /// moved.
    #[track_caller]
    pub fn refused(&self, rules: &[&str], attempt: impl FnOnce() -> Run<'w>) -> String {
        let before = self.refs();
        let run = attempt().fails(1);
        let against = against(&run);
        assert_eq!(
            against,
            rules.iter().map(|rule| (*rule).to_owned()).collect(),
            "{run}"
        );
        assert!(said(&run).starts_with("git-deploy: refused"), "{run}");
        assert_eq!(self.refs(), before, "{run}");
        said(&run)
    }

    /// Checks the same for a forged entry.
    #[track_caller]
    pub fn refused_entry(
        &self,
        rules: &[&str],
        member: &Member<'w>,
        ledger: &str,
        id: &impl ToString,
    ) -> String {
        let refspec = format!("+{}:refs/deploy/{ledger}", id.to_string());
        self.refused(rules, || member.push(&[&refspec]))
    }

    /// Checks that every object is intact, also those of refused pushes, and that an audit of the
    /// server finds nothing.
    #[track_caller]
    pub fn audited(&self) {
        self.server.git(&["fsck", "--strict", "--no-dangling"]).ok();
        self.carol.deploy(&["sync"]).ok();
        self.carol.deploy(&["audit"]).ok();
    }
}

const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "ci"];

/// Clones a server of the world in the usual way.
fn clone_by_url<'w>(server: &Repo<'w>, person: &'static str) -> Repo<'w> {
    server.world().clone(server, person)
}

/// A project without a policy: its folder, and the world's clock.
type Beginning = Arc<(FolderCopy, Clock)>;

/// Returns a project without a policy, which is made once and then copied.
///
/// The projects of one test have different keys, so each gets another one of them.
fn beginning(object_format: &'static str) -> Beginning {
    static BEGINNINGS: Mutex<BTreeMap<(&str, usize), Beginning>> = Mutex::new(BTreeMap::new());
    thread_local!(static COUNT: Cell<usize> = const { Cell::new(0) });
    let number = COUNT.replace(COUNT.get() + 1);
    // Whoever else needs one waits, rather than making another.
    let mut beginnings = BEGINNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let world = World::with_format(object_format);
        Project::without_policy(&world, world.bare_server("server.git"), clone_by_url);
        Arc::new((FolderCopy::read(world.path()), world.clock()))
    };
    Arc::clone(
        beginnings
            .entry((object_format, number))
            .or_insert_with(make),
    )
}

/// Returns what the server said, without git's own words.
pub fn said(run: &Run<'_>) -> String {
    let lines = run.err();
    let lines = lines
        .lines()
        .filter_map(|line| line.strip_prefix("remote: "))
        .map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the rules that the server named as broken.
fn against(run: &Run<'_>) -> BTreeSet<String> {
    let said = said(run);
    let names = said
        .lines()
        .filter_map(|line| line.strip_prefix("  ✗ "))
        .filter_map(|line| line.split("  ").next());
    names.map(|name| name.trim_end().to_owned()).collect()
}

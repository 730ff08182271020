//! A project with a server and its hooks, four people with clones and keys, and a policy in force.
//!
//! The tests are about what a server says, so pushes that a client would refuse skip its check:
//! with `--no-verify`, with plain git, or forged.

use std::collections::BTreeSet;

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
        let server = world.bare_server("server.git");
        Self::on(world, server, policy, |server, person| {
            world.clone(server, person)
        })
    }

    /// Makes the same on an existing server, which each person clones in this way.
    pub fn on(
        world: &'w World,
        server: Repo<'w>,
        policy: &str,
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
        let [alice, bob, carol, ci] = ["alice", "bob", "carol", "ci"].map(person);
        let project = Self {
            world,
            server,
            alice,
            bob,
            carol,
            ci,
        };
        project
            .server
            .deploy(&[
                "server",
                "init",
                ".",
                "--admin",
                &project.alice.key().to_string(),
            ])
            .ok();
        project
            .alice
            .repo
            .write("deploy.toml", &project.policy(policy));
        project.commit("api/x", "one\n");
        project
            .alice
            .repo
            .git(&["push", "-q", "origin", "HEAD:refs/heads/main"])
            .ok();
        project.alice.deploy(&["init", "--yes"]).ok();
        for member in [&project.bob, &project.carol, &project.ci] {
            member.deploy(&["sync"]).ok();
        }
        project.fetch();
        project
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

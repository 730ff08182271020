//! Two pushes that arrive together: the outcome must be that of one of the two orders.
//!
//! Both entries are made beforehand on the same tips, so each round costs two pushes. The quick
//! tier runs some rounds; `RACES=1000` runs as many.

use std::collections::{BTreeMap, BTreeSet};

use git_deploy::testing::domain::entry::{Action, Resume};
use git_deploy::testing::domain::id::RunId;

use crate::harness::{Member, Project, World};

const POLICY: &str = "\
[environments]
dev = {}
prod = { promote_from = \"dev\" }
qa = { approvals = 1 }
lab = { checks = [\"test-result\"] }
open = {}
[checks]
test-result = { by = [\"bob\"] }
";

/// Refs of the server, and where they are.
type Refs = BTreeMap<String, String>;
/// The outcome of a round: whether each push was accepted, and where the ledgers are.
type Outcome = ([bool; 2], Refs);

struct RaceFixture<'w> {
    project: Project<'w>,
    base: Refs,
    old: String,
}

impl<'w> RaceFixture<'w> {
    /// Prepares a server on which two commits have run in dev, carol has approved for qa, and a run
    /// is open.
    fn new(world: &'w World) -> Self {
        let project = Project::new(world, POLICY);
        let old = project.alice.repo.rev("HEAD");
        project
            .ci
            .deploy(&["record", "dev", "--all", "--verification", "passed"])
            .ok();
        project.push("api/x", "two\n");
        project
            .ci
            .deploy(&["record", "dev", "--all", "--verification", "passed"])
            .ok();
        project.carol.deploy(&["approve", "qa"]).ok();
        project
            .ci
            .deploy(&["record", "open", "--all", "--start"])
            .ok();
        let mut arena = Self {
            project,
            base: Refs::new(),
            old,
        };
        arena.base = arena.refs();
        arena
    }

    fn refs(&self) -> Refs {
        let refs = self.project.refs();
        refs.lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, id)| (name.to_owned(), id.to_owned()))
            .collect()
    }

    /// Puts the server back to the beginning.
    fn reset(&self) {
        // What was verified is forgotten as well: these ledgers go back.
        let _ = std::fs::remove_dir_all(self.project.server.path().join("git-deploy"));
        for (name, id) in self.refs() {
            match self.base.get(&name) {
                Some(base) if *base == id => {}
                Some(base) => drop(self.project.server.git(&["update-ref", &name, base]).ok()),
                None => drop(self.project.server.git(&["update-ref", "-d", &name]).ok()),
            }
        }
    }

    /// Lets a clone forget what it has seen of ledgers: it would take the server for a liar.
    fn forget(member: &Member<'w>) {
        let names = ["refs/deploy/", "refs/deploy-incoming/", "refs/notes/"];
        let refs = member
            .repo
            .git(&[&["for-each-ref", "--format=%(refname)"], &names[..]].concat())
            .ok()
            .text();
        refs.lines()
            .for_each(|name| drop(member.repo.git(&["update-ref", "-d", name]).ok()));
        let _ = std::fs::remove_dir_all(member.repo.path().join(".git/git-deploy"));
        member.deploy(&["sync"]).ok();
    }

    /// Returns what a command pushes, as a refspec, and restores the server.
    fn prepared(&self, member: &Member<'w>, command: &[&str]) -> String {
        self.reset();
        Self::forget(member);
        member.deploy(command).ok();
        let moved = self
            .refs()
            .into_iter()
            .find(|(name, id)| name.starts_with("refs/deploy/") && self.base.get(name) != Some(id));
        self.reset();
        let (name, id) = moved.unwrap();
        format!("+{id}:{name}")
    }

    fn outcome(&self, went_in: [bool; 2]) -> Outcome {
        (
            went_in,
            self.refs()
                .into_iter()
                .filter(|(name, _)| name.starts_with("refs/deploy/"))
                .collect(),
        )
    }

    /// Pushes both, round after round, and checks that every outcome is that of one of the two
    /// orders; prints how often each came.
    fn duel(&self, what: &str, one: (&Member<'w>, &str), other: (&Member<'w>, &str)) {
        let push = |(member, refspec): (&Member<'w>, &str)| member.push(&[refspec]).succeeded();
        self.reset();
        let first = push(one);
        let forwards = self.outcome([first, push(other)]);
        self.reset();
        let first = push(other);
        let backwards = self.outcome([push(one), first]);
        let allowed = BTreeSet::from([forwards, backwards]);
        let mut seen: BTreeMap<[bool; 2], usize> = BTreeMap::new();
        for round in 0..rounds() {
            self.reset();
            let both = |one, other| {
                std::thread::scope(|scope| {
                    let later = scope.spawn(|| push(other));
                    (push(one), later.join().unwrap())
                })
            };
            // Neither always begins.
            let went_in = if round % 2 == 0 {
                both(one, other).into()
            } else {
                let (second, first) = both(other, one);
                [first, second]
            };
            let outcome = self.outcome(went_in);
            assert!(
                allowed.contains(&outcome),
                "{what}, round {round}: {outcome:?} is none of {allowed:?}"
            );
            self.told(&outcome.1);
            *seen.entry(went_in).or_default() += 1;
        }
        println!(
            "{what}: {seen:?} of {:?}",
            allowed
                .iter()
                .map(|(went_in, _)| went_in)
                .collect::<Vec<_>>()
        );
    }

    /// Checks that the notes cover the ledgers.
    #[track_caller]
    fn told(&self, ledgers: &Refs) {
        let message = self
            .project
            .server
            .git(&["cat-file", "commit", "refs/notes/deploy"])
            .ok()
            .text();
        let covered = message
            .lines()
            .filter_map(|line| line.strip_prefix("Deploy-Covers: ")?.split_once(' '));
        let covered: Refs = covered
            .map(|(ledger, id)| (format!("refs/deploy/{ledger}"), id.to_owned()))
            .collect();
        assert_eq!(&covered, ledgers);
    }
}

fn rounds() -> usize {
    std::env::var("RACES").map_or(5, |rounds| rounds.parse().unwrap())
}

/// Deployments, rollbacks, approvals, evidence, policies and runs against each other.
#[test]
fn every_outcome_matches_an_order() {
    let world = World::new();
    let arena = RaceFixture::new(&world);
    let Project {
        alice,
        bob,
        carol,
        ci,
        ..
    } = &arena.project;

    let deploy = arena.prepared(ci, &["record", "dev", "--all"]);
    let start = arena.prepared(bob, &["record", "dev", "--all", "--start"]);
    arena.duel("two deployments", (ci, &deploy), (bob, &start));

    let promote = arena.prepared(ci, &["record", "prod", "--all"]);
    let back = arena.prepared(bob, &["record", "dev", &arena.old, "--rollback"]);
    arena.duel(
        "a promotion, and a rollback before it",
        (ci, &promote),
        (bob, &back),
    );

    let used = arena.prepared(ci, &["record", "qa", "--all"]);
    let revoked = arena.prepared(carol, &["revoke", "qa"]);
    arena.duel(
        "an approval used and revoked",
        (ci, &used),
        (carol, &revoked),
    );

    alice.repo.write(
        "deploy.toml",
        &arena
            .project
            .policy(&format!("{POLICY}\n[environments.more]\n")),
    );
    let published = arena.prepared(alice, &["policy", "publish", "--yes"]);
    arena.duel("a policy and a start", (alice, &published), (bob, &start));

    let resume = |member: &Member<'_>, run: u8| {
        let id = member.build(
            "open",
            Action::Resume(Resume {
                start: 1,
                run: RunId([run; 16]),
                reason: Some("lost".parse().unwrap()),
            }),
            None,
            |_| (),
        );
        format!("+{id}:refs/deploy/open")
    };
    arena.reset();
    for member in [alice, bob] {
        RaceFixture::forget(member);
    }
    let (one, other) = (resume(bob, 1), resume(alice, 2));
    arena.duel("two resumes", (bob, &one), (alice, &other));

    let finish = arena.prepared(ci, &["record", "open", "--finish"]);
    let abort = arena.prepared(alice, &["abort", "open", "-m", "no"]);
    arena.duel(
        "an abort, and the run's end",
        (ci, &finish),
        (alice, &abort),
    );

    // The start counts on evidence that is only there once the other push is through.
    arena.reset();
    for member in [bob, ci] {
        RaceFixture::forget(member);
    }
    bob.deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    let attested = arena.refs()["refs/deploy/evidence"].clone();
    ci.deploy(&["record", "lab", "--all"]).ok();
    let relying = arena.refs()["refs/deploy/lab"].clone();
    arena.reset();
    let (attested, relying) = (
        format!("+{attested}:refs/deploy/evidence"),
        format!("+{relying}:refs/deploy/lab"),
    );
    arena.duel(
        "evidence, and what relies on it",
        (bob, &attested),
        (ci, &relying),
    );
    // In one push each is judged on what was there before it, and one refusal is everybody's.
    arena.reset();
    ci.repo
        .git(&["fetch", "-q", &bob.repo.url(), "refs/deploy/evidence"])
        .ok();
    let refused = ci.push(&[&attested, &relying]).fails(1);
    assert!(refused.err().contains("✗ checks"), "{refused}");
    assert_eq!(arena.refs(), arena.base);

    arena
        .project
        .server
        .git(&["fsck", "--strict", "--no-dangling"])
        .ok();
    let auditor = world.clone(&arena.project.server, "auditor");
    auditor.deploy(&["sync"]).ok();
    auditor.deploy(&["audit"]).ok();
}

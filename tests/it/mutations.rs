//! A valid push with any one thing changed is refused.
//!
//! Thousands of mutations are judged in this process, by the code that the hooks use; some of each
//! kind are then really pushed, with plain git to a server with its hooks. `PROPTEST_CASES` tries
//! more of them.

mod apply;
mod change;
mod valid_pushes;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use git_deploy::testing::domain::name::LedgerName;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::harness::World;
use crate::harness::project::said;
use change::mutation;
use valid_pushes::{Line, PushFixture};

/// How many mutations are judged at least.
const CASES: u32 = 1_500;
/// How many of each kind are pushed.
const PUSHED: usize = 3;

/// What was tried of one kind of change.
#[derive(Default)]
struct Tried {
    count: usize,
    /// How often each rule was the first to refuse.
    against: BTreeMap<String, usize>,
    /// Those that are pushed.
    kept: BTreeSet<Line>,
}

/// What was tried, by the kind of change.
type Tally = BTreeMap<&'static str, Tried>;

#[test]
fn no_mutation_is_accepted() {
    let world = World::new();
    let bench = PushFixture::new(&world);
    let tried = judged(&bench, CASES);
    assert_eq!(
        tried.len(),
        12,
        "a kind of change was never tried: {:?}",
        tried.keys()
    );
    really(&bench, tried.into_values().flat_map(|tried| tried.kept));
}

/// Ids, and everything that is cut out of bytes, have another length with SHA-256.
#[test]
fn no_mutation_is_accepted_with_sha256() {
    let world = World::sha256();
    judged(&PushFixture::new(&world), CASES / 5);
}

/// Judges mutations; none is let in.
fn judged(bench: &PushFixture<'_>, cases: u32) -> Tally {
    // Otherwise what follows says nothing.
    for line in bench.valid() {
        assert_eq!(
            bench.against(line),
            None,
            "a valid push is refused: {line:?}"
        );
    }
    let tried: RefCell<Tally> = RefCell::default();
    let cases = Config::default().cases.max(cases);
    let config = Config {
        cases,
        failure_persistence: None,
        max_global_rejects: cases * 4,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&mutation(), |mutation| {
        let Some(line) = bench.mutated(&mutation) else {
            return Err(TestCaseError::reject("it changes nothing"));
        };
        let Some(rule) = bench.against(&line) else {
            return Err(TestCaseError::fail(format!("let in: {line:?}")));
        };
        let mut tried = tried.borrow_mut();
        let tried = tried.entry(mutation.change.kind()).or_default();
        tried.count += 1;
        *tried.against.entry(rule).or_default() += 1;
        if tried.kept.len() < PUSHED {
            tried.kept.extend(bench.as_git_says(line));
        }
        Ok(())
    });
    let tried = tried.into_inner();
    for (kind, it) in &tried {
        println!("{kind}: {} against {:?}", it.count, it.against);
    }
    result.unwrap();
    tried
}

/// Pushes mutations with plain git: all are refused, nothing has moved, and the server goes on as if nothing had been.
fn really(bench: &PushFixture<'_>, mutations: impl Iterator<Item = Line>) {
    let project = &bench.project;
    let before = project.refs();
    let (mut pushed, mut judged) = (0, 0);
    for line in mutations {
        let run = bench.push(&line);
        assert!(!run.succeeded(), "{line:?}: {run}");
        assert_eq!(project.refs(), before, "{line:?}: {run}");
        pushed += 1;
        judged += usize::from(said(&run).starts_with("git-deploy: "));
    }
    println!("{pushed} pushed, {judged} of them reached the hooks");
    // Some are stopped before, by git: as a broken tree, or a ref that cannot be one.
    assert!(
        judged * 2 > pushed && pushed > 20,
        "{judged} of {pushed} pushes reached the hooks"
    );
    project
        .server
        .git(&["fsck", "--strict", "--no-dangling"])
        .ok();
    // One honest push a ledger: another one of the same place would come too late.
    let mut moved = BTreeSet::from([LedgerName::policy()]);
    for push in bench
        .pushes
        .iter()
        .filter(|push| moved.insert(push.ledger.clone()))
    {
        let line = bench.line(push, push.commits[push.commits.len() - 1]);
        bench.push(&line).ok();
        assert_eq!(project.server.rev(&line.name), line.new);
    }
    project.alice.deploy(&["sync"]).ok();
    project.publish(&valid_pushes::POLICY.replace("approvals = 1", "approvals = 2"));
    project.audited();
}

//! Client and server agree: whatever entries a client makes under whatever policy, the server accepts, and an audit finds in order.
//!
//! A refusal by the client's own rules is no failure here; everything else that is not an accepted entry is.

mod drafts;
mod policies;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use drafts::{EVIDENCE, HERE, POLICY, Scene};
use policies::{PEOPLE, policy};

use crate::clock;
use crate::domain::entry::{
    Action, Artifact, DeploymentKind, Image, Outcome as Ending, Record, RecordedResult, Statement,
    VerificationResult,
};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::{EnvName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::state::Scope;
use crate::domain::verdict::{CheckResult, Rule};
use crate::git::Repository;
use crate::git::tests::{Numbers, Scratch};
use crate::ledger::entry_validator::{EntryValidator, PushContext, ValidationContext};
use crate::ledger::facts::FactGatherer;
use crate::ledger::testing::{
    TestClone, TestKeys, assert_notes_match, create_project, draft_publish, expect_accepted, parse,
    validate_all, write_code_commit,
};
use crate::ledger::writer::{AppendError, AppendFailure, LedgerSnapshot, RefusedEntry};
use crate::ledger::{Project, StateReader, Tips};
use crate::run::build_deployment::{
    BuildError, Commits, DeploymentSpec, Selection, build_deployment,
};

/// How many projects are played through.
const CASES: u64 = 12;
/// How many are played at most, while some kind of entry was never accepted: keys and the clock are not the seed's.
const MOST: u64 = 100;
/// How many are played at once.
const THREADS: u64 = 8;
/// How many entries each of them gets.
const ENTRIES: usize = 30;
/// How many drafts are made for that at most.
const DRAFTS: usize = 150;

/// What must have been accepted over all cases, or the property would say little.
const KINDS: [&str; 32] = [
    "start",
    "start Rollback",
    "start Hotfix",
    "start Destroy",
    "start Exec",
    "start with glass",
    "record",
    "record Rollback",
    "record with glass",
    "with a branch's tip",
    "with artifacts",
    "with a version",
    "with approvals",
    "finish",
    "resume",
    "abort",
    "verification",
    "approve",
    "revoke",
    "lock",
    "unlock",
    "unlock of a hold",
    "expire",
    "baseline",
    "build",
    "artifact",
    "attestation",
    "yank",
    "unyank",
    "policy publish",
    "policy revoke",
    "policy approve",
];

/// How often each kind of entry was accepted.
type Tally = BTreeMap<String, usize>;

struct World {
    scratch: Scratch,
    repository: Repository,
    project: Project,
    keys: TestKeys,
    dice: RefCell<Numbers>,
    commits: Vec<CommitId>,
    proposals: Vec<String>,
    focus: RefCell<Focus>,
}

/// What somebody is after: whoever was refused a deployment does what it lacks, and tries again.
#[derive(Default)]
struct Focus {
    commit: Option<CommitId>,
    todo: VecDeque<(&'static str, EnvName)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (scratch, keys) = (Scratch::bare(), TestKeys::new());
        let repository = scratch.open();
        let project = create_project(&repository, keys.public("alice"));
        let mut dice = Numbers(seed);
        let commits = history(&repository, &mut dice);
        let first = policy(&keys, &mut dice, true);
        let proposals = (0..3).map(|_| policy(&keys, &mut dice, false)).collect();
        let dice = RefCell::new(dice);
        let world = Self {
            scratch,
            repository,
            project,
            keys,
            dice,
            commits,
            proposals,
            focus: RefCell::default(),
        };
        world.move_branches();
        world.desk("alice").write("policy", &draft_publish(&first));
        world
    }

    fn desk(&self, key: &str) -> TestClone<'_> {
        let person = parse(key.strip_suffix("-new").unwrap_or(key));
        let (repository, project) = (&self.repository, &self.project);
        TestClone {
            repository,
            project,
            remote: None,
            person,
            signer: self.keys.signer(key),
        }
    }

    fn below(&self, limit: u64) -> u64 {
        self.dice.borrow_mut().below(limit)
    }

    fn move_branches(&self) {
        let (early, late) = self.commits.split_at(2);
        // What is merged first must be on `main`; on the others one must be up to date.
        for (branch, commits) in [("dev", early), ("qa", early), ("main", late)] {
            let commit = *self.dice.borrow_mut().pick(commits);
            self.scratch.git(&[
                "update-ref",
                &format!("refs/heads/{branch}"),
                &commit.to_string(),
            ]);
        }
    }

    /// What is made next, and where.
    fn next(&self, tally: &Tally) -> (&'static str, EnvName) {
        if let Some(planned) = self.focus.borrow_mut().todo.pop_front() {
            return planned;
        }
        self.focus.borrow_mut().commit = None;
        let kind = match self.below(16) {
            // What is hard to come by is tried most.
            10.. => {
                let all: Vec<&'static str> = HERE
                    .iter()
                    .chain(&EVIDENCE)
                    .chain(&POLICY)
                    .copied()
                    .collect();
                let count = |kind: &str| tally.get(&drafted(kind)).copied().unwrap_or(0);
                let least = all.iter().map(|kind| count(kind)).min().unwrap_or(0);
                let rare: Vec<&'static str> = all
                    .into_iter()
                    .filter(|kind| count(kind) <= least + 1)
                    .collect();
                *self.dice.borrow_mut().pick(&rare)
            }
            0 => *self.dice.borrow_mut().pick(&POLICY),
            1 => *self.dice.borrow_mut().pick(&EVIDENCE),
            2..4 => "deploy",
            4 => "finish",
            5 => "record",
            _ => *self.dice.borrow_mut().pick(&HERE),
        };
        let environments: [&str; 8] = ["dev", "dev", "dev", "qa", "qa", "prod", "pr-1", "pr-2"];
        (
            kind,
            parse(self.dice.borrow_mut().pick::<&str>(&environments)),
        )
    }

    /// Takes note of what a deployment lacks.
    fn learn(&self, kind: &'static str, name: &EnvName, refusal: &RefusedEntry, policy: &Policy) {
        let mut focus = self.focus.borrow_mut();
        let Some(commit) = refusal.statement.deployed_commits().first().copied() else {
            return;
        };
        if focus.commit.is_some() || self.below(4) == 0 {
            return;
        }
        focus.commit = Some(commit);
        for check in refusal
            .verdict
            .checks
            .iter()
            .filter(|check| check.outcome == CheckResult::Fail)
        {
            let needed: &[&'static str] = match check.rule {
                Rule::PreviousEnvironment => &["finish", "record"],
                Rule::Approvals if self.below(4) == 0 => &["approve", "revoke"],
                Rule::Approvals => &["approve", "approve"],
                Rule::Hold => &["lift"],
                Rule::Checks => &["attestation"],
                Rule::Artifact => &["artifact"],
                Rule::Lock => &["resume", "finish", "unlock"],
                Rule::Yanked => &["unyank"],
                _ => &[],
            };
            let before = policy
                .environment(name)
                .and_then(|rules| rules.promote_from.clone());
            let place = before.filter(|_| check.rule == Rule::PreviousEnvironment);
            focus.todo.extend(
                needed
                    .iter()
                    .map(|kind| (*kind, place.as_ref().unwrap_or(name).clone())),
            );
        }
        focus.todo.push_back((kind, name.clone()));
    }

    /// Somebody makes something and offers it; whether it got in.
    fn step(&self, tally: &mut Tally) -> bool {
        if self.below(10) == 0 {
            self.move_branches();
        }
        let (kind, name) = self.next(tally);
        let tips = self.repository.tips().unwrap();
        let gatherer = FactGatherer::new(&self.repository, &self.project);
        let policy = gatherer
            .policy_at(tips[&LedgerName::policy()])
            .unwrap()
            .unwrap();
        let key = self.who(kind, &name, &policy, &tips);
        let ledger = match kind {
            _ if POLICY.contains(&kind) => LedgerName::policy(),
            _ if EVIDENCE.contains(&kind) => LedgerName::evidence(),
            _ => policy.ledger_of(&name).unwrap(),
        };
        let draft = |view: &LedgerSnapshot<'_>| {
            let rules = policy.environment(&name).unwrap();
            let (dice, commits, proposals) = (&self.dice, &self.commits[..], &self.proposals[..]);
            let focus = self.focus.borrow().commit;
            Scene {
                view,
                policy: &policy,
                dice,
                commits,
                proposals,
                name: &name,
                rules,
                focus,
            }
            .draft(kind)
        };
        match self.desk(&key).append(ledger.as_ref(), &draft) {
            Err(AppendFailure::Draft(_)) => return false,
            Err(AppendFailure::Append(AppendError::Refused(refusal))) => {
                let unknown = refusal
                    .verdict
                    .checks
                    .iter()
                    .find(|check| check.outcome == CheckResult::Unknown);
                assert_eq!(
                    unknown, None,
                    "here everything can be told: {kind} in {name} {:#?}",
                    refusal.statement
                );
                self.learn(kind, &name, &refusal, &policy);
                return false;
            }
            Err(error) => panic!("{kind} in {name} by {key}: {error:?}"),
            Ok(appended) => {
                let judge = EntryValidator::new(
                    &self.repository,
                    FactGatherer::new(&self.repository, &self.project),
                    None,
                );
                let head = judge.load_tip(&ledger, tips.get(&ledger).copied()).unwrap();
                let present = PushContext {
                    tips,
                    now: clock::now(),
                };
                expect_accepted(
                    judge.validate(
                        &ledger,
                        &head,
                        appended.id,
                        ValidationContext::Push(&present),
                    ),
                    "the server",
                );
                for kind in told(&appended.statement).into_iter().chain([drafted(kind)]) {
                    *tally.entry(kind).or_default() += 1;
                }
            }
        }
        true
    }

    /// The key of somebody who mostly may.
    fn who(&self, kind: &str, name: &EnvName, policy: &Policy, tips: &Tips) -> String {
        let rules = policy.environment(name).unwrap();
        let owner = || {
            let tip = tips.get(&rules.ledger).copied();
            let (_, tree) = FactGatherer::new(&self.repository, &self.project)
                .chain(&rules.ledger, tip)
                .unwrap();
            let state = StateReader::new(&self.repository)
                .load(tree, &rules.ledger, &Scope::All)
                .unwrap();
            let here = state.environment(rules.ephemeral.map(|_| name));
            here.runs()
                .first()
                .map(|run| run.owner.statement.by.to_string())
        };
        let apt: Vec<String> = match kind {
            "finish" | "abort" => owner().into_iter().collect(),
            "approve" => rules
                .approvals
                .iter()
                .flat_map(|seat| seat.by.persons())
                .map(ToString::to_string)
                .collect(),
            // As an admin.
            "revoke" | "withdraw" | "unyank" => ["alice"].map(str::to_owned).into(),
            "glass" => ["bob"].map(str::to_owned).into(),
            "publish" | "consent" | "baseline" => {
                ["alice", "alice", "bob"].map(str::to_owned).into()
            }
            "deploy" | "record" | "resume" => rules
                .deployers
                .persons()
                .iter()
                .map(ToString::to_string)
                .collect(),
            _ => Vec::new(),
        };
        let anybody: Vec<String> = PEOPLE.map(str::to_owned).into();
        let from = if apt.is_empty() || self.below(8) == 0 {
            anybody
        } else {
            apt
        };
        let person = self.dice.borrow_mut().pick(&from).clone();
        let new = self.keys.public("dana-new");
        let renewed = person == "dana" && policy.people[&*person].key == new && self.below(4) > 0;
        if renewed {
            "dana-new".to_owned()
        } else {
            person
        }
    }
}

/// What a draft of a kind is counted as, once it is accepted.
fn drafted(kind: &str) -> String {
    format!("drafted as {kind}")
}

/// What an entry is counted as.
fn told(statement: &Statement) -> Vec<String> {
    let action = &statement.action;
    let name = match statement.deployment() {
        Some(it) if it.break_glass.is_some() => format!("{} with glass", action.name()),
        Some(it) if it.kind != DeploymentKind::Deploy => format!("{} {:?}", action.name(), it.kind),
        _ if statement.ledger.is_policy() => format!("policy {}", action.name()),
        _ => match action {
            Action::Unlock(it) if it.commit.is_some() => "unlock of a hold".to_owned(),
            _ => action.name().to_owned(),
        },
    };
    let Some(it) = statement.deployment() else {
        return vec![name];
    };
    let targets = it.components.iter().map(|change| &change.target);
    let with = [
        ("with a branch's tip", it.branch_tip.is_some()),
        (
            "with artifacts",
            targets.clone().any(|target| !target.artifacts.is_empty()),
        ),
        (
            "with a version",
            targets.clone().any(|target| target.version.is_some()),
        ),
        ("with approvals", !it.approved_by.is_empty()),
    ];
    with.into_iter()
        .filter(|(_, is)| *is)
        .map(|(with, _)| with.to_owned())
        .chain([name])
        .collect()
}

/// A small history of the code, with a merge now and then.
fn history(repository: &Repository, dice: &mut Numbers) -> Vec<CommitId> {
    let begin = clock::now().as_seconds() - 3_600;
    let mut commits: Vec<CommitId> = Vec::new();
    for number in 0..6 {
        let mut parents: Vec<CommitId> = commits.last().copied().into_iter().collect();
        if dice.below(4) == 0 && commits.len() > 1 {
            let other = *dice.pick(&commits[..commits.len() - 1]);
            // A merge, or a side branch.
            if dice.below(2) == 0 {
                parents.push(other);
            } else {
                parents = vec![other];
            }
        }
        let (api, lib, web) = (
            dice.below(3).to_string(),
            dice.below(2).to_string(),
            dice.below(3).to_string(),
        );
        let version = format!("1.{number}.0\n");
        let mut files = vec![
            ("api/main.rs", &*api),
            ("lib/it.rs", &*lib),
            ("VERSION", &*version),
        ];
        if dice.below(5) > 0 {
            files.push(("web/index.html", &*web));
        }
        let who = *dice.pick(&PEOPLE);
        commits.push(write_code_commit(
            repository,
            &files,
            &parents,
            &format!("{who} <{who}@example.com>"),
            begin + number * 60,
        ));
    }
    commits
}

/// Any sequence of entries that a client makes, the server accepts; afterwards the whole log holds, git finds nothing wrong with it, and
/// the notes that grew with it are those that follow from it.
#[test]
fn what_clients_make_holds() {
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::new()));
    let lacking = || -> Vec<&str> {
        let tally = tally.lock().unwrap();
        KINDS
            .into_iter()
            .filter(|kind| !tally.contains_key(*kind))
            .collect()
    };
    let play_on = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= MOST || seed >= CASES && lacking().is_empty() {
            return;
        }
        let own = tally.lock().unwrap().clone();
        for (kind, count) in play(seed, own) {
            let mut tally = tally.lock().unwrap();
            let all = tally.entry(kind).or_default();
            *all = count.max(*all);
        }
    };
    std::thread::scope(|scope| {
        // Most of the time goes into waiting for the disk.
        for _ in 0..THREADS {
            scope.spawn(play_on);
        }
    });
    assert_eq!(lacking(), [""; 0], "never accepted");
}

/// Plays one project through, and adds to what was accepted before.
fn play(seed: u64, mut tally: Tally) -> Tally {
    let world = World::new(seed);
    let mut entries = 1;
    for _ in 0..DRAFTS {
        if entries < ENTRIES {
            entries += usize::from(world.step(&mut tally));
        }
    }
    assert_eq!(
        validate_all(&world.repository, &world.project),
        entries,
        "seed {seed}"
    );
    assert_notes_match(&world.repository, &world.repository.tips().unwrap());
    world.scratch.fsck();
    tally
}

/// A rollback names what ran then, its artifacts too, though something else was built of the same content since.
#[test]
fn back_to_the_same_artifact() {
    let (scratch, keys) = (Scratch::bare(), TestKeys::new());
    let repository = scratch.open();
    let project = create_project(&repository, keys.public("alice"));
    let person = parse("alice");
    let desk = TestClone {
        repository: &repository,
        project: &project,
        remote: None,
        person,
        signer: keys.signer("alice"),
    };
    let key = keys.public("alice");
    let text = format!(
        "schema = 1\nproject = \"catalogue\"\n[people]\nalice = \"{key}\"\n[environments]\nprod = {{}}\n"
    );
    desk.write("policy", &draft_publish(&text));
    let rules = Policy::parse(&text).unwrap();
    let now = clock::now().as_seconds();
    let commit = |text: &str, at| {
        write_code_commit(
            &repository,
            &[("a", text)],
            &[],
            "Ann <ann@example.com>",
            at,
        )
    };
    let (one, two, again) = (
        commit("1", now - 90),
        commit("2", now - 60),
        commit("1", now - 30),
    );
    let register = |commit, digest: &[u8]| {
        let component = parse("catalogue");
        let content = FactGatherer::new(&repository, &project)
            .content(&rules, commit, &component)
            .unwrap()
            .unwrap();
        let image = Image {
            name: parse("example.com/it"),
            digest: Digest::sha256(digest),
        };
        let artifact = Artifact {
            component,
            commit,
            content,
            image,
            builder: None,
        };
        desk.write("evidence", &Action::Artifact(artifact).into());
    };
    let deploy = |kind, commit| {
        let appended = desk.append("prod", &|view: &LedgerSnapshot<'_>| {
            let (env, environment) = EnvRef::find(&rules, &parse("prod")).unwrap();
            let (commits, selection) = (Commits::One(commit), Selection::Changed);
            let versions = BTreeMap::new();
            let wish = DeploymentSpec {
                env: &env,
                rules: environment,
                commits,
                selection,
                kind,
                destroy: false,
                versions,
            };
            let deployment = build_deployment(view, &rules, &wish)?;
            let component = parse("catalogue");
            let (outcome, verification) = (Ending::Succeeded, VerificationResult::Passed);
            let results = vec![RecordedResult {
                component,
                outcome,
                because: None,
                to: None,
                verification,
            }];
            Ok::<_, BuildError>(
                Action::Record(Record {
                    deployment,
                    results,
                    logs: Vec::new(),
                })
                .into(),
            )
        });
        let statement = appended.unwrap().statement;
        statement.deployment().unwrap().components[0]
            .target
            .artifacts
            .clone()
    };
    register(one, b"first");
    let first = deploy(DeploymentKind::Deploy, one);
    assert_eq!(first.len(), 1);
    assert_eq!(deploy(DeploymentKind::Deploy, two), []);
    register(again, b"second");
    assert_eq!(deploy(DeploymentKind::Rollback, one), first);
}

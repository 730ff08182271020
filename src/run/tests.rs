//! A property test that client and server agree: under random policies, the server accepts every
//! entry that a client writes, and an audit finds no fault.
//!
//! A refusal by the client's own rules is not a failure. Any other error is.

mod drafts;
mod policies;
mod yanked_contents;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use drafts::{Drafter, ENVIRONMENT_KINDS, EVIDENCE_KINDS, POLICY_KINDS};
use policies::{PEOPLE, random_policy};

use crate::clock;
use crate::domain::entry::{
    Action, ApprovalPurpose, Artifact, DeploymentKind, Image, Outcome, Record, RecordedResult,
    Statement, VerificationResult,
};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::{EnvName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::state::Scope;
use crate::domain::verdict::{CheckResult, Rule};
use crate::git::Repository;
use crate::git::tests::{SeededRandom, TestRepository};
use crate::ledger::entry_validator::{EntryValidator, PushContext, ValidationContext};
use crate::ledger::facts::FactGatherer;
use crate::ledger::testing::{
    TestClone, TestKeys, assert_notes_match, create_project, draft_publish, expect_accepted, parse,
    validate_all, write_code_commit,
};
use crate::ledger::writer::{AppendError, AppendFailure, LedgerSnapshot, RefusedEntry};
use crate::ledger::{Project, StateReader, Tips};
use crate::run::build_deployment::{
    Commits, DeploymentSpec, Selection, SelectionError, build_deployment,
};

/// How many projects are simulated at least.
const MIN_CASES: u64 = 12;
/// How many are simulated at most, until each kind of entry was accepted. The number needed varies,
/// because keys and times do not depend on the seed.
const MAX_CASES: u64 = 100;
/// How many are simulated at once.
const THREADS: u64 = 8;
/// How many entries each project gets.
const ENTRIES: usize = 30;
/// The most drafts that are tried to get that many entries.
const MAX_DRAFTS: usize = 150;

/// The command of each `exec`.
const COMMAND: &str = "rake db:migrate";

/// Returns the purposes of approvals to choose from; most are for deployments.
fn approval_purposes() -> [ApprovalPurpose; 5] {
    let command = ApprovalPurpose::of_command(&parse(COMMAND));
    let (deploy, destroy) = (ApprovalPurpose::Deploy, ApprovalPurpose::Destroy);
    [deploy.clone(), deploy.clone(), deploy, destroy, command]
}

/// The kinds of entries. Each must be accepted in at least one simulated project.
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

/// How many times each kind of entry was accepted.
type Tally = BTreeMap<String, usize>;

/// A project with random code, policies and entries.
struct World {
    scratch: TestRepository,
    repository: Repository,
    project: Project,
    keys: TestKeys,
    dice: RefCell<SeededRandom>,
    commits: Vec<CommitId>,
    proposals: Vec<String>,
    focus: RefCell<Focus>,
}

/// The steps that make a refused deployment acceptable: random entries alone would seldom do so.
#[derive(Default)]
struct Focus {
    /// The commit of the deployment.
    commit: Option<CommitId>,
    /// The kinds of entries to write next, each with its environment.
    todo: VecDeque<(&'static str, EnvName)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (scratch, keys) = (TestRepository::bare(), TestKeys::new());
        let repository = scratch.open();
        let project = create_project(&repository, keys.public("alice"));
        let mut dice = SeededRandom(seed);
        let commits = write_code_history(&repository, &mut dice);
        let first = random_policy(&keys, &mut dice, true);
        let proposals = (0..3)
            .map(|_| random_policy(&keys, &mut dice, false))
            .collect();
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
        world
            .client("alice")
            .write("policy", &draft_publish(&first));
        world
    }

    /// Returns a client that signs with this key.
    fn client(&self, key: &str) -> TestClone<'_> {
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
        // `prod` requires merged commits on `main`. The other branches require up-to-date commits.
        for (branch, commits) in [("dev", early), ("qa", early), ("main", late)] {
            let commit = *self.dice.borrow_mut().pick(commits);
            self.scratch.git(&[
                "update-ref",
                &format!("refs/heads/{branch}"),
                &commit.to_string(),
            ]);
        }
    }

    /// Returns the kind of entry to draft next, and its environment.
    fn choose_next(&self, tally: &Tally) -> (&'static str, EnvName) {
        if let Some(planned) = self.focus.borrow_mut().todo.pop_front() {
            return planned;
        }
        self.focus.borrow_mut().commit = None;
        let kind = match self.below(16) {
            // Kinds that were seldom accepted are tried most often.
            10.. => {
                let all: Vec<&'static str> = ENVIRONMENT_KINDS
                    .iter()
                    .chain(&EVIDENCE_KINDS)
                    .chain(&POLICY_KINDS)
                    .copied()
                    .collect();
                let count = |kind: &str| tally.get(&drafted_as(kind)).copied().unwrap_or(0);
                let least = all.iter().map(|kind| count(kind)).min().unwrap_or(0);
                let rare: Vec<&'static str> = all
                    .into_iter()
                    .filter(|kind| count(kind) <= least + 1)
                    .collect();
                *self.dice.borrow_mut().pick(&rare)
            }
            0 => *self.dice.borrow_mut().pick(&POLICY_KINDS),
            1 => *self.dice.borrow_mut().pick(&EVIDENCE_KINDS),
            2..4 => "deploy",
            4 => "finish",
            5 => "record",
            _ => *self.dice.borrow_mut().pick(&ENVIRONMENT_KINDS),
        };
        let environments: [&str; 8] = ["dev", "dev", "dev", "qa", "qa", "prod", "pr-1", "pr-2"];
        (
            kind,
            parse(self.dice.borrow_mut().pick::<&str>(&environments)),
        )
    }

    /// Plans the entries that a refused deployment lacks, and then the deployment again.
    fn plan_retry(
        &self,
        kind: &'static str,
        name: &EnvName,
        refusal: &RefusedEntry,
        policy: &Policy,
    ) {
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
                .and_then(|rules| rules.promote_from.first().cloned());
            let environment = before.filter(|_| check.rule == Rule::PreviousEnvironment);
            focus.todo.extend(
                needed
                    .iter()
                    .map(|kind| (*kind, environment.as_ref().unwrap_or(name).clone())),
            );
        }
        focus.todo.push_back((kind, name.clone()));
    }

    /// Drafts an entry and tries to write it. Returns whether it was accepted.
    fn step(&self, tally: &mut Tally) -> bool {
        if self.below(10) == 0 {
            self.move_branches();
        }
        let (kind, name) = self.choose_next(tally);
        let tips = self.repository.tips().unwrap();
        let gatherer = FactGatherer::new(&self.repository, &self.project);
        let policy = gatherer
            .policy_at(tips[&LedgerName::policy()])
            .unwrap()
            .unwrap();
        let key = self.choose_key(kind, &name, &policy, &tips);
        let ledger = match kind {
            _ if POLICY_KINDS.contains(&kind) => LedgerName::policy(),
            _ if EVIDENCE_KINDS.contains(&kind) => LedgerName::evidence(),
            _ => policy.ledger_of(&name).unwrap(),
        };
        let draft = |snapshot: &LedgerSnapshot<'_>| {
            let rules = policy.environment(&name).unwrap();
            let (dice, commits, proposals) = (&self.dice, &self.commits[..], &self.proposals[..]);
            let focus = self.focus.borrow().commit;
            Drafter {
                snapshot,
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
        match self.client(&key).append(ledger.as_ref(), &draft) {
            Err(AppendFailure::Draft(_)) => return false,
            Err(AppendFailure::Append(AppendError::Refused(refusal))) => {
                let unknown = refusal
                    .verdict
                    .checks
                    .iter()
                    .find(|check| check.outcome == CheckResult::Unknown);
                assert_eq!(
                    unknown, None,
                    "no rule may be undecidable: {kind} in {name} {:#?}",
                    refusal.statement
                );
                self.plan_retry(kind, &name, &refusal, &policy);
                return false;
            }
            Err(error) => panic!("{kind} in {name} by {key}: {error:?}"),
            Ok(appended) => {
                let validator = EntryValidator::new(
                    &self.repository,
                    FactGatherer::new(&self.repository, &self.project),
                    None,
                );
                let chain_tip = validator
                    .load_tip(&ledger, tips.get(&ledger).copied())
                    .unwrap();
                let present = PushContext {
                    tips,
                    unverified: [].into(),
                    now: clock::now(),
                };
                expect_accepted(
                    validator.validate(
                        &ledger,
                        &chain_tip,
                        appended.id,
                        ValidationContext::Push(&present),
                    ),
                    "the server",
                );
                for kind in kinds_of(&appended.statement)
                    .into_iter()
                    .chain([drafted_as(kind)])
                {
                    *tally.entry(kind).or_default() += 1;
                }
            }
        }
        true
    }

    /// Returns the name of the key that signs, mostly that of an eligible person.
    fn choose_key(&self, kind: &str, name: &EnvName, policy: &Policy, tips: &Tips) -> String {
        let rules = policy.environment(name).unwrap();
        let run_owner = || {
            let tip = tips.get(&rules.ledger).copied();
            let tree = FactGatherer::new(&self.repository, &self.project)
                .load_tip(&rules.ledger, tip)
                .unwrap()
                .tree;
            let state = StateReader::new(&self.repository)
                .load(tree, &rules.ledger, &Scope::All)
                .unwrap();
            let env_state = state.environment(rules.ephemeral.map(|_| name));
            env_state
                .runs()
                .first()
                .map(|run| run.owner.statement.by.to_string())
        };
        let eligible: Vec<String> = match kind {
            "finish" | "abort" => run_owner().into_iter().collect(),
            "approve" => rules
                .approvals
                .iter()
                .flat_map(|requirement| requirement.by.persons())
                .map(ToString::to_string)
                .collect(),
            // Only an admin may.
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
        let candidates: Vec<String> = if eligible.is_empty() || self.below(8) == 0 {
            PEOPLE.map(str::to_owned).into()
        } else {
            eligible
        };
        let person = self.dice.borrow_mut().pick(&candidates).clone();
        let new = self.keys.public("dana-new");
        let has_new_key =
            person == "dana" && policy.people[&*person].key == new && self.below(4) > 0;
        if has_new_key {
            "dana-new".to_owned()
        } else {
            person
        }
    }
}

/// Returns the name under which an accepted draft of a kind is counted.
fn drafted_as(kind: &str) -> String {
    format!("drafted as {kind}")
}

/// Returns the kinds under which an accepted entry is counted.
fn kinds_of(statement: &Statement) -> Vec<String> {
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
    let properties = [
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
    properties
        .into_iter()
        .filter(|(_, applies)| *applies)
        .map(|(property, _)| property.to_owned())
        .chain([name])
        .collect()
}

/// Writes a small history of the code, with merges and side branches.
fn write_code_history(repository: &Repository, dice: &mut SeededRandom) -> Vec<CommitId> {
    let start = clock::now().as_seconds() - 3_600;
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
        let author = *dice.pick(&PEOPLE);
        commits.push(write_code_commit(
            repository,
            &files,
            &parents,
            &format!("{author} <{author}@example.com>"),
            start + number * 60,
        ));
    }
    commits
}

/// The server accepts every sequence of entries that a client writes. Afterwards all ledgers are
/// valid, git finds no error, and the notes match the ledgers.
#[test]
fn server_accepts_client_entries() {
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::new()));
    let missing_kinds = || -> Vec<&str> {
        let tally = tally.lock().unwrap();
        KINDS
            .into_iter()
            .filter(|kind| !tally.contains_key(*kind))
            .collect()
    };
    let simulate_all = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= MAX_CASES || seed >= MIN_CASES && missing_kinds().is_empty() {
            return;
        }
        let counted = tally.lock().unwrap().clone();
        for (kind, count) in simulate_project(seed, counted) {
            let mut tally = tally.lock().unwrap();
            let total = tally.entry(kind).or_default();
            *total = count.max(*total);
        }
    };
    std::thread::scope(|scope| {
        // Most of the time is spent waiting for the disk.
        for _ in 0..THREADS {
            scope.spawn(simulate_all);
        }
    });
    assert_eq!(missing_kinds(), [""; 0], "never accepted");
}

/// Simulates one project, and adds the accepted entries to the tally.
fn simulate_project(seed: u64, mut tally: Tally) -> Tally {
    let world = World::new(seed);
    let mut entries = 1;
    for _ in 0..MAX_DRAFTS {
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

/// A rollback deploys the artifacts of the earlier deployment, even if another artifact of the same
/// content was registered since.
#[test]
fn rollback_uses_the_same_artifact() {
    let (scratch, keys) = (TestRepository::bare(), TestKeys::new());
    let repository = scratch.open();
    let project = create_project(&repository, keys.public("alice"));
    let person = parse("alice");
    let client = TestClone {
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
    client.write("policy", &draft_publish(&text));
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
        client.write("evidence", &Action::Artifact(artifact).into());
    };
    let deploy = |kind, commit| {
        let appended = client.append("prod", &|snapshot: &LedgerSnapshot<'_>| {
            let (env, environment) = EnvRef::find(&rules, &parse("prod")).unwrap();
            let (commits, selection) = (Commits::One(commit), Selection::Changed);
            let versions = BTreeMap::new();
            let spec = DeploymentSpec {
                env: &env,
                rules: environment,
                commits,
                selection,
                kind,
                destroy: false,
                leaves_out_manual: false,
                versions,
                artifact: None,
            };
            let deployment = build_deployment(snapshot, &rules, &spec)?;
            let component = parse("catalogue");
            let (outcome, verification) = (Outcome::Succeeded, VerificationResult::Passed);
            let results = vec![RecordedResult {
                component,
                outcome,
                because: None,
                to: None,
                verification,
            }];
            Ok::<_, SelectionError>(
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

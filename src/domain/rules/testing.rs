//! Requests with all their facts, for the tests of the rules: a [`Case`] passes until a test takes something away from it.

use std::sync::Arc;

use super::{Chain, CommitFact, Facts, Request, SeenFact, evaluate, reads};
use crate::domain::entry::samples::verified;
use crate::domain::entry::{
    Action, Approve, Change, Deployment, Ended, Finish, Intent, Kept, Kind, Outcome, Record,
    Reported, Start, Statement, Target, VerificationResult,
};
use crate::domain::id::{CommitId, Content, EntryId, Oid, PublicKey, RunId};
use crate::domain::name::Person;
use crate::domain::policy::Policy;
use crate::domain::state::{State, fold};
use crate::domain::time::{Span, Time};
use crate::domain::verdict::{Check, Decision, Outcome as Answer, Rule, Verdict};

/// Those whom [`policy`] lists; `ci` and `cd` are machines. `mallory` is not among them.
pub(crate) const PEOPLE: [&str; 7] = ["alice", "bob", "carol", "dana", "erin", "ci", "cd"];

/// Anyone's key; two names have two keys.
pub(crate) fn key(person: &str) -> PublicKey {
    let mut bytes = [0; 32];
    person
        .bytes()
        .zip(&mut bytes)
        .for_each(|(from, to)| *to = from);
    PublicKey::new([7; 8], bytes)
}

/// The text of a policy: project `catalogue`, [`PEOPLE`] with e-mail addresses `<name>@example.com`, and then `rest`, which
/// begins with a table such as `[environments.prod]`.
pub(crate) fn policy_text(rest: &str) -> String {
    let person = |name: &str| {
        let machine = ["ci", "cd"].contains(&name);
        format!(
            "{name} = {{ key = \"{}\", emails = [\"{name}@example.com\"], machine = {machine} }}\n",
            key(name)
        )
    };
    let people: String = PEOPLE.into_iter().map(person).collect();
    format!("schema = 1\nproject = \"catalogue\"\n\n[people]\n{people}\n{rest}\n")
}

/// [`policy_text`], read.
pub(crate) fn policy(rest: &str) -> Policy {
    let text = policy_text(rest);
    Policy::parse(&text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// An object's id of forty equal pairs of digits.
pub(crate) fn oid(byte: u8) -> Oid {
    Oid::from_bytes(&[byte; 20]).unwrap()
}

/// A commit of the code.
pub(crate) fn commit(byte: u8) -> CommitId {
    CommitId(oid(byte))
}

/// A content.
pub(crate) fn content(byte: u8) -> Content {
    Content(oid(byte))
}

/// Any name or text.
pub(crate) fn parse<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

/// The time of a case's entry: 2026-03-05T10:00:00Z, a Thursday. History is one minute an entry before it.
pub(crate) fn noon() -> Time {
    parse("2026-03-05T10:00:00Z")
}

/// A component that is to be changed to the content of the same number as its commit.
pub(crate) fn change(component: &str, to: u8, from: Option<u8>) -> Change {
    let target = Target {
        component: parse(component),
        commit: commit(to),
        content: Some(content(to)),
        version: None,
        artifacts: Vec::new(),
    };
    Change {
        target,
        from: from.map(commit),
        plan: None,
        intent: Intent::Change,
    }
}

/// A deployment of these.
pub(crate) fn deployment(kind: Kind, components: Vec<Change>) -> Deployment {
    let command = (kind == Kind::Exec).then(|| parse("true"));
    Deployment {
        command,
        ..Deployment::new(kind, components)
    }
}

/// A start whose run is made of `run`.
pub(crate) fn start(run: u8, deployment: Deployment) -> Action {
    Action::Start(Start {
        run: RunId([run; 16]),
        deployment,
    })
}

/// A plain start of one component.
pub(crate) fn deploy(component: &str, to: u8, from: Option<u8>) -> Action {
    start(
        1,
        deployment(Kind::Deploy, vec![change(component, to, from)]),
    )
}

/// The finish of a start, all components with one outcome.
pub(crate) fn finish(
    start_sequence: u64,
    start: &Action,
    outcome: Outcome,
    verification: VerificationResult,
) -> Action {
    let Action::Start(Start { run, deployment }) = start else {
        panic!("not a start")
    };
    let ended = |change: &Change| Ended {
        target: change.target.clone(),
        outcome,
        because: None,
        to: change.from.filter(|_| outcome == Outcome::RolledBack),
        verification,
    };
    Action::Finish(Finish {
        start: start_sequence,
        run: *run,
        kind: deployment.kind,
        components: deployment.components.iter().map(ended).collect(),
        approved_by: deployment.approved_by.clone(),
        description: deployment.description.clone(),
        break_glass: deployment.break_glass.clone(),
        status: (deployment.kind == Kind::Exec).then_some(0),
        logs: Vec::new(),
    })
}

/// A record of a deployment, all components with one outcome.
pub(crate) fn record(
    deployment: Deployment,
    outcome: Outcome,
    verification: VerificationResult,
) -> Action {
    let report = |change: &Change| Reported {
        component: change.target.component.clone(),
        outcome,
        because: None,
        to: change.from.filter(|_| outcome == Outcome::RolledBack),
        verification,
    };
    let results = deployment.components.iter().map(report).collect();
    Action::Record(Record {
        deployment,
        results,
        logs: Vec::new(),
    })
}

/// What happened before: `component` was put there at `to`, and is well.
pub(crate) fn ran(component: &str, to: u8, from: Option<u8>) -> Action {
    let deployment = deployment(Kind::Deploy, vec![change(component, to, from)]);
    record(deployment, Outcome::Succeeded, VerificationResult::Passed)
}

/// An approval of a commit for components, for a week from [`noon`].
pub(crate) fn approve(to: u8, components: &[&str]) -> Action {
    Action::Approve(Approve {
        commit: commit(to),
        components: components.iter().map(|name| parse(name)).collect(),
        plans: std::collections::BTreeMap::new(),
        expires: noon().plus(Span::from_days(7)),
        comment: None,
    })
}

/// A statement as a state or evidence keeps it.
pub(crate) fn kept(statement: &Statement) -> Arc<Kept> {
    Arc::clone(verified(statement).kept())
}

/// A statement of `by` in `ledger` at a time, otherwise as the tenth entry.
pub(crate) fn statement(ledger: &str, by: &str, at: Time, action: Action) -> Statement {
    let seen = if ledger == "policy" {
        Vec::new()
    } else {
        vec![(parse("policy"), EntryId(oid(0x60)))]
    };
    Statement {
        at,
        by: parse(by),
        requested_by: None,
        ledger: parse(ledger),
        environment: None,
        project: EntryId(oid(0x50)),
        previous: EntryId(oid(0x51)),
        sequence: 10,
        seen: seen.into_iter().collect(),
        action,
    }
}

/// The state after entries of a ledger, numbered from 1 and a minute apart up to a minute before [`noon`]; and they, newest first.
pub(crate) fn folded(
    ledger: &str,
    environment: Option<&str>,
    history: Vec<(&str, Action)>,
) -> (State, Vec<Arc<Kept>>) {
    let mut state = State::empty();
    let mut log = Vec::new();
    let count = u64::try_from(history.len()).unwrap();
    for (sequence, (who, action)) in (1..).zip(history) {
        let at = noon().minus(Span::from_seconds(60 * (count + 1 - sequence)));
        let mut entry = statement(ledger, who, at, action);
        (entry.sequence, entry.environment) = (sequence, environment.map(parse));
        let entry = verified(&entry);
        state.apply(&fold(&state, &entry, None));
        log.insert(0, Arc::clone(entry.kept()));
    }
    (state, log)
}

/// An entry that somebody wants, with the facts about it.
pub(crate) struct Case {
    pub policy: Policy,
    pub statement: Statement,
    pub key: Option<PublicKey>,
    pub policy_text: Option<Vec<u8>>,
    pub facts: Facts,
    pub now: Time,
}

impl Case {
    /// `action` by `by` in `ledger`, after nothing.
    pub fn new(rest: &str, ledger: &str, by: &str, action: Action) -> Self {
        Self::after(rest, ledger, Vec::new(), by, action)
    }

    /// The same after entries of the same ledger, numbered from 1.
    pub fn after(
        rest: &str,
        ledger: &str,
        history: Vec<(&str, Action)>,
        by: &str,
        action: Action,
    ) -> Self {
        Self::within(rest, ledger, None, history, by, action)
    }

    /// The same in an environment of a pattern's ledger.
    pub fn within(
        rest: &str,
        ledger: &str,
        environment: Option<&str>,
        history: Vec<(&str, Action)>,
        by: &str,
        action: Action,
    ) -> Self {
        let count = u64::try_from(history.len()).unwrap();
        let (state, _) = folded(ledger, environment, history);
        let mut wanted = statement(ledger, by, noon(), action);
        (wanted.sequence, wanted.environment) = (count + 1, environment.map(parse));
        let mut case = Self {
            policy: policy(rest),
            statement: wanted,
            key: Some(key(by)),
            policy_text: None,
            facts: Facts::default(),
            now: noon(),
        };
        case.facts.chain = Some(Chain {
            project: EntryId(oid(0x50)),
            project_name: parse("catalogue"),
            root_keys: vec![key("alice")],
            tip: EntryId(oid(0x51)),
            sequence: count,
            at: if count == 0 {
                Time::EPOCH
            } else {
                noon().minus(Span::from_seconds(60))
            },
            seen: std::collections::BTreeMap::new(),
        });
        case.facts.state = Some(Ok(state));
        case.gather();
        case
    }

    /// Makes the facts that follow from the statement and the policy: once more after a test has changed them.
    pub fn gather(&mut self) {
        let (statement, facts) = (&mut self.statement, &mut self.facts);
        let mut ledgers = self.policy.ledgers();
        ledgers.extend([parse("policy"), parse("evidence")]);
        ledgers.remove(&statement.ledger);
        facts.tips = ledgers
            .into_iter()
            .zip((0x60..).map(|byte| EntryId(oid(byte))))
            .collect();
        let named = reads(&self.policy, statement);
        statement.seen = facts
            .tips
            .iter()
            .filter(|(name, _)| named.contains(*name))
            .map(|(name, tip)| (name.clone(), *tip))
            .collect();
        let seen = SeenFact {
            is_tip: true,
            reachable: true,
            forward: true,
        };
        facts.seen = statement
            .seen
            .keys()
            .map(|name| (name.clone(), Ok(seen)))
            .collect();
        facts.environments_seen = self
            .policy
            .ledgers()
            .into_iter()
            .filter(|_| statement.ledger.is_policy())
            .map(|name| (name, true))
            .collect();
        facts.stored_as_computed = Some(Ok(()));
        facts.yanks.get_or_insert_with(|| Ok(State::empty()));
        facts.evidence.get_or_insert_with(|| Ok(Vec::new()));
        facts
            .authors
            .get_or_insert_with(|| Ok(std::collections::BTreeSet::new()));
        let entries = facts
            .state
            .iter()
            .flatten()
            .flat_map(State::slots)
            .filter_map(|(_, value)| value.kept());
        for kept in entries.chain(facts.evidence.iter().flatten().flatten()) {
            let entry = &kept.statement;
            facts
                .signers
                .entry((entry.ledger.clone(), entry.sequence))
                .or_insert_with(|| Ok(key(entry.by.as_str())));
        }
        for commit in statement.commits() {
            facts.commits.insert(
                commit,
                Ok(CommitFact {
                    time: noon().minus(Span::from_days(1)),
                }),
            );
        }
        for change in statement
            .deployment()
            .into_iter()
            .flat_map(|it| &it.components)
        {
            let target = &change.target;
            facts.contents.insert(
                (target.commit, target.component.clone()),
                Ok(target.content),
            );
            if let Some(from) = change.from {
                facts.contains.insert((target.commit, from), Ok(true));
            }
        }
        if let Action::Baseline(it) = &statement.action {
            for target in &it.components {
                facts.contents.insert(
                    (target.commit, target.component.clone()),
                    Ok(target.content),
                );
            }
        }
    }

    /// The state that the entry meets.
    pub fn state(&self) -> &State {
        match &self.facts.state {
            Some(Ok(state)) => state,
            other => panic!("{other:?}"),
        }
    }

    /// What the environment before says of each changed component, and the facts that follow.
    pub fn source(&mut self, history: Vec<(&str, Action)>) -> &mut Self {
        let (state, log) = folded("stage", None, history);
        for change in self.deployment().components.clone() {
            self.facts.source.insert(
                (change.target.component, change.target.commit),
                Ok(log.clone()),
            );
        }
        self.facts.source_state = Some(Ok(state));
        self.gather();
        self
    }

    /// Entries of `evidence`, numbered from 1, and the facts that follow.
    pub fn evidence(&mut self, entries: Vec<(&str, Action)>) -> &mut Self {
        self.facts.evidence = Some(Ok(folded("evidence", None, entries).1));
        self.gather();
        self
    }

    /// The deployment that is asked for, to be changed. [`Case::gather`] afterwards, unless the facts should not fit.
    pub fn deployment(&mut self) -> &mut Deployment {
        match &mut self.statement.action {
            Action::Start(start) => &mut start.deployment,
            Action::Record(record) => &mut record.deployment,
            other => panic!("{} deploys nothing", other.name()),
        }
    }

    /// Who signs, with their own key.
    pub fn by(&mut self, person: &str) -> &mut Self {
        self.statement.by = parse::<Person>(person);
        self.key = Some(key(person));
        self
    }

    /// What the gates say.
    pub fn verdict(&self) -> Verdict {
        let request = Request::Entry {
            statement: &self.statement,
            key: self.key.as_ref(),
            policy_text: self.policy_text.as_deref(),
        };
        evaluate(&self.policy, &request, &self.facts, self.now)
    }

    /// What one rule says.
    pub fn checks(&self, rule: Rule) -> Vec<Check> {
        self.verdict()
            .checks
            .into_iter()
            .filter(|check| check.rule == rule)
            .collect()
    }

    /// Holds one rule to a pass.
    #[track_caller]
    pub fn passes(&self, rule: Rule) {
        let checks = self.checks(rule);
        let passed = checks.iter().all(|check| check.outcome == Answer::Pass);
        assert!(passed && !checks.is_empty(), "{checks:?}");
    }

    /// Holds one rule to a refusal, and to a detail that has `words` in it.
    #[track_caller]
    pub fn fails(&self, rule: Rule, words: &str) -> Check {
        self.says(rule, Answer::Fail, words)
    }

    /// Holds one rule to "cannot tell", and to a detail that has `words` in it.
    #[track_caller]
    pub fn unknown(&self, rule: Rule, words: &str) -> Check {
        self.says(rule, Answer::Unknown, words)
    }

    #[track_caller]
    fn says(&self, rule: Rule, outcome: Answer, words: &str) -> Check {
        let checks = self.checks(rule);
        let found = checks
            .iter()
            .find(|check| check.outcome == outcome && check.detail.contains(words));
        assert_ne!(self.verdict().decision(), Decision::Allowed);
        found
            .unwrap_or_else(|| panic!("no {outcome:?} with {words:?} in {checks:?}"))
            .clone()
    }
}

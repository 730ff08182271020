//! Values for the tests of the rules: people, policies, actions, statements and states.
//!
//! [`Case`] puts them together to a request with all its facts.

mod case;

use std::sync::Arc;

pub(crate) use case::Case;

use crate::domain::entry::samples::verified;
use crate::domain::entry::{
    Action, Approve, ComponentChange, ComponentResult, Deployment, DeploymentKind, Finish, Intent,
    Outcome, Record, RecordedResult, Start, Statement, StoredEntry, Target, VerificationResult,
};
use crate::domain::id::{CommitId, Content, EntryId, Oid, PublicKey, RunId};
use crate::domain::policy::Policy;
use crate::domain::state::{State, fold};
use crate::domain::time::{Span, Time};

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
pub(crate) fn change(component: &str, to: u8, from: Option<u8>) -> ComponentChange {
    let target = Target {
        component: parse(component),
        commit: commit(to),
        content: Some(content(to)),
        version: None,
        artifacts: Vec::new(),
    };
    ComponentChange {
        target,
        from: from.map(commit),
        plan: None,
        intent: Intent::Change,
    }
}

/// A deployment of these.
pub(crate) fn deployment(kind: DeploymentKind, components: Vec<ComponentChange>) -> Deployment {
    let command = (kind == DeploymentKind::Exec).then(|| parse("true"));
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
        deployment(DeploymentKind::Deploy, vec![change(component, to, from)]),
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
    let ended = |change: &ComponentChange| ComponentResult {
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
        status: (deployment.kind == DeploymentKind::Exec).then_some(0),
        logs: Vec::new(),
    })
}

/// A record of a deployment, all components with one outcome.
pub(crate) fn record(
    deployment: Deployment,
    outcome: Outcome,
    verification: VerificationResult,
) -> Action {
    let report = |change: &ComponentChange| RecordedResult {
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
    let deployment = deployment(DeploymentKind::Deploy, vec![change(component, to, from)]);
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
pub(crate) fn kept(statement: &Statement) -> Arc<StoredEntry> {
    Arc::clone(verified(statement).stored())
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
) -> (State, Vec<Arc<StoredEntry>>) {
    let mut state = State::empty();
    let mut log = Vec::new();
    let count = u64::try_from(history.len()).unwrap();
    for (sequence, (who, action)) in (1..).zip(history) {
        let at = noon().minus(Span::from_seconds(60 * (count + 1 - sequence)));
        let mut entry = statement(ledger, who, at, action);
        (entry.sequence, entry.environment) = (sequence, environment.map(parse));
        let entry = verified(&entry);
        state.apply(&fold(&state, &entry, None));
        log.insert(0, Arc::clone(entry.stored()));
    }
    (state, log)
}

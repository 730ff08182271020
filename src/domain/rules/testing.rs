//! Values for the tests of the rules: people, policies, actions, statements and states.
//!
//! [`Case`] combines them into a request with all its facts.

mod case;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use case::Case;

use crate::domain::entry::samples::verified;
use crate::domain::entry::{
    Action, ApprovalPurpose, Approve, ComponentChange, ComponentResult, Deployment, DeploymentKind,
    Finish, Outcome, Record, RecordedResult, Start, Statement, StoredEntry, Target,
    VerificationResult,
};
use crate::domain::id::{CommitId, Content, EntryId, Oid, PublicKey, RunId};
use crate::domain::policy::Policy;
use crate::domain::rules::AuthoredCommit;
use crate::domain::state::{State, fold};
use crate::domain::time::{Span, Time};

/// The people whom [`policy`] lists; `ci` and `cd` are machines. The tests use `mallory` for an
/// unlisted person.
pub(crate) const PEOPLE: [&str; 7] = ["alice", "bob", "carol", "dana", "erin", "ci", "cd"];

/// Returns the authors of new commits: these people of [`PEOPLE`], by the commit 1.
pub(crate) fn authored_by(names: &[&str]) -> BTreeMap<String, AuthoredCommit> {
    let authored = |name: &&str| {
        let (commit, subject) = (commit(1), "Change it".to_owned());
        let authored = AuthoredCommit { commit, subject };
        (format!("{name}@example.com"), authored)
    };
    names.iter().map(authored).collect()
}

/// Returns the key of a person. Different names have different keys.
pub(crate) fn key(person: &str) -> PublicKey {
    let mut bytes = [0; 32];
    person
        .bytes()
        .zip(&mut bytes)
        .for_each(|(from, to)| *to = from);
    PublicKey::new([7; 8], bytes)
}

/// Returns the text of a policy: project `catalogue`, [`PEOPLE`] with e-mail addresses
/// `<name>@example.com` and the retired keys of `<name>-old`, and then `rest`, which begins with a table such as `[environments.prod]`.
pub(crate) fn policy_text(rest: &str) -> String {
    let person = |name: &str| {
        let is_machine = ["ci", "cd"].contains(&name);
        format!(
            "{name} = {{ key = \"{}\", retired = [\"{}\"], emails = [\"{name}@example.com\"], machine = {is_machine} }}\n",
            key(name),
            key(&format!("{name}-old"))
        )
    };
    let people: String = PEOPLE.into_iter().map(person).collect();
    format!("schema = 1\nproject = \"catalogue\"\n\n[people]\n{people}\n{rest}\n")
}

/// Returns the policy in [`policy_text`].
pub(crate) fn policy(rest: &str) -> Policy {
    let text = policy_text(rest);
    Policy::parse(&text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// Returns an object id of twenty equal bytes.
pub(crate) fn oid(byte: u8) -> Oid {
    Oid::from_bytes(&[byte; 20]).unwrap()
}

/// Returns the code commit whose id is [`oid`] of this byte.
pub(crate) fn commit(byte: u8) -> CommitId {
    CommitId(oid(byte))
}

/// Returns the content that [`change`] gives to the commit of the same number.
pub(crate) fn content(byte: u8) -> Content {
    Content(oid(byte))
}

/// Parses a valid name or text.
pub(crate) fn parse<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

/// Returns the time of a case's entry: 2026-03-05T10:00:00Z, a Thursday. The history is older, with
/// one minute per entry.
pub(crate) fn entry_time() -> Time {
    parse("2026-03-05T10:00:00Z")
}

/// Returns the change of a component to commit `to`, whose content has the same number.
pub(crate) fn change(component: &str, to: u8, from: Option<u8>) -> ComponentChange {
    let target = Target::new(parse(component), commit(to), Some(content(to)));
    ComponentChange::new(target, from.map(commit))
}

/// Returns a deployment of these changes.
pub(crate) fn deployment(kind: DeploymentKind, components: Vec<ComponentChange>) -> Deployment {
    let command = (kind == DeploymentKind::Exec).then(|| parse("true"));
    Deployment {
        command,
        ..Deployment::new(kind, components)
    }
}

/// Returns a start whose run id repeats the byte `run`.
pub(crate) fn start(run: u8, deployment: Deployment) -> Action {
    Action::Start(Start {
        run: RunId([run; 16]),
        deployment,
    })
}

/// Returns a start that deploys one component.
pub(crate) fn deploy(component: &str, to: u8, from: Option<u8>) -> Action {
    start(
        1,
        deployment(DeploymentKind::Deploy, vec![change(component, to, from)]),
    )
}

/// Returns the finish of a start, with the same outcome for all components.
pub(crate) fn finish(
    start_sequence: u64,
    start: &Action,
    outcome: Outcome,
    verification: VerificationResult,
) -> Action {
    let Action::Start(Start { run, deployment }) = start else {
        panic!("not a start")
    };
    let to_result = |change: &ComponentChange| ComponentResult {
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
        components: deployment.components.iter().map(to_result).collect(),
        approved_by: deployment.approved_by.clone(),
        change: deployment.change.clone(),
        labels: deployment.labels.clone(),
        description: deployment.description.clone(),
        break_glass: deployment.break_glass.clone(),
        status: (deployment.kind == DeploymentKind::Exec).then_some(0),
        commands: Vec::new(),
        logs: Vec::new(),
    })
}

/// Returns a record of a deployment, with the same outcome for all components.
pub(crate) fn record(
    deployment: Deployment,
    outcome: Outcome,
    verification: VerificationResult,
) -> Action {
    let to_result = |change: &ComponentChange| RecordedResult {
        component: change.target.component.clone(),
        outcome,
        because: None,
        to: change.from.filter(|_| outcome == Outcome::RolledBack),
        verification,
    };
    let results = deployment.components.iter().map(to_result).collect();
    Action::Record(Record {
        deployment,
        results,
        logs: Vec::new(),
    })
}

/// Returns a record of a verified success: `component` was deployed at commit `to`.
pub(crate) fn ran(component: &str, to: u8, from: Option<u8>) -> Action {
    let deployment = deployment(DeploymentKind::Deploy, vec![change(component, to, from)]);
    record(deployment, Outcome::Succeeded, VerificationResult::Passed)
}

/// Returns an approval of a commit for components, valid for a week from [`entry_time`].
pub(crate) fn approve(to: u8, components: &[&str]) -> Action {
    Action::Approve(Approve {
        commit: commit(to),
        components: components.iter().map(|name| parse(name)).collect(),
        purpose: ApprovalPurpose::Deploy,
        plans: std::collections::BTreeMap::new(),
        expires: entry_time().plus(Span::from_days(7)),
        comment: None,
    })
}

/// Returns a statement as a state or `evidence` stores it.
pub(crate) fn stored_entry(statement: &Statement) -> Arc<StoredEntry> {
    Arc::clone(verified(statement).stored())
}

/// Returns a statement that `by` signs in `ledger`, with sequence number 10. For `bob:eve`, it names
/// bob, and the key is that of eve.
pub(crate) fn statement(ledger: &str, by: &str, at: Time, action: Action) -> Statement {
    let seen = if ledger == "policy" {
        Vec::new()
    } else {
        vec![(parse("policy"), EntryId(oid(0x60)))]
    };
    let (by, owner) = by.split_once(':').unwrap_or((by, by));
    Statement {
        at,
        by: parse(by),
        key: key(owner),
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

/// Folds the entries of a ledger, which are numbered from 1 and one minute apart. The last one is a
/// minute before [`entry_time`]. Returns the state and the entries, newest first.
pub(crate) fn fold_history(
    ledger: &str,
    environment: Option<&str>,
    history: Vec<(&str, Action)>,
) -> (State, Vec<Arc<StoredEntry>>) {
    let mut state = State::empty();
    let mut log = Vec::new();
    let count = u64::try_from(history.len()).unwrap();
    for (sequence, (who, action)) in (1..).zip(history) {
        let at = entry_time().minus(Span::from_seconds(60 * (count + 1 - sequence)));
        let mut entry = statement(ledger, who, at, action);
        (entry.sequence, entry.environment) = (sequence, environment.map(parse));
        let entry = verified(&entry);
        state.apply(&fold(&state, &entry, None));
        log.insert(0, Arc::clone(entry.stored()));
    }
    (state, log)
}

//! What a statement must be in itself, whatever the ledger holds: bounds, order, and fields that go together.
//!
//! This is what every reader, now and later, may rely on; what depends on a policy or on history is the gates' business.

use super::{
    Action, Attestation, ComponentResult, Deployment, DeploymentKind, Finish, Image, Intent,
    MAX_BYTES, MAX_PREDICATE, MAX_SUBJECTS, Outcome, Record, Statement, Target,
};
use super::{VerificationResult, json};
use crate::domain::text::{Line, is_plain};

/// Why a statement cannot stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidError {
    /// Over [`MAX_BYTES`].
    #[error("the entry has {0} bytes, at most {MAX_BYTES} are allowed")]
    TooLarge(usize),
    /// Over [`MAX_SUBJECTS`].
    #[error("the entry has {0} subjects, at most {MAX_SUBJECTS} are allowed")]
    Subjects(usize),
    /// Over [`MAX_PREDICATE`].
    #[error("the predicate has {0} bytes, at most {MAX_PREDICATE} are allowed")]
    Predicate(usize),
    /// A list that is empty, unsorted or holds something twice.
    #[error("{0} must be there, in order, and each only once")]
    Order(&'static str),
    /// Fields that contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
}

use InvalidError::{Contradiction, Order};

/// How deep a predicate may be nested: the parser reads 127 levels, and a predicate stands two deep.
const MAX_PREDICATE_DEPTH: usize = 125;

/// Whether a list is strictly ascending.
fn ascending<T: Ord>(items: impl IntoIterator<Item = T>) -> bool {
    let mut items = items.into_iter();
    let Some(mut last) = items.next() else {
        return true;
    };
    items.all(|item| {
        let good = last < item;
        last = item;
        good
    })
}

fn require(good: bool, error: InvalidError) -> Result<(), InvalidError> {
    if good { Ok(()) } else { Err(error) }
}

/// Refuses bytes over the limit.
pub(super) fn check_size(bytes: &[u8]) -> Result<(), InvalidError> {
    require(
        bytes.len() <= MAX_BYTES,
        InvalidError::TooLarge(bytes.len()),
    )
}

/// Checks everything that a statement must be in itself.
pub(super) fn check(statement: &Statement) -> Result<(), InvalidError> {
    let count = json::subject_count(statement);
    require(count <= MAX_SUBJECTS, InvalidError::Subjects(count))?;
    require(
        statement.sequence > 0,
        Contradiction("the sequence of an entry begins at 1: the genesis is 0"),
    )?;
    require(
        !statement.seen.contains_key(&statement.ledger),
        Contradiction("`seen` names other ledgers: `previous` speaks for this one"),
    )?;
    require(
        statement.ledger.is_policy() || statement.seen.keys().any(super::LedgerName::is_policy),
        Contradiction("`seen` must name the policy's tip"),
    )?;
    require(
        ledger_fits(statement),
        Contradiction("the ledger has no such action"),
    )?;
    if let Some(environment) = &statement.environment {
        let inside = environment
            .as_str()
            .strip_prefix(statement.ledger.as_str())
            .is_some_and(|rest| rest.len() > 1 && rest.starts_with('-'));
        require(
            inside && statement.ledger.is_environment(),
            Contradiction(
                "an environment is named only in a pattern's ledger, and begins with the ledger's name and a dash",
            ),
        )?;
    }
    check_action(statement)
}

fn ledger_fits(statement: &Statement) -> bool {
    let ledger = &statement.ledger;
    match statement.action {
        Action::Publish(_) | Action::PolicyApprove(_) | Action::PolicyRevoke(_) => {
            ledger.is_policy()
        }
        Action::Build(_)
        | Action::Artifact(_)
        | Action::Attestation(_)
        | Action::Yank(_)
        | Action::Unyank(_) => ledger.is_evidence(),
        _ => ledger.is_environment(),
    }
}

fn check_action(statement: &Statement) -> Result<(), InvalidError> {
    match &statement.action {
        Action::Baseline(it) => {
            require(!it.components.is_empty(), Order("the components"))?;
            check_targets(it.components.iter())?;
            require(
                it.components.iter().all(|target| target.content.is_some()),
                Contradiction("what runs has a content"),
            )
        }
        Action::Start(it) => check_deployment(&it.deployment, statement),
        Action::Record(it) => check_record(it, statement),
        Action::Finish(it) => check_finish(it),
        // A run that changed nothing can be given up.
        Action::Abort(it) => require(
            ascending(it.components.iter().map(|component| &component.component)),
            Order("the components"),
        ),
        Action::Verification(it) => {
            let names = || it.components.iter().map(|component| &component.component);
            require(
                !it.components.is_empty() && ascending(names()),
                Order("the components"),
            )?;
            require(
                it.verification != VerificationResult::None,
                Contradiction("a verification passed or failed"),
            )
        }
        Action::Approve(it) => {
            require(
                !it.components.is_empty() && ascending(&it.components),
                Order("the components"),
            )?;
            require(
                it.plans
                    .keys()
                    .all(|component| it.components.contains(component)),
                Contradiction("a plan is approved for a component that is not"),
            )
        }
        Action::Unlock(it) => {
            require(ascending(&it.holds), Order("the holds"))?;
            require(
                it.commit.is_some() != it.holds.is_empty(),
                Contradiction("holds are lifted of a commit, and a commit names its holds"),
            )?;
            require(
                it.commit.is_none() || it.component.is_none(),
                Contradiction("one unlock opens a lock or lifts holds, not both"),
            )
        }
        Action::Artifact(it) => check_image(&it.image),
        Action::Attestation(it) => check_attestation(it),
        Action::Yank(it) | Action::Unyank(it) => require(
            it.commit.is_some() != it.digest.is_some(),
            Contradiction("a yank is of a commit or of a digest"),
        ),
        Action::Publish(it) => {
            require(ascending(&it.approved_by), Order("the approvers"))?;
            require(ascending(&it.admits), Order("the admitted entries"))
        }
        Action::Resume(_)
        | Action::Revoke(_)
        | Action::Lock(_)
        | Action::Expire(_)
        | Action::Build(_)
        | Action::PolicyApprove(_)
        | Action::PolicyRevoke(_) => Ok(()),
    }
}

fn check_record(it: &Record, statement: &Statement) -> Result<(), InvalidError> {
    check_deployment(&it.deployment, statement)?;
    let names = it
        .deployment
        .components
        .iter()
        .map(|change| &change.target.component);
    require(
        names.eq(it.results.iter().map(|result| &result.component)),
        Order("the results, one for each component,"),
    )?;
    it.deployment
        .components
        .iter()
        .zip(it.component_results())
        .try_for_each(|(change, ended)| {
            check_ended(&ended)?;
            require(
                outcome_fits(change.intent, ended.outcome),
                Contradiction("an outcome does not fit what was to be done"),
            )
        })?;
    require(
        it.deployment.kind != DeploymentKind::Exec,
        Contradiction("a one-off command is started and finished, not recorded"),
    )
}

fn check_finish(it: &Finish) -> Result<(), InvalidError> {
    let may_be_empty = matches!(it.kind, DeploymentKind::Exec | DeploymentKind::Destroy);
    require(
        may_be_empty || !it.components.is_empty(),
        Order("the components"),
    )?;
    check_targets(it.components.iter().map(|ended| &ended.target))?;
    it.components.iter().try_for_each(check_ended)?;
    require(ascending(&it.approved_by), Order("the approvers"))?;
    require(
        (it.kind == DeploymentKind::Exec) == it.status.is_some(),
        Contradiction("an exec, and nothing else, has a status"),
    )
}

fn check_attestation(it: &Attestation) -> Result<(), InvalidError> {
    let uri = it.predicate_type.as_str();
    require(
        uri.contains(':') && !uri.contains(char::is_whitespace),
        Contradiction("a predicate type is a URI"),
    )?;
    let size = serde_json::to_vec(&it.predicate).map_or(usize::MAX, |bytes| bytes.len());
    require(size <= MAX_PREDICATE, InvalidError::Predicate(size))?;
    require(
        it.predicate.values().map(depth).max().unwrap_or(0) < MAX_PREDICATE_DEPTH,
        Contradiction("the predicate is nested too deep"),
    )?;
    require(
        plain_values(it.predicate.values(), it.predicate.keys()),
        Contradiction("the predicate holds a character that is not plain text"),
    )
}

/// Texts in a predicate are shown by other tools; newlines and tabs are all that they may hold besides plain text.
fn plain_values<'a>(
    mut values: impl Iterator<Item = &'a serde_json::Value>,
    mut keys: impl Iterator<Item = &'a String>,
) -> bool {
    use serde_json::Value;
    let plain = |text: &str| {
        text.chars()
            .all(|character| is_plain(character) || matches!(character, '\n' | '\t'))
    };
    keys.all(|key| plain(key))
        && values.all(|value| match value {
            Value::String(text) => plain(text),
            Value::Array(items) => plain_values(items.iter(), std::iter::empty()),
            Value::Object(fields) => plain_values(fields.values(), fields.keys()),
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
        })
}

/// How deep objects and arrays are nested in a value.
fn depth(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn check_image(image: &Image) -> Result<(), InvalidError> {
    require(
        one_word(&image.name),
        Contradiction("the name of an artifact holds no white space"),
    )
}

fn one_word(line: &Line) -> bool {
    !line.as_str().contains(char::is_whitespace)
}

fn check_targets<'a>(
    targets: impl Iterator<Item = &'a Target> + Clone,
) -> Result<(), InvalidError> {
    require(
        ascending(targets.clone().map(|target| &target.component)),
        Order("the components"),
    )?;
    targets.into_iter().try_for_each(|target| {
        require(
            ascending(target.artifacts.iter().map(|image| &image.name)),
            Order("the artifacts of a component"),
        )?;
        target.artifacts.iter().try_for_each(check_image)?;
        require(
            target.version.as_ref().is_none_or(one_word),
            Contradiction("a version holds no white space"),
        )
    })
}

fn check_deployment(it: &Deployment, statement: &Statement) -> Result<(), InvalidError> {
    let (exec, destroy) = (
        it.kind == DeploymentKind::Exec,
        it.kind == DeploymentKind::Destroy,
    );
    require(
        exec || destroy || !it.components.is_empty(),
        Order("the components"),
    )?;
    check_targets(it.components.iter().map(|change| &change.target))?;
    require(ascending(&it.approved_by), Order("the approvers"))?;
    require(
        exec == it.command.is_some(),
        Contradiction("an exec, and nothing else, has a command"),
    )?;
    require(
        it.expires.is_none() || statement.environment.is_some() && !destroy,
        Contradiction("only what creates or renews an ephemeral environment expires"),
    )?;
    it.components.iter().try_for_each(|change| {
        let intent = change.intent;
        let gone = intent == Intent::Destroy;
        require(
            gone == change.target.content.is_none(),
            Contradiction("a component has a content unless it is to be destroyed"),
        )?;
        require(
            // Where all is taken down, so is what an attempt left behind that never came to run.
            intent == Intent::Change || destroy || change.from.is_some(),
            Contradiction("only what runs can stay or be destroyed"),
        )?;
        require(
            intent == Intent::Change || change.plan.is_none(),
            Contradiction("only a change has a plan"),
        )?;
        require(
            !exec || intent == Intent::Unchanged && change.from == Some(change.target.commit),
            Contradiction("an exec changes no component"),
        )?;
        require(
            !destroy || gone,
            Contradiction("a destroy leaves no component"),
        )
    })
}

/// Whether a component that was to be changed, kept or destroyed can have ended so.
pub(crate) fn outcome_fits(intent: Intent, outcome: Outcome) -> bool {
    use Outcome::{Destroyed, Failed, RolledBack, Skipped, Succeeded, Unchanged};
    match intent {
        Intent::Change => matches!(outcome, Succeeded | Failed | RolledBack | Skipped),
        Intent::Unchanged => matches!(outcome, Unchanged | Skipped),
        Intent::Destroy => matches!(outcome, Destroyed | Failed | Skipped),
    }
}

fn check_ended(it: &ComponentResult) -> Result<(), InvalidError> {
    require(
        it.because.is_none() || it.outcome == Outcome::Skipped,
        Contradiction("only a skip is another component's fault"),
    )?;
    require(
        it.to.is_some() == (it.outcome == Outcome::RolledBack),
        Contradiction("a rollback, and nothing else, goes `to` a commit"),
    )?;
    require(
        it.outcome == Outcome::Succeeded || it.verification != VerificationResult::Passed,
        Contradiction("only a success passes its verification"),
    )?;
    require(
        it.outcome != Outcome::Succeeded || it.target.content.is_some(),
        Contradiction("what succeeded has a content"),
    )
}

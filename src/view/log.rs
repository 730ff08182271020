//! The history of the ledgers: the table of `git deploy log`, and the document `git-deploy/log/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::symbols::Mark;
use super::table::{Cell, Table};
use crate::domain::entry::{
    Action, Deployment, Ended, Intent, Kind, Outcome, Statement, Target, VerificationResult,
    summary,
};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogPage {
    /// The entries, newest first.
    pub entries: Vec<LogEntry>,
    /// Whether there are older entries that were not requested.
    pub more: bool,
}

/// One entry.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// The ledger commit.
    pub entry: EntryId,
    /// Its ledger.
    pub ledger: LedgerName,
    /// The environment; absent in `policy` and `evidence`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvName>,
    /// When it was signed.
    pub at: Time,
    /// Who signed.
    pub by: Person,
    /// The person on whose behalf it was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Person>,
    /// The name of the action, as in the entry.
    pub action: &'static str,
    /// What happened, in a word: `deployed`, `failed`, `rolled back`, …
    pub verb: &'static str,
    /// What it concerns, in words.
    pub what: String,
    /// The components, if the entry names any with a commit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<EntryComponent>,
    /// The people whose approvals count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<Person>,
    /// The reason for breaking the rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Line>,
}

/// One component of an entry.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryComponent {
    /// Its name.
    pub component: ComponentName,
    /// Its commit.
    pub commit: CommitId,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Line>,
    /// The outcome, if it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The result of its verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationResult>,
}

/// Converts an entry for the table and the document.
pub fn describe_entry(entry: EntryId, statement: &Statement) -> LogEntry {
    let (approved_by, break_glass) = approvers(statement);
    LogEntry {
        entry,
        ledger: statement.ledger.clone(),
        environment: statement.environment(),
        at: statement.at,
        by: statement.by.clone(),
        requested_by: statement.requested_by.clone(),
        action: statement.action.name(),
        verb: verb(statement),
        what: describe_action(&statement.action),
        components: entry_components(statement),
        approved_by,
        break_glass,
    }
}

/// Returns the approvers, and the reason for breaking the rules.
fn approvers(statement: &Statement) -> (Vec<Person>, Option<Line>) {
    match &statement.action {
        Action::Finish(it) => (it.approved_by.clone(), it.break_glass.clone()),
        Action::Publish(it) => (it.approved_by.clone(), None),
        _ => statement.deployment().map_or((Vec::new(), None), |it| {
            (it.approved_by.clone(), it.break_glass.clone())
        }),
    }
}

/// Returns the components that an entry names, with their outcomes if it has any.
fn entry_components(statement: &Statement) -> Vec<EntryComponent> {
    let part = |target: &Target, ended: Option<&Ended>| EntryComponent {
        component: target.component.clone(),
        commit: target.commit,
        version: target.version.clone(),
        outcome: ended.map(|ended| ended.outcome),
        verification: ended.map(|ended| ended.verification),
    };
    match &statement.action {
        Action::Start(it) => it
            .deployment
            .components
            .iter()
            .map(|change| part(&change.target, None))
            .collect(),
        _ => statement
            .ended()
            .iter()
            .map(|ended| part(&ended.target, Some(ended)))
            .collect(),
    }
}

/// Returns one word for what happened.
fn verb(statement: &Statement) -> &'static str {
    match &statement.action {
        Action::Baseline(_) => "baseline",
        Action::Start(_) => "started",
        Action::Finish(it) => outcome_verb(it.kind, &it.components),
        Action::Record(it) => outcome_verb(it.deployment.kind, &it.ended()),
        Action::Resume(_) => "resumed",
        Action::Abort(_) => "aborted",
        Action::Verification(it) if it.verification == VerificationResult::Passed => "verified",
        Action::Verification(_) => "unhealthy",
        Action::Approve(_) | Action::PolicyApprove(_) => "approved",
        Action::Revoke(_) | Action::PolicyRevoke(_) => "revoked",
        Action::Lock(_) => "locked",
        Action::Unlock(it) if it.commit.is_some() => "released",
        Action::Unlock(_) => "unlocked",
        Action::Expire(_) => "expires",
        Action::Build(it) if it.result == crate::domain::entry::BuildResult::Succeeded => "built",
        Action::Build(_) => "build failed",
        Action::Artifact(_) => "registered",
        Action::Attestation(_) => "attested",
        Action::Yank(_) => "yanked",
        Action::Unyank(_) => "unyanked",
        Action::Publish(_) => "published",
    }
}

/// Returns one word for the outcome of a deployment.
fn outcome_verb(kind: Kind, ended: &[Ended]) -> &'static str {
    match (summary(ended), kind) {
        (_, Kind::Exec) => "executed",
        ("succeeded", Kind::Rollback) => "restored",
        ("succeeded", Kind::Hotfix) => "hotfixed",
        ("succeeded", _) => "deployed",
        (other, _) => other,
    }
}

/// Returns what an action concerns, in words.
fn describe_action(action: &Action) -> String {
    let quoted = |text: &Line| format!("\"{text}\"");
    match action {
        Action::Baseline(it) => list_targets(it.components.iter()),
        Action::Start(it) => list_changes(&it.deployment),
        Action::Record(it) => list_outcomes(&it.ended()),
        Action::Finish(it) => list_outcomes(&it.components),
        Action::Resume(it) => format!("run {}", it.start),
        Action::Abort(it) if it.components.is_empty() => {
            format!("run {}, {}", it.start, quoted(&it.reason))
        }
        Action::Abort(it) => {
            format!(
                "{}, {}",
                list_names(it.components.iter().map(|it| &it.component)),
                quoted(&it.reason)
            )
        }
        Action::Verification(it) => list_names(it.components.iter().map(|it| &it.component)),
        Action::Approve(it) => format!(
            "{} ({})",
            list_names(it.components.iter()),
            it.commit.0.prefix(7)
        ),
        Action::Revoke(it) => format!(
            "the approval of {} by {}",
            it.commit.0.prefix(7),
            it.approver
        ),
        Action::Lock(it) => {
            let component = it
                .component
                .as_ref()
                .map_or_else(String::new, |component| format!("{component}, "));
            format!("{component}{}", quoted(&it.reason))
        }
        Action::Unlock(it) => match (&it.commit, &it.component) {
            (Some(commit), _) => commit.0.prefix(7),
            (None, component) => component
                .as_ref()
                .map(ComponentName::to_string)
                .unwrap_or_default(),
        },
        Action::Expire(it) => it.expires.to_string(),
        Action::Build(it) => format!("{} ({})", it.component, it.commit.0.prefix(7)),
        Action::Artifact(it) => {
            format!(
                "{} {}@{} ({})",
                it.component,
                it.image.name,
                it.image.digest.short(),
                it.commit.0.prefix(7)
            )
        }
        Action::Attestation(it) => {
            let passed = it.result() == crate::domain::entry::AttestationResult::Passed;
            let result = if passed { "PASSED" } else { "FAILED" };
            format!("{} {result} ({})", it.short_type(), it.commit.0.prefix(7))
        }
        Action::Yank(it) | Action::Unyank(it) => {
            let commit = it.commit.map(|commit| commit.0.prefix(7));
            let of = commit
                .or_else(|| it.digest.as_ref().map(crate::domain::id::Digest::short))
                .unwrap_or_default();
            format!("{of}, {}", quoted(&it.reason))
        }
        Action::Publish(it) if it.recovered => format!("policy {}, recovered", it.digest.short()),
        Action::Publish(it) => format!("policy {}", it.digest.short()),
        Action::PolicyApprove(it) => format!("policy {}", it.digest.short()),
        Action::PolicyRevoke(it) => format!(
            "the approval of policy {} by {}",
            it.digest.short(),
            it.approver
        ),
    }
}

/// A list with more components than this shows only their number.
const MAX_NAMED: usize = 4;

/// Returns the targets in words, or their number if there are many.
fn list_targets<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    let all: Vec<&Target> = targets.collect();
    if all.len() > MAX_NAMED {
        let first = all.first().map(|target| target.commit);
        let shared = first.filter(|first| all.iter().all(|target| target.commit == *first));
        let commit = shared.map_or_else(String::new, |commit| format!(" ({})", commit.0.prefix(7)));
        return format!("{} components{commit}", all.len());
    }
    let one = |target: &&Target| {
        let version = target
            .version
            .as_ref()
            .map_or_else(String::new, |version| format!(" {version}"));
        format!(
            "{}{version} ({})",
            target.component,
            target.commit.0.prefix(7)
        )
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Returns the names of components, or their number if there are many.
fn list_names<'a>(names: impl Iterator<Item = &'a ComponentName>) -> String {
    let all: Vec<&str> = names.map(ComponentName::as_str).collect();
    if all.len() > MAX_NAMED {
        format!("{} components", all.len())
    } else {
        all.join(", ")
    }
}

/// Returns the targets that a deployment would change, or all if it changes none.
fn list_changes(deployment: &Deployment) -> String {
    let changed: Vec<&Target> = deployment
        .components
        .iter()
        .filter(|change| change.intent != Intent::Unchanged)
        .map(|change| &change.target)
        .collect();
    if changed.is_empty() {
        list_targets(deployment.components.iter().map(|change| &change.target))
    } else {
        list_targets(changed.into_iter())
    }
}

/// Returns the targets that failed, or else those that changed, or else all.
fn list_outcomes(ended: &[Ended]) -> String {
    let of = |wanted: &dyn Fn(Outcome) -> bool| -> Vec<&Target> {
        ended
            .iter()
            .filter(|it| wanted(it.outcome))
            .map(|it| &it.target)
            .collect()
    };
    // After a failure the failed components matter. The entry itself lists those that were skipped
    // or had succeeded.
    let bad = of(&|outcome| matches!(outcome, Outcome::Failed | Outcome::RolledBack));
    let moved = of(&|outcome| !matches!(outcome, Outcome::Unchanged | Outcome::Skipped));
    let shown = [bad, moved].into_iter().find(|targets| !targets.is_empty());
    list_targets(shown.unwrap_or_else(|| of(&|_| true)).into_iter())
}

/// Renders the table. `when` formats a time.
pub fn render_text(log: &LogPage, width: Option<usize>, when: &dyn Fn(Time) -> String) -> String {
    let whole = build_table(log, true, when);
    // A narrow terminal shows the id of the entry without its ledger. git finds the commit by the
    // id alone.
    if whole.fits(width) {
        whole.render(width)
    } else {
        build_table(log, false, when).render(width)
    }
}

/// Builds the table. `ledgers` adds the ledger to the entry's id.
fn build_table(log: &LogPage, ledgers: bool, when: &dyn Fn(Time) -> String) -> Table {
    // `show` lists the people, so their column gives way before others. A shortened place is still
    // clearer than a shortened description.
    let mut table = Table::new(&["When", "Where", "Did", "What", "Who", "Entry"])
        .shorten_columns(&[4, 1, 3])
        .with_min_width(1, 14);
    for event in &log.entries {
        let place = event
            .environment
            .as_ref()
            .map_or_else(|| event.ledger.to_string(), EnvName::to_string);
        let style = match event.verb {
            "failed" | "rolled back" | "aborted" | "unhealthy" | "build failed" | "yanked" => {
                Mark::No.style()
            }
            "deployed" | "restored" | "hotfixed" | "verified" => Mark::Yes.style(),
            "started" => Mark::Live.style(),
            _ => anstyle::Style::new(),
        };
        let glass = event
            .break_glass
            .as_ref()
            .map_or_else(String::new, |reason| format!(", BREAK-GLASS \"{reason}\""));
        let id = event.entry.0.prefix(10);
        table.add_row([
            Cell::from(when(event.at)),
            Cell::from(place),
            Cell::styled(event.verb, style),
            Cell::from(format!("{}{glass}", event.what)),
            Cell::from(format_signers(event)),
            Cell::from(if ledgers {
                format!("{}@{id}", event.ledger)
            } else {
                id
            }),
        ]);
    }
    table
}

/// Returns who signed, on whose behalf, and who approved.
fn format_signers(event: &LogEntry) -> String {
    let behalf = event
        .requested_by
        .as_ref()
        .map_or_else(String::new, |person| format!(" for {person}"));
    let people: Vec<&str> = event.approved_by.iter().map(Person::as_str).collect();
    let approved = if people.is_empty() {
        String::new()
    } else {
        format!(", approved by {}", people.join(", "))
    };
    format!("by {}{behalf}{approved}", event.by)
}

//! What happened: the table of `git deploy log`, and the document `git-deploy/log/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::symbols::Mark;
use super::table::{Cell, Table};
use crate::domain::entry::{
    Action, ComponentResult, Deployment, DeploymentKind, Intent, Outcome, Statement, Target,
    VerificationResult, overall_outcome,
};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// Newest first.
    pub entries: Vec<Event>,
    /// Whether there are older ones that were not asked for.
    pub more: bool,
}

/// One entry.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The ledger commit that says so.
    pub entry: EntryId,
    /// Its ledger.
    pub ledger: LedgerName,
    /// The environment; absent in `policy` and `evidence`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvName>,
    /// When.
    pub at: Time,
    /// Who signed.
    pub by: Person,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Person>,
    /// The action's word, as in the entry.
    pub action: &'static str,
    /// What happened, in a word: `deployed`, `failed`, `rolled back`, …
    pub verb: &'static str,
    /// What it happened to, for people.
    pub what: String,
    /// The components, where the entry speaks of any at a commit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Part>,
    /// Whose approvals count for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<Person>,
    /// The reason why rules were broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Line>,
}

/// One component of an entry.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Its name.
    pub component: ComponentName,
    /// Its commit.
    pub commit: CommitId,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Line>,
    /// How it ended, where it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What its check said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationResult>,
}

/// What an entry says, for people and programs.
pub fn event(entry: EntryId, statement: &Statement) -> Event {
    let (approved_by, break_glass) = people(statement);
    Event {
        entry,
        ledger: statement.ledger.clone(),
        environment: statement.environment(),
        at: statement.at,
        by: statement.by.clone(),
        requested_by: statement.requested_by.clone(),
        action: statement.action.name(),
        verb: verb(statement),
        what: what(&statement.action),
        components: parts(statement),
        approved_by,
        break_glass,
    }
}

fn people(statement: &Statement) -> (Vec<Person>, Option<Line>) {
    match &statement.action {
        Action::Finish(it) => (it.approved_by.clone(), it.break_glass.clone()),
        Action::Publish(it) => (it.approved_by.clone(), None),
        _ => statement.deployment().map_or((Vec::new(), None), |it| {
            (it.approved_by.clone(), it.break_glass.clone())
        }),
    }
}

fn parts(statement: &Statement) -> Vec<Part> {
    let part = |target: &Target, ended: Option<&ComponentResult>| Part {
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
            .component_results()
            .iter()
            .map(|ended| part(&ended.target, Some(ended)))
            .collect(),
    }
}

/// One word for what happened.
fn verb(statement: &Statement) -> &'static str {
    match &statement.action {
        Action::Baseline(_) => "baseline",
        Action::Start(_) => "started",
        Action::Finish(it) => ended(it.kind, &it.components),
        Action::Record(it) => ended(it.deployment.kind, &it.component_results()),
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

fn ended(kind: DeploymentKind, ended: &[ComponentResult]) -> &'static str {
    match (overall_outcome(ended), kind) {
        (_, DeploymentKind::Exec) => "executed",
        ("succeeded", DeploymentKind::Rollback) => "restored",
        ("succeeded", DeploymentKind::Hotfix) => "hotfixed",
        ("succeeded", _) => "deployed",
        (other, _) => other,
    }
}

/// What it happened to.
fn what(action: &Action) -> String {
    let quoted = |text: &Line| format!("\"{text}\"");
    match action {
        Action::Baseline(it) => targets(it.components.iter()),
        Action::Start(it) => asked(&it.deployment),
        Action::Record(it) => moved(&it.component_results()),
        Action::Finish(it) => moved(&it.components),
        Action::Resume(it) => format!("run {}", it.start),
        Action::Abort(it) if it.components.is_empty() => {
            format!("run {}, {}", it.start, quoted(&it.reason))
        }
        Action::Abort(it) => {
            format!(
                "{}, {}",
                names(it.components.iter().map(|it| &it.component)),
                quoted(&it.reason)
            )
        }
        Action::Verification(it) => names(it.components.iter().map(|it| &it.component)),
        Action::Approve(it) => format!(
            "{} ({})",
            names(it.components.iter()),
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

/// More components than this are counted, not named.
const NAMED: usize = 4;

fn targets<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    let all: Vec<&Target> = targets.collect();
    if all.len() > NAMED {
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

fn names<'a>(names: impl Iterator<Item = &'a ComponentName>) -> String {
    let all: Vec<&str> = names.map(ComponentName::as_str).collect();
    if all.len() > NAMED {
        format!("{} components", all.len())
    } else {
        all.join(", ")
    }
}

fn asked(deployment: &Deployment) -> String {
    let changed: Vec<&Target> = deployment
        .components
        .iter()
        .filter(|change| change.intent != Intent::Unchanged)
        .map(|change| &change.target)
        .collect();
    if changed.is_empty() {
        targets(deployment.components.iter().map(|change| &change.target))
    } else {
        targets(changed.into_iter())
    }
}

fn moved(ended: &[ComponentResult]) -> String {
    let of = |wanted: &dyn Fn(Outcome) -> bool| -> Vec<&Target> {
        ended
            .iter()
            .filter(|it| wanted(it.outcome))
            .map(|it| &it.target)
            .collect()
    };
    // Of a failure those that failed: what was skipped because of it, or had gone well before, is in the entry.
    let bad = of(&|outcome| matches!(outcome, Outcome::Failed | Outcome::RolledBack));
    let moved = of(&|outcome| !matches!(outcome, Outcome::Unchanged | Outcome::Skipped));
    let shown = [bad, moved].into_iter().find(|targets| !targets.is_empty());
    targets(shown.unwrap_or_else(|| of(&|_| true)).into_iter())
}

/// The table; `when` shows a moment.
pub fn text(log: &Log, width: Option<usize>, when: &dyn Fn(Time) -> String) -> String {
    let whole = table(log, true, when);
    // Where the terminal is narrow an entry's id says enough beside its place; git finds it by that.
    if whole.fits(width) {
        whole.render(width)
    } else {
        table(log, false, when).render(width)
    }
}

fn table(log: &Log, ledgers: bool, when: &dyn Fn(Time) -> String) -> Table {
    // People are looked up by `show`; where it was is told apart in fewer columns than what it was.
    let mut table = Table::new(&["When", "Where", "Did", "What", "Who", "Entry"])
        .elastic(&[4, 1, 3])
        .least(1, 14);
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
        table.row([
            Cell::from(when(event.at)),
            Cell::from(place),
            Cell::styled(event.verb, style),
            Cell::from(format!("{}{glass}", event.what)),
            Cell::from(who(event)),
            Cell::from(if ledgers {
                format!("{}@{id}", event.ledger)
            } else {
                id
            }),
        ]);
    }
    table
}

fn who(event: &Event) -> String {
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

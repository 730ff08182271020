//! `git deploy repair`: restores the last valid tips on a remote whose ledgers were lost, rewritten
//! or given invalid entries.
//!
//! The command is meant for forges that do not run git-deploy's hooks. There, every client detects
//! a push that bypasses the rules, and any client can repair it.

mod newer_entries;

use std::collections::BTreeMap;

use newer_entries::require_newest;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::audit_report::AuditProgressBar;
use crate::cli::entry_name::format_entry_name;
use crate::cli::ledger_problems::{describe_problem, suggest_fixes};
use crate::cli::repository::{find_remote, open_repository};
use crate::cli::sync_report::report_restored;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, append_error};
use crate::domain::count::choose;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::domain::verdict::CheckResult;
use crate::git::Repository;
use crate::git::remote::PushOutcome;
use crate::ledger::Project;
use crate::ledger::audit::{self, AuditPlan};
use crate::ledger::notes_sync::sync_notes;
use crate::ledger::sync::{LedgerProblem, SyncError, sync};

/// The most bytes of an entry's subject that are printed.
const MAX_SUBJECT: usize = 200;

/// Restore ledgers that the remote has lost or rewritten
///
/// Pushes the last valid tip of each damaged ledger. Entries that the valid tip does not contain
/// are kept in this clone under refs/deploy-set-aside/, and are listed so that their authors can
/// write them again. Run it in the clone with the newest entries, such as that of the last deployer: it
/// is refused in a clone that lacks entries which the notes or other ledgers name. For remotes without
/// git-deploy's hooks.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy repair --dry-run
  git deploy repair")]
pub struct Args {
    /// Show what would be restored, and push nothing
    #[arg(long)]
    dry_run: bool,
    /// Restore the entries of this clone even if the notes or other ledgers name newer ones
    ///
    /// Only if no clone has the newer entries any more: they are lost for good.
    #[arg(long)]
    drop_newer: bool,
}

/// One ledger to restore.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct RepairedLedger {
    /// The ledger.
    #[serde(rename = "ledger")]
    name: LedgerName,
    /// What is wrong with the ledger, as a sentence.
    problem: String,
    /// The ledger's tip on the remote before the repair; absent if the remote had none.
    #[serde(rename = "shown", skip_serializing_if = "Option::is_none")]
    remote_tip: Option<EntryId>,
    /// The last valid tip, which is restored.
    #[serde(rename = "valid")]
    valid_tip: EntryId,
    /// The remote's entries that the valid tip does not contain, newest first. They are kept in the
    /// clone under `refs/deploy-set-aside/`.
    set_aside: Vec<EntryId>,
}

/// A ref of the remote that is not restored.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct LeftRef {
    /// What is wrong with the ref, as a sentence.
    problem: String,
    /// The commands that fix it.
    fixes: Vec<String>,
}

/// The result of a repair.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct RepairDocument {
    /// The remote.
    remote: String,
    /// Whether this was a dry run, which pushes nothing.
    dry_run: bool,
    /// The ledgers that were, or would be, restored.
    ledgers: Vec<RepairedLedger>,
    /// The refs with problems that a repair cannot fix.
    left: Vec<LeftRef>,
}

/// Finds ledgers with problems on the remote and restores them after confirmation.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let repository = open_repository()?;
    let Some(remote) = find_remote(&repository, ui)? else {
        return Err(
            CliError::new(ErrorKind::Usage, "there is no remote to restore ledgers on")
                .hint("git deploy audit"),
        );
    };
    let problems = match sync(&repository, &remote) {
        Ok(synced) => {
            report_restored(&synced, ui);
            Vec::new()
        }
        Err(SyncError::Problems(problems)) if !problems.iter().all(LedgerProblem::is_undecided) => {
            problems
        }
        Err(error) => return Err(append_error::explain_sync_error(ui, error)),
    };
    let document = plan_repairs(&repository, remote, &problems, args, ui)?;
    print_plan(&document, &repository, ui);
    if !args.dry_run && !document.ledgers.is_empty() {
        restore_all(&document, &repository, ui)?;
    }
    if ui.json() {
        ui.print_document("repair", &document)?;
    } else {
        print_result(&document, ui);
    }
    explain_left_refs(&document)
}

/// Plans what to restore, and lists what a repair leaves.
///
/// # Errors
///
/// Fails if the audit of this clone rejects an entry that would be restored, or if this clone lacks newer
/// entries.
fn plan_repairs(
    repository: &Repository,
    remote: String,
    problems: &[LedgerProblem],
    args: &Args,
    ui: &Ui,
) -> Result<RepairDocument, CliError> {
    let (repairable, others): (Vec<_>, Vec<_>) = problems
        .iter()
        .cloned()
        .partition(LedgerProblem::is_repairable);
    let ledgers = repairable
        .iter()
        .filter_map(|problem| plan_repair(repository, problem).transpose())
        .collect::<Result<Vec<_>, _>>()?;
    if !ledgers.is_empty() {
        let project = require_audited(repository, &ledgers)?;
        if !args.drop_newer {
            require_newest(repository, &project, &ledgers)?;
        }
    }
    let mut left: Vec<LeftRef> = others
        .iter()
        .map(|problem| LeftRef {
            problem: describe_problem(problem),
            fixes: suggest_fixes(std::slice::from_ref(problem), ui),
        })
        .collect();
    let junk = repository
        .find_remote_junk()
        .context(ErrorKind::CannotTell, "cannot list the remote's refs")?;
    left.extend(junk.iter().map(|junk| LeftRef {
        problem: junk.describe(),
        fixes: vec![junk.removal(&remote)],
    }));
    Ok(RepairDocument {
        remote,
        dry_run: args.dry_run,
        ledgers,
        left,
    })
}

/// Requires that an audit of this clone accepts the tips to restore. A clone can hold entries that
/// git fetched and nothing verified.
///
/// Returns the project.
fn require_audited(
    repository: &Repository,
    ledgers: &[RepairedLedger],
) -> Result<Project, CliError> {
    let cannot_audit = "cannot audit this clone, so nothing was restored";
    let tips = repository
        .tips()
        .context(ErrorKind::CannotTell, cannot_audit)?;
    let project = audit::find_project(repository, &tips).map_err(|finding| {
        CliError::new(ErrorKind::Denied, cannot_audit).because(finding.detail)
    })?;
    let mut names = vec![LedgerName::policy()];
    names.extend(tips.keys().filter(|it| !it.is_policy()).cloned());
    let plan = AuditPlan {
        ledgers: &names,
        since: &BTreeMap::new(),
        notes: false,
        expects_notes: false,
        chunk_size: audit::CHUNK_SIZE,
    };
    let progress = AuditProgressBar::new();
    let report = audit::audit(repository, &project, &tips, &plan, &progress);
    progress.finish();
    let is_restored = |name: &LedgerName| ledgers.iter().any(|it| it.name == *name);
    let findings = report.ledgers.iter().filter(|it| is_restored(&it.ledger));
    let rejected = findings
        .flat_map(|it| it.findings.iter().map(move |finding| (&it.ledger, finding)))
        .find(|(_, finding)| finding.outcome == CheckResult::Fail);
    match rejected {
        None => Ok(project),
        Some((ledger, finding)) => Err(CliError::new(
            ErrorKind::Denied,
            format!(
                "the audit of this clone rejects its own ledger {ledger}: nothing was restored"
            ),
        )
        .because(finding.detail.clone())
        .hint("git deploy audit")
        .hint("in a clone without audit findings: git deploy repair")),
    }
}

/// Prints what was restored.
fn print_result(document: &RepairDocument, ui: &Ui) {
    match (&document.ledgers[..], document.dry_run) {
        ([], _) if document.left.is_empty() => ui.print(format_args!(
            "The ledgers of {} are intact: nothing to restore.",
            document.remote
        )),
        ([], _) => {}
        (_, true) => ui.print_sentence("Nothing was pushed."),
        ([ledger], false) => ui.print_sentence(format_args!("{} is restored.", ledger.name)),
        (several, false) => {
            ui.print_sentence(format_args!("{} ledgers are restored.", several.len()));
        }
    }
}

/// Returns the error for refs that a repair cannot fix.
fn explain_left_refs(document: &RepairDocument) -> Result<(), CliError> {
    if document.left.is_empty() {
        return Ok(());
    }
    let problems: Vec<&str> = document.left.iter().map(|it| it.problem.as_str()).collect();
    let message = "some refs of the remote must be fixed by hand";
    let error = CliError::new(ErrorKind::Denied, message).because(problems.join("\n"));
    let fixes = document.left.iter().flat_map(|it| &it.fixes);
    Err(fixes.fold(error, |error, fix| error.hint(fix.as_str())))
}

/// Restores the ledgers on the remote after confirmation, and then the notes.
fn restore_all(
    document: &RepairDocument,
    repository: &Repository,
    ui: &Ui,
) -> Result<(), CliError> {
    let (remote, ledgers) = (&document.remote, &document.ledgers);
    let object = choose(ledgers.len(), "it", "them");
    if !ui.confirm(&format!("Restore {object} on {remote}?"))? {
        return Err(CliError::new(ErrorKind::Denied, "nothing was restored"));
    }
    for ledger in ledgers {
        restore_ledger(repository, remote, ledger)?;
    }
    // The notes may describe entries that are now set aside.
    for ledger in ledgers {
        sync_notes(repository, remote, &ledger.name, ledger.valid_tip).map_err(|error| {
            append_error::explain_sync_error(ui, error).hint("git deploy notes rebuild")
        })?;
    }
    Ok(())
}

/// Returns which tip to restore for a problem, and which entries to set aside. Returns `None` if
/// this clone has no valid tip.
fn plan_repair(
    repository: &Repository,
    problem: &LedgerProblem,
) -> Result<Option<RepairedLedger>, CliError> {
    let ledger = &problem.ledger;
    let Some(valid_tip) = problem.kept_tip else {
        return Ok(None);
    };
    let set_aside = match problem.remote_tip {
        // A ref that is not a chain of commits holds no entries.
        Some(remote_tip) => match repository.commits_beyond_tip(valid_tip, remote_tip) {
            Err(error) if error.is_malformed() => Ok(Vec::new()),
            result => result,
        }
        .context(
            ErrorKind::CannotTell,
            format!("cannot determine what to restore of {ledger}"),
        )?,
        None => Vec::new(),
    };
    Ok(Some(RepairedLedger {
        name: ledger.clone(),
        problem: describe_problem(problem),
        remote_tip: problem.remote_tip,
        valid_tip,
        set_aside,
    }))
}

/// Prints what would be restored, and which entries would be set aside.
fn print_plan(document: &RepairDocument, repository: &Repository, ui: &Ui) {
    for ledger in &document.ledgers {
        ui.eprint(&ledger.problem);
        ui.eprint(format_args!(
            "  {} is the last valid entry",
            format_entry_name(&ledger.name, ledger.valid_tip)
        ));
        for id in &ledger.set_aside {
            let commit = repository.read_commit(id.0);
            let subject = commit.map(|commit| {
                let line = commit.message().split(|byte| *byte == b'\n').next();
                line.and_then(|line| line.get(..line.len().min(MAX_SUBJECT)))
                    .map(|line| sanitize(&String::from_utf8_lossy(line)))
            });
            let subject = subject.ok().flatten().unwrap_or_default();
            ui.eprint(format_args!(
                "  {} is set aside: {subject}",
                format_entry_name(&ledger.name, *id)
            ));
        }
    }
}

/// Pushes the last valid tip of one ledger, after storing the entries to set aside under a ref.
///
/// # Errors
///
/// Fails if the remote no longer has the tip that was examined, or refuses the push.
fn restore_ledger(
    repository: &Repository,
    remote: &str,
    ledger: &RepairedLedger,
) -> Result<(), CliError> {
    let name = ledger.name.ref_name();
    let cannot_restore = || format!("cannot restore {} on {remote}", ledger.name);
    if let Some(tip) = ledger.remote_tip.filter(|_| !ledger.set_aside.is_empty()) {
        repository
            .keep_aside(&ledger.name, tip, "git-deploy: repair")
            .context(ErrorKind::CannotTell, cannot_restore())?;
    }
    let outcome = repository.push_with_lease(
        remote,
        ledger.valid_tip.0,
        &name,
        ledger.remote_tip.map(|tip| tip.0),
    );
    match outcome.context(ErrorKind::CannotTell, cannot_restore())? {
        PushOutcome::Accepted { .. } => Ok(()),
        PushOutcome::LostRace { .. } => Err(CliError::new(ErrorKind::CannotTell, cannot_restore())
            .because("it has moved again in the meantime")
            .hint("git deploy repair")),
        PushOutcome::Rejected { messages, .. } => {
            let root = repository
                .pinned_project()
                .context(ErrorKind::CannotTell, "cannot read the pinned project")?;
            let root = root.map_or_else(|| "ID".to_owned(), |root| root.to_string());
            Err(CliError::new(ErrorKind::Denied, cannot_restore())
                .because(
                    "the remote refuses the push: if it has git-deploy's hooks, only its owner can restore a ledger",
                )
                .hint(format!("on the server: git fetch CLONE {name}:{name}"))
                .hint(format!("on the server: git-deploy server adopt . --root {root}"))
                .with_details(messages))
        }
        PushOutcome::Unknown { messages, .. } => {
            Err(CliError::new(ErrorKind::CannotTell, cannot_restore())
                .because(messages.join("\n"))
                .hint("git deploy repair"))
        }
    }
}

//! `git deploy repair`: restores the last valid tips on a remote whose ledgers were lost, rewritten
//! or given invalid entries.
//!
//! The command is meant for forges that do not run git-deploy's hooks. There, every client detects
//! a push that bypasses the rules, and any client can repair it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::diagnostics::describe_problem;
use crate::cli::entry_name::format_entry_name;
use crate::cli::repository::{find_remote, open_repository};
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, append_error};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::git::remote::PushOutcome;
use crate::git::{Error, Repository};
use crate::ledger::notes_sync::sync_notes;
use crate::ledger::sync::{LedgerProblem, SyncError, sync};

/// Restore ledgers that the remote has lost or rewritten
///
/// Pushes the last valid tip of each damaged ledger. Entries that the valid tip does not contain
/// are kept in this clone under refs/deploy-set-aside/, and are listed so that their authors can
/// write them again. For remotes without git-deploy's hooks.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy repair --dry-run
  git deploy repair")]
pub struct Args {
    /// Show what would be restored, and push nothing
    #[arg(long)]
    dry_run: bool,
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
        Ok(_) => Vec::new(),
        Err(SyncError::Problems(problems)) if !problems.iter().all(LedgerProblem::is_undecided) => {
            problems
        }
        Err(error) => return Err(append_error::explain_sync_error(ui, error)),
    };
    let ledgers = problems
        .iter()
        .map(|problem| plan_repair(&repository, problem))
        .collect::<Result<Vec<_>, _>>()?;
    let document = RepairDocument {
        remote,
        dry_run: args.dry_run,
        ledgers,
    };
    print_plan(&document, &repository, ui);
    if !args.dry_run && !document.ledgers.is_empty() {
        restore_all(&document, &repository, ui)?;
    }
    if ui.json() {
        return ui.print_document("repair", &document);
    }
    match (&document.ledgers[..], args.dry_run) {
        ([], _) => ui.print(format_args!(
            "The ledgers of {} are intact: nothing to restore.",
            document.remote
        )),
        (_, true) => ui.print_sentence("Nothing was pushed."),
        ([ledger], false) => ui.print_sentence(format_args!("{} is restored.", ledger.name)),
        (several, false) => {
            ui.print_sentence(format_args!("{} ledgers are restored.", several.len()));
        }
    }
    Ok(())
}

/// Restores the ledgers on the remote after confirmation, and then the notes.
fn restore_all(
    document: &RepairDocument,
    repository: &Repository,
    ui: &Ui,
) -> Result<(), CliError> {
    let (remote, ledgers) = (&document.remote, &document.ledgers);
    let object = if ledgers.len() == 1 { "it" } else { "them" };
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

/// Returns which tip to restore for a problem, and which entries to set aside.
///
/// # Errors
///
/// Fails if the ledger has no valid tip.
fn plan_repair(
    repository: &Repository,
    problem: &LedgerProblem,
) -> Result<RepairedLedger, CliError> {
    let ledger = &problem.ledger;
    let cannot_determine = || format!("cannot determine what to restore of {ledger}");
    let valid_tip = problem
        .last_valid_tip(repository)
        .context(ErrorKind::CannotTell, cannot_determine())?
        .ok_or_else(|| {
            CliError::new(ErrorKind::Denied, cannot_determine())
                .because(describe_problem(problem))
                .hint(format!(
                    "with write access to the remote: git push REMOTE :{}",
                    ledger.ref_name()
                ))
        })?;
    let set_aside = match problem.remote_tip {
        Some(remote_tip) => repository
            .commits_beyond_tip(valid_tip, remote_tip)
            .context(ErrorKind::CannotTell, cannot_determine())?,
        None => Vec::new(),
    };
    Ok(RepairedLedger {
        name: ledger.clone(),
        problem: describe_problem(problem),
        remote_tip: problem.remote_tip,
        valid_tip,
        set_aside,
    })
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
                String::from_utf8_lossy(commit.message())
                    .lines()
                    .next()
                    .map(sanitize)
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
        let aside = format!("refs/deploy-set-aside/{}/{}", ledger.name, tip.0.prefix(10));
        match repository.compare_and_swap(&aside, None, tip.0, "git-deploy: repair") {
            // A lost race means that the ref already exists. Its name contains its commit, so it is
            // the right one.
            Ok(()) | Err(Error::LostRace { .. }) => {}
            Err(error) => {
                return Err(CliError::new(ErrorKind::CannotTell, cannot_restore()).because(error));
            }
        }
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

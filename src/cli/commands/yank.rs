//! `git deploy yank`: blocks a commit or an artifact from all further deployments.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::cli::args::yank::{YankArgs, YankSubject};
use crate::cli::deploy_runner::{SharedNotice, notify_environments};
use crate::cli::read_context::read_environments;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, append_report};
use crate::domain::deploy_command::DeployCommand;
use crate::domain::entry::{Action, DeploymentKind, YankedContent};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::NotifyEvent;
use crate::ledger::writer::{AppendedEntry, LedgerSnapshot};
use crate::ledger::yank_coverage::{YankCoverage, find_coverage};
use crate::view::grouping::list_or_count;

/// Block a commit or artifact from all further deployments
///
/// A yanked commit can neither be deployed nor rolled back to. The yank also covers the contents that
/// the commit brought, under any commit: of each component in which it differs from its first
/// parent, unless that content succeeded somewhere before the commit was first deployed.
/// Environments that already run it keep it until something else is deployed.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Yank a release:
    git deploy yank v1.5.0 -m \"Loses orders under load\"

  Yank a compromised artifact:
    git deploy yank ghcr.io/acme/api@sha256:9f86… -m \"Built with a compromised dependency\"")]
pub struct Args {
    #[command(flatten)]
    yank: YankArgs,
}

/// Writes a yank, and prints where the commit still runs.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    args.yank.reason.require(ui)?;
    let workspace = Workspace::open_to_write(ui)?;
    let subject = args.yank.parse_subject(&workspace)?;
    // The coverage of the written yank. Each attempt to write the entry replaces it.
    let coverage = RefCell::default();
    let find_contents = |snapshot: &LedgerSnapshot<'_>, commit| {
        let found_coverage = find_yank_coverage(snapshot, commit)?;
        let contents = found_coverage.contents.clone();
        coverage.replace(found_coverage);
        Ok(contents)
    };
    let appended = args
        .yank
        .append(ui, &workspace, &subject, Action::Yank, &find_contents)?;
    let sentence = format!(
        "{subject} is yanked by {} and can no longer be deployed.",
        appended.statement.by
    );
    append_report::report_entry(ui, &sentence, &appended)?;
    let mut still_running = BTreeSet::new();
    if let YankSubject::Commit(commit) = subject {
        let coverage = coverage.into_inner();
        report_coverage(ui, &coverage);
        still_running = report_still_running(&workspace, ui, commit, &coverage.contents)?;
    }
    if !appended.dry_run {
        notify_yank(ui, &workspace, &subject, &appended, &still_running);
    }
    Ok(())
}

/// Notifies all environments, first those that still run the commit.
fn notify_yank(
    ui: &Ui,
    workspace: &Workspace,
    subject: &YankSubject,
    appended: &AppendedEntry,
    still_running: &BTreeSet<EnvName>,
) {
    let reason = match &appended.statement.action {
        Action::Yank(yank) => yank.reason.to_string(),
        _ => String::new(),
    };
    let describe = |name: &EnvName| {
        let running = still_running
            .contains(name)
            .then(|| format!("{name} still runs it"));
        let yank = format!("{subject} is yanked: {reason}");
        std::iter::once(yank).chain(running).collect()
    };
    let notice = SharedNotice {
        event: NotifyEvent::Yanked,
        by: &appended.statement.by,
        commit: match subject {
            YankSubject::Commit(commit) => Some(*commit),
            YankSubject::Digest(_) => None,
        },
        describe: &describe,
        entry: Some(appended.id),
        expires: None,
    };
    let others = workspace.policy.environments.keys();
    let others = others.filter(|name| !still_running.contains(*name));
    notify_environments(ui, workspace, still_running.iter().chain(others), &notice);
}

/// Finds the contents that a yank of a commit covers, and those that it does not cover.
fn find_yank_coverage(
    snapshot: &LedgerSnapshot<'_>,
    commit: CommitId,
) -> Result<YankCoverage, CliError> {
    let policy = snapshot
        .policy
        .ok_or_else(|| CliError::new(ErrorKind::CannotTell, "no policy is in force"))?;
    // The commit may run anywhere.
    snapshot
        .ledgers
        .require(&snapshot.ledgers.unverified())
        .context(ErrorKind::CannotTell, "cannot read all environments")?;
    find_coverage(
        snapshot.repository,
        snapshot.gatherer,
        policy,
        snapshot.tips,
        commit,
    )
    .context(
        ErrorKind::CannotTell,
        format!("cannot determine what {} changes", commit.short()),
    )
}

/// Prints the contents that a yank covers, and those that it does not cover.
fn report_coverage(ui: &Ui, coverage: &YankCoverage) {
    let names: Vec<&str> = coverage
        .contents
        .iter()
        .map(|it| it.component.as_str())
        .collect();
    if !names.is_empty() {
        ui.eprint_sentence(format_args!(
            "Its content of {} is yanked under any commit.",
            names.join(", ")
        ));
    }
    for earlier in &coverage.earlier {
        ui.eprint_sentence(format_args!(
            "Its content of {} is not yanked: it ran in {} before, as {}.",
            earlier.component,
            earlier.ledger,
            earlier.commit.0.prefix(7)
        ));
    }
}

/// Prints and returns the environments that still run the commit or its contents: a yank does not
/// remove them.
fn report_still_running(
    workspace: &Workspace,
    ui: &Ui,
    commit: CommitId,
    contents: &[YankedContent],
) -> Result<BTreeSet<EnvName>, CliError> {
    let mut found = BTreeSet::new();
    for snapshot in read_environments(workspace)? {
        let state = snapshot.state();
        let running = state.components();
        let is_yanked = |component: &ComponentName| {
            let content = state.content(component);
            contents
                .iter()
                .any(|it| it.component == *component && Some(it.content) == content)
        };
        let names: Vec<&ComponentName> = running
            .iter()
            .filter(|(name, running)| **running == commit || is_yanked(name))
            .map(|(name, _)| *name)
            .collect();
        if !names.is_empty() {
            found.insert(snapshot.name().clone());
            let words: Vec<&str> = names.iter().map(|it| it.as_str()).collect();
            let name = snapshot.name();
            let sentence = format!(
                "{name} still runs it ({}). To roll back",
                list_or_count(&words)
            );
            let command = DeployCommand::new(&workspace.policy, name)
                .any_commit()
                .kind(DeploymentKind::Rollback)
                .only(names)
                .deployed_in(state);
            ui.eprint(ui.format_with_command(&sentence, &command.to_string()));
        }
    }
    Ok(found)
}

//! `git-deploy server adopt`: turns a repository that already has ledgers into a server.
//!
//! A server judges pushes by its own clock and therefore accepts no old entries by push. Ledgers
//! that are already there are audited from their root of trust instead, and the hooks are installed
//! only if the audit finds nothing.

use schemars::JsonSchema;
use serde::Serialize;

use super::{InitArgs, StepDocument, install_server};
use crate::cli::commands::audit::{self, ProgressBarAudit};
use crate::cli::diagnostics::explain_unreadable_repository;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::{self, Repository};
use crate::ledger::audit::{AuditPlan, CHUNK_SIZE, find_project};
use crate::ledger::sync::PIN_SETTING;
use crate::ledger::{Project, Tips};
use crate::server::check::open_repository;
use crate::server::install::InstallStep;
use crate::view::audit::{self as view, AuditDocument, AuditSection};
use crate::view::symbols::Mark;

/// Protect a repository that already has ledgers
///
/// For example a copy of another server's repository. Audits the ledgers from the root of trust,
/// and installs the hooks only if there are no findings. The project's root keys become admins.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Move to a new server:
    git clone --mirror OLD shop.git
    git-deploy server adopt shop.git --root 5d41402abc4b2a76b9719d911017c592aabbccdd")]
pub(in crate::cli) struct AdoptArgs {
    #[command(flatten)]
    init: InitArgs,
    /// The expected project id, as `git config deploy.root` prints it in a trusted clone
    #[arg(long, value_name = "ID")]
    root: Option<EntryId>,
}

/// The result of the audit and of the installation.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct AdoptDocument<'a> {
    /// The repository as it was named.
    repository: String,
    /// The project.
    project: EntryId,
    /// Whether the audit found nothing and the hooks are installed.
    guarded: bool,
    /// The result of the audit.
    audit: &'a AuditDocument,
    /// The steps of the installation; empty if the audit found something.
    steps: Vec<StepDocument<'a>>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

/// Audits the ledgers and, if there are no findings, installs the hooks.
pub(super) fn run(args: &AdoptArgs, ui: &Ui) -> Result<(), CliError> {
    let path = args.init.repository.display();
    let repository = open_repository(&args.init.repository).map_err(|error| match error {
        error @ (git::Error::OtherOwner(_) | git::Error::Unsupported { .. }) => {
            explain_unreadable_repository(error)
        }
        error => CliError::new(ErrorKind::Usage, format!("cannot adopt {path}")).because(error),
    })?;
    let tips = repository.tips().map_err(|error| {
        let kind = if matches!(error, git::Error::InvalidRef { .. }) {
            ErrorKind::Denied
        } else {
            ErrorKind::CannotTell
        };
        CliError::new(kind, format!("cannot read the ledgers of {path}")).because(error)
    })?;
    if tips.is_empty() {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("there are no ledgers in {path} to adopt"),
        )
        .hint(format!(
            "to start without ledgers: git-deploy server init {path} --admin <public key>"
        ))
        .hint(format!(
            "to copy them with everything else: git clone --mirror OLD {path}"
        )));
    }
    let project = require_project(args, &repository, &tips)?;
    let audit = audit_all(&repository, &tips, &project);
    let told = |findings: &str| audit.findings().any(|finding| finding.outcome == findings);
    let steps = if told("fail") || told("unknown") {
        None
    } else {
        Some(install_hooks(args, &repository, &project)?)
    };
    let next = "git-deploy server check";
    let newer = "An audit cannot detect entries that a copy lacks: compare git for-each-ref refs/deploy/ with a clone.";
    if ui.json() {
        let steps_told = steps.iter().flatten().map(
            |InstallStep {
                 message: what,
                 changed,
             }| StepDocument {
                what,
                changed: *changed,
            },
        );
        let (repository, guarded) = (path.to_string(), steps.is_some());
        let next = guarded.then_some(next);
        let (project, steps) = (project.id, steps_told.collect());
        ui.print_document(
            "server-adopt",
            &AdoptDocument {
                repository,
                project,
                guarded,
                audit: &audit,
                steps,
                next,
            },
        )?;
    } else {
        ui.print(view::render_text(&audit, ui.width(), &|time| {
            ui.format_time(time)
        }));
        for step in steps.iter().flatten() {
            let mark = if step.changed { Mark::Yes } else { Mark::None };
            ui.print(format_args!("{mark} {}", step.message));
        }
    }
    match steps {
        Some(_) if ui.json() => Ok(()),
        Some(_) => {
            ui.print(newer);
            ui.print(format_args!(
                "{path} now protects the project {}. Next: {next}",
                project.name
            ));
            Ok(())
        }
        None if ui.json() => Err(CliError::reported(if told("fail") {
            ErrorKind::Denied
        } else {
            ErrorKind::CannotTell
        })),
        None if told("fail") => Err(CliError::new(
            ErrorKind::Denied,
            format!("{path} is not adopted: nothing was installed"),
        )
        .hint(format!(
            "from a repository without audit findings: git clone --mirror OLD {path}"
        ))),
        None => Err(CliError::new(
            ErrorKind::CannotTell,
            format!("{path} is not adopted: nothing was installed"),
        )
        .hint(format!("git clone --mirror OLD {path}"))),
    }
}

/// Returns the project of the ledgers.
///
/// # Errors
///
/// Fails unless it is the project of `--root` or the pinned one.
fn require_project(
    args: &AdoptArgs,
    repository: &Repository,
    tips: &Tips,
) -> Result<Project, CliError> {
    let path = args.init.repository.display();
    let known = repository
        .pinned_project()
        .context(ErrorKind::CannotTell, "cannot read the pinned project")?;
    let Some(pin) = args.root.or(known) else {
        return Err(
            CliError::new(ErrorKind::Usage, "the expected project is unknown")
                .hint("in a clone that you trust: git config deploy.root")
                .hint(format!("git-deploy server adopt {path} --root ID")),
        );
    };
    let project = find_project(repository, tips).map_err(|finding| {
        let kind = audit::error_kind(&finding);
        CliError::new(
            kind,
            format!("{path} is not adopted: its policy has no root of trust"),
        )
        .because(finding.detail)
    })?;
    if project.id != pin {
        let why = format!("they belong to the project {}, not to {pin}", project.id);
        return Err(CliError::new(
            ErrorKind::Denied,
            format!("{path} is not adopted: its ledgers belong to another project"),
        )
        .because(why));
    }
    Ok(project)
}

/// Audits every ledger and the notes, regardless of the copy's own configuration.
fn audit_all(repository: &Repository, tips: &Tips, project: &Project) -> AuditDocument {
    let mut ledgers: Vec<LedgerName> = tips.keys().cloned().collect();
    // The policy's ledger comes first.
    ledgers.sort_by_key(|ledger| !ledger.is_policy());
    let progress = ProgressBarAudit::new();
    let since = std::collections::BTreeMap::new();
    let plan = AuditPlan {
        ledgers: &ledgers,
        since: &since,
        notes: true,
        chunk_size: CHUNK_SIZE,
    };
    let report = crate::ledger::audit::audit(repository, project, tips, &plan, &progress);
    progress.finish();
    let (ledgers, notes) = audit::to_view(report);
    AuditDocument {
        project: Some(project.id),
        pinned: true,
        ledgers,
        notes,
        other: AuditSection::default(),
    }
}

/// Installs the hooks with the project's root keys as admins, and pins the project.
fn install_hooks(
    args: &AdoptArgs,
    repository: &Repository,
    project: &Project,
) -> Result<Vec<InstallStep>, CliError> {
    let mut admins = args.init.admins.clone();
    admins.extend(
        project
            .root_keys
            .iter()
            .filter(|key| !args.init.admins.contains(key)),
    );
    let steps = install_server(&InitArgs {
        admins,
        ..args.init.clone()
    })?;
    repository
        .set_config(PIN_SETTING, &project.id.to_string())
        .context(ErrorKind::CannotTell, "cannot pin the project")?;
    Ok(steps)
}

//! `git-deploy server adopt`: turns a repository that already has ledgers into a server.
//!
//! A server judges pushes by its own clock, so old entries cannot be pushed to it. Instead, this
//! command audits the ledgers of the repository from their root of trust, and installs the hooks
//! only if the audit finds nothing.

use schemars::JsonSchema;
use serde::Serialize;

use super::init::{InitArgs, StepDocument, describe_steps, install_server, print_steps};
use crate::cli::audit_report::{AuditProgressBar, find_error_kind};
use crate::cli::repository::explain_unreadable_repository;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::LedgerName;
use crate::domain::verdict::CheckResult;
use crate::git::{self, Repository};
use crate::ledger::audit::{AuditPlan, CHUNK_SIZE, find_project};
use crate::ledger::sync::PIN_SETTING;
use crate::ledger::{Project, Tips};
use crate::server::check::open_repository;
use crate::server::handoff::HANDOFF_SETTING;
use crate::server::install::InstallStep;
use crate::server::settings::{ADMIN_SETTING, RECOVERY_SETTING};
use crate::view::audit::{self as view, AuditDocument};

/// The command to type after a repository was adopted.
const NEXT_COMMAND: &str = "git-deploy server check";

/// Protect a repository that already has ledgers
///
/// For example a copy of another server's repository. Audits the ledgers from the root of trust,
/// and installs the hooks only if there are no findings. The project's root keys become admins. A copy
/// whose configuration has other keys, or a program for --handoff, is refused.
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
    /// The path of the repository, as it was typed.
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
    let (repository, tips) = open_ledgers(args)?;
    let project = require_project(args, &repository, &tips)?;
    refuse_other_settings(args, &repository, &project)?;
    let audit = audit_all(&repository, &tips, &project);
    let has_finding = |outcome| audit.findings().any(|finding| finding.outcome == outcome);
    let steps = if has_finding(CheckResult::Fail) || has_finding(CheckResult::Unknown) {
        None
    } else {
        Some(install_hooks(args, &repository, &project)?)
    };
    print_result(args, ui, project.id, &audit, steps.as_deref())?;
    match steps {
        Some(_) if ui.json() => Ok(()),
        Some(_) => {
            let path = args.init.repository.display();
            ui.print("An audit cannot detect entries that are missing from a copy: compare git for-each-ref refs/deploy/ with a clone.");
            ui.print(format_args!(
                "{path} now protects the project {}. Next: {NEXT_COMMAND}",
                project.name
            ));
            Ok(())
        }
        None => Err(explain_findings(args, ui, has_finding(CheckResult::Fail))),
    }
}

/// Opens the repository and reads the tips of its ledgers.
///
/// # Errors
///
/// Fails if it has no ledgers.
fn open_ledgers(args: &AdoptArgs) -> Result<(Repository, Tips), CliError> {
    let path = args.init.repository.display();
    let repository = open_repository(&args.init.repository).map_err(|error| match error {
        error @ (git::Error::OtherOwner(_) | git::Error::Unsupported { .. }) => {
            explain_unreadable_repository(error)
        }
        error => CliError::new(ErrorKind::Usage, format!("cannot adopt {path}")).because(error),
    })?;
    let tips = repository.tips().map_err(|error| {
        let kind = if matches!(
            error,
            git::Error::InvalidRef { .. }
                | git::Error::BrokenRef { .. }
                | git::Error::BrokenTarget { .. }
        ) {
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
    Ok((repository, tips))
}

/// Prints the result of the audit and the steps of the installation, which are `None` if the audit
/// found something.
fn print_result(
    args: &AdoptArgs,
    ui: &Ui,
    project: EntryId,
    audit: &AuditDocument,
    steps: Option<&[InstallStep]>,
) -> Result<(), CliError> {
    let installed = steps.unwrap_or_default();
    if ui.json() {
        return ui.print_document(
            "server-adopt",
            &AdoptDocument {
                repository: args.init.repository.display().to_string(),
                project,
                guarded: steps.is_some(),
                audit,
                steps: describe_steps(installed),
                next: steps.map(|_| NEXT_COMMAND),
            },
        );
    }
    ui.print(view::render_text(audit, ui.width(), &|time| {
        ui.format_time(time)
    }));
    print_steps(ui, installed);
    Ok(())
}

/// Returns the error for an audit with findings. `has_violation` states that a finding is a violation.
/// Otherwise something could not be checked.
fn explain_findings(args: &AdoptArgs, ui: &Ui, has_violation: bool) -> CliError {
    let path = args.init.repository.display();
    let (kind, prefix) = if has_violation {
        (
            ErrorKind::Denied,
            "from a repository without audit findings: ",
        )
    } else {
        (ErrorKind::CannotTell, "")
    };
    if ui.json() {
        return CliError::reported(kind);
    }
    CliError::new(
        kind,
        format!("{path} is not adopted: nothing was installed"),
    )
    .hint(format!("{prefix}git clone --mirror OLD {path}"))
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
    let pinned = repository
        .pinned_project()
        .context(ErrorKind::CannotTell, "cannot read the pinned project")?;
    let Some(expected) = args.root.or(pinned) else {
        return Err(
            CliError::new(ErrorKind::Usage, "the expected project is unknown")
                .hint("in a clone that you trust: git config deploy.root")
                .hint(format!("git-deploy server adopt {path} --root ID")),
        );
    };
    let project = find_project(repository, tips).map_err(|finding| {
        let kind = find_error_kind(&finding);
        CliError::new(
            kind,
            format!("{path} is not adopted: its policy has no root of trust"),
        )
        .because(finding.detail)
    })?;
    if project.id != expected {
        let reason = format!(
            "they belong to the project {}, not to {expected}",
            project.id
        );
        return Err(CliError::new(
            ErrorKind::Denied,
            format!("{path} is not adopted: its ledgers belong to another project"),
        )
        .because(reason));
    }
    Ok(project)
}

/// Checks that the copy's configuration has no admin, recovery key or program that the command line
/// and the project do not have. The person who made the copy could have added them.
fn refuse_other_settings(
    args: &AdoptArgs,
    repository: &Repository,
    project: &Project,
) -> Result<(), CliError> {
    let print =
        |keys: &[PublicKey]| -> Vec<String> { keys.iter().map(PublicKey::to_string).collect() };
    let admins = [print(&args.init.admins), print(&project.root_keys)].concat();
    let recovery = print(args.init.recover.as_slice());
    let handoff = args.init.handoff.iter();
    let handoff = handoff.map(|it| it.display().to_string()).collect();
    let allowed: [(&str, &str, Vec<String>); 3] = [
        (ADMIN_SETTING, "--admin", admins),
        (RECOVERY_SETTING, "--recover", recovery),
        (HANDOFF_SETTING, "--handoff", handoff),
    ];
    let path = args.init.repository.display();
    for (key, option, allowed) in allowed {
        let present = repository.read_local_config(key).context(
            ErrorKind::CannotTell,
            "cannot read the copy's configuration",
        )?;
        if let Some(other) = present.iter().find(|it| !allowed.contains(it)) {
            let reason =
                format!("its configuration has {key} = {other}, which {option} does not give");
            return Err(
                CliError::new(ErrorKind::Denied, format!("{path} is not adopted"))
                    .because(reason)
                    .hint(format!("git -C {path} config --unset-all {key}")),
            );
        }
    }
    Ok(())
}

/// Audits every ledger and the notes, regardless of the copy's own configuration.
fn audit_all(repository: &Repository, tips: &Tips, project: &Project) -> AuditDocument {
    let mut ledgers: Vec<LedgerName> = tips.keys().cloned().collect();
    // The other ledgers depend on the policy's.
    ledgers.sort_by_key(|ledger| !ledger.is_policy());
    let progress = AuditProgressBar::new();
    let since = std::collections::BTreeMap::new();
    let plan = AuditPlan {
        ledgers: &ledgers,
        since: &since,
        notes: true,
        expects_notes: false,
        chunk_size: CHUNK_SIZE,
    };
    let report = crate::ledger::audit::audit(repository, project, tips, &plan, &progress);
    progress.finish();
    AuditDocument::new(project.id, true, report)
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

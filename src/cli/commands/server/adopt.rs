//! `git-deploy server adopt`: turns a repository that already has ledgers into a server.
//!
//! A server judges pushes by its own clock and therefore accepts no old entries by push. Ledgers
//! that are already there are audited from their root of trust instead, and the hooks are installed
//! only if the audit finds nothing.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Init, StepDocument, install};
use crate::cli::commands::audit::{self, Progress};
use crate::cli::diagnostics::unreadable;
use crate::cli::{Context, Failure, Kind, OrFail as _};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::{self, Repository};
use crate::ledger::audit::{Plan, STRETCH, root};
use crate::ledger::sync::PIN;
use crate::ledger::{Project, Tips};
use crate::server::check::open;
use crate::server::install::Step;
use crate::view::audit::{self as view, Audit, Part};
use crate::view::symbols::Mark;

/// Guard a repository that has ledgers already, such as a copy of another server's: audit them from the root of trust, install the hooks
///
/// The project's root keys, which the root of trust names, are its admins. Nothing is installed where the audit finds anything.
#[derive(clap::Args)]
pub(in crate::cli) struct Adopt {
    #[command(flatten)]
    init: Init,
    /// The project that the ledgers must be of: `git config deploy.root` prints it in a clone that you trust
    #[arg(long, value_name = "ID")]
    root: Option<EntryId>,
}

/// The result of the audit and of the installation.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Adopted<'a> {
    /// The repository as it was named.
    repository: String,
    /// The project.
    project: EntryId,
    /// Whether the audit found nothing and the hooks are installed.
    guarded: bool,
    /// The result of the audit.
    audit: &'a Audit,
    /// The steps of the installation; empty if the audit found something.
    steps: Vec<StepDocument<'a>>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

/// Audits the ledgers and, if there are no findings, installs the hooks.
pub(super) fn run(args: &Adopt, context: &Context) -> Result<(), Failure> {
    let path = args.init.repository.display();
    let repository = open(&args.init.repository).map_err(|error| match error {
        error @ (git::Error::Foreign(_) | git::Error::Unsupported { .. }) => unreadable(error),
        error => Failure::new(Kind::Usage, format!("cannot adopt {path}")).because(error),
    })?;
    let tips = repository.tips().map_err(|error| {
        let kind = if matches!(error, git::Error::Ref { .. }) {
            Kind::Denied
        } else {
            Kind::CannotTell
        };
        Failure::new(kind, format!("cannot read the ledgers of {path}")).because(error)
    })?;
    if tips.is_empty() {
        return Err(Failure::new(
            Kind::Usage,
            format!("there are no ledgers in {path} to adopt"),
        )
        .hint(format!(
            "git-deploy server init {path} --admin <public key>, to begin there"
        ))
        .hint(format!(
            "git clone --mirror OLD {path}, which copies them with all else"
        )));
    }
    let project = pinned(args, &repository, &tips)?;
    let audit = audited(&repository, &tips, &project);
    let told = |findings: &str| audit.findings().any(|finding| finding.outcome == findings);
    let steps = if told("fail") || told("unknown") {
        None
    } else {
        Some(guard(args, &repository, &project)?)
    };
    let next = "git-deploy server check";
    let newer = "An audit cannot know of entries that a copy lacks: compare git for-each-ref refs/deploy/ with a clone.";
    if context.json() {
        let steps_told = steps
            .iter()
            .flatten()
            .map(|Step { what, changed }| StepDocument {
                what,
                changed: *changed,
            });
        let (repository, guarded) = (path.to_string(), steps.is_some());
        let next = guarded.then_some(next);
        let (project, steps) = (project.id, steps_told.collect());
        context.report(
            "server-adopt",
            &Adopted {
                repository,
                project,
                guarded,
                audit: &audit,
                steps,
                next,
            },
        )?;
    } else {
        context.print(view::text(&audit, context.width(), &|time| {
            context.when(time)
        }));
        for step in steps.iter().flatten() {
            let mark = if step.changed { Mark::Yes } else { Mark::None };
            context.print(format_args!("{mark} {}", step.what));
        }
    }
    match steps {
        Some(_) if context.json() => Ok(()),
        Some(_) => {
            context.print(newer);
            context.print(format_args!(
                "{path} guards the project {} now. Next: {next}",
                project.name
            ));
            Ok(())
        }
        None if context.json() => Err(Failure::told(if told("fail") {
            Kind::Denied
        } else {
            Kind::CannotTell
        })),
        None if told("fail") => Err(Failure::new(
            Kind::Denied,
            format!("{path} is not adopted: nothing was installed"),
        )
        .hint(format!(
            "git clone --mirror OLD {path}, of a repository where git deploy audit finds nothing"
        ))),
        None => Err(Failure::new(
            Kind::CannotTell,
            format!("{path} is not adopted: nothing was installed"),
        )
        .hint(format!(
            "git clone --mirror OLD {path}, which copies everything"
        ))),
    }
}

/// Returns the project of the ledgers.
///
/// # Errors
///
/// Fails unless it is the project of `--root` or the pinned one.
fn pinned(args: &Adopt, repository: &Repository, tips: &Tips) -> Result<Project, Failure> {
    let path = args.init.repository.display();
    let known = repository
        .pin()
        .or_fail(Kind::CannotTell, "cannot read the pinned project")?;
    let Some(pin) = args.root.or(known) else {
        return Err(Failure::new(
            Kind::Usage,
            "nothing says which project the ledgers must be of",
        )
        .hint("git config deploy.root, in a clone that you trust: it prints the project")
        .hint(format!("git-deploy server adopt {path} --root ID")));
    };
    let project = root(repository, tips).map_err(|finding| {
        let kind = audit::kind_of(&finding);
        Failure::new(
            kind,
            format!("{path} is not adopted: its policy has no root of trust"),
        )
        .because(finding.detail)
    })?;
    if project.id != pin {
        let why = format!(
            "they are of the project {}, and it should be {pin}",
            project.id
        );
        return Err(Failure::new(
            Kind::Denied,
            format!("{path} is not adopted: its ledgers are another project's"),
        )
        .because(why));
    }
    Ok(project)
}

/// Audits every ledger and the notes, regardless of the copy's own configuration.
fn audited(repository: &Repository, tips: &Tips, project: &Project) -> Audit {
    let mut ledgers: Vec<LedgerName> = tips.keys().cloned().collect();
    // The policy's ledger comes first.
    ledgers.sort_by_key(|ledger| !ledger.is_policy());
    let progress = Progress::new();
    let since = std::collections::BTreeMap::new();
    let plan = Plan {
        ledgers: &ledgers,
        since: &since,
        notes: true,
        stretch: STRETCH,
    };
    let report = crate::ledger::audit::audit(repository, project, tips, &plan, &progress);
    progress.done();
    let (ledgers, notes) = audit::shown(report);
    Audit {
        project: Some(project.id),
        pinned: true,
        ledgers,
        notes,
        other: Part::default(),
    }
}

/// Installs the hooks with the project's root keys as admins, and pins the project.
fn guard(args: &Adopt, repository: &Repository, project: &Project) -> Result<Vec<Step>, Failure> {
    let mut admins = args.init.admins.clone();
    admins.extend(
        project
            .root_keys
            .iter()
            .filter(|key| !args.init.admins.contains(key)),
    );
    let steps = install(&Init {
        admins,
        ..args.init.clone()
    })?;
    repository
        .set_config(PIN, &project.id.to_string())
        .or_fail(Kind::CannotTell, "cannot pin the project")?;
    Ok(steps)
}

//! `git deploy record`: records a deployment made by another system.
//!
//! It records either a finished deployment at once, or its start with `--start` and its end with
//! `--finish`. A start also locks its components.

mod finish;
mod versions;
mod wrapped_command;

use std::cell::{Cell, RefCell};
use std::ffi::OsString;

use finish::{FinishOptions, finish_run};
use versions::parse_versions;
use wrapped_command::run_command;

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::args::environment::EnvRevArgs;
use crate::cli::args::metadata::MetadataArgs;
use crate::cli::args::outcome::OutcomeArgs;
use crate::cli::baseline::{self, BaselineCommits};
use crate::cli::deploy_runner::{notify_refusal, report_recorded};
use crate::cli::deployment_notes::NotesOnce;
use crate::cli::deployment_request::{
    DeploymentRequest, build_requested, find_dropped_environment, find_environment_policy,
    find_expiry, select_named_or_differing,
};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::clock;
use crate::domain::entry::{self, Action, Deployment, Expire, Record, Start};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, RunId};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::rules;
use crate::domain::text::Line;
use crate::ledger::writer::{EntryDraft, LedgerSnapshot};
use crate::run::build_deployment::Selection;
use crate::view::result_text;

/// Record a deployment, and run the command that makes it
///
/// With `-- COMMAND`, checks the rules, records the start, runs the command, and records how it
/// ended. The command gets your environment without the signing key, and your working directory. It
/// is isolated as the environment's `isolation` says. If it fails, the deployment is recorded as
/// failed, and the exit code is 4. If the rules refuse the deployment (1), approvals are missing (5),
/// or that cannot be determined (3), the command is not run.
///
/// Without a command, records a deployment made by another system: a finished one at once, or its
/// start with --start and its end with --finish. A started deployment locks its components until it
/// is finished.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Deploy with the script that you already have, if the rules allow it:
    git deploy record prod -- ./deploy.sh prod

  Record a finished and verified deployment of HEAD:
    git deploy record prod --verification passed

  Record a deployment before and after it runs:
    git deploy record prod --start
    git deploy record prod --finish --outcome succeeded

  Record that one component failed:
    git deploy record prod v1.5.0 --outcome succeeded --outcome api=failed

  Record a rollback:
    git deploy record prod v1.4.1 --rollback")]
pub struct Args {
    #[command(flatten)]
    env_rev: EnvRevArgs,
    /// Record that the deployment begins, and lock its components
    #[arg(long, conflicts_with = "finish")]
    start: bool,
    /// Record that the started deployment has ended
    #[arg(long, conflicts_with = "what")]
    finish: bool,
    /// Record what ran before the ledger existed (admins only)
    ///
    /// No rule checks a baseline. Without --component, covers all components without a history in
    /// the environment.
    #[arg(hide_short_help = true, long, conflicts_with_all = [
        "start", "finish", "all", "destroy", "rollback", "hotfix", "external", "break_glass", "change", "release", "labels", "origin",
        "requested_by",
        "outcome", "failed", "verification", "logs",
    ])]
    baseline: bool,
    /// The run to finish. Optional if you have only one
    #[arg(
        hide_short_help = true,
        long,
        value_name = "NUMBER",
        requires = "finish"
    )]
    run: Option<u64>,
    #[command(flatten)]
    deployment: DeploymentArgs,
    #[command(flatten)]
    outcome: OutcomeArgs,
    #[command(flatten)]
    write: WriteArgs,
    /// The command that makes the deployment, and its arguments, run without a shell
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["start", "finish", "baseline", "outcome", "failed", "no_verify"])]
    command: Vec<OsString>,
}

/// The options that describe the deployment, for a record, a start or a baseline.
#[derive(clap::Args)]
#[group(id = "what", multiple = true)]
#[allow(clippy::struct_excessive_bools)] // Each is a flag on the command line.
struct DeploymentArgs {
    /// Only this component (repeatable). Defaults to those that differ
    #[arg(short, long = "component", value_name = "NAME", conflicts_with = "all")]
    components: Vec<ComponentName>,
    /// All components, even unchanged ones
    #[arg(hide_short_help = true, long)]
    all: bool,
    /// Remove components that the commit no longer has
    #[arg(hide_short_help = true, long)]
    destroy: bool,
    /// Mark this as a rollback to a commit that was good in the environment
    #[arg(long, conflicts_with = "hotfix")]
    rollback: bool,
    /// A hotfix: skips the rules in `hotfix.skip`
    ///
    /// Only allowed on top of the running commit.
    #[arg(long)]
    hotfix: bool,
    /// The deployment was made by hand, although git-deploy has the commands for it
    ///
    /// Needed for components with `apply` in deploy.toml (to remove one: with `destroy`), which
    /// `git deploy run` deploys. The entry stores it.
    #[arg(long)]
    external: bool,
    /// The version of all components or of one (repeatable)
    #[arg(
        hide_short_help = true,
        long = "version",
        value_name = "[COMPONENT=]VERSION"
    )]
    versions: Vec<String>,
    #[command(flatten)]
    metadata: MetadataArgs,
}

impl Args {
    /// Returns the options of `--finish`.
    fn finish_options(&self) -> FinishOptions<'_> {
        FinishOptions {
            run: self.run,
            outcome: &self.outcome,
            write: &self.write,
        }
    }
}

/// Writes a record, a start, a finish or a baseline, depending on the options.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    wrapped_command::refuse_empty_command(&args.command)?;
    let workspace = Workspace::open_to_write(ui)?;
    let (typed_env, rev) = args.env_rev.as_typed();
    if let Some(env) = find_dropped_environment(&workspace, typed_env).filter(|_| args.finish) {
        return finish_run(args.finish_options(), ui, &workspace, &env, rev);
    }
    let (name, rev) = args.env_rev.find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    if args.finish {
        return finish_run(args.finish_options(), ui, &workspace, &env, rev);
    }
    if rev.is_none() {
        refuse_implicit_commit(args, &name)?;
    }
    let commit = workspace.resolve_commit(rev.unwrap_or("HEAD"))?;
    if !args.command.is_empty() {
        run_command(args, ui, &workspace, &env, commit)
    } else if args.baseline {
        record_baseline(args, ui, &workspace, &env, commit)
    } else {
        record_deployment(args, ui, &workspace, &env, commit)
    }
}

/// Fails with `--rollback` or `--baseline`, for which the default commit `HEAD` is rarely right.
fn refuse_implicit_commit(args: &Args, name: &EnvName) -> Result<(), CliError> {
    let option = match (args.deployment.rollback, args.baseline) {
        (true, _) => "--rollback",
        (false, true) => "--baseline",
        (false, false) => return Ok(()),
    };
    Err(CliError::new(
        ErrorKind::Usage,
        format!("{option} requires an explicit commit"),
    )
    .hint(format!("git deploy record {name} REV {option}")))
}

/// Writes a finished deployment or, with `--start`, its start.
fn record_deployment(
    args: &Args,
    ui: &Ui,
    workspace: &Workspace,
    env: &EnvRef,
    commit: CommitId,
) -> Result<(), CliError> {
    let (is_unchanged, notes) = (Cell::new(false), NotesOnce::default());
    // The deployment to record. Each attempt to write the entry replaces it.
    let drafted: RefCell<Option<Deployment>> = RefCell::default();
    let inputs = args.deployment.metadata.inputs.read(ui)?;
    let appended = workspace.append(ui, env.ledger(), args.write.append_options(), &|snapshot| {
        let mut deployment = build_recorded_deployment(args, ui, env, snapshot, commit)?;
        inputs.apply_to(&mut deployment);
        notes.report(ui, workspace, env, snapshot, &deployment)?;
        drafted.replace(Some(deployment.clone()));
        let action = if let Some(renewal) = Expire::replacing(&deployment) {
            Action::Expire(renewal)
        } else if deployment.components.is_empty() {
            is_unchanged.set(true);
            return Err(CliError::reported(ErrorKind::Usage));
        } else if args.start {
            refuse_unmarked_start(env, snapshot, &deployment)?;
            let run = RunId(clock::random().context(ErrorKind::CannotTell, "cannot begin a run")?);
            Action::Start(Start { run, deployment })
        } else {
            let results = args.outcome.build_results(&deployment.components)?;
            Action::Record(Record {
                deployment,
                results,
                logs: args.outcome.logs.clone(),
            })
        };
        let requested_by = args.deployment.metadata.requested_by.clone();
        Ok(EntryDraft {
            requested_by,
            ..EntryDraft::in_environment(env, action)
        })
    });
    let sentence = result_text::describe_unchanged(env.name());
    let appended = match appended {
        // The environment already has this content, which is not an error.
        Err(_) if is_unchanged.get() => {
            ui.print_sentence(format_args!("{sentence}"));
            return Ok(());
        }
        Err(error) => {
            if let Some(deployment) = drafted.take().filter(|_| !args.write.dry_run) {
                notify_refusal(ui, workspace, env, &deployment, &error);
            }
            return Err(error);
        }
        Ok(appended) => appended,
    };
    let name = env.name().as_str();
    let sentence = match &appended.statement.action {
        Action::Expire(_) => sentence,
        Action::Start(start) => {
            result_text::describe_start(name, &start.deployment, appended.statement.sequence)
        }
        _ => result_text::summarize_outcomes(name, &appended.statement.component_results()),
    };
    append_report::report_entry(ui, &sentence, &appended)?;
    let deployment = appended.statement.deployment();
    report_recorded(ui, workspace, env, deployment, &appended);
    Ok(())
}

/// Fails if a start covers components that git-deploy deploys itself, without `--external`.
fn refuse_unmarked_start(
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    deployment: &Deployment,
) -> Result<(), CliError> {
    let (policy, _) = find_environment_policy(env, snapshot)?;
    let refusal = rules::refuse_unmarked_record(policy, env.name().as_str(), deployment);
    refusal.map_or(Ok(()), |check| {
        let error = CliError::new(ErrorKind::Denied, check.detail);
        Err(check.remedy.into_iter().fold(error, CliError::hint))
    })
}

/// Computes the deployment to record or to start.
fn build_recorded_deployment(
    args: &Args,
    ui: &Ui,
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    commit: CommitId,
) -> Result<Deployment, CliError> {
    let options = &args.deployment;
    let (policy, _) = find_environment_policy(env, snapshot)?;
    let request = DeploymentRequest {
        commit,
        selection: if options.all {
            Selection::All
        } else {
            select_named_or_differing(&options.components)
        },
        kind: match (options.rollback, options.hotfix) {
            (true, _) => entry::DeploymentKind::Rollback,
            (_, true) => entry::DeploymentKind::Hotfix,
            _ => entry::DeploymentKind::Deploy,
        },
        destroy: options.destroy,
        versions: &parse_versions(&options.versions, policy)?,
    };
    let mut deployment = build_requested(env, snapshot, &request)?;
    deployment.external = options.external;
    options.metadata.apply_to(&mut deployment, snapshot)?;
    // Every deployment to an ephemeral environment renews its time to live.
    deployment.expires = find_expiry(env, snapshot, ui, None)?;
    Ok(deployment)
}

/// Writes a baseline: the commit that already runs.
fn record_baseline(
    args: &Args,
    ui: &Ui,
    workspace: &Workspace,
    env: &EnvRef,
    commit: CommitId,
) -> Result<(), CliError> {
    let options = &args.deployment;
    let comment = options
        .metadata
        .message
        .as_ref()
        .map(|message| message.as_str().parse::<Line>());
    let comment = comment.transpose().context(
        ErrorKind::Usage,
        "the message of a baseline must be one line",
    )?;
    let commits = BaselineCommits::new(commit, &options.components);
    let appended =
        workspace.append(ui, env.ledger(), args.write.append_options(), &|snapshot| {
            let versions =
                parse_versions(&options.versions, find_environment_policy(env, snapshot)?.0)?;
            baseline::draft_baseline(env, snapshot, &commits, &versions, comment.clone())
        })?;
    let summary = result_text::summarize_outcomes(
        env.name().as_str(),
        &appended.statement.component_results(),
    );
    append_report::report_entry(
        ui,
        &format!(
            "{summary} Recorded as a baseline by {}.",
            appended.statement.by
        ),
        &appended,
    )
}

//! `git deploy reap`: destroys expired ephemeral environments, or notifies of those and of approvals
//! that expire soon. Meant to run on a schedule.
//!
//! Several processes may run it at the same time: the first one that starts on an environment
//! destroys it, and the others skip it.

mod expiring;
mod expiring_approvals;

use std::cell::RefCell;
use std::sync::Arc;

use expiring::{ExpiringEnvironment, find_doubt, find_expiring};
use expiring_approvals::notify_expiring_approvals;

use crate::cli::args::inputs::InputArgs;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::{DeployRunner, Destruction, build_destruction, handle_interrupts};
use crate::cli::deployment_request::build_abort;
use crate::cli::entry_name::format_entry_name;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, append_report};
use crate::domain::count::count;
use crate::domain::entry::{self, Action};
use crate::domain::name::{EnvName, Person};
use crate::domain::state::{EnvState, OpenRun, Scope};
use crate::domain::time::{Span, Time};
use crate::ledger::writer::LedgerSnapshot;
use crate::run::cancellation::Cancellation;
use crate::run::deployment_inputs::DeploymentInputs;
use crate::view::destroyed::{DestroyOutcome, DestroyReport, DestroyedEnvironment};
use crate::view::result_text;

/// The reason in an abort entry that this command writes.
const ABORT_REASON: &str = "the environment has expired and the run is stale";

/// The message if there is nothing to do.
const NOTHING_EXPIRED: &str = "No environment has expired.";

/// Destroy all expired ephemeral environments, without asking
///
/// Meant to run on a schedule. Several processes may run it at once. A failed environment is tried
/// again next time and does not block the others. Stale runs are aborted. Exits with 4 if a
/// command of the policy failed, and with 3 if a ledger is not verified or was lost.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Destroy everything that has expired, for example from cron:
    git deploy reap

  See what would be destroyed:
    git deploy reap 'pr-*' --dry-run

  Notify an hour before expiry of environments and approvals, from an hourly job:
    git deploy reap --warn 1h")]
pub struct Args {
    /// Only this environment, or those of this pattern, such as pr-*
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
    /// List the expired environments, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Only notify about environments and unused approvals that expire within this time
    ///
    /// With PATTERN, only about environments. To report each once, use the interval at which the job runs.
    #[arg(long, value_name = "SPAN", conflicts_with = "dry_run")]
    warn: Option<Span>,
    #[command(flatten)]
    options: RunOptions,
}

/// Destroys expired environments, or reports them with `--dry-run` or `--warn`.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let pattern = args.pattern.as_deref();
    let doubt = find_doubt(pattern, &workspace)?;
    let now = ui.now();
    let result = if let Some(span) = args.warn {
        let mut expiring = find_expiring(pattern, &workspace, now.plus(span))?;
        expiring.retain(|environment| environment.expires > now);
        let warned = notify_expiring(args, &workspace, ui, &expiring, doubt.is_some());
        match pattern {
            None => warned.and_then(|()| notify_expiring_approvals(&workspace, ui, now.plus(span))),
            Some(_) => warned,
        }
    } else {
        let expired = find_expiring(pattern, &workspace, now)?;
        if args.dry_run {
            let outcome = DestroyOutcome::WouldDestroy;
            print_environments(ui, &expired, outcome, doubt.is_some())
        } else {
            if expired.is_empty() && doubt.is_none() {
                ui.print_sentence(NOTHING_EXPIRED);
            }
            destroy_expired(args, &workspace, ui, &expired)
        }
    };
    // A failure of the policy's commands is more serious than the doubt.
    result.and_then(|()| doubt.map_or(Ok(()), Err))
}

/// Destroys environments one after another, and prints the results.
fn destroy_expired(
    args: &Args,
    workspace: &Workspace,
    ui: &Ui,
    expired: &[ExpiringEnvironment],
) -> Result<(), CliError> {
    let mut report = DestroyReport::default();
    let mut failures = Vec::new();
    if !expired.is_empty() {
        let (person, _) = workspace.find_current_signer()?;
        let reaper = Reaper {
            ui,
            workspace,
            options: &args.options,
            person,
            cancellation: handle_interrupts()?,
            inputs: InputArgs::default().read(ui)?,
        };
        for environment in expired {
            let name = environment.env.name();
            if reaper.cancellation.is_draining() {
                failures.push((name.clone(), CliError::reported(ErrorKind::Command)));
                continue;
            }
            let (destroyed, error) = reaper.reap(environment);
            report.environments.push(destroyed);
            failures.extend(error.map(|error| (name.clone(), error)));
        }
    }
    if ui.json() {
        ui.print_document("destroyed", &report)?;
    }
    summarize_failures(expired.len(), &failures)
}

/// Notifies the recipients in the policy of environments that are about to expire.
fn notify_expiring(
    args: &Args,
    workspace: &Workspace,
    ui: &Ui,
    expiring: &[ExpiringEnvironment],
    may_lack_some: bool,
) -> Result<(), CliError> {
    let cancellation = handle_interrupts()?;
    for environment in expiring {
        DeployRunner::with_cancellation(
            ui,
            workspace,
            &environment.env,
            &args.options,
            Arc::clone(&cancellation),
        )
        .notify_expiry(&environment.set_by, environment.expires);
    }
    print_environments(ui, expiring, DestroyOutcome::Notified, may_lack_some)
}

/// Prints the environments that have expired or are about to. Says that there is none only if none
/// can be missing.
fn print_environments(
    ui: &Ui,
    environments: &[ExpiringEnvironment],
    outcome: DestroyOutcome,
    may_lack_some: bool,
) -> Result<(), CliError> {
    let (verb, none_sentence) = match outcome {
        DestroyOutcome::Notified => ("expires", "No environment expires within this time."),
        _ => ("expired", NOTHING_EXPIRED),
    };
    for environment in environments {
        ui.print_sentence(format_args!(
            "{} {verb} {}.",
            environment.env.name(),
            ui.format_time(environment.expires)
        ));
    }
    if environments.is_empty() && !may_lack_some {
        ui.print_sentence(none_sentence);
    }
    if !ui.json() {
        return Ok(());
    }
    let describe =
        |environment: &ExpiringEnvironment| describe_environment(environment, outcome, None);
    ui.print_document(
        "destroyed",
        &DestroyReport {
            dry_run: true,
            environments: environments.iter().map(describe).collect(),
        },
    )
}

/// Describes an environment for the JSON document, without an entry.
fn describe_environment(
    environment: &ExpiringEnvironment,
    outcome: DestroyOutcome,
    why: Option<String>,
) -> DestroyedEnvironment {
    DestroyedEnvironment {
        name: environment.env.name().clone(),
        expires: Some(environment.expires),
        outcome,
        why,
        entry: None,
    }
}

/// Returns the error that summarizes all failures, if there are any. Its exit code is that of the
/// most serious failure. `total` is the number of expired environments.
fn summarize_failures(total: usize, failures: &[(EnvName, CliError)]) -> Result<(), CliError> {
    // Most serious first.
    let kinds = [
        ErrorKind::Command,
        ErrorKind::CannotTell,
        ErrorKind::Waiting,
        ErrorKind::Partly,
        ErrorKind::Denied,
        ErrorKind::Usage,
    ];
    let worst = kinds
        .into_iter()
        .find(|kind| failures.iter().any(|(_, error)| error.kind() == *kind));
    let Some(kind) = worst else { return Ok(()) };
    if total == 1 {
        // The only failure has been printed already.
        return Err(CliError::reported(kind));
    }
    let names: Vec<&str> = failures.iter().map(|(name, _)| name.as_str()).collect();
    let (number, all) = (names.len(), count(total, "expired environment"));
    let names = names.join(", ");
    let message = format!("{number} of {all} could not be destroyed: {names}");
    Err(CliError::new(kind, message).hint("git deploy reap"))
}

/// Destroys expired environments, one after another.
struct Reaper<'a> {
    ui: &'a Ui,
    workspace: &'a Workspace,
    options: &'a RunOptions,
    person: Person,
    cancellation: Arc<Cancellation>,
    inputs: DeploymentInputs,
}

impl Reaper<'_> {
    /// Destroys one environment, and prints the result. Returns the result for the JSON document,
    /// and the error if the environment was not destroyed. Skipping an environment is not an error.
    fn reap(&self, environment: &ExpiringEnvironment) -> (DestroyedEnvironment, Option<CliError>) {
        let ui = self.ui;
        // The reason to skip the environment. It is found while the entry is drafted.
        let skip_reason: RefCell<Option<String>> = RefCell::default();
        match self.destroy(environment, &skip_reason) {
            Ok((destroyed, result)) => (destroyed, result.err()),
            Err(error) => {
                if let Some(why) = skip_reason.into_inner() {
                    ui.print_sentence(format_args!(
                        "{} is not destroyed: {why}.",
                        environment.env.name()
                    ));
                    return (
                        describe_environment(environment, DestroyOutcome::Skipped, Some(why)),
                        None,
                    );
                }
                let plain_text = error
                    .render(None)
                    .map(|text| anstream::adapter::strip_str(&text).to_string());
                self.print_error(&error);
                (
                    describe_environment(environment, DestroyOutcome::Refused, plain_text),
                    Some(error),
                )
            }
        }
    }

    fn print_error(&self, error: &CliError) {
        if let Some(text) = error.render(self.ui.width()) {
            self.ui.eprint(text);
        }
    }

    /// Destroys one environment. Returns the result for the JSON document, and the error if some
    /// components could not be destroyed.
    ///
    /// # Errors
    ///
    /// Fails if nothing was destroyed. If the environment is to be skipped, stores the reason in
    /// `skip_reason`.
    fn destroy(
        &self,
        environment: &ExpiringEnvironment,
        skip_reason: &RefCell<Option<String>>,
    ) -> Result<(DestroyedEnvironment, Result<(), CliError>), CliError> {
        let env = &environment.env;
        let runner = DeployRunner::with_cancellation(
            self.ui,
            self.workspace,
            env,
            self.options,
            Arc::clone(&self.cancellation),
        )
        .with_inputs(self.inputs.clone());
        let skip = |why: String| {
            *skip_reason.borrow_mut() = Some(why);
            CliError::reported(ErrorKind::CannotTell)
        };
        let check_state = |state: EnvState<'_>| match find_reason_to_skip(state, self.ui.now()) {
            Some(why) => Err(skip(why)),
            None => Ok(()),
        };
        self.abort_stale_runs(&runner, &skip)?;
        let build = |snapshot: &LedgerSnapshot<'_>| {
            build_destruction(env, snapshot, &check_state)?
                .ok_or_else(|| skip("it is already destroyed".to_owned()))
        };
        let Destruction { finish, result } = runner.destroy(&self.person, &build, &|| Ok(()))?;
        let sentence = result_text::summarize_deployment(
            env.name().as_str(),
            entry::DeploymentKind::Destroy,
            &finish.statement.component_results(),
        );
        self.ui.print(append_report::format_with_entry(
            self.ui,
            &sentence,
            &format_entry_name(env.ledger(), finish.id),
        ));
        let destroyed = match &result {
            Ok(()) => describe_environment(environment, DestroyOutcome::Destroyed, None),
            Err(error) => {
                self.print_error(error);
                describe_environment(environment, DestroyOutcome::Failed, Some(sentence))
            }
        };
        Ok((
            DestroyedEnvironment {
                entry: Some(finish.id),
                ..destroyed
            },
            result,
        ))
    }

    /// Aborts the stale runs of an environment: those older than the policy's `stale_after`, whose
    /// owners are assumed to be gone. `skip` creates the error to return if another process
    /// works on the environment.
    fn abort_stale_runs(
        &self,
        runner: &DeployRunner<'_>,
        skip: &dyn Fn(String) -> CliError,
    ) -> Result<(), CliError> {
        let current = runner.read_environment()?;
        let is_stale = |run: &OpenRun<'_>| {
            run.owner.statement.at.plus(current.rules.stale_after) <= self.ui.now()
        };
        for run in current.state().runs().into_iter().filter(is_stale) {
            let reason = ABORT_REASON
                .parse()
                .context(ErrorKind::CannotTell, "cannot abort a run")?;
            let Some(abort) = build_abort(&run, reason) else {
                continue;
            };
            runner.append(&|snapshot| {
                let state = snapshot.load_state(runner.env.ledger(), &Scope::All);
                let state = state.context(ErrorKind::CannotTell, "cannot read the ledger")?;
                match runner.env.state_in(&state).run(run.sequence) {
                    Some(current) if current.id() == Some(abort.run) => {
                        Ok(Action::Abort(abort.clone()))
                    }
                    _ => Err(skip("another process is destroying it".to_owned())),
                }
            })?;
            let (name, by) = (runner.env.name(), &run.owner.statement.by);
            self.ui.print_sentence(format_args!(
                "Run {} of {by} in {name} is aborted: {ABORT_REASON}.",
                run.sequence
            ));
        }
        Ok(())
    }
}

/// Returns the reason to skip an environment, if there is one.
fn find_reason_to_skip(state: EnvState<'_>, now: Time) -> Option<String> {
    if state.expires().is_some_and(|end| end > now) {
        return Some("its expiry was extended in the meantime".to_owned());
    }
    let run = state.runs().into_iter().next()?;
    let by = &run.owner.statement.by;
    Some(match run.deployment().map(|deployment| deployment.kind) {
        Some(entry::DeploymentKind::Destroy) => {
            format!("{by} is destroying it, with run {}", run.sequence)
        }
        _ => format!("run {} of {by} is under way", run.sequence),
    })
}

//! `git deploy abort`: ends an unfinished run without completing it.

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::args::environment::EnvArg;
use crate::cli::args::reason::ReasonArgs;
use crate::cli::deployment_request::{self, build_abort, find_dropped_environment};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::deploy_command::DeployCommand;
use crate::domain::entry::Action;
use crate::domain::env_ref::EnvRef;
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::Scope;
use crate::ledger::writer::{AppendedEntry, EntryDraft};

/// End an unfinished run without completing it
///
/// Allowed for the run's owner, for admins, and for every deployer once the run is stale. The state
/// of the components that it was changing is unknown until they are deployed again or recorded with
/// `git deploy record`.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy abort prod -m \"The CI job was cancelled\"
  git deploy abort prod --run 412 -m \"The runner crashed\"")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// The run to abort. Optional if there is only one
    #[arg(long, value_name = "NUMBER")]
    run: Option<u64>,
    #[command(flatten)]
    reason: ReasonArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// Writes the abort of an unfinished run. The run may also be in an environment that the policy no
/// longer has.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    args.reason.require(ui)?;
    let workspace = Workspace::open_to_write(ui)?;
    let env = match find_dropped_environment(&workspace, args.environment.as_typed()) {
        Some(env) => env,
        None => {
            workspace
                .find_environment(args.environment.find(&workspace, ui)?.as_str())?
                .0
        }
    };
    let question = format!("Why is the run in {} aborted?", env.name());
    let reason = args.reason.read(ui, &workspace, &question)?;
    let appended =
        workspace.append(ui, env.ledger(), args.write.append_options(), &|snapshot| {
            let state = snapshot
                .load_state(env.ledger(), &Scope::All)
                .context(ErrorKind::CannotTell, "cannot read the ledger")?;
            let run = deployment_request::find_run(
                args.run,
                "abort",
                ui,
                &env,
                env.state_in(&state).runs(),
            )?;
            let abort = build_abort(&run, reason.clone()).ok_or_else(|| {
                CliError::new(
                    ErrorKind::CannotTell,
                    format!("run {} cannot be read", run.sequence),
                )
            })?;
            Ok(EntryDraft::in_environment(&env, Action::Abort(abort)))
        })?;
    let sentence = describe_abort(&workspace.policy, &env, &appended);
    append_report::report_entry(ui, &sentence, &appended)
}

/// Returns the sentence that reports the abort. Names the components whose running version is now
/// unknown.
fn describe_abort(policy: &Policy, env: &EnvRef, appended: &AppendedEntry) -> String {
    let (name, by) = (env.name(), &appended.statement.by);
    let Action::Abort(abort) = &appended.statement.action else {
        return String::new();
    };
    let components = || abort.components.iter().map(|it| &it.component);
    let names: Vec<&str> = components().map(ComponentName::as_str).collect();
    let sentence = format!("Run {} in {name} is aborted by {by}.", abort.start);
    if names.is_empty() {
        return sentence;
    }
    // A deployment of the component ends the uncertainty, or a record of what another system did.
    let command = DeployCommand::new(policy, name)
        .any_commit()
        .only(components());
    format!(
        "{sentence} The running version of {} is unknown until its next deployment: {command}",
        names.join(", ")
    )
}

//! `git deploy lock`: locks an environment or one of its components.

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::args::environment::EnvArg;
use crate::cli::deployment_request::{find_environment_policy, require_component};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};
use crate::domain::entry::{Action, Lock};
use crate::domain::name::ComponentName;
use crate::domain::text::Line;
use crate::ledger::writer::EntryDraft;

/// Lock an environment or one of its components
///
/// Deployments are refused until `git deploy unlock` removes the lock.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Lock production during an incident:
    git deploy lock prod -m \"Incident 4711\"

  Lock one component:
    git deploy lock prod --component api -m \"Database migration\"")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// The reason, shown to everyone whose deployment is refused
    #[arg(short, long, value_name = "REASON", value_parser = append_report::parse_line)]
    message: Line,
    /// Lock only this component
    #[arg(short, long, value_name = "NAME")]
    component: Option<ComponentName>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Writes a lock.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let (env, _) = workspace.find_environment(args.environment.find(&workspace, ui)?.as_str())?;
    let appended =
        workspace.append(ui, env.ledger(), args.write.append_options(), &|snapshot| {
            if let Some(component) = &args.component {
                require_component(find_environment_policy(&env, snapshot)?.0, component)?;
            }
            let lock = Lock {
                component: args.component.clone(),
                reason: args.message.clone(),
            };
            Ok(EntryDraft::in_environment(&env, Action::Lock(lock)))
        })?;
    let subject = args.component.as_ref().map_or_else(
        || env.name().to_string(),
        |name| format!("{name} in {}", env.name()),
    );
    let sentence = format!(
        "{subject} is locked by {}: \"{}\".",
        appended.statement.by, args.message
    );
    append_report::report_entry(ui, &sentence, &appended)
}

//! `git deploy lock`: locks an environment or one of its components.

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::args::environment::EnvArg;
use crate::cli::args::moment::Moment;
use crate::cli::args::reason::ReasonArgs;
use crate::cli::deployment_request::{find_environment_policy, require_component};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};
use crate::domain::entry::{Action, Lock};
use crate::domain::name::ComponentName;
use crate::ledger::writer::EntryDraft;

/// Lock an environment or one of its components
///
/// Deployments are refused until the time of --until, or until `git deploy unlock` removes the lock.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Lock production during an incident:
    git deploy lock prod -m \"Incident 4711\"

  Lock one component:
    git deploy lock prod --component api -m \"Database migration\"

  Lock for two hours; the lock then ends by itself:
    git deploy lock prod --until 2h -m \"Load test\"")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    #[command(flatten)]
    reason: ReasonArgs,
    /// Lock only this component
    #[arg(short, long, value_name = "NAME")]
    component: Option<ComponentName>,
    /// When the lock ends: a span from now such as 2h, a day such as 2026-03-05, or a time
    ///
    /// A day begins at midnight UTC. A time is in RFC 3339, such as 2026-03-05T18:00:00Z. Defaults to
    /// no end: the lock holds until it is removed.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Writes a lock.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    args.reason.require(ui)?;
    let workspace = Workspace::open_to_write(ui)?;
    let (env, _) = workspace.find_environment(args.environment.find(&workspace, ui)?.as_str())?;
    let subject = args.component.as_ref().map_or_else(
        || env.name().to_string(),
        |name| format!("{name} in {}", env.name()),
    );
    let question = format!("Why is {subject} locked?");
    let reason = args.reason.read(ui, &workspace, &question)?;
    let appended =
        workspace.append(ui, env.ledger(), args.write.append_options(), &|snapshot| {
            if let Some(component) = &args.component {
                require_component(find_environment_policy(&env, snapshot)?.0, component)?;
            }
            let now = ui.now().max(snapshot.tip.chain.at);
            let lock = Lock {
                component: args.component.clone(),
                until: args.until.map(|until| until.after(now)),
                reason: reason.clone(),
            };
            Ok(EntryDraft::in_environment(&env, Action::Lock(lock)))
        })?;
    let by = &appended.statement.by;
    let end = appended
        .statement
        .expires()
        .map_or_else(String::new, |until| {
            format!(" {}", ui.format_deadline(until))
        });
    let sentence = format!("{subject} is locked by {by}{end}: \"{reason}\".");
    append_report::report_entry(ui, &sentence, &appended)
}

//! `git deploy expire`: changes when an ephemeral environment expires.

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::args::environment::EnvArg;
use crate::cli::args::moment::Moment;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::entry::{Action, Expire};
use crate::domain::text::Line;
use crate::ledger::writer::EntryDraft;

/// Change when an ephemeral environment expires
///
/// The new expiry can be at most the policy's `ttl` from now.
#[derive(clap::Args)]
#[command(override_usage = "git deploy expire [OPTIONS] [ENV] <WHEN>")]
#[command(after_long_help = "\
Examples:
  Keep an environment for four more hours from now:
    git deploy expire pr-17 +4h

  Set an exact time:
    git deploy expire pr-17 2026-03-05T18:00:00Z")]
pub struct Args {
    /// The environment. May be left out in a CI job of a change request: WHEN then comes first
    #[arg(value_name = "ENV|WHEN", required = true)]
    first: String,
    /// The new expiry: +4h from now, a day such as 2026-03-05, or a time such as
    /// 2026-03-05T18:00:00Z
    #[arg(value_name = "WHEN")]
    second: Option<String>,
    /// A comment for the entry
    #[arg(short, long, value_parser = append_report::parse_line)]
    message: Option<Line>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Writes the new expiry of an environment.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let (env, when) = match &args.second {
        Some(when) => (Some(args.first.clone()), when),
        None => (None, &args.first),
    };
    let when: Moment = when.parse().map_err(|why| {
        CliError::new(ErrorKind::Usage, format!("{when:?} is {why}"))
            .hint("git deploy expire ENV +4h")
    })?;
    let name = EnvArg::new(env).find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    let appended =
        workspace.append(ui, env.ledger(), args.write.append_options(), &|snapshot| {
            let expires = when.after(ui.now().max(snapshot.tip.chain.at));
            let expire = Expire {
                expires,
                comment: args.message.clone(),
            };
            Ok(EntryDraft::in_environment(&env, Action::Expire(expire)))
        })?;
    let Action::Expire(expire) = &appended.statement.action else {
        return Ok(());
    };
    let sentence = format!("{name} expires {}.", ui.format_time(expire.expires));
    append_report::report_entry(ui, &sentence, &appended)
}

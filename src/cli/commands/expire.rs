//! `git deploy expire`: changes when an ephemeral environment expires.

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::args::environment::OnlyEnv;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::entry::{Action, Expire};
use crate::domain::text::Line;
use crate::domain::time::{Span, Time};
use crate::ledger::writer::EntryDraft;

/// Say how long an ephemeral environment lives from now on
///
/// Such as `git deploy expire pr-17 +4h`. Longer than the policy's time to live from now is refused.
#[derive(clap::Args)]
#[command(override_usage = "git deploy expire [OPTIONS] [ENV] <WHEN>")]
pub struct Args {
    /// The environment; may be left out where CI runs for a change request that has one
    #[arg(value_name = "ENV", required = true)]
    first: String,
    /// Its new end: +4h from now, or a moment such as 2026-03-05T18:00:00Z
    #[arg(value_name = "WHEN")]
    second: Option<String>,
    /// A remark
    #[arg(short, long, value_parser = append_report::parse_line)]
    message: Option<Line>,
    #[command(flatten)]
    write: WriteArgs,
}

/// A new expiry as it was typed.
#[derive(Clone, Copy)]
enum NewExpiry {
    After(Span),
    At(Time),
}

/// Writes the new expiry of an environment.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let (env, when) = match &args.second {
        Some(when) => (Some(args.first.clone()), when),
        None => (None, &args.first),
    };
    let when = parse_expiry(when).ok_or_else(|| {
        CliError::new(
            ErrorKind::Usage,
            format!(
                "{when:?} is neither a span such as +4h nor a moment such as 2026-03-05T18:00:00Z"
            ),
        )
        .hint("git deploy expire ENV +4h")
    })?;
    let name = OnlyEnv::of(env).find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    let appended = workspace.append(ui, env.ledger(), args.write.append_options(), &|view| {
        let expires = match when {
            NewExpiry::After(span) => ui.now().max(view.tip.chain.at).plus(span),
            NewExpiry::At(time) => time,
        };
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

fn parse_expiry(text: &str) -> Option<NewExpiry> {
    let span = text
        .strip_prefix('+')
        .unwrap_or(text)
        .parse()
        .map(NewExpiry::After);
    span.or_else(|_| text.parse().map(NewExpiry::At)).ok()
}

//! `git deploy expire`: changes when an ephemeral environment expires.

use crate::cli::append_report::{self, How};
use crate::cli::deployment_request::Place;
use crate::cli::env_args;
use crate::cli::workspace::Workspace;
use crate::cli::{Context, Failure, Kind};
use crate::domain::entry::{Action, Expire};
use crate::domain::text::Line;
use crate::domain::time::{Span, Time};
use crate::ledger::writer::Draft;

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
    #[arg(short, long, value_parser = append_report::line)]
    message: Option<Line>,
    #[command(flatten)]
    how: How,
}

/// A new expiry as it was typed.
#[derive(Clone, Copy)]
enum When {
    After(Span),
    At(Time),
}

/// Writes the new expiry of an environment.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open_to_write(context)?;
    let (env, when) = match &args.second {
        Some(when) => (Some(args.first.clone()), when),
        None => (None, &args.first),
    };
    let when = read(when).ok_or_else(|| {
        Failure::new(
            Kind::Usage,
            format!(
                "{when:?} is neither a span such as +4h nor a moment such as 2026-03-05T18:00:00Z"
            ),
        )
        .hint("git deploy expire ENV +4h")
    })?;
    let name = env_args::OnlyEnv::of(env).find(&workspace, context)?;
    let place = Place::find(&workspace, name.as_str())?;
    let appended = workspace.append(context, &place.ledger, args.how.manner(), &|view| {
        let expires = match when {
            When::After(span) => context.now().max(view.head.chain.at).plus(span),
            When::At(time) => time,
        };
        let expire = Expire {
            expires,
            comment: args.message.clone(),
        };
        Ok(Draft {
            environment: place.named.clone(),
            ..Action::Expire(expire).into()
        })
    })?;
    let Action::Expire(expire) = &appended.statement.action else {
        return Ok(());
    };
    let sentence = format!("{name} expires {}.", context.when(expire.expires));
    append_report::tell(context, &sentence, &appended)
}

fn read(text: &str) -> Option<When> {
    let span = text
        .strip_prefix('+')
        .unwrap_or(text)
        .parse()
        .map(When::After);
    span.or_else(|_| text.parse().map(When::At)).ok()
}

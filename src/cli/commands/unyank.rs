//! `git deploy unyank`: withdraws a yank.

use crate::cli::workspace::Workspace;
use crate::cli::yank_args::What;
use crate::cli::{Context, Failure, append_report};
use crate::domain::entry::{Action, Unyank};

/// Put a yanked commit or artifact back into circulation: for the person who yanked it, or an admin
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    what: What,
}

/// Writes the withdrawal of a yank.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open_to_write(context)?;
    let subject = args.what.subject(&workspace)?;
    let appended = args.what.append(context, &workspace, &subject, |yank| {
        Action::Unyank(Unyank(yank))
    })?;
    let sentence = format!(
        "{subject} is in circulation again, says {}.",
        appended.statement.by
    );
    append_report::tell(context, &sentence, &appended)
}

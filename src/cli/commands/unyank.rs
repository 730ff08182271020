//! `git deploy unyank`: withdraws a yank.

use crate::cli::args::yank::YankArgs;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui, append_report};
use crate::domain::entry::{Action, Unyank};

/// Allow a yanked commit or artifact again
///
/// Only the person who yanked it, or an admin, can do this.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy unyank v1.5.0 -m \"False alarm\"
  git deploy unyank sha256:9f86… -m \"Rebuilt and verified\"")]
pub struct Args {
    #[command(flatten)]
    yank: YankArgs,
}

/// Writes the withdrawal of a yank.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let subject = args.yank.parse_subject(&workspace)?;
    let appended = args.yank.append_yank(ui, &workspace, &subject, |yank| {
        Action::Unyank(Unyank(yank))
    })?;
    let sentence = format!(
        "{subject} is no longer yanked (by {}).",
        appended.statement.by
    );
    append_report::report_entry(ui, &sentence, &appended)
}

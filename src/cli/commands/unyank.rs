//! `git deploy unyank`: withdraws a yank.

use crate::cli::args::yank::YankArgs;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, append_report};
use crate::domain::entry::{Action, Unyank, YankedContent};
use crate::domain::id::CommitId;
use crate::domain::name::LedgerName;
use crate::domain::state::Scope;
use crate::ledger::writer::LedgerSnapshot;

/// Allow a yanked commit or artifact again
///
/// The contents that the yank of a commit covers are allowed again, too. Only the person who yanked
/// it, or an admin, can do this.
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
    args.yank.reason.require(ui)?;
    let workspace = Workspace::open_to_write(ui)?;
    let subject = args.yank.parse_subject(&workspace)?;
    let action = |yank| Action::Unyank(Unyank(yank));
    let appended = args
        .yank
        .append(ui, &workspace, &subject, action, &find_yanked_contents)?;
    let sentence = format!(
        "{subject} is no longer yanked (by {}).",
        appended.statement.by
    );
    append_report::report_entry(ui, &sentence, &appended)
}

/// Returns the contents that the open yank of a commit covers.
fn find_yanked_contents(
    snapshot: &LedgerSnapshot<'_>,
    commit: CommitId,
) -> Result<Vec<YankedContent>, CliError> {
    let state = snapshot
        .load_state(&LedgerName::evidence(), &Scope::All)
        .context(ErrorKind::CannotTell, "cannot read the open yanks")?;
    Ok(
        match state.yanked_commit(commit).map(|it| &it.statement.action) {
            Some(Action::Yank(yank)) => yank.contents.clone(),
            _ => Vec::new(),
        },
    )
}

//! The arguments that `yank` and `unyank` share: a commit or an artifact, and the reason.

use crate::cli::append_report::WriteArgs;
use crate::cli::args::reason::ReasonArgs;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};
use crate::domain::entry::{Action, Yank, YankedContent};
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::LedgerName;
use crate::ledger::writer::{AppendedEntry, EntryDraft, LedgerSnapshot};

/// The arguments of `yank` and `unyank`.
#[derive(clap::Args)]
pub struct YankArgs {
    /// The commit, the environment that runs it, or an artifact as DIGEST or NAME@DIGEST
    #[arg(value_name = "REV|DIGEST")]
    argument: String,
    #[command(flatten)]
    pub reason: ReasonArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// Returns the contents that the yank of a commit covers.
type FindContents<'a> =
    dyn Fn(&LedgerSnapshot<'_>, CommitId) -> Result<Vec<YankedContent>, CliError> + 'a;

/// What is yanked or unyanked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum YankSubject {
    /// A commit.
    Commit(CommitId),
    /// An artifact, regardless of its name.
    Digest(Digest),
}

impl std::fmt::Display for YankSubject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Commit(commit) => f.write_str(&commit.0.prefix(7)),
            Self::Digest(digest) => f.write_str(&digest.short()),
        }
    }
}

impl YankArgs {
    /// Parses the argument. A digest cannot be mistaken for a commit: as a Git revision, it would
    /// have the form `<rev>:<path>`, which names a file or folder.
    pub fn parse_subject(&self, workspace: &Workspace) -> Result<YankSubject, CliError> {
        let digest = self
            .argument
            .rsplit_once('@')
            .map_or(self.argument.as_str(), |(_, digest)| digest);
        match digest.parse() {
            Ok(digest) => Ok(YankSubject::Digest(digest)),
            Err(_) => Ok(YankSubject::Commit(
                workspace.resolve_commit(&self.argument)?,
            )),
        }
    }

    /// Writes the yank or unyank to the ledger `evidence`. `find_contents` returns the contents that
    /// the yank of a commit covers.
    pub fn append(
        &self,
        ui: &Ui,
        workspace: &Workspace,
        subject: &YankSubject,
        action: fn(Yank) -> Action,
        find_contents: &FindContents<'_>,
    ) -> Result<AppendedEntry, CliError> {
        let question = format!("Why is {subject} yanked, or no longer yanked?");
        let reason = self.reason.read(ui, workspace, &question)?;
        let (commit, digest) = match subject {
            YankSubject::Commit(commit) => (Some(*commit), None),
            YankSubject::Digest(digest) => (None, Some(digest.clone())),
        };
        workspace.append(
            ui,
            &LedgerName::evidence(),
            self.write.append_options(),
            &|snapshot| {
                let contents = commit.map(|commit| find_contents(snapshot, commit));
                let yank = Yank {
                    commit,
                    digest: digest.clone(),
                    contents: contents.transpose()?.unwrap_or_default(),
                    reason: reason.clone(),
                };
                Ok(EntryDraft::from(action(yank)))
            },
        )
    }
}

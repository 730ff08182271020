//! The arguments that `yank` and `unyank` share: a commit or an artifact, and the reason.

use super::append_report::{self, How};
use super::workspace::Workspace;
use super::{Context, Failure};
use crate::domain::entry::{Action, Yank};
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::LedgerName;
use crate::domain::text::Line;
use crate::ledger::writer::{Appended, Draft};

/// What both take.
#[derive(clap::Args)]
pub struct What {
    /// The commit (an environment's name stands for what runs there), or an artifact by its digest, alone or as NAME@DIGEST
    #[arg(value_name = "REV|DIGEST")]
    named: String,
    /// Why, for everybody to read
    #[arg(short, long, value_name = "REASON", value_parser = append_report::line)]
    message: Line,
    #[command(flatten)]
    how: How,
}

/// What is yanked or unyanked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A commit.
    Commit(CommitId),
    /// An artifact, regardless of its name.
    Digest(Digest),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Commit(commit) => f.write_str(&commit.0.prefix(7)),
            Self::Digest(digest) => f.write_str(&digest.short()),
        }
    }
}

impl What {
    /// Parses the argument. A Git revision never looks like a digest, because it cannot contain a
    /// colon followed by nothing but 64 hexadecimal digits.
    pub fn subject(&self, workspace: &Workspace) -> Result<Subject, Failure> {
        let digest = self
            .named
            .rsplit_once('@')
            .map_or(self.named.as_str(), |(_, digest)| digest);
        match digest.parse() {
            Ok(digest) => Ok(Subject::Digest(digest)),
            Err(_) => Ok(Subject::Commit(workspace.commit(&self.named)?)),
        }
    }

    /// Writes the yank or unyank to the ledger `evidence`.
    pub fn append(
        &self,
        context: &Context,
        workspace: &Workspace,
        subject: &Subject,
        action: fn(Yank) -> Action,
    ) -> Result<Appended, Failure> {
        let (commit, digest) = match subject {
            Subject::Commit(commit) => (Some(*commit), None),
            Subject::Digest(digest) => (None, Some(digest.clone())),
        };
        let yank = Yank {
            commit,
            digest,
            reason: self.message.clone(),
        };
        let draft = || Draft::from(action(yank.clone()));
        workspace.append(context, &LedgerName::evidence(), self.how.manner(), &|_| {
            Ok(draft())
        })
    }
}

//! The commits that a deployment would bring or take away, over all components.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::read_context;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::ComponentName;
use crate::git::commits_ahead::CommitsAhead;
use crate::run::new_commits::read_subject;
use crate::view::deployment_diff::CommitSummary;

/// A list of distinct commits in the order in which they were added, with the components that they
/// touch.
#[derive(Default)]
pub(super) struct CommitList {
    order: Vec<Oid>,
    touched: BTreeMap<Oid, BTreeSet<ComponentName>>,
    pub is_truncated: bool,
}

impl CommitList {
    /// Adds the commits that touch a component.
    pub fn add(&mut self, component: &ComponentName, ahead: Option<CommitsAhead>) {
        let Some(ahead) = ahead else { return };
        self.is_truncated |= ahead.is_truncated;
        for id in ahead.commits {
            let touched = self.touched.entry(id).or_default();
            if touched.is_empty() {
                self.order.push(id);
            }
            touched.insert(component.clone());
        }
    }

    /// Reads the commits and sorts them, newest first. Commits of the same date keep the order of
    /// history.
    pub fn read_commits(self, workspace: &Workspace) -> Result<Vec<CommitSummary>, CliError> {
        let mut commits = Vec::new();
        for id in &self.order {
            let commit = workspace
                .repository
                .read_commit(*id)
                .context(ErrorKind::CannotTell, "cannot read a commit")?;
            commits.push(CommitSummary {
                commit: CommitId(*id),
                subject: read_subject(&commit).unwrap_or_default(),
                author: read_context::find_author(workspace, commit.author()),
                at: commit.committer_time,
                components: self
                    .touched
                    .get(id)
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect(),
            });
        }
        commits.sort_by_key(|commit| std::cmp::Reverse(commit.at));
        Ok(commits)
    }
}

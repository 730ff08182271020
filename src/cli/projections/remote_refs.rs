//! The branches and tags that projections change: those of the remote that holds the ledgers, or of
//! this repository if there is none.

use std::collections::BTreeMap;

use crate::cli::workspace::Workspace;
use crate::domain::id::Oid;
use crate::git::remote::PushOutcome;
use crate::git::{self, Repository};
use crate::view::reconcile::ProjectionOutcome;

/// The refs that projections change.
pub(super) struct RemoteRefs<'a> {
    repository: &'a Repository,
    remote: &'a str,
}

impl<'a> RemoteRefs<'a> {
    pub(super) fn new(workspace: &'a Workspace) -> Self {
        Self {
            repository: &workspace.repository,
            // Git pushes to the repository itself.
            remote: workspace.remote.as_deref().unwrap_or("."),
        }
    }

    /// Returns where these refs are. Those that do not exist are left out.
    pub(super) fn read<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> git::Result<BTreeMap<String, Oid>> {
        let names: Vec<&str> = names.into_iter().collect();
        self.repository.ls_remote(self.remote, &names)
    }

    /// Pushes a commit to a ref that is at `old`, without force.
    pub(super) fn push(
        &self,
        commit: Oid,
        name: &str,
        old: Option<Oid>,
    ) -> git::Result<PushOutcome> {
        self.repository.push_ref(self.remote, commit, name, old)
    }
}

/// Returns what a push did, and why.
pub(super) fn describe_outcome(outcome: PushOutcome) -> (ProjectionOutcome, Vec<String>) {
    match outcome {
        PushOutcome::Accepted { .. } => (ProjectionOutcome::Done, Vec::new()),
        PushOutcome::Rejected {
            messages,
            is_undecided: false,
        } => (ProjectionOutcome::Refused, messages),
        PushOutcome::Rejected { messages, .. } | PushOutcome::Unknown { messages, .. } => {
            (ProjectionOutcome::Unknown, messages)
        }
        PushOutcome::LostRace { .. } => {
            let why = "it was changed in the meantime";
            (ProjectionOutcome::Unknown, vec![why.to_owned()])
        }
    }
}

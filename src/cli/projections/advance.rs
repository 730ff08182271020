//! `advance`: the branch that follows the newest successful deployment.

use super::{Projection, ProjectionKind, ProjectionOutcome, Reconciler, new_projection};
use crate::domain::entry::DeploymentKind;
use crate::domain::id::{CommitId, EntryId, Oid};
use crate::domain::policy::BranchName;
use crate::git;
use crate::git::remote::PushOutcome;
use crate::ledger::ended_deployments::EndedDeployment;

/// How many times to try if others move the branch at the same time.
const ATTEMPTS: usize = 3;

impl Reconciler<'_> {
    /// Moves the branch forward to the commit of the newest successful deployment. Returns `None` if
    /// it contains that commit already, or if no commit follows from the ledger.
    pub(super) fn advance_branch(&self, tip: EntryId) -> git::Result<Option<Projection>> {
        let Some(branch) = &self.rules.advance else {
            return Ok(None);
        };
        let Some((ended, commit)) = self.find_commit_to_advance_to(tip)? else {
            return Ok(None);
        };
        let Some(moved) = self.move_branch(branch, commit)? else {
            return Ok(None);
        };
        Ok(Some(Projection {
            name: Some(branch.as_str().to_owned()),
            outcome: moved.0,
            reasons: moved.1,
            ..new_projection(&ended, ProjectionKind::Advance, commit)
        }))
    }

    /// Returns the newest deployment that succeeded, and its commit. Returns `None` if something
    /// else states what runs: a rollback, a destruction, a baseline, or a deployment of several
    /// commits. A failed deployment changes nothing.
    fn find_commit_to_advance_to(
        &self,
        tip: EntryId,
    ) -> git::Result<Option<(EndedDeployment, CommitId)>> {
        for ended in self.ended_deployments(tip) {
            let ended = ended?;
            if let Some(commit) = ended.deployed_commit() {
                let is_wanted = self.has_same_value(&ended, |rules| &rules.advance)?;
                return Ok(is_wanted.then_some((ended, commit)));
            }
            let is_forward = matches!(
                ended.statement().ended_kind(),
                Some(DeploymentKind::Deploy | DeploymentKind::Hotfix)
            );
            if !is_forward || ended.is_success() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Moves a branch forward to a commit. Returns `None` if it contains the commit already, or else
    /// what happened and why.
    fn move_branch(
        &self,
        branch: &BranchName,
        commit: CommitId,
    ) -> git::Result<Option<(ProjectionOutcome, Vec<String>)>> {
        let reference = branch.reference();
        for _ in 0..ATTEMPTS {
            let old = self.refs.read([&*reference])?.get(&reference).copied();
            match self.compare(old, commit)? {
                Position::Contains => return Ok(None),
                Position::Diverged => {
                    let why = "the branch has commits that the deployed one does not contain";
                    return Ok(Some((ProjectionOutcome::Refused, vec![why.to_owned()])));
                }
                Position::Behind if self.is_dry_run => {
                    return Ok(Some((ProjectionOutcome::WouldDo, Vec::new())));
                }
                Position::Behind => {}
            }
            match self.refs.push(commit.0, &reference, old)? {
                // Someone else moved it: perhaps to the same commit, or further.
                PushOutcome::LostRace { .. } => {}
                outcome => return Ok(Some(super::remote_refs::describe_outcome(outcome))),
            }
        }
        let why = "others moved it at the same time";
        Ok(Some((ProjectionOutcome::Unknown, vec![why.to_owned()])))
    }

    fn compare(&self, tip: Option<Oid>, commit: CommitId) -> git::Result<Position> {
        let Some(tip) = tip else {
            return Ok(Position::Behind);
        };
        let repository = &self.workspace.repository;
        if tip == commit.0 || repository.is_ancestor(commit.0, tip)? {
            Ok(Position::Contains)
        } else if repository.is_ancestor(tip, commit.0)? {
            Ok(Position::Behind)
        } else {
            Ok(Position::Diverged)
        }
    }
}

/// Where a branch is, compared with a commit.
enum Position {
    /// The branch contains the commit.
    Contains,
    /// The commit contains the branch's tip, or there is no branch yet.
    Behind,
    /// Neither contains the other.
    Diverged,
}

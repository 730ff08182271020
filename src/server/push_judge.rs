//! Judges the updates of a push, each on its own.
//!
//! The ledger tips and the time are read once for the whole push, so that no update is judged on
//! the result of another.

use std::cell::Cell;
use std::sync::Arc;

use super::HookError;
use super::classify::RefKind;
use super::ref_update::RefUpdate;
use super::settings::Settings;
use super::update_verdict::UpdateVerdict;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::domain::verdict::{Check, Rule};
use crate::git::{Repository, Result};
use crate::ledger::Project;
use crate::ledger::entry_validator::{EntryValidator, PushContext};
use crate::ledger::facts::FactGatherer;

/// Returns the project in which a push is judged: the existing one, or the one that the push itself
/// begins.
pub fn find_project<'u>(
    repository: &Repository,
    present: &PushContext,
    mut ledgers: impl Iterator<Item = (&'u LedgerName, &'u RefUpdate)>,
) -> Result<Option<Project>> {
    if let Some(tip) = present.tips.get(&LedgerName::policy()) {
        return Project::from_policy_tip(repository, *tip).map(Some);
    }
    let first = ledgers
        .find(|(ledger, _)| ledger.is_policy())
        .and_then(|(_, update)| update.new);
    // An error in that update is reported when it is judged.
    Ok(first.and_then(|new| Project::from_policy_tip(repository, EntryId(new)).ok()))
}

/// Judges the updates of one push.
pub struct PushJudge<'a> {
    pub(super) repository: &'a Repository,
    pub(super) settings: &'a Settings,
    pub(super) present: &'a PushContext,
    /// Validates entries; `None` if there is no project.
    pub(super) validator: Option<EntryValidator<'a>>,
    /// The policy in force; `None` before the first one.
    pub(super) policy: Option<Arc<Policy>>,
    /// Whether the repository is the clone that pushes, so that its refs are not the ones that
    /// move.
    pub(super) is_clone: bool,
    /// The number of new entries in the updates judged so far.
    pub(super) entry_count: Cell<u64>,
}

impl<'a> PushJudge<'a> {
    /// Creates a judge for the refs in `present`.
    pub fn new(
        repository: &'a Repository,
        settings: &'a Settings,
        project: Option<&'a Project>,
        present: &'a PushContext,
    ) -> Result<Self> {
        let validator = project.map(|project| {
            EntryValidator::new(
                repository,
                FactGatherer::new(repository, project).with_unverified(present.unverified.clone()),
                settings.recovery,
            )
        });
        let policy = match (&validator, present.tips.get(&LedgerName::policy())) {
            (Some(validator), Some(tip)) => validator.gatherer.policy_at(*tip)?,
            _ => None,
        };
        Ok(Self {
            repository,
            settings,
            present,
            validator,
            policy,
            is_clone: false,
            entry_count: Cell::new(0),
        })
    }

    /// Returns a judge for the clone that makes the push. It does not check where the moved refs
    /// are now, because the clone's refs are not the server's.
    #[must_use]
    pub fn for_clone(self) -> Self {
        Self {
            is_clone: true,
            ..self
        }
    }

    /// Judges the update of any ref and adds the result, unless the ref does not concern us.
    pub(super) fn judge_update(
        &self,
        kind: &RefKind,
        update: &RefUpdate,
        judgements: &mut Vec<UpdateVerdict>,
    ) -> std::result::Result<(), HookError> {
        match (kind, self.policy.as_deref()) {
            (RefKind::Ledger(ledger), _) => judgements.push(self.judge_ledger(ledger, update)?),
            (RefKind::Forbidden(why), _) => judgements.push(UpdateVerdict::from_check(
                &update.name,
                Check::fail(Rule::Chain, *why),
            )),
            (RefKind::Branch(short), Some(policy)) => {
                judgements.extend(self.judge_branch(policy, short, update));
            }
            (RefKind::Tag(short), Some(policy)) => {
                judgements.extend(self.judge_tags(policy, short, update));
            }
            (RefKind::Branch(_) | RefKind::Tag(_), None) | (RefKind::Other, _) => {}
        }
        Ok(())
    }
}

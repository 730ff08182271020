//! Keeps the setting `receive.procReceiveRefs` up to date. It lists the full names of the branches
//! that git hands over to proc-receive: those of the environments whose rules are enforced.
//!
//! The list is updated when the policy in force changes. As long as a branch is not in the list,
//! pre-receive rejects its moves, unless the hook `update` judges them again.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::location::find_hooks_folder;
use super::required_settings::{PROC_RECEIVE_REFS, WantedValue};
use super::shim::{UPDATE, is_our_shim};
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::git::{Repository, Result as GitResult};
use crate::ledger::Project;
use crate::ledger::facts::FactGatherer;
use crate::ledger::sync::SyncError;

/// The prefix of the values that this program adds and removes.
const BRANCH_PREFIX: &str = "refs/heads/";

/// The values that were added to the setting and removed from it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HandoverChanges {
    /// The full names of branches that are now handed over.
    pub added: BTreeSet<String>,
    /// The full names of branches that are no longer handed over.
    pub removed: BTreeSet<String>,
}

/// Reads the policy in force. Returns `None` if no policy has been published.
pub(super) fn read_policy(repository: &Repository) -> GitResult<Option<Arc<Policy>>> {
    let policy = LedgerName::policy();
    let ledgers = repository.local_ledgers().map_err(SyncError::into_git)?;
    let Some(tip) = ledgers.tip(&policy)? else {
        return Ok(None);
    };
    let project = Project::from_policy_tip(repository, tip)?;
    FactGatherer::new(repository, &project).policy_at(tip)
}

/// Lists the branches that must be handed over under a policy: its enforced branches, and the
/// symbolic refs to them.
pub(super) fn list_handover_branches(
    repository: &Repository,
    policy: Option<&Policy>,
) -> GitResult<BTreeSet<String>> {
    let branches = policy
        .into_iter()
        .flat_map(Policy::enforced_branches)
        .map(|branch| format!("{BRANCH_PREFIX}{}", branch.as_str()));
    let mut required: BTreeSet<String> = branches.collect();
    if required.is_empty() {
        return Ok(required);
    }
    let output = repository
        .git("for-each-ref")
        .args(["--format=%(refname) %(symref)", BRANCH_PREFIX])
        .run()?
        .into_stdout()?;
    for line in String::from_utf8_lossy(&output).lines() {
        let Some((alias, _)) = line
            .split_once(' ')
            .filter(|(_, target)| !target.is_empty())
        else {
            continue;
        };
        let target = repository.symref_target(alias.as_bytes())?;
        if target.is_some_and(|target| required.contains(&*String::from_utf8_lossy(&target))) {
            required.insert(alias.to_owned());
        }
    }
    Ok(required)
}

/// Sets the setting to exactly these branches. Values for other refs are kept.
pub(super) fn write_handover_setting(
    repository: &Repository,
    required: &BTreeSet<String>,
) -> GitResult<HandoverChanges> {
    let key = PROC_RECEIVE_REFS.key;
    let current: BTreeSet<String> = repository.read_local_config(key)?.into_iter().collect();
    let mut changes = HandoverChanges::default();
    for name in required.difference(&current) {
        repository.add_config(key, name)?;
        changes.added.insert(name.clone());
    }
    let obsolete = current
        .difference(required)
        .filter(|name| name.starts_with(BRANCH_PREFIX));
    for name in obsolete {
        repository.remove_config(key, name)?;
        changes.removed.insert(name.clone());
    }
    Ok(changes)
}

/// Updates the setting to match the policy in force. The caller holds the lock of the ledgers.
pub(super) fn update_setting(repository: &Repository) -> GitResult<()> {
    let policy = read_policy(repository)?;
    let required = list_handover_branches(repository, policy.as_deref())?;
    write_handover_setting(repository, &required).map(drop)
}

/// Returns whether a hook judges the branch of this name again when it moves: proc-receive or
/// `update`.
///
/// If the setting does not list the ledgers, the server does not use proc-receive and its host is
/// expected to call `update`. The hook is not looked for, because such a host may keep its hooks
/// outside the repository.
pub(super) fn is_judged_again(repository: &Repository, name: &[u8]) -> GitResult<bool> {
    let values = repository.config_strings(PROC_RECEIVE_REFS.key)?;
    let WantedValue::Contains(ledgers) = PROC_RECEIVE_REFS.wanted else {
        return Ok(false);
    };
    let uses_proc_receive = values.iter().any(|value| value == ledgers);
    if !uses_proc_receive || values.iter().any(|value| value.as_bytes() == name) {
        return Ok(true);
    }
    let update = find_hooks_folder(repository)?.join(UPDATE.name);
    Ok(std::fs::read(update).is_ok_and(|text| is_our_shim(&text, UPDATE.name)))
}

//! Checks the start of a ledger's chain: its root, its readable part, and the tip of an earlier
//! audit.

use super::finding::{AuditFinding, FindingKind};
use super::index::IndexedChain;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::error::Error;
use crate::git::repo::Repository;
use crate::ledger::{Project, Tips};

/// Returns the project that the ledgers belong to, from the root of the policy ledger.
///
/// # Errors
/// Returns the finding if the root is missing or invalid: then no entry can be validated.
pub fn find_project(
    repository: &Repository,
    tips: &Tips,
) -> std::result::Result<Project, AuditFinding> {
    let policy = LedgerName::policy();
    let to_finding =
        |error: &Error| AuditFinding::from_error(FindingKind::Chain, Some(&policy), error);
    let Some(tip) = tips.get(&policy) else {
        return Err(AuditFinding::chain_failure(
            FindingKind::Chain,
            &policy,
            None,
            "it does not exist, so there is no root of trust",
        ));
    };
    let chain = repository
        .chain_between(None, *tip)
        .map_err(|error| to_finding(&error))?;
    // A chain without a given start contains at least its tip.
    let first = chain
        .and_then(|chain| chain.first().copied())
        .unwrap_or(*tip);
    Project::read(repository, first).map_err(|error| to_finding(&error))
}

/// Returns the position of the first entry to validate: after the genesis, and after the entries of
/// an earlier audit.
///
/// # Errors
/// Returns the finding if the ledger no longer contains the tip that was audited before.
pub(super) fn find_first_position(
    chain: &IndexedChain,
    since: Option<&EntryId>,
) -> std::result::Result<usize, AuditFinding> {
    match since.map(|since| (since, chain.position(*since))) {
        Some((since, None)) => {
            let detail = "the earlier audit saw this tip, but the ledger no longer contains it";
            Err(AuditFinding::chain_failure(
                FindingKind::Chain,
                &chain.ledger,
                Some(*since),
                detail,
            ))
        }
        Some((_, Some(position))) if !chain.ledger.is_policy() => Ok(position + 1),
        _ => Ok(1),
    }
}

/// Returns a finding if the chain does not begin with the genesis of this project and ledger.
pub(super) fn check_root(
    repository: &Repository,
    project: &Project,
    chain: &IndexedChain,
) -> Option<AuditFinding> {
    let genesis = match project.genesis_id(repository, &chain.ledger) {
        Ok(genesis) => genesis,
        Err(error) => {
            return Some(AuditFinding::from_error(
                FindingKind::Chain,
                Some(&chain.ledger),
                &error,
            ));
        }
    };
    let first = chain
        .ids
        .first()
        .filter(|first| chain.gap.is_none() && **first != genesis)?;
    let detail = format!(
        "it does not begin with the genesis {} of this project",
        genesis.short()
    );
    Some(AuditFinding::chain_failure(
        FindingKind::Chain,
        &chain.ledger,
        Some(*first),
        detail,
    ))
}

/// Returns a finding if the start of the chain cannot be read: the entries before it are unknown.
pub(super) fn check_gap(repository: &Repository, chain: &IndexedChain) -> Option<AuditFinding> {
    let error = repository.read_commit(chain.gap?.0).err()?;
    Some(AuditFinding::from_error(
        FindingKind::Chain,
        Some(&chain.ledger),
        &error,
    ))
}

//! The contents that a generated yank must name.

use crate::domain::entry::YankedContent;
use crate::domain::id::CommitId;
use crate::domain::policy::Policy;
use crate::ledger::writer::LedgerSnapshot;
use crate::ledger::yank_coverage::find_coverage;

/// Returns the contents that the yank of a commit covers, as `git deploy yank` determines them.
pub(super) fn find_yanked_contents(
    snapshot: &LedgerSnapshot<'_>,
    policy: &Policy,
    commit: CommitId,
) -> Result<Vec<YankedContent>, String> {
    let LedgerSnapshot {
        repository,
        gatherer,
        tips,
        ..
    } = *snapshot;
    let coverage = find_coverage(repository, gatherer, policy, tips, commit);
    coverage
        .map(|coverage| coverage.contents)
        .map_err(|error| error.to_string())
}

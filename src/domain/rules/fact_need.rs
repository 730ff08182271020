//! The facts that rules declare as needed. The ledger layer gathers what the rules of a request
//! need and nothing else.
//!
//! A fact that a rule forgets to declare is not gathered, and the rule then answers "cannot tell".
//! Such a mistake can block a deployment, but never allow one.

use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;

/// A group of facts, or a single fact, that a rule needs.
///
/// Every request gets these facts without declaring them: the end of its chain, the tips and
/// `seen`, its state, the dates of its commits, and the contents of the components that it changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactNeed {
    /// [`Facts::branch_tip`](super::Facts::branch_tip), and which commits contain the tip or are
    /// contained in it.
    BranchTip,
    /// Whether each component's new commit contains its running commit, in
    /// [`Facts::containment`](super::Facts::containment) and
    /// [`Facts::running_content_in_history`](super::Facts::running_content_in_history).
    RunningAncestry,
    /// [`Facts::previous_log`](super::Facts::previous_log) and
    /// [`Facts::previous_state`](super::Facts::previous_state).
    PreviousLog,
    /// [`Facts::evidence`](super::Facts::evidence).
    Evidence,
    /// [`Facts::yanks`](super::Facts::yanks).
    Yanks,
    /// [`Facts::authors`](super::Facts::authors).
    Authors,
    /// [`Facts::versions`](super::Facts::versions).
    Versions,
    /// [`Facts::earlier_runs`](super::Facts::earlier_runs).
    EarlierRuns,
    /// [`Facts::run_ids`](super::Facts::run_ids).
    RunIds,
    /// [`Facts::successes`](super::Facts::successes).
    Successes,
    /// The content of a component at a commit, in [`Facts::contents`](super::Facts::contents).
    Content(CommitId, ComponentName),
    /// The content of a component at the first parent of a commit, in
    /// [`Facts::parent_contents`](super::Facts::parent_contents).
    ParentContent(CommitId, ComponentName),
    /// Whether the first commit contains the second, in
    /// [`Facts::containment`](super::Facts::containment).
    Containment(CommitId, CommitId),
}

//! The specification of a replay: the policy to try, and the past deployments to judge.

use crate::domain::policy::Policy;
use crate::domain::time::Time;

/// The specification of a replay.
pub struct ReplaySpec<'a> {
    /// The policy to try.
    pub proposal: &'a Policy,
    /// The policy in force today, to report whether it would refuse the same deployments.
    pub in_force: &'a Policy,
    /// Older deployments are left out; `None` for no limit.
    pub since: Option<Time>,
    /// How many of the newest cases of each kind are kept.
    pub max_cases: usize,
}

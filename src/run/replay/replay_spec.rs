//! The specification of a replay: the policy to try, and the past deployments to judge.

use crate::domain::policy::Policy;
use crate::domain::time::Time;

/// The specification of a replay.
pub struct ReplaySpec<'a> {
    /// The policy to try.
    pub proposal: &'a Policy,
    /// The policy in force today, to report whether it would refuse the same deployments.
    pub in_force: &'a Policy,
    /// The time from which deployments are judged; `None` for all deployments.
    pub since: Option<Time>,
    /// The maximum number of cases of each kind to report. The newest are reported.
    pub max_cases: usize,
}

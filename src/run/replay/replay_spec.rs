//! What to replay: the policy to try, and which past deployments.

use crate::domain::policy::Policy;
use crate::domain::time::Time;

/// What to replay, and how.
pub struct ReplaySpec<'a> {
    /// The policy to try.
    pub proposal: &'a Policy,
    /// The policy in force today, to tell whether it would refuse the same.
    pub in_force: &'a Policy,
    /// Leaves out older deployments.
    pub since: Option<Time>,
    /// The most cases of each sort that are kept. The newest are.
    pub max_cases: usize,
}

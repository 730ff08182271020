//! Why an approval counts for none of the requirements that name its approver.

use std::fmt;

use crate::domain::rules::facts::AuthoredCommit;

/// Why an approval does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalRefusal {
    /// The approver is a machine.
    Machine,
    /// The approver starts the deployment or requested it, or is an author of this new commit.
    Involved(Option<AuthoredCommit>),
    /// The approver starts the deployment or requested it, and `prevent_self` is `"starter"`.
    Starter,
    /// The approval has expired.
    Expired,
    /// The approval is for another purpose (a deployment, a removal or a command) than the request.
    OtherPurpose,
    /// The approval does not include every component that changes.
    OtherComponents,
    /// The approval is not for exactly the plans of the deployment.
    OtherPlan,
    /// The policy no longer lists the key that signed the approval.
    RemovedKey,
}

impl ApprovalRefusal {
    /// Returns whether the reason is `prevent_self`.
    pub const fn is_self_approval(&self) -> bool {
        matches!(self, Self::Involved(_) | Self::Starter)
    }
}

impl fmt::Display for ApprovalRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Involved(Some(commit)) = self {
            return write!(
                f,
                "authors and the deployer cannot approve (prevent_self), and {commit} makes this person an author"
            );
        }
        f.write_str(match self {
            Self::Machine => "a machine cannot approve",
            Self::Starter => {
                "the deployer and the requester cannot approve (prevent_self = \"starter\")"
            }
            Self::Involved(_) => "authors and the deployer cannot approve (prevent_self)",
            Self::Expired => "it has expired",
            Self::OtherPurpose => "it is for another purpose",
            Self::OtherComponents => "it is for other components",
            Self::OtherPlan => "it is for another plan",
            Self::RemovedKey => "the key that signed it was removed",
        })
    }
}

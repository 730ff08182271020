//! The words that keys of an environment accept.

use super::table_macros::policy_words;

policy_words! {
    /// Which comes first, the branch or the deployment.
    pub enum DeployOn {
        /// The commit is merged into the branch, then deployed.
        Merge = "merge",
        /// The commit is deployed, then the branch may move to it.
        Approval = "approval",
    }
}

policy_words! {
    /// What the branch and tag rules do with a push that they do not allow.
    pub enum Enforcement {
        /// They refuse it.
        Active = "active",
        /// They warn and let it pass.
        Evaluate = "evaluate",
    }
}

policy_words! {
    /// What happens to the components of a failed deployment.
    pub enum Rollback {
        /// The components that failed are rolled back to their last healthy commit.
        Auto = "auto",
        /// Every component that the deployment changed is rolled back.
        All = "all",
        /// The components are left as they are, for a person to decide.
        Manual = "manual",
    }
}

policy_words! {
    /// How the commands that run for an environment are isolated.
    pub enum Isolation {
        /// From other processes.
        Processes = "processes",
        /// From other processes, and from files that are not the command's own.
        Files = "files",
        /// Not at all.
        Off = "off",
    }
}

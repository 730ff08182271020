//! The kinds of requests that rules distinguish. Each rule's definition lists the kinds that face
//! it.

use crate::domain::entry::{Action, Deployment, DeploymentKind};

/// Defines the enum, the list of all kinds and their names from one line per kind.
macro_rules! request_kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal,)+) => {
        /// A kind of request. A `record` has the kind of a `start` with the same deployment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum RequestKind {
            $($(#[$doc])* $kind,)+
        }

        impl RequestKind {
            /// All kinds, in order.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// Returns the name that the documentation prints.
            #[cfg(test)]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

request_kinds! {
    /// A `start` or `record` of new code.
    Deploy "deploy",
    /// A `start` or `record` of a hotfix.
    Hotfix "hotfix",
    /// A `start` or `record` of a rollback.
    Rollback "rollback",
    /// A `start` or `record` that destroys a whole environment.
    Destroy "destroy",
    /// A `start` or `record` of a command that runs in an environment.
    Exec "exec",
    /// A `start` or `record` of any kind that breaks glass.
    BreakGlass "break glass",
    /// A `baseline` entry.
    Baseline "baseline",
    /// A `resume` entry.
    Resume "resume",
    /// A `finish` entry.
    Finish "finish",
    /// An `abort` entry.
    Abort "abort",
    /// A `verification` entry.
    Verification "verification",
    /// An `approve` entry.
    Approve "approve",
    /// A `revoke` entry. An approval can always be revoked, even that of a yanked commit.
    Revoke "revoke",
    /// A `lock` entry.
    Lock "lock",
    /// An `unlock` entry.
    Unlock "unlock",
    /// An `expire` entry.
    Expire "expire",
    /// A `build` entry.
    Build "build",
    /// An `artifact` entry.
    Artifact "artifact",
    /// An `attestation` entry.
    Attestation "attestation",
    /// A `yank` entry.
    Yank "yank",
    /// An `unyank` entry.
    Unyank "unyank",
    /// A `publish` entry.
    Publish "publish",
    /// An `approve` entry in the ledger `policy`.
    PolicyApprove "policy approve",
    /// A `revoke` entry in the ledger `policy`.
    PolicyRevoke "policy revoke",
    /// An entry for an environment that the policy does not have, unless it ends a run there.
    UnknownEnvironment "entry for an unknown environment",
    /// A move of an environment's branch with `deploy_on = "merge"`, judged as a deployment of the
    /// new commit.
    Merge "branch update (`deploy_on = \"merge\"`)",
    /// Any other update of an environment's branch, and every deletion.
    Branch "other branch update",
    /// An update of a tag that matches an environment's `tag` template.
    Tag "tag update",
}

impl RequestKind {
    /// Returns the kind of an entry, except for one in an environment that the policy does not
    /// have.
    ///
    /// A new action also needs a row in the table of `rules/tests.rs`.
    pub(super) fn of_action(action: &Action) -> Self {
        match action {
            Action::Start(it) => Self::of_deployment(&it.deployment),
            Action::Record(it) => Self::of_deployment(&it.deployment),
            Action::Baseline(_) => Self::Baseline,
            Action::Resume(_) => Self::Resume,
            Action::Finish(_) => Self::Finish,
            Action::Abort(_) => Self::Abort,
            Action::Verification(_) => Self::Verification,
            Action::Approve(_) => Self::Approve,
            Action::Revoke(_) => Self::Revoke,
            Action::Lock(_) => Self::Lock,
            Action::Unlock(_) => Self::Unlock,
            Action::Expire(_) => Self::Expire,
            Action::Build(_) => Self::Build,
            Action::Artifact(_) => Self::Artifact,
            Action::Attestation(_) => Self::Attestation,
            Action::Yank(_) => Self::Yank,
            Action::Unyank(_) => Self::Unyank,
            Action::Publish(_) => Self::Publish,
            Action::PolicyApprove(_) => Self::PolicyApprove,
            Action::PolicyRevoke(_) => Self::PolicyRevoke,
        }
    }

    fn of_deployment(deployment: &Deployment) -> Self {
        if deployment.break_glass.is_some() {
            return Self::BreakGlass;
        }
        match deployment.kind {
            DeploymentKind::Deploy => Self::Deploy,
            DeploymentKind::Hotfix => Self::Hotfix,
            DeploymentKind::Rollback => Self::Rollback,
            DeploymentKind::Destroy => Self::Destroy,
            DeploymentKind::Exec => Self::Exec,
        }
    }

    /// Returns whether the request is an entry, as opposed to a move of a branch or tag. Entries for
    /// environments that the policy lacks are excluded.
    const fn is_entry(self) -> bool {
        !matches!(
            self,
            Self::UnknownEnvironment | Self::Merge | Self::Branch | Self::Tag
        )
    }
}

/// A set of kinds, which can be built in a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKinds(u64);

impl RequestKinds {
    /// Every entry, except one for an environment that the policy does not have.
    pub const ENTRIES: Self = {
        let (mut set, mut index) = (Self(0), 0);
        while index < RequestKind::ALL.len() {
            if RequestKind::ALL[index].is_entry() {
                set = set.with(&[RequestKind::ALL[index]]);
            }
            index += 1;
        }
        set
    };

    /// Returns the set of these kinds.
    pub const fn of(kinds: &[RequestKind]) -> Self {
        Self(0).with(kinds)
    }

    /// Returns the set with these kinds added.
    pub const fn with(self, kinds: &[RequestKind]) -> Self {
        let (mut bits, mut index) = (self.0, 0);
        while index < kinds.len() {
            bits |= 1 << kinds[index] as u64;
            index += 1;
        }
        Self(bits)
    }

    /// Returns whether a kind is in the set.
    pub const fn contains(self, kind: RequestKind) -> bool {
        self.0 & (1 << kind as u64) != 0
    }

    /// Returns whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

//! The actions: the events that an entry can record. Each has its own file, which defines
//! everything that is specific to it.
//!
//! To add one, write its file: the fields, and the traits of `definition.rs`. Then add it to the
//! list below. The compiler asks for the rest: its effect on a state (`state/fold.rs`), and how the
//! rules judge it.

mod abort;
mod approval_purpose;
mod approve;
mod artifact;
mod attestation;
mod baseline;
mod build;
mod command_record;
mod definition;
mod deployment;
mod expire;
mod finish;
mod lock;
mod origin;
mod policy_approve;
mod policy_revoke;
mod publish;
mod record;
mod result;
mod resume;
mod revoke;
mod start;
mod target;
mod unlock;
mod unyank;
mod verification;
mod yank;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use approval_purpose::ApprovalPurpose;
pub use attestation::{AttestationResult, TEST_COUNTS_KEY};
pub use build::BuildResult;
pub use command_record::{CANCELLED_STATUS, CommandRecord, CommandStep, MAX_COMMANDS};
pub(crate) use definition::{
    ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, EnvironmentBody, PolicyBody,
};
pub use definition::{HistoryRole, LedgerKind, RunStep};
pub use deployment::{ComponentChange, Deployment, DeploymentKind, Labels, MAX_LABELS};
pub use origin::Origin;
pub(crate) use result::attempted_results;
pub use result::{ComponentResult, Outcome, RecordedResult, VerificationResult, overall_outcome};
pub use target::{ComponentAtCommit, Image, Target, VersionTag};
pub use unlock::Hold;
pub use yank::YankedContent;

/// Defines the enum of all actions, and the dispatch to each of them, from one list.
macro_rules! actions {
    (
        environment: { $($(#[$e_doc:meta])* $e_file:ident::$E:ident,)+ }
        evidence: { $($(#[$v_doc:meta])* $v_file:ident::$V:ident,)+ }
        policy: { $($(#[$p_doc:meta])* $p_file:ident::$P:ident,)+ }
    ) => {
        $(pub use $e_file::$E;)+
        $(pub use $v_file::$V;)+
        $(pub use $p_file::$P;)+

        /// What happened.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Action {
            $($(#[$e_doc])* $E($E),)+
            $($(#[$v_doc])* $V($V),)+
            $($(#[$p_doc])* $P($P),)+
        }

        impl Action {
            /// Returns the constants of the action.
            pub(crate) fn info(&self) -> &'static ActionInfo {
                match self {
                    $(Self::$E(_) => &$E::INFO,)+
                    $(Self::$V(_) => &$V::INFO,)+
                    $(Self::$P(_) => &$P::INFO,)+
                }
            }

            /// Returns the kind of ledger that has the action.
            pub(crate) fn ledger_kind(&self) -> LedgerKind {
                match self {
                    $(Self::$E(_) => LedgerKind::Environment,)+
                    $(Self::$V(_) => LedgerKind::Evidence,)+
                    $(Self::$P(_) => LedgerKind::Policy,)+
                }
            }

            /// Returns the methods that every action has.
            pub(crate) fn body(&self) -> &dyn ActionBody {
                match self {
                    $(Self::$E(it) => it,)+
                    $(Self::$V(it) => it,)+
                    $(Self::$P(it) => it,)+
                }
            }

            /// Returns the methods of an environment's actions; `None` for actions of other
            /// ledgers.
            pub(crate) fn environment_body(&self) -> Option<&dyn EnvironmentBody> {
                match self {
                    $(Self::$E(it) => Some(it),)+
                    $(Self::$V(_) => None,)+
                    $(Self::$P(_) => None,)+
                }
            }

            /// Returns the same, mutably.
            pub(crate) fn environment_body_mut(&mut self) -> Option<&mut dyn EnvironmentBody> {
                match self {
                    $(Self::$E(it) => Some(it),)+
                    $(Self::$V(_) => None,)+
                    $(Self::$P(_) => None,)+
                }
            }

            /// Returns the methods of the policy's actions; `None` for actions of other ledgers.
            pub(crate) fn policy_body(&self) -> Option<&dyn PolicyBody> {
                match self {
                    $(Self::$P(it) => Some(it),)+
                    $(Self::$E(_) => None,)+
                    $(Self::$V(_) => None,)+
                }
            }

            /// Returns the same, mutably.
            pub(crate) fn policy_body_mut(&mut self) -> Option<&mut dyn PolicyBody> {
                match self {
                    $(Self::$P(it) => Some(it),)+
                    $(Self::$E(_) => None,)+
                    $(Self::$V(_) => None,)+
                }
            }

            /// Reads the action of this name; `None` if this kind of ledger has no such action.
            pub(super) fn read<R: ReadFields>(
                ledger: LedgerKind,
                name: &str,
                fields: &R,
            ) -> Result<Option<Self>, R::Error> {
                Ok(Some(match ledger {
                    $(LedgerKind::Environment if name == $E::INFO.name => Self::$E(fields.read()?),)+
                    $(LedgerKind::Evidence if name == $V::INFO.name => Self::$V(fields.read()?),)+
                    $(LedgerKind::Policy if name == $P::INFO.name => Self::$P(fields.read()?),)+
                    _ => return Ok(None),
                }))
            }

            /// Returns a strategy for each action of a kind of ledger. `ephemeral` adds fields that
            /// occur only in a pattern's ledger.
            #[cfg(test)]
            pub(super) fn samples(
                ledger: LedgerKind,
                ephemeral: bool,
            ) -> Vec<proptest::strategy::BoxedStrategy<Self>> {
                use super::samples::Sample;
                use proptest::strategy::Strategy as _;
                match ledger {
                    LedgerKind::Environment => vec![$($E::sample(ephemeral).prop_map(Self::$E).boxed(),)+],
                    LedgerKind::Evidence => vec![$($V::sample(ephemeral).prop_map(Self::$V).boxed(),)+],
                    LedgerKind::Policy => vec![$($P::sample(ephemeral).prop_map(Self::$P).boxed(),)+],
                }
            }
        }

        impl ActionInfo {
            /// All actions, each with the kind of ledger that has it.
            pub const ALL: &[(LedgerKind, ActionInfo)] = &[
                $((LedgerKind::Environment, $E::INFO),)+
                $((LedgerKind::Evidence, $V::INFO),)+
                $((LedgerKind::Policy, $P::INFO),)+
            ];
        }
    };
}

/// A source of the fields of an action whose type is known only at run time.
pub(super) trait ReadFields {
    /// Why the fields cannot be read.
    type Error;

    /// Reads the fields of an action of type `T`.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Self::Error>;
}

impl ActionInfo {
    /// Looks up the action of this name in a kind of ledger.
    pub fn find(ledger: LedgerKind, name: &str) -> Option<&'static Self> {
        let action = Self::ALL
            .iter()
            .find(|(kind, info)| *kind == ledger && info.name == name);
        action.map(|(_, info)| info)
    }
}

impl Action {
    /// Returns the action's name in an entry.
    pub fn name(&self) -> &'static str {
        self.info().name
    }

    /// Checks whether the action ends a run. A run may be ended even if the policy no longer has
    /// its environment.
    pub fn ends_a_run(&self) -> bool {
        matches!(self.run_step(), Some(RunStep::Ends { .. }))
    }

    /// Returns what the action does to a run; `None` if nothing.
    pub fn run_step(&self) -> Option<RunStep> {
        self.environment_body()?.run_step()
    }

    /// Returns the deployment that a `start` or `record` requests.
    pub fn deployment(&self) -> Option<&Deployment> {
        self.environment_body()?.deployment()
    }

    /// Returns the same deployment, for writing.
    pub fn deployment_mut(&mut self) -> Option<&mut Deployment> {
        self.environment_body_mut()?.deployment_mut()
    }

    /// Sets the people whose approvals count, if the action has such a list.
    pub(crate) fn set_approved_by(&mut self, people: Vec<crate::domain::name::Person>) {
        if let Some(deployment) = self.deployment_mut() {
            deployment.approved_by = people;
        } else if let Some(approved_by) = self
            .policy_body_mut()
            .and_then(|body| body.approved_by_mut())
        {
            *approved_by = people;
        }
    }
}

actions! {
    environment: {
        /// The versions that already run when components enter the ledger.
        baseline::Baseline,
        /// A deployment begins. Of several concurrent starts, only one can be pushed.
        start::Start,
        /// Another runner takes over an unfinished run.
        resume::Resume,
        /// A run ended.
        finish::Finish,
        /// A deployment that another system carried out: start and finish in one.
        record::Record,
        /// An unfinished run is aborted.
        abort::Abort,
        /// A later check of the running components.
        verification::Verification,
        /// Consent to a deployment.
        approve::Approve,
        /// Withdrawal of that consent.
        revoke::Revoke,
        /// Deployments to the environment or a component are stopped.
        lock::Lock,
        /// A lock is removed, or holds are lifted.
        unlock::Unlock,
        /// An ephemeral environment's new expiry time.
        expire::Expire,
    }
    evidence: {
        /// A build of a component.
        build::Build,
        /// An artifact that was built.
        artifact::Artifact,
        /// A signer vouches for a commit.
        attestation::Attestation,
        /// A commit or an artifact must no longer be deployed.
        yank::Yank,
        /// A yanked commit or artifact may be deployed again.
        unyank::Unyank,
    }
    policy: {
        /// A policy comes into force.
        publish::Publish,
        /// Consent to a proposed policy.
        policy_approve::PolicyApprove,
        /// Withdrawal of that consent.
        policy_revoke::PolicyRevoke,
    }
}

//! `approve`: one person consents to a deployment, a removal or one command.

use serde::{Deserialize, Serialize};

use super::{
    ActionBody, ActionInfo, ActionType, ApprovalPurpose, CodeClaim, CommitRole, ComponentResult,
    Deployment, EnvironmentBody, HistoryRole, RunStep,
};
use crate::domain::entry::headline;
use crate::domain::entry::invalid::{InvalidError, is_ascending, require, require_sha256};
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::{self, Note};
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Digest, Oid};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

use InvalidError::{Contradiction, Order};

/// One person's consent to deploy components at a commit to the environment, to remove them from
/// it, or to run a command in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approve {
    /// The commit.
    pub commit: CommitId,
    /// The approved components, in bytewise order; never empty.
    pub components: Vec<ComponentName>,
    /// The only purpose for which the approval counts.
    #[serde(flatten)]
    pub purpose: ApprovalPurpose,
    /// The digests of the approved plans, by component.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub plans: std::collections::BTreeMap<ComponentName, Digest>,
    /// When the approval expires.
    pub expires: Time,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}

impl ActionType for Approve {
    const INFO: ActionInfo = ActionInfo {
        name: "approve",
        commits: CommitRole::MayBeMissing,
        history: HistoryRole::None,
    };
}

impl ActionBody for Approve {
    fn subjects(&self) -> Vec<Subject<'_>> {
        self.components
            .iter()
            .map(|component| Subject::component(component, self.commit))
            .collect()
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        let components = self.components.iter().map(Trailer::Component);
        components.chain([Trailer::Commit(self.commit)]).collect()
    }

    fn other_ids(&self) -> Vec<Oid> {
        Vec::new()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        self.components.iter().map(CodeClaim::in_policy).collect()
    }

    fn headline(&self, environment: &str) -> String {
        let names = headline::names(self.components.iter());
        let commit = self.commit.short();
        match &self.purpose {
            ApprovalPurpose::Deploy => format!("approve {names} ({commit}) for {environment}"),
            ApprovalPurpose::Destroy => {
                format!("approve the removal of {names} ({commit}) from {environment}")
            }
            ApprovalPurpose::Exec { command } => {
                let command = command.short();
                format!("approve the command {command} for {names} ({commit}) in {environment}")
            }
        }
    }

    fn free_text(&self) -> Option<&str> {
        self.comment.as_ref().map(Line::as_str)
    }

    fn note(&self, _: CommitId) -> Note {
        let purpose = match &self.purpose {
            ApprovalPurpose::Deploy => String::new(),
            ApprovalPurpose::Destroy => "removal".to_owned(),
            ApprovalPurpose::Exec { command } => format!("command {}", command.short()),
        };
        let comment = note::quoted(self.comment.as_ref());
        let parts = [purpose, comment].into_iter().filter(|it| !it.is_empty());
        Note::new("approved", parts.collect::<Vec<_>>().join("  "))
    }

    fn log(&self) -> LogText {
        let names = log_text::names(self.components.iter());
        let object = format!("{names} ({})", log_text::commit(self.commit));
        let object = match &self.purpose {
            ApprovalPurpose::Deploy => object,
            ApprovalPurpose::Destroy => format!("the removal of {object}"),
            ApprovalPurpose::Exec { command } => {
                format!("the command {} in {object}", command.short())
            }
        };
        LogText::new("approved", Tone::Neutral, object)
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        require(
            !self.components.is_empty() && is_ascending(&self.components),
            Order("the components"),
        )?;
        require(
            self.plans.keys().all(|it| self.components.contains(it)),
            Contradiction("an approved plan belongs to a component that is not approved"),
        )?;
        if let ApprovalPurpose::Exec { command } = &self.purpose {
            require_sha256([command])?;
        }
        require(
            self.plans.is_empty() || self.purpose == ApprovalPurpose::Deploy,
            Contradiction("only a deployment has approved plans"),
        )
    }
}

impl EnvironmentBody for Approve {
    fn deployment(&self) -> Option<&Deployment> {
        None
    }

    fn deployment_mut(&mut self) -> Option<&mut Deployment> {
        None
    }

    fn component_results(&self) -> Vec<ComponentResult> {
        Vec::new()
    }

    fn run_step(&self) -> Option<RunStep> {
        None
    }

    fn expires(&self) -> Option<Time> {
        Some(self.expires)
    }

    fn approved_by(&self) -> &[Person] {
        &[]
    }

    fn break_glass(&self) -> Option<&Line> {
        None
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Approve {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        let purpose = prop_oneof![
            2 => Just(ApprovalPurpose::Deploy),
            1 => Just(ApprovalPurpose::Destroy),
            1 => sha256().prop_map(|command| ApprovalPurpose::Exec { command }),
        ];
        let texts = (option::of(digest()), time(), option::of(line()));
        (commit(), names(), purpose, texts)
            .prop_map(|(commit, components, purpose, (plan, expires, comment))| {
                let plans = plan
                    .filter(|_| purpose == ApprovalPurpose::Deploy)
                    .map(|plan| (components[0].clone(), plan))
                    .into_iter()
                    .collect();
                Self {
                    commit,
                    components,
                    purpose,
                    plans,
                    expires,
                    comment,
                }
            })
            .boxed()
    }
}

//! `unlock`: a lock is removed or, if the entry names a commit, that commit's holds are lifted.

use serde::{Deserialize, Serialize};

use super::{
    ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, ComponentResult, Deployment,
    EnvironmentBody, HistoryRole, RunStep,
};
use crate::domain::entry::invalid::{InvalidError, is_ascending, require};
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::{self, Note};
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Content, Oid};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

use InvalidError::{Contradiction, Order};

/// A component's content that an ordinary deployment must not bring back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hold {
    /// The component.
    pub component: ComponentName,
    /// Its content.
    pub content: Content,
}

/// Removes a lock or, if it names a commit, lifts that commit's holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlock {
    /// The component; absent for the whole environment or a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentName>,
    /// The commit whose holds are lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// The holds that are lifted, in order; present only with a commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}

impl ActionType for Unlock {
    const INFO: ActionInfo = ActionInfo {
        name: "unlock",
        commits: CommitRole::Deployed,
        history: HistoryRole::None,
    };
}

impl ActionBody for Unlock {
    fn subjects(&self) -> Vec<Subject<'_>> {
        self.commit.map(Subject::commit).into_iter().collect()
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        let held_components = self.holds.iter().map(|hold| &hold.component);
        let components = self.component.iter().chain(held_components);
        components
            .map(Trailer::Component)
            .chain(self.commit.map(Trailer::Commit))
            .collect()
    }

    fn other_ids(&self) -> Vec<Oid> {
        self.holds.iter().map(|hold| hold.content.0).collect()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        // A hold may be lifted from a component that the policy no longer has.
        let commit = self.commit.into_iter();
        commit
            .flat_map(|commit| self.holds.iter().map(move |hold| (commit, hold)))
            .map(|(commit, hold)| {
                CodeClaim::maybe_not_in_policy(&hold.component)
                    .with_content(commit, Some(hold.content))
            })
            .collect()
    }

    fn headline(&self, environment: &str) -> String {
        match (&self.commit, &self.component) {
            (Some(commit), _) => format!("lift the hold on {} in {environment}", commit.short()),
            (None, Some(component)) => format!("unlock {component} in {environment}"),
            (None, None) => format!("unlock {environment}"),
        }
    }

    fn free_text(&self) -> Option<&str> {
        self.comment.as_ref().map(Line::as_str)
    }

    fn note(&self, _: CommitId) -> Note {
        Note::new("released", note::quoted(self.comment.as_ref()))
    }

    fn log(&self) -> LogText {
        if let Some(commit) = self.commit {
            return LogText::new("released", Tone::Neutral, log_text::commit(commit));
        }
        let component = self.component.as_ref().map(ComponentName::to_string);
        LogText::new("unlocked", Tone::Neutral, component.unwrap_or_default())
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        require(is_ascending(&self.holds), Order("the holds"))?;
        require(
            self.commit.is_some() != self.holds.is_empty(),
            Contradiction(
                "an unlock that names a commit lists its holds, and no other unlock lists any",
            ),
        )?;
        require(
            self.commit.is_none() || self.component.is_none(),
            Contradiction("an unlock removes a lock or lifts holds, not both"),
        )
    }
}

impl EnvironmentBody for Unlock {
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
        None
    }

    fn approved_by(&self) -> &[Person] {
        &[]
    }

    fn break_glass(&self) -> Option<&Line> {
        None
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Unlock {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        let lock = option::of(component()).prop_map(|component| Self {
            component,
            commit: None,
            holds: Vec::new(),
            comment: None,
        });
        let holds = (commit(), component(), content(), option::of(line())).prop_map(
            |(commit, component, content, comment)| Self {
                component: None,
                commit: Some(commit),
                holds: vec![Hold { component, content }],
                comment,
            },
        );
        prop_oneof![lock, holds].boxed()
    }
}

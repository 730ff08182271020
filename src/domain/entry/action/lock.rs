//! `lock`: nothing is deployed to the environment, or to one component of it, until it is unlocked
//! or, if the entry says when, until the lock ends.

use serde::{Deserialize, Serialize};

use super::{
    ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, ComponentResult, Deployment,
    EnvironmentBody, HistoryRole, RunStep,
};
use crate::domain::entry::invalid::InvalidError;
use crate::domain::entry::log_text::{LogText, Tone};
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// The environment, or one component of it, is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The component; absent for the whole environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentName>,
    /// When the lock ends; absent if it holds until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Why it is locked.
    pub reason: Line,
}

impl Lock {
    /// Returns when the lock ended, if it has ended by this time.
    pub fn ended(&self, now: Time) -> Option<Time> {
        self.until.filter(|until| *until <= now)
    }
}

impl ActionType for Lock {
    const INFO: ActionInfo = ActionInfo {
        name: "lock",
        commits: CommitRole::None,
        history: HistoryRole::None,
    };
}

impl ActionBody for Lock {
    fn subjects(&self) -> Vec<Subject<'_>> {
        Vec::new()
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        self.component.iter().map(Trailer::Component).collect()
    }

    fn other_ids(&self) -> Vec<Oid> {
        Vec::new()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        self.component.iter().map(CodeClaim::in_policy).collect()
    }

    fn headline(&self, environment: &str) -> String {
        let object = match &self.component {
            Some(component) => format!("{component} in {environment}"),
            None => environment.to_owned(),
        };
        match self.until {
            Some(until) => format!("lock {object} until {until}"),
            None => format!("lock {object}"),
        }
    }

    fn free_text(&self) -> Option<&str> {
        Some(self.reason.as_str())
    }

    fn note(&self, _: CommitId) -> Note {
        Note::placeholder()
    }

    fn log(&self) -> LogText {
        let parts = [
            self.component.as_ref().map(ComponentName::to_string),
            Some(format!("\"{}\"", self.reason)),
            self.until.map(|until| format!("until {until}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        LogText::new("locked", Tone::Neutral, parts.join(", "))
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        Ok(())
    }
}

impl EnvironmentBody for Lock {
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
        self.until
    }

    fn approved_by(&self) -> &[Person] {
        &[]
    }

    fn break_glass(&self) -> Option<&Line> {
        None
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Lock {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        (option::of(component()), option::of(time()), line())
            .prop_map(|(component, until, reason)| Self {
                component,
                until,
                reason,
            })
            .boxed()
    }
}
